//! Servers, workers, clocks and hosts that fail.

use std::cell::Cell;
use std::rc::Rc;

use postern_core::fake::{Fault, Vm};

use super::super::document::Lack;
use super::*;

#[test]
fn failures_leave_what_is_there_and_are_tried_more_and_more_seldom() {
    let host = FakeHost::at(START);
    let remote = remote();
    fetched(&remote, &host, &[], "5");
    let bad = [
        (answer(500, &[], "6"), "the server answered 500"),
        (answer(304, &[], ""), "the server answered 304"),
        (answer(200, &[], "no number"), "it is no number"),
        (answer(200, &[], &"1".repeat(33)), "it has more than 32 bytes"),
        (Answer::Unavailable, "the server did not answer"),
        (answer(204, &[], ""), "the server answered 204"),
        (answer(301, &[("location", "https://evil.example")], ""), "the server answered 301"),
    ];
    let mut now = 700;
    for (n, (answer, why)) in bad.iter().enumerate() {
        host.set_now(at(now));
        let asked = remote.tick(&host, KEY);
        let failed = remote.answer(task(&asked), answer, &host, KEY).unwrap();
        assert_eq!(failed.count.last(), Some(&11));
        let line =
            format!("keys of `idp` from id.example.com/keys by cluster `idp`: not fetched: {why}");
        assert_eq!(failed.log, [line]);
        assert_eq!(value(&remote, &host), Some(5));
        let pause = (1 << n).min(30);
        host.set_now(at(now) + Duration::from_millis(pause * 800 - 1));
        quiet(&remote, &host);
        now += pause;
    }
    host.set_now(at(now));
    fetched(&remote, &host, &[], "6");
    assert_eq!(value(&remote, &host), Some(6));
}

/// A worker that stalls between its look at the record and its write puts its body
/// under the record of the one that took over.
#[test]
fn a_record_with_the_body_of_another_is_taken_by_nobody_and_fetched_anew() {
    let host = FakeHost::at(START);
    let (slow, heir) = (remote(), remote());
    let asked = task(&slow.tick(&host, KEY));
    let looks = Cell::new(0);
    let stalling = Vm::interleaved(&host, || {
        looks.set(looks.get() + 1);
        if looks.get() == 2 {
            host.set_now(at(7));
            fetched(&heir, &host, &[("etag", "\"six\"")], "6");
        }
    });
    slow.answer(asked, &answer(200, &[], "5"), &stalling, KEY).unwrap();
    drop(stalling);
    assert!(looks.get() > 2);
    assert_eq!(value(&heir, &host), Some(6));
    let (reader, other) = (remote(), remote());
    for vm in [&slow, &reader, &other] {
        quiet(vm, &host);
        assert_eq!(value(vm, &host), None, "neither is that of the record");
        assert_eq!(vm.look(&host), None);
        assert_eq!(vm.lacking(at(7)), Lack::Wait(1));
    }
    host.set_now(at(7) + Duration::from_millis(999));
    quiet(&reader, &host);
    // Whoever wrote it may have been about to write the record.
    host.set_now(at(8));
    let asked = reader.tick(&host, KEY);
    assert_eq!(asked.ask[0].ask.headers.len(), 4, "whole");
    quiet(&other, &host);
    reader.answer(task(&asked), &answer(200, &[], "7"), &host, KEY).unwrap();
    for vm in [&slow, &heir, &reader, &other] {
        quiet(vm, &host);
        assert_eq!(value(vm, &host), Some(7));
    }
    assert_eq!(host.shared_len(), 2);
}

#[test]
fn nothing_serves_over_its_ceiling() {
    let host = FakeHost::at(START);
    let remote = remote();
    fetched(&remote, &host, &[], "5");
    host.set_now(at(86_399));
    assert_eq!(value(&remote, &host), Some(5));
    host.set_now(at(86_400));
    assert_eq!(value(&remote, &host), None);
    assert_eq!(remote.lacking(at(86_400)), Lack::Wait(1), "a fetch is due");
}

#[test]
fn a_request_waits_only_for_an_attempt_that_comes_in_time() {
    let host = FakeHost::at(START);
    let remote = remote();
    let mut now = 0;
    for (n, expected) in [
        (1, Lack::Wait(1)),
        (2, Lack::Wait(2)),
        (3, Lack::Unavailable(4)),
        (4, Lack::Unavailable(7)),
    ] {
        host.set_now(at(now));
        let asked = remote.tick(&host, KEY);
        remote.answer(task(&asked), &Answer::Unavailable, &host, KEY).unwrap();
        assert_eq!(remote.lacking(at(now)), expected, "after {n} failures");
        now += 1 << (n - 1);
    }
}

#[test]
fn a_worker_that_died_is_replaced() {
    let host = FakeHost::at(START);
    let dead = remote();
    let asked = dead.tick(&host, KEY);
    let heir = remote();
    host.set_now(at(6));
    quiet(&heir, &host);
    host.set_now(at(7));
    let second = heir.tick(&host, KEY);
    // It was not dead: its answer comes too late.
    let late = dead.answer(task(&asked), &answer(200, &[], "5"), &host, KEY).unwrap();
    assert_eq!((late.count.len(), value(&dead, &host)), (0, None));
    heir.answer(task(&second), &answer(200, &[], "6"), &host, KEY).unwrap();
    quiet(&dead, &host);
    assert_eq!((value(&dead, &host), value(&heir, &host)), (Some(6), Some(6)));
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let host = FakeHost::at(at(100_000));
    let remote = remote();
    fetched(&remote, &host, &[], "5");
    host.set_now(START);
    let asked = remote.tick(&host, KEY);
    remote.answer(task(&asked), &Answer::Unavailable, &host, KEY).unwrap();
    assert_eq!(value(&remote, &host), Some(5));
    host.set_now(at(5));
    // A holder from the future is none.
    let asked = remote.tick(&host, KEY);
    host.set_now(START - Duration::from_secs(50_000));
    let heir = super::remote();
    task(&heir.tick(&host, KEY));
    drop(asked);
}

/// Without shared data each VM fetches for itself.
#[test]
fn a_host_that_shares_nothing_will_do() {
    let host = FakeHost::at(START);
    host.break_shared(Fault::Unavailable);
    let remote = remote();
    let asked = remote.tick(&host, KEY);
    assert!(remote.tick(&host, KEY).ask.is_empty());
    remote.answer(task(&asked), &answer(200, &[], "5"), &host, KEY).unwrap();
    assert_eq!(remote.current(START), Some(Rc::new(5)));
    assert!(remote.tick(&host, KEY).ask.is_empty());
}
