//! Against a limiter that others wrote: the crate `governor`, on random schedules.

use std::num::NonZeroU32;

use governor::clock::FakeRelativeClock;
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};
use proptest::prelude::*;

use crate::Allowance;
use crate::rate::{Algorithm, Rate};

const SECOND: u64 = 1_000_000_000;
const EPOCH: u64 = 1_699_999_200 * SECOND;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// Both count in whole nanoseconds here, since `governor` can do no other.
    #[test]
    fn gcra_counts_as_governor_does(
        quota in prop::sample::select(vec![1u32, 2, 3, 4, 5, 6, 8, 10, 12, 20, 60, 100]),
        minutes in 1..90u64, burst in 1..40u32,
        steps in prop::collection::vec((0..5u64, 0..60_000u64, 1..4u32), 1..200),
    ) {
        let window = minutes * 60;
        let each = std::time::Duration::from_nanos(window * SECOND / u64::from(quota));
        let clock = FakeRelativeClock::default();
        let theirs = Quota::with_period(each).unwrap().allow_burst(NonZeroU32::new(burst).unwrap());
        let theirs = RateLimiter::direct_with_clock(theirs, clock.clone())
            .with_middleware::<StateInformationMiddleware>();
        let ours = Allowance::new(Rate::new(Algorithm::Gcra, quota, window, burst).unwrap(), vec![]);
        let (mut state, mut now) = (None, EPOCH);
        for (kind, gap, cost) in steps {
            // Often at once, else some milliseconds, or exactly when the next one comes.
            let gap = match kind {
                0 | 1 => 0,
                2 => each.as_nanos().try_into().unwrap(),
                _ => gap * 1_000_000,
            };
            now += gap;
            clock.advance(std::time::Duration::from_nanos(gap));
            let spent = ours.spend(state.as_ref(), cost.into(), now);
            let left = ours.left(&spent).next().unwrap().remaining;
            let expected = theirs.check_n(NonZeroU32::new(cost).unwrap());
            match expected {
                Ok(Ok(snapshot)) => {
                    prop_assert!(spent.admitted);
                    prop_assert_eq!(left, u64::from(snapshot.remaining_burst_capacity()));
                }
                Ok(Err(_)) | Err(_) => prop_assert!(!spent.admitted),
            }
            if spent.changed {
                state = Some(spent.cells);
            }
        }
    }
}
