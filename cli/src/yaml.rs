//! YAML (and so JSON) into [`Node`]s with their places.
//!
//! Only what means the same to every reader is taken: a plain scalar is a
//! number only in JSON's grammar, so that `010`, `0x1f` and `on` stay strings;
//! tags, merge keys and several documents are refused.

use std::collections::HashMap;

use postern_core::config::{Errors, Key, Node, Position, Problem, Span, Value};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// Nodes in one document, aliases counted as what they stand for.
const MAX_NODES: usize = 2_000_000;

/// Nesting, as deep as JSON in the filters may be.
const MAX_DEPTH: usize = 100;

/// Reads a document.
///
/// # Errors
/// The first place where the text is not YAML that is taken here.
pub fn parse(text: &str) -> Result<Node, Errors> {
    let mut reader =
        Reader { events: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, depth: 0 };
    reader.document().map_err(|problem| {
        let mut errors = Errors::default();
        errors.push(problem);
        errors
    })
}

struct Reader<'t> {
    events: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    depth: usize,
}

type Placed<'t> = (Event<'t>, Span);

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Node, Problem> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => {
                    let empty = Node { span, value: Value::Map(Vec::new()) };
                    return Ok(root.unwrap_or(empty));
                }
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::DocumentStart(_) if root.is_none() => {
                    let first = self.next()?;
                    root = Some(self.node(first)?);
                }
                _ => return Err(problem(span, "expected one YAML document, but found another")),
            }
        }
    }

    fn next(&mut self) -> Result<Placed<'t>, Problem> {
        match self.events.next() {
            Some(Ok((event, span))) => {
                Ok((event, Span { start: place(&span.start), end: place(&span.end) }))
            }
            Some(Err(e)) => {
                let at = place(e.marker());
                let hint = if e.info().contains("flow") {
                    "; inside `[…]` and `{…}` a text with brackets, braces or commas needs quotes"
                } else {
                    ""
                };
                Err(problem(Span { start: at, end: at }, &format!("not YAML: {}{hint}", e.info())))
            }
            None => Err(problem(Span::default(), "not YAML: the text ends too early")),
        }
    }

    fn node(&mut self, (event, span): Placed<'t>) -> Result<Node, Problem> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(problem(span, "the document is too large"));
        }
        if self.depth > MAX_DEPTH {
            return Err(problem(span, "the document is nested too deeply"));
        }
        let before = self.nodes;
        let (value, anchor, end) = match event {
            Event::Scalar(text, style, anchor, None) => (scalar(&text, style), anchor, span.end),
            Event::SequenceStart(anchor, None) => {
                self.depth += 1;
                let (items, end) = self.sequence()?;
                self.depth -= 1;
                (Value::List(items), anchor, end)
            }
            Event::MappingStart(anchor, None) => {
                self.depth += 1;
                let (entries, end) = self.mapping()?;
                self.depth -= 1;
                (Value::Map(entries), anchor, end)
            }
            Event::Alias(anchor) => {
                let (node, size) = self
                    .anchors
                    .get(&anchor)
                    .ok_or_else(|| problem(span, "the alias stands inside its own anchor"))?;
                self.nodes += size;
                // A mistake in it is shown where the anchor stands.
                return Ok(node.clone());
            }
            _ => return Err(problem(span, "tags are not taken")),
        };
        let node = Node { span: Span { start: span.start, end }, value };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn sequence(&mut self) -> Result<(Vec<Node>, Position), Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, span) => return Ok((items, span.end)),
                first => items.push(self.node(first)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<(Vec<(Key, Node)>, Position), Problem> {
        let mut entries = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, span) => return Ok((entries, span.end)),
                (Event::Scalar(text, _, 0, None), span) => Key { span, text: text.into_owned() },
                (_, span) => return Err(problem(span, "expected a plain key")),
            };
            let first = self.next()?;
            entries.push((key, self.node(first)?));
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            match serde_json::from_str::<serde_json::Number>(text) {
                Ok(n) => (n.as_i64().map(Value::Int))
                    .or_else(|| n.as_u64().map(Value::Large))
                    .unwrap_or_else(|| Value::Float(text.to_owned())),
                Err(_) => Value::Text(text.to_owned()),
            }
        }
        _ => Value::Text(text.to_owned()),
    }
}

fn place(marker: &saphyr_parser::Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

fn problem(span: Span, message: &str) -> Problem {
    Problem { path: String::new(), span, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(yaml: &str, json: &str) {
        assert_eq!(parse(yaml).unwrap().to_json(), json);
    }

    #[test]
    fn scalars_mean_the_same_to_everybody() {
        reads(
            "[1, -2, 1.5, 010, 0x1f, on, yes, ~, null, true, '1', 1e3, +1, .5]",
            r#"[1,-2,1.5,"010","0x1f","on","yes",null,null,true,"1",1e3,"+1",".5"]"#,
        );
        reads("a: 99999999999999999999", r#"{"a":99999999999999999999}"#);
        reads("a: >\n  b\n  c\nd: |\n  e\n", r#"{"a":"b c\n","d":"e\n"}"#);
        reads("a: &x {b: 1}\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#);
        reads("", "{}");
        reads("# nothing\n", "{}");
    }

    #[test]
    fn places_are_lines_and_columns_from_one() {
        let node = parse("a:\n  - b: 1\n    c: [x,\n      y]\n").unwrap();
        let Value::List(items) = &node.get("a").unwrap().value else { panic!("a list") };
        let c = items[0].get("c").unwrap();
        assert_eq!(c.span.start, Position { line: 3, column: 8 });
        assert_eq!(c.span.end, Position { line: 4, column: 9 });
    }

    #[track_caller]
    fn refuses(yaml: &str, line: usize, message: &str) {
        let errors = parse(yaml).unwrap_err();
        let problem = &errors.problems()[0];
        assert_eq!((problem.span.start.line, problem.message.as_str()), (line, message));
    }

    #[test]
    fn what_readers_disagree_on_is_refused() {
        refuses("a: 1\nb: !!int 3\n", 2, "tags are not taken");
        refuses("a: 1\n---\nb: 1\n", 2, "expected one YAML document, but found another");
        refuses("? [a]\n: 1\n", 1, "expected a plain key");
        assert!(parse("a: [1\nb: 2\n").is_err());
        assert!(parse("a: b: c\n").is_err());
    }

    #[test]
    fn bombs_are_bounded() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            let before = format!("*a{}", i - 1);
            bomb += &format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(","));
        }
        assert_eq!(parse(&bomb).unwrap_err().to_string(), "the document is too large");
        let deep = "[".repeat(5_000);
        assert!(parse(&deep).is_err());
    }
}
