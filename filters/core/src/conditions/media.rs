//! Content types.

use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, decode_text};
use crate::grammar;
use crate::headers::Headers;
use crate::truth::Truth;

/// A content type without parameters, `application/json`, or all of one kind,
/// `image/*`; in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRange {
    kind: String,
    /// `None`: all of them.
    subtype: Option<String>,
}

const EXPECTED: &str = "a content type such as `application/json` or `image/*`";

impl MediaRange {
    /// Does it contain all of another?
    #[must_use]
    pub fn covers(&self, other: &MediaRange) -> bool {
        self.kind == other.kind && (self.subtype.is_none() || self.subtype == other.subtype)
    }

    /// Is the content type among these? Without one it is not. More than one,
    /// or one that cannot be read, cannot be told: servers differ on it.
    #[must_use]
    pub fn among(ranges: &[MediaRange], headers: &Headers<'_>) -> Truth {
        let mut values = headers.all("content-type");
        let Some(value) = values.next() else { return Truth::No };
        if values.next().is_some() {
            return Truth::Unknown;
        }
        let Some((kind, subtype)) = read(value) else { return Truth::Unknown };
        let is = |range: &MediaRange| {
            range.kind.eq_ignore_ascii_case(kind)
                && range.subtype.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(subtype))
        };
        ranges.iter().any(is).into()
    }
}

/// Kind and subtype (RFC 9110 §8.3.1), the parameters left out. The proxy makes one
/// value, with a comma, of two headers.
fn read(value: &[u8]) -> Option<(&str, &str)> {
    if !is_one(value) {
        return None;
    }
    let essence = std::str::from_utf8(value).ok()?.split(';').next()?;
    let (kind, subtype) = essence.trim_matches([' ', '\t']).split_once('/')?;
    (is_token(kind) && is_token(subtype)).then_some((kind, subtype))
}

/// Is there no comma outside quotes, and does each quote end?
fn is_one(value: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for b in value {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return false,
            _ => {}
        }
    }
    !quoted
}

fn is_token(text: &str) -> bool {
    // A method is a token too, but shorter.
    !text.is_empty() && text.len() <= 127 && text.as_bytes().chunks(32).all(grammar::is_method)
}

impl Decode for MediaRange {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, EXPECTED, |text| {
            let lower = text.to_ascii_lowercase();
            match lower.split_once('/') {
                Some((kind, subtype)) if is_token(kind) && is_token(subtype) && kind != "*" => {
                    let subtype = (subtype != "*").then(|| subtype.to_owned());
                    Ok(MediaRange { kind: kind.to_owned(), subtype })
                }
                _ => Err(format!("expected {EXPECTED}")),
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: EXPECTED, pattern: Some("^[^/;, ]+/[^/;, ]+$") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{decode, parse_json};

    #[test]
    fn parameters_and_case_do_not_matter() {
        let ranges: Vec<MediaRange> =
            decode(&parse_json(br#"["Application/JSON", "image/*"]"#).unwrap()).unwrap();
        let among = |values: &[&str]| {
            let headers = Headers::new(values.iter().map(|v| ("content-type", *v)));
            MediaRange::among(&ranges, &headers)
        };
        for yes in ["application/json", "APPLICATION/json ; charset=utf-8", "image/png"] {
            assert_eq!(among(&[yes]), Truth::Yes, "{yes}");
        }
        for no in ["application/jsonp", "text/plain", "application/x;a=application/json"] {
            assert_eq!(among(&[no]), Truth::No, "{no}");
        }
        assert_eq!(among(&[]), Truth::No);
        for yes in [r#"application/json; a=",""#, r#"application/json; a="\",""#] {
            assert_eq!(among(&[yes]), Truth::Yes, "{yes}");
        }
        for unknown in [
            "",
            "json",
            "application/json, text/plain",
            "application/json;a=b,text/plain",
            "application/json;,text/plain",
            "application/json; a=\",text/plain",
            r#"application/json; a="\",text/plain"#,
            "a/b/c",
            "/json",
            "a/é",
        ] {
            assert_eq!(among(&[unknown]), Truth::Unknown, "{unknown}");
        }
        assert_eq!(among(&["application/json", "application/json"]), Truth::Unknown);
    }
}
