//! Patterns that `matches` looks for. They are written out in the policy, so each is
//! read once, and its cost is known.

use regex_lite::{Regex, RegexBuilder};

/// The longest pattern in bytes.
const MAX_LENGTH: usize = 256;

/// How large a pattern may be when it is compiled, in bytes, and how many steps a byte of
/// the text that is looked through then costs: the time of a match grows with both. The
/// worst there are, such as `(?:a?){10}a{10}$`, take about as long a step as other parts
/// of an expression.
const SIZES: [(usize, usize); 3] = [(512, 8), (2 * 1024, 30), (8 * 1024, 120)];

/// How many levels of groups.
const MAX_NESTING: u32 = 16;

/// A regular expression. It matches anywhere in a text, as the specification has it.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: Box<str>,
    regex: Regex,
    steps: usize,
}

/// The same texts match the same.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    /// # Errors
    /// It is no pattern, or too large.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("expected a pattern of at most {MAX_LENGTH} bytes"));
        }
        let build =
            |size: usize| RegexBuilder::new(text).size_limit(size).nest_limit(MAX_NESTING).build();
        let mut why = String::new();
        for (size, steps) in SIZES {
            match build(size) {
                Ok(regex) => return Ok(Pattern { text: text.into(), regex, steps }),
                Err(e) => why = e.to_string(),
            }
        }
        let why: String = why.chars().filter(|c| !c.is_control()).take(120).collect();
        Err(format!("expected a regular expression: {why}"))
    }

    /// How many steps it takes to look through a text of so many bytes.
    pub(super) fn steps(&self, length: usize) -> usize {
        self.steps.saturating_mul(length)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_bounded() {
        let told = |text: &str| {
            Pattern::parse(text).map(|p| p.steps(1)).map_err(|e| {
                assert!(e.len() < 200, "{e}");
                e
            })
        };
        assert_eq!(told("^[a-z]+-[0-9]{4}$"), Ok(8));
        assert_eq!(told("^(a|b|c|d){20}$"), Ok(120));
        assert_eq!(told("(?:a?){10}a{10}$"), Ok(30));
        for bad in
            ["(", "[a", "a{1000}{1000}", "(?=a)", r"(a)\1", &"a".repeat(257), &"(".repeat(100)]
        {
            assert!(told(bad).is_err(), "{bad}");
        }
    }
}
