//! Documents: large ones, ones that did not change, ones that are of no use.

use std::rc::Rc;

use super::*;

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

/// Whoever is alerted by the age learns of a document that never came, too.
#[test]
fn what_was_never_fetched_grows_old_from_when_it_was_first_wanted() {
    let host = FakeHost::at(START);
    let (a, b) = (remote(), remote());
    let age = |vm: &Remote<Number>| vm.tick(&host, KEY).gauges;
    let asked = task(&a.tick(&host, KEY));
    assert_eq!(age(&b), [(14, 0), (15, 0)]);
    host.set_now(at(5));
    let failed = a.answer(asked, &Answer::Unavailable, &host, KEY).unwrap();
    assert_eq!(failed.gauges, [(14, 0), (15, 5)]);
    host.set_now(at(9_000));
    // A VM that came later, and a new configuration, know it as well.
    assert_eq!(age(&remote()), [(14, 0), (15, 9_000)]);
    assert_eq!(age(&b), [(14, 0), (15, 9_000)]);
    host.set_now(at(9_007));
    fetched(&a, &host, &[], "5");
    assert_eq!(age(&a), [(14, 5), (15, 0), (16, START.as_secs() + 9_007)]);
    assert_eq!(age(&b), [(14, 5), (15, 0), (16, START.as_secs() + 9_007)]);
}
