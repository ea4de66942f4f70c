//! What a rule on trial would have changed, written so that equal changes are equal.

use postern_core::HeaderEdit;

/// Headers that hold credentials or tokens.
const SECRET: [&str; 5] =
    ["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"];

/// What edits change in headers, a line for each. Of credentials the name alone: those of
/// two callers are the same change. `key`: the header that the rule puts one into.
pub(super) fn difference(
    edits: &[HeaderEdit],
    key: Option<&str>,
    has: impl Fn(&str) -> Vec<Vec<u8>>,
) -> Vec<u8> {
    let mut out = Vec::new();
    for edit in edits {
        let before = has(edit.name());
        let value: &[u8] = match edit {
            HeaderEdit::Set(_, value) if before.as_slice() == [value.as_slice()] => continue,
            HeaderEdit::Remove(_) if before.is_empty() => continue,
            HeaderEdit::Remove(_) => b"",
            HeaderEdit::Set(_, value) | HeaderEdit::Append(_, value) => value,
        };
        let sign: &[u8] = match edit {
            HeaderEdit::Set(..) => b"=",
            HeaderEdit::Append(..) => b"+",
            HeaderEdit::Remove(_) => b"-",
        };
        let is_secret = SECRET.contains(&edit.name()) || key == Some(edit.name());
        for part in [edit.name().as_bytes(), sign, if is_secret { b"" } else { value }, b"\n"] {
            out.extend_from_slice(part);
        }
    }
    out
}

/// Adds another body to a difference.
pub(super) fn push_body(found: &mut Vec<u8>, new: Option<Vec<u8>>) {
    if let Some(new) = new {
        found.extend_from_slice(b"\nbody\n");
        found.extend(new);
    }
}
