//! A list of API keys as its server sends it, read in slices: 100,000 keys take
//! most of a second, and no slice may hold a worker for long.

mod scanner;

use postern_core::config::{At, Decode, Errors, parse_json};
use postern_core::scopes::Scopes;

use crate::api_key::ApiKeyConfig;
use crate::key_list::{Builder, KeyList};
use crate::remote::{Form, Read};
use scanner::Scanner;

/// The largest list in bytes.
pub(crate) const MAX_BYTES: usize = 32 * 1024 * 1024;
/// So many keys are read, and so many put into the table, in one slice.
const KEYS_PER_SLICE: usize = 500;
/// A slice ends with the key that reaches so many bytes: keys may be long.
const BYTES_PER_SLICE: usize = 128 * 1024;
const INDEXED_PER_SLICE: usize = 20_000;
/// So many of the keys that are left out are told of.
const MAX_REMARKS: usize = 3;

/// `{"keys": […]}` with keys as a policy writes them. A key that is not in order
/// is left out; a list without a good one is of no use.
#[derive(Debug)]
pub(crate) struct KeyListForm;

/// How far a list was read.
#[derive(Debug, Default)]
pub(crate) struct Part {
    at: usize,
    stage: Stage,
    builder: Builder,
    read: usize,
    left_out: usize,
    remarks: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Beginning,
    /// In the list; before its first key, or after one.
    First,
    Next,
    Indexing,
}

impl Form for KeyListForm {
    type Value = KeyList;
    type Part = Part;
    const LARGE: bool = true;

    fn read(&self, body: &[u8], part: &mut Part) -> Result<Option<Read<KeyList>>, String> {
        let mut text = Scanner { text: body, at: part.at };
        match part.stage {
            Stage::Beginning => {
                text.open()?;
                part.stage = Stage::First;
                // Less than half of what a key takes in JSON.
                part.builder.reserve(body.len() / 2);
            }
            Stage::First | Stage::Next => {
                let end = text.at.saturating_add(BYTES_PER_SLICE);
                for _ in 0..KEYS_PER_SLICE {
                    if text.at >= end {
                        break;
                    }
                    if !text.next(part.stage == Stage::First)? {
                        text.close()?;
                        part.stage = Stage::Indexing;
                        break;
                    }
                    part.stage = Stage::Next;
                    let entry = text.value()?;
                    part.take(entry)?;
                }
            }
            Stage::Indexing => {
                if part.builder.index(INDEXED_PER_SLICE) {
                    return std::mem::take(part).finish().map(Some);
                }
            }
        }
        part.at = text.at;
        Ok(None)
    }

    fn restore(&self, published: Vec<u8>) -> Result<KeyList, String> {
        KeyList::restore(published).ok_or_else(|| "what was published is no set".to_owned())
    }

    fn size(&self, list: &KeyList) -> u64 {
        list.len() as u64
    }
}

impl Part {
    fn take(&mut self, entry: &[u8]) -> Result<(), String> {
        let number = self.read;
        self.read = number.saturating_add(1);
        match decode(entry) {
            Ok(key) => {
                let scopes = Scopes::from(key.scopes.as_slice());
                if !self.builder.add(&key.entry(scopes.as_str())) {
                    return Err("it has too many keys".to_owned());
                }
            }
            Err(why) => {
                self.left_out = self.left_out.saturating_add(1);
                if self.remarks.len() < MAX_REMARKS {
                    self.remarks.push(format!("left out keys[{number}]: {why}"));
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Read<KeyList>, String> {
        let (list, twice) = self.builder.finish();
        if list.len() == 0 {
            let first = self.remarks.into_iter().next().unwrap_or_default();
            return Err(format!("it holds no key that is in order. {first}").trim_end().to_owned());
        }
        let mut remarks = self.remarks;
        if self.left_out > remarks.len() {
            remarks.push(format!("left out {} of {} keys in all", self.left_out, self.read));
        }
        if twice > 0 {
            remarks.push(format!("left out {twice} keys with the digest of one before"));
        }
        Ok(Read { publish: Some(list.to_bytes()), value: list, remarks })
    }
}

/// Reads a key. The message names nothing that it holds but its members.
fn decode(entry: &[u8]) -> Result<ApiKeyConfig, String> {
    let node = parse_json(entry).map_err(|_| "it is not JSON".to_owned())?;
    let mut errors = Errors::default();
    let key = ApiKeyConfig::decode(At::root(&node), &mut errors);
    match key.filter(|_| errors.is_empty()) {
        Some(key) if key.lives() => Ok(key),
        Some(_) => Err("expires: expected a time after `not_before`".to_owned()),
        None => Err(errors.problems().first().map(ToString::to_string).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)]

    use postern_core::digest::{hex, sha256};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::scanner::{EXPECTED, MAX_ENTRY};
    use super::*;

    fn read(body: &[u8]) -> Result<Read<KeyList>, String> {
        let mut part = Part::default();
        loop {
            if let Some(read) = KeyListForm.read(body, &mut part)? {
                return Ok(read);
            }
        }
    }

    fn key(n: usize) -> Value {
        json!({"id": format!("k-{n}"), "sha256": hex(&digest(n)), "subject": "northwind"})
    }

    fn digest(n: usize) -> [u8; 32] {
        sha256(format!("key {n}").as_bytes())
    }

    #[test]
    fn broken_keys_are_left_out_and_counted() {
        let keys = json!([
            key(0),
            {"id": "a", "sha256": "00", "subject": "x"},
            key(1),
            7,
            {"id": "b", "sha256": hex(&digest(9)), "subject": "x", "expire": "2027-01-31T12:00:00Z"},
            {"id": "again", "sha256": hex(&digest(0)), "subject": "another"},
            {"id": "c", "sha256": hex(&digest(8)), "subject": "x",
             "not_before": "2027-01-31T12:00:00Z", "expires": "2026-01-31T12:00:00Z"},
            key(2),
        ]);
        let body = json!({"version": [1, {"a": "]}\\\""}], "keys": keys, "more": "x"}).to_string();
        let read = read(body.as_bytes()).unwrap();
        assert_eq!(read.value.len(), 3);
        for n in 0..3 {
            let found = read.value.find(&digest(n)).unwrap().checked("keys", 0).unwrap();
            assert_eq!(found.caller.sub, "northwind", "the first of two counts");
        }
        assert_eq!(
            read.remarks,
            [
                "left out keys[1]: sha256: expected a SHA-256 digest as 64 hexadecimal digits",
                "left out keys[3]: expected a mapping, but found a whole number",
                "left out keys[4]: unknown key `expire`, did you mean `expires`?",
                "left out 4 of 8 keys in all",
                "left out 1 keys with the digest of one before",
            ]
        );
    }

    #[test]
    fn what_is_no_list_is_of_no_use() {
        let twice = format!("{{\"keys\":[{}],\"keys\":[]}}", key(0));
        let large = format!("{{\"keys\":[\"{}\"]}}", "x".repeat(20_000));
        let cut = json!({"keys": [key(0), key(1)]}).to_string();
        for (body, expected) in [
            ("", EXPECTED),
            ("[]", EXPECTED),
            ("{}", EXPECTED),
            ("{\"keys\":{}}", EXPECTED),
            ("{\"keys\":[1 2]}", EXPECTED),
            ("{\"keys\":[,]}", EXPECTED),
            ("{\"keys\":[]} x", EXPECTED),
            ("{\"keys\":[]}", "it holds no key that is in order."),
            (
                "{\"keys\":[{}]}",
                "it holds no key that is in order. left out keys[0]: missing key `id`",
            ),
            ("<html></html>", EXPECTED),
            (twice.as_str(), "it has two lists `keys`"),
            (large.as_str(), "a part of it has more than 16384 bytes"),
            (&cut[..cut.len() - 2], EXPECTED),
            (&cut[..cut.len() - 9], "the text ends too early"),
        ] {
            assert_eq!(read(body.as_bytes()).map(|_| ()).unwrap_err(), expected, "{body}");
        }
    }

    #[test]
    fn a_slice_is_of_bounded_work() {
        let keys: Vec<Value> = (0..1_201).map(key).collect();
        let body = json!({ "keys": keys }).to_string();
        let mut part = Part::default();
        let mut slices = 0;
        let read = loop {
            let before = part.read;
            slices += 1;
            if let Some(read) = KeyListForm.read(body.as_bytes(), &mut part).unwrap() {
                break read;
            }
            assert!(part.read - before <= KEYS_PER_SLICE);
        };
        assert_eq!((slices, read.value.len()), (5, 1_201));
        let restored = KeyListForm.restore(read.publish.unwrap()).unwrap();
        assert!((0..1_201).all(|n| restored.find(&digest(n)).is_some()));
    }

    #[test]
    fn a_slice_of_long_keys_is_bounded_too() {
        let scope = "s".repeat(100);
        let long = |n: usize| {
            let mut key = key(n);
            key["subject"] = json!("x".repeat(10_000));
            key["scopes"] = json!([scope]);
            key
        };
        let keys: Vec<Value> = (0..100).map(long).collect();
        let body = json!({ "keys": keys }).to_string();
        let mut part = Part::default();
        let mut last = 0;
        while part.stage != Stage::Indexing {
            assert!(KeyListForm.read(body.as_bytes(), &mut part).unwrap().is_none());
            assert!(part.at - last <= BYTES_PER_SLICE + MAX_ENTRY, "{last}");
            last = part.at;
        }
        assert_eq!(part.read, 100);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]{}\",:\\\\ a-z0-9]{0,80}") {
            let _ = read(text.as_bytes());
            let _ = read(format!("{{\"keys\":[{text}]}}").as_bytes());
        }
    }
}
