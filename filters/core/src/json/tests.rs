//! What is read, and what is not.

use proptest::prelude::*;

use super::*;
use crate::config::{Node, Value, parse_json};

#[test]
fn it_is_read_as_it_is_written() {
    let text = r#"{"b":1,"a":[null,true,false,-1.50,-0,"x",[],{}],"":18446744073709551615,"c":-9}"#;
    let json = Json::read(text.as_bytes()).unwrap();
    assert_eq!(json.to_json(), text);
    assert_eq!(json.get("b"), Some(&Json::Int(1)));
    assert_eq!(json.get("c"), Some(&Json::Int(-9)));
    assert_eq!(json.get(""), Some(&Json::Large(u64::MAX)));
    assert_eq!(json.get("a").unwrap().get("b"), None);
    let blanks = b" { \"a\" : [ 1 , 2 ] , \"b\" : { } }\r\n\t";
    assert_eq!(Json::read(blanks).unwrap().to_json(), r#"{"a":[1,2],"b":{}}"#);
}

#[test]
fn what_stands_there_as_it_is_is_borrowed() {
    let json = Json::read(br#"{"a":"b c","\u0061b":"\n"}"#).unwrap();
    let Json::Object(members) = json else { panic!("an object") };
    let borrowed = |text: &Cow<'_, str>| matches!(text, Cow::Borrowed(_));
    let [plain, escaped] = members.as_slice() else { panic!("two members") };
    assert!(borrowed(&plain.name) && plain.value == Json::Text("b c".into()));
    assert!(matches!(&plain.value, Json::Text(text) if borrowed(text)));
    assert_eq!((&*escaped.name, &escaped.value), ("ab", &Json::Text("\n".into())));
}

#[test]
fn numbers_of_64_bits_keep_all_their_digits() {
    for (text, number) in [
        ("0", Json::Int(0)),
        ("-1", Json::Int(-1)),
        ("999999999999999999", Json::Int(999_999_999_999_999_999)),
        ("-99999999999999999", Json::Int(-99_999_999_999_999_999)),
        ("9223372036854775807", Json::Int(i64::MAX)),
        ("-9223372036854775808", Json::Int(i64::MIN)),
        ("9223372036854775808", Json::Large(9_223_372_036_854_775_808)),
        ("18446744073709551615", Json::Large(u64::MAX)),
        ("18446744073709551616", Json::Float("18446744073709551616")),
        ("-9223372036854775809", Json::Float("-9223372036854775809")),
        ("-0", Json::Float("-0")),
        ("1e2", Json::Float("1e2")),
    ] {
        assert_eq!(Json::read(text.as_bytes()), Some(number), "{text}");
    }
    for bad in ["1e400", "-1e400", "01", "1.", "+1", "-", "1e", ".1", "--1"] {
        assert_eq!(Json::read(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn what_readers_could_disagree_on_is_not_read() {
    for bad in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"\u0061":1}"#,
        r#"[{"b":[{"":1,"":1}]}]"#,
        r#"[1e400]"#,
        r#"{"a":1}{"#,
        r#"{"a":1,}"#,
        "[1 2]",
        "",
    ] {
        assert_eq!(Json::read(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(Json::read(b"\"\xff\""), None);
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
    assert!(Json::read(&nested(127)).is_some());
    assert!(Json::read(&nested(128)).is_none());
    assert!(Json::read(&br#"{"a":"#.repeat(100_000)).is_none());
}

/// Texts that are JSON, or nearly.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"b\":",
        "null",
        "true",
        "false",
        "0",
        "-",
        "1",
        "12",
        ".5",
        "e1",
        "E-2",
        "+",
        " ",
        "\n",
        "\\",
        "\\n",
        "\\u00e9",
        "\\ud83d",
        "\\ude00",
        "é",
        "\u{1}",
        "\u{7f}",
        "/",
        "x",
        "18446744073709551615",
    ]);
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

/// Values of any kind.
pub(crate) fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every pair of names is compared.
fn is_unambiguous(node: &Node) -> bool {
    match &node.value {
        Value::List(items) => items.iter().all(is_unambiguous),
        Value::Map(entries) => entries.iter().enumerate().all(|(at, (key, value))| {
            entries.iter().skip(at + 1).all(|(other, _)| other.text != key.text)
                && is_unambiguous(value)
        }),
        Value::Float(number) => number.parse::<f64>().unwrap().is_finite(),
        _ => true,
    }
}

/// What the reader of policies makes of it, which takes members of one name.
fn theirs(text: &[u8]) -> Option<String> {
    let node = parse_json(text).ok()?;
    is_unambiguous(&node).then(|| node.to_json())
}

fn ours(text: &[u8]) -> Option<String> {
    Json::read(text).map(|json| json.to_json())
}

proptest! {
    #[test]
    fn what_policies_may_hold_is_read_but_for_what_is_ambiguous(
        text in text(), value in value(), at: prop::sample::Index, byte: u8,
    ) {
        let object = format!("{{\"a\":{text},\"b\":[{{\"c\":{text}}}],\"x\":0}}");
        let mut written = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(ours(&written), theirs(&written));
        let at = at.index(written.len());
        written[at] = byte;
        for text in [text.as_bytes(), object.as_bytes(), &written, &written[..at]] {
            prop_assert_eq!(ours(text), theirs(text));
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_always_found(
        names in prop::collection::vec("[ab]{0,3}|[a-z]{1,2}", 0..40),
    ) {
        let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
        let text = format!("{{{}}}", members.join(","));
        let unique = names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len();
        let read = Json::read(text.as_bytes());
        prop_assert_eq!(read.is_some(), unique);
        for name in names.iter().filter(|_| unique) {
            prop_assert_eq!(read.as_ref().unwrap().get(name), Some(&Json::Int(1)));
        }
    }
}
