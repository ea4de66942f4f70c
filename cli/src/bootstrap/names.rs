//! The two spellings of a key: protobuf's JSON takes `mergeSlashes` for
//! `merge_slashes`, and so does Envoy.

use std::borrow::Cow;

use postern_core::config::{At, Key, Node, Value};

use super::Checker;

/// What stands under these is the operator's own.
const FREE: [&str; 5] =
    ["filter_metadata", "json_format", "metadata", "static_layer", "typed_json_format"];

/// Are the keys under this one the operator's own?
pub(super) fn is_free(key: &str) -> bool {
    FREE.contains(&one_spelling(key).as_ref())
}

/// Gives each key the spelling that is looked for. One that stands there in both
/// keeps its own.
pub(super) fn in_one_spelling(node: &mut Node) {
    match &mut node.value {
        Value::Map(entries) => {
            let there: Vec<String> = entries.iter().map(|(key, _)| key.text.clone()).collect();
            for (key, node) in entries {
                if let Some(name) = snake(&key.text).filter(|name| !there.contains(name)) {
                    key.text = name;
                }
                if !is_free(&key.text) {
                    in_one_spelling(node);
                }
            }
        }
        Value::List(items) => items.iter_mut().for_each(in_one_spelling),
        _ => {}
    }
}

impl Checker<'_> {
    /// Envoy takes both, and only one of them is looked at here.
    pub(super) fn spelled_twice(&mut self, at: At<'_>, entries: &[(Key, Node)]) {
        for (key, node) in entries {
            if let Some(name) = snake(&key.text)
                && at.node().get(&name).is_some()
            {
                let message = format!("this is `{name}` once more, and one of them wins");
                at.key(&key.text, node).error(&mut self.errors, message);
            }
        }
    }
}

/// The key, in the spelling that is looked for.
pub(super) fn one_spelling(key: &str) -> Cow<'_, str> {
    snake(key).map_or(Cow::Borrowed(key), Cow::Owned)
}

/// `mergeSlashes` as `merge_slashes`; `None`: it is no such name.
fn snake(key: &str) -> Option<String> {
    let camel = key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|b| b.is_ascii_alphanumeric())
        && key.bytes().any(|b| b.is_ascii_uppercase());
    camel.then(|| {
        let mut out = String::with_capacity(key.len() + 4);
        for c in key.chars() {
            if c.is_ascii_uppercase() {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (key, name) in [
            ("mergeSlashes", Some("merge_slashes")),
            ("http2ProtocolOptions", Some("http2_protocol_options")),
            ("acceptHttp10", Some("accept_http10")),
            ("merge_slashes", None),
            ("@type", None),
            ("Name", None),
            ("x-Header", None),
            ("name", None),
        ] {
            assert_eq!(snake(key).as_deref(), name, "{key}");
        }
    }
}
