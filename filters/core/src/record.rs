//! The decision record that each filter leaves for the log and the metrics.

use std::borrow::Cow;

use serde_json::Value;

use crate::bytes;

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
    pub details: Vec<(&'static str, Value)>,
}

impl Record {
    /// A record in mode `enforce` without details.
    pub fn new(decision: Decision, rule: impl Into<Cow<'static, str>>, code: &'static str) -> Self {
        Record { decision, rule: rule.into(), code, mode: Mode::Enforce, details: Vec::new() }
    }

    /// The same, with one more member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
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
            "{\"decision\":\"",
            self.decision.as_str(),
            "\",\"rule\":\"",
            &rule,
            "\",\"code\":\"",
            self.code,
            "\",\"version\":\"",
            version,
            "\",\"mode\":\"",
            self.mode.as_str(),
            "\"",
        ];
        let mut out = Vec::with_capacity(256);
        push_all(&mut out, &parts);
        for (name, value) in &self.details {
            match value {
                Value::String(text) => {
                    push_all(&mut out, &[",\"", name, "\":\"", &json_text(text), "\""]);
                }
                other => push_all(&mut out, &[",\"", name, "\":", &other.to_string()]),
            }
        }
        out.push(b'}');
        out
    }
}

/// Appends `text` as a JSON string.
pub fn push_json_text(out: &mut Vec<u8>, text: &str) {
    push_all(out, &["\"", &json_text(text), "\""]);
}

/// What stands between the quotes of a JSON string.
fn json_text(text: &str) -> Cow<'_, str> {
    if bytes::string_end(text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut escaped = Value::from(text).to_string();
    escaped.pop();
    escaped.drain(..escaped.len().min(1));
    Cow::Owned(escaped)
}

/// All of these, one behind the other.
#[inline(never)]
fn push_all(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_compact_object() {
        let record = Record::new(Decision::Deny, "a \"b\"", "no_rule").with("n", 3);
        assert_eq!(
            String::from_utf8_lossy(&record.to_json("abc")),
            r#"{"decision":"deny","rule":"a \"b\"","code":"no_rule","version":"abc","mode":"enforce","n":3}"#
        );
    }
}
