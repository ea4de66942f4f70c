//! The reference. Slow and plain on purpose.

mod caller;
mod candidate;
mod request;
mod template;
mod when;

use serde_json::Value;

use super::{Asked, Said};
use caller::{claims, subject};
pub(super) use candidate::Callers;
use request::request;
use template::{Bound, bindings};
use when::when;

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Yes,
    No,
    Unknown,
}
use Says::{No, Unknown, Yes};

fn says(holds: bool) -> Says {
    if holds { Yes } else { No }
}

/// One of them: one yes is a yes, whatever cannot be told.
fn any(parts: &[Says]) -> Says {
    if parts.contains(&Yes) {
        Yes
    } else if parts.contains(&Unknown) {
        Unknown
    } else {
        No
    }
}

/// All of them: one no is a no, whatever cannot be told.
fn all(parts: &[Says]) -> Says {
    if parts.contains(&No) {
        No
    } else if parts.contains(&Unknown) {
        Unknown
    } else {
        Yes
    }
}

pub(super) fn decide(rules: &[Value], asked: &Asked) -> Said {
    let said = |rule: &Value, reason: &str, scopes: String, intended: bool| Said {
        rule: text(&rule["name"]).to_owned(),
        reason: reason.to_owned(),
        scopes,
        intended,
    };
    for rule in rules.iter().filter(|rule| rule["effect"] == "deny") {
        match whole(rule, asked) {
            Yes => return said(rule, "deny_rule", String::new(), rule["intended"] == true),
            Unknown => return said(rule, "cannot_evaluate", String::new(), false),
            No => {}
        }
    }
    let allow: Vec<&Value> = rules.iter().filter(|rule| rule["effect"] == "allow").collect();
    for rule in &allow {
        if whole(rule, asked) == Yes {
            return said(rule, "allowed", String::new(), false);
        }
    }
    // Each of these would have let it pass, had it not asked for something.
    let mut behind = allow.iter().filter(|rule| lacks(rule, asked).is_some());
    let intended = behind.all(|rule| rule["intended"] == true);
    for reason in ["identity_required", "insufficient_scope", "cannot_evaluate", "wrong_subject"] {
        let lacking: Vec<&&Value> =
            allow.iter().filter(|rule| lacks(rule, asked) == Some(reason)).collect();
        let Some(first) = lacking.first() else { continue };
        let mut scopes: Vec<&str> = Vec::new();
        if reason == "insufficient_scope" {
            for rule in &lacking {
                for key in ["any_scope", "all_scopes"] {
                    for scope in list(&rule["subject"], key) {
                        if !scopes.contains(&scope) {
                            scopes.push(scope);
                        }
                    }
                }
            }
        }
        return said(first, reason, scopes.join(" "), intended && reason != "cannot_evaluate");
    }
    let (rule, reason) = ("-".to_owned(), "no_rule".to_owned());
    Said { rule, reason, scopes: String::new(), intended: false }
}

fn whole(rule: &Value, asked: &Asked) -> Says {
    let subject = subject(&rule["subject"], asked, |_| true);
    let bound = each_binding(rule, asked, |bound| {
        all(&[claims(rule, bound, asked), when(rule, bound, asked)])
    });
    all(&[request(&rule["match"], asked), subject, bound])
}

/// Each template that matches binds the parts of the path in its own way: one is enough.
fn each_binding(rule: &Value, asked: &Asked, what: impl Fn(&Bound) -> Says) -> Says {
    any(&bindings(rule, &asked.path).iter().map(what).collect::<Vec<_>>())
}

/// What an allow rule lacks that does not apply.
fn lacks(rule: &Value, asked: &Asked) -> Option<&'static str> {
    let about_caller = rule["when"].as_str().is_some_and(|text| text.contains("identity."));
    let own_when = |bound: &Bound| if about_caller { Yes } else { when(rule, bound, asked) };
    let of_caller = |bound: &Bound| {
        let when = if about_caller { when(rule, bound, asked) } else { Yes };
        all(&[claims(rule, bound, asked), when])
    };
    let request = all(&[request(&rule["match"], asked), each_binding(rule, asked, own_when)]);
    let claims = each_binding(rule, asked, of_caller);
    let own = &rule["subject"];
    if request == No || (own == "anonymous" && asked.caller.is_some()) {
        return None;
    }
    if asked.caller.is_none() {
        return match (own == "anonymous", own == "anyone") {
            (true, _) => (claims != No).then_some("cannot_evaluate"),
            (_, true) if claims == Yes => Some("cannot_evaluate"),
            _ => Some("identity_required"),
        };
    }
    let is_scope = |key: &str| key == "any_scope" || key == "all_scopes";
    if claims == No || subject(own, asked, |key| !is_scope(key)) == No {
        Some("wrong_subject")
    } else if subject(own, asked, is_scope) == No {
        Some("insufficient_scope")
    } else {
        Some("cannot_evaluate")
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn list<'v>(value: &'v Value, key: &str) -> Vec<&'v str> {
    value[key].as_array().into_iter().flatten().map(text).collect()
}

fn query(path: &str) -> Vec<(String, String)> {
    let Some((_, query)) = path.split_once('?') else { return Vec::new() };
    let decoded = |text: &str| text.replace('+', " ").replace("%61", "a");
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// What a test says of a header. Of one that is there twice it is known only if both are
/// the same. One with commas may have been several: if the test does not hold of the whole,
/// it is asked of the parts, and cannot be told where they differ.
fn tested_header(asked: &Asked, name: &str, test: impl Fn(&str) -> bool) -> Option<Says> {
    let values = header(asked, name);
    let first = values.first()?;
    if values.iter().any(|other| other != first) {
        return Some(Unknown);
    }
    if test(first) {
        return Some(Yes);
    }
    let parts: Vec<bool> =
        first.split(',').map(|part| test(part.trim_matches([' ', '\t']))).collect();
    Some(if parts.iter().all(|yes| *yes) {
        Yes
    } else if parts.contains(&true) {
        Unknown
    } else {
        No
    })
}

fn header<'a>(asked: &'a Asked, name: &str) -> Vec<&'a str> {
    asked.headers.iter().filter(|(n, _)| *n == name).map(|(_, v)| *v).collect()
}
