//! The decision record that each filter leaves for the log and the metrics.

use std::borrow::Cow;

use serde_json::Value;

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
        let mut out = Vec::with_capacity(256);
        // Names, codes and versions are of letters, digits and `_`: only what
        // comes from a policy or a request is looked through.
        let plain = |out: &mut Vec<u8>, before: &str, text: &str| {
            out.extend_from_slice(before.as_bytes());
            out.extend_from_slice(text.as_bytes());
        };
        plain(&mut out, "{\"decision\":\"", self.decision.as_str());
        plain(&mut out, "\",\"rule\":", "");
        push_json_text(&mut out, &self.rule);
        plain(&mut out, ",\"code\":\"", self.code);
        plain(&mut out, "\",\"version\":\"", version);
        plain(&mut out, "\",\"mode\":\"", self.mode.as_str());
        out.push(b'"');
        for (name, value) in &self.details {
            plain(&mut out, ",\"", name);
            out.extend_from_slice(b"\":");
            match value {
                Value::String(text) => push_json_text(&mut out, text),
                other => out.extend_from_slice(other.to_string().as_bytes()),
            }
        }
        out.push(b'}');
        out
    }
}

/// Appends `text` as a JSON string.
pub fn push_json_text(out: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(Value::from(text).to_string().as_bytes());
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
