//! One question per token, within a VM and across VMs.

use std::cell::Cell;
use std::time::Duration;

use postern_core::Answer;
use postern_core::fake::{FakeHost, Fault, Vm};
use serde_json::json;

use super::{
    NOW, active, answer, counted, host, inactive, judge, judge_again, provider, response, tick,
};
use crate::verdict::Kind;

fn at(host: &FakeHost, milliseconds: u64) {
    host.set_now(Duration::from_millis(NOW * 1_000 + milliseconds));
}

#[test]
fn requests_of_a_vm_share_a_question_and_its_answer() {
    let (vm, host) = (provider(&json!({})), host());
    for _ in 0..3 {
        assert_eq!(judge(&vm, "a", &host), "wait 1");
    }
    assert_eq!(judge(&vm, "b", &host), "wait 2");
    let work = tick(&vm, &host);
    assert_eq!(counted(&work), ["asked", "asked", "joined", "joined"]);
    let bodies: Vec<_> = work.ask.iter().map(|task| (task.id, task.ask.body.clone())).collect();
    assert!(bodies.contains(&(1, b"token=a".to_vec())) && bodies.contains(&(2, b"token=b".into())));
    assert!(tick(&vm, &host).ask.is_empty(), "asked once");
    let work = answer(&vm, 1, &active("zoe"), &host);
    assert_eq!((work.wake.clone(), counted(&work)), (vec![1], vec!["active"]));
    let work = answer(&vm, 2, &inactive(), &host);
    assert_eq!((work.wake.clone(), counted(&work)), (vec![2], vec!["refused"]));
    assert_eq!(judge(&vm, "a", &host), "zoe");
    assert_eq!(judge(&vm, "b", &host), "401 inactive_token");
    assert_eq!(counted(&tick(&vm, &host)), ["cached", "cached"]);
    // An answer that comes twice, or to nothing.
    assert!(answer(&vm, 1, &inactive(), &host).is_nothing());
    assert_eq!(judge(&vm, "a", &host), "zoe");
}

#[test]
fn a_request_is_counted_once() {
    let (vm, host) = (provider(&json!({})), host());
    for _ in 0..3 {
        judge(&vm, "a", &host);
    }
    assert_eq!(counted(&tick(&vm, &host)), ["asked", "joined", "joined"]);
    at(&host, 2_499);
    assert_eq!(judge_again(&vm, "a", &host, 2_499), "wait 1", "woken for something else");
    at(&host, 2_500);
    assert_eq!(judge_again(&vm, "a", &host, 2_500), "503", "its time is over");
    assert_eq!(vm.state.borrow().waiting, 3);
    assert_eq!(counted(&tick(&vm, &host)), [""; 0]);
    answer(&vm, 1, &active("zoe"), &host);
    for _ in 0..2 {
        assert_eq!(judge_again(&vm, "a", &host, 2_501), "zoe");
    }
    assert_eq!(counted(&tick(&vm, &host)), [""; 0], "they waited for it");
    assert_eq!(judge(&vm, "a", &host), "zoe");
    assert_eq!(counted(&tick(&vm, &host)), ["cached"]);
}

/// Looking for each of them would take a good part of a worker's time.
#[test]
fn those_who_wait_for_other_workers_cost_one_look_until_something_is_answered() {
    let host = host();
    let [asks, follows] = [(); 2].map(|()| provider(&json!({})));
    for n in 0..60 {
        judge(&asks, &format!("t{n}"), &host);
        judge(&follows, &format!("t{n}"), &host);
    }
    tick(&asks, &host);
    let look = |at_time: u64| {
        at(&host, at_time);
        let looks = Cell::new(0);
        let counting = Vm::interleaved(&host, || looks.set(looks.get() + 1));
        let work = Kind::tick(&follows, &counting);
        assert!(work.ask.is_empty());
        drop(counting);
        (looks.get(), work.wake)
    };
    assert_eq!(look(5).0, 61, "each once");
    assert_eq!(look(10), (1, vec![]));
    answer(&asks, 7, &active("zoe"), &host);
    assert_eq!(look(15), (61, vec![7]));
    assert_eq!(look(20), (1, vec![]));
    // One that is answered in a form that cannot be told is asked for here.
    let long = json!({"active": true, "sub": "zoe", "scope": "s ".repeat(2_000)}).to_string();
    answer(&asks, 8, &response(200, &long), &host);
    at(&host, 25);
    assert_eq!(tick(&follows, &host).ask.len(), 1);
    // Whoever asked is gone: the claims lapse.
    at(&host, 2_249);
    assert!(tick(&follows, &host).ask.is_empty());
    at(&host, 2_250);
    assert!(tick(&follows, &host).ask.len() > 20, "as far as they stood there");
}

#[test]
fn other_workers_wait_for_the_one_that_asks() {
    let host = host();
    let [first, second, third] = [(); 3].map(|()| provider(&json!({})));
    assert_eq!(judge(&first, "a", &host), "wait 1");
    assert_eq!(judge(&second, "a", &host), "wait 1");
    assert_eq!(tick(&first, &host).ask.len(), 1);
    let work = tick(&second, &host);
    assert_eq!((work.ask.len(), work.again), (0, Some(Duration::from_millis(5))));
    at(&host, 5);
    answer(&first, 1, &active("zoe"), &host);
    let work = tick(&second, &host);
    assert_eq!((work.wake, work.again), (vec![1], Some(Duration::from_secs(1))));
    // The third never had to wait.
    for vm in [&first, &second, &third] {
        assert_eq!(judge(vm, "a", &host), "zoe");
        at(&host, 60_000 - 1);
        assert_eq!(judge(vm, "a", &host), "zoe", "counted from the question");
        at(&host, 5);
    }
    at(&host, 60_000);
    for vm in [&first, &second, &third] {
        assert!(judge(vm, "a", &host).starts_with("wait"), "revoked or not, asked again");
    }
}

#[test]
fn a_worker_that_dies_holds_up_the_others_until_its_claim_lapses() {
    let host = host();
    let [dead, other] = [(); 2].map(|()| provider(&json!({})));
    judge(&dead, "a", &host);
    tick(&dead, &host);
    drop(dead);
    assert_eq!(judge(&other, "a", &host), "wait 1");
    at(&host, 2_249);
    assert!(tick(&other, &host).ask.is_empty());
    at(&host, 2_250);
    assert_eq!(tick(&other, &host).ask.len(), 1);
    answer(&other, 1, &active("zoe"), &host);
    assert_eq!(judge(&other, "a", &host), "zoe");
}

#[test]
fn without_shared_data_each_worker_asks_for_itself() {
    for fault in [Fault::Unavailable, Fault::Conflict] {
        let host = host();
        host.break_shared(fault);
        let [first, second] = [(); 2].map(|()| provider(&json!({})));
        for vm in [&first, &second] {
            assert_eq!(judge(vm, "a", &host), "wait 1");
            assert_eq!(judge(vm, "a", &host), "wait 1");
            assert_eq!(tick(vm, &host).ask.len(), 1, "{fault:?}");
            assert_eq!(answer(vm, 1, &active("zoe"), &host).wake, [1]);
            assert_eq!(judge(vm, "a", &host), "zoe");
        }
    }
}

#[test]
fn a_failure_is_told_to_all_and_lasts_a_second() {
    let host = host();
    let [first, second] = [(); 2].map(|()| provider(&json!({})));
    judge(&first, "a", &host);
    judge(&second, "a", &host);
    tick(&first, &host);
    let work = answer(&first, 1, &response(503, ""), &host);
    assert_eq!(counted(&work), ["failed"]);
    assert_eq!(tick(&second, &host).wake, [1]);
    for vm in [&first, &second] {
        at(&host, 999);
        assert_eq!(judge(vm, "a", &host), "503");
    }
    at(&host, 1_000);
    assert!(judge(&first, "a", &host).starts_with("wait"));
}

#[test]
fn a_service_that_fails_is_left_alone_but_what_is_known_serves() {
    let (vm, host) = (provider(&json!({})), host());
    judge(&vm, "good", &host);
    tick(&vm, &host);
    answer(&vm, 1, &active("zoe"), &host);
    for n in 0..5 {
        judge(&vm, &format!("t{n}"), &host);
        let id = tick(&vm, &host).ask[0].id;
        answer(&vm, id, &Answer::Unavailable, &host);
    }
    assert_eq!(judge(&vm, "new", &host), "503");
    assert_eq!(judge(&vm, "good", &host), "zoe");
    // What another worker knows counts, too.
    let other = provider(&json!({}));
    judge(&other, "theirs", &host);
    tick(&other, &host);
    answer(&other, 1, &active("kim"), &host);
    assert_eq!(judge(&vm, "theirs", &host), "kim");
    assert_eq!(counted(&tick(&vm, &host)), ["cached", "cached", "turned_away"]);
    at(&host, 1_000);
    assert_eq!(judge(&vm, "new", &host), "wait 7");
    assert_eq!(judge(&vm, "newer", &host), "503", "one question shows whether it is back");
    assert_eq!(judge(&vm, "new", &host), "wait 7", "for which more may wait");
    tick(&vm, &host);
    answer(&vm, 7, &inactive(), &host);
    assert_eq!(judge(&vm, "newer", &host), "wait 8");
}

/// Or a stranger with tokens of an odd shape could end the service for everybody.
#[test]
fn an_answer_about_one_token_is_no_failure_of_the_service() {
    for (status, others) in [
        (400, "wait 6"),
        (404, "wait 6"),
        (422, "wait 6"),
        (401, "503"),
        (403, "503"),
        (429, "503"),
        (500, "503"),
        (503, "503"),
    ] {
        let (vm, host) = (provider(&json!({})), host());
        for n in 0..5 {
            let token = format!("t{n}");
            judge(&vm, &token, &host);
            let id = tick(&vm, &host).ask[0].id;
            answer(&vm, id, &response(status, ""), &host);
            assert_eq!(judge(&vm, &token, &host), "503", "{status}: that token");
        }
        assert_eq!(judge(&vm, "new", &host), others, "{status}: the others");
    }
}

#[test]
fn questions_and_waiting_requests_are_bounded() {
    let (vm, host) = (provider(&json!({"max_questions": 2, "max_waiting": 3})), host());
    assert_eq!(judge(&vm, "a", &host), "wait 1");
    assert_eq!(judge(&vm, "b", &host), "wait 2");
    assert_eq!(judge(&vm, "c", &host), "503", "a third question");
    assert_eq!(judge(&vm, "a", &host), "wait 1");
    assert_eq!(judge(&vm, "a", &host), "503", "a fourth request");
    for task in tick(&vm, &host).ask {
        answer(&vm, task.id, &active("zoe"), &host);
    }
    assert_eq!(judge(&vm, "c", &host), "wait 3", "all have gone on");
}

#[test]
fn an_old_answer_serves_while_the_service_does_not() {
    let stale = json!({"stale_if_unavailable": "5m"});
    let host = host();
    let vm = provider(&stale);
    judge(&vm, "a", &host);
    judge(&vm, "b", &host);
    tick(&vm, &host);
    let expires = NOW + 90;
    answer(&vm, 1, &active("zoe"), &host);
    let body = json!({"active": true, "sub": "kim", "exp": expires}).to_string();
    answer(&vm, 2, &response(200, &body), &host);
    at(&host, 60_000);
    let fails = |vm: &_, token: &str| {
        assert!(judge(vm, token, &host).starts_with("wait"), "it is asked first");
        let id = tick(vm, &host).ask[0].id;
        answer(vm, id, &response(500, ""), &host);
        let verdict = judge(vm, token, &host);
        (verdict, counted(&tick(vm, &host)).contains(&"stale"))
    };
    assert_eq!(fails(&vm, "a"), ("zoe".to_owned(), true));
    // A worker that never asked about it, and one that is not to serve old ones.
    at(&host, 61_000);
    assert_eq!(fails(&provider(&stale), "a"), ("zoe".to_owned(), true));
    assert_eq!(fails(&provider(&json!({})), "a"), ("503".to_owned(), false));
    at(&host, 89_999);
    assert_eq!(fails(&vm, "b"), ("kim".to_owned(), true));
    at(&host, 91_000);
    assert_eq!(fails(&vm, "b"), ("503".to_owned(), false), "never longer than `exp`");
    at(&host, 359_999);
    assert_eq!(fails(&vm, "a"), ("zoe".to_owned(), true));
    at(&host, 361_000);
    assert_eq!(fails(&vm, "a"), ("503".to_owned(), false));
    // Revoked meanwhile: the service says so when it is back.
    at(&host, 0);
    let vm = provider(&json!({"stale_if_unavailable": "10m"}));
    judge(&vm, "c", &host);
    tick(&vm, &host);
    answer(&vm, 1, &active("zoe"), &host);
    at(&host, 60_000);
    assert_eq!(judge(&vm, "c", &host), "wait 2");
    tick(&vm, &host);
    answer(&vm, 2, &inactive(), &host);
    at(&host, 70_000);
    assert_eq!(fails(&vm, "c"), ("503".to_owned(), false), "the old answer is gone");
}

/// What one worker was told holds for another that has an old answer.
#[test]
fn no_old_answer_serves_after_a_bad_one() {
    let stale = json!({"stale_if_unavailable": "5m", "cache": {"ttl": "60s"}});
    let (told, other, host) = (provider(&stale), provider(&stale), host());
    judge(&told, "a", &host);
    tick(&told, &host);
    answer(&told, 1, &active("zoe"), &host);
    assert_eq!(judge(&other, "a", &host), "zoe");
    at(&host, 60_000);
    assert_eq!(judge(&told, "a", &host), "wait 2");
    tick(&told, &host);
    answer(&told, 2, &inactive(), &host);
    at(&host, 359_999);
    assert!(judge(&other, "a", &host).starts_with("wait"), "it is asked again");
    let id = tick(&other, &host).ask[0].id;
    answer(&other, id, &Answer::Unavailable, &host);
    assert_eq!(judge(&other, "a", &host), "503");
    at(&host, 400_000);
    judge(&other, "a", &host);
    let id = tick(&other, &host).ask[0].id;
    answer(&other, id, &active("zoe"), &host);
    assert_eq!(judge(&other, "a", &host), "zoe", "good again");
    assert_eq!(judge(&provider(&stale), "a", &host), "zoe", "for all");
}

/// The token, and a plain digest of it, stay out of what workers share.
#[test]
fn shared_data_hold_no_token() {
    let (vm, host) = (provider(&json!({})), host());
    let token = "pt_a-token-of-some-length";
    judge(&vm, token, &host);
    tick(&vm, &host);
    answer(&vm, 1, &active("zoe"), &host);
    let stored = format!("{host:?}");
    let list = |bytes: &[u8]| format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    assert!(stored.contains(&list(b"zoe")), "the essentials");
    assert!(!stored.contains(&list(token.as_bytes())));
    assert!(!stored.contains(&list(&postern_core::digest::sha256(token.as_bytes()))));
}

/// Whatever a provider is told holds for its own configuration only.
#[test]
fn a_changed_configuration_asks_anew() {
    let host = host();
    let vm = provider(&json!({}));
    judge(&vm, "a", &host);
    tick(&vm, &host);
    answer(&vm, 1, &active("zoe"), &host);
    assert_eq!(judge(&provider(&json!({})), "a", &host), "zoe");
    assert_eq!(judge(&provider(&json!({"audiences": ["api"]})), "a", &host), "wait 1");
}

/// Tokens that nobody knows push each other out, and no good one.
#[test]
fn a_flood_of_bad_tokens_costs_no_good_one() {
    let host = host();
    let small = json!({"cache": {"max_good": 2, "max_bad": 2}});
    let vm = provider(&small);
    let ask = |token: &str, reply: &Answer| {
        judge(&vm, token, &host);
        let id = tick(&vm, &host).ask[0].id;
        answer(&vm, id, reply, &host);
    };
    ask("good", &active("zoe"));
    for n in 0..20_000 {
        ask(&format!("bad{n}"), &inactive());
    }
    assert_eq!(judge(&vm, "good", &host), "zoe");
    assert_eq!(judge(&provider(&small), "good", &host), "zoe", "in the shared table");
    assert!(host.shared_len() <= 2_050, "slots, the secret and the bell");
}
