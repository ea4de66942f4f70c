//! JSON of which long lists are read item by item.

use std::ops::Range;
use std::rc::Rc;

use super::error::Errors;
use super::json::parse_json;
use super::node::Node;
use crate::bytes;

/// A document, and apart from it the items of some of its lists, which are not read
/// yet.
#[derive(Debug)]
pub struct Cut {
    text: Rc<Vec<u8>>,
    rest: Node,
    lists: Vec<Vec<Range<usize>>>,
}

impl Cut {
    /// Looks for these lists, each under a path of keys. A list that is not there has
    /// no items. `None`: this cannot be cut, and has to be read as a whole; it is no
    /// JSON, or one of the lists is none, or stands there twice, or may be behind a key that
    /// is written with an escape.
    #[must_use]
    pub fn new(text: Rc<Vec<u8>>, lists: &[&[&str]]) -> Option<Self> {
        let mut scanner = Scanner { text: &text, at: 0, found: vec![None; lists.len()] };
        scanner.blanks();
        let open: Vec<_> = lists.iter().copied().enumerate().collect();
        scanner.object(&open)?;
        scanner.blanks();
        if scanner.at < text.len() {
            return None;
        }
        let found = scanner.found;
        let mut rest = Vec::new();
        let mut from = 0;
        let mut inside: Vec<&Range<usize>> = found.iter().flatten().map(|(r, _)| r).collect();
        inside.sort_by_key(|range| range.start);
        for range in inside {
            rest.extend_from_slice(text.get(from..range.start)?);
            from = range.end;
        }
        rest.extend_from_slice(text.get(from..)?);
        let rest = parse_json(&rest).ok()?;
        let lists = found.into_iter().map(|list| list.map_or(Vec::new(), |(_, items)| items));
        Some(Cut { rest, lists: lists.collect(), text })
    }

    /// The document; the lists are empty.
    #[must_use]
    pub fn rest(&self) -> &Node {
        &self.rest
    }

    /// The same, for whoever takes something out of it.
    pub fn rest_mut(&mut self) -> &mut Node {
        &mut self.rest
    }

    /// How many items a list has.
    #[must_use]
    pub fn count(&self, list: usize) -> usize {
        self.lists.get(list).map_or(0, Vec::len)
    }

    /// How long an item is, in bytes.
    #[must_use]
    pub fn size(&self, list: usize, item: usize) -> usize {
        self.place(list, item).len()
    }

    /// An item.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn item(&self, list: usize, item: usize) -> Result<Node, Errors> {
        parse_json(self.text.get(self.place(list, item)).unwrap_or_default())
    }

    /// All items of a list, and what stands between them.
    #[must_use]
    pub fn items(&self, list: usize) -> &[u8] {
        let items = self.lists.get(list).map_or(&[][..], Vec::as_slice);
        let whole = items.first().zip(items.last()).map(|(first, last)| first.start..last.end);
        whole.and_then(|whole| self.text.get(whole)).unwrap_or_default()
    }

    fn place(&self, list: usize, item: usize) -> Range<usize> {
        self.lists.get(list).and_then(|items| items.get(item)).cloned().unwrap_or_default()
    }
}

/// A list: what stands between its brackets, and each item.
type List = (Range<usize>, Vec<Range<usize>>);

/// Finds where values end, no more: each of them is read later. What is no JSON is
/// not always seen.
struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    found: Vec<Option<List>>,
}

impl<'t> Scanner<'t> {
    fn next(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.next() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// What stands between the quotes, escapes as they are.
    fn string(&mut self) -> Option<&'t [u8]> {
        self.takes(b'"').then_some(())?;
        let from = self.at;
        loop {
            self.at += bytes::string_end(self.text.get(self.at..)?)?;
            match self.next()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        let inside = self.text.get(from..self.at);
        self.at += 1;
        inside
    }

    /// A mapping in which these paths begin.
    fn object(&mut self, open: &[(usize, &[&str])]) -> Option<()> {
        self.takes(b'{').then_some(())?;
        self.blanks();
        if self.takes(b'}') {
            return Some(());
        }
        loop {
            self.blanks();
            let key = self.string()?;
            // It may be one of those, spelled otherwise.
            if key.contains(&b'\\') {
                return None;
            }
            self.blanks();
            self.takes(b':').then_some(())?;
            self.blanks();
            let under: Vec<(usize, &[&str])> = open
                .iter()
                .filter_map(|(list, path)| match path {
                    [first, rest @ ..] if first.as_bytes() == key => Some((*list, rest)),
                    _ => None,
                })
                .collect();
            match under.as_slice() {
                [] => self.value()?,
                [(list, [])] => self.list(*list)?,
                // Where it is no mapping, nothing is below it.
                deeper if self.next() == Some(b'{') => self.object(deeper)?,
                _ => self.value()?,
            }
            self.blanks();
            if self.takes(b'}') {
                return Some(());
            }
            self.takes(b',').then_some(())?;
        }
    }

    fn list(&mut self, list: usize) -> Option<()> {
        self.takes(b'[').then_some(())?;
        let from = self.at;
        let mut items = Vec::new();
        self.blanks();
        while self.next() != Some(b']') {
            if !items.is_empty() {
                self.takes(b',').then_some(())?;
                self.blanks();
            }
            let start = self.at;
            self.value()?;
            items.push(start..self.at);
            self.blanks();
        }
        let inside = from..self.at;
        self.at += 1;
        let place = self.found.get_mut(list)?;
        place.replace((inside, items)).is_none().then_some(())
    }

    /// Any value; what stands in it is not looked at.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.next()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' if depth == 0 => return None,
                _ if depth == 0 => {
                    let from = self.at;
                    while self
                        .next()
                        .is_some_and(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                    {
                        self.at += 1;
                    }
                    if self.at == from {
                        return None;
                    }
                }
                _ => self.at += 1,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::Value;

    const LISTS: [&[&str]; 2] = [&["rules"], &["candidate", "rules"]];

    fn cut(text: &str) -> Option<Cut> {
        Cut::new(Rc::new(text.as_bytes().to_vec()), &LISTS)
    }

    #[track_caller]
    fn parts(text: &str, rest: &str, first: &[&str], second: &[&str]) {
        let cut = cut(text).unwrap();
        assert_eq!(cut.rest().to_json(), rest);
        for (list, items) in [first, second].into_iter().enumerate() {
            let own = (0..cut.count(list)).map(|i| cut.item(list, i).unwrap().to_json());
            assert_eq!(own.collect::<Vec<_>>(), items);
            let whole = [b"[", cut.items(list), b"]"].concat();
            let list = format!("[{}]", items.join(","));
            assert_eq!(parse_json(&whole).unwrap().to_json(), list);
        }
    }

    #[test]
    fn lists_are_cut_out_where_they_are_meant() {
        parts(
            r#" {"a":{"rules":[1]}, "rules" : [ {"x":["]",","]} , 2,"\\\"]" ] ,"candidate":{"rules":[[3],null],"b":4}} "#,
            r#"{"a":{"rules":[1]},"rules":[],"candidate":{"rules":[],"b":4}}"#,
            &[r#"{"x":["]",","]}"#, "2", r#""\\\"]""#],
            &["[3]", "null"],
        );
        parts("{}", "{}", &[], &[]);
        parts(r#"{"candidate":5,"rules":[]}"#, r#"{"candidate":5,"rules":[]}"#, &[], &[]);
    }

    #[test]
    fn what_cannot_be_cut_is_left_to_whoever_reads_it_whole() {
        for text in [
            "",
            "[]",
            r#"{"rules":[1],"rules":[2]}"#,
            r#"{"rules":{}}"#,
            r#"{"\u0072ules":[1]}"#,
            r#"{"rules":[1,]}"#,
            r#"{"rules":[1 2]}"#,
            r#"{"rules":[,1]}"#,
            r#"{"rules":["#,
            r#"{"rules":["\"#,
            r#"{"rules":[]}x"#,
            r#"{"a":tru,"rules":[]}"#,
        ] {
            assert!(cut(text).is_none(), "{text}");
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            Just(json!(true)),
            any::<i32>().prop_map(|n| json!(n)),
            "[a\"\\\\{}\\[\\],: é\n]{0,6}".prop_map(|s| json!(s)),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|v| json!(v)),
                prop::collection::btree_map("rules|candidate|[a\"]{0,2}", inner, 0..4)
                    .prop_map(|m| json!(m)),
            ]
        })
    }

    /// Puts the items back to where they were.
    fn put_together(cut: &Cut) -> Node {
        let items = |list| (0..cut.count(list)).map(|i| cut.item(list, i).unwrap()).collect();
        let put = |node: &mut Node, list: usize| {
            if let Value::Map(entries) = &mut node.value {
                for (key, value) in entries {
                    if key.text == "rules" {
                        value.value = Value::List(items(list));
                    }
                }
            }
        };
        let mut whole = cut.rest().clone();
        put(&mut whole, 0);
        if let Value::Map(entries) = &mut whole.value {
            for (_, value) in entries.iter_mut().filter(|(key, _)| key.text == "candidate") {
                put(value, 1);
            }
        }
        whole
    }

    proptest! {
        #[test]
        fn what_is_cut_is_what_was_there(
            entries in prop::collection::btree_map("rules|candidate|[ab]", value(), 0..5),
            pretty in any::<bool>(),
        ) {
            let document = json!(entries);
            let text = if pretty {
                serde_json::to_string_pretty(&document).unwrap()
            } else {
                document.to_string()
            };
            if let Some(cut) = cut(&text) {
                prop_assert_eq!(put_together(&cut), parse_json(text.as_bytes()).unwrap());
            } else {
                let is_list = |v: Option<&serde_json::Value>| v.is_none_or(|v| v.is_array());
                let below = document.get("candidate").filter(|c| c.is_object());
                prop_assert!(
                    text.contains('\\') || !is_list(document.get("rules")) || !is_list(below.and_then(|c| c.get("rules")))
                );
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "[a\"\\\\{}\\[\\],:1 ]{0,24}", tail in any::<bool>()) {
            let text = if tail { format!("{{\"rules\":[{text}") } else { text };
            let _ = cut(&text);
        }
    }
}
