//! Header edits: fixed ones, and those that depend on what came.

use postern_core::HeaderEdit;
use postern_core::config::Errors;
use postern_core::grammar;
use postern_core::rules::HeaderName;

use crate::place::{Located, Ordered};

/// Compiled edits, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct HeaderEdits(Vec<Edit>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Edit {
    Fixed(HeaderEdit),
    /// All values, from one name to another; the first may stay.
    Move {
        from: String,
        to: String,
        keep: bool,
    },
    /// If the header is not there.
    Default(String, Vec<u8>),
}

impl HeaderEdits {
    /// Adds a fixed one.
    pub(crate) fn push(&mut self, edit: HeaderEdit) {
        self.0.push(Edit::Fixed(edit));
    }

    /// Adds a value for a header that is not there.
    pub(crate) fn fallback(&mut self, name: String, value: Vec<u8>) {
        self.0.push(Edit::Default(name, value));
    }

    /// Adds other names of headers.
    pub(crate) fn moves(
        &mut self,
        list: &Ordered<Located<HeaderName>>,
        keep: bool,
        errors: &mut Errors,
    ) {
        for (from, to) in checked_names(list, |v, e, m| v.error(e, m), errors) {
            let name = to.value.as_str();
            if FRAMING.contains(&name) {
                to.error(errors, format!("`{name}` is written by the proxy alone"));
            } else if name == from {
                to.error(errors, "expected another name than the header has");
            } else {
                self.0.push(Edit::Move { from, to: name.to_owned(), keep });
            }
        }
    }

    /// Puts others before these.
    pub(crate) fn put_before(&mut self, others: &HeaderEdits) {
        self.0.splice(0..0, others.0.iter().cloned());
    }

    /// Those of an answer that has no header of its own.
    pub(crate) fn fixed(&self) -> Vec<HeaderEdit> {
        self.of(std::iter::empty::<(&str, &[u8])>)
    }

    /// The names that are copied or renamed.
    pub(crate) fn moved(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|edit| match edit {
            Edit::Move { from, .. } => Some(from.as_str()),
            Edit::Fixed(_) | Edit::Default(..) => None,
        })
    }

    /// The edits of a message with these headers.
    pub(crate) fn of<'h, V: AsRef<[u8]>, I: Iterator<Item = (&'h str, V)>>(
        &self,
        headers: impl Fn() -> I,
    ) -> Vec<HeaderEdit> {
        let mut out = Vec::with_capacity(self.0.len());
        for edit in &self.0 {
            match edit {
                Edit::Fixed(edit) => out.push(edit.clone()),
                Edit::Default(name, value) => {
                    if !headers().any(|(own, _)| own == name) {
                        out.push(HeaderEdit::set(name.clone(), value.clone()));
                    }
                }
                Edit::Move { from, to, keep } => {
                    let mut first = true;
                    for (_, value) in headers().filter(|(own, _)| own == from) {
                        let (name, value) = (to.clone(), value.as_ref().to_vec());
                        out.push(match std::mem::take(&mut first) {
                            true => HeaderEdit::set(name, value),
                            false => HeaderEdit::append(name, value),
                        });
                    }
                    if !first && !keep {
                        out.push(HeaderEdit::remove(from.clone()));
                    }
                }
            }
        }
        out
    }
}

const FRAMING: [&str; 5] = ["content-length", "transfer-encoding", "connection", "host", "upgrade"];

/// The entries of a mapping whose names may be written, in lower case.
pub(crate) fn checked_names<'p, T>(
    set: &'p Ordered<T>,
    error: impl Fn(&T, &mut Errors, String),
    errors: &mut Errors,
) -> Vec<(String, &'p T)> {
    let mut out: Vec<(String, &T)> = Vec::new();
    for (key, value) in &set.0 {
        let name = key.text.to_ascii_lowercase();
        if !grammar::is_header_name(&name) {
            error(value, errors, "expected a header name (RFC 9110 token) as the key".to_owned());
        } else if FRAMING.contains(&name.as_str()) {
            error(value, errors, format!("`{name}` is written by the proxy alone"));
        } else if out.iter().any(|(n, _)| *n == name) {
            error(value, errors, format!("the header `{name}` is set twice"));
        } else {
            out.push((name, value));
        }
    }
    out
}
