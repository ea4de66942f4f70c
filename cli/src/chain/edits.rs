//! Edits of messages, applied as the shell applies them.

use postern_core::{HeaderEdit, grammar};

use super::{HeaderList, Message};

/// Applies edits in order. One outside the grammar is left out, and the answer
/// is `false`.
pub(super) fn edit(headers: &mut HeaderList, edits: &[HeaderEdit]) -> bool {
    let mut good = true;
    for edit in edits {
        let writable = match edit {
            HeaderEdit::Set(name, value) | HeaderEdit::Append(name, value) => {
                grammar::may_write(name, value)
            }
            HeaderEdit::Remove(name) => grammar::is_header_name(name),
        };
        if !writable {
            good = false;
            continue;
        }
        match edit {
            HeaderEdit::Set(name, value) => {
                let first = headers.iter().position(|(n, _)| n == name);
                match first.and_then(|at| headers.get_mut(at)) {
                    Some(entry) => entry.1.clone_from(value),
                    None => headers.push((name.to_string(), value.clone())),
                }
                let mut kept = false;
                headers.retain(|(n, _)| n != name || !std::mem::replace(&mut kept, true));
            }
            HeaderEdit::Append(name, value) => headers.push((name.to_string(), value.clone())),
            HeaderEdit::Remove(name) => headers.retain(|(n, _)| n != name),
        }
    }
    good
}

/// Puts a body in place of another, `content-length` with it.
pub(super) fn replace_body(message: &mut Message, body: Vec<u8>) {
    let length = HeaderEdit::set("content-length", body.len().to_string());
    edit(&mut message.headers, &[length]);
    message.body = Some(body);
}
