//! What is generated of CEL, by heart.

use serde_json::Value;

use super::{Asked, Bound, No, Says, Unknown, Yes, any, header, list, query, says, tested_header};

pub(super) fn when(rule: &Value, bound: &Bound, asked: &Asked) -> Says {
    let Some(text) = rule["when"].as_str() else { return Yes };
    let caller = asked.caller.as_ref();
    let claim = |name: &str| caller.map(|c| &c["claims"][name]).filter(|v| !v.is_null());
    // A header that is not there comes to no value.
    let x_a = |test: &dyn Fn(&str) -> bool| tested_header(asked, "x-a", test).unwrap_or(Unknown);
    match text {
        "request.method == 'POST'" => says(asked.method == "POST"),
        "request.size > 5" => match header(asked, "content-length").as_slice() {
            [] if asked.whole => No,
            [first, others @ ..] if others.iter().all(|other| other == first) => {
                first.parse::<u64>().map_or(Unknown, |n| says(n > 5))
            }
            _ => Unknown,
        },
        "request.headers['x-a'] == '1'" => x_a(&|value| value == "1"),
        "request.headers['x-a'] != '1'" => match x_a(&|value| value == "1") {
            Yes => No,
            No => Yes,
            Unknown => Unknown,
        },
        "request.headers['x-a'].startsWith('2')" => x_a(&|value| value.starts_with('2')),
        "request.headers['x-a'] in ['1', '4']" => {
            any(&[x_a(&|value| value == "1"), x_a(&|value| value == "4")])
        }
        // A list is whole before it is looked through.
        "'1' in [request.headers['x-b'], request.method]" => {
            tested_header(asked, "x-b", |value| value == "1").unwrap_or(Unknown)
        }
        "request.headers['x-a'] == request.headers['x-b']" => two_headers(asked),
        "has(request.query.a) && request.query.a == '1'" => {
            let pairs = query(&asked.path);
            let mut values = pairs.iter().filter(|(name, _)| name == "a").map(|(_, value)| value);
            match values.next() {
                None => No,
                Some(first) if values.all(|other| other == first) => says(first == "1"),
                Some(_) => Unknown,
            }
        }
        "path.x == identity.subject" => match (bound.get("x"), caller) {
            (Some(x), Some(caller)) => says(x == caller["sub"].as_str().unwrap()),
            _ => Unknown,
        },
        "path.x == 'b' || request.method == 'POST'" => {
            let x = bound.get("x").map_or(Unknown, |x| says(x == "b"));
            any(&[x, says(asked.method == "POST")])
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

/// Is each part of one each part of the other?
fn two_headers(asked: &Asked) -> Says {
    let (a, b) = (header(asked, "x-a"), header(asked, "x-b"));
    let one = |values: &[&str]| values.windows(2).all(|two| two.first() == two.last());
    let (Some(first), Some(second)) = (a.first(), b.first()) else { return Unknown };
    if !one(&a) || !one(&b) {
        return Unknown;
    }
    if first == second {
        return Yes;
    }
    let mut pairs = Vec::new();
    for a in first.split(',') {
        for b in second.split(',') {
            pairs.push(a.trim_matches([' ', '\t']) == b.trim_matches([' ', '\t']));
        }
    }
    if pairs.iter().all(|same| *same) {
        Yes
    } else if pairs.contains(&true) {
        Unknown
    } else {
        No
    }
}
