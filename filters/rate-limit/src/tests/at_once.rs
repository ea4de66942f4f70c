//! Requests at a time.

mod lapses;

use std::rc::Rc;

use postern_core::fake::{Fault, Vm as Among};
use postern_core::{Host, Metric};
use proptest::prelude::*;

use super::*;
use crate::metrics;

const TWO: &str = r#"{"limits": [{"id": "two", "match": {}, "concurrency": 2}]}"#;

/// A stream that goes on, or what it was refused with.
fn begin(filter: &RateLimit, host: &dyn Host) -> Result<Stream, (u16, String)> {
    begin_at(filter, host, "/")
}

fn begin_at(filter: &RateLimit, host: &dyn Host, path: &str) -> Result<Stream, (u16, String)> {
    let headers = [(":method", "GET"), (":path", path), (":authority", "api.example.com")];
    let mut stream = Stream::default();
    let request = Request::new(Headers::new(headers), true);
    match filter.request_headers(&mut stream, &request, host).step {
        Step::Continue => Ok(stream),
        Step::Refuse(refusal) => {
            assert!(!stream.has_places(), "who is refused has no place");
            Err((refusal.status, refusal.detail.into_owned()))
        }
        other => panic!("neither passed nor refused: {other:?}"),
    }
}

fn end(filter: &RateLimit, host: &dyn Host, mut stream: Stream) {
    assert!(filter.follows(&stream));
    filter.ended(&mut stream, host);
    assert!(!stream.has_places());
}

fn two_refused<T>() -> Result<T, (u16, String)> {
    Err((429, "the limit is 2 requests at a time; try again in 1 seconds".to_owned()))
}

#[test]
fn a_request_has_its_place_until_its_stream_ends() {
    let (filter, host) = (rate_limit(TWO), FakeHost::at(START));
    identify(&host, caller("northwind"));
    let first = begin(&filter, &host).unwrap();
    let mut second = begin(&filter, &host).unwrap();
    assert_eq!(begin(&filter, &host).map(drop), two_refused());
    // An answer is not its end.
    dress(&filter, &host, &mut second, 200);
    assert_eq!(begin(&filter, &host).map(drop), two_refused());
    identify(&host, caller("quillhaven"));
    let other = begin(&filter, &host).unwrap();
    identify(&host, caller("northwind"));
    end(&filter, &host, second);
    let third = begin(&filter, &host).unwrap();
    assert_eq!(begin(&filter, &host).map(drop), two_refused());
    for stream in [first, third, other] {
        end(&filter, &host, stream);
    }
    assert_eq!(host.shared_len(), 4, "the secret, the list of VMs, and a slot for each caller");
}

#[test]
fn what_is_left_is_told_in_the_draft_and_in_no_other_dialect() {
    let told = |dialect: &str| {
        let policy = format!(
            r#"{{"limits": [{{"id": "two", "match": {{}}, "concurrency": 2}}],
                "dialects": [{{"match": {{}}, "dialect": "{dialect}"}}]}}"#
        );
        let (filter, host) = (rate_limit(&policy), FakeHost::at(START));
        let mut fields = Vec::new();
        for _ in 0..3 {
            fields.push(send(&filter, &host, &[], 200).fields);
        }
        fields
    };
    let field = |left| {
        let policy = r#"ratelimit-policy: "two";q=2;qu="concurrent-requests""#.to_owned();
        vec![policy, format!(r#"ratelimit: "two";r={left}"#)]
    };
    // They never end.
    let refused = [vec!["retry-after: 1".to_owned()], field(0)].concat();
    assert_eq!(told("ietf"), [field(1), field(0), refused]);
    for dialect in ["draft_7", "draft_3", "github", "twitter", "legacy", "none"] {
        assert_eq!(told(dialect), [vec![], vec![], vec!["retry-after: 1".to_owned()]], "{dialect}");
    }
}

const BOTH: &str = r#"{
    "limits": [
        {"id": "often", "match": {}, "quota": 3, "window": "60s"},
        {"id": "two", "match": {}, "also": true, "concurrency": 2},
        {"id": "one", "match": {"paths": ["/one"]}, "also": true, "concurrency": 1},
        {"id": "tried", "match": {}, "also": true, "mode": "shadow", "concurrency": 1}
    ]
}"#;

#[test]
fn a_request_is_counted_by_all_limits_or_by_none() {
    let (filter, host) = (rate_limit(BOTH), FakeHost::at(START));
    identify(&host, caller("northwind"));
    let mut first = begin_at(&filter, &host, "/one").unwrap();
    // The tightest by what is left is told, but of requests at a time only if it refuses.
    let told = [r#"ratelimit-policy: "often";q=3;w=60"#, r#"ratelimit: "often";r=2;t=20"#];
    assert_eq!(dress(&filter, &host, &mut first, 200), told);
    let one = Err((429, "the limit is 1 requests at a time; try again in 1 seconds".to_owned()));
    assert_eq!(begin_at(&filter, &host, "/one").map(drop), one);
    let second = begin(&filter, &host).unwrap();
    assert_eq!(begin(&filter, &host).map(drop), two_refused(), "and the refused cost nothing");
    end(&filter, &host, first);
    let third = begin_at(&filter, &host, "/one").unwrap();
    end(&filter, &host, second);
    let quota = Err((429, "the limit is 3 per 60 seconds; try again in 20 seconds".to_owned()));
    assert_eq!(begin(&filter, &host).map(drop), quota, "three passed");
    // Who was refused by the quota has no place.
    end(&filter, &host, third);
    host.set_now(START + Duration::from_secs(40));
    let fourth = begin(&filter, &host).unwrap();
    let fifth = begin(&filter, &host).unwrap();
    for stream in [fourth, fifth] {
        end(&filter, &host, stream);
    }
}

#[test]
fn a_limit_in_shadow_counts_and_refuses_nobody() {
    let policy = r#"{"limits": [
        {"id": "tried", "match": {}, "mode": "shadow", "concurrency": 1}]}"#;
    let (filter, host) = (rate_limit(policy), FakeHost::at(START));
    let would = |outcome: &Outcome| {
        let record = outcome.record.as_ref().unwrap().to_json("v");
        String::from_utf8(record).unwrap()
    };
    let shadow =
        r#"{"decision":"allow","rule":"tried","code":"within_limit","version":"v","mode":"shadow""#;
    let (first, outcome) = ask(&filter, &host, &[]);
    assert_eq!(would(&outcome), format!("{shadow}}}"));
    let (second, outcome) = ask(&filter, &host, &[]);
    assert_eq!(would(&outcome), format!(r#"{shadow},"would_refuse":"tried"}}"#));
    assert!(outcome.count.contains(&metrics::of_limit(0, metrics::Fate::WouldRefuse)));
    // The second is under way like the first.
    end(&filter, &host, first);
    let (third, outcome) = ask(&filter, &host, &[]);
    assert_eq!(would(&outcome), format!(r#"{shadow},"would_refuse":"tried"}}"#));
    end(&filter, &host, second);
    end(&filter, &host, third);
    let (_, outcome) = ask(&filter, &host, &[]);
    assert_eq!(would(&outcome), format!("{shadow}}}"));
}

#[test]
fn plans_claims_and_overrides_say_how_many() {
    let policy = r#"{"limits": [{
        "id": "a", "match": {}, "concurrency": {"claim": "seats", "otherwise": 1, "most": 3},
        "plans": {"free": "unlimited", "big": {"concurrency": 4}},
        "overrides": [{"callers": {"subjects": ["none"]}, "limit": {"concurrency": {"claim": "x", "otherwise": 2}}}]
    }]}"#;
    let (filter, host) = (rate_limit(policy), FakeHost::at(START));
    let most = |caller: identity::Caller| {
        identify(&host, caller);
        (0..9).filter(|_| begin(&filter, &host).is_ok()).count()
    };
    let seats = |sub: &str, n: u64| {
        let claims = [("seats".to_owned(), n.into())].into_iter().collect();
        identity::Caller { claims, ..caller(sub) }
    };
    let plan =
        |sub: &str, plan: &str| identity::Caller { plan: Some(plan.to_owned()), ..caller(sub) };
    assert_eq!(most(caller("a")), 1);
    assert_eq!(most(seats("b", 2)), 2);
    assert_eq!(most(seats("c", 99)), 3);
    assert_eq!(most(seats("d", 0)), 0);
    assert_eq!(most(plan("e", "free")), 9);
    assert_eq!(most(plan("f", "big")), 4);
    assert_eq!(most(caller("none")), 2);
}

#[test]
fn without_shared_data_nobody_has_a_place_and_an_end_is_kept_in_mind() {
    let (filter, host) = (rate_limit(TWO), FakeHost::at(START));
    let streams: Vec<Stream> = (0..2).map(|_| begin(&filter, &host).unwrap()).collect();
    for fault in [Fault::Unavailable, Fault::Conflict] {
        host.break_shared(fault);
        let unavailable = Err((503, "the request cannot be counted at the moment".to_owned()));
        let seen = begin(&filter, &host).map(drop);
        assert_eq!(seen, if fault == Fault::Conflict { two_refused() } else { unavailable });
    }
    for stream in streams {
        end(&filter, &host, stream);
    }
    host.mend_shared();
    assert_eq!(begin(&filter, &host).map(drop), two_refused(), "not yet");
    tick(&filter, &host, 1);
    assert!(begin(&filter, &host).is_ok());
    assert!(begin(&filter, &host).is_ok());
    assert_eq!(begin(&filter, &host).map(drop), two_refused());
}

/// Seconds go by, and a VM ticks in each.
fn tick(filter: &RateLimit, host: &FakeHost, seconds: u64) -> Vec<usize> {
    let mut counted = Vec::new();
    for _ in 0..seconds {
        host.set_now(host.now() + Duration::from_secs(1));
        counted.extend(filter.tick(host).count);
    }
    counted
}

/// Another worker comes between each look and what follows it.
#[test]
fn never_more_than_the_limit_whatever_comes_between() {
    let host = FakeHost::at(START);
    let (one, other) = (rate_limit(TWO), rate_limit(TWO));
    let others = std::cell::RefCell::new(Vec::new());
    let between = Among::interleaved(&host, || {
        let mut others = others.borrow_mut();
        if others.len() < 2 {
            others.extend(begin(&other, &host));
        } else if let Some(stream) = others.pop() {
            end(&other, &host, stream);
        }
    });
    for _ in 0..50 {
        let stream = begin(&one, &between);
        assert!(usize::from(stream.is_ok()) + others.borrow().len() <= 2);
        if let Ok(stream) = stream {
            end(&one, &between, stream);
        }
    }
}

/// What may happen to three VMs and two callers.
#[derive(Clone, Debug)]
enum Event {
    Begin { vm: usize, caller: usize },
    End { which: usize },
    Trap { vm: usize },
    Second,
    Policy { vm: usize },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3usize, 0..2usize).prop_map(|(vm, caller)| Event::Begin { vm, caller }),
        4 => any::<usize>().prop_map(|which| Event::End { which }),
        1 => (0..3usize).prop_map(|vm| Event::Trap { vm }),
        4 => Just(Event::Second),
        1 => (0..3usize).prop_map(|vm| Event::Policy { vm }),
    ]
}

/// A stream of the model: whose it is, in which VM, and since when that is no more.
struct Open {
    caller: usize,
    vm: usize,
    filter: Rc<RateLimit>,
    stream: Stream,
}

proptest! {
    /// Never more than the limit of streams that are there, and of those that went with a
    /// VM none is counted for ten seconds: in between either is right.
    #[test]
    fn as_a_simple_model_says(events in prop::collection::vec(event(), 1..120)) {
        let host = FakeHost::at(START);
        // The main thread has a VM that serves nobody, and so never traps.
        let main = rate_limit(TWO);
        let mut vms: Vec<Rc<RateLimit>> = (0..3).map(|_| Rc::new(rate_limit(TWO))).collect();
        let mut open: Vec<Open> = Vec::new();
        // Of streams that went with their VM: the caller, and when.
        let mut gone: Vec<(usize, Duration)> = Vec::new();
        for event in events {
            match event {
                Event::Begin { vm, caller: n } => {
                    identify(&host, caller(["a", "b"][n]));
                    let filter = Rc::clone(&vms[vm]);
                    let there = open.iter().filter(|open| open.caller == n).count();
                    let lost = gone.iter().filter(|(caller, _)| *caller == n);
                    let recent = |at: &Duration| host.now().saturating_sub(*at) < Duration::from_secs(10);
                    let perhaps = lost.filter(|(_, at)| recent(at)).count();
                    match begin(&filter, &host) {
                        Ok(stream) => {
                            prop_assert!(there < 2, "one too many");
                            open.push(Open { caller: n, vm, filter, stream });
                        }
                        Err((status, _)) => {
                            prop_assert_eq!(status, 429);
                            prop_assert!(there + perhaps >= 2, "{} are there, {} perhaps", there, perhaps);
                        }
                    }
                }
                Event::End { which } if !open.is_empty() => {
                    let Open { filter, stream, .. } = open.swap_remove(which % open.len());
                    end(&filter, &host, stream);
                }
                Event::End { .. } => {}
                Event::Trap { vm } => {
                    let now = host.now();
                    gone.extend(open.extract_if(.., |open| open.vm == vm).map(|open| (open.caller, now)));
                    vms[vm] = Rc::new(rate_limit(TWO));
                }
                Event::Second => {
                    host.set_now(host.now() + Duration::from_secs(1));
                    main.tick(&host);
                    for vm in &vms {
                        vm.tick(&host);
                    }
                }
                Event::Policy { vm } => {
                    let mut new = rate_limit(TWO);
                    new.vm = Rc::clone(&vms[vm].vm);
                    vms[vm] = Rc::new(new);
                }
            }
        }
    }
}
