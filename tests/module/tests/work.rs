//! How much a worker does at once while a policy of thousands of rules comes into force and
//! goes again, in instructions of WebAssembly: numbers that do not depend on the machine.
//! 100 million take about 10 ms in a proxy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod built;

use postern_module::{Module, ROOT};

const NEXT: i32 = 100;
const LAST: i32 = 200;
const RULES: usize = 9_900;
const SMALL: &str = r#"{"rules":[{"name":"a","match":{},"subject":"anyone"}]}"#;

/// The most that is done in one go while it comes, and when it goes.
const COMES: u64 = 70_000_000;
const GOES: u64 = 110_000_000;
/// The most of what comes in more than two megabytes, which are cut at once.
const CUT: u64 = 105_000_000;
/// The most that is done when rules go that have nothing in common.
const OWN_GOES: u64 = 165_000_000;

fn policy(path: impl Fn(usize) -> String) -> String {
    let rule = |n: usize| {
        let (path, scope) = (path(n), n / 100);
        format!(
            r#"{{"name":"r{n}","match":{{"methods":["GET"],"paths":["{path}"]}},"subject":{{"any_scope":["s{scope}:read"]}}}}"#
        )
    };
    let rules: Vec<String> = (0..RULES).map(rule).collect();
    format!(r#"{{"rules":[{}]}}"#, rules.join(","))
}

/// The most that was run at once while the policy came and when it went, each with the
/// number of the event; and how many slices it took.
fn ran(filter: &str, small: &str, policy: &str) -> ((u64, usize), u64, usize) {
    let mut module = Module::load_measured(&built::module(filter), filter).unwrap();
    assert!(module.configure(small).unwrap());
    module.create_root(NEXT).unwrap();
    module.take_ran();
    assert!(module.configure_root(NEXT, policy).unwrap());
    let mut steps = vec![module.take_ran()];
    module.end(ROOT).unwrap();
    steps.push(module.take_ran());
    while !module.proxy().log.iter().any(|line| line.contains(" slices of at most ")) {
        assert!(steps.len() < 1_000, "{:?}", module.proxy().log);
        module.tick(NEXT).unwrap();
        steps.push(module.take_ran());
    }
    module.create_root(LAST).unwrap();
    assert!(module.configure_root(LAST, small).unwrap());
    module.take_ran();
    module.end(NEXT).unwrap();
    let went = module.take_ran();
    let most = steps.iter().copied().zip(0..).max().unwrap();
    (most, went, steps.len())
}

#[test]
fn no_slice_of_ten_thousand_rules_is_large() {
    let kinds: [(&str, &dyn Fn(usize) -> String); 3] = [
        ("paths", &|n| format!("/s{}/r{}/{{id}}/a{n}", n / 100, n / 10)),
        ("paths in one place", &|n| format!("/a{n}")),
        ("patterns in one place", &|n| format!("/{{id}}.t{n}")),
    ];
    for (name, path) in kinds {
        let ((came, step), went, steps) = ran("authz", SMALL, &policy(path));
        assert!(
            came <= COMES && went <= GOES,
            "{name}: {came} in step {step} of {steps}, {went} when it went"
        );
    }
}

/// Rules as an old API has them, which differ by their paths, or in all that they say.
fn old(set: impl Fn(usize) -> String, own: bool) -> String {
    let rule = |n: usize| {
        let (set, own) = (set(n), if own { n } else { 0 });
        format!(
            r#"{{"name":"r{n}","match":{{"hosts":["old.example"],"methods":["GET"],"paths":["/api/{{version:v1|v2}}/{{user}}/{{key}}/{set}"]}},
                "dialect":"old",
                "request":{{"path":"/v3/set{n}","query":{{"id":"{{id}}"}},"credential":{{"basic":{{"username":"{{user}}","password":"{{key}}"}}}}}},
                "answers":[{{"when":{{"status":[200]}},"on_mismatch":"fault","json":{{"set{own}":{{"id":"{{id | string}}","cost":"{{price_cents | cents}}","tags":"{{tags | join ', '}}"}}}}}}]}}"#
        )
    };
    let rules: Vec<String> = (0..5_000).map(rule).collect();
    format!(
        r#"{{"dialects":{{"old":{{"answers":[{{"when":{{"status":["5xx"]}},"status":500,"text":"fault","content_type":"text/plain"}}]}}}},"rules":[{}]}}"#,
        rules.join(",")
    )
}

#[test]
fn no_slice_of_five_thousand_rules_of_an_old_api_is_large() {
    let check = |name: &str, set: &dyn Fn(usize) -> String, own: bool| {
        let ((came, step), went, steps) = ran("legacy-compat", r#"{"rules":[]}"#, &old(set, own));
        assert!(
            came <= CUT && went <= OWN_GOES,
            "{name}: {came} in step {step} of {steps}, {went} when it went"
        );
    };
    check("patterns in one place", &|n| format!("set{n}:{{id}}.json"), false);
    check("paths", &|n| format!("s{}/t{n}/{{id}}.json", n / 100), false);
    check("answers of their own", &|n| format!("s{}/t{n}/{{id}}.json", n / 100), true);
}
