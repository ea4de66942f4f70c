//! A set of rules is held to the plain loop over all of them.

use proptest::prelude::*;

use super::{Match, Rules, Subject};
use crate::config::{decode, parse_json};
use crate::fake::FakeHost;
use crate::matcher::tests::template;
use crate::target::Target;
use crate::template::Captured;
use crate::truth::Truth;
use crate::{Headers, Request};

type Seen = (usize, Vec<(String, Vec<u8>)>);

fn seen(rule: usize, captures: Vec<Captured<'_, '_>>) -> Seen {
    (rule, captures.into_iter().map(|c| (c.name.to_owned(), c.decoded)).collect())
}

/// Every rule whose headers hold, once for each of its templates that matches.
fn naive(rules: &[Match], target: &Target<'_>, tool: &str) -> Vec<Seen> {
    let mut found = Vec::new();
    for (i, m) in rules.iter().enumerate() {
        // The headers' condition is the same in all rules that have one.
        if !m.headers.is_empty() && tool != "a" {
            continue;
        }
        if m.paths.is_empty() {
            found.push((i, Vec::new()));
        }
        let matching = m.paths.iter().filter(|t| t.matches(target));
        found.extend(matching.map(|t| seen(i, t.captures(target))));
    }
    found
}

proptest! {
    #[test]
    fn rules_and_what_they_capture_agree_with_the_plain_loop(
        rules in prop::collection::vec(
            (prop::collection::vec(template(), 0..4), any::<bool>()), 0..40),
        path in "(/([ab]{1,2}|[ab]?:[ab]{0,2}\\.[ab])){1,4}/?",
        tool in "[ab]",
    ) {
        let json: Vec<_> = rules.iter().map(|(paths, asks)| {
            let mut rule = serde_json::json!({
                "paths": paths,
                "headers": [{"name": "x-tool", "exact": ["a"]}],
            });
            // An empty list is refused: what does not matter is left out.
            rule.as_object_mut().unwrap().retain(|key, list| {
                list != &serde_json::json!([]) && (*asks || key == "paths")
            });
            rule
        }).collect();
        let json = serde_json::Value::from(json).to_string();
        let matches: Vec<Match> = decode(&parse_json(json.as_bytes()).unwrap()).unwrap();
        let headers = [(":authority", "a"), (":path", &path), (":method", "GET"), ("x-tool", &tool)];
        let request = Request::new(Headers::new(headers), true);
        let target = Target::parse(Some(path.as_bytes())).unwrap();
        let host = FakeHost::default();
        let subject = Subject::new(&request, &target, &host);
        let set = Rules::new(matches.iter().cloned().enumerate().map(|(i, m)| (m, i)).collect());

        let mut expected = naive(&matches, &target, &tool);
        let found: Vec<Seen> = set
            .candidates(&subject)
            .filter(|found| found.headers_say(&subject) == Truth::Yes)
            .map(|found| {
                assert_eq!(*found.rule, found.index);
                seen(found.index, found.captures(&target))
            })
            .collect();
        prop_assert_eq!(&found, &expected);

        expected.dedup_by_key(|(rule, _)| *rule);
        let all = set.all(&subject).map(|found| seen(found.index, found.captures(&target)));
        prop_assert_eq!(all.collect::<Vec<_>>(), expected);
    }
}
