//! Trees as they are written, in YAML that a person goes on with.

use postern_core::config::{Node, Value};

/// What fits into a line of so many characters is written in one.
const WIDTH: usize = 100;

/// A tree in blocks; scalars that are no plain words as JSON writes them, which YAML
/// reads too.
#[must_use]
pub fn yaml(node: &Node) -> String {
    let mut out = String::new();
    write(node, 0, &mut out);
    out
}

fn write(node: &Node, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let start = format!("{indent}{}:", text(&key.text));
                out.push_str(&start);
                below(value, depth.saturating_add(1), start.chars().count(), out);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for item in items {
                // The item's first line stands behind its dash.
                let mut inner = String::new();
                match &item.value {
                    Value::Map(entries) if !entries.is_empty() && !fits(item, indent.len()) => {
                        write(item, depth.saturating_add(1), &mut inner);
                    }
                    _ => below(item, depth.saturating_add(1), indent.len(), &mut inner),
                }
                out.push_str(&format!("{indent}- {}", inner.trim_start()));
            }
        }
        _ => out.push_str(&format!("{indent}{}\n", flow(node))),
    }
}

/// What stands behind `start` characters of a line, or below it.
fn below(value: &Node, depth: usize, start: usize, out: &mut String) {
    let holds = match &value.value {
        Value::Map(entries) => !entries.is_empty(),
        Value::List(items) => !items.is_empty(),
        _ => false,
    };
    if holds && !fits(value, start) {
        out.push('\n');
        write(value, depth, out);
    } else {
        out.push_str(&format!(" {}\n", flow(value)));
    }
}

fn fits(node: &Node, start: usize) -> bool {
    flow(node).chars().count().saturating_add(start) < WIDTH
}

/// On one line.
fn flow(node: &Node) -> String {
    match &node.value {
        Value::Map(entries) => {
            let entry = |(key, value): &(postern_core::config::Key, Node)| {
                format!("{}: {}", text(&key.text), flow(value))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::List(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Text(value) => text(value),
        _ => node.to_json(),
    }
}

/// A plain word as it is, all else as JSON.
fn text(value: &str) -> String {
    let is_plain = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
        && !matches!(value, "true" | "false" | "null");
    if is_plain {
        return value.to_owned();
    }
    Node::unplaced(Value::Text(value.to_owned())).to_json()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    #[test]
    fn what_is_written_reads_as_the_same() {
        let long = "x".repeat(90);
        let tree = format!(
            "{{a: [1, 1.0, true, null, 'a: b', 'true', '', '{long}', [[{{k: {long}}}]]], \
             'b c': {{d: {{}}, e: [], f: \"q\\\"\\n\\u00e9\"}}, g: [{{h: {long}, i: 9007199254740993}}]}}"
        );
        let tree = parse(&tree).unwrap();
        let written = yaml(&tree);
        assert_eq!(parse(&written).unwrap().to_json(), tree.to_json(), "{written}");
        assert!(written.lines().count() > 5, "{written}");
        assert_eq!(yaml(&parse("{a: {b: [c, 1]}}").unwrap()), "a: {b: [c, 1]}\n");
    }
}
