//! What answers cost beyond what was left has to come back first.

use postern_core::fake::FakeHost;
use proptest::prelude::*;

use super::*;
use crate::allowance::Allowance;
use crate::rate::{Algorithm, Rate};

const SECOND: u64 = 1_000_000_000;
const EPOCH: u64 = 1_699_999_200 * SECOND;

fn allowance(algorithm: Algorithm, quota: u32, window: u64, burst: u32) -> Allowance {
    Allowance::new(Rate::new(algorithm, quota, window, burst).unwrap(), Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// A bucket in whole drops, into which as much may go as is said.
    #[test]
    fn a_debt_is_paid_in_full(
        quota in 1..20u32, window in 1..90u64, burst in 1..20u32,
        steps in prop::collection::vec((0..30 * SECOND, any::<bool>(), 0..500u64), 1..60),
    ) {
        let gcra = allowance(Algorithm::Gcra, quota, window, burst);
        let (leak, request) = (u128::from(quota), u128::from(window * SECOND));
        let full = u128::from(burst) * request;
        let (mut drops, mut now, mut state) = (0u128, EPOCH, None);
        for (gap, charges, cost) in steps {
            now += gap;
            drops = drops.saturating_sub(u128::from(gap) * leak);
            let spent = if charges {
                drops += u128::from(cost) * request;
                gcra.charge(state.as_ref(), cost, now)
            } else {
                let passes = drops + request <= full;
                drops += if passes { request } else { 0 };
                let spent = gcra.spend(state.as_ref(), 1, now);
                prop_assert_eq!(spent.admitted, passes);
                spent
            };
            let left = gcra.left(&spent).next().unwrap();
            let remaining = full.saturating_sub(drops) / request;
            prop_assert_eq!(u128::from(left.remaining), remaining);
            let whole_in = drops.div_ceil(leak).div_ceil(SECOND.into());
            prop_assert_eq!(u128::from(left.whole_in()), whole_in);
            state = if spent.changed { Some(spent.cells) } else { state };
        }
    }
}

/// So many requests that cost 100 each by their answers, all under way at once; when does
/// the next one pass?
fn next_after(algorithm: &str, requests: usize) -> u64 {
    let filter = rate_limit(&format!(
        r#"{{"limits": [{{
            "id": "a", "match": {{}}, "algorithm": "{algorithm}", "quota": 10, "window": "10s",
            "costs": [{{"match": {{}}, "answers": [{{"cost": 100}}]}}]
        }}]}}"#
    ));
    let host = FakeHost::at(START);
    identify(&host, caller("s"));
    let mut streams: Vec<Stream> = (0..requests).map(|_| ask(&filter, &host, &[]).0).collect();
    for stream in &mut streams {
        dress(&filter, &host, stream, 200);
    }
    let passes = |after: &u64| {
        host.set_now(START + Duration::from_secs(*after));
        matches!(ask(&filter, &host, &[]).1.step, Step::Continue)
    };
    (0..100_000).find(passes).unwrap()
}

#[test]
fn who_overdraws_more_waits_longer() {
    // A unit comes back each second; of what there was, nine were left.
    assert_eq!(next_after("gcra", 1), 91);
    assert_eq!(next_after("gcra", 10), 991);
    // Windows end, and with them what is owed.
    assert_eq!(next_after("fixed_window", 10), 10);
    assert_eq!(next_after("sliding_window", 1), 20);
    assert_eq!(next_after("sliding_window", 10), 20);
}

#[test]
fn a_debt_has_an_end() {
    let year = 366 * 86_400 * SECOND;
    for (quota, window, burst) in
        [(1, 366 * 86_400, 1), (1, 1, 1), (999_999_937, 31_000_000, 1_000_000_000)]
    {
        let gcra = allowance(Algorithm::Gcra, quota, window, burst);
        let mut state = None;
        for _ in 0..1_000 {
            state = Some(gcra.charge(state.as_ref(), 1_000_000, EPOCH).cells);
        }
        let owes = |now: u64| !gcra.spend(state.as_ref(), 1, now).admitted;
        assert!(owes(EPOCH), "{quota} in {window}");
        assert!(!owes(EPOCH + 2 * year), "{quota} in {window}");
    }
    // And none when the clock is set back: only nothing is left.
    let gcra = allowance(Algorithm::Gcra, 1, 1, 10);
    let state = gcra.charge(None, 1_000, EPOCH).cells;
    let back = EPOCH - 3_600 * SECOND;
    assert!(!gcra.spend(Some(&state), 1, back).admitted);
    let seen = gcra.charge(Some(&state), 0, back);
    assert!(seen.changed);
    assert!(gcra.spend(Some(&seen.cells), 1, back + SECOND).admitted);
}

#[test]
fn a_newcomer_inherits_no_debt() {
    let gcra = allowance(Algorithm::Gcra, 1, 1, 10);
    let rest = gcra.charge(None, 1_000, EPOCH).cells;
    let rest = gcra.inherit(&rest, EPOCH).unwrap();
    assert!(!gcra.spend(Some(&rest), 1, EPOCH).admitted, "nothing is left");
    assert!(gcra.spend(Some(&rest), 1, EPOCH + SECOND).admitted);
    let other = allowance(Algorithm::Gcra, 2, 1, 10);
    let rest = gcra.charge(None, 1_000, EPOCH).cells;
    let rest = other.inherit(&rest, EPOCH).unwrap();
    assert!(other.spend(Some(&rest), 1, EPOCH + SECOND).admitted);
}
