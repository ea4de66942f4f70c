//! One step after the other.

use std::rc::Rc;

use super::super::document::Lack;
use super::super::state::{State, max_age};
use super::*;

fn at(seconds: u64) -> Duration {
    START + Duration::from_secs(seconds)
}

fn value(remote: &Remote<Number>, host: &FakeHost) -> Option<u64> {
    use postern_core::Host as _;
    remote.current(host.now()).map(|value| *value)
}

/// Asks and gets this number.
#[track_caller]
fn fetched(remote: &Remote<Number>, host: &FakeHost, headers: &[(&str, &str)], body: &str) -> Work {
    let task = task(&remote.tick(host, KEY));
    remote.answer(task, &answer(200, headers, body), host, KEY).unwrap()
}

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
fn what_is_confirmed_is_young_again() {
    let host = FakeHost::at(START);
    let (a, b) = (remote(), remote());
    fetched(&a, &host, &[("etag", "\"v1\"")], "5");
    quiet(&b, &host);
    host.set_now(at(700));
    let asked = b.tick(&host, KEY);
    let header = asked.ask[0].ask.headers.iter().find(|(name, _)| name == "if-none-match");
    assert_eq!(header.unwrap().1, b"\"v1\"");
    let done = b.answer(task(&asked), &answer(304, &[], ""), &host, KEY).unwrap();
    assert_eq!(done.count, [12]);
    assert_eq!(done.gauges, [(14, 5), (15, 0), (16, START.as_secs() + 700)]);
    host.set_now(at(1000));
    assert_eq!(quiet(&a, &host).gauges[1], (15, 300));
}

#[test]
fn an_entity_tag_that_is_none_is_not_sent() {
    for tag in ["v1", "\"a b\"", "\"", "W/v1", &format!("\"{}\"", "x".repeat(300))] {
        let host = FakeHost::at(START);
        let remote = remote();
        fetched(&remote, &host, &[("etag", tag)], "5");
        host.set_now(at(700));
        assert_eq!(remote.tick(&host, KEY).ask[0].ask.headers.len(), 4, "{tag}");
    }
}

#[test]
fn a_vm_that_knows_nothing_asks_for_the_whole() {
    let host = FakeHost::at(START);
    fetched(&remote(), &host, &[("etag", "\"v1\"")], "5");
    host.set_now(at(700));
    // Its own limits do not let it take what is there.
    let other = remote_with(Settings { max_bytes: 64, ..settings() }, 1);
    let asked = other.tick(&host, KEY);
    assert_eq!(asked.ask[0].ask.headers.len(), 5, "it took over what was published");
    let unasked = other.answer(task(&asked), &answer(304, &[], ""), &host, KEY).unwrap();
    assert_eq!(unasked.count, [12]);
}

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
    assert_eq!((a.lacking(at(39)), b.lacking(at(39))), (Lack::Recent, Lack::Recent));
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
fn a_large_document_is_read_in_slices_while_the_old_one_serves() {
    let host = FakeHost::at(START);
    let (a, b) = (remote_with(settings(), 3), remote_with(settings(), 3));
    let first = fetched(&a, &host, &[], "5");
    assert_eq!((first.again, first.count), (Some(Duration::from_millis(1)), vec![13]));
    quiet(&a, &host);
    assert_eq!(value(&a, &host), None);
    quiet(&a, &host);
    assert_eq!(value(&a, &host), Some(5));
    host.set_now(at(700));
    fetched(&a, &host, &[], "6");
    for (slice, seconds) in [(2, 5), (3, 10)] {
        // Longer than the lease in all; it is kept alive.
        host.set_now(at(700 + seconds));
        assert_eq!(value(&a, &host), Some(5), "before slice {slice}");
        quiet(&b, &host);
        quiet(&a, &host);
    }
    quiet(&b, &host);
    assert_eq!((value(&a, &host), value(&b, &host)), (Some(6), Some(6)));
}

#[test]
fn memory_for_a_large_document_is_set_aside_before_it_is_asked_for() {
    #[derive(Debug)]
    struct Large;
    impl Form for Large {
        type Value = usize;
        type Part = ();
        const LARGE: bool = true;
        fn read(&self, body: &[u8], (): &mut ()) -> Result<Option<Read<usize>>, String> {
            Ok(Some(body.len().into()))
        }
        fn restore(&self, published: Vec<u8>) -> Result<usize, String> {
            Ok(published.len())
        }
        fn size(&self, _: &usize) -> u64 {
            1
        }
    }
    let host = FakeHost::at(START);
    let uri = Uri::parse("https://id.example.com/keys").unwrap();
    let source = Source { cluster: "idp".to_owned(), uri };
    let place = Place { slot: 0, first_metric: 0 };
    let settings = Settings { max_bytes: 5 * 1024 * 1024, ..settings() };
    let of = || Remote::new("keys", "idp", source.clone(), settings.clone(), place, Large);
    let (a, b) = (of(), of());
    for _ in 0..3 {
        let work = a.tick(&host, KEY);
        assert_eq!((work.ask.len(), work.again), (0, Some(Duration::from_millis(1))));
        assert!(b.tick(&host, KEY).ask.is_empty(), "one at a time");
    }
    let asked = a.tick(&host, KEY);
    assert_eq!(asked.count, [0]);
    a.answer(task(&asked), &answer(200, &[], "five!"), &host, KEY).unwrap();
    assert_eq!(a.current(START), Some(Rc::new(5)));
    // It is there from now on.
    host.set_now(at(700));
    task(&a.tick(&host, KEY));
}

#[test]
fn a_reader_that_was_overtaken_gives_up() {
    let host = FakeHost::at(START);
    let (a, b) = (remote_with(settings(), 3), remote());
    fetched(&a, &host, &[], "5");
    host.set_now(at(8));
    fetched(&b, &host, &[], "6");
    quiet(&a, &host);
    quiet(&a, &host);
    assert_eq!((value(&a, &host), value(&b, &host)), (Some(6), Some(6)));
}

#[test]
fn what_another_policy_cannot_use_is_said_once() {
    #[derive(Debug)]
    struct Picky;
    impl Form for Picky {
        type Value = ();
        type Part = ();
        fn read(&self, _: &[u8], (): &mut ()) -> Result<Option<Read<()>>, String> {
            Err("of no use".to_owned())
        }
        fn restore(&self, _: Vec<u8>) -> Result<(), String> {
            Err("of no use".to_owned())
        }
        fn size(&self, (): &()) -> u64 {
            0
        }
    }
    let host = FakeHost::at(START);
    fetched(&remote(), &host, &[("etag", "\"a\"")], "5");
    let uri = Uri::parse("https://id.example.com/keys?secret=x").unwrap();
    let source = Source { cluster: "idp".to_owned(), uri };
    let place = Place { slot: 0, first_metric: 0 };
    let picky = Remote::new("keys", "idp", source, settings(), place, Picky);
    let line = "keys of `idp` from id.example.com/keys by cluster `idp`: of no use";
    let asked = picky.tick(&host, KEY);
    assert_eq!(asked.log, [line]);
    // It is asked for at once, whole, and once.
    let id = task(&asked);
    assert!(asked.ask[0].ask.headers.iter().all(|(name, _)| name != "if-none-match"));
    picky.answer(id, &answer(200, &[], "5"), &host, KEY).unwrap();
    assert_eq!(picky.tick(&host, KEY).ask, []);
    assert_eq!(picky.tick(&host, KEY).log, Vec::<String>::new());
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
    use postern_core::{Host, SignatureCheck, StoreError, Stored};
    struct Alone;
    impl Host for Alone {
        fn now(&self) -> Duration {
            START
        }
        fn property(&self, _: &[&str]) -> Option<Vec<u8>> {
            None
        }
        fn verify(&self, _: &SignatureCheck<'_>) -> Option<bool> {
            None
        }
        fn load(&self, _: &str) -> Stored {
            Stored::Unavailable
        }
        fn store(&self, _: &str, _: &[u8], _: &Stored) -> Result<(), StoreError> {
            Err(StoreError::Unavailable)
        }
    }
    let remote = remote();
    let asked = remote.tick(&Alone, KEY);
    assert!(remote.tick(&Alone, KEY).ask.is_empty());
    remote.answer(task(&asked), &answer(200, &[], "5"), &Alone, KEY).unwrap();
    assert_eq!(remote.current(START), Some(Rc::new(5)));
    assert!(remote.tick(&Alone, KEY).ask.is_empty());
}

#[test]
fn records_survive_the_wire_and_others_do_not() {
    let state = State {
        version: 1,
        holder: 2,
        held_until: 3,
        fetched_at: 4,
        max_age: Some(5),
        failed_at: 6,
        failures: 7,
        demanded_at: 8,
        jitter: 9,
        etag: b"\"x\"".to_vec(),
    };
    assert_eq!(State::decode(&state.encode()), Some(state.clone()));
    let none = State { max_age: None, etag: Vec::new(), ..state };
    assert_eq!(State::decode(&none.encode()), Some(none.clone()));
    for cut in 0..none.encode().len() {
        assert_eq!(State::decode(&none.encode()[..cut]), None, "{cut}");
    }
    let mut other = none.encode();
    other[0] = 9;
    assert_eq!(State::decode(&other), None);
}

#[test]
fn cache_control_is_read_as_it_is_written() {
    let of = |values: &[&str]| {
        let headers: Vec<_> =
            values.iter().map(|v| ("Cache-Control".to_owned(), v.as_bytes().to_vec())).collect();
        max_age(&headers)
    };
    assert_eq!(of(&[]), None);
    assert_eq!(of(&["public", "max-age=3"]), Some(3000));
    assert_eq!(of(&["max-age=3, max-age=9"]), Some(3000));
    assert_eq!(of(&["max-age=3, No-Cache"]), Some(0));
    assert_eq!(of(&["s-maxage=3"]), None);
    assert_eq!(of(&["max-age="]), None);
    assert_eq!(of(&["max-age=-1"]), None);
    assert_eq!(of(&["max-age=99999999999999999999"]), Some(u64::MAX - 1));
}
