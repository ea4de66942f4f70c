//! Several VMs on one host: each has a valve of its own.

use std::time::Duration;

use postern_core::Host;
use postern_core::fake::{Fault, Vm};

use super::super::tally::Kind;
use super::super::valve::{Evidence, TICK, Ticked, counts};
use super::*;
use crate::rollout::stored::Stored;

fn stored(host: &FakeHost) -> Stored {
    match host.load("authz-candidate-2/of/authz") {
        postern_core::Stored::Value(bytes, _) => Stored::decode(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Eight requests of each of these callers, all refused.
fn refused(valve: &Valve, host: &dyn Host, callers: std::ops::Range<u32>) {
    callers.for_each(|n| (0..8).for_each(|_| valve.count(&caller(n), true, host)));
}

fn quiet(ticked: &Ticked) {
    assert_eq!(*ticked, Ticked { replaced: ticked.replaced, ..Ticked::default() });
}

fn next_policy() -> Valve {
    Valve::new(policy::Valve::default(), [2; 16])
}

#[test]
fn what_no_worker_sees_alone_reaches_all_within_two_ticks() {
    let (host, one, two) = (host(), valve(), valve());
    refused(&one, &host, 0..4);
    refused(&two, &host, 4..8);
    quiet(&one.tick(&host));
    assert!(!one.is_tripped(&host) && !two.is_tripped(&host));
    let evidence = Evidence {
        kind: Kind::Identified,
        requests: 64,
        refused: 64,
        callers: 8,
        refused_callers: 8,
    };
    assert_eq!(two.tick(&host).tripped, Some(evidence));
    assert!(two.is_tripped(&host));
    // The other learns it, and does not tell it again.
    quiet(&one.tick(&host));
    assert!(one.is_tripped(&host));
}

#[test]
fn a_reload_brings_no_candidate_back() {
    let (host, one) = (host(), valve());
    storm(&one, &host);
    one.tick(&host);
    after(&host, Duration::from_secs(3_600));
    // Before its first tick, for its first request.
    assert!(valve().is_tripped(&host));
    // Nor what was counted: half of it before, half after.
    let (host, one) = (super::host(), valve());
    refused(&one, &host, 0..4);
    one.tick(&host);
    let reloaded = valve();
    refused(&reloaded, &host, 4..8);
    assert!(reloaded.tick(&host).tripped.is_some());
}

/// What takes the evidence no farther is not gathered.
#[test]
fn nothing_is_counted_of_a_candidate_that_was_taken_back() {
    let (host, one) = (host(), valve());
    storm(&one, &host);
    one.tick(&host);
    let before = stored(&host);
    storm(&one, &host);
    one.tick(&host);
    assert_eq!(stored(&host), before);
}

#[test]
fn another_policy_starts_anew_and_so_does_the_first_one_after_it() {
    let (host, one) = (host(), valve());
    storm(&one, &host);
    one.tick(&host);
    let next = next_policy();
    assert!(!next.is_tripped(&host));
    quiet(&next.tick(&host));
    assert!(!next.is_tripped(&host));
    // The one that it replaces ticks on for a while, and keeps what it knows.
    quiet(&one.tick(&host));
    assert!(one.is_tripped(&host));
    assert_eq!(stored(&host), Stored { policy: [2; 16], ..stored(&host) });
    assert!(!stored(&host).tripped);
    let again = valve();
    again.tick(&host);
    assert!(!again.is_tripped(&host));
    assert_eq!(host.shared_len(), 2, "one value and the secret");
}

/// A plugin may be called as anything is, and has a value of its own.
#[test]
fn no_plugin_shares_a_key_with_anything_else() {
    let host = host();
    valve().tick(&host);
    for (plugins, name) in ["secret", "of", "authz/secret"].into_iter().enumerate() {
        host.set_property("plugin_name", name);
        let one = valve();
        refused(&one, &host, 0..8);
        assert!(one.tick(&host).tripped.is_some(), "{name}");
        assert!(valve().is_tripped(&host), "{name}");
        // One secret, and a value for each.
        assert_eq!(host.shared_len(), 3 + plugins, "{name}");
    }
}

#[test]
fn a_policy_that_serves_keeps_the_shared_value_even_without_requests() {
    let (host, old, new) = (host(), valve(), next_policy());
    old.tick(&host);
    new.tick(&host);
    for _ in 0..100 {
        old.tick(&host);
        assert_eq!(stored(&host).policy, [2; 16]);
        new.tick(&host);
        assert_eq!(stored(&host).policy, [2; 16]);
    }
    // It is gone: what is left takes its place.
    for _ in 0..20 {
        quiet(&old.tick(&host));
    }
    assert_eq!(stored(&host).policy, POLICY);
}

#[test]
fn a_replaced_policy_judges_by_what_it_counts_itself() {
    let (host, old, new) = (host(), valve(), next_policy());
    old.tick(&host);
    new.tick(&host);
    storm(&old, &host);
    assert!(old.tick(&host).tripped.is_some());
    assert!(!stored(&host).tripped, "that is the other's");
}

#[test]
fn two_that_write_at_once_lose_nothing() {
    let (host, one, two) = (host(), valve(), valve());
    refused(&one, &host, 0..4);
    refused(&two, &host, 4..8);
    let mut ticked = None;
    let busy = Vm::interleaved(&host, || {
        ticked.get_or_insert_with(|| two.tick(&host));
    });
    let evidence = one.tick(&busy).tripped.unwrap();
    assert_eq!((evidence.requests, evidence.refused_callers), (64, 8));
    drop(busy);
    quiet(&ticked.unwrap());
    two.tick(&host);
    assert!(two.is_tripped(&host));
}

#[test]
fn without_shared_data_each_worker_judges_alone() {
    for fault in [Fault::Unavailable, Fault::Conflict] {
        let (host, one, two) = (host(), valve(), valve());
        one.tick(&host);
        two.tick(&host);
        host.break_shared(fault);
        refused(&one, &host, 0..4);
        assert_eq!(
            one.tick(&host),
            Ticked { tripped: None, unshared: true, replaced: false },
            "{fault:?}"
        );
        after(&host, Duration::from_secs(3));
        refused(&one, &host, 4..8);
        let ticked = one.tick(&host);
        assert!(ticked.unshared && ticked.tripped.is_some(), "{fault:?}");
        two.tick(&host);
        assert!(!two.is_tripped(&host), "{fault:?}");
        // Once they are back the others are told.
        host.mend_shared();
        assert_eq!(one.tick(&host), Ticked::default(), "{fault:?}");
        two.tick(&host);
        assert!(two.is_tripped(&host), "{fault:?}");
    }
}

#[test]
fn a_vm_that_never_met_the_others_joins_them_once_it_can() {
    for fault in [Fault::Unavailable, Fault::Conflict] {
        let (host, one, two) = (host(), valve(), valve());
        host.break_shared(fault);
        storm(&one, &host);
        assert!(one.tick(&host).tripped.is_some(), "{fault:?}: alone");
        // Half of the evidence under a secret of its own is worth nothing then.
        refused(&two, &host, 0..4);
        two.tick(&host);
        host.mend_shared();
        after(&host, Duration::from_secs(1));
        two.tick(&host);
        host.break_shared(fault);
        refused(&two, &host, 0..4);
        assert_eq!(
            two.tick(&host),
            Ticked { tripped: None, unshared: true, replaced: false },
            "{fault:?}"
        );
        host.mend_shared();
        after(&host, Duration::from_secs(1));
        two.tick(&host);
        refused(&two, &host, 0..4);
        quiet(&two.tick(&host));
        refused(&two, &host, 4..8);
        assert!(two.tick(&host).tripped.is_some(), "{fault:?}");
    }
}

#[test]
fn a_value_that_nothing_here_wrote_is_replaced() {
    for bad in [&b""[..], b"\x01\x00", b"\x02\x01", &[1; 300], &[0xff; 30]] {
        let (host, one) = (host(), valve());
        host.put("authz-candidate-2/of/authz", bad).unwrap();
        assert!(!one.is_tripped(&host));
        quiet(&one.tick(&host));
        assert_eq!(stored(&host).policy, POLICY);
    }
}

#[test]
fn a_clock_that_jumps_neither_trips_nor_frees_anything() {
    let (host, one) = (host(), valve());
    refused(&one, &host, 0..4);
    one.tick(&host);
    host.set_now(Duration::ZERO);
    refused(&one, &host, 0..4);
    quiet(&one.tick(&host));
    host.set_now(Duration::MAX);
    refused(&one, &host, 0..4);
    quiet(&one.tick(&host));
    host.set_now(BEGIN);
    storm(&one, &host);
    assert!(one.tick(&host).tripped.is_some());
    host.set_now(Duration::ZERO);
    one.tick(&host);
    assert!(one.is_tripped(&host) && stored(&host).tripped);
}

#[test]
fn one_busy_caller_takes_nothing_back_and_hides_nothing() {
    let (host, one) = (host(), valve());
    for _ in 0..50 {
        (0..1_000).for_each(|_| one.count(&caller(1), true, &host));
        quiet(&one.tick(&host));
        after(&host, TICK);
    }
    let (host, one) = (super::host(), valve());
    for _ in 0..50 {
        (0..800).for_each(|_| one.count(&caller(1), false, &host));
        after(&host, TICK);
        one.tick(&host);
    }
    // Of the busy one's requests a few a bucket are left.
    assert_eq!((1..=4_000).filter(|nth| counts(*nth)).count(), 25);
    (0..100).for_each(|n| one.count(&caller(100 + n), true, &host));
    let evidence = one.tick(&host).tripped.unwrap();
    assert_eq!(evidence.refused, 100);
    assert!((200..=350).contains(&evidence.requests), "{}", evidence.requests);
}

#[test]
fn few_callers_of_a_crowd_take_nothing_back() {
    let (host, one) = (host(), valve());
    refused(&one, &host, 0..8);
    (100..400).for_each(|n| one.count(&caller(n), false, &host));
    quiet(&one.tick(&host));
    refused(&one, &host, 8..30);
    assert!(one.tick(&host).tripped.is_some());
}

#[test]
fn a_flood_of_public_requests_hides_nothing() {
    let (host, one) = (host(), valve());
    for n in 0..20_000u32 {
        let key = n.to_le_bytes().to_vec();
        one.count(&Caller { kind: Kind::Anonymous, key }, false, &host);
    }
    storm(&one, &host);
    let evidence = one.tick(&host).tripped.unwrap();
    assert_eq!((evidence.kind, evidence.requests), (Kind::Identified, 80));
}
