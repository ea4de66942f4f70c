//! The arithmetic against naive models over lists of all that passed.

use proptest::prelude::*;

use crate::bucket::{Algorithm, Allowance, State};

const SECOND: u64 = 1_000_000_000;
const EPOCH: u64 = 1_699_999_200 * SECOND;

/// Sends requests at these times and says, of each, whether it passed and what
/// was said to remain.
fn run(allowance: &Allowance, times: &[u64]) -> Vec<(bool, u64)> {
    let mut state = None;
    times
        .iter()
        .map(|now| {
            let spent = allowance.spend(state, *now);
            assert!(spent.changed || !spent.admitted, "what passed has to be written");
            if spent.changed {
                // States survive the way through the shared data.
                state = State::from_bytes(&spent.state.to_bytes());
                assert_eq!(state, Some(spent.state));
            }
            (spent.admitted, spent.remaining)
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
        let allowance = Allowance::new(Algorithm::Gcra, quota, window, burst).unwrap();
        let times = times(&gaps);
        let expected =
            model_gcra(quota.into(), window * SECOND, burst.into(), &times);
        prop_assert_eq!(run(&allowance, &times), expected);
    }

    #[test]
    fn fixed_windows_count_each_window(
        quota in 1..20u32, window in 1..90u64, gaps in gaps(),
    ) {
        let allowance = Allowance::new(Algorithm::FixedWindow, quota, window, 1).unwrap();
        let times = times(&gaps);
        prop_assert_eq!(run(&allowance, &times), model_window(quota.into(), window * SECOND, &times));
    }

    /// `more_in` is not too early, and not a second too late.
    #[test]
    fn there_is_more_when_it_was_said(
        fixed in any::<bool>(),
        quota in 1..50u32, window in 1..400u64, burst in 1..50u32, gaps in gaps(),
    ) {
        let algorithm = if fixed { Algorithm::FixedWindow } else { Algorithm::Gcra };
        let allowance = Allowance::new(algorithm, quota, window, burst).unwrap();
        let mut state = None;
        for now in times(&gaps) {
            let spent = allowance.spend(state, now);
            if spent.changed {
                state = Some(spent.state);
            }
            prop_assert!(spent.more_in > 0);
            let remaining_at = |later: u64| {
                let next = allowance.spend(state, later);
                next.remaining + u64::from(next.admitted)
            };
            prop_assert!(remaining_at(now + spent.more_in * SECOND) > spent.remaining);
            let before = (spent.more_in - 1) * SECOND;
            prop_assert!(remaining_at(now + before) <= spent.remaining);
        }
    }

    #[test]
    fn no_numbers_trap(
        fixed in any::<bool>(),
        quota in any::<u32>(), window in any::<u64>(), burst in any::<u32>(),
        nows in prop::collection::vec(any::<u64>(), 1..8),
        bytes in prop::array::uniform17(any::<u8>()),
        tag in prop::sample::select(b"gwx".to_vec()),
    ) {
        let algorithm = if fixed { Algorithm::FixedWindow } else { Algorithm::Gcra };
        let mut bytes = bytes;
        bytes[0] = tag;
        let mut state = State::from_bytes(&bytes);
        for window in [window, window % 31_622_400] {
            let Some(allowance) = Allowance::new(algorithm, quota, window, burst) else { continue };
            for now in &nows {
                let spent = allowance.spend(state, *now);
                spent.state.used(*now);
                spent.state.is_idle(*now);
                state = Some(spent.state);
            }
        }
    }
}

fn burst_of(allowance: &Allowance, state: &mut Option<State>, now: u64) -> u64 {
    let mut passed = 0;
    for _ in 0..10_000 {
        let spent = allowance.spend(*state, now);
        if spent.changed {
            *state = Some(spent.state);
        }
        passed += u64::from(spent.admitted);
    }
    passed
}

/// Nobody gets more than a limit from a clock that is set back, and nobody is
/// locked out until the old time comes round again.
#[test]
fn a_clock_that_is_set_back() {
    for (algorithm, all_of_it) in [(Algorithm::Gcra, 10), (Algorithm::FixedWindow, 10)] {
        let allowance = Allowance::new(algorithm, 10, 60, 10).unwrap();
        let mut state = None;
        assert_eq!(burst_of(&allowance, &mut state, EPOCH), all_of_it);
        let back = EPOCH - 3600 * SECOND;
        assert_eq!(burst_of(&allowance, &mut state, back), 0, "{algorithm:?}");
        let soon = burst_of(&allowance, &mut state, back + 60 * SECOND);
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
    for algorithm in [Algorithm::Gcra, Algorithm::FixedWindow] {
        let allowance = Allowance::new(algorithm, 10, 60, 10).unwrap();
        let mut state = None;
        let mut passed = 0;
        for n in 0..50 {
            let now = if n % 2 == 0 { EPOCH } else { EPOCH - SECOND / 1000 };
            let spent = allowance.spend(state, now);
            passed += u64::from(spent.admitted);
            if spent.changed {
                state = Some(spent.state);
            }
        }
        assert_eq!(passed, 10, "{algorithm:?}");
    }
}

#[test]
fn a_changed_limit_takes_the_used_share_along() {
    let spend = |allowance: &Allowance, state: &mut Option<State>, n: usize| {
        for _ in 0..n {
            *state = Some(allowance.spend(*state, EPOCH).state);
        }
    };
    let gcra = |quota, window| Allowance::new(Algorithm::Gcra, quota, window, quota).unwrap();
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
    let fixed = |quota, window| Allowance::new(Algorithm::FixedWindow, quota, window, 1).unwrap();
    let mut state = None;
    spend(&fixed(100, 3600), &mut state, 60);
    assert_eq!(burst_of(&fixed(70, 3600), &mut state, EPOCH), 10);
    assert_eq!(burst_of(&fixed(80, 60), &mut state, EPOCH), 10);
    assert_eq!(burst_of(&fixed(80, 60), &mut state, EPOCH + 60 * SECOND), 80);
}

#[test]
fn impossible_numbers_are_no_allowance() {
    let make = |quota, window, burst| Allowance::new(Algorithm::Gcra, quota, window, burst);
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
