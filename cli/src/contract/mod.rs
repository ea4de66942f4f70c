//! Recorded contracts: what old clients send and the answers that they were given,
//! byte for byte, held to a gateway that runs.
//!
//! A [`Contract`] is read from a file ([`file`] says what stands in it); [`verify`]
//! sends its requests over HTTP/1.1 of this module's own, since a library would hide
//! the case and the order of headers, and tells every difference.

mod compare;
pub mod file;
mod json;
mod lines;
mod pairs;
mod record;
mod text;
pub mod wire;

use std::time::Duration;

use serde_json::{Value, json};

pub use pairs::{Contract, Pair};
pub use record::record;
pub use text::Values;
use wire::Gateway;

/// What became of one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The pair's name, with its values where it stands for several requests.
    pub pair: String,
    /// The line of the contract in which it begins.
    pub line: usize,
    /// The method and the target as the contract writes them: no value is filled in.
    pub request: String,
    /// All in which the answer differs; none if it keeps the contract.
    pub differences: Vec<String>,
}

/// Sends the requests of a contract in order, each on a connection of its own, and
/// compares the answers. `deadline`: in place of the contract's own.
pub fn verify<'c>(
    pairs: impl IntoIterator<Item = &'c Pair>,
    gateway: &Gateway,
    deadline: Option<Duration>,
) -> Vec<Verdict> {
    let one = |pair: &Pair| {
        let sent = gateway.send(&pair.request, deadline.unwrap_or(pair.deadline));
        let differences = match (&pair.answer, sent) {
            (_, Err(why)) => vec![format!("no answer: {why}")],
            (None, Ok(_)) => vec!["the contract has no `answer` for it".to_owned()],
            (Some(expected), Ok(answer)) => compare::differences(expected, &answer),
        };
        Verdict {
            pair: pair.name.clone(),
            line: pair.line,
            request: pair.shown.clone(),
            differences,
        }
    };
    pairs.into_iter().map(one).collect()
}

/// The verdicts for people: the pairs that differ, and how many were kept.
#[must_use]
pub fn report(file: &str, verdicts: &[Verdict]) -> String {
    let mut out = String::new();
    for verdict in verdicts.iter().filter(|v| !v.differences.is_empty()) {
        let Verdict { pair, line, request, differences } = verdict;
        out.push_str(&format!("{file}:{line}: {pair}: {request}\n"));
        for difference in differences {
            out.push_str(&format!("    {difference}\n"));
        }
    }
    let kept = verdicts.iter().filter(|v| v.differences.is_empty()).count();
    out.push_str(&format!("{file}: {kept} of {} kept\n", verdicts.len()));
    out
}

/// The same for programs.
#[must_use]
pub fn report_json(file: &str, verdicts: &[Verdict]) -> Value {
    let one = |v: &Verdict| {
        json!({
            "file": file,
            "line": v.line,
            "pair": v.pair,
            "request": v.request,
            "kept": v.differences.is_empty(),
            "differences": v.differences,
        })
    };
    verdicts.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
