//! What is not shown of a request: credentials, wherever the policies have them
//! stand.

use postern_core::filter::CredentialPlace;
use postern_core::target::decode_form;

/// Headers whose values are credentials whatever the policies say.
const ALWAYS: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];

/// Those that hold a path with a query.
const PATHS: [&str; 3] = [":path", "referer", "location"];

const MASK: &str = "***";

/// The places whose values are not shown.
#[derive(Debug)]
pub(super) struct Hidden {
    headers: Vec<String>,
    query: Vec<String>,
}

impl Hidden {
    pub(super) fn new(places: Vec<CredentialPlace>) -> Self {
        let mut hidden = Hidden { headers: ALWAYS.map(str::to_owned).to_vec(), query: Vec::new() };
        for place in places {
            match place {
                CredentialPlace::Header(name) => hidden.headers.push(name),
                CredentialPlace::Query(name) => hidden.query.push(name),
            }
        }
        hidden
    }

    /// A header's value as it may be shown: of credentials the scheme alone.
    pub(super) fn value(&self, name: &str, value: &[u8]) -> String {
        if self.headers.iter().any(|own| own == name) {
            return match value.iter().position(|b| *b == b' ') {
                Some(blank) if name.ends_with("authorization") => {
                    format!("{} {MASK}", printable(value.get(..blank).unwrap_or_default()))
                }
                _ => MASK.to_owned(),
            };
        }
        if PATHS.contains(&name) { self.path(value) } else { printable(value) }
    }

    fn path(&self, path: &[u8]) -> String {
        let (path, query) = split_once(path, b'?');
        let Some(query) = query else { return printable(path) };
        let shown = |pair: &[u8]| match split_once(pair, b'=') {
            (name, Some(_)) if self.is_secret(name) => format!("{}={MASK}", printable(name)),
            _ => printable(pair),
        };
        let pairs: Vec<String> = query.split(|b| *b == b'&').map(shown).collect();
        format!("{}?{}", printable(path), pairs.join("&"))
    }

    fn is_secret(&self, name: &[u8]) -> bool {
        self.query.iter().any(|own| decode_form(name) == own.as_bytes())
    }
}

/// What stands before the first such byte, and behind it.
fn split_once(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    let mut parts = bytes.splitn(2, |b| *b == at);
    (parts.next().unwrap_or_default(), parts.next())
}

/// Nothing that came from outside may steer a terminal.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_policies_name_is_hidden() {
        let hidden = Hidden::new(vec![
            CredentialPlace::Header("x-token".to_owned()),
            CredentialPlace::Query("key of mine".to_owned()),
        ]);
        for (name, value, expected) in [
            ("x-token", "Key sekret", "***"),
            ("x-tokens", "a b", "a b"),
            ("authorization", "Bearer sekret", "Bearer ***"),
            ("authorization", "sekret", "***"),
            ("x-api-key", "sekret", "***"),
            ("cookie", "a=sekret", "***"),
            (":path", "/a?x=1&key+of%20mine=sekret&y", "/a?x=1&key+of%20mine=***&y"),
            (":path", "/a?key of mine", "/a?key of mine"),
            ("referer", "https://a/b?key+of+mine=sekret", "https://a/b?key+of+mine=***"),
            ("x-path", "/a?key+of+mine=1\u{1b}", "/a?key+of+mine=1\u{fffd}"),
            (":path", "/a", "/a"),
        ] {
            assert_eq!(hidden.value(name, value.as_bytes()), expected, "{name}: {value}");
        }
    }
}
