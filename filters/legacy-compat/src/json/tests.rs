#![allow(clippy::unwrap_used, clippy::string_slice)]

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Document<'_>, BadJson> {
    Document::read(text.as_bytes())
}

#[track_caller]
fn bad(text: &[u8], at: usize, what: &str) {
    let found = Document::read(text).map(|_| ()).unwrap_err();
    assert_eq!((found.at, found.what), (at, what));
}

#[test]
fn what_is_not_json_is_named_by_its_place() {
    bad(b"", 0, "the end");
    bad(b"{", 1, "no member name");
    bad(b"[1,]", 3, "no value");
    bad(b"{\"a\" 1}", 5, "no colon");
    bad(b"[1 2]", 3, "no comma");
    bad(b"01", 1, "something after the document");
    bad(b"-", 1, "no digit");
    bad(b"1.", 2, "no digit");
    bad(b"1e+", 3, "no digit");
    bad(b"\"\n\"", 1, "a control character");
    bad(b"\"\\x\"", 2, "no escape");
    bad(b"\"\\u12g4\"", 5, "no escape");
    bad(b"nul", 0, "no value");
    bad(b"\"\xff\"", 1, "not UTF-8");
    bad(b"\xef\xbb\xbf1", 0, "no value");
}

#[test]
fn depth_is_bounded() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(read(&nested(129)).is_ok());
    assert_eq!(read(&nested(130)).unwrap_err().what, "too deep");
    assert_eq!(read(&"[".repeat(1_000_000)).unwrap_err().what, "too deep");
}

#[test]
fn members_are_found_by_name_the_last_of_duplicates() {
    let text = r#"{"a":1,"\u0061":2,"b":{"a":"\ud83d\ude00 \ud800x\/"}}"#;
    let document = read(text).unwrap();
    let a = document.member(document.root(), "a").unwrap();
    assert_eq!(document.raw(a), "2");
    let b = document.member(document.root(), "b").unwrap();
    let inner = document.member(b, "a").unwrap();
    assert_eq!(document.raw(inner), r#""\ud83d\ude00 \ud800x\/""#);
    assert_eq!(document.text(inner), "😀 \u{fffd}x/");
    assert!(document.member(a, "a").is_none());
    assert!(document.member(document.root(), "c").is_none());
}

#[test]
fn quoted_text_is_read_back() {
    let mut out = String::new();
    push_quoted(&mut out, "a\"\\\n\u{1}é\u{7f}/");
    assert_eq!(out, "\"a\\\"\\\\\\n\\u0001é\u{7f}/\"");
    assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"\\\n\u{1}é\u{7f}/");
}

/// Documents with all that a writer may vary: blanks, escapes, big numbers,
/// duplicate keys.
fn document() -> impl Strategy<Value = String> {
    let blank = prop::sample::select(vec!["", " ", "\n\t", "\r\n "]);
    let text = prop::collection::vec(
        prop_oneof![
            "[a-c é😀]{0,4}",
            Just("\\n".into()),
            Just("\\u00e9".into()),
            Just("\\ud83d\\ude00".into()),
            Just("\\ud800".into()),
            Just("\\/".into())
        ],
        0..3,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()));
    let scalar = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1.0",
            "1.50",
            "9007199254740993",
            "1e400",
            "123456789012345678901234567890",
            "-1.2E-3",
        ])
        .prop_map(str::to_owned),
        text.clone(),
    ];
    scalar.prop_recursive(4, 40, 5, move |inner| {
        let list =
            (prop::collection::vec(inner.clone(), 0..5), blank.clone()).prop_map(|(items, b)| {
                let items: Vec<_> = items.iter().map(|i| format!("{b}{i}{b}")).collect();
                format!("[{}]", if items.is_empty() { b.to_owned() } else { items.join(",") })
            });
        let object = (prop::collection::vec((text.clone(), inner), 0..5), blank.clone()).prop_map(
            |(members, b)| {
                let members: Vec<_> =
                    members.iter().map(|(k, v)| format!("{b}{k}{b}:{b}{v}{b}")).collect();
                format!("{{{}}}", if members.is_empty() { b.to_owned() } else { members.join(",") })
            },
        );
        prop_oneof![list, object]
    })
}

proptest! {
    #[test]
    fn what_is_not_edited_stays_byte_for_byte(text in document()) {
        let document = read(&text).unwrap();
        prop_assert_eq!(document.raw(document.root()), text.as_str());
        prop_assert_eq!(document.edited(|_, _, _| false), text.as_str());
        // Each scalar written again as it stands: the same document.
        let again = document.edited(|_, value, out| {
            out.push_str(document.raw(value));
            true
        });
        prop_assert_eq!(again, text.as_str());
    }

    #[test]
    fn edits_can_be_undone(text in document()) {
        // Every scalar becomes a list around itself, and comes out again.
        let wrapped = read(&text).unwrap().edited(|_, _, out| {
            out.push_str("[0]");
            true
        });
        let document = read(&text).unwrap();
        let mut scalars = Vec::new();
        document.edited(|_, value, _| {
            scalars.push(document.raw(value).to_owned());
            false
        });
        let mut scalars = scalars.into_iter();
        let unwrapped = read(&wrapped).unwrap().edited(|_, _, out| {
            out.push_str(&scalars.next().unwrap());
            true
        });
        // The list's own brackets stay: `[x]` for each scalar `x`.
        let expected = document.edited(|_, value, out| {
            out.push('[');
            out.push_str(document.raw(value));
            out.push(']');
            true
        });
        prop_assert_eq!(unwrapped, expected);
    }

    #[test]
    fn reads_exactly_what_serde_reads(text in "[\\[\\]{}\",:0-9eE.+\\- tfnruals\\\\u\n]{0,12}") {
        // Serde refuses numbers beyond f64 and lone surrogates, which are JSON.
        let ours = read(&text).is_ok();
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match theirs {
            Ok(_) => prop_assert!(ours, "{text:?}"),
            Err(e) if e.to_string().contains("out of range") => {}
            Err(e) if e.to_string().contains("surrogate") || e.to_string().contains("hex escape") => {}
            Err(_) => prop_assert!(!ours, "{text:?}"),
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(document) = Document::read(&bytes) {
            let edited = document.edited(|_, _, _| false);
            prop_assert_eq!(edited.as_bytes(), bytes.as_slice());
        }
    }
}

#[test]
fn members_of_large_objects_are_found_as_in_small_ones() {
    for count in [3, SMALL, SMALL + 1, 5_000] {
        let members: Vec<String> = (0..count).map(|n| format!("\"m{n}\":{n}")).collect();
        let text = format!("{{{},\"\\u006d1\":\"last\"}}", members.join(","));
        let document = Document::read(text.as_bytes()).unwrap();
        let raw = |name: &str| document.member(document.root(), name).map(|v| document.raw(v));
        assert_eq!(raw("m0"), Some("0"));
        assert_eq!(raw("m1"), Some("\"last\""), "of duplicates the last, escapes undone");
        assert_eq!(raw(&format!("m{}", count - 1)), Some((count - 1).to_string().as_str()));
        assert_eq!(raw("nothing"), None);
    }
}
