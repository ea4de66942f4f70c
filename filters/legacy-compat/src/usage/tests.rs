#![allow(clippy::unwrap_used)]

use std::time::Duration;

use postern_core::fake::{FakeHost, Fault};

use super::*;

const WEEK: u64 = 604_800;

fn usage() -> Usage {
    Usage::new(WEEK, ["a", "b"].into_iter().map(str::to_owned))
}

fn host(weeks: u64) -> FakeHost {
    FakeHost::at(Duration::from_secs(weeks * WEEK + 7))
}

fn called_by(usage: &Usage, host: &FakeHost, slot: usize, subject: &str) {
    host.set_property("postern.identity", format!(r#"{{"v":1,"sub":"{subject}"}}"#));
    usage.note(slot, host);
}

/// Clients and last use of the rule `a`, as gauges say it.
fn gauges(work: &Work) -> Vec<(usize, u64)> {
    work.gauges.iter().copied().filter(|(gauge, _)| *gauge < 15).collect()
}

#[test]
fn clients_are_counted_once_across_workers() {
    let host = host(10);
    let (one, other) = (usage(), usage());
    for n in 0..5 {
        called_by(&one, &host, 0, &format!("client-{n}"));
        called_by(&one, &host, 0, &format!("client-{n}"));
        called_by(&other, &host, 0, &format!("client-{}", n + 2));
    }
    let work = one.tick(10, &host);
    assert_eq!(gauges(&work), [(13, 5), (14, 10 * WEEK + 7)]);
    assert_eq!(work.again, Some(PERIOD));
    // Seven of both; and this worker's view after that is the same.
    assert_eq!(gauges(&other.tick(10, &host)), [(13, 7), (14, 10 * WEEK + 7)]);
    assert_eq!(gauges(&one.tick(10, &host)), [(13, 7), (14, 10 * WEEK + 7)]);
    // Of a rule that nobody calls both are zero.
    assert_eq!(one.tick(10, &host).gauges[2..], [(18, 0), (19, 0)]);
}

#[test]
fn who_has_no_identity_is_counted_by_address_without_port() {
    let host = host(10);
    let usage = usage();
    for port in [1, 2, 3] {
        host.set_property("source.address", format!("[2001:db8::1]:{port}"));
        usage.note(0, &host);
    }
    host.set_property("source.address", "192.0.2.1:9");
    usage.note(0, &host);
    host.set_property("postern.identity", r#"{"v":1,"anonymous":true}"#);
    usage.note(0, &host);
    assert_eq!(usage.tick(10, &host).gauges.first(), Some(&(13, 2)));
}

#[test]
fn windows_go_on_and_are_forgotten() {
    let host = host(10);
    let usage = usage();
    let tick = |weeks: u64| {
        host.set_now(Duration::from_secs(weeks * WEEK));
        usage.tick(10, &host)
    };
    called_by(&usage, &host, 0, "one");
    assert_eq!(
        tick(10).log,
        ["rule `a` is to retire and is used: last at Thu, 12 Mar 1970 00:00:07 GMT"]
    );
    called_by(&usage, &host, 0, "two");
    assert_eq!(tick(10).log, [""; 0]);
    assert_eq!(tick(11).gauges.first(), Some(&(13, 2)), "the former window counts too");
    called_by(&usage, &host, 0, "three");
    let said = "rule `a` is to retire and is used: last at Thu, 19 Mar 1970 00:00:00 GMT, in the \
                window before by about 2 clients";
    let work = tick(11);
    assert_eq!(
        (work.log.as_slice(), work.gauges.first()),
        (&[said.to_owned()][..], Some(&(13, 3)))
    );
    assert_eq!(tick(12).gauges.first(), Some(&(13, 1)));
    assert_eq!(tick(13).gauges.first(), Some(&(13, 0)));
    // When it was used last stays.
    assert_eq!(tick(20).gauges.get(1), Some(&(14, 11 * WEEK)));
}

#[test]
fn what_cannot_be_shared_is_kept_for_the_next_time() {
    let broken = host(10);
    let usage = usage();
    called_by(&usage, &broken, 0, "one");
    broken.break_shared(Fault::Unavailable);
    assert!(usage.tick(10, &broken).gauges.is_empty());
    let whole = host(10);
    assert_eq!(usage.tick(10, &whole).gauges.first(), Some(&(13, 1)));
    broken.break_shared(Fault::Conflict);
    assert!(usage.tick(10, &broken).log.is_empty());
}

#[test]
fn what_others_wrote_is_no_use() {
    let host = host(10);
    let usage = usage();
    host.put("postern/legacy-compat/use/of//a", b"other bytes").unwrap();
    assert_eq!(usage.tick(10, &host).gauges.first(), Some(&(13, 0)));
    called_by(&usage, &host, 0, "one");
    assert_eq!(usage.tick(10, &host).gauges.first(), Some(&(13, 1)));
}
