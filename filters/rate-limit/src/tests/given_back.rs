//! What an answer gives back, against models over lists of all that was spent.

use proptest::prelude::*;

use super::*;
use crate::allowance::{Allowance, Spent};
use crate::rate::{Algorithm, Rate};

const SECOND: u64 = 1_000_000_000;
const EPOCH: u64 = 1_699_999_200 * SECOND;

/// What was spent when.
struct Spending {
    at: u64,
    cost: u64,
    spent: Spent,
}

/// So much later, so much is spent; or of which one so much is given back.
type Doing = (u64, u64, Option<(usize, u64)>);

/// Spends at random, and gives back at random what was spent; after each step calls
/// `check` with what is left, all that was spent so far, and the time.
fn play(
    allowance: &Allowance,
    steps: &[Doing],
    mut check: impl FnMut(u64, &[Spending], u64) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let (mut state, mut now) = (None, EPOCH);
    let mut all: Vec<Spending> = Vec::new();
    for (gap, cost, back) in steps {
        now += gap;
        let spent = match back {
            Some((which, much)) if !all.is_empty() => {
                let which = which % all.len();
                let one = &mut all[which];
                let much = (*much).min(one.cost);
                one.cost -= much;
                allowance.give(state.as_ref(), much, &one.spent, now)
            }
            _ => {
                let spent = allowance.spend(state.as_ref(), *cost, now);
                if spent.admitted {
                    all.push(Spending { at: now, cost: *cost, spent: spent.clone() });
                }
                spent
            }
        };
        let left = allowance.left(&spent).next().unwrap().remaining;
        state = if spent.changed { Some(spent.cells) } else { state };
        // As the table may, at any time.
        state = state.filter(|cells| !cells.is_idle(now));
        check(left, &all, now)?;
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Doing>> {
    let gap = prop_oneof![
        3 => Just(0),
        2 => (0..50u64).prop_map(|n| n * SECOND / 10),
        1 => 0..60 * SECOND,
    ];
    let back = prop::option::of((any::<usize>(), 1..8u64));
    prop::collection::vec((gap, 1..5u64, back), 1..80)
}

fn allowance(algorithm: Algorithm, quota: u32, window: u64, burst: u32) -> Allowance {
    Allowance::new(Rate::new(algorithm, quota, window, burst).unwrap(), Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_fixed_window_has_lost_what_was_spent_in_it_and_not_given_back(
        quota in 1..20u32, window in 1..40u64, steps in steps(),
    ) {
        let fixed = allowance(Algorithm::FixedWindow, quota, window, 1);
        play(&fixed, &steps, |left, all, now| {
            let number = |at: u64| at / (window * SECOND);
            let here = all.iter().filter(|one| number(one.at) == number(now));
            prop_assert_eq!(left, u64::from(quota) - here.map(|one| one.cost).sum::<u64>());
            Ok(())
        })?;
    }

    #[test]
    fn a_sliding_window_weighs_what_was_not_given_back(
        quota in 1..20u32, window in 1..40u64, steps in steps(),
    ) {
        let sliding = allowance(Algorithm::SlidingWindow, quota, window, 1);
        play(&sliding, &steps, |left, all, now| {
            let window = window * SECOND;
            let spent_in = |number: u64| {
                let inside = all.iter().filter(|one| one.at / window == number);
                inside.map(|one| u128::from(one.cost)).sum::<u128>()
            };
            let here = now / window;
            let to_come = u128::from(window - now % window);
            let before = (spent_in(here - 1) * to_come).div_ceil(window.into());
            let used = u64::try_from(spent_in(here) + before).unwrap();
            prop_assert_eq!(left, u64::from(quota).saturating_sub(used));
            Ok(())
        })?;
    }

    /// Nobody gains by what is given back late; at once, all of it is there again.
    #[test]
    fn a_bucket_that_fills_gets_nothing_twice(
        quota in 1..20u32, window in 1..40u64, burst in 1..20u32, steps in steps(),
        at_once in any::<bool>(),
    ) {
        let mut steps = steps;
        if at_once {
            steps.iter_mut().for_each(|(gap, ..)| *gap = 0);
        }
        let gcra = allowance(Algorithm::Gcra, quota, window, burst);
        play(&gcra, &steps, |left, all, now| {
            // A request is `window` drops; `quota` drops leak out each nanosecond.
            let (quota, window) = (u128::from(quota), u128::from(window * SECOND));
            let (mut drops, mut last) = (0u128, 0u64);
            for one in all {
                drops = drops.saturating_sub(u128::from(one.at - last) * quota);
                drops += window * u128::from(one.cost);
                last = one.at;
            }
            drops = drops.saturating_sub(u128::from(now - last) * quota);
            let model = (window * u128::from(burst)).saturating_sub(drops) / window;
            let model = u64::try_from(model).unwrap();
            if at_once {
                prop_assert_eq!(left, model);
            } else {
                prop_assert!(left <= model, "{} of {}", left, model);
            }
            Ok(())
        })?;
    }
}

/// A request that costs 4 of 10 and, by its answer, nothing; until then others spent 2.
fn answered_late(algorithm: &str, after: u64) -> u64 {
    let filter = rate_limit(&format!(
        r#"{{"limits": [{{
            "id": "a", "match": {{}}, "algorithm": "{algorithm}", "quota": 10, "window": "60s",
            "costs": [
                {{"match": {{"paths": ["/dear"]}}, "cost": 4, "answers": [{{"cost": 0}}]}}
            ]
        }}]}}"#
    ));
    // A minute begins.
    let begin = Duration::from_secs(1_699_999_200);
    let host = FakeHost::at(begin);
    identify(&host, caller("s"));
    let (mut dear, outcome) = ask(&filter, &host, &[(":path", b"/dear")]);
    assert!(matches!(outcome.step, Step::Continue));
    host.set_now(begin + Duration::from_secs(after));
    assert_eq!(passed(&filter, &host, &[], 2), 2);
    dress(&filter, &host, &mut dear, 200);
    u64::try_from(passed(&filter, &host, &[], 20)).unwrap()
}

#[test]
fn an_answer_gives_back_nothing_of_another_window() {
    assert_eq!(answered_late("fixed_window", 59), 8);
    assert_eq!(answered_late("fixed_window", 60), 8, "two were spent in this one");
    assert_eq!(answered_late("sliding_window", 59), 8);
    assert_eq!(answered_late("sliding_window", 60), 8, "of the one before nothing is left");
    assert_eq!(answered_late("sliding_window", 180), 8);
    assert_eq!(answered_late("gcra", 0), 8);
    // Half of what it cost has come back by itself.
    assert_eq!(answered_late("gcra", 12), 8);
    assert_eq!(answered_late("gcra", 24), 8, "all of it has");
}

/// What counts how much was given back is not taken for that of an entry that was
/// forgotten meanwhile.
#[test]
fn an_entry_that_was_forgotten_is_another() {
    let gcra = allowance(Algorithm::Gcra, 1, 1, 10);
    let first = gcra.spend(None, 1, EPOCH);
    let second = gcra.spend(Some(&first.cells), 1, EPOCH);
    let state = gcra.give(Some(&second.cells), 1, &first, EPOCH);
    assert!(state.cells.is_idle(EPOCH + SECOND));
    let third = gcra.spend(None, 1, EPOCH + SECOND);
    let state = gcra.give(Some(&third.cells), 1, &second, EPOCH + SECOND);
    assert_eq!(gcra.left(&state).next().unwrap().remaining, 9, "the third one is not given back");
}

/// Callers that are taken back for are answered after a while, the first ones first: what
/// has come back by itself meanwhile is not missing for the others.
#[test]
fn all_that_was_under_way_is_there_again() {
    let gcra = allowance(Algorithm::Gcra, 6_000, 60, 6_000);
    let (mut state, mut now) = (None, EPOCH);
    for volley in 0..4 {
        let mut under_way = Vec::new();
        for _ in 0..1_000 {
            let spent = gcra.spend(state.as_ref(), 1, now);
            assert!(spent.admitted);
            under_way.push(spent.clone());
            state = Some(spent.cells);
        }
        now += SECOND / 2;
        let mut left = 0;
        for one in &under_way {
            let given = gcra.give(state.as_ref(), 1, one, now);
            left = gcra.left(&given).next().unwrap().remaining;
            state = if given.changed { Some(given.cells) } else { state };
        }
        assert_eq!(left, 6_000, "volley {volley}");
    }
}
