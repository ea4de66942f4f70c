#![allow(clippy::get_unwrap, dead_code)]

use super::*;

crate::config! {
    /// A limit.
    struct Limit {
        /// Its name.
        id: Name,
        /// How many.
        quota: Count<1, 1000>,
        /// Per what.
        window: Period = Period::from_secs(60),
        /// Whose.
        r#match: Option<Vec<Text>>,
        /// Does it count?
        mode: Switch = Switch::Enforce,
        /// Where.
        store: Option<Store>,
    }
    /// A switch.
    choice Switch {
        /// Counts.
        Enforce = "enforce",
        /// Only recorded.
        Shadow = "shadow",
    }
    /// Where counts are kept.
    oneof Store {
        /// Here.
        local: Local(Count<1, 9>),
        /// There.
        service: Service(Text),
    }
}

#[track_caller]
fn check(json: &str, expected: &str) {
    let errors = decode::<Vec<Limit>>(&parse_json(json.as_bytes()).unwrap()).unwrap_err();
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn good_values_and_defaults() {
    let json = br#"[{"id":"a","quota":5,"match":["x"],"store":{"local":3}}]"#;
    let limits = decode::<Vec<Limit>>(&parse_json(json).unwrap()).unwrap();
    let [limit] = limits.as_slice() else { panic!("one limit") };
    assert_eq!((limit.id.as_str(), limit.quota.get()), ("a", 5));
    assert_eq!(limit.window.get().as_secs(), 60);
    assert_eq!(limit.mode, Switch::Enforce);
    assert!(matches!(limit.store, Some(Store::Local(n)) if n.get() == 3));
    assert_eq!(limit.r#match.as_ref().map(|m| m.first().unwrap().as_str()), Some("x"));
}

#[test]
fn every_mistake_is_named_at_once() {
    check(
        r#"[{"id":"","quota":0,"windw":"1s","mode":"shadwo"},{"id":"b","quota":1,"quota":2,"match":[1]}]"#,
        "[0]: unknown key `windw`, did you mean `window`?\n\
         [0].id: expected a name of 1 to 64 letters, digits, `.`, `_` or `-`\n\
         [0].quota: expected a whole number from 1 to 1000, but found 0\n\
         [0].mode: expected `enforce` or `shadow`: did you mean `shadow`?\n\
         [1]: duplicate key `quota`\n\
         [1].match[0]: expected a text that is not empty and has no control characters, but found a whole number",
    );
}

#[test]
fn missing_keys_wrong_kinds_and_durations() {
    check(r#"[{}]"#, "[0]: missing key `id`\n[0]: missing key `quota`");
    check(r#"{}"#, "expected a list, but found a mapping");
    check(r#""a""#, "expected a list, but found a string: one alone stands in brackets, `[…]`");
    check(
        r#"[{"id":"a","quota":1,"mode":"Shadow"}]"#,
        "[0].mode: expected `enforce` or `shadow`: did you mean `shadow`?",
    );
    check(
        r#"[{"id":"a","quota":1.5,"window":"0s"}]"#,
        "[0].quota: expected a whole number from 1 to 1000\n\
         [0].window: expected a duration over zero such as `250ms`, `30s`, `5m`, `2h` or `1d`",
    );
    check(
        r#"[{"id":"a","quota":"5","window":60}]"#,
        "[0].quota: expected a whole number from 1 to 1000, but found a string\n\
         [0].window: expected a duration such as `30s`, but found a whole number",
    );
}

#[test]
fn a_oneof_has_exactly_one_key() {
    check(
        r#"[{"id":"a","quota":1,"store":{}},{"id":"a","quota":1,"store":{"local":1,"service":"x"}}]"#,
        "[0].store: expected exactly one key of `local` or `service`\n\
         [1].store: expected exactly one key of `local` or `service`",
    );
    check(
        r#"[{"id":"a","quota":1,"store":{"locl":1}}]"#,
        "[0].store: unknown key `locl`, did you mean `local`?",
    );
}

#[test]
fn schema_knows_keys_docs_and_defaults() {
    let schema::Schema::Object { fields, .. } = Limit::schema() else { panic!("an object") };
    let fields = fields();
    let keys: Vec<_> = fields.iter().map(|f| (f.name, f.required)).collect();
    assert_eq!(
        keys,
        [
            ("id", true),
            ("quota", true),
            ("window", false),
            ("match", false),
            ("mode", false),
            ("store", false)
        ]
    );
    assert_eq!(fields.get(2).unwrap().default, Some("Period::from_secs(60)"));
    assert_eq!(fields.get(3).unwrap().doc, "Whose.");
}

#[test]
fn a_list_of_conditions_is_not_empty() {
    let errors = decode::<crate::rules::Match>(
        &parse_json(
            br#"{"hosts": [], "paths": [], "methods": [], "headers": [], "any_header": []}"#,
        )
        .unwrap(),
    );
    let expected = ["hosts", "methods", "paths", "headers", "any_header"]
        .map(|key| {
            format!("{key}: expected at least one; leave the key out where it does not matter")
        })
        .join("\n");
    assert_eq!(errors.unwrap_err().to_string(), expected);
}
