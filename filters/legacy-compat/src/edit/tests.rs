#![allow(clippy::unwrap_used)]

mod lists;
mod lossless;
mod steps;

use postern_core::config::{At, Decode, parse_json};
use proptest::prelude::*;

use super::*;
use crate::value::DateFormat;

fn edit(json: &str) -> Result<Edit, String> {
    let mut names = Names::default();
    names
        .date_formats
        .insert("old".into(), DateFormat::parse("%a %b %d %H:%M:%S %z %Y").unwrap().into());
    let mut errors = Errors::default();
    let node = parse_json(json.as_bytes()).unwrap();
    let policy = EditPolicy::decode(At::root(&node), &mut errors);
    let templates = BTreeMap::new();
    let mut compiler = Compiler::new(&names, &templates);
    let edit = policy.map(|p| Edit::compile(&p, None, &mut compiler, &names, &mut errors));
    if errors.is_empty() { Ok(edit.unwrap()) } else { Err(errors.to_string()) }
}

fn old() -> Edit {
    edit(
        r#"{"convert":[{"members":["earnings","amount"],"to":"money"},
                       {"members":["month"],"to":"date old"}],
            "scalars":"string","nulls":"empty"}"#,
    )
    .unwrap()
}

/// More than any test writes.
const ROOM: usize = 1_000_000;

/// What comes of a document.
fn applied(edit: &Edit, text: &str) -> Result<String, Unedited> {
    let document = Document::read(text.as_bytes()).unwrap();
    edit.apply(&document, &Facts::default(), ROOM)
}

#[track_caller]
fn check(from: &str, to: &str) {
    assert_eq!(applied(&old(), from), Ok(to.to_owned()));
}

#[test]
fn every_scalar_a_string_money_and_dates() {
    check(
        r#"{"earnings-and-sales-by-month":[{"month":"2009-06-01T00:00:00+10:00","sales":10,"earnings":100.1}]}"#,
        r#"{"earnings-and-sales-by-month":[{"month":"Mon Jun 01 00:00:00 +1000 2009","sales":"10","earnings":"100.10"}]}"#,
    );
}

#[test]
fn blanks_escapes_and_digits_stay() {
    check(
        "{ \"a\" : [1.50 ,true,\tnull,\"\\u00e9\"],\n\"a\":9007199254740993 }",
        "{ \"a\" : [\"1.50\" ,\"true\",\t\"\",\"\\u00e9\"],\n\"a\":\"9007199254740993\" }",
    );
}

#[test]
fn what_does_not_fit_its_conversion_is_treated_as_others() {
    check(
        r#"{"earnings":"soon","month":"May","amount":[1,"2.5",null,{"amount":true}]}"#,
        r#"{"earnings":"soon","month":"May","amount":["1.00","2.50","",{"amount":"true"}]}"#,
    );
}

#[test]
fn mistakes_are_named() {
    let wrong = r#"{"convert":[{"members":["a","a"],"to":"money"},{"members":["b"],"to":"mony"},
                    {"members":["c"],"to":"optional"},{"members":["d"],"to":1}]}"#;
    assert_eq!(
        edit(wrong).unwrap_err(),
        "convert[0].members[1]: the member `a` is named twice\n\
         convert[1].to: unknown conversion `mony`, expected `string`, `number`, `money`, \
         `cents`, `round`, `lower`, `date`, `words`, `replace`, `join`, `or`, `optional` or `required`\n\
         convert[2].to: `join`, `optional` and `required` have no place in an edit\n\
         convert[3].to: expected conversions such as `money`, but found a whole number"
    );
}

proptest! {
    #[test]
    fn everything_becomes_a_string_that_holds_the_same(value in json()) {
        let text = value.to_string();
        let plain = edit(r#"{"scalars":"string"}"#).unwrap();
        let edited = applied(&plain, &text).unwrap();
        let edited: serde_json::Value = serde_json::from_str(&edited).unwrap();
        prop_assert_eq!(edited, stringified(value));
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let scalar = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "\\PC{0,6}".prop_map(Into::into),
    ];
    scalar.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[a-e\"\\\\é]{0,3}", inner, 0..4)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

/// The model: the same on serde's tree.
fn stringified(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as V;
    match value {
        V::Bool(b) => b.to_string().into(),
        V::Number(n) => n.to_string().into(),
        V::Array(items) => items.into_iter().map(stringified).collect(),
        V::Object(members) => members.into_iter().map(|(k, v)| (k, stringified(v))).collect(),
        other => other,
    }
}
