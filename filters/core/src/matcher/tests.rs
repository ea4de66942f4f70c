//! The index is held to the plain loop over all templates.

use proptest::prelude::*;

use super::Index;
use crate::config::{decode, parse_json};
use crate::rules::{HostPattern, Match};
use crate::target::Target;

fn rules(json: &str) -> Vec<Match> {
    decode(&parse_json(json.as_bytes()).unwrap()).unwrap()
}

fn find(rules: &[Match], host: &str, method: &str, path: &str) -> Vec<usize> {
    let target = Target::parse(Some(path.as_bytes())).unwrap();
    let found = Index::of(rules).find(Some(host), method.as_bytes(), &target);
    let mut rules: Vec<_> = found.into_iter().map(|(rule, _)| rule).collect();
    rules.dedup();
    rules
}

#[test]
fn hosts_methods_and_paths() {
    let rules = rules(
        r#"[
        {"paths":["/a/{x}","/a/b"],"methods":["GET"]},
        {"paths":["/a/b"],"hosts":["one.example"]},
        {"paths":["/**"],"hosts":["*.example"]},
        {"methods":["POST"]},
        {"paths":["/a/user:{n}.json","/a/user:{n}.xml"]}
    ]"#,
    );
    assert_eq!(find(&rules, "one.example", "GET", "/a/b"), [0, 1, 2]);
    assert_eq!(find(&rules, "two.one.example", "HEAD", "/a/b"), [0, 2]);
    assert_eq!(find(&rules, "example", "GET", "/a/b"), [0]);
    assert_eq!(find(&rules, ".example", "DELETE", "/"), [0usize; 0]);
    assert_eq!(find(&rules, "x", "POST", "/zzz"), [3]);
    assert_eq!(find(&rules, "x", "PUT", "/a/user:n.json"), [4]);
    assert_eq!(find(&rules, "x", "GET", "*"), [0usize; 0]);
}

/// The model: every template tried in turn.
fn naive(rules: &[Match], host: &str, method: &str, path: &str) -> Vec<usize> {
    let target = Target::parse(Some(path.as_bytes())).unwrap();
    let host_fits = |m: &Match| {
        m.hosts.is_empty()
            || m.hosts.iter().any(|h| match h {
                HostPattern::Exact(name) => name == host,
                HostPattern::Below(name) => {
                    host.len() > name.len() && host.ends_with(name.as_str())
                }
            })
    };
    let method_fits =
        |m: &Match| m.methods.is_empty() || m.methods.iter().any(|x| x.covers(method.as_bytes()));
    let path_fits = |m: &Match| m.paths.is_empty() || m.paths.iter().any(|t| t.matches(&target));
    (0..rules.len())
        .filter(|i| host_fits(&rules[*i]) && method_fits(&rules[*i]) && path_fits(&rules[*i]))
        .collect()
}

pub(crate) fn template() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        "[ab]{1,2}",
        Just("{x}".into()),
        Just("*".into()),
        "[ab]{0,1}:\\{x\\?\\}\\.[ab]"
    ];
    let tail = prop_oneof![Just(""), Just("/**"), Just("/")];
    (prop::collection::vec(segment, 0..4), tail).prop_map(|(segments, tail)| {
        // Names differ so that no capture stands in a template twice.
        let named = segments
            .iter()
            .enumerate()
            .map(|(i, s)| format!("/{}", s.replace('x', &format!("x{i}"))));
        let text = named.collect::<String>() + tail;
        if text.is_empty() { "/".into() } else { text }
    })
}

proptest! {
    #[test]
    fn the_index_agrees_with_trying_every_template(
        templates in prop::collection::vec((prop::collection::vec(template(), 0..3), 0..3usize, 0..3usize), 0..12),
        path in "(/([ab]{1,2}|[ab]?:[ab]{0,2}\\.[ab])){0,4}/?",
        method in prop::sample::select(vec!["GET", "HEAD", "POST"]),
        host in prop::sample::select(vec!["a.b", "b", "c.a.b"]),
    ) {
        let hosts = [vec![], vec!["a.b"], vec!["*.b"]];
        let methods = [vec![], vec!["GET"], vec!["POST"]];
        let json: Vec<_> = templates.iter().map(|(paths, host, method)| {
            let mut rule = serde_json::json!({
                "paths": paths,
                "hosts": hosts[*host],
                "methods": methods[*method],
            });
            // An empty list is refused: what does not matter is left out.
            rule.as_object_mut().unwrap().retain(|_, list| list != &serde_json::json!([]));
            rule
        }).collect();
        let rules = rules(&serde_json::Value::from(json).to_string());
        let path = if path.is_empty() { "/" } else { &path };
        prop_assert_eq!(find(&rules, host, method, path), naive(&rules, host, method, path));
    }
}
