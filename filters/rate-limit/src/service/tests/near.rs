//! What is remembered, against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::near::{Near, Over};
use super::*;
use crate::allowance::Left;
use crate::table::Hash;

fn hash(number: u64) -> Hash {
    let digest = postern_core::digest::sha256(&number.to_le_bytes());
    *digest.first_chunk().unwrap()
}

fn over(until: u64, cost: u64) -> Over {
    let left = Left {
        quota: 1,
        window: Some(1),
        remaining: 0,
        more_ns: 9,
        whole_ns: 9,
        at_ns: 0,
        enough: false,
    };
    Over { until: Duration::from_secs(until), cost, window: 0, quota: 1, left }
}

proptest! {
    /// Whatever happens, it never says more than was noted last, and with room for all
    /// it says all of it.
    #[test]
    fn says_what_was_noted_last(
        steps in proptest::collection::vec((0u64..12, 0u64..3, 0u64..30, 1u64..4), 1..200),
        room in prop_oneof![Just(0u64), Just(4), Just(4_096)],
    ) {
        let mut near = Near::new(room, Duration::from_secs(30));
        let mut noted: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let mut now = 0;
        for (who, passes, lasts, cost) in steps {
            now += passes;
            let time = Duration::from_secs(now);
            let own = noted.get(&who).copied().filter(|(until, least)| *until > now && cost >= *least);
            let seen = near.look(&hash(who), cost, time);
            match (own, seen) {
                (Some((until, _)), Some(seen)) => {
                    prop_assert_eq!(seen.until, Duration::from_secs(until));
                    prop_assert_eq!(seen.left.more_in(), until - now);
                }
                (Some(_), None) => prop_assert!(room < 4_096, "forgotten with room for all"),
                (None, seen) => prop_assert_eq!(seen, None),
            }
            if lasts > 0 {
                near.note(&hash(who), over(now + lasts, cost), time);
                if room > 0 {
                    noted.insert(who, (now + lasts, cost));
                }
            }
        }
    }
}

#[test]
fn the_one_that_ends_first_makes_room() {
    let mut near = Near::new(4, Duration::from_secs(100));
    for who in 0..5 {
        near.note(&hash(who), over(100 - who, 1), Duration::ZERO);
    }
    let there: Vec<bool> =
        (0..5).map(|who| near.look(&hash(who), 1, Duration::ZERO).is_some()).collect();
    assert_eq!(there, [true, true, true, false, true]);
}
