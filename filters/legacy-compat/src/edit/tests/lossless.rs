//! For any document and any steps: what no step addresses is the same bytes, and what
//! has an inverse can be undone to the last byte.

use super::*;

/// Documents with all that writers differ in: blanks, escapes, digits, order, members
/// of one name.
pub(super) fn document() -> impl Strategy<Value = String> {
    document_of(&["a", "b", "c", "\\u0061", "ad", "é", "a_b", "x\\ty"])
}

/// The same, where each name is written plainly.
pub(super) fn plainly_named() -> impl Strategy<Value = String> {
    document_of(&["a", "b", "c", "ad", "é", "a_b"])
}

fn document_of(keys: &'static [&'static str]) -> impl Strategy<Value = String> {
    let blank = prop::sample::select(vec!["", "", " ", "\n\t", "\r\n "]);
    let scalar = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-0",
        "1.0",
        "1.50",
        "9007199254740993",
        "1e400",
        "-1.2E-3",
        "123456789012345678901234567890",
        "\"\"",
        "\"1.0\"",
        "\"\\u00e9\\/\\ud800\"",
        "\"é😀\\n\"",
    ]);
    let key = prop::sample::select(keys);
    scalar.prop_map(str::to_owned).prop_recursive(4, 40, 5, move |inner| {
        let list = prop::collection::vec((blank.clone(), inner.clone(), blank.clone()), 0..4)
            .prop_map(|items| {
                let items: Vec<_> = items.iter().map(|(b, i, a)| format!("{b}{i}{a}")).collect();
                format!("[{}]", items.join(","))
            });
        let member = (blank.clone(), key.clone(), blank.clone(), inner, blank.clone());
        let object = prop::collection::vec(member, 0..5).prop_map(|members| {
            let members: Vec<_> =
                members.iter().map(|(b, k, c, v, a)| format!("{b}\"{k}\"{c}:{c}{v}{a}")).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![list, object.clone(), object]
    })
}

pub(super) fn path() -> impl Strategy<Value = String> {
    let step = prop::sample::select(vec!["a", "b", "c", "*", "0", "1", "é"]);
    prop::collection::vec(step, 0..3).prop_map(|steps| steps.join("."))
}

pub(super) fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d", "é"]).prop_map(str::to_owned)
}

pub(super) fn joined(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

pub(super) fn whole(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

pub(super) fn steps(list: &[String]) -> Edit {
    edit(&format!(r#"{{"steps":[{}]}}"#, list.join(","))).unwrap()
}

/// A document as a plain reader sees it: tokens as they stand, blanks left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plain {
    Scalar(String),
    List(Vec<Plain>),
    Object(Vec<(String, Plain)>),
}

pub(super) fn plain(text: &str) -> Plain {
    fn of(document: &Document<'_>, value: &Value) -> Plain {
        match &value.kind {
            Kind::List(items) => Plain::List(items.iter().map(|i| of(document, i)).collect()),
            Kind::Object(members) => Plain::Object(
                members
                    .iter()
                    .map(|(k, v)| {
                        let range = k.range();
                        (document.between(range.start, range.end).to_owned(), of(document, v))
                    })
                    .collect(),
            ),
            _ => Plain::Scalar(document.raw(value).to_owned()),
        }
    }
    let document = Document::read(text.as_bytes()).unwrap();
    of(&document, document.root())
}

pub(super) fn is(key: &str, name: &str) -> bool {
    crate::json::unescaped(key) == name
}

/// The naive way to each value at a path.
pub(super) fn at(value: &mut Plain, path: &str, found: &mut dyn FnMut(&mut Plain)) {
    if path.is_empty() {
        return found(value);
    }
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    match value {
        Plain::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                if step == "*" || step == i.to_string() {
                    at(item, rest, found);
                }
            }
        }
        Plain::Object(members) => {
            for (key, member) in members {
                if step == "*" || is(key, step) {
                    at(member, rest, found);
                }
            }
        }
        Plain::Scalar(_) => {}
    }
}

proptest! {
    #[test]
    fn steps_that_lead_nowhere_change_nothing(text in document(), above in path()) {
        let nowhere = joined(&above, "nowhere");
        let list = [
            format!(r#"{{"rename":{{"from":"{nowhere}","to":"a"}}}}"#),
            format!(r#"{{"remove":["{nowhere}"]}}"#),
            format!(r#"{{"drop_null":["{nowhere}.*"]}}"#),
            format!(r#"{{"wrap":{{"at":"{nowhere}","in":"a"}}}}"#),
            format!(r#"{{"unwrap":{{"at":"{nowhere}","member":"a"}}}}"#),
            format!(r#"{{"convert":{{"at":["{nowhere}"],"to":"money"}}}}"#),
            format!(r#"{{"case":{{"at":["{nowhere}"],"to":"snake","deep":true}}}}"#),
            format!(r#"{{"pick":{{"at":"{nowhere}","members":["a"]}}}}"#),
        ];
        prop_assert_eq!(applied(&steps(&list), &text), Ok(text));
    }

    #[test]
    fn a_name_can_be_given_back(text in plainly_named(), above in path(), from in name()) {
        let (old, new) = (joined(&above, &from), joined(&above, "new"));
        let there = format!(r#"{{"rename":{{"from":"{old}","to":"new"}}}}"#);
        let back = format!(r#"{{"rename":{{"from":"{new}","to":"{from}"}}}}"#);
        let renamed = applied(&steps(std::slice::from_ref(&there)), &text).unwrap();
        prop_assert_eq!(applied(&steps(&[back]), &renamed), Ok(text));
    }

    #[test]
    fn what_was_wrapped_can_be_unwrapped(text in document(), path in path(), name in name()) {
        let path = whole(&path).to_owned();
        let list = [
            format!(r#"{{"wrap":{{"at":"{path}","in":"{name}"}}}}"#),
            format!(r#"{{"unwrap":{{"at":"{path}","member":"{name}"}}}}"#),
        ];
        let wrapped = applied(&steps(&list[..1]), &text).unwrap();
        prop_assert_eq!(&applied(&steps(&list[1..]), &wrapped).unwrap(), &text);
        prop_assert_eq!(&applied(&steps(&list), &text).unwrap(), &text);
    }

    #[test]
    fn a_number_comes_back_with_its_digits(text in document(), path in path()) {
        let path = whole(&path);
        let convert = |to: &str| steps(&[format!(r#"{{"convert":{{"at":["{path}"],"to":"{to}"}}}}"#)]);
        // Where only numbers are addressed.
        let mut numbers = true;
        at(&mut plain(&text), path.trim_start_matches('.'), &mut |value| {
            let number = |raw: &String| raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
            numbers &= matches!(value, Plain::Scalar(raw) if number(raw));
        });
        if numbers {
            let strings = applied(&convert("string"), &text).unwrap();
            prop_assert_eq!(applied(&convert("number"), &strings), Ok(text));
        }
    }

    #[test]
    fn a_member_that_moved_can_move_back(text in plainly_named(), from in name()) {
        let root = plain(&text);
        let Plain::Object(members) = &root else { return Ok(()) };
        let own: Vec<usize> =
            (0..members.len()).filter(|i| members.get(*i).is_some_and(|(key, _)| is(key, &from))).collect();
        let [place] = own.as_slice() else { return Ok(()) };
        // It is found again by the member behind it, if that is the only one of its name.
        let next = members.get(place + 1).map(|(key, _)| crate::json::unescaped(key).into_owned());
        let same = |next: &String| members.iter().filter(|(key, _)| is(key, next)).count();
        if next.as_ref().is_some_and(|next| same(next) > 1) {
            return Ok(());
        }
        let before = next.map_or(String::new(), |next| format!(r#","before":"{next}""#));
        let list = [
            format!(r#"{{"move":{{"from":"{from}","to":"new.place"}}}}"#),
            format!(r#"{{"move":{{"from":"new.place","to":"{from}"{before}}}}}"#),
            r#"{"remove":["new"]}"#.to_owned(),
        ];
        prop_assert_eq!(applied(&steps(&list), &text).unwrap(), text);
    }

    #[test]
    fn a_null_that_was_dropped_can_be_put_back(text in document(), above in path()) {
        let Plain::Object(members) = plain(&text) else { return Ok(()) };
        let comma = if members.is_empty() { "" } else { "," };
        let text = format!("{}{comma}\"new\":null}}", text.strip_suffix('}').unwrap());
        let list = [
            r#"{"drop_null":["new"]}"#.to_owned(),
            r#"{"default":{"at":"new","to":null}}"#.to_owned(),
            // And nobody else's.
            format!(r#"{{"drop_null":["{}"]}}"#, joined(&above, "nowhere")),
        ];
        prop_assert_eq!(applied(&steps(&list), &text).unwrap(), text);
    }

    #[test]
    fn any_steps_on_any_document_make_json_or_nothing(
        text in document(),
        paths in prop::collection::vec((path(), name(), 0..9u8), 1..6),
    ) {
        let list: Vec<String> = paths.iter().map(|(above, own, which)| {
            let path = joined(above, own);
            match which {
                0 => format!(r#"{{"remove":["{path}"]}}"#),
                1 => format!(r#"{{"rename":{{"from":"{path}","to":"c"}}}}"#),
                2 => r#"{"move":{"from":"a","to":"b.x"}}"#.to_owned(),
                3 => format!(r#"{{"set":{{"at":"{path}","to":["x","{{. | optional}}"]}}}}"#),
                4 => format!(r#"{{"wrap":{{"at":"{path}","in":"w"}}}}"#),
                5 => format!(r#"{{"case":{{"at":["{path}"],"to":"pascal","deep":true}}}}"#),
                6 => format!(r#"{{"convert":{{"at":["{path}"],"to":"string"}}}}"#),
                7 => format!(r#"{{"pick":{{"at":"{path}","members":["a"]}}}}"#),
                _ => format!(r#"{{"drop_null":["{path}.*"]}}"#),
            }
        }).collect();
        if let Ok(edited) = applied(&steps(&list), &text) {
            prop_assert!(Document::read(edited.as_bytes()).is_ok(), "{}", edited);
        }
    }
}
