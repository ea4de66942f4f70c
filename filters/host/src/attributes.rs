//! [`Host`] over proxy-wasm.

use std::time::Duration;

use postern_core::headers::HeaderSource;
use postern_core::pairs::Pairs;
use postern_core::{Host, SignatureCheck, StoreError, Stored, Unreadable};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{MapType, Status};

use crate::{raw, signature};

/// The proxy, as a pure core may ask it.
pub(crate) struct Proxy;

/// Asks for the shared map's put-if-absent: no entry has this token.
const ABSENT: u32 = u32::MAX;

impl Host for Proxy {
    fn now(&self) -> Duration {
        raw::now()
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        match path {
            [one] => raw::property(one.as_bytes()),
            parts => raw::property(parts.join("\0").as_bytes()),
        }
    }

    fn read(&self, path: &[&str]) -> Result<Option<Vec<u8>>, Unreadable> {
        raw::readable_property(path.join("\0").as_bytes())
    }

    fn verify(&self, check: &SignatureCheck<'_>) -> Option<bool> {
        let Some(question) = signature::question(check) else { return Some(false) };
        match hostcalls::call_foreign_function("verify_signature", Some(&question)) {
            Ok(answer) => Some(answer.is_some_and(|a| signature::verdict(&a))),
            // Envoy answers so for a key it cannot parse; policies are checked
            // with the fallback, so it has the last word.
            Err(_) => None,
        }
    }

    fn load(&self, key: &str) -> Stored {
        match hostcalls::get_shared_data(key) {
            Ok((value, Some(cas))) => Stored::Value(value.unwrap_or_default(), cas),
            Ok((None, None)) => Stored::Absent,
            Ok((Some(_), None)) | Err(_) => Stored::Unavailable,
        }
    }

    fn store(&self, key: &str, value: &[u8], seen: &Stored) -> Result<(), StoreError> {
        let cas = match seen {
            Stored::Absent => ABSENT,
            Stored::Value(_, cas) => *cas,
            Stored::Unavailable => return Err(StoreError::Unavailable),
        };
        hostcalls::set_shared_data(key, Some(value), Some(cas)).map_err(|status| match status {
            Status::CasMismatch => StoreError::Conflict,
            _ => StoreError::Unavailable,
        })
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let written = hostcalls::set_shared_data(key, Some(value), None);
        written.map_err(|_| StoreError::Unavailable)
    }
}

/// A header map of the message at hand, read as bytes.
pub(crate) struct Map(pub(crate) MapType);

impl HeaderSource for Map {
    fn read(&self) -> Pairs {
        raw::header_map(self.0)
    }
}
