mod hostile;
mod joined;
mod mistakes;
mod model;
mod values;
mod variables;

use super::sample::{PLAIN, Request};
use super::*;

impl Request<'_> {
    fn says(&self, text: &str) -> Result<bool, Why> {
        let expression = parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake}"));
        self.evaluate(&expression)
    }
}

fn parse(text: &str) -> Result<Expression, String> {
    Condition::parse(text)?.over(&["name"])
}

/// Each line holds.
#[track_caller]
fn hold(expressions: &[&str]) {
    for text in expressions {
        assert_eq!(PLAIN.says(text), Ok(true), "{text}");
    }
}

/// Each comes to no value.
#[track_caller]
fn fail(why: Why, expressions: &[&str]) {
    for text in expressions {
        assert_eq!(PLAIN.says(text), Err(why), "{text}");
    }
}
