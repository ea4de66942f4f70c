//! How much a policy may come to, whatever it is written with.

use serde_json::{Value, json};

use super::slices::are_the_same;
use super::*;
use crate::bounds::{MAX_OF_POLICY, MAX_OF_RULE, MAX_OF_SETS, MAX_TEXT};
use crate::policy::MAX_RULES;

/// What is said of it; the first ones.
fn said(policy: &Value) -> Vec<String> {
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    let Err(errors) = Authz::configure(&node, &|_| None) else { return Vec::new() };
    errors.problems().iter().map(ToString::to_string).collect()
}

fn paths(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("/p{i}")).collect()
}

fn rule(i: usize, key: &str, list: &Value) -> Value {
    let (paths, subject) = match key {
        "paths" => (list.clone(), json!("anyone")),
        _ => (json!(["/"]), json!({key: list})),
    };
    json!({"name": format!("r{i}"), "match": {"paths": paths}, "subject": subject})
}

/// Rules that all refer to one set: `paths`, or texts.
fn referring(key: &str, rules: usize, references: usize, set: usize) -> Value {
    let list = json!(vec![json!({"set": "s"}); references]);
    let rules: Vec<_> = (0..rules).map(|i| rule(i, key, &list)).collect();
    let kind = if key == "paths" { "paths" } else { "texts" };
    json!({"sets": {kind: {"s": paths(set)}}, "rules": rules})
}

#[test]
fn rules_are_counted() {
    let rules = |count: usize| {
        let own = (0..count).map(|i| rule(i, "paths", &json!(["/"])));
        json!({"rules": own.collect::<Vec<_>>()})
    };
    assert_eq!(said(&rules(MAX_RULES)), [""; 0]);
    assert_eq!(said(&rules(MAX_RULES + 1)), ["rules: expected at most 10000 rules"]);
    let both = |count: usize| {
        let mut both = rules(MAX_RULES - 1);
        both["candidate"] = rules(count);
        both["candidate"]["mode"] = "shadow".into();
        both
    };
    assert_eq!(said(&both(1)), [""; 0]);
    assert_eq!(
        said(&both(2)),
        ["candidate: expected at most 10000 rules, the current ones included"]
    );
    let counted = |count: usize| {
        let mut counted = rules(count + 1);
        for rule in counted["rules"].as_array_mut().unwrap().iter_mut().skip(1) {
            rule["counted"] = true.into();
        }
        counted
    };
    assert_eq!(said(&counted(64)), [""; 0]);
    assert_eq!(said(&counted(65)), ["rules: expected at most 64 rules with `counted`"]);
}

/// It is cut where each rule ends in one slice, while the worker does nothing else.
#[test]
fn the_text_is_not_endless() {
    let of = |more: usize| {
        let rule = |i: usize| {
            let texts = if i == 0 { vec!["y".repeat(more)] } else { vec!["x".repeat(60_000); 9] };
            json!({"name": format!("r{i}"), "match": {"paths": ["/"]}, "subject": "anyone",
                   "claims": [{"claim": "team", "is": {"any_of": texts}}]})
        };
        json!({"rules": (0..16).map(rule).collect::<Vec<_>>()})
    };
    let room = MAX_TEXT - of(1).to_string().len() + 1;
    assert_eq!(said(&of(room)), [""; 0]);
    let expected = "expected at most 8388608 bytes of policy, as JSON, but found 8388609";
    assert_eq!(said(&of(room + 1)), [expected]);
    // Nor is it where nothing tried it beforehand.
    let text = std::rc::Rc::new(of(room + 1).to_string().into_bytes());
    let mut loading = Authz::load(&text, &authz(slices::FORMER)).unwrap();
    let errors = loading.slice().err().map(|errors| errors.to_string());
    assert_eq!(errors.as_deref(), Some(expected));
}

#[test]
fn a_challenge_is_not_endless() {
    let scopes = |count: usize| (0..count).map(|i| format!("s{i}")).collect::<Vec<_>>();
    for key in ["any_scope", "all_scopes"] {
        let of = |count| said(&json!({"rules": [rule(0, key, &json!(scopes(count)))]}));
        assert_eq!(of(32), [""; 0]);
        assert_eq!(of(33), [format!("rules[0].subject.{key}: expected 1 to 32 scopes")]);
    }
    // Of those of several rules as many are named, whole, as there is room for.
    let long = |i: usize| format!("{i:0>249}");
    let own = (0..20).map(|i| rule(i, "any_scope", &json!([long(i)])));
    let policy = json!({"rules": own.collect::<Vec<_>>()});
    let judged = judge(&authz(&policy.to_string()), &[], Some(&caller(&["none"])));
    let named: Vec<_> = (0..16).map(long).collect();
    assert_eq!(
        judged.challenge,
        format!(
            "Bearer realm=\"postern\", error=\"insufficient_scope\", scope=\"{}\"",
            named.join(" ")
        )
    );
}

#[test]
fn what_a_rule_refers_to_counts() {
    // Beside the texts it has a name and a path.
    assert_eq!(said(&referring("subjects", 1, 4, (MAX_OF_RULE - 6) / 4)), [""; 0]);
    assert_eq!(
        said(&referring("paths", 1, 1_000, 2_000)),
        ["rules[0].match.paths[4].set: with this set it has more than 10000 values"]
    );
    let written = |count| json!({"rules": [rule(0, "clients", &json!(paths(count)))]});
    assert_eq!(said(&written(MAX_OF_RULE - 2)), [""; 0]);
    assert_eq!(
        said(&written(MAX_OF_RULE - 1)),
        ["rules[0]: expected at most 10000 values in a rule"]
    );
    let long = "s".repeat(64 * MAX_OF_RULE);
    assert_eq!(
        said(&json!({"rules": [rule(0, "plans", &json!([long]))]})),
        ["rules[0]: expected at most 10000 values in a rule"]
    );
}

#[test]
fn what_all_rules_refer_to_counts() {
    let set = 2_000;
    let most = MAX_OF_POLICY / set;
    assert_eq!(said(&referring("plans", most, 1, set)), [""; 0]);
    let too_many =
        "rules[50].subject.plans[0].set: with this one sets put more than 100000 values in place";
    assert_eq!(said(&referring("plans", most + 3, 1, set)), [too_many]);

    // A candidate counts too, whosever its sets are.
    let mut policy = referring("plans", most, 1, set);
    let mut candidate = referring("plans", 1, 1, set);
    candidate["mode"] = "shadow".into();
    policy["candidate"] = candidate.clone();
    let too_many = "candidate.rules[0].subject.plans[0].set: \
                    with this one sets put more than 100000 values in place";
    assert_eq!(said(&policy), [too_many]);
    candidate.as_object_mut().unwrap().remove("sets");
    policy["candidate"] = candidate;
    assert_eq!(said(&policy), [too_many]);
}

#[test]
fn sets_are_not_endless() {
    let sets = |count| {
        let half: Vec<_> = (0..count / 2).map(|i| format!("s{i}")).collect();
        json!({"sets": {"texts": {"a": half}, "paths": {"b": paths(count - count / 2)}},
               "rules": [rule(0, "paths", &json!(["/"]))]})
    };
    assert_eq!(said(&sets(MAX_OF_SETS)), [""; 0]);
    assert_eq!(
        said(&sets(MAX_OF_SETS + 1)),
        ["sets: expected at most 20000 values in all sets together"]
    );
    // Those that refer to others are put together by themselves.
    let matches = |count: usize, paths_of_set: usize| {
        let named = (0..count).map(|i| (format!("m{i}"), json!({"paths": [{"set": "s"}]})));
        let matches: serde_json::Map<_, _> = named.collect();
        json!({"sets": {"paths": {"s": paths(paths_of_set)}, "matches": matches},
               "rules": [rule(0, "paths", &json!(["/"]))]})
    };
    assert_eq!(
        said(&matches(60, 2_000)),
        ["sets.matches.m50.paths[0].set: with this one sets put more than 100000 values in place"]
    );
    assert_eq!(
        said(&matches(1, MAX_OF_RULE)),
        ["sets.matches.m0.paths[0].set: with this set it has more than 10000 values"]
    );
}

#[test]
fn hosts_multiply_paths() {
    let pairs = |rules: usize, hosts: usize, count: usize| {
        let hosts: Vec<_> = (0..hosts).map(|i| format!("h{i}.example")).collect();
        let of = |i| {
            let mut rule = rule(i, "paths", &json!(paths(count)));
            rule["match"]["hosts"] = json!(hosts);
            rule
        };
        json!({"rules": (0..rules).map(of).collect::<Vec<_>>()})
    };
    assert_eq!(said(&pairs(15, 50, 40)), [""; 0]);
    assert_eq!(
        said(&pairs(1, 50, 41)),
        ["rules[0].match: expected at most 2000 pairs of a host and a path"]
    );
    let too_many = "with this one all rules have more than 30000 pairs of a host and a path";
    assert_eq!(said(&pairs(17, 50, 40)), [format!("rules[15].match: {too_many}")]);
    let mut both = pairs(15, 50, 40);
    both["candidate"] = pairs(1, 1, 1);
    both["candidate"]["mode"] = "shadow".into();
    assert_eq!(said(&both), [format!("candidate.rules[0].match: {too_many}")]);
}

#[test]
fn slices_are_of_what_references_stand_for() {
    // 28,000 paths behind 14 short rules: one rule a slice, read and put into the index.
    let few = referring("paths", 14, 1, 2_000);
    assert!(are_the_same(&few.to_string()) > 28);
    // 18,000 behind 900: so many of them that their paths are no more than 24 KiB of text.
    let many = referring("paths", 900, 1, 20);
    assert!(are_the_same(&many.to_string()) > 90);
    // Pairs of hosts and paths take places in the index.
    let hosts: Vec<_> = (0..50).map(|i| format!("h{i}.example")).collect();
    let mut pairs = referring("paths", 12, 1, 40);
    for rule in pairs["rules"].as_array_mut().unwrap() {
        rule["match"]["hosts"] = json!(hosts);
    }
    assert!(are_the_same(&pairs.to_string()) > 12);
}

#[test]
fn a_short_policy_may_be_heavy() {
    let weight = |policy: &Value| {
        let text = policy.to_string();
        let weight = <Authz as Filter>::weight(text.as_bytes());
        (text.len(), (weight - text.len()) / 64)
    };
    let (length, values) = weight(&referring("paths", 100, 1, 2_000));
    assert!(length < 48 * 1024);
    assert_eq!(values, 200_000);
    let plain = json!({"rules": [rule(0, "paths", &json!(["/"]))]});
    assert_eq!(weight(&plain).1, 0);
    // Through a named match, of the candidate's own.
    let own = json!({"sets": {"paths": {"s": paths(30)}, "matches": {"m": {"paths": [{"set": "s"}]}}},
        "rules": [{"name": "a", "match": {"set": "m"}, "subject": "anyone"}]});
    let mut both = plain;
    both["candidate"] = own;
    // Once in the set itself, and once in the rule, with the name.
    assert_eq!(weight(&both).1, 30 + 31);
    assert_eq!(<Authz as Filter>::weight(b"{"), 1);
    // Each host is looked up with each path.
    let names = |count: usize, name: &dyn Fn(usize) -> String| -> Vec<String> {
        (0..count).map(name).collect()
    };
    let hosts = names(50, &|n| format!("h{n}.example.com"));
    let paths = names(40, &|n| format!("/p{n}"));
    let many = |hosts: &[String]| {
        json!({"rules": [{"name": "a", "effect": "allow", "subject": "anyone",
            "match": {"hosts": hosts, "paths": paths}}]})
    };
    assert_eq!(weight(&many(&hosts)).1, 50 * 40 - 50);
    assert_eq!(weight(&many(&hosts[..1])).1, 0);
}

#[test]
fn patterns_that_are_tried_one_by_one_are_few() {
    // Names make no difference, and one capture is found without trying.
    let rules = |count: usize| {
        let path = |i: usize| format!("/{{a{i}}}-x{i}-{{b}}");
        let own = (0..count).map(|i| rule(i, "paths", &json!([path(i), format!("/{{a}}.t{i}")])));
        let same =
            (0..9).map(|i| rule(count + i, "paths", &json!([format!("/{{c{i}}}-x0-{{d}}")])));
        json!({"rules": own.chain(same).collect::<Vec<_>>()})
    };
    assert_eq!(said(&rules(64)), [""; 0]);
    assert_eq!(
        said(&rules(70)),
        ["rules[64].match: expected at most 64 different segments of more than one capture \
          in all rules"]
    );
}
