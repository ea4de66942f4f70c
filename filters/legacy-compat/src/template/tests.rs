#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::expression::Names;
use crate::facts::Facts;
use crate::json::Document;

const BODY: &str = r#"{"user": "ann", "items": [{"id": 1, "n": "a"}, {"id": 2}], "none": null}"#;

fn expression(text: &str) -> Expression {
    Expression::parse(text, &Names::default()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn value(text: &str) -> Template {
    Template::Value(expression(text))
}

fn object(members: Vec<(&str, Template)>) -> Template {
    let quoted = |(key, member)| (format!("\"{key}\""), member);
    Template::Object(members.into_iter().map(quoted).collect())
}

fn rendered(template: &Template, limit: usize) -> Result<String, Unrendered> {
    let document = Document::read(BODY.as_bytes()).unwrap();
    let facts = Facts::default();
    let scope = Scope { document: &document, current: document.root(), facts: &facts };
    template.render(scope, limit)
}

fn text(template: &Template) -> String {
    rendered(template, 1000).unwrap_or_else(|e| format!("{e:?}"))
}

#[test]
fn each_part_becomes_json() {
    let parts = vec![
        Part::Literal("by \"".to_owned()),
        Part::Value(expression("user")),
        Part::Literal("\"".to_owned()),
    ];
    let template = object(vec![
        ("a", Template::Constant("[1, 2]".to_owned())),
        ("b", Template::Text(parts)),
        ("c", Template::List(vec![value("none"), value("items.0.id")])),
    ]);
    assert_eq!(text(&template), r#"{"a":[1, 2],"b":"by \"ann\"","c":[null,1]}"#);
}

#[test]
fn what_is_left_out_leaves_no_comma() {
    let gone = || value("missing | optional");
    let some = |key| (key, value("user"));
    for (members, expected) in [
        (vec![("x", gone())], "{}"),
        (vec![("x", gone()), some("a")], r#"{"a":"ann"}"#),
        (vec![some("a"), ("x", gone()), some("b")], r#"{"a":"ann","b":"ann"}"#),
        (vec![some("a"), ("x", gone())], r#"{"a":"ann"}"#),
    ] {
        assert_eq!(text(&object(members)), expected);
    }
    assert_eq!(text(&Template::List(vec![gone(), value("user"), gone()])), r#"["ann"]"#);
    assert_eq!(text(&gone()), "null", "the whole body cannot be left out");
}

#[test]
fn lists_are_walked_with_their_items_at_hand() {
    let each = |path, inner| Template::Each(expression(path), Box::new(inner));
    let item = object(vec![
        ("id", value("id")),
        ("n", value("n | optional")),
        ("of", value("$root.user")),
    ]);
    assert_eq!(text(&each("items", item)), r#"[{"id":1,"n":"a","of":"ann"},{"id":2,"of":"ann"}]"#);
    assert_eq!(text(&each("none", value("id"))), "[]");
    let with = Template::With(expression("items.1"), Box::new(value("id")));
    assert_eq!(text(&with), "2");
    for (template, found, wanted) in [
        (each("user", value("id")), "user", "a list"),
        (each("missing", value("id")), "missing", "a value"),
        (each("items", value("n")), "n", "a value"),
    ] {
        let mismatch = Mismatch { expression: found.to_owned(), wanted };
        assert_eq!(rendered(&template, 1000), Err(Unrendered::Mismatch(mismatch)));
    }
}

#[test]
fn a_text_takes_scalars_only() {
    let template = Template::Text(vec![Part::Value(expression("items"))]);
    let mismatch = Mismatch { expression: "items".to_owned(), wanted: "a scalar" };
    assert_eq!(rendered(&template, 1000), Err(Unrendered::Mismatch(mismatch)));
}

#[test]
fn what_grows_too_large_is_not_rendered() {
    let many = Template::List(vec![Template::Constant("12345678".to_owned()); 10]);
    assert_eq!(rendered(&many, 91).as_ref().map(String::len), Ok(91));
    assert_eq!(rendered(&many, 90), Err(Unrendered::TooLarge));
}

#[test]
fn braces_are_split_off() {
    let literal = |text: &str| Piece::Literal(text.to_owned());
    for (text, expected) in [
        ("", vec![]),
        ("a", vec![literal("a")]),
        ("{a}", vec![Piece::Braced("a")]),
        ("x {a | or '}'} y", vec![literal("x "), Piece::Braced("a | or '}'"), literal(" y")]),
        ("{{a}} {b}", vec![literal("{a} "), Piece::Braced("b")]),
    ] {
        assert_eq!(pieces(text), Ok(expected), "{text}");
    }
    let open = "a `{` has no `}`; a brace that is meant is written `{{`";
    assert_eq!(pieces("a {b"), Err(open.to_owned()));
    assert_eq!(pieces("{'}"), Err(open.to_owned()));
    let close = "a `}` has no `{`; a brace that is meant is written `}}`";
    assert_eq!(pieces("a } b"), Err(close.to_owned()));
}

#[test]
fn a_template_says_what_it_needs() {
    let names = |template: &Template| {
        let mut seen = Vec::new();
        template.visit(&mut |expression| seen.extend(expression.captures().map(str::to_owned)));
        seen
    };
    let list = Template::List(vec![value("$capture.a"), object(vec![("k", value("$capture.b"))])]);
    assert_eq!(names(&list), ["a", "b"]);
    assert!(!list.reads_body());
    assert!(Template::With(expression("user"), Box::new(list)).reads_body());
    assert!(value("user").reads_body() && !value("$status").reads_body());
}
