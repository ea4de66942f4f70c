//! What VMs hold that are no more, and what outlives a policy.

use super::*;

#[test]
fn what_a_vm_held_that_is_no_more_lapses_within_ten_seconds() {
    let host = FakeHost::at(START);
    let (trapped, other) = (rate_limit(TWO), rate_limit(TWO));
    tick(&other, &host, 3);
    let _never_ends = [begin(&trapped, &host).unwrap(), begin(&trapped, &host).unwrap()];
    tick(&trapped, &host, 1);
    // From here on it says nothing any more; the VM in its place is new.
    let next = rate_limit(TWO);
    assert_eq!(begin(&next, &host).map(drop), two_refused());
    let mut lapsed = Vec::new();
    let seconds = (1..20).find(|_| {
        lapsed.extend(tick(&other, &host, 1));
        lapsed.extend(next.tick(&host).count);
        begin(&next, &host).is_ok()
    });
    let seconds = seconds.unwrap();
    assert!((5..10).contains(&seconds), "{seconds}");
    assert_eq!(lapsed, [metrics::LAPSED], "it is told once");
    assert_eq!(filter_metric(&other, metrics::LAPSED), Metric::counter("lapsed"));
    assert!(begin(&other, &host).is_ok());
    assert_eq!(begin(&other, &host).map(drop), two_refused());
}

fn filter_metric(filter: &RateLimit, index: usize) -> Metric {
    filter.metrics().swap_remove(index)
}

#[test]
fn a_vm_that_beats_keeps_what_it_holds_however_long() {
    let host = FakeHost::at(START);
    let (one, other) = (rate_limit(TWO), rate_limit(TWO));
    let held = [begin(&one, &host).unwrap(), begin(&one, &host).unwrap()];
    for _ in 0..100 {
        tick(&other, &host, 1);
        one.tick(&host);
        assert_eq!(begin(&other, &host).map(drop), two_refused());
    }
    for stream in held {
        end(&one, &host, stream);
    }
    assert!(begin(&other, &host).is_ok());
}

#[test]
fn nobody_lapses_when_time_jumps() {
    let host = FakeHost::at(START);
    let (one, other) = (rate_limit(TWO), rate_limit(TWO));
    let _held = [begin(&one, &host).unwrap(), begin(&one, &host).unwrap()];
    // A machine that slept for an hour, and a clock that is set back and ahead.
    for to in [3_600, 7_200, 60, 1_000_000, 61] {
        host.set_now(START + Duration::from_secs(to));
        assert_eq!(other.tick(&host).count, [0; 0]);
        assert_eq!(begin(&other, &host).map(drop), two_refused());
    }
    one.tick(&host);
    // Ticks in a hurry are one look.
    for _ in 0..100 {
        assert_eq!(other.tick(&host).count, [0; 0]);
    }
    assert_eq!(begin(&other, &host).map(drop), two_refused());
}

#[test]
fn a_vm_that_was_taken_for_dead_begins_anew() {
    let host = FakeHost::at(START);
    let (slow, other) = (rate_limit(TWO), rate_limit(TWO));
    let held = [begin(&slow, &host).unwrap(), begin(&slow, &host).unwrap()];
    tick(&other, &host, 12);
    let place = begin(&other, &host).unwrap();
    // It notices before it counts again, and its old places are no places any more.
    let new = begin(&slow, &host).unwrap();
    assert_eq!(begin(&slow, &host).map(drop), two_refused());
    for stream in held {
        end(&slow, &host, stream);
    }
    assert_eq!(begin(&slow, &host).map(drop), two_refused());
    end(&slow, &host, new);
    end(&other, &host, place);
    assert!(begin(&slow, &host).is_ok());
}

#[test]
fn places_outlive_a_policy() {
    let host = FakeHost::at(START);
    let former = rate_limit(TWO);
    let held = [begin(&former, &host).unwrap(), begin(&former, &host).unwrap()];
    let mut new = rate_limit(r#"{"limits": [{"id": "two", "match": {}, "concurrency": 3}]}"#);
    new.vm = Rc::clone(&former.vm);
    // Only the new one ticks; and other VMs watch.
    let other = rate_limit(TWO);
    for _ in 0..30 {
        tick(&other, &host, 1);
        assert_eq!(new.tick(&host).again, Some(Duration::from_secs(1)));
    }
    assert_eq!(begin(&other, &host).map(drop), two_refused());
    let third = begin(&new, &host).unwrap();
    assert!(begin(&new, &host).is_err());
    for stream in held {
        end(&former, &host, stream);
    }
    end(&new, &host, third);
    assert!(begin(&other, &host).is_ok());
    // And one that counts nothing of the kind beats for those.
    let mut none =
        rate_limit(r#"{"limits": [{"id": "a", "match": {}, "quota": 1, "window": "1s"}]}"#);
    none.vm = Rc::clone(&former.vm);
    assert_eq!(none.tick(&host).again, Some(Duration::from_secs(1)));
    assert_eq!(rate_limit(TWO).tick(&host).again, Some(Duration::from_secs(1)));
    none.vm = Rc::default();
    assert_eq!(none.tick(&host).again, Some(Duration::from_secs(10)));
}

/// Places are where they were, however many callers a policy counts.
#[test]
fn places_outlive_another_capacity() {
    let host = FakeHost::at(START);
    let of = |capacity: u32| {
        rate_limit(&TWO.replace("{\"limits\"", &format!("{{\"capacity\": {capacity}, \"limits\"")))
    };
    let (small, large) = (of(1_024), of(1_048_576));
    for n in 0..50 {
        identify(&host, caller(&format!("caller {n}")));
        let held = [begin(&small, &host).unwrap(), begin(&small, &host).unwrap()];
        assert_eq!(begin(&large, &host).map(drop), two_refused());
        for stream in held {
            end(&large, &host, stream);
        }
        assert!(begin(&small, &host).is_ok());
    }
}
