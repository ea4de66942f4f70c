//! Headers for the upstream that are made from claims.

use std::collections::BTreeMap;

use ct_codecs::{Base64UrlSafeNoPadding, Encoder};
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Value, decode_text};
use postern_core::grammar;
use postern_core::json::Json;

use crate::claim_path::ClaimPath;
use crate::mapping::exact;
use crate::reason::Reason;

/// The longest value in bytes, as it goes out.
const MAX_BYTES: usize = 1024;
/// The identity's own headers (see [`crate::identity_headers`]).
const OWN: &[&str] = &["subject", "client", "scopes", "credential"];

postern_core::config! {
    /// A header for the upstream that is made from a claim. Texts, numbers and
    /// booleans are written as they are; a list of them is joined. A token is
    /// refused if the claim holds a number beyond 64 bits. A client
    /// cannot send it: headers that begin with `x-postern-` are removed on
    /// every route. Nothing is sent for a claim that is missing, `null` or
    /// empty, and for a value that is longer than 1024 bytes.
    pub struct ClaimHeader {
        /// Its name: `x-postern-` and lower-case letters, digits and `-`.
        name: ClaimHeaderName,
        /// The claim: a name, `outer.inner`, or a list of names, one inside
        /// the other. A name with `://` in it is one name, dots and all.
        claim: ClaimPath,
        /// What is done with values that do not fit into a header.
        encoding: Encoding = Encoding::Plain,
        /// What stands between the items of a list.
        separator: Separator = Separator::Comma,
    }

    /// How a value is written.
    pub choice Encoding {
        /// As it is. Where it does not fit (a control character, a blank at an
        /// end, an object, an item of a list with the separator in it), the
        /// header is left out.
        Plain = "plain",
        /// With `%` and two hexadecimal digits for each byte of UTF-8 that is
        /// not a visible character of ASCII, for `%`, and inside a list for
        /// the separator. An object is written as JSON.
        Percent = "percent",
        /// As base64url without padding (RFC 4648 §5), always; of a list each
        /// item. An object is written as JSON.
        Base64url = "base64url",
    }

    /// What stands between items.
    pub choice Separator {
        /// A comma.
        Comma = ",",
        /// A blank.
        Blank = " ",
        /// A semicolon.
        Semicolon = ";",
        /// A bar.
        Bar = "|",
    }
}

/// The name of a header that is made from a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimHeaderName(String);

impl Decode for ClaimHeaderName {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "`x-postern-` and 1 to 64 lower-case letters, digits or `-`, such as `x-postern-tenant`";
        decode_text(at, errors, EXPECTED, |text| {
            let rest = text.strip_prefix("x-postern-").unwrap_or_default();
            let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if !(1..=64).contains(&rest.len()) || !rest.bytes().all(good) {
                Err(format!("expected {EXPECTED}"))
            } else if OWN.contains(&rest) {
                Err("this header tells what `identity` says".to_owned())
            } else {
                Ok(ClaimHeaderName(text.to_owned()))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "`x-postern-` and 1 to 64 lower-case letters, digits or `-`, such as `x-postern-tenant`",
            pattern: Some("^x-postern-[a-z0-9-]{1,64}$"),
        }
    }
}

/// Notes names that stand twice; `at` is the list's place.
pub(crate) fn check(headers: &[ClaimHeader], at: At<'_>, errors: &mut Errors) {
    let Value::List(nodes) = &at.node().value else { return };
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, (header, node)) in headers.iter().zip(nodes).enumerate() {
        if let Some(first) = names.insert(&header.name.0, i)
            && let Some(name) = node.get("name")
        {
            let at = at.index(i, node);
            at.key("name", name)
                .error(errors, format!("the header at `headers[{first}]` has the same name"));
        }
    }
}

/// Names and values of the headers that these claims make.
pub(crate) fn of(
    list: &[ClaimHeader],
    claims: &Json<'_>,
) -> Result<Vec<(String, Vec<u8>)>, Reason> {
    let found = list.iter().filter_map(|header| Some((header, header.claim.find(claims)?)));
    let made = found.map(|(header, claim)| Ok(header.made(exact(claim)?)));
    made.filter_map(Result::transpose).collect()
}

impl ClaimHeader {
    /// Name and value, if this claim makes one.
    fn made(&self, claim: &Json<'_>) -> Option<(String, Vec<u8>)> {
        let value = match claim {
            Json::List(items) => {
                let items: Option<Vec<String>> =
                    items.iter().map(|item| self.write(item, true)).collect();
                items?.join(self.separator.text())
            }
            value => self.write(value, false)?,
        };
        let fits =
            (1..=MAX_BYTES).contains(&value.len()) && grammar::is_header_value(value.as_bytes());
        fits.then(|| (self.name.0.clone(), value.into_bytes()))
    }

    fn write(&self, value: &Json<'_>, in_list: bool) -> Option<String> {
        let text = match value {
            Json::Text(text) => text.clone().into_owned(),
            Json::Bool(boolean) => boolean.to_string(),
            Json::Int(number) => number.to_string(),
            Json::Large(number) => number.to_string(),
            Json::Float(number) => (*number).to_owned(),
            Json::Null | Json::List(_) | Json::Object(_) if self.encoding == Encoding::Plain => {
                return None;
            }
            Json::Null | Json::List(_) | Json::Object(_) => value.to_json(),
        };
        let separator = self.separator.text();
        match self.encoding {
            // Controls of Unicode, too: what reads the header may heed them.
            Encoding::Plain if text.chars().any(char::is_control) => None,
            Encoding::Plain if in_list && (text.contains(separator) || text.is_empty()) => None,
            Encoding::Plain => Some(text),
            Encoding::Percent => {
                let plain = |b: u8| {
                    b.is_ascii_graphic() && b != b'%' && !(in_list && separator.as_bytes() == [b])
                };
                let mut out = String::with_capacity(text.len());
                for b in text.bytes() {
                    if plain(b) {
                        out.push(char::from(b));
                    } else {
                        out.push_str(&format!("%{b:02X}"));
                    }
                }
                Some(out)
            }
            Encoding::Base64url => Base64UrlSafeNoPadding::encode_to_string(text).ok(),
        }
    }
}

impl Separator {
    fn text(self) -> &'static str {
        match self {
            Separator::Comma => ",",
            Separator::Blank => " ",
            Separator::Semicolon => ";",
            Separator::Bar => "|",
        }
    }
}
