//! What clients and upstreams send, under bytes that somebody makes to do harm: see
//! `postern_core::fuzz`.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "targets assert; nothing of this is in a module"
)]

use postern_core::config::{At, Decode, Errors, parse_json};
use postern_core::fuzz::twice;
use std::collections::BTreeMap;

use crate::edit::Edit;
use crate::expression::Names;
use crate::facts::Facts;
use crate::json::Document;
use crate::output::Output;
use crate::policy::{Charset, EditPolicy};
use crate::template::Compiler;
use crate::{form, gzip, source};

postern_core::fuzz_targets! {
    /// A JSON body under an edit of each kind.
    edited: 6_000, bodies, WORDS, edited;
    /// JSON as a script, a form and XML.
    other_forms: 4_000, bodies, WORDS, other_forms;
    /// A form, and cookies.
    form_read: 4_000, forms, WORDS, form_read;
    /// A compressed body.
    unpacked: 4_000, packed, WORDS, unpacked;
}

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\u0000",
    "\\ud83d",
    "null",
    "1e400",
    "1.0",
    "\"a\"",
    "\"b\":",
    "\"items\":[",
    "&",
    "=",
    "%00",
    "%ff",
    "+",
    ";",
    "\u{1f}\u{8b}",
];

const STEPS: &str = r#"{"steps":[
    {"rename":{"from":"items.*.a","to":"b"}},{"move":{"from":"items.*.b","to":"items.*.c.d"}},
    {"remove":["x","items.*.y"]},{"drop_null":["*"]},{"default":{"at":"z","to":{"n":1.0}}},
    {"wrap":{"at":"items.*","in":"w"}},{"set":{"at":"label","to":"{a | string | or ''}"}},
    {"case":{"at":["."],"to":"snake","deep":true}},{"pick":{"at":"p","members":["a"]}}]}"#;

fn bodies() -> Vec<Vec<u8>> {
    [
        r#"{"items":[{"a":1.0,"y":null},{"a":"é","B c":{}}],"x":1,"a":"\ud83d\ude00","p":{"a":1,"b":2}}"#,
        r#" { "items" : [ ] , "a" : 9007199254740993 } "#,
        "[1, 2]",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn forms() -> Vec<Vec<u8>> {
    [&b"a=1&b=x+y&a=%C3%A9"[..], b"k=1; key=\"v\"; =x", b""].map(<[u8]>::to_vec).to_vec()
}

fn packed() -> Vec<Vec<u8>> {
    // `printf '{"a":1}' | gzip -n`
    vec![vec![
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xab, 0x56, 0x4a, 0x54, 0xb2,
        0x32, 0xac, 0x05, 0x00, 0xaf, 0xac, 0x1b, 0x56, 0x07, 0x00, 0x00, 0x00,
    ]]
}

thread_local! {
    static EDIT: Edit = {
        let names = Names::default();
        let templates = BTreeMap::new();
        let mut errors = Errors::default();
        let node = parse_json(STEPS.as_bytes()).unwrap();
        let policy = EditPolicy::decode(At::root(&node), &mut errors).unwrap();
        let mut compiler = Compiler::new(&names, &templates);
        let edit = Edit::compile(&policy, None, &mut compiler, &names, &mut errors);
        assert!(errors.is_empty(), "{errors}");
        edit
    };
}

/// What comes of it is JSON, of bounded size, and the same each time.
fn edited(input: &[u8]) {
    let Ok(document) = Document::read(input) else { return };
    let limit = input.len() * 4 + 256;
    let out = EDIT.with(|edit| twice(|| edit.apply(&document, &Facts::default(), limit)));
    if let Ok(out) = out {
        // Two steps may make a document deeper than may be read.
        let deep = Document::read(out.as_bytes()).err().is_none_or(|e| e.what == "too deep");
        assert!(deep, "{out}");
        assert!(out.len() <= input.len() + limit * 2, "{} of {}", out.len(), input.len());
    }
}

/// A script is one call; a form can be read again; XML ends where it began.
fn other_forms(input: &[u8]) {
    let Ok(json) = std::str::from_utf8(input) else { return };
    if Document::read(input).is_err() {
        return;
    }
    let write =
        |output: &Output, charset| output.write(json.to_owned(), charset, |_| Some("f"), 10_000);
    let script = write(&Output::Jsonp("c".into()), Charset::Ascii).unwrap();
    assert!(script.starts_with(b"/**/f(") && script.ends_with(b");") && script.is_ascii());
    if let Some(form) = write(&Output::Form, Charset::Utf8) {
        assert!(form.is_ascii() && form::to_json(&form).is_some());
    }
    let xml = Output::Xml { root: "r".into(), item: "i".into() };
    if let Some(xml) = write(&xml, Charset::Ascii) {
        let xml = String::from_utf8(xml).unwrap();
        assert_eq!(xml.matches('<').count(), xml.matches('>').count(), "{xml}");
        assert!(xml.ends_with("</r>") || xml.ends_with("<r/>"), "{xml}");
    }
}

/// A form becomes JSON that becomes a form of the same.
fn form_read(input: &[u8]) {
    if let Some(json) = form::to_json(input) {
        let document = Document::read(json.as_bytes()).unwrap();
        let again = form::of_json(&document).unwrap();
        assert_eq!(form::to_json(&again).unwrap(), json);
    }
    let read: usize = source::cookies(input).map(|(name, value)| name.len() + value.len()).sum();
    assert!(read <= input.len());
}

/// Never more than may be.
fn unpacked(input: &[u8]) {
    if let Ok(out) = twice(|| gzip::decode(input, 1_000)) {
        assert!(out.len() <= 1_000);
    }
}
