//! How a candidate is rolled out, as operators write it.

use std::time::Duration;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Value, decode_text, parse_duration};

postern_core::config! {
    /// For whom a candidate counts. This one line is the kill switch: `shadow`
    /// takes the candidate back for all, within a second and without a restart.
    pub choice Mode {
        /// For nobody: what it would decide is recorded.
        Shadow = "shadow",
        /// For a `share` of the callers, always the same ones.
        Cohort = "cohort",
        /// For all.
        Enforce = "enforce",
    }

    /// When a candidate is taken back. Counted are requests that the current
    /// rules allow, and that the candidate does not refuse as `intended`; callers
    /// that are identified and those that are not are counted apart, and either
    /// may reach the bound. Then every worker goes back to the current rules within a
    /// second, until the policy changes: a filter that is loaded anew does not change
    /// that, a restart of the proxy does. Set `mode: shadow` before anything else: any
    /// other change gives the candidate a new chance.
    pub struct Valve {
        /// The last while that is looked at.
        window: Window = Window::seconds(10),
        /// So many requests have to be counted in it first. Of one caller 80 count
        /// in a window, on each worker, and few of those that follow: where fewer
        /// callers come, more than that is never reached.
        minimum_requests: Count<1, 100_000> = Count::new(50),
        /// So many different callers have to be refused first: one alone, however
        /// busy, takes no candidate back.
        minimum_callers: Count<1, 100_000> = Count::new(5),
        /// Of the requests, and of the different callers, this share has to be
        /// refused.
        share: Percent = Percent::whole(5),
    }
}

impl Default for Valve {
    fn default() -> Self {
        Valve {
            window: Window::seconds(10),
            minimum_requests: Count::new(50),
            minimum_callers: Count::new(5),
            share: Percent::whole(5),
        }
    }
}

/// A share: whole percent, or a text such as `0.1%`, down to `0.01%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent {
    millionths: u32,
}

impl Percent {
    const EXPECTED: &'static str = "whole percent from 1 to 100, or a text such as `0.1%`";

    /// Whole percent, at most 100.
    #[must_use]
    pub const fn whole(percent: u32) -> Self {
        let percent = if percent > 100 { 100 } else { percent };
        Percent { millionths: percent.saturating_mul(10_000) }
    }

    /// Millionths of the whole.
    #[must_use]
    pub fn millionths(self) -> u32 {
        self.millionths
    }

    /// Is `part` at least this share of `whole`?
    #[must_use]
    pub fn is_reached(self, part: u64, whole: u64) -> bool {
        u128::from(part) * 1_000_000 >= u128::from(whole) * u128::from(self.millionths)
    }

    fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        if !digits(whole, 3) || !digits(decimals, 2) {
            return None;
        }
        let hundredths = if decimals.len() == 1 { 10 } else { 1 };
        let hundredths = decimals.parse::<u32>().ok()?.checked_mul(hundredths)?;
        let millionths = whole.parse::<u32>().ok()?.checked_mul(10_000)?;
        let millionths = millionths.checked_add(hundredths.checked_mul(100)?)?;
        (1..=1_000_000).contains(&millionths).then_some(Percent { millionths })
    }
}

impl Decode for Percent {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let expected = format!("expected {}", Self::EXPECTED);
        match &at.node().value {
            Value::Int(percent) => {
                let percent = u32::try_from(*percent).ok().filter(|n| (1..=100).contains(n));
                if percent.is_none() {
                    at.error(errors, expected);
                }
                percent.map(Percent::whole)
            }
            Value::Float(_) => {
                at.error(errors, expected);
                None
            }
            _ => {
                decode_text(at, errors, Self::EXPECTED, |text| Percent::parse(text).ok_or(expected))
            }
        }
    }

    fn schema() -> Schema {
        Schema::AnyOf(vec![
            Count::<1, 100>::schema(),
            Schema::Text {
                expected: "a share such as `0.1%`, from `0.01%` to `100%`",
                pattern: Some("^[0-9]{1,3}(\\.[0-9]{1,2})?%$"),
            },
        ])
    }
}

/// A window of the valve: from two seconds, so that each of its buckets sees a
/// tick, to an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(Duration);

impl Window {
    const EXPECTED: &'static str = "a duration from `2s` to `1h`";

    /// Within the bounds.
    #[must_use]
    pub fn seconds(seconds: u64) -> Self {
        Window(Duration::from_secs(seconds.clamp(2, 3_600)))
    }

    /// How long it is.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Decode for Window {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let range = Duration::from_secs(2)..=Duration::from_secs(3_600);
        decode_text(at, errors, Self::EXPECTED, |text| {
            let found = parse_duration(text).filter(|found| range.contains(found));
            found.map(Window).ok_or_else(|| format!("expected {}", Self::EXPECTED))
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: Self::EXPECTED, pattern: Some("^[0-9]{1,9}(ms|s|m|h)$") }
    }
}

#[cfg(test)]
mod tests {
    use postern_core::config::{self, parse_json};

    use super::*;

    #[track_caller]
    fn check<T: Decode + std::fmt::Debug>(json: &str, expected: &str) {
        let got = match config::decode::<T>(&parse_json(json.as_bytes()).unwrap()) {
            Ok(value) => format!("{value:?}"),
            Err(errors) => errors.to_string(),
        };
        assert_eq!(got, expected, "{json}");
    }

    #[test]
    fn shares_are_read_exactly() {
        check::<Percent>("1", "Percent { millionths: 10000 }");
        check::<Percent>("100", "Percent { millionths: 1000000 }");
        check::<Percent>(r#""0.1%""#, "Percent { millionths: 1000 }");
        check::<Percent>(r#""0.01%""#, "Percent { millionths: 100 }");
        check::<Percent>(r#""12.5%""#, "Percent { millionths: 125000 }");
        let expected = "expected whole percent from 1 to 100, or a text such as `0.1%`";
        for bad in ["0", "101", "-1", "0.5", r#""5""#, r#""0%""#, r#""100.01%""#, r#""1e1%""#] {
            check::<Percent>(bad, expected);
        }
        for bad in [r#"".5%""#, r#""0.001%""#, r#""+1%""#, r#""1.%""#, r#""9999%""#] {
            check::<Percent>(bad, expected);
        }
    }

    #[test]
    fn a_share_is_reached_at_it() {
        let five = Percent::whole(5);
        assert!(five.is_reached(5, 100));
        assert!(!five.is_reached(4, 100));
        assert!(!five.is_reached(49, 1_000));
        assert!(five.is_reached(u64::MAX, u64::MAX));
    }

    #[test]
    fn windows_have_bounds() {
        check::<Window>(r#""2s""#, "Window(2s)");
        check::<Window>(r#""1h""#, "Window(3600s)");
        for bad in [r#""1999ms""#, r#""3601s""#, r#""10""#] {
            check::<Window>(bad, "expected a duration from `2s` to `1h`");
        }
    }

    #[test]
    fn the_valve_has_one_set_of_defaults() {
        let written = config::decode::<Valve>(&parse_json(b"{}").unwrap()).unwrap();
        assert_eq!(format!("{written:?}"), format!("{:?}", Valve::default()));
    }
}
