//! Forms (`application/x-www-form-urlencoded`) as JSON, and back.

use postern_core::target::{decode_form, query_pairs};

use crate::json::{Document, Kind, push_quoted};
use crate::source::encoded;

/// A form as an object of strings; a field that is repeated becomes a list, in the
/// place of the first. `None`: it is not UTF-8.
pub(crate) fn to_json(form: &[u8]) -> Option<String> {
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for (name, value) in query_pairs(form) {
        let text = |raw| String::from_utf8(decode_form(raw).into_owned()).ok();
        let (name, value) = (text(name)?, text(value)?);
        let at = *places.entry(name.clone()).or_insert(fields.len());
        match fields.get_mut(at) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let mut out = String::from("{");
    for (i, (name, values)) in fields.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_quoted(&mut out, name);
        out.push(':');
        match values.as_slice() {
            [one] => push_quoted(&mut out, one),
            several => {
                for (i, value) in several.iter().enumerate() {
                    out.push(if i > 0 { ',' } else { '[' });
                    push_quoted(&mut out, value);
                }
                out.push(']');
            }
        }
    }
    out.push('}');
    Some(out)
}

/// An object of scalars, and of lists of them, as a form. `None`: it is anything else.
pub(crate) fn of_json(document: &Document<'_>) -> Option<Vec<u8>> {
    let Kind::Object(members) = &document.root().kind else { return None };
    let mut out = Vec::new();
    for (key, value) in members {
        let name = document.key(key);
        let values = match &value.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for value in values {
            let text = crate::value::Item::Node(value).scalar(document).ok()?;
            if !out.is_empty() {
                out.push(b'&');
            }
            out.extend(encoded(name.as_bytes()));
            out.push(b'=');
            out.extend(encoded(text.as_bytes()));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn back(json: &str) -> Option<String> {
        let form = of_json(&Document::read(json.as_bytes()).unwrap())?;
        Some(String::from_utf8(form).unwrap())
    }

    #[test]
    fn forms_become_objects() {
        for (form, json) in [
            ("", "{}"),
            ("a=1&b=x+y&c=%C3%A9%22", r#"{"a":"1","b":"x y","c":"é\""}"#),
            ("a=1&b=2&a=3&b", r#"{"a":["1","3"],"b":["2",""]}"#),
            ("&&=x", r#"{"":"x"}"#),
            ("a=%zz", r#"{"a":"%zz"}"#),
        ] {
            assert_eq!(to_json(form.as_bytes()).as_deref(), Some(json), "{form}");
        }
        assert_eq!(to_json(b"a=%ff"), None);
    }

    #[test]
    fn objects_become_forms() {
        let json = r#"{"a":1.50,"b":"x y\u00e9","c":[true,null,"&"],"d":[]}"#;
        assert_eq!(back(json).as_deref(), Some("a=1.50&b=x%20y%C3%A9&c=true&c=&c=%26"));
        for other in ["[]", "1", r#"{"a":{}}"#, r#"{"a":[[1]]}"#] {
            assert_eq!(back(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_form_comes_back(fields in prop::collection::btree_map("[a-zé =&]{1,4}", prop::collection::vec("\\PC{0,6}", 1..3), 0..5)) {
            let pairs: Vec<String> = fields.iter().flat_map(|(name, values)| {
                values.iter().map(move |value| {
                    let text = |t: &str| String::from_utf8(encoded(t.as_bytes())).unwrap();
                    format!("{}={}", text(name), text(value))
                })
            }).collect();
            let form = pairs.join("&");
            let json = to_json(form.as_bytes()).unwrap();
            prop_assert_eq!(back(&json), Some(form));
        }

        #[test]
        fn any_bytes_become_json_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(json) = to_json(&bytes) {
                prop_assert!(Document::read(json.as_bytes()).is_ok());
            }
        }
    }
}
