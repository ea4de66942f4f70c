//! Lists of steps: each sees what those before it left, what none of them addresses is the
//! same bytes, and a list whose steps have inverses is undone by those in reverse.

use super::lossless::*;
use super::*;

/// What a step is for.
fn picks() -> impl Strategy<Value = Vec<(String, String, u8)>> {
    prop::collection::vec((path(), name(), 0..6u8), 1..8)
}

/// A step, and the naive way to do it; false: it does not fit.
fn naive(value: &mut Plain, above: &str, own: &str, which: u8) -> (String, bool) {
    let path = joined(above, own);
    let mut fits = true;
    let step = match which {
        0 => {
            at(value, above, &mut |value| {
                if let Plain::Object(members) = value {
                    members.retain(|(key, _)| !is(key, own));
                }
            });
            format!(r#"{{"remove":["{path}"]}}"#)
        }
        1 => {
            at(value, above, &mut |value| {
                if let Plain::Object(members) = value {
                    members
                        .retain(|(key, v)| !(is(key, own) && *v == Plain::Scalar("null".into())));
                }
            });
            format!(r#"{{"drop_null":["{path}"]}}"#)
        }
        2 => {
            at(value, &path, &mut |value| {
                if let Plain::Object(members) = value {
                    members.retain(|(key, _)| is(key, "a") || is(key, "é"));
                }
            });
            format!(r#"{{"pick":{{"at":"{path}","members":["é","a"]}}}}"#)
        }
        3 => {
            at(value, &path, &mut |value| {
                let own = value.clone();
                *value = Plain::Object(vec![("\"é\"".into(), own)]);
            });
            format!(r#"{{"wrap":{{"at":"{path}","in":"é"}}}}"#)
        }
        4 => {
            at(value, &path, &mut |value| {
                let member = match value {
                    Plain::Object(members) => {
                        let last = members.iter().rev().find(|(key, _)| is(key, "a"));
                        last.map(|(_, v)| v.clone())
                    }
                    _ => None,
                };
                fits &= member.is_some();
                *value = member.unwrap_or(Plain::List(Vec::new()));
            });
            format!(r#"{{"unwrap":{{"at":"{path}","member":"a"}}}}"#)
        }
        _ => {
            at(value, above, &mut |value| {
                if let Plain::Object(members) = value {
                    let taken = members.iter().any(|(key, _)| is(key, "c"));
                    for (key, _) in members.iter_mut().filter(|(key, _)| is(key, own)) {
                        if own != "c" {
                            fits &= !taken;
                            *key = "\"c\"".to_owned();
                        }
                    }
                }
            });
            format!(r#"{{"rename":{{"from":"{path}","to":"c"}}}}"#)
        }
    };
    (step, fits)
}

/// A value is set where its parent is; whether objects are made on the way is another
/// question.
fn naive_set(value: &mut Plain, above: &str, own: &str) -> Option<(String, bool)> {
    let (mut found, mut fits) = (false, true);
    at(value, above, &mut |value| {
        found = true;
        match value {
            Plain::Object(members) => {
                let mut was = false;
                for (_, value) in members.iter_mut().filter(|(key, _)| is(key, own)) {
                    *value = Plain::Scalar("7".into());
                    was = true;
                }
                if !was {
                    members.push((format!("\"{own}\""), Plain::Scalar("7".into())));
                }
            }
            _ => fits = false,
        }
    });
    let step = format!(r#"{{"set":{{"at":"{}","to":7}}}}"#, joined(above, own));
    (found && !above.contains('*')).then_some((step, fits))
}

/// A step that can be undone here, and what undoes it.
fn undoable(
    text: &str,
    number: usize,
    above: &str,
    own: &str,
    which: u8,
) -> Option<(Vec<String>, Vec<String>)> {
    let path = joined(above, own);
    let new = format!("n{number}");
    let top = match plain(text) {
        Plain::Object(members) => members,
        _ => Vec::new(),
    };
    match which {
        0 | 1 => Some((
            vec![format!(r#"{{"rename":{{"from":"{path}","to":"{new}"}}}}"#)],
            vec![format!(r#"{{"rename":{{"from":"{}","to":"{own}"}}}}"#, joined(above, &new))],
        )),
        2 => Some((
            vec![format!(r#"{{"wrap":{{"at":"{}","in":"{own}"}}}}"#, whole(above))],
            vec![format!(r#"{{"unwrap":{{"at":"{}","member":"{own}"}}}}"#, whole(above))],
        )),
        3 if !top.is_empty() => Some((
            vec![format!(r#"{{"set":{{"at":"{new}","to":[1.0]}}}}"#)],
            vec![format!(r#"{{"remove":["{new}"]}}"#)],
        )),
        4 => {
            let mut numbers = true;
            at(&mut plain(text), &path, &mut |value| {
                let is_number =
                    |raw: &str| raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
                numbers &= matches!(value, Plain::Scalar(raw) if is_number(raw));
            });
            let to = |to: &str| vec![format!(r#"{{"convert":{{"at":["{path}"],"to":"{to}"}}}}"#)];
            numbers.then(|| (to("string"), to("number")))
        }
        5 => {
            // It is found again by the member behind it, if that is the only one of its name.
            let named = |name: &str| top.iter().filter(|(key, _)| is(key, name)).count();
            let place = top.iter().position(|(key, _)| is(key, own))?;
            let next = top.get(place + 1).map(|(key, _)| crate::json::unescaped(key).into_owned());
            if named(own) != 1 || next.as_ref().is_some_and(|next| named(next) != 1) {
                return None;
            }
            let before = next.map_or(String::new(), |next| format!(r#","before":"{next}""#));
            Some((
                vec![format!(r#"{{"move":{{"from":"{own}","to":"{new}.x"}}}}"#)],
                vec![
                    format!(r#"{{"move":{{"from":"{new}.x","to":"{own}"{before}}}}}"#),
                    format!(r#"{{"remove":["{new}"]}}"#),
                ],
            ))
        }
        _ => None,
    }
}

proptest! {
    #[test]
    fn the_naive_way_comes_to_the_same(text in document(), picks in picks(), set in 0..4usize) {
        let mut expected = plain(&text);
        let (mut list, mut fits) = (Vec::new(), true);
        for (place, (above, own, which)) in picks.iter().enumerate() {
            let (step, good) = if place == set {
                let Some(done) = naive_set(&mut expected, above, own) else { return Ok(()) };
                done
            } else {
                naive(&mut expected, above, own, *which)
            };
            list.push(step);
            fits &= good;
            // What stands behind a step that does not fit is not done.
            if !fits {
                break;
            }
        }
        match applied(&steps(&list), &text) {
            Ok(edited) => {
                prop_assert!(fits, "{:?} {}", list, edited);
                prop_assert_eq!(plain(&edited), expected, "{:?}", list);
            }
            Err(_) => prop_assert!(!fits, "{:?}", list),
        }
    }

    /// The edited part is a member between others, with blanks around each.
    #[test]
    fn what_no_step_of_a_list_addresses_is_the_same_bytes(
        before in document(), inner in document(), after in document(), picks in picks(),
        blank in prop::sample::select(vec!["", " ", "\r\n\t"]),
    ) {
        let head = format!("{blank}{{{blank}\"a\":{before}{blank},{blank}\"\\u0065\"{blank}:{blank}");
        let tail = format!("{blank},{blank}\"b\"{blank}:{after},\"a\":1.0{blank}}}{blank}");
        let mut list = Vec::new();
        for (above, own, which) in &picks {
            let above = joined("e", above);
            let above = above.trim_end_matches('.');
            list.push(match which {
                0 => format!(r#"{{"set":{{"at":"{above}.{own}","to":["{{. | optional}}"]}}}}"#),
                1 => format!(r#"{{"move":{{"from":"e.{own}","to":"e.x.{own}","before":"a"}}}}"#),
                2 => format!(r#"{{"case":{{"at":["{above}"],"to":"pascal","deep":true}}}}"#),
                3 => format!(r#"{{"convert":{{"at":["{above}.{own}"],"to":"string"}}}}"#),
                _ => naive(&mut Plain::List(Vec::new()), above, own, *which).0,
            });
        }
        if let Ok(edited) = applied(&steps(&list), &format!("{head}{inner}{tail}")) {
            let rest = edited.strip_prefix(&head).and_then(|rest| rest.strip_suffix(&tail));
            prop_assert!(rest.is_some(), "{:?}\n{}", list, edited);
            prop_assert!(Document::read(edited.as_bytes()).is_ok(), "{:?}\n{}", list, edited);
        }
    }

    #[test]
    fn a_list_is_undone_by_the_inverses_of_its_steps(text in plainly_named(), picks in picks()) {
        let (mut there, mut back, mut now) = (Vec::new(), Vec::new(), text.clone());
        for (number, (above, own, which)) in picks.iter().enumerate() {
            let Some((step, undo)) = undoable(&now, number, above, own, *which) else { continue };
            // One that does not fit here is left out.
            let Ok(next) = applied(&steps(&step), &now) else { continue };
            now = next;
            there.extend(step);
            back.splice(0..0, undo);
        }
        prop_assert_eq!(applied(&steps(&there), &text).unwrap(), now.clone(), "{:?}", there);
        prop_assert_eq!(applied(&steps(&back), &now).unwrap(), text.clone(), "{:?} {:?}", there, back);
        let all: Vec<_> = there.into_iter().chain(back).collect();
        prop_assert_eq!(applied(&steps(&all), &text).unwrap(), text, "{:?}", all);
    }
}
