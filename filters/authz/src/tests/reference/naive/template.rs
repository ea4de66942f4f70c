//! Path templates, as their documentation says: segment by segment, and in each from left
//! to right.

use std::collections::BTreeMap;

use serde_json::Value;

use super::list;

/// What the path has at the names of a template.
pub(super) type Bound = BTreeMap<String, String>;

/// Of each template of a rule that matches; of a rule without any, nothing is bound.
pub(super) fn bindings(rule: &Value, path: &str) -> Vec<Bound> {
    let paths = list(&rule["match"], "paths");
    let bindings: Vec<Bound> = paths.iter().filter_map(|template| bound(template, path)).collect();
    if bindings.is_empty() { vec![Bound::new()] } else { bindings }
}

/// `None`: it does not match.
pub(super) fn bound(template: &str, path: &str) -> Option<Bound> {
    let path = path.split('?').next().unwrap();
    let parts: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let mut bound = Bound::new();
    let patterns: Vec<&str> = template.split('/').skip(1).collect();
    for (i, pattern) in patterns.iter().enumerate() {
        if *pattern == "**" {
            return Some(bound);
        }
        if let Some(name) = pattern.strip_prefix('{').and_then(|p| p.strip_suffix(":**}")) {
            bound.insert(name.to_owned(), parts.get(i..)?.join("/"));
            return Some(bound);
        }
        segment(pattern, parts.get(i)?, &mut bound)?;
    }
    (parts.len() == patterns.len()).then_some(bound)
}

/// The escapes that are generated.
fn decoded(part: &str) -> String {
    part.replace("%20", " ").replace("%61", "a")
}

fn segment(pattern: &str, text: &str, bound: &mut Bound) -> Option<()> {
    if pattern == "*" {
        return (!text.is_empty()).then_some(());
    }
    let Some((literal, rest)) = pattern.split_once('{') else {
        return (pattern == text).then_some(());
    };
    let text = text.strip_prefix(literal)?;
    let (capture, rest) = rest.split_once('}').unwrap();
    // Up to the first place where the literal after it stands; the last one is the end.
    let literal = rest.split('{').next().unwrap();
    let value = if rest == literal {
        text.strip_suffix(literal)?
    } else {
        text.split_once(literal).map(|(value, _)| value)?
    };
    let (name, fits) = match capture.split_once(':') {
        Some((name, "int")) => (name, value.parse::<u64>().is_ok()),
        Some((name, words)) => (name, words.split('|').any(|word| word == value)),
        None => match capture.strip_suffix('?') {
            Some(name) => (name, true),
            None => (capture, !value.is_empty()),
        },
    };
    if !fits {
        return None;
    }
    bound.insert(name.to_owned(), value.to_owned());
    if rest == literal { Some(()) } else { segment(rest, text.strip_prefix(value)?, bound) }
}
