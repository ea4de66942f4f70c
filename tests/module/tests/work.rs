//! How much a worker does at once while a policy of 9,900 rules comes into force and goes
//! again, in instructions of WebAssembly: numbers that do not depend on the machine.
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
fn ran(module: &[u8], policy: &str) -> ((u64, usize), u64, usize) {
    let mut module = Module::load_measured(module, "authz").unwrap();
    assert!(module.configure(SMALL).unwrap());
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
    assert!(module.configure_root(LAST, SMALL).unwrap());
    module.take_ran();
    module.end(NEXT).unwrap();
    let went = module.take_ran();
    let most = steps.iter().copied().zip(0..).max().unwrap();
    (most, went, steps.len())
}

#[test]
fn no_slice_of_ten_thousand_rules_is_large() {
    let module = built::module("authz");
    let kinds: [(&str, &dyn Fn(usize) -> String); 3] = [
        ("paths", &|n| format!("/s{}/r{}/{{id}}/a{n}", n / 100, n / 10)),
        ("paths in one place", &|n| format!("/a{n}")),
        ("patterns in one place", &|n| format!("/{{id}}.t{n}")),
    ];
    for (name, path) in kinds {
        let ((came, step), went, steps) = ran(&module, &policy(path));
        assert!(
            came <= COMES && went <= GOES,
            "{name}: {came} in step {step} of {steps}, {went} when it went"
        );
    }
}
