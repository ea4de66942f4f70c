//! A large policy is compiled in slices while the former one serves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod built;

use built::{configured, headers};
use postern_module::{Module, ROOT};

/// The root contexts of further configurations.
const NEXT: i32 = 100;
const LAST: i32 = 200;

/// Its first rule lets all pass.
fn policy(name: &str, rules: usize) -> String {
    let mut text = format!(r#"{{"rules":[{{"name":"{name}","match":{{}},"subject":"anyone"}}"#);
    for n in 0..rules {
        text += &format!(
            r#",{{"name":"r{n}","match":{{"methods":["GET"],"paths":["/s{}/r{}/{{id}}/a{n}"]}},"subject":{{"any_scope":["s{}:read"]}}}}"#,
            n / 100,
            n / 10,
            n / 100
        );
    }
    text + "]}"
}

/// The rule that decides a request; empty: it is refused.
fn decides(module: &mut Module, root: i32) -> String {
    let stream = module.stream_of(root).unwrap();
    module.proxy().set_property(&["postern.identity"], br#"{"v":1,"anonymous":true}"#);
    let request = headers(&[(":authority", "a.example"), (":path", "/a"), (":method", "GET")]);
    module.request_headers(stream, request, true).unwrap();
    let record = module.proxy().property(&["postern.authz"]).unwrap_or_default().to_vec();
    module.end(stream).unwrap();
    let text = String::from_utf8(record).unwrap();
    text.split("\"rule\":\"").nth(1).and_then(|t| t.split('"').next()).unwrap_or("").to_owned()
}

fn said(module: &mut Module, text: &str) -> usize {
    module.proxy().log.iter().filter(|line| line.contains(text)).count()
}

/// Lets a root tick until it has said this once more; after how many ticks?
fn ticks_until(module: &mut Module, root: i32, text: &str) -> usize {
    let before = said(module, text);
    for ticks in 1..1_000 {
        module.tick(root).unwrap();
        if said(module, text) > before {
            return ticks;
        }
    }
    panic!("{:?}", module.proxy().log);
}

#[test]
fn the_former_one_serves_until_the_large_one_is_whole() {
    let mut module = configured("authz", &[], &policy("first", 1));
    assert_eq!(decides(&mut module, ROOT), "first");
    module.create_root(NEXT).unwrap();
    assert!(module.configure_root(NEXT, &policy("second", 1_500)).unwrap());
    assert_eq!(decides(&mut module, NEXT), "first");
    module.tick(NEXT).unwrap();
    module.tick(NEXT).unwrap();
    assert_eq!(decides(&mut module, NEXT), "first");
    assert!((1..=5).contains(&module.proxy().tick_period), "it is in a hurry");
    // The proxy may be done with the former one by then.
    module.end(ROOT).unwrap();
    assert_eq!(decides(&mut module, NEXT), "first");
    assert!(ticks_until(&mut module, NEXT, "is in force, compiled in") > 5);
    assert_eq!(decides(&mut module, NEXT), "second");

    // One that comes before another is whole: the one in force goes on.
    let large = policy("third", 1_500);
    module.create_root(LAST).unwrap();
    assert!(module.configure_root(LAST, &large).unwrap());
    module.tick(LAST).unwrap();
    assert!(module.configure_root(LAST, &policy("fourth", 1)).unwrap(), "a small one is at once");
    assert_eq!(decides(&mut module, LAST), "fourth");
    for _ in 0..50 {
        module.tick(LAST).unwrap();
    }
    assert_eq!(decides(&mut module, LAST), "fourth");
}

/// Whether it is the same root context or a new one: rules that serve are taken over.
#[test]
fn rules_that_serve_already_are_not_compiled_again() {
    let told = "is in force, compiled in";
    let of = |realm: &str, first: &str| {
        policy(first, 1_500).replacen('{', &format!(r#"{{"realm":"{realm}","#), 1)
    };
    let mut module = configured("authz", &[], &policy("first", 1));
    module.create_root(NEXT).unwrap();
    assert!(module.configure_root(NEXT, &of("a", "second")).unwrap());
    let whole = ticks_until(&mut module, NEXT, told);
    module.create_root(LAST).unwrap();
    for root in [NEXT, LAST] {
        assert!(module.configure_root(root, &of("b", "second")).unwrap());
        let ticks = ticks_until(&mut module, root, told);
        assert!(ticks * 2 < whole, "{ticks} of {whole}");
        assert_eq!(decides(&mut module, root), "second");
    }
    assert!(module.configure_root(LAST, &of("b", "third")).unwrap());
    assert_eq!(ticks_until(&mut module, LAST, told), whole);
    assert_eq!(decides(&mut module, LAST), "third");
}

/// How many VMs say that they are at it.
fn loading(module: &mut Module) -> u64 {
    let metrics = &module.proxy().metrics;
    let own = metrics.iter().filter(|(name, _)| name == "postern.authz.policies_loading");
    own.map(|(_, value)| *value).fold(0, u64::wrapping_add)
}

/// However it ends.
#[test]
fn it_is_told_as_long_as_one_is_loading() {
    let mut module = configured("authz", &[], &policy("first", 1));
    let large = policy("second", 1_500);
    assert_eq!(loading(&mut module), 0);
    module.create_root(NEXT).unwrap();
    assert!(module.configure_root(NEXT, &large).unwrap());
    module.tick(NEXT).unwrap();
    assert_eq!(loading(&mut module) as u32, 1);
    ticks_until(&mut module, NEXT, "is in force, compiled in");
    assert_eq!(loading(&mut module) as u32, 0);
    // Another takes its place, and then a small one.
    for _ in 0..2 {
        assert!(module.configure_root(NEXT, &large).unwrap());
        assert_eq!(loading(&mut module) as u32, 1);
    }
    assert!(module.configure_root(NEXT, &policy("third", 1)).unwrap());
    assert_eq!(loading(&mut module) as u32, 0);
    // The proxy is done with it before it is whole.
    assert!(module.configure_root(NEXT, &large).unwrap());
    module.end(NEXT).unwrap();
    assert_eq!(loading(&mut module) as u32, 0);
}

#[test]
fn a_vm_that_serves_nothing_yet_judges_it_whole() {
    let good = policy("good", 1_500);
    let mut module = configured("authz", &[], &good);
    assert_eq!(decides(&mut module, ROOT), "good");
    let bad = good.replace(r#""name":"r900","match""#, r#""name":"r900","mach""#);
    let mut module = built::load("authz", &[]);
    assert!(!module.configure(&bad).unwrap());
    assert_eq!(
        said(&mut module, "refused: rules[901]: unknown key `mach`, did you mean `match`?"),
        1
    );
    // No such one comes to a VM that serves; if it did, it would not come into force.
    let mut module = configured("authz", &[], &good);
    module.create_root(NEXT).unwrap();
    assert!(module.configure_root(NEXT, &bad).unwrap());
    ticks_until(&mut module, NEXT, "refused: rules[901]: unknown key `mach`");
    for _ in 0..50 {
        module.tick(NEXT).unwrap();
    }
    assert_eq!(decides(&mut module, NEXT), "good");
}

/// `legacy-compat` with so many rules; the last one names them all.
fn compat(name: &str, rules: usize) -> String {
    let mut text = String::from(r#"{"dialects":{"old":{}},"rules":["#);
    for n in 0..rules {
        text += &format!(
            r#"{{"name":"r{n}","match":{{"paths":["/v1/{{user}}/{{key}}/set{n}:{{id}}.json"]}},"dialect":"old","request":{{"path":"/v3/set{n}","query":{{"id":"{{id}}"}},"credential":{{"basic":{{"username":"{{user}}","password":"{{key}}"}}}}}},"answers":[{{"json":{{"id":"{{id | string}}"}}}}]}},"#
        );
    }
    text + &format!(r#"{{"name":"{name}"}}]}}"#)
}

#[test]
fn old_rules_come_in_slices_too() {
    let decides = |module: &mut Module, root: i32| {
        let stream = module.stream_of(root).unwrap();
        let request = headers(&[(":authority", "a.example"), (":path", "/a"), (":method", "GET")]);
        module.request_headers(stream, request, true).unwrap();
        let record = module.proxy().property(&["postern.legacy-compat"]).unwrap_or_default();
        let text = String::from_utf8(record.to_vec()).unwrap();
        module.end(stream).unwrap();
        text.split("\"rule\":\"").nth(1).and_then(|t| t.split('"').next()).unwrap_or("").to_owned()
    };
    let mut module = configured("legacy-compat", &[], &compat("first", 1));
    assert_eq!(decides(&mut module, ROOT), "first");
    module.create_root(NEXT).unwrap();
    assert!(module.configure_root(NEXT, &compat("second", 600)).unwrap());
    module.tick(NEXT).unwrap();
    assert_eq!(decides(&mut module, NEXT), "first");
    assert!(ticks_until(&mut module, NEXT, "is in force, compiled in") > 5);
    assert_eq!(decides(&mut module, NEXT), "second");
}
