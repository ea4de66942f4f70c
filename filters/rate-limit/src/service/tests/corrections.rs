//! What answers say of costs that the service counted.

use super::*;

/// Requests cost 1 when they come, and what `x-cost` says, or 1, by their answers.
const COSTS: &str = r#", "costs": [{"match": {}, "answers": [
    {"cost": {"header": "x-cost", "most": 100}}]}]"#;

fn ok() -> Answer {
    said(&statuses(Code::Ok, &[(Code::Ok, Some(10), 8, 30_000)]))
}

/// A request whose answer says this of its cost.
fn spend(filter: &RateLimit, host: &FakeHost, cost: &str) -> Seen {
    send_answered(filter, host, &[], &mut |_| ok(), &[("x-cost", cost)])
}

/// What a tick does: its questions with their numbers, and the names of what it counted.
fn tick(filter: &RateLimit, host: &FakeHost) -> (Vec<(u64, Question)>, Vec<String>) {
    let work = filter.tick(host);
    let questions = work.ask.iter().map(|task| (task.id, asked(&task.ask))).collect();
    (questions, names(filter, &work.count))
}

fn names(filter: &RateLimit, count: &[usize]) -> Vec<String> {
    let metrics = filter.metrics();
    count.iter().map(|i| metrics.get(*i).unwrap().name.to_string()).collect()
}

/// Hits of each question of a tick.
fn hits(filter: &RateLimit, host: &FakeHost) -> Vec<u64> {
    let (questions, _) = tick(filter, host);
    questions.iter().map(|(_, question)| question.descriptors[0].2).collect()
}

#[test]
fn more_is_told_to_the_service_at_a_tick_added_up() {
    let host = FakeHost::at(START);
    identify(&host, "northwind", None);
    let filter = rate_limit(&policy(r#", "values": "plain""#, &limit("current", COSTS)));
    let seen = spend(&filter, &host, "4");
    assert_eq!((seen.status, seen.asked), (200, 1));
    assert_eq!(seen.field("ratelimit"), Some(r#""current";r=5;t=30"#), "less is left by it");
    spend(&filter, &host, "6");
    identify(&host, "bluefin", None);
    spend(&filter, &host, "2");
    let question = |sub: &str, hits: u64| Question {
        domain: "d".to_owned(),
        descriptors: vec![(vec!["limit=current".to_owned(), format!("subject={sub}")], None, hits)],
    };
    let (questions, counted) = tick(&filter, &host);
    assert_eq!(questions, [(2, question("northwind", 8)), (1, question("bluefin", 1))]);
    assert_eq!(
        counted,
        ["service_asked", "service_corrected", "service_asked", "service_corrected"]
    );
    assert_eq!(tick(&filter, &host), (vec![], vec![]), "once");
    assert!(filter.task_answer(2, &ok(), &host).count.is_empty());
}

#[test]
fn all_windows_of_the_limit_are_corrected_and_no_other_limit() {
    let host = FakeHost::at(START);
    let two = r#"{"id": "two", "match": {}, "engine": "service", "windows": ["5/s", "40/m"]"#;
    let limits = [format!("{two}{COSTS}}}"), limit("other", r#", "also": true"#)];
    let filter = rate_limit(&policy(r#", "send_limits": true"#, &limits.join(",")));
    let all = said(&statuses(
        Code::Ok,
        &[(Code::Ok, Some(5), 4, 1_000), (Code::Ok, Some(40), 3, 9_000), (Code::Ok, Some(9), 8, 1)],
    ));
    let seen = send_answered(&filter, &host, &[], &mut |_| all.clone(), &[("x-cost", "9")]);
    assert_eq!(seen.field("ratelimit"), Some(r#""two.1m";r=0;t=9"#));
    let (questions, _) = tick(&filter, &host);
    let sent = questions[0].1.descriptors.iter();
    let sent: Vec<_> =
        sent.map(|(entries, limit, hits)| (entries[1].as_str(), *limit, *hits)).collect();
    assert_eq!(sent, [("window=two.1s", Some((5, 1)), 8), ("window=two.1m", Some((40, 2)), 8)]);
}

#[test]
fn what_is_less_is_not_given_back_and_counted() {
    let host = FakeHost::at(START);
    let costs = COSTS.replace(r#""match": {}, "#, r#""match": {}, "cost": 3, "#);
    let filter = rate_limit(&policy("", &limit("current", &costs)));
    let seen = spend(&filter, &host, "1");
    assert_eq!(seen.has_counted("uncorrected"), 1);
    assert_eq!(seen.field("ratelimit"), Some(r#""current";r=8;t=30"#));
    let seen = spend(&filter, &host, "3");
    assert_eq!(seen.has_counted("uncorrected"), 0);
    assert_eq!(hits(&filter, &host), Vec::<u64>::new());
}

#[test]
fn a_refused_request_is_not_corrected() {
    let host = FakeHost::at(START);
    let costs = COSTS.replace(r#"{"cost": {"header": "x-cost", "most": 100}}"#, r#"{"cost": 9}"#);
    let filter = rate_limit(&policy("", &limit("current", &costs)));
    let over = said(&statuses(Code::OverLimit, &[(Code::OverLimit, Some(10), 0, 30_000)]));
    assert_eq!(send(&filter, &host, &over).status, 429);
    assert_eq!(send(&filter, &host, &over).status, 429, "remembered");
    assert_eq!(hits(&filter, &host), Vec::<u64>::new());
}

#[test]
fn what_the_gateway_counted_in_its_place_is_corrected_here() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", COSTS)));
    let spend = |cost: &str| {
        send_answered(&filter, &host, &[], &mut |_| Answer::Unavailable, &[("x-cost", cost)])
    };
    // Its part is 5.
    assert_eq!(spend("4").field("ratelimit"), Some(r#""current";r=1;t=60"#));
    assert_eq!(spend("1").field("ratelimit"), Some(r#""current";r=0;t=60"#));
    assert_eq!(spend("1").status, 429);
    assert_eq!(hits(&filter, &host), Vec::<u64>::new());
}

#[test]
fn what_a_service_that_is_down_is_not_told_is_counted() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", COSTS)));
    spend(&filter, &host, "4");
    spend(&filter, &host, "4");
    assert_eq!(tick(&filter, &host).0.len(), 1);
    // It is asked, and does not answer.
    let work = filter.task_answer(2, &Answer::Unavailable, &host);
    assert_eq!(names(&filter, &work.count), ["service_failed", "uncorrected", "uncorrected"]);
    // It is asked as before.
    assert_eq!(spend(&filter, &host, "4").asked, 1);
    // It is left alone.
    for _ in 0..3 {
        filter.task_answer(1, &Answer::Unavailable, &host);
    }
    assert_eq!(tick(&filter, &host), (vec![], vec!["uncorrected".to_owned()]));
    assert_eq!(tick(&filter, &host), (vec![], vec![]));
}

#[test]
fn no_more_callers_wait_than_there_is_room_for_and_no_more_are_sent_at_a_time() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", COSTS)));
    let spend = |n: usize| {
        identify(&host, &format!("caller-{n}"), None);
        spend(&filter, &host, "2").has_counted("uncorrected")
    };
    assert_eq!((0..1_024).map(spend).sum::<usize>(), 0);
    assert_eq!(spend(1_024), 1, "there is no room");
    assert_eq!(spend(0), 0, "who waits already has some");
    for sent in [256, 256, 256, 256, 0] {
        let work = filter.tick(&host);
        assert_eq!(work.ask.len(), sent);
        let soon = work.again == Some(Duration::from_millis(100));
        assert_eq!(soon, sent > 0 && filter.vm.corrections.waiting() > 0);
    }
}

#[test]
fn a_policy_that_asks_the_same_service_sends_what_the_last_one_left() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", COSTS)));
    spend(&filter, &host, "4");
    let next = |policy: &str| {
        let mut next = rate_limit(policy);
        next.vm = filter.vm.clone();
        next
    };
    let other = next(&policy("", &limit("current", COSTS)).replace("rls", "others"));
    let domain =
        policy("", &limit("current", COSTS)).replace(r#""domain": "d""#, r#""domain": "e""#);
    for other in [&other, &next(&domain)] {
        assert_eq!(tick(other, &host), (vec![], vec![]), "it is not for them");
    }
    assert_eq!(hits(&next(&policy("", &limit("current", ""))), &host), [3]);
    spend(&filter, &host, "4");
    later(&host, Duration::from_secs(10));
    assert_eq!(tick(&other, &host), (vec![], vec!["uncorrected".to_owned()]), "nobody sends it");
}

#[test]
fn what_no_service_is_asked_any_more_lapses_and_is_counted() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", COSTS)));
    spend(&filter, &host, "4");
    let mut without = rate_limit(r#"{"limits": [{"id": "a", "match": {}, "windows": ["5/m"]}]}"#);
    without.vm = filter.vm.clone();
    assert_eq!(tick(&without, &host), (vec![], vec![]), "another policy may send it");
    later(&host, Duration::from_secs(10));
    assert_eq!(tick(&without, &host), (vec![], vec!["uncorrected".to_owned()]));
    assert_eq!(filter.vm.corrections.waiting(), 0);
    // What waited for so long is not sent either: its window is another one now.
    spend(&filter, &host, "4");
    later(&host, Duration::from_secs(20));
    assert_eq!(tick(&filter, &host), (vec![], vec!["uncorrected".to_owned()]));
}

#[test]
fn a_request_that_says_it_costs_nothing_costs_one_where_its_answer_counts() {
    let host = FakeHost::at(START);
    let costs = r#", "costs": [{"match": {}, "cost": {"header": "x-units", "most": 10},
        "answers": [{"cost": 9}]}]"#;
    let filter = rate_limit(&policy("", &limit("current", costs)));
    let headers = [("x-units", "0")];
    let seen = send_answered(&filter, &host, &headers, &mut |_| ok(), &[]);
    assert_eq!((seen.status, seen.asked), (200, 1));
    assert_eq!(hits(&filter, &host), [8]);
}
