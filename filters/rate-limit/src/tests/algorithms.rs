//! The arithmetic against naive models over lists of all that passed.

use proptest::prelude::*;

use crate::Allowance;
use crate::allowance::{Cells, Spent};
use crate::rate::{Algorithm, Cell, Rate};

const SECOND: u64 = 1_000_000_000;
const EPOCH: u64 = 1_699_999_200 * SECOND;

/// Sends requests at these times and says, of each, whether it passed and what
/// was said to remain.
fn run(allowance: &Allowance, times: &[u64]) -> Vec<(bool, u64)> {
    let mut state = None;
    times
        .iter()
        .map(|now| {
            let spent = allowance.spend(state.as_ref(), 1, *now);
            assert!(spent.changed || !spent.admitted, "what passed has to be written");
            let said = (spent.admitted, remaining(allowance, &spent));
            keep(&mut state, spent);
            said
        })
        .collect()
}

fn one(algorithm: Algorithm, quota: u32, window: u64, burst: u32) -> Option<Allowance> {
    Some(Allowance::new(Rate::new(algorithm, quota, window, burst)?, Vec::new()))
}

fn remaining(allowance: &Allowance, spent: &Spent) -> u64 {
    allowance.left(spent).map(|left| left.remaining).min().unwrap()
}

fn more_in(allowance: &Allowance, spent: &Spent) -> u64 {
    allowance.left(spent).map(|left| left.more_in()).max().unwrap()
}

fn keep(state: &mut Option<Cells>, spent: Spent) {
    if spent.changed {
        // Cells survive the way through the shared data.
        for cell in spent.cells.iter() {
            assert_eq!(Cell::from_bytes(&cell.to_bytes()), Some(*cell));
        }
        *state = Some(spent.cells);
    }
}

/// Two aligned windows, the elder weighed by what the sliding one still covers of it,
/// in fractions of a window.
fn model_sliding(quota: u64, window: u64, times: &[u64]) -> Vec<(bool, u64)> {
    let mut passed: Vec<u64> = Vec::new();
    times
        .iter()
        .map(|now| {
            let spent_in = |number: u64| {
                let inside = |t: &&u64| **t / window == number;
                u128::try_from(passed.iter().filter(inside).count()).unwrap()
            };
            let (here, window) = (*now / window, u128::from(window));
            let to_come = window - u128::from(*now) % window;
            // All of it times the window, so that nothing is rounded.
            let used = spent_in(here) * window + spent_in(here - 1) * to_come;
            let free = (u128::from(quota) * window).saturating_sub(used);
            let passes = free >= window;
            if passes {
                passed.push(*now);
            }
            (passes, u64::try_from(free / window).unwrap() - u64::from(passes))
        })
        .collect()
}

/// A leaky bucket in exact fractions: `level` in units of 1/(window) requests
/// per nanosecond, all in big integers.
fn model_gcra(quota: u64, window: u64, burst: u64, times: &[u64]) -> Vec<(bool, u64)> {
    let (quota, window, burst) = (u128::from(quota), u128::from(window), u128::from(burst));
    // One request is `window` drops; `quota` drops leak out each nanosecond.
    let mut drops: u128 = 0;
    let mut last: u128 = 0;
    times
        .iter()
        .map(|now| {
            let now = u128::from(*now);
            drops = drops.saturating_sub((now - last) * quota);
            last = now;
            let passes = drops + window <= burst * window;
            if passes {
                drops += window;
            }
            (passes, u64::try_from((burst * window - drops) / window).unwrap())
        })
        .collect()
}

fn model_window(quota: u64, window: u64, times: &[u64]) -> Vec<(bool, u64)> {
    let mut passed: Vec<u64> = Vec::new();
    times
        .iter()
        .map(|now| {
            let here = |t: &&u64| **t / window == *now / window;
            let count = u64::try_from(passed.iter().filter(here).count()).unwrap();
            if count < quota {
                passed.push(*now);
                (true, quota - count - 1)
            } else {
                (false, 0)
            }
        })
        .collect()
}

fn times(gaps: &[u64]) -> Vec<u64> {
    gaps.iter()
        .scan(EPOCH, |now, gap| {
            *now += gap;
            Some(*now)
        })
        .collect()
}

/// Gaps from nothing to minutes; exact multiples of what limits divide into
/// come often, since that is where rounding shows.
fn gaps() -> impl Strategy<Value = Vec<u64>> {
    let gap = prop_oneof![
        4 => Just(0),
        2 => (0..100u64).prop_map(|n| n * SECOND / 10),
        2 => (0..20u64).prop_map(|n| n * SECOND),
        1 => 0..200 * SECOND,
        1 => 0..10u64,
    ];
    prop::collection::vec(gap, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn gcra_is_the_exact_leaky_bucket(
        quota in 1..20u32, window in 1..90u64, burst in 1..20u32, gaps in gaps(),
    ) {
        let allowance = one(Algorithm::Gcra, quota, window, burst).unwrap();
        let times = times(&gaps);
        let expected =
            model_gcra(quota.into(), window * SECOND, burst.into(), &times);
        prop_assert_eq!(run(&allowance, &times), expected);
    }

    #[test]
    fn fixed_windows_count_each_window(
        quota in 1..20u32, window in 1..90u64, gaps in gaps(),
    ) {
        let allowance = one(Algorithm::FixedWindow, quota, window, 1).unwrap();
        let times = times(&gaps);
        prop_assert_eq!(run(&allowance, &times), model_window(quota.into(), window * SECOND, &times));
    }

    #[test]
    fn sliding_windows_weigh_the_one_before(
        quota in 1..20u32, window in 1..90u64, gaps in gaps(),
    ) {
        let allowance = one(Algorithm::SlidingWindow, quota, window, 1).unwrap();
        let times = times(&gaps);
        let expected = model_sliding(quota.into(), window * SECOND, &times);
        prop_assert_eq!(run(&allowance, &times), expected);
    }

    /// `more_in` is not too early, and not a second too late.
    #[test]
    fn there_is_more_when_it_was_said(
        algorithm in algorithms(),
        quota in 1..50u32, window in 1..400u64, burst in 1..50u32, gaps in gaps(),
    ) {
        let allowance = one(algorithm, quota, window, burst).unwrap();
        let mut state = None;
        for now in times(&gaps) {
            let spent = allowance.spend(state.as_ref(), 1, now);
            let (more_in, left) = (more_in(&allowance, &spent), remaining(&allowance, &spent));
            keep(&mut state, spent);
            prop_assert!(more_in > 0);
            let remaining_at = |later: u64| {
                let next = allowance.spend(state.as_ref(), 1, later);
                remaining(&allowance, &next) + u64::from(next.admitted)
            };
            prop_assert!(remaining_at(now + more_in * SECOND) > left);
            let before = (more_in - 1) * SECOND;
            prop_assert!(remaining_at(now + before) <= left);
        }
    }

    #[test]
    fn no_numbers_trap(
        algorithm in algorithms(),
        quota in any::<u32>(), window in any::<u64>(), burst in any::<u32>(),
        nows in prop::collection::vec(any::<u64>(), 1..8),
        bytes in prop::collection::vec(any::<u8>(), Cell::SIZE),
        tag in prop::sample::select(b"gwsx".to_vec()),
        cost in any::<u64>(), much in any::<u64>(),
    ) {
        let mut bytes: [u8; Cell::SIZE] = bytes.try_into().unwrap();
        bytes[0] = tag;
        let cell = Cell::from_bytes(&bytes);
        let mut state = cell.map(|first| Cells { first, more: Vec::new() });
        for window in [window, window % 31_622_400] {
            let Some(allowance) = one(algorithm, quota, window, burst) else { continue };
            for now in &nows {
                let spent = allowance.spend(state.as_ref(), cost, *now);
                allowance.left(&spent).for_each(drop);
                let charged = spent.clone();
                let spent = allowance.charge(Some(&spent.cells), much, *now);
                allowance.left(&spent).for_each(drop);
                let spent = allowance.give(state.as_ref(), much, &charged, *now);
                allowance.left(&spent).for_each(drop);
                spent.cells.share(*now);
                spent.cells.is_idle(*now);
                state.as_ref().map(|cells| allowance.inherit(cells, *now));
                state = Some(match state {
                    Some(cells) => cells.fuller(spent.cells, *now),
                    None => spent.cells,
                });
            }
        }
    }
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(ALL.to_vec())
}

const ALL: [Algorithm; 3] = [Algorithm::Gcra, Algorithm::FixedWindow, Algorithm::SlidingWindow];

fn burst_of(allowance: &Allowance, state: &mut Option<Cells>, now: u64) -> u64 {
    let mut passed = 0;
    for _ in 0..10_000 {
        let spent = allowance.spend(state.as_ref(), 1, now);
        passed += u64::from(spent.admitted);
        keep(state, spent);
    }
    passed
}

/// Nobody gets more than a limit from a clock that is set back, and nobody is
/// locked out until the old time comes round again.
#[test]
fn a_clock_that_is_set_back() {
    for algorithm in ALL {
        let all_of_it = 10;
        let allowance = one(algorithm, 10, 60, 10).unwrap();
        let mut state = None;
        assert_eq!(burst_of(&allowance, &mut state, EPOCH), all_of_it);
        let back = EPOCH - 3600 * SECOND;
        assert_eq!(burst_of(&allowance, &mut state, back), 0, "{algorithm:?}");
        // What slides is weighed for one window more.
        let later = if algorithm == Algorithm::SlidingWindow { 120 } else { 60 };
        let soon = burst_of(&allowance, &mut state, back + later * SECOND);
        assert_eq!(soon, all_of_it, "{algorithm:?}: a window later it is as ever");
        // Back and forth, each step forward counts as time that went by.
        let mut state = None;
        let mut passed = 0;
        for _ in 0..100 {
            passed += burst_of(&allowance, &mut state, EPOCH);
            passed += burst_of(&allowance, &mut state, EPOCH - 30 * SECOND);
        }
        let forward = 100 * 30 / 60 * all_of_it;
        assert!(passed <= all_of_it + forward, "{algorithm:?}: {passed}");
    }
}

/// Two workers whose reads of the clock are a little apart.
#[test]
fn clocks_a_little_apart_give_nothing_away() {
    for algorithm in ALL {
        let allowance = one(algorithm, 10, 60, 10).unwrap();
        let mut state = None;
        let mut passed = 0;
        for n in 0..50 {
            let now = if n % 2 == 0 { EPOCH } else { EPOCH - SECOND / 1000 };
            let spent = allowance.spend(state.as_ref(), 1, now);
            passed += u64::from(spent.admitted);
            keep(&mut state, spent);
        }
        assert_eq!(passed, 10, "{algorithm:?}");
    }
}

#[test]
fn a_changed_limit_takes_the_used_share_along() {
    let spend = |allowance: &Allowance, state: &mut Option<Cells>, n: usize| {
        for _ in 0..n {
            *state = Some(allowance.spend(state.as_ref(), 1, EPOCH).cells);
        }
    };
    let gcra = |quota, window| one(Algorithm::Gcra, quota, window, quota).unwrap();
    // Half of 100 was used: half of 7 and of 1000 is left.
    for (quota, left) in [(7, 3), (1000, 500)] {
        let mut state = None;
        spend(&gcra(100, 60), &mut state, 50);
        assert_eq!(burst_of(&gcra(quota, 60), &mut state, EPOCH), left);
    }
    // All of a day was used: under a minute's limit it is back a minute later.
    let mut state = None;
    spend(&gcra(100, 86_400), &mut state, 100);
    assert_eq!(burst_of(&gcra(100, 60), &mut state, EPOCH), 0);
    assert_eq!(burst_of(&gcra(100, 60), &mut state, EPOCH + 60 * SECOND), 100);
    // Windows take the count along.
    let fixed = |quota, window| one(Algorithm::FixedWindow, quota, window, 1).unwrap();
    let mut state = None;
    spend(&fixed(100, 3600), &mut state, 60);
    assert_eq!(burst_of(&fixed(70, 3600), &mut state, EPOCH), 10);
    assert_eq!(burst_of(&fixed(80, 60), &mut state, EPOCH), 10);
    assert_eq!(burst_of(&fixed(80, 60), &mut state, EPOCH + 60 * SECOND), 80);
}

#[test]
fn impossible_numbers_are_no_allowance() {
    let make = |quota, window, burst| one(Algorithm::Gcra, quota, window, burst);
    assert!(make(1, 1, 1).is_some());
    assert!(make(1_000_000_000, 1, 1_000_000_000).is_some());
    assert!(make(1, 366 * 86_400, 1).is_some());
    assert_eq!(make(0, 1, 1), None);
    assert_eq!(make(1, 0, 1), None);
    assert_eq!(make(1, 1, 0), None);
    assert_eq!(make(1, 366 * 86_400 + 1, 1), None);
    assert_eq!(make(2, 366 * 86_400 + 1, 1), None);
    assert_eq!(make(1, 366 * 86_400, 2), None);
    assert_eq!(make(1, u64::MAX, 1), None);
}
