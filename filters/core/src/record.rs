//! The decision record that each filter leaves for the log and the metrics.

mod kept;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::bytes;
use crate::digits;
use crate::json_text::{push_inside, push_quoted};
pub use kept::{KeptRecord, Recorded};

/// How a filter decided, in one small JSON object:
/// `{"decision":"allow","rule":"…","code":"…","version":"…","mode":"enforce"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The decision.
    pub decision: Decision,
    /// The name of the rule that decided; `-` when none did.
    pub rule: Cow<'static, str>,
    /// A stable reason code in snake case.
    pub code: &'static str,
    /// Whether the decision counted.
    pub mode: Mode,
    /// Further members, in order; never a credential.
    pub details: Vec<(&'static str, Detail)>,
}

impl Record {
    /// A record in mode `enforce` without details.
    pub fn new(decision: Decision, rule: impl Into<Cow<'static, str>>, code: &'static str) -> Self {
        Record { decision, rule: rule.into(), code, mode: Mode::Enforce, details: Vec::new() }
    }

    /// The same, with one more member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Detail>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// Compact JSON; `version` is the configuration's digest.
    #[must_use]
    pub fn to_json(&self, version: &str) -> Vec<u8> {
        // Names, codes and versions are of letters, digits and `_`: only what comes from
        // a policy or a request is looked through.
        let rule = json_text(&self.rule);
        let parts = [
            self.decision.begins(),
            &rule,
            "\",\"code\":\"",
            self.code,
            "\",\"version\":\"",
            version,
            self.mode.ends(),
        ];
        let mut out = Vec::with_capacity(256);
        push_all(&mut out, &parts);
        for (name, detail) in &self.details {
            push_member(&mut out, name, detail);
        }
        out.push(b'}');
        out
    }
}

/// Appends one more member, behind others.
fn push_member(out: &mut Vec<u8>, name: &str, detail: &Detail) {
    match detail {
        Detail::Text(text) => push_all(out, &[",\"", name, "\":\"", &json_text(text), "\""]),
        Detail::Json(json) => push_all(out, &[",\"", name, "\":", json]),
        Detail::Number(number) => {
            push_all(out, &[",\"", name, "\":"]);
            digits::push(out, *number);
        }
    }
}

/// Appends `text` as a JSON string.
pub fn push_json_text(out: &mut Vec<u8>, text: &str) {
    let text = json_text(text);
    out.reserve(text.len().saturating_add(2));
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// What stands between the quotes of a JSON string.
fn json_text(text: &str) -> Cow<'_, str> {
    if bytes::string_end(text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len().saturating_add(16));
    push_inside(&mut escaped, text);
    Cow::Owned(escaped)
}

/// All of these, one behind the other.
#[inline(never)]
fn push_all(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// A further member of a record, or of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A text.
    Text(Cow<'static, str>),
    /// JSON.
    Json(String),
    /// A number.
    Number(u64),
}

impl Detail {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        self.push(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Appends it as JSON.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        match self {
            Detail::Text(text) => push_json_text(out, text),
            Detail::Json(json) => out.extend_from_slice(json.as_bytes()),
            Detail::Number(number) => digits::push(out, *number),
        }
    }
}

impl From<&str> for Detail {
    fn from(text: &str) -> Self {
        Detail::Text(Cow::Owned(text.to_owned()))
    }
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Detail::Text(text.into())
    }
}

impl From<u64> for Detail {
    fn from(number: u64) -> Self {
        Detail::Number(number)
    }
}

impl From<u16> for Detail {
    fn from(number: u16) -> Self {
        Detail::from(u64::from(number))
    }
}

impl From<Vec<String>> for Detail {
    fn from(texts: Vec<String>) -> Self {
        let mut json = String::from("[");
        for (at, text) in texts.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            push_quoted(&mut json, text);
        }
        json.push(']');
        Detail::Json(json)
    }
}

impl From<Value> for Detail {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Detail::from(text),
            other => Detail::Json(other.to_string()),
        }
    }
}

impl From<Map<String, Value>> for Detail {
    fn from(map: Map<String, Value>) -> Self {
        Detail::from(Value::Object(map))
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request goes on.
    Allow,
    /// The request is refused.
    Deny,
    /// The filter had nothing to say.
    Skip,
}

impl Decision {
    /// As it stands in records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
            Decision::Skip => "skip",
        }
    }

    /// A record up to its rule.
    fn begins(self) -> &'static str {
        match self {
            Decision::Allow => r#"{"decision":"allow","rule":""#,
            Decision::Deny => r#"{"decision":"deny","rule":""#,
            Decision::Skip => r#"{"decision":"skip","rule":""#,
        }
    }
}

/// Did the decision count?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It did.
    #[default]
    Enforce,
    /// It was only recorded.
    Shadow,
    /// It counted for a share of the callers.
    Cohort,
}

impl Mode {
    /// As it stands in records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Shadow => "shadow",
            Mode::Cohort => "cohort",
        }
    }

    /// What follows the version in a record.
    fn ends(self) -> &'static str {
        match self {
            Mode::Enforce => r#"","mode":"enforce""#,
            Mode::Shadow => r#"","mode":"shadow""#,
            Mode::Cohort => r#"","mode":"cohort""#,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_decision_and_mode_stands_in_a_record_under_its_name() {
        for decision in [Decision::Allow, Decision::Deny, Decision::Skip] {
            for mode in [Mode::Enforce, Mode::Shadow, Mode::Cohort] {
                let record = Record { mode, ..Record::new(decision, "r", "c") };
                let expected = format!(
                    r#"{{"decision":"{}","rule":"r","code":"c","version":"v","mode":"{}"}}"#,
                    decision.as_str(),
                    mode.as_str()
                );
                assert_eq!(String::from_utf8_lossy(&record.to_json("v")), expected);
            }
        }
    }

    #[test]
    fn a_record_is_one_compact_object() {
        let record = Record::new(Decision::Deny, "a \"b\"", "no_rule").with("n", 3u64);
        assert_eq!(
            String::from_utf8_lossy(&record.to_json("abc")),
            r#"{"decision":"deny","rule":"a \"b\"","code":"no_rule","version":"abc","mode":"enforce","n":3}"#
        );
    }
}
