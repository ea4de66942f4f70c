use postern_core::config::{Decode, decode, parse_json};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn rules(matches: &[Value]) -> Vec<Whole> {
    let rules = matches.iter().enumerate().map(|(i, m)| {
        let own: Match = decode(&parse_json(m.to_string().as_bytes()).unwrap()).unwrap();
        let rule = json!({"name": format!("r{i}"), "match": m, "subject": "anyone"});
        let node = parse_json(rule.to_string().as_bytes()).unwrap();
        let whole = crate::rule::Whole::decode(At::root(&node), &mut Errors::default()).unwrap();
        (own, whole.1)
    });
    rules.collect()
}

#[test]
fn only_those_are_compared_that_may_cover_one_another() {
    for path in ["/v3/s{i}/a", "/{id}.t{i}", "/{id:w{i}}", "/s{i}/**", "/{id}/x/{n}/y{i}"] {
        let own = |i: usize| json!({"paths": [path.replace("{i}", &i.to_string()), "/all"]});
        let rules = rules(&(0..1_000).map(own).collect::<Vec<_>>());
        let index = Covering::new(&rules);
        let mut budget = Budget::default();
        for (i, (applies_to, _)) in rules.iter().enumerate() {
            assert_eq!(index.of(applies_to, &mut budget), [i], "{path}");
        }
        assert!(budget.spent() < 20_000, "{path}: {}", budget.spent());
    }
    let host = |i: usize| json!({"hosts": [format!("h{i}.example")]});
    let rules = rules(&(0..1_000).map(host).collect::<Vec<_>>());
    let index = Covering::new(&rules);
    assert_eq!(index.of(&rules[7].0, &mut Budget::default()), [7]);
}

#[test]
fn where_too_much_is_alike_it_is_said() {
    let rules: Vec<_> = (0..3_000)
        .map(|i| {
            json!({"name": format!("r{i}"), "match": {"paths": ["/a"]},
                   "subject": {"any_scope": [format!("s{i}")]}})
        })
        .collect();
    let policy = json!({"rules": rules}).to_string();
    let found = review(&parse_json(policy.as_bytes()).unwrap()).unwrap();
    assert!(found.errors.is_empty());
    let [warning] = found.warnings.problems() else { panic!("{:?}", found.warnings) };
    let (first, rest) = warning.message.split_once(" of ").unwrap();
    let looked = first.strip_prefix("only the first ").unwrap().parse::<usize>().unwrap();
    assert!((100..3_000).contains(&looked), "{looked}");
    assert_eq!(warning.path, "rules");
    assert_eq!(
        rest,
        "3000 rules were looked through for those in vain: too many are about the same paths"
    );
}

fn template() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec![
        "a", "b", "a.b", "{x}", "*", "{x?}", "{y}.b", "{x:a|b}", "{x:int}", "a{x?}",
    ]);
    let tail = prop::sample::select(vec!["", "", "/**", "/", "/{z:**}"]);
    (prop::collection::vec(segment, 0..3), tail)
        .prop_map(|(segments, tail)| {
            let text: String = segments.iter().map(|s| format!("/{s}")).collect();
            if text.is_empty() && tail.is_empty() { "/".to_owned() } else { text + tail }
        })
        .prop_filter("a name twice", |text| postern_core::template::Template::parse(text).is_ok())
}

proptest! {
    #[test]
    fn the_index_finds_all_that_cover_a_rule(
        all in prop::collection::vec((prop::collection::vec(template(), 0..4), 0..6usize), 1..24),
    ) {
        let hosts = [vec![], vec!["a.b"], vec!["*.b"], vec!["c.a.b"], vec!["*.a.b"], vec!["b", "a.b"]];
        let matches: Vec<_> = all.iter().map(|(paths, host)| {
            let mut one = json!({"paths": paths, "hosts": hosts[*host]});
            one.as_object_mut().unwrap().retain(|_, list| list != &json!([]));
            one
        }).collect();
        let rules = rules(&matches);
        let index = Covering::new(&rules);
        for (own, _) in &rules {
            let mut found = index.of(own, &mut Budget::default());
            found.retain(|i| rules[*i].0.covers_beside_paths(own));
            let naive: Vec<_> = (0..rules.len()).filter(|i| rules[*i].0.covers(own)).collect();
            prop_assert_eq!(found, naive);
        }
    }
}
