//! What the caller is, and what its claims say.

use serde_json::Value;

use super::{Asked, Bound, No, Says, Unknown, Yes, all, any, list, says, text};

pub(super) fn subject(subject: &Value, asked: &Asked, meant: impl Fn(&str) -> bool) -> Says {
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
        let some = |own: &[&str]| says(wanted.iter().any(|w| own.contains(w)));
        let every = |own: &[&str]| says(wanted.iter().all(|w| own.contains(w)));
        parts.push(match key.as_str() {
            "providers" => says(one("provider")),
            "issuers" => says(one("iss")),
            "clients" => says(one("client")),
            "subjects" => says(one("sub")),
            "plans" => says(one("plan")),
            "any_scope" => some(&list(caller, "scopes")),
            "all_scopes" => every(&list(caller, "scopes")),
            "any_role" => listed("roles").map_or(Unknown, |own| some(&own)),
            "all_roles" => listed("roles").map_or(Unknown, |own| every(&own)),
            "any_group" => listed("groups").map_or(Unknown, |own| some(&own)),
            "all_groups" => listed("groups").map_or(Unknown, |own| every(&own)),
            other => panic!("{other}"),
        });
    }
    all(&parts)
}

pub(super) fn claims(rule: &Value, bound: &Bound, asked: &Asked) -> Says {
    let conditions = rule["claims"].as_array().into_iter().flatten();
    let at_x = bound.get("x").map(String::as_str);
    all(&conditions.map(|c| claim(c, at_x, asked)).collect::<Vec<_>>())
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
        Some(Value::Array(items)) => any(&items.iter().map(one).collect::<Vec<_>>()),
        Some(value) => one(value),
    }
}
