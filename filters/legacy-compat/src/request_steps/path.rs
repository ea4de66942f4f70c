//! The path and query that the upstream gets.

use postern_core::config::Text;
use postern_core::grammar;
use postern_core::step::HeaderEdit;
use postern_core::target::{Target, decode_form, query_pairs};

use super::{Others, Unwritable};
use crate::pattern::{Filled, Pattern};
use crate::source::{Found, push_percent};

impl Others {
    /// Another path.
    pub(super) fn path(
        &self,
        path: &Pattern,
        target: &Target<'_>,
        found: &[Option<Found>],
    ) -> Result<Vec<u8>, Unwritable> {
        let mut out = Vec::with_capacity(96);
        for part in path.fill(found).ok_or(Unwritable::Path)? {
            match part {
                Filled::Literal(text) => push_escaped(&mut out, text.as_bytes(), b"?"),
                Filled::Found(found) => push_escaped(&mut out, &found.for_path(), b"?"),
            }
        }
        // A part may have made a dot segment.
        let checked = Target::parse(Some(&out)).map_err(|_| Unwritable::Path)?;
        if checked.is_changed() || checked.is_asterisk() {
            return Err(Unwritable::Path);
        }
        let mut mark = b'?';
        for (name, pattern) in &self.query {
            let Some(parts) = pattern.fill(found) else { continue };
            push_name(&mut out, &mut mark, name);
            push_parts(&mut out, &parts);
        }
        for pair in target.query().unwrap_or_default().split(|b| *b == b'&') {
            let Some((name, _)) = query_pairs(pair).next() else { continue };
            let decoded = decode_form(name);
            let named = |k: &Text| k.as_str().as_bytes() == decoded.as_ref();
            let dropped = |d: &String| d.as_bytes() == decoded.as_ref();
            if self.keep_query.iter().any(named) && !self.drop_query.iter().any(dropped) {
                out.push(std::mem::replace(&mut mark, b'&'));
                push_escaped(&mut out, pair, b"");
            }
        }
        if grammar::is_path(&out) { Ok(out) } else { Err(Unwritable::Path) }
    }

    /// The same path with another query, if that changes.
    pub(super) fn same_path(
        &self,
        target: &Target<'_>,
        found: &[Option<Found>],
    ) -> Result<Option<HeaderEdit>, Unwritable> {
        let set = self.query.iter().filter_map(|(name, p)| Some((name, p.fill(found)?)));
        let set: Vec<_> = set.collect();
        let drops = !self.drop_query.is_empty() && target.query().is_some();
        if set.is_empty() && !drops {
            return Ok(None);
        }
        let names: Vec<&str> =
            self.drop_query.iter().chain(set.iter().map(|(n, _)| *n)).map(String::as_str).collect();
        let mut out = target.canonical_without(&names);
        let mut mark = if out.contains(&b'?') { b'&' } else { b'?' };
        for (name, parts) in &set {
            push_name(&mut out, &mut mark, name);
            push_parts(&mut out, parts);
        }
        if !grammar::is_path(&out) {
            return Err(Unwritable::Path);
        }
        Ok((out != target.canonical()).then(|| HeaderEdit::set(":path", out)))
    }
}

fn push_name(out: &mut Vec<u8>, mark: &mut u8, name: &str) {
    out.push(std::mem::replace(mark, b'&'));
    push_escaped(out, name.as_bytes(), b"&=+%");
    out.push(b'=');
}

fn push_parts(out: &mut Vec<u8>, parts: &[Filled<'_>]) {
    for part in parts {
        match part {
            Filled::Literal(text) => push_escaped(out, text.as_bytes(), b"&"),
            Filled::Found(found) => push_escaped(out, &found.for_query(), b"&"),
        }
    }
}

/// Appends bytes as they are, but for what cannot stand in a request line and
/// for `reserved`, which are percent-encoded.
fn push_escaped(out: &mut Vec<u8>, bytes: &[u8], reserved: &[u8]) {
    for b in bytes {
        if (0x21..=0x7e).contains(b) && *b != b'#' && !reserved.contains(b) {
            out.push(*b);
        } else {
            push_percent(out, *b);
        }
    }
}
