//! Edits of a JSON body: some values in another form, all else byte for byte.

use std::collections::BTreeMap;

use postern_core::config::Errors;

use crate::expression::{Expression, Names};
use crate::json::{Document, Kind, Value, push_quoted};
use crate::policy::{EditPolicy, Nulls, Scalars};
use crate::value::{Conversion, Item};

/// A compiled edit.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    convert: BTreeMap<String, Vec<Conversion>>,
    scalars: Scalars,
    nulls: Nulls,
}

impl Edit {
    /// Compiles it.
    pub(crate) fn compile(policy: &EditPolicy, names: &Names, errors: &mut Errors) -> Self {
        let mut convert = BTreeMap::new();
        for rule in &policy.convert {
            let Some(text) = rule.to.text(errors, "conversions such as `money`") else { continue };
            let conversions = Expression::parse_conversions(text, names).and_then(|list| {
                let unfit =
                    |c: &Conversion| matches!(c, Conversion::Join(_) | Conversion::Optional);
                if list.iter().any(unfit) {
                    Err("`join` and `optional` have no place in an edit".to_owned())
                } else {
                    Ok(list)
                }
            });
            match conversions {
                Ok(conversions) => {
                    for member in &rule.members {
                        let name = member.value.as_str();
                        if convert.insert(name.to_owned(), conversions.clone()).is_some() {
                            let name = name.escape_debug();
                            member.error(errors, format!("the member `{name}` is named twice"));
                        }
                    }
                }
                Err(why) => rule.to.error(errors, why),
            }
        }
        Edit { convert, scalars: policy.scalars, nulls: policy.nulls }
    }

    /// The document with the edits made.
    pub(crate) fn apply(&self, document: &Document<'_>) -> String {
        document.edited(|member, value, out| {
            let conversions = member.and_then(|name| self.convert.get(name));
            conversions.is_some_and(|list| converted(list, document, value, out))
                || self.plain(document, value, out)
        })
    }

    fn plain(&self, document: &Document<'_>, value: &Value, out: &mut String) -> bool {
        match value.kind {
            Kind::Null if self.nulls == Nulls::Empty => out.push_str("\"\""),
            Kind::Bool | Kind::Number if self.scalars == Scalars::String => {
                push_quoted(out, document.raw(value));
            }
            _ => return false,
        }
        true
    }
}

fn converted(
    conversions: &[Conversion],
    document: &Document<'_>,
    value: &Value,
    out: &mut String,
) -> bool {
    let item = conversions
        .iter()
        .try_fold(Item::Node(value), |item, conversion| conversion.apply(item, document));
    // What stayed the very value is left to the general rules.
    match item {
        Ok(Item::Node(_)) | Err(_) => false,
        Ok(item) => item.write(document, out),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

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
        let edit = policy.map(|p| Edit::compile(&p, &names, &mut errors));
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

    #[track_caller]
    fn check(from: &str, to: &str) {
        assert_eq!(old().apply(&Document::read(from.as_bytes()).unwrap()), to);
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
             `cents`, `round`, `lower`, `date`, `words`, `replace`, `join`, `or` or `optional`\n\
             convert[2].to: `join` and `optional` have no place in an edit\n\
             convert[3].to: expected conversions such as `money`, but found a whole number"
        );
    }

    proptest! {
        #[test]
        fn everything_becomes_a_string_that_holds_the_same(value in json()) {
            let text = value.to_string();
            let plain = edit(r#"{"scalars":"string"}"#).unwrap();
            let edited = plain.apply(&Document::read(text.as_bytes()).unwrap());
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
}
