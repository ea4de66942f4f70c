//! How a service is told whose count is meant: the entries of a descriptor.

use std::hash::Hasher;
use std::net::{Ipv4Addr, Ipv6Addr};

use postern_core::digest::{hex, hmac_sha256, sha256};
use postern_core::template::Captured;

use super::config::Values;
use crate::key::{Caller, Part};
use crate::policy::{Holding, Limit};

/// How values are said.
pub(crate) enum Says {
    /// By their digests, keyed by a secret if there is one.
    Digest(Option<Vec<u8>>),
    /// As they are.
    Plain,
}

/// A secret is shown nowhere.
impl std::fmt::Debug for Says {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Says::Digest(Some(_)) => "Digest(keyed)",
            Says::Digest(None) => "Digest",
            Says::Plain => "Plain",
        })
    }
}

impl Says {
    pub(super) fn new(values: Values, secret: Option<Vec<u8>>) -> Self {
        match values {
            Values::Hashed => Says::Digest(secret),
            Values::Plain => Says::Plain,
        }
    }
}

/// The entries: which limit, for which plan or override, and by what it counts. Of
/// a part that the request does not have, the address takes the place, as in the local
/// table.
pub(crate) fn entries(
    limit: &Limit,
    holding: &Holding<'_>,
    caller: &Caller<'_>,
    captures: &[Captured<'_, '_>],
    says: &Says,
) -> Vec<(String, String)> {
    let mut out = vec![("limit".to_owned(), limit.id.as_str().to_owned())];
    if !holding.name.is_empty() {
        out.push(("plan".to_owned(), holding.name.to_owned()));
    }
    // The same callers may have other windows: each is counted by itself.
    if holding.is_override {
        out.push(("override".to_owned(), hex(&holding.tag)));
    }
    let mut addressed = false;
    for part in &limit.key {
        let mut value = Said::default();
        if caller.part(part, captures, &mut value) {
            add(&mut out, part.entry(), &value, says);
        } else if !addressed {
            addressed = true;
            let mut value = Said::default();
            caller.by_address(&mut value);
            add(&mut out, "address".to_owned(), &value, says);
        }
    }
    out
}

fn add(out: &mut Vec<(String, String)>, name: String, said: &Said, says: &Says) {
    let value = match says {
        // Half of a digest tells callers apart; the name keeps those of other parts away.
        Says::Digest(secret) => {
            let text = [name.as_bytes(), &[0], &said.whole].concat();
            let digest = match secret {
                Some(secret) => hmac_sha256(secret, &text),
                None => sha256(&text),
            };
            hex(digest.first_chunk::<16>().map_or(&[], |half| half.as_slice()))
        }
        Says::Plain => said.text(),
    };
    // The plan stands there already where a limit both has plans and counts by them.
    if name != "plan" || !out.iter().any(|(own, _)| *own == name) {
        out.push((name, value));
    }
}

/// What a part says (a credential: its id and whose it is), in place of the hash that it names a bucket by: each value comes
/// as a tag, a length and bytes.
#[derive(Default)]
pub(super) struct Said {
    whole: Vec<u8>,
    tag: u8,
    values: Vec<String>,
}

impl Said {
    pub(super) fn text(&self) -> String {
        self.values.join(" ")
    }
}

/// Addresses come as their bytes. Of others, what would hide where a value ends, or that it
/// is no text, is encoded: no two values are said alike.
fn readable(tag: u8, bytes: &[u8]) -> String {
    if matches!(tag, b'@' | b'n') {
        let four = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
        let long = || <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
        if let Ok(text) = four.or_else(|_| long()) {
            return text;
        }
    }
    let is_text = std::str::from_utf8(bytes).is_ok();
    let mut text = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if matches!(byte, 0..=b' ' | b'%' | 0x7f) || (*byte > 0x7f && !is_text) {
            text.push(b'%');
            text.extend_from_slice(hex(&[*byte]).as_bytes());
        } else {
            text.push(*byte);
        }
    }
    String::from_utf8(text).unwrap_or_default()
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
