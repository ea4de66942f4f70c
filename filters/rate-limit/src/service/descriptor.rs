//! How a service is told whose count is meant: the entries of a descriptor.

use std::hash::Hasher;
use std::net::{Ipv4Addr, Ipv6Addr};

use postern_core::digest::{hex, sha256};
use postern_core::template::Captured;

use super::config::Values;
use crate::key::{Caller, Part};
use crate::policy::Limit;

/// The entries: which limit, for which plan or override, and by what it counts. Of
/// a part that the request does not have, the address takes the place, as in the local
/// table.
pub(crate) fn entries(
    limit: &Limit,
    plan: &str,
    caller: &Caller<'_>,
    captures: &[Captured<'_, '_>],
    values: Values,
) -> Vec<(String, String)> {
    let mut out = vec![("limit".to_owned(), limit.id.as_str().to_owned())];
    if !plan.is_empty() {
        out.push(("plan".to_owned(), plan.to_owned()));
    }
    let mut addressed = false;
    for part in &limit.key {
        let mut value = Said::default();
        if caller.part(part, captures, &mut value) {
            add(&mut out, part.entry(), &value, values);
        } else if !addressed {
            addressed = true;
            let mut value = Said::default();
            caller.by_address(&mut value);
            add(&mut out, "address".to_owned(), &value, values);
        }
    }
    out
}

fn add(out: &mut Vec<(String, String)>, name: String, said: &Said, values: Values) {
    let value = match values {
        // Half of a digest tells callers apart; the name keeps those of other parts away.
        Values::Hashed => {
            let digest = sha256(&[name.as_bytes(), &[0], &said.whole].concat());
            hex(digest.first_chunk::<16>().map_or(&[], |half| half.as_slice()))
        }
        Values::Plain => said.text(),
    };
    // The plan stands there already where a limit both has plans and counts by them.
    if !out.iter().any(|(own, _)| *own == name) {
        out.push((name, value));
    }
}

/// What a part says, in place of the hash that it names a bucket by: each value comes
/// as a tag, a length and bytes.
#[derive(Default)]
struct Said {
    whole: Vec<u8>,
    tag: u8,
    values: Vec<String>,
}

impl Said {
    fn text(&self) -> String {
        self.values.join(" ")
    }
}

/// Addresses come as their bytes.
fn readable(tag: u8, bytes: &[u8]) -> String {
    if matches!(tag, b'@' | b'n') {
        let four = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
        let long = || <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
        if let Ok(text) = four.or_else(|_| long()) {
            return text;
        }
    }
    String::from_utf8_lossy(bytes).into_owned()
}

impl Hasher for Said {
    fn finish(&self) -> u64 {
        0
    }

    fn write_u8(&mut self, tag: u8) {
        self.tag = tag;
        self.whole.push(tag);
    }

    fn write_u64(&mut self, length: u64) {
        self.whole.extend_from_slice(&length.to_le_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        self.whole.extend_from_slice(bytes);
        self.values.push(readable(self.tag, bytes));
    }
}

impl Part {
    /// The key of its entry.
    pub(crate) fn entry(&self) -> String {
        let (kind, name) = self.words();
        match name {
            Some(name) => format!("{kind}.{name}"),
            None => kind.to_owned(),
        }
    }
}
