//! A set of API keys in one piece of memory: 100,000 take about 10 MB, and what
//! one worker made of a list, another takes over as it is.
//!
//! Records stand one after the other, behind them a table that is indexed by the
//! first bytes of a digest (which nobody can choose without choosing the key), at
//! the end how large it is. Texts that many keys share stand there once.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use ct_codecs::verify as equal_in_constant_time;
use postern_core::identity::Caller;
use postern_core::scopes::Scopes;

use crate::checked::Checked;
use crate::reason::Reason;

/// So many different texts are written once each; further ones as they come.
const MAX_SHARED: usize = 65_536;

/// The table's size and place, the number of keys, and the format.
const TRAILER: usize = 16;
const FORMAT: u32 = 1;
const DIGEST: usize = 32;
/// A table's entry: where a record begins, plus 1; 0 is none.
const ENTRY: usize = 4;
const NEVER: i64 = i64::MAX;

/// A key as it goes into a set.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) digest: [u8; DIGEST],
    pub(crate) id: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) client: Option<&'a str>,
    /// Separated by blanks, which no scope has.
    pub(crate) scopes: &'a str,
    pub(crate) plan: Option<&'a str>,
    /// Seconds since the Unix epoch.
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: Option<i64>,
}

/// A set that can be asked.
#[derive(Default)]
pub(crate) struct KeyList {
    bytes: Vec<u8>,
    table: usize,
    slots: usize,
    count: usize,
}

impl std::fmt::Debug for KeyList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyList({} keys, {} bytes)", self.count, self.bytes.len())
    }
}

/// A set in the making: first all records, then the table.
#[derive(Debug)]
pub(crate) struct Builder {
    /// No record begins after this.
    most: u32,
    bytes: Vec<u8>,
    records: Vec<u32>,
    shared: HashMap<Box<str>, u32>,
    table: Option<usize>,
    indexed: usize,
    count: usize,
}

impl Default for Builder {
    /// Half of what a place in the table can say.
    fn default() -> Self {
        Builder::holding(u32::MAX / 2)
    }
}

impl Builder {
    /// A set of so many bytes at most.
    pub(crate) fn holding(most: u32) -> Self {
        Builder {
            most,
            bytes: Vec::new(),
            records: Vec::new(),
            shared: HashMap::new(),
            table: None,
            indexed: 0,
            count: 0,
        }
    }

    /// Room for so many bytes of records.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Adds a key; `false`: there is no room for more, and it is not there.
    #[must_use]
    pub(crate) fn add(&mut self, entry: &Entry<'_>) -> bool {
        let [client, scopes, plan] =
            [entry.client.unwrap_or(""), entry.scopes, entry.plan.unwrap_or("")]
                .map(|text| self.shared_text(text));
        let Ok(at) = u32::try_from(self.bytes.len()) else { return false };
        if at > self.most {
            return false;
        }
        self.records.push(at);
        self.bytes.extend_from_slice(&entry.digest);
        self.bytes.extend_from_slice(&entry.not_before.unwrap_or(i64::MIN).to_le_bytes());
        self.bytes.extend_from_slice(&entry.expires.unwrap_or(NEVER).to_le_bytes());
        for text in [client, scopes, plan] {
            self.bytes.extend_from_slice(&text.to_le_bytes());
        }
        self.write_text(entry.id);
        self.write_text(entry.subject);
        true
    }

    /// Where a text stands that others may have too; 0: nowhere, it is empty.
    fn shared_text(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(at) = self.shared.get(text) {
            return *at;
        }
        if self.bytes.is_empty() {
            // So that nothing stands at 0.
            self.bytes.push(0);
        }
        let at = u32::try_from(self.bytes.len()).unwrap_or(0);
        self.write_text(text);
        if self.shared.len() < MAX_SHARED {
            self.shared.insert(text.into(), at);
        }
        at
    }

    fn write_text(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend(text.bytes().take(usize::from(length)));
    }

    /// Puts so many records into the table; `true`: that was the last. Of two
    /// with one digest the first counts.
    pub(crate) fn index(&mut self, records: usize) -> bool {
        let slots = self.records.len().saturating_mul(2).next_power_of_two();
        let table = match self.table {
            Some(table) => table,
            None => {
                let table = self.bytes.len();
                self.bytes.resize(table.saturating_add(slots.saturating_mul(ENTRY)), 0);
                self.table = Some(table);
                self.shared = HashMap::new();
                table
            }
        };
        let end = self.indexed.saturating_add(records).min(self.records.len());
        for at in self.records.get(self.indexed..end).unwrap_or_default() {
            let Some(digest) = array::<DIGEST>(&self.bytes, *at as usize) else { continue };
            let free = probe(&self.bytes, table, slots, &digest).last();
            // The last place that was looked at is free, unless the digest is there.
            if let Some(Place { entry, record: None }) = free
                && let Some(to) = self.bytes.get_mut(entry..entry.saturating_add(ENTRY))
            {
                to.copy_from_slice(&at.saturating_add(1).to_le_bytes());
                self.count = self.count.saturating_add(1);
            }
        }
        self.indexed = end;
        end == self.records.len()
    }

    /// The set, once all is in the table, and how many keys had the digest of
    /// another.
    pub(crate) fn finish(mut self) -> (KeyList, usize) {
        while !self.index(usize::MAX) {}
        let table = self.table.unwrap_or_default();
        let slots = self.records.len().saturating_mul(2).next_power_of_two();
        let number = |number: usize| u32::try_from(number).unwrap_or(0);
        for field in [number(table), number(slots), number(self.count), FORMAT] {
            self.bytes.extend_from_slice(&field.to_le_bytes());
        }
        let twice = self.records.len().saturating_sub(self.count);
        (KeyList { bytes: self.bytes, table, slots, count: self.count }, twice)
    }
}

impl KeyList {
    /// The bytes that [`KeyList::restore`] takes, with room for a few more.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes.len().saturating_add(TRAILER));
        bytes.extend_from_slice(&self.bytes);
        bytes
    }

    /// Takes over what another worker made; `None`: that is no set.
    pub(crate) fn restore(bytes: Vec<u8>) -> Option<Self> {
        let trailer = bytes.len().checked_sub(TRAILER)?;
        let number = |n: usize| Some(u32::from_le_bytes(array(&bytes, trailer + n * 4)?) as usize);
        let (table, slots, count) = (number(0)?, number(1)?, number(2)?);
        let good = number(3)? == FORMAT as usize
            && slots.is_power_of_two()
            && table.checked_add(slots.checked_mul(ENTRY)?)? == trailer;
        good.then_some(KeyList { bytes, table, slots, count })
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The key with this digest.
    pub(crate) fn find(&self, digest: &[u8; DIGEST]) -> Option<Found<'_>> {
        if self.count == 0 {
            return None;
        }
        let place = probe(&self.bytes, self.table, self.slots, digest).last()?;
        Some(Found { bytes: &self.bytes, at: place.record? })
    }
}

/// A place in the table.
struct Place {
    /// Where it is.
    entry: usize,
    /// The record with the digest that was looked for, if it is here.
    record: Option<usize>,
}

/// The places at which a digest may stand, up to the one where it does or the
/// first that is free. The table is half empty: they are few.
fn probe<'a>(
    bytes: &'a [u8],
    table: usize,
    slots: usize,
    digest: &'a [u8; DIGEST],
) -> impl Iterator<Item = Place> + 'a {
    let first = digest.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
    let mut step = 0;
    let mut done = false;
    std::iter::from_fn(move || {
        if done || step >= slots {
            return None;
        }
        let slot = first.wrapping_add(step) & slots.wrapping_sub(1);
        step += 1;
        let entry = table.saturating_add(slot.saturating_mul(ENTRY));
        let at = array(bytes, entry).map_or(0, u32::from_le_bytes) as usize;
        let record = at.checked_sub(1);
        let here = record.filter(|at| {
            array::<DIGEST>(bytes, *at).is_some_and(|d| equal_in_constant_time(&d, digest))
        });
        done = record.is_none() || here.is_some();
        // A place that another has is no answer; the iterator's last item is.
        Some(Place { entry, record: here })
    })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// A key of a set.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Found<'a> {
    fn number(&self, offset: usize) -> i64 {
        array(self.bytes, self.at.saturating_add(offset)).map_or(0, i64::from_le_bytes)
    }

    fn text_at(&self, at: usize) -> &'a str {
        let text = || {
            let length = usize::from(u16::from_le_bytes(array(self.bytes, at)?));
            let text = self.bytes.get(at.checked_add(2)?..)?.get(..length)?;
            std::str::from_utf8(text).ok()
        };
        text().unwrap_or_default()
    }

    fn shared(&self, n: usize) -> &'a str {
        let offset = DIGEST + 16 + n * 4;
        match array(self.bytes, self.at.saturating_add(offset)).map_or(0, u32::from_le_bytes) {
            0 => "",
            at => self.text_at(at as usize),
        }
    }

    pub(crate) fn id(&self) -> &'a str {
        self.text_at(self.at.saturating_add(DIGEST + 28))
    }

    pub(crate) fn subject(&self) -> &'a str {
        let id = self.at.saturating_add(DIGEST + 28);
        self.text_at(id.saturating_add(2).saturating_add(self.id().len()))
    }

    /// What is known of whoever has this key, if it is valid at that time.
    pub(crate) fn checked(&self, provider: &str, now: i64) -> Result<Checked, Reason> {
        let (not_before, expires) = (self.number(DIGEST), self.number(DIGEST + 8));
        if now < not_before {
            return Err(Reason::ApiKeyNotYetValid);
        }
        if now >= expires {
            return Err(Reason::ApiKeyExpired);
        }
        let optional = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let caller = Caller {
            sub: self.subject().to_owned(),
            iss: None,
            client: optional(self.shared(0)),
            // Only bytes that no list is made of hold anything else.
            scopes: Scopes::read(self.shared(1)).ok_or(Reason::ApiKey)?,
            provider: provider.to_owned(),
            credential: format!("api_key:{}", self.id()),
            plan: optional(self.shared(2)),
            claims: serde_json::Map::new(),
        };
        let expires = Some(expires).filter(|at| *at != NEVER);
        Ok(Checked { expires, ..Checked::from(caller) })
    }
}
