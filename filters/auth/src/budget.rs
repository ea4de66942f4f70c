//! How many signatures may be checked inside Wasm. Such a check holds its
//! worker for up to some milliseconds, and any stranger can ask for one.
//!
//! What a second brings is one half a common pool, and the other half shares of
//! the providers. A provider spends its own share first, and a share that is full
//! flows into the pool: so one that is flooded takes what the others leave, and
//! never their shares.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// What checking one signature costs, in quarters of a check with an RSA key
/// of 2048 bits. Measured in Wasm: about 0.25 ms each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost(pub(crate) u32);

impl Cost {
    /// Next to nothing, or somebody else's.
    pub(crate) const NONE: Cost = Cost(0);
}

/// The dearest check: a share holds at least this much, or it would never be
/// enough for one.
pub(crate) const DEAREST: Cost = Cost(16);

/// A provider's part in the checks of a VM.
#[derive(Debug)]
pub(crate) struct Budget {
    pool: Rc<Pool>,
    own: usize,
}

#[derive(Debug)]
struct Pool {
    per_second: u32,
    shares: u32,
    level: RefCell<Level>,
}

/// Quarters of a check, in units in which a nanosecond brings whole numbers.
#[derive(Debug)]
struct Level {
    common: u128,
    own: Vec<u128>,
    at: Option<Duration>,
}

const SECOND: u128 = 1_000_000_000;

impl Pool {
    /// What a nanosecond brings each share; it brings the common pool as much as
    /// all shares.
    fn rate(&self) -> u128 {
        u128::from(self.per_second) * 4
    }

    fn common_rate(&self) -> u128 {
        self.rate() * u128::from(self.shares)
    }

    fn price(&self, cost: Cost) -> u128 {
        u128::from(cost.0) * SECOND * 2 * u128::from(self.shares)
    }

    fn refill(&self, level: &mut Level, now: Duration) {
        let passed = level.at.map_or(0, |at| now.saturating_sub(at).as_nanos());
        level.at = Some(now);
        let most = (self.rate() * SECOND).max(self.price(DEAREST));
        let mut over = 0_u128;
        for own in &mut level.own {
            let filled = own.saturating_add(self.rate().saturating_mul(passed));
            *own = filled.min(most);
            over = over.saturating_add(filled - *own);
        }
        let filled = self.common_rate().saturating_mul(passed).saturating_add(over);
        level.common = level.common.saturating_add(filled).min(self.common_rate() * SECOND);
    }
}

impl Budget {
    /// So many checks with an RSA key of 2048 bits per second, for one provider
    /// alone; none at all for 0.
    pub(crate) fn per_second(checks: u32) -> Self {
        Budget::over(checks, 1, 0)
    }

    /// The same for several.
    pub(crate) fn shared(checks: u32, providers: usize) -> Vec<Self> {
        let shares = u32::try_from(providers).unwrap_or(u32::MAX);
        let one = Budget::over(checks, shares, 0);
        (0..providers).map(|own| Budget { pool: Rc::clone(&one.pool), own }).collect()
    }

    fn over(per_second: u32, shares: u32, own: usize) -> Self {
        let level = RefCell::new(Level { common: 0, own: Vec::new(), at: None });
        let pool = Pool { per_second, shares, level };
        // A second's worth to begin with.
        if let Ok(mut level) = pool.level.try_borrow_mut() {
            level.common = pool.common_rate() * SECOND;
            level.own = (0..shares).map(|_| pool.rate() * SECOND).collect();
        }
        Budget { pool: Rc::new(pool), own }
    }

    /// Takes the cost of a check; `now` is the time since any fixed point. A clock
    /// that goes back brings nothing, and takes nothing away.
    ///
    /// # Errors
    /// There is not enough: in how many seconds it is worth asking again, at
    /// least 1.
    pub(crate) fn take(&self, cost: Cost, now: Duration) -> Result<(), u64> {
        let pool = &self.pool;
        let Ok(mut level) = pool.level.try_borrow_mut() else { return Err(1) };
        pool.refill(&mut level, now);
        let Level { common, own, .. } = &mut *level;
        let Some(own) = own.get_mut(self.own) else { return Err(60) };
        let price = pool.price(cost);
        let lacking = price.saturating_sub(own.saturating_add(*common));
        if lacking == 0 {
            let from_own = price.min(*own);
            *own -= from_own;
            *common = common.saturating_sub(price - from_own);
            return Ok(());
        }
        let nanos = lacking.checked_div(pool.rate() + pool.common_rate()).unwrap_or(u128::MAX);
        Err(u64::try_from(nanos.div_ceil(SECOND)).unwrap_or(u64::MAX).clamp(1, 60))
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

    /// So many checks in a row.
    fn spend(budget: &Budget, at: Duration) -> u32 {
        let mut spent = 0;
        while budget.take(CHECK, at).is_ok() {
            spent += 1;
        }
        spent
    }

    #[test]
    fn a_second_brings_what_it_says() {
        let budget = Budget::per_second(10);
        assert_eq!(spend(&budget, at(0)), 10);
        assert_eq!(budget.take(CHECK, at(0)), Err(1));
        assert_eq!(budget.take(CHECK, at(99)), Err(1));
        assert_eq!(budget.take(CHECK, at(100)), Ok(()));
        assert_eq!(budget.take(CHECK, at(100)), Err(1));
        // A quarter comes a good deal sooner.
        assert_eq!(budget.take(Cost(1), at(100 + 25)), Ok(()));
        assert_eq!(spend(&budget, at(60_000)), 10, "no more than a second's worth");
    }

    #[test]
    fn a_clock_that_goes_back_brings_nothing() {
        let budget = Budget::per_second(1);
        assert_eq!(spend(&budget, at(5_000)), 1);
        for _ in 0..5 {
            assert_eq!(budget.take(CHECK, at(0)), Err(1));
        }
        assert_eq!(budget.take(CHECK, at(1_000)), Ok(()), "it goes on from there");
    }

    #[test]
    fn what_costs_more_than_a_second_brings_is_saved_up_for() {
        let budget = Budget::per_second(2);
        assert_eq!(budget.take(DEAREST, at(0)), Err(1));
        assert_eq!(budget.take(DEAREST, at(2_000)), Ok(()));
        assert_eq!(budget.take(DEAREST, at(2_000)), Err(2));
        let of_many = Budget::shared(1, 50);
        assert_eq!(of_many[0].take(DEAREST, at(0)), Err(7), "if nobody else asks");
        spend(&of_many[1], at(400_000));
        assert_eq!(of_many[0].take(DEAREST, at(400_000)), Ok(()), "out of the share alone");
        assert_eq!(Budget::per_second(0).take(Cost(1), at(0)), Err(60));
    }

    #[test]
    fn one_that_is_flooded_leaves_the_others_their_shares() {
        let budgets = Budget::shared(40, 4);
        assert_eq!(spend(&budgets[0], at(0)), 25, "its share and the pool");
        for calm in &budgets[1..3] {
            assert_eq!(spend(calm, at(0)), 5);
        }
        // What full shares do not take is not lost: of the fourth now, of all later.
        let in_a_second = |from: u64| -> u32 {
            (1..=10).map(|tenth| spend(&budgets[0], at(from + 100 * tenth))).sum()
        };
        assert_eq!((in_a_second(0), in_a_second(1_000)), (30, 40));
        assert_eq!(spend(&budgets[1], at(2_000)), 5);
    }

    proptest! {
        /// Over any stretch of time no more passes than it brings, and what may be
        /// saved up.
        #[test]
        fn never_more_than_the_rate(
            rate in 1u32..50,
            providers in 1usize..5,
            steps in prop::collection::vec((0u64..400, 0usize..5, 1u32..=16), 1..200),
        ) {
            let budgets = Budget::shared(rate, providers);
            let (mut now, mut spent) = (0, 0);
            let saved = 16 * providers as u64;
            for (step, who, cost) in steps {
                now += step;
                if budgets[who % providers].take(Cost(cost), at(now)).is_ok() {
                    spent += u64::from(cost);
                }
                let brought = u64::from(4 * rate) * (now + 1000);
                prop_assert!(spent * 1000 <= brought + saved * 1000);
            }
        }

        /// Whatever the others do, nobody is refused who takes no more than comes
        /// into a share.
        #[test]
        fn a_share_is_always_there(
            rate in 1u32..50,
            providers in 2usize..5,
            steps in prop::collection::vec((0u64..400, 0u32..30, 1u32..=16), 1..200),
        ) {
            let budgets = Budget::shared(rate, providers);
            // In quarters of a check, times the milliseconds of a second, times
            // the number of shares, twice.
            let unit = 1000 * 2 * providers as u64;
            let mut now = 0;
            let _ = budgets[0].take(Cost(0), at(now));
            let mut own = u64::from(4 * rate) * 1000;
            let most = own.max(16 * unit);
            for (step, greed, cost) in steps {
                now += step;
                own = (own + u64::from(4 * rate) * step).min(most);
                for i in 0..greed {
                    let _ = budgets[1 + i as usize % (providers - 1)].take(Cost(1 + i % 16), at(now));
                }
                let price = u64::from(cost) * unit;
                if own >= price {
                    prop_assert_eq!(budgets[0].take(Cost(cost), at(now)), Ok(()));
                    own -= price;
                }
            }
        }
    }
}
