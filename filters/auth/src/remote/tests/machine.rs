//! Who asks, when, and how the others learn of it.

use super::super::document::Lack;
use super::*;

#[test]
fn one_asks_and_all_know() {
    let host = FakeHost::at(START);
    let (a, b) = (remote(), remote());
    let asked = a.tick(&host, KEY);
    assert_eq!(asked.count, [10]);
    let ask = &asked.ask[0].ask;
    assert_eq!((ask.cluster.as_str(), ask.deadline), ("idp", Duration::from_secs(5)));
    let header = |name: &str| {
        let found = ask.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, v)| String::from_utf8_lossy(v).into_owned())
    };
    assert_eq!(header(":path").as_deref(), Some("/keys?secret=x"));
    assert_eq!(header(":authority").as_deref(), Some("id.example.com"));
    assert_eq!(header("if-none-match"), None);
    quiet(&b, &host);
    assert_eq!(b.lacking(START), Lack::Wait(1));
    assert_eq!(quiet(&b, &host).again, Some(Duration::from_millis(10)), "somebody waits");
    let done = a.answer(task(&asked), &answer(200, &[], "5"), &host, KEY).unwrap();
    assert_eq!((done.wake, done.log), (vec![], Vec::<String>::new()), "nobody waits here");
    assert_eq!(done.gauges, [(14, 5), (15, 0), (16, START.as_secs())]);
    assert_eq!(value(&a, &host), Some(5));
    assert_eq!(value(&b, &host), None);
    let woken = quiet(&b, &host);
    assert_eq!((woken.wake, woken.again), (vec![KEY], Some(Duration::from_secs(1))));
    assert_eq!(value(&b, &host), Some(5));
    assert_eq!(host.shared_len(), 2);
}

#[test]
fn a_request_finds_what_was_published_at_once() {
    let host = FakeHost::at(START);
    let (a, b) = (remote(), remote());
    fetched(&a, &host, &[], "5");
    assert_eq!(value(&b, &host), None);
    assert_eq!(b.look(&host).as_deref(), Some(&5));
}

#[test]
fn another_place_is_another_document() {
    let host = FakeHost::at(START);
    fetched(&remote(), &host, &[], "5");
    let uri = Uri::parse("https://id.example.com/other").unwrap();
    let source = Source { cluster: "idp".to_owned(), uri };
    let place = Place { slot: 1, first_metric: 0 };
    let other = Remote::new("keys", "idp", source, settings(), place, Number { slices: 1 });
    assert_eq!(other.look(&host), None);
    task(&other.tick(&host, KEY));
}

#[test]
fn it_is_fetched_again_a_little_early() {
    for (cache_control, age) in [
        ("", 600),
        ("max-age=100", 100),
        ("public, MAX-AGE=\"100\"", 100),
        ("max-age=5", 60),
        ("max-age=999999999999999999999999", 3600),
        ("no-store", 60),
        ("max-age=x", 600),
    ] {
        let host = FakeHost::at(START);
        let remote = remote();
        fetched(&remote, &host, &[("cache-control", cache_control)], "5");
        host.set_now(at(age * 8 / 10 - 1));
        quiet(&remote, &host);
        host.set_now(at(age));
        task(&remote.tick(&host, KEY));
    }
}

#[test]
fn a_request_causes_one_fetch_per_cooldown() {
    let host = FakeHost::at(START);
    let (a, b) = (remote(), remote());
    fetched(&a, &host, &[], "5");
    quiet(&b, &host);
    host.set_now(at(10));
    assert_eq!((a.lacking(at(10)), b.lacking(at(10))), (Lack::Wait(1), Lack::Wait(1)));
    let asked = a.tick(&host, KEY);
    quiet(&b, &host);
    let done = a.answer(task(&asked), &answer(200, &[], "6"), &host, KEY).unwrap();
    assert_eq!(done.wake, [KEY]);
    assert_eq!(quiet(&b, &host).wake, [KEY], "both wanted it, one asked");
    assert_eq!(value(&b, &host), Some(6));
    host.set_now(at(39));
    b.look(&host);
    let recent = Lack::Recent(1);
    assert_eq!((a.lacking(at(39)), b.lacking(at(39))), (recent, recent));
    quiet(&a, &host);
    host.set_now(at(40));
    assert_eq!(b.lacking(at(40)), Lack::Wait(1));
    let asked = b.tick(&host, KEY);
    b.answer(task(&asked), &Answer::Unavailable, &host, KEY).unwrap();
    // Nobody can tell now: the key may be a good one. It is tried again after a
    // second, whatever requests may still cause.
    a.look(&host);
    assert_eq!(
        (a.lacking(at(40)), b.lacking(at(40))),
        (Lack::Unavailable(1), Lack::Unavailable(1))
    );
    host.set_now(at(41));
    assert_eq!(a.lacking(at(41)), Lack::Wait(1));
    let asked = a.tick(&host, KEY);
    a.answer(task(&asked), &Answer::Unavailable, &host, KEY).unwrap();
    assert_eq!(a.lacking(at(41)), Lack::Unavailable(2));
    assert_eq!(value(&a, &host), Some(6));
}

/// While an attempt is under way, a request is told to wait for its end at most, and not
/// until a request may cause the next one.
#[test]
fn an_attempt_under_way_is_the_next() {
    let host = FakeHost::at(START);
    let remote = remote();
    fetched(&remote, &host, &[], "5");
    host.set_now(at(10));
    assert_eq!(remote.lacking(at(10)), Lack::Wait(1));
    let asked = task(&remote.tick(&host, KEY));
    let lease = settings().lease().as_secs();
    assert_eq!(remote.lacking(at(10)), Lack::Wait(lease));
    assert_eq!(remote.lacking(at(13)), Lack::Wait(lease - 3));
    host.set_now(at(15));
    remote.answer(asked, &Answer::Unavailable, &host, KEY).unwrap();
    assert_eq!(remote.lacking(at(15)), Lack::Unavailable(1));
}

#[test]
fn a_document_is_as_old_as_the_question() {
    let host = FakeHost::at(START);
    let remote = remote_with(settings(), 3);
    let asked = task(&remote.tick(&host, KEY));
    host.set_now(at(4));
    remote.answer(asked, &answer(200, &[("etag", "\"v1\"")], "5"), &host, KEY).unwrap();
    host.set_now(at(6));
    quiet(&remote, &host);
    let done = quiet(&remote, &host);
    assert_eq!(done.gauges, [(14, 5), (15, 6), (16, START.as_secs())]);
    host.set_now(at(700));
    let asked = task(&remote.tick(&host, KEY));
    host.set_now(at(702));
    let done = remote.answer(asked, &answer(304, &[], ""), &host, KEY).unwrap();
    assert_eq!(done.gauges, [(14, 5), (15, 2), (16, START.as_secs() + 700)]);
}

#[test]
fn who_fetched_before_does_it_again() {
    let host = FakeHost::at(START);
    let (a, b) = (remote(), remote());
    fetched(&a, &host, &[], "5");
    quiet(&b, &host);
    let due = (480..=600).find(|s| {
        host.set_now(at(*s));
        quiet(&b, &host);
        !a.tick(&host, KEY).ask.is_empty()
    });
    // Unless that one does not: its question was never answered.
    host.set_now(at(due.unwrap() + 7));
    task(&b.tick(&host, KEY));
}

#[test]
fn answers_to_nothing_are_nothing() {
    let host = FakeHost::at(START);
    let remote = remote();
    assert!(remote.answer(0, &Answer::Unavailable, &host, KEY).is_none(), "another's slot");
    assert!(remote.answer(1, &Answer::Unavailable, &host, KEY).unwrap().is_nothing());
    let asked = remote.tick(&host, KEY);
    let task = task(&asked);
    remote.answer(task, &answer(200, &[], "5"), &host, KEY).unwrap();
    assert!(remote.answer(task, &answer(200, &[], "6"), &host, KEY).unwrap().is_nothing());
    assert_eq!(value(&remote, &host), Some(5));
}

#[test]
fn an_answer_to_a_former_address_is_not_the_new_ones() {
    let host = FakeHost::at(START);
    let former = remote();
    let old = task(&former.tick(&host, KEY));
    let uri = Uri::parse("https://id.example.com/other").unwrap();
    let source = Source { cluster: "idp".to_owned(), uri };
    let place = Place { slot: 1, first_metric: 0 };
    let next = Remote::new("keys", "idp", source, settings(), place, Number { slices: 1 });
    let next = next.after(&former);
    let new = task(&next.tick(&host, KEY));
    next.answer(old, &answer(200, &[], "5"), &host, KEY).unwrap();
    assert_eq!(value(&next, &host), None);
    next.answer(new, &answer(200, &[], "6"), &host, KEY).unwrap();
    assert_eq!(value(&next, &host), Some(6));
}
