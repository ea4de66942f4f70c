//! The reference of a policy file in Markdown, from the same declarations as
//! its decoder.

use std::collections::BTreeSet;
use std::fmt::Write;

use postern_core::config::schema::{Field, Schema};

use crate::policy::Kind;

/// One filter's reference page.
#[must_use]
pub fn of(kind: Kind) -> String {
    let mut out = format!(
        "# `{}`: policy reference\n\n\
         Made by `postern reference`; do not edit. Unknown and duplicate keys are refused.\n",
        kind.name()
    );
    let mut queue = vec![kind.schema()];
    let mut seen = BTreeSet::new();
    let mut next = 0;
    while let Some(schema) = queue.get(next).cloned() {
        next += 1;
        match schema {
            Schema::Object { name, doc, fields, one_of } if seen.insert(name) => {
                object(&mut out, name, &doc(), &fields(), one_of);
                queue.extend(fields().iter().map(|f| inner(&f.schema)));
            }
            Schema::Choice { name, words } if seen.insert(name) => choice(&mut out, name, &words),
            _ => {}
        }
    }
    out
}

fn object(out: &mut String, name: &str, doc: &str, fields: &[Field], one_of: bool) {
    let _ = writeln!(out, "\n## {name}\n\n{doc}\n");
    if one_of {
        let _ = writeln!(out, "Exactly one of these keys:\n");
    }
    let _ = writeln!(out, "| key | type | default | meaning |\n|---|---|---|---|");
    for field in fields {
        let default = match (field.default, field.required) {
            (Some(default), _) => format!("`{}`", plain(default)),
            (None, true) => "required".to_owned(),
            (None, false) => "–".to_owned(),
        };
        let _ = writeln!(
            out,
            "| `{}` | {} | {default} | {} |",
            field.name,
            type_of(&field.schema),
            cell(&field.doc)
        );
    }
}

fn choice(out: &mut String, name: &str, words: &[(&'static str, String)]) {
    let _ = writeln!(out, "\n## {name}\n\n| word | meaning |\n|---|---|");
    for (word, doc) in words {
        let _ = writeln!(out, "| `{word}` | {} |", cell(doc));
    }
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// A default as an operator would write it, where the declaration allows it.
fn plain(default: &str) -> String {
    let default = default.replace("Vec :: new()", "[]").replace("Vec::new()", "[]");
    default.replace('|', "\\|")
}

fn inner(schema: &Schema) -> Schema {
    match schema {
        Schema::List(item) | Schema::Map(item) => inner(item),
        other => other.clone(),
    }
}

fn type_of(schema: &Schema) -> String {
    match schema {
        Schema::Any => "anything".to_owned(),
        Schema::Bool => "`true` or `false`".to_owned(),
        Schema::Count { min, max } => format!("whole number, {min} to {max}"),
        Schema::Text { expected, .. } => cell(expected),
        Schema::Choice { name, .. } | Schema::Object { name, .. } => {
            format!("[{name}](#{})", name.to_lowercase())
        }
        Schema::List(item) => format!("list of {}", type_of(item)),
        Schema::Map(value) => format!("mapping of names to {}", type_of(value)),
    }
}
