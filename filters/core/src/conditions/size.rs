//! The size of a body, as its message announces it.

use crate::config::schema::Schema;
use crate::config::{At, Count, Decode, Errors};
use crate::headers::Headers;
use crate::truth::Truth;

/// Up to 2^53: what every reader of JSON can write.
type Bytes = Count<0, 9_007_199_254_740_992>;

/// From how many bytes to how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySize {
    at_least: u64,
    at_most: u64,
}

crate::config! {
    /// A range of sizes in bytes, both ends included; at least one is given.
    struct BodySizeConfig {
        /// The least.
        at_least: Option<Bytes>,
        /// The greatest.
        at_most: Option<Bytes>,
    }
}

impl BodySize {
    /// Does the body have such a size? What `content-length` says counts; a
    /// message that ends with its headers has a body of 0 bytes. Of a body
    /// without a length (chunked, say) it cannot be told.
    #[must_use]
    pub fn holds(&self, headers: &Headers<'_>, end_of_stream: bool) -> Truth {
        let mut lengths = headers.all("content-length");
        let size = match (lengths.next(), lengths.next()) {
            (None, _) if end_of_stream => Some(0),
            (Some(length), None) => number(length),
            _ => None,
        };
        size.map(|n| (self.at_least..=self.at_most).contains(&n)).into()
    }

    /// Does it contain all of another?
    #[must_use]
    pub fn covers(&self, other: &BodySize) -> bool {
        self.at_least <= other.at_least && self.at_most >= other.at_most
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    digits?.parse().ok()
}

impl Decode for BodySize {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let (least, most) = match BodySizeConfig::decode(at, errors)? {
            BodySizeConfig { at_least: None, at_most: None } => {
                at.error(errors, "expected `at_least`, `at_most` or both");
                return None;
            }
            BodySizeConfig { at_least, at_most } => {
                (at_least.map_or(0, Bytes::get), at_most.map_or(u64::MAX, Bytes::get))
            }
        };
        if least > most {
            at.error(errors, "expected `at_least` not over `at_most`");
            return None;
        }
        Some(BodySize { at_least: least, at_most: most })
    }

    fn schema() -> Schema {
        BodySizeConfig::schema()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_announced() {
        let small = BodySize { at_least: 1, at_most: 10 };
        let says = |lengths: &[&str], end| {
            small.holds(&Headers::new(lengths.iter().map(|v| ("content-length", *v))), end)
        };
        assert_eq!(says(&["1"], false), Truth::Yes);
        assert_eq!(says(&["10"], false), Truth::Yes);
        assert_eq!(says(&["11"], false), Truth::No);
        assert_eq!(says(&["0"], true), Truth::No);
        assert_eq!(says(&[], true), Truth::No);
        for unknown in [&[][..], &["+1"], &["1", "1"], &["x"], &[""], &["99999999999999999999"]] {
            assert_eq!(says(unknown, false), Truth::Unknown, "{unknown:?}");
        }
    }
}
