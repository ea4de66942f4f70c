//! What a policy says that is good, and hardly what is meant: types of captures that
//! there are not, and methods with a wrong letter.

use postern_core::config::{At, Errors, Node, Value, meant};

/// What is taken for a type of numbers, and for one of texts.
const NUMBERS: [&str; 6] = ["num", "number", "numeric", "integer", "digit", "digits"];
const TEXTS: [&str; 5] = ["any", "str", "string", "text", "uuid"];

/// The methods of RFC 9110 and RFC 5789. Others that are in use are far from them.
const USUAL: [&str; 9] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// The places of a policy, whichever filter's, where this is so.
pub(crate) fn slips(policy: &Node) -> Errors {
    let mut warnings = Errors::default();
    walk(At::root(policy), "", &mut warnings);
    warnings
}

/// `under`: `paths` or `methods` where such stand, also in a set of them.
fn walk(at: At<'_>, under: &str, warnings: &mut Errors) {
    match &at.node().value {
        Value::Map(entries) => {
            for (key, node) in entries.iter().filter(|(key, _)| key.text != "set") {
                let own = matches!(key.text.as_str(), "paths" | "methods");
                let under = if own || under != "paths" { key.text.as_str() } else { under };
                walk(at.key(&key.text, node), under, warnings);
            }
        }
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                walk(at.index(i, item), under, warnings);
            }
        }
        Value::Text(text) => {
            let slip = match under {
                "paths" => capture(text),
                "methods" => method(text),
                _ => None,
            };
            if let Some(message) = slip {
                at.error(warnings, message);
            }
        }
        _ => {}
    }
}

/// The first capture with a type that there is not.
fn capture(template: &str) -> Option<String> {
    template.split('{').skip(1).find_map(|part| {
        let (name, kind) = part.split('}').next()?.split_once(':')?;
        let meant = match kind {
            _ if NUMBERS.contains(&kind) => format!("a number is `{{{name}:int}}`"),
            _ if TEXTS.contains(&kind) => format!("any text is `{{{name}}}`"),
            _ => return None,
        };
        Some(format!("`{{{name}:{kind}}}` is the text `{kind}` alone; {meant}"))
    })
}

fn method(name: &str) -> Option<String> {
    let meant = meant(&USUAL, name);
    (!USUAL.contains(&name) && meant.starts_with("did you mean"))
        .then(|| format!("`{name}` is none of the usual methods, {meant}"))
}
