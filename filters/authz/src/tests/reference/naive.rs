//! The reference. Slow and plain on purpose.

use serde_json::Value;

use super::{Asked, Said};

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
    let said = |rule: &Value, reason: &str, scopes: String| Said {
        rule: text(&rule["name"]).to_owned(),
        reason: reason.to_owned(),
        scopes,
    };
    for rule in rules.iter().filter(|rule| rule["effect"] == "deny") {
        match whole(rule, asked) {
            Yes => return said(rule, "deny_rule", String::new()),
            Unknown => return said(rule, "cannot_evaluate", String::new()),
            No => {}
        }
    }
    let allow: Vec<&Value> = rules.iter().filter(|rule| rule["effect"] == "allow").collect();
    for rule in &allow {
        if whole(rule, asked) == Yes {
            return said(rule, "allowed", String::new());
        }
    }
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
        return said(first, reason, scopes.join(" "));
    }
    Said { rule: "-".to_owned(), reason: "no_rule".to_owned(), scopes: String::new() }
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

/// One of `exact`, `prefix`, of one value.
fn tested(test: &Value, value: &str) -> bool {
    list(test, "exact").contains(&value)
        || list(test, "prefix").iter().any(|p| value.starts_with(p))
}

fn request(m: &Value, asked: &Asked) -> Says {
    let mut parts = Vec::new();
    let hosts = list(m, "hosts");
    parts.push(says(hosts.is_empty() || hosts.iter().any(|h| host_is(h, asked.host))));
    let methods = list(m, "methods");
    let method_is = |m: &&str| *m == asked.method || (*m == "GET" && asked.method == "HEAD");
    parts.push(says(methods.is_empty() || methods.iter().any(method_is)));
    let paths = list(m, "paths");
    parts.push(says(paths.is_empty() || paths.iter().any(|t| captured(t, &asked.path).is_some())));
    for test in m["headers"].as_array().into_iter().flatten() {
        let values = header(asked, text(&test["name"]));
        parts.push(match (test["present"].as_bool(), values.as_slice()) {
            (Some(present), _) => says(values.is_empty() != present),
            (None, []) => No,
            (None, [first, others @ ..]) if others.iter().any(|other| other != first) => Unknown,
            (None, [first, ..]) => says(tested(test, first)),
        });
    }
    for test in m["query"].as_array().into_iter().flatten() {
        let pairs = query(&asked.path);
        let values: Vec<&str> = pairs
            .iter()
            .filter(|(n, _)| n == text(&test["name"]))
            .map(|(_, v)| v.as_str())
            .collect();
        let good = values.iter().filter(|value| tested(test, value)).count();
        parts.push(match test["present"].as_bool() {
            Some(present) => says(values.is_empty() != present),
            None if good == 0 => No,
            None if good == values.len() => Yes,
            None => Unknown,
        });
    }
    let types = list(m, "content_types");
    if !types.is_empty() {
        parts.push(match header(asked, "content-type").as_slice() {
            [] => No,
            ["application/json" | "application/json; charset=utf-8"] => {
                says(types.contains(&"application/json"))
            }
            ["image/png"] => says(types.contains(&"image/*") || types.contains(&"image/png")),
            _ => Unknown,
        });
    }
    if let Some(size) = m["body_size"].as_object() {
        let length = match header(asked, "content-length").as_slice() {
            [] if asked.whole => Some(0),
            [one] => one.parse::<u64>().ok(),
            _ => None,
        };
        parts.push(match length {
            None => Unknown,
            Some(n) => {
                let bound = |key: &str| size.get(key).and_then(Value::as_u64);
                says(
                    bound("at_least").is_none_or(|least| n >= least)
                        && bound("at_most").is_none_or(|most| n <= most),
                )
            }
        });
    }
    if let Some(windows) = m["times"].as_array() {
        parts.push(says(windows.iter().any(|w| in_window(w, asked.now))));
    }
    let routes = list(m, "routes");
    if !routes.is_empty() {
        parts.push(asked.route.map_or(Unknown, |route| says(routes.contains(&route))));
    }
    let blocks = list(m, "client_addresses");
    if !blocks.is_empty() {
        parts.push(match asked.address {
            Some(address) if !address.starts_with('/') => {
                says(blocks.iter().any(|block| in_block(block, address)))
            }
            _ => Unknown,
        });
    }
    all(&parts)
}

fn host_is(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(below) => host.ends_with(below) && host.len() > below.len() + 1,
        None => pattern == host,
    }
}

/// What stands at `{x}`, if the path matches.
fn captured(template: &str, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap();
    let mut parts = path.split('/').skip(1);
    let mut patterns = template.split('/').skip(1);
    let mut at_x = String::new();
    loop {
        match (patterns.next(), parts.next()) {
            (Some("**"), _) | (None, None) => return Some(at_x),
            (Some("{x}"), Some(part)) if !part.is_empty() => at_x = part.to_owned(),
            (Some(literal), Some(part)) if literal == part => {}
            _ => return None,
        }
    }
}

fn in_block(block: &str, address: &str) -> bool {
    let (base, length) = block.split_once('/').unwrap_or((block, "32"));
    if base.contains(':') {
        // The only such block is `2001:db8::/32`.
        return address.starts_with("[2001:db8:");
    }
    let Some((ip, _)) = address.split_once(':').filter(|(ip, _)| ip.contains('.')) else {
        return false;
    };
    let bits = |text: &str| -> String {
        text.split('.').map(|n| format!("{:08b}", n.parse::<u8>().unwrap())).collect()
    };
    let length: usize = length.parse().unwrap();
    bits(ip).get(..length) == bits(base).get(..length)
}

/// Minute by minute: does a window that begins today or began yesterday contain
/// this one?
fn in_window(window: &Value, now: u64) -> bool {
    let clock = |key: &str| {
        let (h, m) = text(&window[key]).split_once(':').unwrap();
        h.parse::<u64>().unwrap() * 60 + m.parse::<u64>().unwrap()
    };
    let minute = now / 60;
    let (day, minute) = (minute / 1440, minute % 1440);
    let is_on = |day: u64| {
        // The day 0 was a Thursday.
        let name = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][(day % 7) as usize];
        window["days"].is_null() || list(window, "days").contains(&name)
    };
    if window["from"].is_null() {
        return is_on(day);
    }
    let (from, to) = (clock("from"), clock("to"));
    if from < to {
        is_on(day) && (from..to).contains(&minute)
    } else {
        (is_on(day) && minute >= from) || (is_on(day - 1) && minute < to)
    }
}

fn subject(subject: &Value, asked: &Asked, meant: impl Fn(&str) -> bool) -> Says {
    let caller = asked.caller.as_ref();
    match subject.as_str() {
        Some("anyone") => return Yes,
        Some("anonymous") => return says(caller.is_none()),
        Some(_) => return says(caller.is_some()),
        None => {}
    }
    let Some(caller) = caller else { return No };
    let mut parts = Vec::new();
    for (key, wanted) in subject.as_object().unwrap().iter().filter(|(key, _)| meant(key)) {
        let wanted: Vec<&str> = wanted.as_array().unwrap().iter().map(text).collect();
        let one = |member: &str| caller[member].as_str().is_some_and(|own| wanted.contains(&own));
        let listed = |claim: &str| match &caller["claims"][claim] {
            Value::Null => Some(Vec::new()),
            Value::String(own) => Some(vec![own.as_str()]),
            Value::Array(own) => own.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let any = |own: &[&str]| says(wanted.iter().any(|w| own.contains(w)));
        let every = |own: &[&str]| says(wanted.iter().all(|w| own.contains(w)));
        parts.push(match key.as_str() {
            "providers" => says(one("provider")),
            "issuers" => says(one("iss")),
            "clients" => says(one("client")),
            "subjects" => says(one("sub")),
            "plans" => says(one("plan")),
            "any_scope" => any(&list(caller, "scopes")),
            "all_scopes" => every(&list(caller, "scopes")),
            "any_role" => listed("roles").map_or(Unknown, |own| any(&own)),
            "all_roles" => listed("roles").map_or(Unknown, |own| every(&own)),
            "any_group" => listed("groups").map_or(Unknown, |own| any(&own)),
            "all_groups" => listed("groups").map_or(Unknown, |own| every(&own)),
            other => panic!("{other}"),
        });
    }
    all(&parts)
}

fn claims(rule: &Value, asked: &Asked) -> Says {
    let paths = list(&rule["match"], "paths");
    let mut bound: Vec<_> =
        paths.iter().filter_map(|t| captured(t, &asked.path)).map(Some).collect();
    if bound.is_empty() {
        bound.push(None);
    }
    // Each template that matches binds `{x}` in its own way: one is enough.
    let each = bound.iter().map(|at_x| {
        let conditions = rule["claims"].as_array().into_iter().flatten();
        all(&conditions.map(|c| claim(c, at_x.as_deref(), asked)).collect::<Vec<_>>())
    });
    let each: Vec<_> = each.collect();
    if each.contains(&Yes) {
        Yes
    } else if each.contains(&Unknown) {
        Unknown
    } else {
        No
    }
}

fn claim(condition: &Value, at_x: Option<&str>, asked: &Asked) -> Says {
    let name = text(&condition["claim"]);
    let found = asked.caller.as_ref().map(|caller| {
        let own = ["sub", "plan"].contains(&name);
        if own { caller[name].clone() } else { caller["claims"][name].clone() }
    });
    let found = found.filter(|value| !value.is_null());
    let (test, wanted) = condition["is"].as_object().unwrap().iter().next().unwrap();
    if test == "present" {
        return says(found.is_some() == wanted.as_bool().unwrap());
    }
    let one = |value: &Value| -> Says {
        let same_kind = |a: &Value| {
            (a.is_string() && value.is_string())
                || (a.is_number() && value.is_number())
                || (a.is_boolean() && value.is_boolean())
        };
        let equal = |a: &Value| match (a.as_f64(), value.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => a == value,
        };
        let order = |holds: fn(f64, f64) -> bool| match value.as_f64() {
            Some(number) => says(holds(number, wanted.as_f64().unwrap())),
            None => Unknown,
        };
        match test.as_str() {
            "exact" if same_kind(wanted) => says(equal(wanted)),
            "any_of" if wanted.as_array().unwrap().iter().any(same_kind) => {
                says(wanted.as_array().unwrap().iter().any(|w| same_kind(w) && equal(w)))
            }
            "prefix" => {
                value.as_str().map_or(Unknown, |value| says(value.starts_with(text(wanted))))
            }
            "path" => value.as_str().map_or(Unknown, |v| says(Some(v) == at_x)),
            "at_least" => order(|a, b| a >= b),
            "at_most" => order(|a, b| a <= b),
            "above" => order(|a, b| a > b),
            "below" => order(|a, b| a < b),
            _ => Unknown,
        }
    };
    match &found {
        None => Unknown,
        Some(Value::Array(items)) => {
            let said: Vec<Says> = items.iter().map(one).collect();
            if said.contains(&Yes) {
                Yes
            } else if said.contains(&Unknown) {
                Unknown
            } else {
                No
            }
        }
        Some(value) => one(value),
    }
}
