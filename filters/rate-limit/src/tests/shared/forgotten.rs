//! Who is forgotten, and what that lets through: nothing.

use super::*;

#[test]
fn the_table_is_bounded() {
    let host = FakeHost::at(START);
    let table = Table::new(1024);
    let mut evicted = 0;
    for n in 0..20_000u32 {
        evicted += spend(&table, &host, &n.to_le_bytes(), &gcra(5)).unwrap().2;
    }
    assert_eq!(host.shared_len(), 4096 / WAYS + 1, "the slots, and the secret");
    // A caller that is refused because of those before it is not written.
    assert!((15_000..=20_000 - 4096).contains(&evicted), "{evicted}: every place is used");
    // Once nothing of them is used any more, they make room by themselves.
    host.set_now(START + Duration::from_secs(61));
    for n in 0..1024u32 {
        assert_eq!(spend(&table, &host, &n.to_le_bytes(), &gcra(5)).unwrap().2, 0);
    }
}

/// A flood of callers, far past the capacity, frees nobody who used up a limit.
#[test]
fn a_flood_of_new_callers_frees_no_old_one() {
    let host = FakeHost::at(START);
    let table = Table::new(1024);
    let heavy: Vec<String> = (0..200).map(|n| format!("heavy {n}")).collect();
    for key in &heavy {
        for _ in 0..5 {
            assert!(spend(&table, &host, key.as_bytes(), &gcra(5)).unwrap().0);
        }
    }
    for n in 0..50_000u32 {
        spend(&table, &host, &n.to_le_bytes(), &gcra(5)).unwrap();
    }
    for key in &heavy {
        assert!(!spend(&table, &host, key.as_bytes(), &gcra(5)).unwrap().0, "{key}");
    }
    // By then so many have spent in each slot that new ones have nothing left, for as
    // long as it takes to come back: a flood of that size costs them, and gives nobody
    // more than its limit.
    let passed = |from: u32, limit: u32| {
        let asks = |n: u32| spend(&table, &host, &n.to_le_bytes(), &gcra(limit)).unwrap().0;
        (from..from + 100).map(|n| (0..50).filter(|_| asks(n)).count()).max().unwrap()
    };
    assert_eq!(passed(50_000, 5), 0);
    // Another limit is not concerned.
    assert!(passed(60_000, 50) > 40);
    host.set_now(START + Duration::from_secs(60));
    assert_eq!(passed(70_000, 5), 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// However few places there are: whatever passes would pass with a memory without
    /// end, too. Limits of three kinds, one of them with two windows, share one slot.
    #[test]
    fn what_is_forgotten_lets_nothing_through(
        steps in prop::collection::vec((0..200u32, 0..400u64), 1500),
    ) {
        let host = FakeHost::at(START);
        let table = Table::new(4);
        let limits = [
            gcra(3),
            one(Algorithm::FixedWindow, 4, 10),
            one(Algorithm::SlidingWindow, 5, 7),
            Allowance::new(
                Rate::new(Algorithm::Gcra, 2, 1, 2).unwrap(),
                vec![Rate::new(Algorithm::Gcra, 7, 60, 7).unwrap()],
            ),
        ];
        let mut model: HashMap<u32, Cells> = HashMap::new();
        let (mut now, mut forgotten, mut passed) = (START, 0, 0);
        for (key, gap) in steps {
            now += Duration::from_millis(gap / 4);
            host.set_now(now);
            let limit = &limits[usize::try_from(key % 4).unwrap()];
            let (admitted, _, others) = spend(&table, &host, &key.to_le_bytes(), limit).unwrap();
            forgotten += others;
            if admitted {
                passed += 1;
                let at = u64::try_from(now.as_nanos()).unwrap();
                let known = limit.spend(model.get(&key), 1, at);
                prop_assert!(known.admitted, "{key}");
                model.insert(key, known.cells);
            }
        }
        prop_assert_eq!(host.shared_len(), 2);
        prop_assert!(forgotten > 100, "{}", forgotten);
        prop_assert!(passed > 150, "{}", passed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The same where claims say how much: limits of three kinds, in each of which callers
    /// have quotas of their own.
    #[test]
    fn what_is_forgotten_of_different_quotas_lets_nothing_through(
        steps in prop::collection::vec((0..200u32, 0..400u64), 1500),
    ) {
        let host = FakeHost::at(START);
        let table = Table::new(4);
        let burst = |quota| {
            Allowance::new(Rate::new(Algorithm::Gcra, quota, 60, 3).unwrap(), Vec::new())
        };
        let limits = [
            [burst(2), burst(7), burst(600)],
            [2, 5, 8].map(|quota| one(Algorithm::FixedWindow, quota, 10)),
            [2, 5, 8].map(|quota| one(Algorithm::SlidingWindow, quota, 7)),
        ];
        let mut model: HashMap<u32, Cells> = HashMap::new();
        let (mut now, mut forgotten, mut passed) = (START, 0, 0);
        for (key, gap) in steps {
            now += Duration::from_millis(gap / 4);
            host.set_now(now);
            let kind = usize::try_from(key % 3).unwrap();
            let limit = &limits[kind][usize::try_from(key / 3 % 3).unwrap()];
            let tag = [b'a', b'b', b'c'][kind];
            let (admitted, _, others) =
                spend_as(&table, &host, &key.to_le_bytes(), [tag; 4], limit).unwrap();
            forgotten += others;
            if admitted {
                passed += 1;
                let at = u64::try_from(now.as_nanos()).unwrap();
                let known = limit.spend(model.get(&key), 1, at);
                prop_assert!(known.admitted, "{key}");
                model.insert(key, known.cells);
            }
        }
        prop_assert!(forgotten > 100, "{}", forgotten);
        prop_assert!(passed > 50, "{}", passed);
    }
}

/// Four times as many callers as places, each with a request: memory has its bound,
/// and whoever comes after them has lost a request for each 16 callers of its slot. (It
/// is the same for a million and the usual capacity, and takes a minute.)
#[test]
fn far_more_callers_than_places() {
    let host = FakeHost::at(START);
    let table = Table::new(2_048);
    for n in 0..31_250u32 {
        assert!(spend(&table, &host, &n.to_le_bytes(), &gcra(100)).unwrap().0);
    }
    let slots = 2_048 * 4 / WAYS;
    assert_eq!(host.shared_len(), slots + 1, "the slots, and the secret");
    let bytes = |n: usize| match host.load(&format!("rate-limit-3/{n:x}")) {
        Stored::Value(bytes, _) => bytes.len(),
        other => panic!("{n:x}: {other:?}"),
    };
    let all: usize = (0..slots).map(bytes).sum();
    // 46 bytes for each caller, and as much for what was forgotten.
    assert_eq!(all, slots * (WAYS + 1) * 46);
    let left = |n: u32| spend(&table, &host, &n.to_le_bytes(), &gcra(100)).unwrap().1.remaining;
    let new: Vec<u64> = (2_000_000..2_000_100).map(left).collect();
    let mean = new.iter().sum::<u64>() / 100;
    assert!((95..=97).contains(&mean), "{mean} left of 100: {new:?}");
}

/// In a slot that is full, of the limit with the most callers there whoever used the
/// smallest share goes, whatever the algorithm and however large the limit.
#[test]
fn the_least_used_is_forgotten_first() {
    let host = FakeHost::at(START);
    let fixed = one(Algorithm::FixedWindow, 1000, 3600);
    // Five of a thousand used, against one of five.
    let (small, large) = (gcra(5), fixed);
    let now = u64::try_from(START.as_nanos()).unwrap();
    let mut used = None;
    for _ in 0..5 {
        used = Some(large.spend(used.as_ref(), 1, now).cells);
    }
    let one_of_five = small.spend(None, 1, now).cells;
    assert!(used.unwrap().share(now) < one_of_five.share(now));
    assert!(one_of_five.share(now) > 0);
    assert_eq!(one_of_five.share(now + 12_000_000_000), 0);

    let table = Table::new(1024);
    // Many callers with large limits hardly used, then callers with small ones.
    for n in 0..4096u32 {
        spend(&table, &host, format!("large {n}").as_bytes(), &large).unwrap();
    }
    for n in 0..500u32 {
        spend(&table, &host, &n.to_le_bytes(), &small).unwrap();
    }
    let kept = (0..500u32)
        .filter(|n| spend(&table, &host, &n.to_le_bytes(), &small).unwrap().1.remaining == 3)
        .count();
    assert_eq!(kept, 500, "those of the limit with the most callers made room");
}

/// A limit of which each key is used up by one request, and whose key is the client's to
/// choose.
#[test]
fn a_flood_of_keys_of_one_limit_leaves_callers_of_another_alone() {
    let host = FakeHost::at(START);
    let table = Table::new(1_024);
    let (tiny, own) = (one(Algorithm::FixedWindow, 1, 3_600), one(Algorithm::Gcra, 20, 3_600));
    let request = |n: u32| spend(&table, &host, format!("own {n}").as_bytes(), &own).unwrap();
    for round in 0..10u32 {
        for n in 0..800u32 {
            spend(&table, &host, format!("{round} {n}").as_bytes(), &tiny).unwrap();
        }
        for n in 0..500 {
            let (admitted, left, _) = request(n);
            assert!(admitted && left.remaining == u64::from(19 - round), "{round} {n}");
        }
    }
    assert_eq!(request(1_000).1.remaining, 19, "and newcomers have all of theirs");
}
