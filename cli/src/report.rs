//! Findings as people and as programs read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use postern_core::config::Position;
use serde_json::{Value, json};

use crate::finding::Finding;

/// A span of more lines is cut to its first.
const MAX_LINES: usize = 3;

/// A line of a larger file is not shown: it may be one line of rendered JSON.
const MAX_WIDTH: usize = 400;

/// Each finding as `file:line:column: path: message`, and below it what it is
/// about. `colours`: for a terminal.
#[must_use]
pub fn text(findings: &[Finding], colours: bool) -> String {
    rendered(findings, "", Level::ERROR, colours)
}

/// The same of what is no mistake: each begins with `warning:`.
#[must_use]
pub fn warnings(findings: &[Finding], colours: bool) -> String {
    rendered(findings, "warning: ", Level::WARNING, colours)
}

fn rendered(findings: &[Finding], before: &str, level: Level<'_>, colours: bool) -> String {
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    let mut sources: BTreeMap<&Path, Option<String>> = BTreeMap::new();
    let mut out = String::new();
    for finding in findings {
        out.push_str(before);
        out.push_str(&finding.to_string());
        out.push('\n');
        let source =
            sources.entry(&finding.file).or_insert_with(|| fs::read_to_string(&finding.file).ok());
        if let Some((lines, first, span)) = source.as_deref().and_then(|s| excerpt(s, finding)) {
            let shown = Snippet::source(masked(lines, finding, &span))
                .line_start(first)
                .annotation(AnnotationKind::Primary.span(span));
            out.push_str(&renderer.render(&[Group::with_level(level.clone()).element(shown)]));
            out.push_str("\n\n");
        }
    }
    out
}

/// The lines that a finding is about, the number of the first, and the bytes
/// in them.
fn excerpt<'s>(
    source: &'s str,
    finding: &Finding,
) -> Option<(&'s str, usize, std::ops::Range<usize>)> {
    let (start, end) = (finding.span.start, finding.span.end);
    let from = offset(source, start)?;
    let rest = source.get(from..)?;
    let line_end = from + rest.find('\n').unwrap_or(rest.len());
    let to = match offset(source, end) {
        Some(to) if end.line - start.line < MAX_LINES && to > from => to,
        _ => line_end,
    };
    // A block that ends where the next line begins shows nothing of that line.
    let to = from + source.get(from..to)?.trim_end().len();
    let (from, to, start) = match place(source.get(from..to)?, &finding.message) {
        Some((lines, at)) => {
            let line = source.get(from..to)?.split_inclusive('\n').take(lines);
            let at = from + line.map(str::len).sum::<usize>() + at;
            (at, at + 1, Position { line: start.line + lines, ..start })
        }
        None => (from, to, start),
    };
    let first = source.get(..from)?.rfind('\n').map_or(0, |at| at + 1);
    let last = source.get(to..)?;
    let last = to + last.find('\n').unwrap_or(last.len());
    let shown = source.get(first..last)?;
    let fits = shown.lines().all(|line| line.len() <= MAX_WIDTH);
    fits.then_some((shown, start.line, from - first..to.max(from) - first))
}

/// Where in a value as it is written its message points to, which counts columns (and
/// lines, if there are several) of what the value says: so many lines on, at this byte.
/// `None`: it does not, or the value is written otherwise than it reads.
fn place(written: &str, message: &str) -> Option<(usize, usize)> {
    let (line, rest) = match message.strip_prefix("line ") {
        Some(rest) => {
            let (line, rest) = rest.split_once(", ")?;
            (line.parse::<usize>().ok()?.checked_sub(1)?, rest)
        }
        None => (0, message),
    };
    let (column, _) = rest.strip_prefix("column ")?.split_once(": ")?;
    let column = column.parse::<usize>().ok()?.checked_sub(1)?;
    let (lines, lead, text) = match written.chars().next()? {
        // The first line says that a block follows, whose lines stand as they read.
        '|' => {
            let text = written.split('\n').nth(line + 1)?;
            let indent = |line: &str| line.len() - line.trim_start().len();
            let all = written.split('\n').skip(1).filter(|line| !line.trim().is_empty());
            let indent = all.map(indent).min()?;
            (line + 1, indent, text.get(indent..)?)
        }
        '>' => return None,
        _ if line > 0 || written.contains('\n') => return None,
        quote @ ('\'' | '"') => {
            let inner = written.get(1..written.len().checked_sub(1)?)?;
            // Escapes read otherwise.
            let escaped = if quote == '"' { inner.contains('\\') } else { inner.contains("''") };
            (0, 1, Some(inner).filter(|_| !escaped)?)
        }
        _ => (0, 0, written),
    };
    let (at, _) = text.char_indices().nth(column)?;
    Some((lines, lead + at))
}

/// Keys whose values may be secrets, also ones in the wrong place.
const SECRET: [&str; 14] = [
    "sha256", "secret", "password", "passwd", "token", "key", "value", "d", "p", "q", "dp", "dq",
    "qi", "k",
];

/// The lines without what may be a secret, byte for byte as long: values of
/// [`SECRET`] keys, the value that the finding is about if it is one of them,
/// and what follows a key that is unknown.
fn masked(lines: &str, finding: &Finding, span: &std::ops::Range<usize>) -> String {
    let mut bytes = lines.as_bytes().to_vec();
    let hide = |bytes: &mut Vec<u8>, range: std::ops::Range<usize>| {
        for byte in bytes.get_mut(range).into_iter().flatten().filter(|b| **b != b'\n') {
            *byte = b'*';
        }
    };
    let member = finding.path.rsplit('.').next().unwrap_or_default();
    if SECRET.contains(&member.split('[').next().unwrap_or_default()) {
        hide(&mut bytes, span.clone());
    }
    if finding.message.starts_with("unknown key") || finding.message.starts_with("duplicate key") {
        hide(&mut bytes, span.end + 1..lines.len());
    }
    let mut at = 0;
    for line in lines.split_inclusive('\n') {
        for (colon, _) in line.match_indices(':') {
            let before = line.get(..colon).unwrap_or_default();
            let name = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
            let rest = line.get(colon + 1..).unwrap_or_default();
            let value = end_of_value(rest, before.contains('{'));
            // A mapping's own members are looked at by their own names.
            let opens = rest.trim_start().starts_with('{');
            let secret = name.is_some_and(|name| SECRET.contains(&name));
            if secret && rest.starts_with(' ') && !opens {
                hide(&mut bytes, at + colon + 2..at + colon + 1 + value);
            }
        }
        at += line.len();
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Where a value ends that follows a key on its line. What is not sure to be behind it
/// counts as a part of it.
fn end_of_value(rest: &str, in_braces: bool) -> usize {
    let line = rest.find('\n').unwrap_or(rest.len());
    let text = rest.get(..line).unwrap_or_default();
    let begin = text.len() - text.trim_start().len();
    let quote = text.get(begin..).and_then(|value| value.chars().next());
    let end = match quote {
        Some(quote @ ('"' | '\'')) => {
            let mut escaped = false;
            let closes = |c: char| {
                let closes = c == quote && !escaped;
                escaped = c == '\\' && quote == '"' && !escaped;
                closes
            };
            text.get(begin + 1..).unwrap_or_default().find(closes).map(|at| begin + at + 2)
        }
        _ if in_braces => text.find([',', '}']),
        _ => None,
    };
    let Some(end) = end.filter(|_| in_braces) else { return line };
    let behind = text.get(end..).unwrap_or_default();
    let open = behind.trim_start_matches([' ', '}', ']']);
    let good = open.is_empty() || open.starts_with([',', '#']);
    if good { end } else { line }
}

/// The byte at a place.
fn offset(source: &str, at: Position) -> Option<usize> {
    let before: usize =
        source.split_inclusive('\n').take(at.line.checked_sub(1)?).map(str::len).sum();
    let line = source.get(before..).filter(|rest| !rest.is_empty())?.split('\n').next()?;
    let column = at.column.checked_sub(1)?;
    let within = line.char_indices().map(|(i, _)| i).chain([line.len()]).nth(column)?;
    Some(before + within)
}

/// The findings as JSON: a list of objects with `file`, `line`, `column`,
/// `end_line`, `end_column` (from 1; 0: the file as a whole), `path`, `message`,
/// `level`: `error` or `warning`.
#[must_use]
pub fn json(findings: &[Finding]) -> Value {
    with_level(findings, "error")
}

/// The same of what is no mistake.
#[must_use]
pub fn warnings_json(findings: &[Finding]) -> Value {
    with_level(findings, "warning")
}

fn with_level(findings: &[Finding], level: &str) -> Value {
    let one = |f: &Finding| {
        json!({
            "file": f.file,
            "line": f.span.start.line,
            "column": f.span.start.column,
            "end_line": f.span.end.line,
            "end_column": f.span.end.column,
            "path": f.path,
            "message": f.message,
            "level": level,
        })
    };
    findings.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use postern_core::config::Span;

    use super::*;

    #[track_caller]
    fn shows(
        source: &str,
        from: (usize, usize),
        to: (usize, usize),
        expected: Option<(&str, &str)>,
    ) {
        let place = |(line, column)| Position { line, column };
        let finding = Finding {
            span: Span { start: place(from), end: place(to) },
            ..Finding::of_file(Path::new("f"), "m")
        };
        let found = excerpt(source, &finding);
        assert_eq!(
            found
                .as_ref()
                .map(|(shown, _, span)| (*shown, shown.get(span.clone()).unwrap_or_default())),
            expected
        );
    }

    #[track_caller]
    fn hides(line: &str, path: &str, message: &str, span: &str, expected: &str) {
        let from = line.find(span).unwrap();
        let finding =
            Finding { path: path.to_owned(), ..Finding::of_file(Path::new("f"), message) };
        assert_eq!(masked(line, &finding, &(from..from + span.len())), expected);
    }

    #[test]
    fn secrets_are_not_shown() {
        hides("sha256: pk_key", "keys[0].sha256", "expected a digest", "pk_key", "sha256: ******");
        hides("  d: c2Vj", "keys[0].d", "a private key", "c2Vj", "  d: ****");
        hides(
            "{id: a, sha256: pk, x: 1}",
            "keys[0].x",
            "expected",
            "1",
            "{id: a, sha256: **, x: 1}",
        );
        hides(
            "passphrase: hunter2",
            "",
            "unknown key `passphrase`",
            "passphrase",
            "passphrase:********",
        );
        hides("secret: {env: A, value: b}", "x.env", "not set", "A", "secret: {env: A, value: *}");
        hides("env: A, alg: none", "secret.alg", "expected", "none", "env: A, alg: none");
        hides(
            r#"{id: a, secret: "s3}cr,et", x: 1}"#,
            "keys[0].x",
            "expected",
            "1",
            r#"{id: a, secret: **********, x: 1}"#,
        );
        hides(r#"{secret: "a\"}b", x: 1}"#, "x", "m", "1", r#"{secret: *******, x: 1}"#);
        hides("{secret: 'a'}more, x: 1}", "x", "m", "1", "{secret: ***************");
        hides("{secret: a}more", "x", "m", "m", "{secret: ******");
        hides("{secret: \"a}more", "x", "m", "m", "{secret: *******");
        hides("secret: a,b}c # d", "x", "m", "a", "secret: *********");
        hides("{a: {secret: b}}, c", "x", "m", "c", "{a: {secret: *}}, c");
        hides("  - [pk_a, b]", "x.token[0]", "expected", "pk_a", "  - [****, b]");
    }

    #[track_caller]
    fn points(written: &str, message: &str, expected: Option<&str>) {
        let found = place(written, message).map(|(lines, at)| {
            let line = written.split('\n').nth(lines).unwrap();
            line.get(at..).unwrap()
        });
        assert_eq!(found, expected, "{written}");
    }

    #[test]
    fn a_column_is_one_of_what_the_value_says() {
        points("a == bé < c", "column 9: no", Some("< c"));
        points("'a == b'", "column 6: no", Some("b'"));
        points("\"a == b\"", "column 1: no", Some("a == b\""));
        points("|\n    a &&\n    b < c\n", "line 2, column 3: no", Some("< c"));
        points("|-\n  a < c", "column 3: no", Some("< c"));
        // It reads otherwise, or the message says no place.
        points("'a == ''b'", "column 6: no", None);
        points("\"a == \\u0062\"", "column 6: no", None);
        points(">\n  a\n  < b", "column 3: no", None);
        points("a == b\n  < c", "column 8: no", None);
        points("a", "expected `b`", None);
        points("a", "column 9: no", None);
    }

    #[test]
    fn the_span_is_shown_in_its_lines() {
        let source = "a: b\nxé: [1,\n  2]\nc:\n  d: 1\n  e: 2\n  f: 3\ng: 4\n";
        shows(source, (1, 4), (1, 5), Some(("a: b", "b")));
        shows(source, (2, 5), (3, 5), Some(("xé: [1,\n  2]", "[1,\n  2]")));
        // Too long, or past its end: the first line.
        shows(source, (5, 3), (8, 1), Some(("  d: 1", "d: 1")));
        shows(source, (8, 4), (9, 1), Some(("g: 4", "4")));
        shows(source, (12, 1), (12, 2), None);
        shows(source, (0, 0), (0, 0), None);
    }
}
