//! The reference of a policy file in Markdown, from the same declarations as
//! its decoder.

use std::collections::BTreeSet;
use std::fmt::Write;

use postern_auth::Code;
use postern_core::config::schema::{Field, Schema};

use crate::keys::{self, Document};
use crate::policy::Kind;

/// One filter's reference page.
#[must_use]
pub fn of(kind: Kind) -> String {
    let mut out = page(&format!("`{}`: policy", kind.name()), kind, &keys::document(kind));
    if kind == Kind::Auth {
        codes(&mut out);
    }
    out
}

/// The page of contracts.
#[must_use]
pub fn contract() -> String {
    // No key of them is one that `authz` alone has.
    page("Contract", Kind::LegacyCompat, &keys::contract())
}

fn page(title: &str, kind: Kind, root: &Document) -> String {
    let mut out = format!(
        "# {title} reference\n\n\
         Made by `postern reference`; do not edit. Unknown and duplicate keys are refused.\n",
    );
    object(&mut out, root.name, &root.doc, &root.fields, false);
    let mut queue: Vec<Schema> = root.fields.iter().flat_map(|f| inner(&f.schema)).collect();
    let mut seen = BTreeSet::from([root.name]);
    let mut next = 0;
    while let Some(schema) = queue.get(next).cloned() {
        next += 1;
        match schema {
            Schema::Object { name, doc, fields, one_of } if seen.insert(name) => {
                let fields = keys::with_include(kind, fields());
                object(&mut out, name, &doc(), &fields, one_of);
                queue.extend(fields.iter().flat_map(|f| inner(&f.schema)));
            }
            Schema::Choice { name, words } if seen.insert(name) => choice(&mut out, name, &words),
            _ => {}
        }
    }
    out
}

/// What the codes of `auth` mean.
fn codes(out: &mut String) {
    out.push_str(
        "\n## Codes\n\n\
         Of refusals, in records (`code`) and in the metrics `decisions`. A client gets\n\
         `invalid_token` for all that is wrong with a credential, with the meaning as `detail`.\n\
         Records name the `provider`, the `credential` if it was recognised (never the secret),\n\
         and the `claim` that is meant.\n\n\
         | code | status | what it means | what to do |\n|---|---|---|---|\n",
    );
    for Code { status, code, meaning, remedy } in postern_auth::codes() {
        let _ = writeln!(out, "| `{code}` | {status} | {} | {} |", cell(meaning), cell(remedy));
    }
}

fn object(out: &mut String, name: &str, doc: &str, fields: &[Field], one_of: bool) {
    let _ = writeln!(out, "\n## {}\n\n{doc}\n", heading(name));
    if one_of {
        let _ = writeln!(out, "Exactly one of these keys:\n");
    }
    let _ = writeln!(out, "| key | type | default | meaning |\n|---|---|---|---|");
    for field in fields {
        let default = match (field.default, field.required) {
            (Some(default), _) => {
                format!("`{}`", plain(default, &field.schema).replace('|', "\\|"))
            }
            (None, true) if keys::is_replaceable(field, fields) => {
                "required without `include`".to_owned()
            }
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
    let _ = writeln!(out, "\n## {}\n\n| word | meaning |\n|---|---|", heading(name));
    for (word, doc) in words {
        let _ = writeln!(out, "| `{word}` | {} |", cell(doc));
    }
}

/// A type's name as operators read it: `Jwt`, not `JwtConfig`.
fn heading(name: &str) -> &str {
    let stem = name.strip_suffix("Config").or_else(|| name.strip_suffix("Policy"));
    stem.filter(|stem| !stem.is_empty()).unwrap_or(name)
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// Defaults whose declaration does not say what an operator would write.
const WRITTEN: [(&str, &str); 9] = [
    ("Realm::default()", "postern"),
    ("Offset(0)", "+00:00"),
    ("Separator::Comma", "','"),
    ("Carrier::bearer()", "{authorization: Bearer}"),
    ("Carrier::api_key_header()", "{header: {name: x-api-key}}"),
    ("Required::METHOD", "'@method'"),
    ("Required::AUTHORITY", "'@authority'"),
    ("Required::PATH", "'@path'"),
    ("Required::QUERY", "'@query'"),
];

/// A default as an operator would write it, out of its declaration.
fn plain(default: &str, schema: &Schema) -> String {
    // `stringify!` puts blanks where it likes, but not into a text.
    let mut quoted = default.split('"').skip(1).step_by(2).peekable();
    if quoted.peek().is_some() && default.trim_start().starts_with("vec!") {
        return format!("[{}]", quoted.collect::<Vec<_>>().join(", "));
    }
    if let Some(quoted) = quoted.next() {
        return quoted.to_owned();
    }
    let text: String = default.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some((_, written)) = WRITTEN.iter().find(|(declared, _)| *declared == text) {
        return (*written).to_owned();
    }
    let empty =
        ["::new()", "::default()", "::any()", "::usual()"].iter().any(|end| text.ends_with(end));
    if empty {
        return if matches!(schema, Schema::List(_)) { "[]" } else { "{}" }.to_owned();
    }
    if let Some(items) = text.strip_prefix("vec![").and_then(|t| t.strip_suffix(']')) {
        let Schema::List(item) = schema else { return items.to_owned() };
        let items: Vec<String> =
            items.split(',').filter(|i| !i.is_empty()).map(|i| plain(i, item)).collect();
        return format!("[{}]", items.join(", "));
    }
    let number =
        |prefix: &str| text.strip_prefix(prefix)?.strip_suffix(')').map(|n| n.replace('_', ""));
    let numbers = ["Count::new(", "Percent::whole(", "Source::Units("];
    if let Some(number) = numbers.into_iter().find_map(number) {
        return number;
    }
    let seconds = ["Leeway(", "Period::from_secs(", "Window::seconds("];
    if let Some(seconds) = seconds.into_iter().find_map(number) {
        return format!("{seconds}s");
    }
    if let Some(milliseconds) = number("Period::from_millis(") {
        return format!("{milliseconds}ms");
    }
    match (schema, text.rsplit_once("::")) {
        (Schema::Choice { words, .. }, Some((_, variant))) => {
            let letters = |word: &str| word.replace(['-', '_'], "").to_lowercase();
            let word = words.iter().find(|(word, _)| letters(word) == letters(variant));
            word.map_or(text.clone(), |(word, _)| (*word).to_owned())
        }
        // A word, or something at length.
        (Schema::AnyOf(shapes), Some(_)) => {
            let word = shapes.iter().find(|shape| matches!(shape, Schema::Choice { .. }));
            word.map_or(text.clone(), |word| plain(&text, word))
        }
        _ => text,
    }
}

fn inner(schema: &Schema) -> Vec<Schema> {
    match schema {
        Schema::List(item) | Schema::Map(item) => inner(item),
        Schema::AnyOf(shapes) => shapes.iter().flat_map(inner).collect(),
        other => vec![other.clone()],
    }
}

fn type_of(schema: &Schema) -> String {
    match schema {
        Schema::Any => "anything".to_owned(),
        Schema::Bool => "`true` or `false`".to_owned(),
        Schema::Count { min, max } => format!("whole number, {min} to {max}"),
        Schema::Number => "number".to_owned(),
        Schema::Text { expected, .. } => cell(expected),
        Schema::Choice { name, .. } | Schema::Object { name, .. } => {
            let name = heading(name);
            format!("[{name}](#{})", name.to_lowercase())
        }
        Schema::AnyOf(shapes) => shapes.iter().map(type_of).collect::<Vec<_>>().join(", or "),
        Schema::List(item) => format!("list of {}", type_of(item)),
        Schema::Map(value) => format!("mapping of names to {}", type_of(value)),
    }
}
