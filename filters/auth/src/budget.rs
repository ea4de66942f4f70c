//! How many signatures may be checked inside Wasm. Such a check holds its
//! worker for up to some milliseconds, and any stranger can ask for one.

use std::cell::Cell;
use std::time::Duration;

/// What checking one signature costs, in quarters of a check with an RSA key
/// of 2048 bits. Measured in Wasm: about 0.25 ms each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost(pub(crate) u32);

/// A bucket of checks that fills up at a steady rate, up to what one second
/// brings. Each VM has its own.
#[derive(Debug)]
pub(crate) struct Budget {
    per_second: u32,
    level: Cell<Level>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    /// In quarters of a check, times a thousand million: a nanosecond brings
    /// `4 * per_second` of them.
    tokens: u128,
    at: Option<Duration>,
}

/// One quarter of a check.
const QUARTER: u128 = 1_000_000_000;

impl Budget {
    /// So many checks with an RSA key of 2048 bits per second; none at all for
    /// 0.
    pub(crate) fn per_second(checks: u32) -> Self {
        let full = u128::from(checks) * 4 * QUARTER;
        Budget { per_second: checks, level: Cell::new(Level { tokens: full, at: None }) }
    }

    /// Takes the cost of a check out of the bucket; `now` is the time since
    /// any fixed point. A clock that goes back brings nothing, and takes
    /// nothing away. A check that costs more than a second brings
    /// takes a full bucket.
    ///
    /// # Errors
    /// The bucket is empty: in how many seconds it is worth asking again, at
    /// least 1.
    pub(crate) fn take(&self, cost: Cost, now: Duration) -> Result<(), u64> {
        let Level { tokens, at } = self.level.get();
        let rate = u128::from(self.per_second) * 4;
        let full = rate * QUARTER;
        let passed = at.map_or(0, |at| now.saturating_sub(at).as_nanos());
        let tokens = full.min(tokens.saturating_add(rate.saturating_mul(passed)));
        let price = u128::from(cost.0) * QUARTER;
        let needed = price.min(full);
        let enough = tokens >= needed && needed > 0;
        let left = if enough { tokens - needed } else { tokens };
        self.level.set(Level { tokens: left, at: Some(now) });
        if enough {
            return Ok(());
        }
        let nanos = (needed - left.min(needed)).checked_div(rate).unwrap_or(u128::MAX);
        Err(u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX).clamp(1, 60))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHECK: Cost = Cost(4);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_second_brings_what_it_says() {
        let budget = Budget::per_second(3);
        for _ in 0..3 {
            assert_eq!(budget.take(CHECK, at(0)), Ok(()));
        }
        assert_eq!(budget.take(CHECK, at(0)), Err(1));
        assert_eq!(budget.take(CHECK, at(333)), Err(1));
        assert_eq!(budget.take(CHECK, at(334)), Ok(()));
        assert_eq!(budget.take(CHECK, at(334)), Err(1));
        // A quarter comes a good deal sooner.
        assert_eq!(budget.take(Cost(1), at(334 + 84)), Ok(()));
        for _ in 0..3 {
            assert_eq!(budget.take(CHECK, at(60_000)), Ok(()), "no more than a second's worth");
        }
        assert_eq!(budget.take(CHECK, at(60_000)), Err(1));
    }

    #[test]
    fn a_clock_that_goes_back_brings_nothing() {
        let budget = Budget::per_second(1);
        assert_eq!(budget.take(CHECK, at(5_000)), Ok(()));
        for _ in 0..5 {
            assert_eq!(budget.take(CHECK, at(0)), Err(1));
        }
        assert_eq!(budget.take(CHECK, at(1_000)), Ok(()), "it goes on from there");
    }

    #[test]
    fn what_costs_more_than_a_second_brings_needs_a_full_bucket() {
        let budget = Budget::per_second(2);
        assert_eq!(budget.take(Cost(16), at(0)), Ok(()));
        assert_eq!(budget.take(Cost(16), at(999)), Err(1));
        assert_eq!(budget.take(Cost(16), at(1_000)), Ok(()));
        assert_eq!(Budget::per_second(0).take(Cost(1), at(0)), Err(60));
    }

    proptest! {
        /// Over any stretch of time no more passes than it brings, and one
        /// second's worth.
        #[test]
        fn never_more_than_the_rate(
            rate in 1u32..50,
            steps in prop::collection::vec((0u64..400, 1u32..9), 1..200),
        ) {
            let budget = Budget::per_second(rate);
            let (mut now, mut spent) = (0, 0);
            for (step, cost) in steps {
                now += step;
                if budget.take(Cost(cost), at(now)).is_ok() {
                    spent += u64::from(cost.min(4 * rate));
                }
                prop_assert!(spent * 1000 <= u64::from(4 * rate) * (now + 1000));
            }
        }
    }
}
