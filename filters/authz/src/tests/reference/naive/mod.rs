//! The reference. Slow and plain on purpose.

mod caller;
mod request;

use serde_json::Value;

use super::{Asked, Said};
use caller::{claims, subject};
use request::request;

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
    all(&[request(&rule["match"], asked), subject, claims(rule, asked), when(rule, asked)])
}

/// What is generated of CEL, by heart.
fn when(rule: &Value, asked: &Asked) -> Says {
    let Some(text) = rule["when"].as_str() else { return Yes };
    let caller = asked.caller.as_ref();
    let claim = |name: &str| caller.map(|c| &c["claims"][name]).filter(|v| !v.is_null());
    match text {
        "request.method == 'POST'" => says(asked.method == "POST"),
        "request.size > 5" => match header(asked, "content-length").as_slice() {
            [] if asked.whole => No,
            [first, others @ ..] if others.iter().all(|other| other == first) => {
                first.parse::<u64>().map_or(Unknown, |n| says(n > 5))
            }
            _ => Unknown,
        },
        "request.headers['x-a'] == '1'" => match header(asked, "x-a").as_slice() {
            [first, others @ ..] if others.iter().all(|other| other == first) => {
                says(*first == "1")
            }
            _ => Unknown,
        },
        "has(request.query.a) && request.query.a == '1'" => {
            let pairs = query(&asked.path);
            let mut values = pairs.iter().filter(|(name, _)| name == "a").map(|(_, value)| value);
            match values.next() {
                None => No,
                Some(first) if values.all(|other| other == first) => says(first == "1"),
                Some(_) => Unknown,
            }
        }
        "!identity.anonymous" => says(caller.is_some()),
        "identity.plan == 'paid'" => match caller.and_then(|c| c["plan"].as_str()) {
            Some(plan) => says(plan == "paid"),
            None => Unknown,
        },
        "identity.claims.level >= 7" => match claim("level").and_then(Value::as_f64) {
            Some(level) => says(level >= 7.0),
            None => Unknown,
        },
        "'s' in identity.scopes || identity.claims.team == 'red'" => {
            let Some(caller) = caller else { return Unknown };
            match claim("team") {
                _ if list(caller, "scopes").contains(&"s") => Yes,
                Some(team) => says(team == "red"),
                None => Unknown,
            }
        }
        other => panic!("{other}"),
    }
}

/// What an allow rule lacks that does not apply.
fn lacks(rule: &Value, asked: &Asked) -> Option<&'static str> {
    let when = when(rule, asked);
    let about_caller = rule["when"].as_str().is_some_and(|text| text.contains("identity."));
    let (own_when, when) = if about_caller { (Yes, when) } else { (when, Yes) };
    let request = all(&[request(&rule["match"], asked), own_when]);
    let claims = all(&[claims(rule, asked), when]);
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

fn header<'a>(asked: &'a Asked, name: &str) -> Vec<&'a str> {
    asked.headers.iter().filter(|(n, _)| *n == name).map(|(_, v)| *v).collect()
}
