//! JSON in the form that an old client reads: in ASCII or Latin-1, as a script, a form
//! or XML.

use postern_core::config::Errors;

use crate::form;
use crate::json::{Document, Kind, Value};
use crate::place::Located;
use crate::policy::{Charset, OutputPolicy};

/// Another form of a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Json,
    /// A call of the function that the client names in this parameter.
    Jsonp(String),
    /// `application/x-www-form-urlencoded`
    Form,
    /// The root's name, and that of items of lists.
    Xml {
        root: String,
        item: String,
    },
}

/// The most that XML may be nested: readers of it have limits of their own.
const DEEPEST: usize = 64;

impl Output {
    /// Compiles it.
    pub(crate) fn compile(policy: Option<&Located<OutputPolicy>>, errors: &mut Errors) -> Self {
        let Some(policy) = policy else { return Output::Json };
        match &policy.value {
            OutputPolicy::Jsonp(jsonp) => Output::Jsonp(jsonp.query.as_str().to_owned()),
            OutputPolicy::Form(_) => Output::Form,
            OutputPolicy::Xml(xml) => {
                for name in [&xml.root, &xml.item].into_iter().filter(|n| !is_element(n.as_str())) {
                    let name = name.as_str().escape_debug();
                    policy.error(
                        errors,
                        format!(
                            "`{name}` is no name of an element: letters, digits, `_`, `-` and `.`"
                        ),
                    );
                }
                let own = |name: &postern_core::config::Text| name.as_str().to_owned();
                Output::Xml { root: own(&xml.root), item: own(&xml.item) }
            }
        }
    }

    /// Its content type, where the policy names none.
    pub(crate) fn content_type(&self, charset: Charset) -> Option<String> {
        let named = match self {
            Output::Json if charset == Charset::Utf8 => return None,
            Output::Json => "application/json",
            Output::Jsonp(_) => "application/javascript",
            Output::Form => return Some("application/x-www-form-urlencoded".to_owned()),
            Output::Xml { .. } => "application/xml",
        };
        let charset = match charset {
            Charset::Utf8 => "utf-8",
            Charset::Latin1 => "iso-8859-1",
            Charset::Ascii => "us-ascii",
        };
        Some(format!("{named}; charset={charset}"))
    }

    /// The bytes. `callback`: what the client names in a parameter. `None`: this form
    /// cannot hold it.
    pub(crate) fn write<'c>(
        &self,
        json: String,
        charset: Charset,
        callback: impl Fn(&str) -> Option<&'c str>,
        limit: usize,
    ) -> Option<Vec<u8>> {
        let out = match self {
            Output::Json => json,
            Output::Jsonp(parameter) => match callback(parameter) {
                Some(name) if is_callback(name) => {
                    // What begins with a comment is nothing else than a script; two
                    // separators end lines in older scripts.
                    let json = json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
                    format!("/**/{name}({json});")
                }
                Some(_) => return None,
                None => json,
            },
            Output::Form => return form::of_json(&Document::read(json.as_bytes()).ok()?),
            Output::Xml { root, item } => {
                let document = Document::read(json.as_bytes()).ok()?;
                let encoding = match charset {
                    Charset::Utf8 => "UTF-8",
                    Charset::Latin1 => "ISO-8859-1",
                    Charset::Ascii => "US-ASCII",
                };
                let out = format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>\n");
                let mut xml = Xml { document: &document, item, out, limit };
                xml.element(root, document.root(), 0)?;
                xml.out
            }
        };
        let most = match charset {
            Charset::Utf8 => return Some(out.into_bytes()),
            Charset::Latin1 => '\u{ff}',
            Charset::Ascii => '\u{7f}',
        };
        let mut bytes = Vec::with_capacity(out.len());
        for c in out.chars() {
            if c <= most {
                bytes.push(u8::try_from(u32::from(c)).ok()?);
            } else if matches!(self, Output::Xml { .. }) {
                bytes.extend_from_slice(format!("&#{};", u32::from(c)).as_bytes());
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    bytes.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            }
        }
        Some(bytes)
    }
}

/// Is this the name of a function, perhaps in objects: letters, digits, `_` and `$`,
/// parted by dots? Anything else would be code of whoever made the link.
pub(crate) fn is_callback(name: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$');
    name.len() <= 128
        && name.split('.').all(|part| {
            part.bytes().next().is_some_and(first)
                && part.bytes().all(|b| first(b) || b.is_ascii_digit())
        })
}

/// Is this a name of an element that needs no escaping?
pub(crate) fn is_element(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        && !name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("xml"))
}

struct Xml<'x> {
    document: &'x Document<'x>,
    item: &'x str,
    out: String,
    limit: usize,
}

impl Xml<'_> {
    /// An element: a member's name, or the one of items. A name that XML does not have
    /// stands in an attribute.
    fn element(&mut self, name: &str, value: &Value, depth: usize) -> Option<()> {
        if depth > DEEPEST || self.out.len() > self.limit {
            return None;
        }
        let own = is_element(name);
        let tag = if own { name } else { self.item };
        self.out.push('<');
        self.out.push_str(tag);
        if !own {
            self.out.push_str(" name=\"");
            self.text(name)?;
            self.out.push('"');
        }
        let nil = match &value.kind {
            Kind::Null => true,
            Kind::List(items) => items.is_empty(),
            Kind::Object(members) => members.is_empty(),
            Kind::Text => self.document.text(value).is_empty(),
            Kind::Bool | Kind::Number => false,
        };
        if nil {
            self.out.push_str("/>");
            return Some(());
        }
        self.out.push('>');
        let deeper = depth.saturating_add(1);
        match &value.kind {
            Kind::List(items) => {
                let item = self.item;
                items.iter().try_for_each(|value| self.element(item, value, deeper))?;
            }
            Kind::Object(members) => {
                let document = self.document;
                members
                    .iter()
                    .try_for_each(|(key, value)| self.element(&document.key(key), value, deeper))?;
            }
            Kind::Text => {
                let text = self.document.text(value);
                self.text(&text)?;
            }
            Kind::Null | Kind::Bool | Kind::Number => {
                let raw = self.document.raw(value);
                self.out.push_str(raw);
            }
        }
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
        Some(())
    }

    /// Text (XML 1.0 §2.2). `None`: a character that XML cannot hold.
    fn text(&mut self, text: &str) -> Option<()> {
        for c in text.chars() {
            match c {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                '"' => self.out.push_str("&quot;"),
                // A reader makes a blank or a line end of it.
                '\t' | '\n' | '\r' => {
                    self.out.push_str(&format!("&#{};", u32::from(c)));
                }
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => return None,
                c => self.out.push(c),
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn written(output: &Output, charset: Charset, json: &str, callback: Option<&str>) -> String {
        let bytes = output.write(json.to_owned(), charset, |_| callback, 10_000);
        bytes.map_or("-".to_owned(), |b| b.iter().map(|b| char::from(*b)).collect())
    }

    fn xml() -> Output {
        Output::Xml { root: "user".into(), item: "item".into() }
    }

    #[test]
    fn scripts() {
        let jsonp = Output::Jsonp("callback".into());
        let script = |json: &str, name| written(&jsonp, Charset::Ascii, json, name);
        assert_eq!(script("{\"a\":1.0}", Some("jQuery1.cb_$")), "/**/jQuery1.cb_$({\"a\":1.0});");
        assert_eq!(
            script("\"\u{2028}é😀\"", Some("f")),
            "/**/f(\"\\u2028\\u00e9\\ud83d\\ude00\");"
        );
        assert_eq!(script("[ 1 ]", None), "[ 1 ]");
        for bad in ["", "a()", "a b", "a.", ".a", "1a", "a-b", "alert(1)//", "é", "a;b", "a[0]"] {
            assert_eq!(script("1", Some(bad)), "-", "{bad}");
        }
        assert!(is_callback(&"a".repeat(128)) && !is_callback(&"a".repeat(129)));
    }

    #[test]
    fn characters() {
        let json = "\"aé€😀\"";
        assert_eq!(
            written(&Output::Json, Charset::Ascii, json, None),
            "\"a\\u00e9\\u20ac\\ud83d\\ude00\""
        );
        assert_eq!(
            written(&Output::Json, Charset::Latin1, json, None),
            "\"aé\\u20ac\\ud83d\\ude00\""
        );
        assert_eq!(
            written(&xml(), Charset::Latin1, json, None),
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<user>aé&#8364;&#128512;</user>"
        );
        let types = [Output::Json, Output::Jsonp(String::new()), Output::Form, xml()]
            .map(|output| output.content_type(Charset::Latin1).unwrap());
        assert_eq!(
            types,
            [
                "application/json; charset=iso-8859-1",
                "application/javascript; charset=iso-8859-1",
                "application/x-www-form-urlencoded",
                "application/xml; charset=iso-8859-1",
            ]
        );
        assert_eq!(Output::Json.content_type(Charset::Utf8), None);
    }

    #[test]
    fn elements() {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        for (json, expected) in [
            ("{}", "<user/>"),
            ("null", "<user/>"),
            (
                r#"{"a":1.50,"b":[true,""],"c":null}"#,
                "<user><a>1.50</a><b><item>true</item><item/></b><c/></user>",
            ),
            (
                r#"{"a b":"<&\">\n","xmlns":1,"1":2}"#,
                "<user><item name=\"a b\">&lt;&amp;&quot;&gt;&#10;</item><item name=\"xmlns\">1</item><item name=\"1\">2</item></user>",
            ),
            (r#"{"\"<":1}"#, "<user><item name=\"&quot;&lt;\">1</item></user>"),
        ] {
            assert_eq!(
                written(&xml(), Charset::Utf8, json, None),
                format!("{head}{expected}"),
                "{json}"
            );
        }
        assert_eq!(written(&xml(), Charset::Utf8, "\"\\u0000\"", None), "-");
        let deep = |n| "[".repeat(n) + "1" + &"]".repeat(n);
        assert!(written(&xml(), Charset::Utf8, &deep(64), None).ends_with("</user>"));
        assert_eq!(written(&xml(), Charset::Utf8, &deep(65), None), "-");
        let long = format!("[{}]", vec!["1"; 2_000].join(","));
        assert_eq!(written(&xml(), Charset::Utf8, &long, None), "-", "over the limit");
    }

    proptest! {
        #[test]
        fn json_in_ascii_says_the_same(text in "\\PC{0,12}") {
            let json = serde_json::to_string(&text).unwrap();
            let ascii = written(&Output::Json, Charset::Ascii, &json, None);
            prop_assert!(ascii.is_ascii());
            prop_assert_eq!(serde_json::from_str::<String>(&ascii).unwrap(), text);
        }

        #[test]
        fn a_callback_is_one_call_of_a_name(name in "[a-z$_.(;/'\"\\\\ <0-9é-]{0,8}") {
            if is_callback(&name) {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '_' | '.');
                prop_assert!(name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()));
            }
        }

        #[test]
        fn text_in_xml_ends_where_it_should(text in "[<>&\"'a-c\\]é]{0,12}") {
            let json = serde_json::to_string(&text).unwrap();
            let xml = written(&xml(), Charset::Utf8, &json, None);
            let inner = xml.split_once("\n<user").unwrap().1;
            prop_assert!(!inner.trim_end_matches("</user>").trim_end_matches("/>").contains(['<', '"']));
        }
    }
}
