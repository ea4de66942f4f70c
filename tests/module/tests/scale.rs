//! Among thousands of rules a request costs hardly more than among ten: in instructions of
//! WebAssembly, so that the numbers do not depend on the machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod built;

use built::headers;
use postern_module::{Headers, Module};

/// How many requests are measured, spread over the policy.
const REQUESTS: usize = 200;
/// Many rules may cost so many percent of what ten cost.
const MOST: u64 = 120;

/// What the requests to a module with this policy run, and what each is answered with.
fn ran(
    filter: &str,
    policy: &str,
    requests: &[(String, &str)],
    rule: impl Fn(usize) -> String,
) -> u64 {
    let mut module = Module::load_measured(&built::module(filter), filter).unwrap();
    assert!(module.configure(policy).unwrap(), "{:?}", module.proxy().log);
    // What the first requests make is kept.
    let mut ran = 0;
    for round in 0..2 {
        for (n, (path, identity)) in requests.iter().enumerate() {
            let own = rule(n);
            let taken = one(&mut module, filter, path, identity, &own);
            ran += if round == 0 { 0 } else { taken };
        }
    }
    ran
}

fn one(module: &mut Module, filter: &str, path: &str, identity: &str, rule: &str) -> u64 {
    let stream = module.stream().unwrap();
    module.proxy().set_property(&["postern.identity"], identity.as_bytes());
    let request: Headers = headers(&[
        (":authority", "old.example"),
        (":path", path),
        (":method", "GET"),
        ("accept", "*/*"),
        ("user-agent", "shop/1.0"),
        ("x-request-id", "00000000-0000-4000-8000-000000000000"),
    ]);
    module.take_ran();
    let event = module.request_headers(stream, request, true).unwrap();
    let ran = module.take_ran();
    assert!(!event.paused, "{path}");
    let state = format!("postern.{filter}");
    let record = module.proxy().property(&[state.as_str()]).unwrap_or_default().to_vec();
    let record = String::from_utf8(record).unwrap();
    assert!(record.contains(&format!(r#""rule":"{rule}""#)), "{path}: {record}");
    module.end(stream).unwrap();
    ran
}

fn hardly_more(filter: &str, few: u64, many: u64) {
    let percent = many * 100 / few;
    println!("{filter}: {few} among ten, {many} among many: {percent} %");
    assert!(percent <= MOST, "{filter}: {few} among ten, {many} among many: {percent} %");
}

/// Sets of an old API, each with captures, a credential from the path, and an answer in the
/// old shape. `few`: ten rules that hold for all sets.
fn old_api(rules: usize, few: bool) -> String {
    let rule = |i: usize| {
        let set = if few { format!("{{set}}-{i}") } else { format!("set{}-{}", i / 10, i % 10) };
        format!(
            r#"{{"name":"r{i}","match":{{"hosts":["old.example"],"methods":["GET"],"paths":["/api/{{version:edge|v1|v2}}/{{user}}/{{key}}/{set}:{{id}}.json"]}},
                "dialect":"old",
                "request":{{"path":"/v3/set{i}","query":{{"id":"{{id}}"}},"credential":{{"basic":{{"username":"{{user}}","password":"{{key}}"}}}}}},
                "answers":[{{"when":{{"status":[200]}},"on_mismatch":"fault","json":{{"set":{{"id":"{{id | string}}","cost":"{{price_cents | cents}}"}}}}}}]}}"#
        )
    };
    let rules: Vec<String> = (0..rules).map(rule).collect();
    format!(
        r#"{{"dialects":{{"old":{{"answers":[{{"when":{{"status":["5xx"]}},"status":500,"text":"fault","content_type":"text/plain"}}]}}}},"rules":[{}]}}"#,
        rules.join(",")
    )
}

#[test]
fn five_thousand_rules_of_legacy_compat_cost_at_most_a_fifth_more_than_ten() {
    const RULES: usize = 5_000;
    let set = |n: usize| (n * 7919) % (RULES / 10);
    let request = |n: usize| {
        (format!("/api/v1/northwind/k0123456789/set{}-{}:4711.json", set(n), n % 10), "")
    };
    let requests: Vec<_> = (0..REQUESTS).map(request).collect();
    let few = ran("legacy-compat", &old_api(10, true), &requests, |n| format!("r{}", n % 10));
    let many = ran("legacy-compat", &old_api(RULES, false), &requests, |n| {
        format!("r{}", set(n) * 10 + n % 10)
    });
    hardly_more("legacy-compat", few, many);
}

const IDENTITY: &str = r#"{"v":1,"sub":"northwind","scopes":["a:read","all:read"],"provider":"idp","credential":"jwt"}"#;

/// A service per hundred rules, with a resource per ten: its collection, its items, what can
/// be done with one, and a deny rule over all. `few`: the ten of one resource, for all.
fn services(rules: usize, few: bool) -> String {
    let rule = |i: usize| {
        let base = match few {
            true => "/{service}/{resource}".to_owned(),
            false => format!("/s{}/r{}", i / 100, i / 10),
        };
        let path = match i % 5 {
            0 => base.clone(),
            1 | 2 => format!("{base}/{{id}}"),
            3 => format!("{base}/{{id}}/a{i}"),
            _ => format!("{base}/{{id}}/**"),
        };
        let method = if i.is_multiple_of(2) { "GET" } else { "POST" };
        match i % 10 {
            9 => format!(
                r#"{{"name":"r{i}","effect":"deny","match":{{"paths":["{base}/**"],"headers":[{{"name":"x-tool","exact":["scraper"]}}]}},"subject":"anyone"}}"#
            ),
            _ => format!(
                r#"{{"name":"r{i}","match":{{"methods":["{method}"],"paths":["{path}"]}},"subject":{{"any_scope":["all:read","all:write"]}}}}"#
            ),
        }
    };
    let rules: Vec<String> = (0..rules).map(rule).collect();
    format!(r#"{{"realm":"shop","rules":[{}]}}"#, rules.join(","))
}

#[test]
fn ten_thousand_rules_of_authz_cost_at_most_a_fifth_more_than_ten() {
    const RULES: usize = 10_000;
    let first = |n: usize| (n * 7919) % RULES / 10 * 10;
    let request =
        |n: usize| (format!("/s{}/r{}/4711?page=2", first(n) / 100, first(n) / 10), IDENTITY);
    let requests: Vec<_> = (0..REQUESTS).map(request).collect();
    let few = ran("authz", &services(10, true), &requests, |_| "r2".to_owned());
    let many = ran("authz", &services(RULES, false), &requests, |n| format!("r{}", first(n) + 2));
    hardly_more("authz", few, many);
}
