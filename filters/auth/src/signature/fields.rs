//! Structured fields (RFC 9651) as far as message signatures need them:
//! dictionaries of items and inner lists. Decimals, dates and display strings
//! are not read, and a key that stands twice is refused where the RFC would let
//! the last one win: what is signed has one reading.

mod read;

use ct_codecs::{Base64, Encoder};

pub(super) use read::{dictionary, members};

/// A value without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    Integer(i64),
    Text(String),
    Token(String),
    Bytes(Vec<u8>),
    Bool(bool),
}

/// Parameters in order.
pub(super) type Parameters = Vec<(String, Bare)>;

/// A value with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) bare: Bare,
    pub(super) parameters: Parameters,
}

/// Items in brackets, with parameters of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InnerList {
    pub(super) items: Vec<Item>,
    pub(super) parameters: Parameters,
}

/// A member of a dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Item(Item),
    List(InnerList),
}

impl Bare {
    /// Writes it in its one canonical form (RFC 9651 §4.1.3.1).
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Bare::Integer(n) => out.extend_from_slice(n.to_string().as_bytes()),
            Bare::Text(text) => {
                out.push(b'"');
                for b in text.bytes() {
                    if matches!(b, b'"' | b'\\') {
                        out.push(b'\\');
                    }
                    out.push(b);
                }
                out.push(b'"');
            }
            Bare::Token(token) => out.extend_from_slice(token.as_bytes()),
            Bare::Bytes(bytes) => write_bytes(bytes, out),
            Bare::Bool(b) => out.extend_from_slice(if *b { b"?1" } else { b"?0" }),
        }
    }
}

/// A byte sequence: base64 between colons.
pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b':');
    out.extend(Base64::encode_to_string(bytes).unwrap_or_default().bytes());
    out.push(b':');
}

impl Item {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.bare.write(out);
        write_parameters(&self.parameters, out);
    }
}

impl InnerList {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'(');
        for (i, item) in self.items.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            item.write(out);
        }
        out.push(b')');
        write_parameters(&self.parameters, out);
    }
}

impl Member {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Member::Item(item) => item.write(out),
            Member::List(list) => list.write(out),
        }
    }
}

fn write_parameters(parameters: &Parameters, out: &mut Vec<u8>) {
    for (key, value) in parameters {
        out.push(b';');
        out.extend_from_slice(key.as_bytes());
        if *value != Bare::Bool(true) {
            out.push(b'=');
            value.write(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(text: &[u8]) -> Option<Vec<u8>> {
        let members = dictionary(text)?;
        let mut out = Vec::new();
        for (i, (key, member)) in members.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(key.as_bytes());
            match member {
                Member::Item(Item { bare: Bare::Bool(true), parameters }) => {
                    write_parameters(parameters, &mut out);
                }
                member => {
                    out.push(b'=');
                    member.write(&mut out);
                }
            }
        }
        Some(out)
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = again(text.as_bytes()).map(|out| String::from_utf8(out).unwrap());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn what_is_read_is_written_in_one_form() {
        check("", Some(""));
        check("  a=1  ", Some("a=1"));
        check("a=( \"x\"  \"y\";k ); b=007,c", Some("a=(\"x\" \"y\";k);b=7, c"));
        check("a=-0;b=?0;c=?1;d", Some("a=0;b=?0;c;d"));
        check("a=\"q\\\"\\\\\",b=tok/en:*,c=:AQI=:", Some("a=\"q\\\"\\\\\", b=tok/en:*, c=:AQI=:"));
        check("a=?1", Some("a"));
    }

    #[test]
    fn what_has_no_or_two_readings_is_refused() {
        for bad in [
            "A=1",
            "a=",
            "a=1,",
            ",a",
            "a=1 b=2",
            "a=(",
            "a=(1",
            "a=(1)2",
            "a=(1\t2)",
            "a=(\"x\"\"y\")",
            "a=\"",
            "a=\"\\n\"",
            "a=\"\u{e9}\"",
            "a=\"\n\"",
            "a=:AQI:",
            "a=:AQ==",
            "a=:A Q=:",
            "a=:AQJ=:",
            "a=?2",
            "a=?",
            "a=?10",
            "a=1.5",
            "a=@1",
            "a=%\"x\"",
            "a=1234567890123456",
            "a=-",
            "a=1,a=2",
            "a;b;b",
            "a=();b=1;b=2",
            "a ;b",
            "\ta=1",
        ] {
            check(bad, None);
        }
    }

    fn near() -> impl Strategy<Value = Vec<u8>> {
        let pieces = [
            "sig1",
            "a",
            "=",
            "(",
            ")",
            "\"@method\"",
            "\"x\"",
            ";",
            "created",
            "1618884473",
            " ",
            ",",
            ", ",
            ":",
            "AQI=",
            ":AQI=:",
            "?1",
            "?0",
            "-",
            "\\",
            "\"",
            ";bs",
            ";key=\"a\"",
            "*t",
            "\t",
        ];
        let piece = prop_oneof![
            6 => prop::sample::select(pieces.map(|p| p.as_bytes().to_vec()).to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        /// An independent parser reads the same, and writes the same. It takes
        /// more than this one does.
        #[test]
        fn agrees_with_another_parser(text in near()) {
            if let Some(written) = again(&text) {
                let theirs = sfv::Parser::new(&text).parse::<sfv::Dictionary>();
                prop_assert!(theirs.is_ok(), "{}", String::from_utf8_lossy(&text));
                let theirs = sfv::FieldType::serialize(&theirs.unwrap()).unwrap_or_default();
                prop_assert_eq!(&written, theirs.as_bytes());
                prop_assert_eq!(again(&written), Some(written));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = dictionary(&text);
        }
    }
}
