//! Spans of time in whole seconds, which is how tokens count it.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, decode_text, parse_duration};

/// A tolerance in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Leeway(pub(crate) i64);

impl Decode for Leeway {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "whole seconds from `0s` to `5m`";
        decode_text(at, errors, EXPECTED, |text| {
            seconds(text)
                .filter(|s| *s <= 300)
                .map(Leeway)
                .ok_or_else(|| format!("expected {EXPECTED}"))
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "whole seconds from `0s` to `5m`",
            pattern: Some("^[0-9]{1,9}(ms|s|m|h|d)$"),
        }
    }
}

/// An age in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Age(pub(crate) i64);

impl Decode for Age {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "whole seconds from `1s` to `366d`";
        decode_text(at, errors, EXPECTED, |text| {
            let age = seconds(text).filter(|s| *s >= 1);
            age.map(Age).ok_or_else(|| format!("expected {EXPECTED}"))
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "whole seconds from `1s` to `366d`",
            pattern: Some("^[0-9]{1,9}(ms|s|m|h|d)$"),
        }
    }
}

fn seconds(text: &str) -> Option<i64> {
    let whole = parse_duration(text).filter(|d| d.subsec_nanos() == 0)?;
    i64::try_from(whole.as_secs()).ok()
}
