//! Policies of several files: put together in the order that is stated, each
//! mistake told in the file where it stands.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use postern_cli::check::{Good, check};
use postern_cli::finding::Finding;

/// A folder with these files.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("included").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("authz")).unwrap();
    for (file, text) in files {
        std::fs::write(folder.join(file), text).unwrap();
    }
    folder
}

fn checked(folder: &Path) -> Result<Good, Vec<Finding>> {
    check(&[folder.join("authz.yaml")], &|_| None)
}

#[track_caller]
fn finds(folder: &Path, expected: &[&str]) {
    let findings = checked(folder).unwrap_err();
    let prefix = format!("{}/", folder.display());
    let lines: Vec<String> = findings.iter().map(|f| f.to_string().replace(&prefix, "")).collect();
    assert_eq!(lines, expected);
}

const SALES: &str = "sets:\n  paths:\n    sales: [\"/sales/**\"]\n\
    rules:\n- name: sales\n  match: {paths: [{set: sales}]}\n  subject: {any_scope: [{set: all}]}\n";
const OFFICE: &str = "rules:\n- name: office\n  match: {paths: [\"/office/**\"]}\n  \
    subject: identified\n";

#[test]
fn files_are_put_together_in_their_order() {
    let own = "include: [authz/sales.yaml, authz/office.yaml]\nrealm: shop\n\
        sets:\n  scopes:\n    all: [\"s\", \"t\"]\n\
        rules:\n- name: own\n  match: {paths: [/own, {set: sales}]}\n  subject: anyone\n";
    let files = [("authz.yaml", own), ("authz/sales.yaml", SALES), ("authz/office.yaml", OFFICE)];
    let good = checked(&folder("order", &files)).unwrap();
    assert_eq!(
        good.policies[0].rendered(),
        r#"{"realm":"shop","sets":{"paths":{"sales":["/sales/**"]},"scopes":{"all":["s","t"]}},"rules":[{"name":"sales","match":{"paths":[{"set":"sales"}]},"subject":{"any_scope":[{"set":"all"}]}},{"name":"office","match":{"paths":["/office/**"]},"subject":"identified"},{"name":"own","match":{"paths":["/own",{"set":"sales"}]},"subject":"anyone"}]}"#
    );
    // What is in vain is told in its file, and with the name of the other rule.
    let warnings: Vec<String> = good.warnings().map(ToString::to_string).collect();
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(
        warning.ends_with(
            "authz/sales.yaml:5:3: rules[0]: `sales` changes nothing: `own` allows all that it allows"
        ),
        "{warning}"
    );
}

#[test]
fn mistakes_are_told_in_the_file_where_they_stand() {
    let own = "include: [authz/sales.yaml, authz/office.yaml]\n\
        rules:\n- name: sales\n  match: {}\n  subject: anyone\n- name: own\n  match: {path: [/a]}\n  \
        subject: anyone\n";
    let office = OFFICE.replace("identified", "everybody");
    let files = [("authz.yaml", own), ("authz/sales.yaml", SALES), ("authz/office.yaml", &office)];
    finds(
        &folder("mistakes", &files),
        &[
            "authz.yaml:3:9: rules[0].name: `sales` is the name of rules[0] of authz/sales.yaml already",
            "authz.yaml:7:11: rules[1].match: unknown key `path`, did you mean `paths`?",
            "authz/sales.yaml:7:31: rules[0].subject.any_scope[0].set: `sets.scopes` has no `all`",
            "authz/office.yaml:4:12: rules[0].subject: expected `anyone`, `anonymous`, `identified` or a mapping such as `any_scope: [a]`: did you mean `anyone`?",
        ],
    );
}

#[test]
fn mistakes_of_sets_are_told_in_their_file() {
    let own = "include: [authz/sales.yaml]\nsets: {scopes: {all: [s]}}\nrules: []\n";
    let sales = SALES.replace("\"/sales/**\"", "sales");
    finds(
        &folder("sets", &[("authz.yaml", own), ("authz/sales.yaml", &sales)]),
        &["authz/sales.yaml:3:13: sets.paths.sales[0]: a path template begins with `/`"],
    );
    let own = "include: [authz/sales.yaml]\nsets: {paths: {sales: [/a]}}\nrules: []\n";
    let twice = folder("twice", &[("authz.yaml", own), ("authz/sales.yaml", SALES)]);
    let first = twice.join("authz/sales.yaml");
    let findings = checked(&twice).unwrap_err();
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    let message = format!("`sales` is the name of a set of {} already", first.display());
    assert_eq!((finding.span.start.line, &finding.message), (2, &message));
}

#[test]
fn files_that_cannot_be_taken_in_are_told() {
    let own =
        "include: [authz/none.yaml, authz/more.yaml, authz/more.yaml, 7,\n  ../x, /x]\nrules: []\n";
    let more = "realm: x\ninclude: [a]\nrules: []\n";
    let folder = folder("bad", &[("authz.yaml", own), ("authz/more.yaml", more)]);
    let findings = checked(&folder).unwrap_err();
    let prefix = format!("{}/", folder.display());
    let lines: Vec<String> = findings.iter().map(|f| f.to_string().replace(&prefix, "")).collect();
    assert_eq!(
        lines,
        [
            "authz.yaml:1:62: include: expected a list of files beside this one, such as `authz/sales.yaml`",
            "authz.yaml:1:11: include: `authz/none.yaml` cannot be read: No such file or directory (os error 2)",
            "authz/more.yaml:1:1: unknown key `realm`, an included file has `sets` and `rules`",
            "authz/more.yaml:2:1: unknown key `include`, an included file has `sets` and `rules`",
            "authz.yaml:1:45: include: `authz/more.yaml` is included already",
            "authz.yaml:2:3: include: `../x`: expected a list of files beside this one, such as `authz/sales.yaml`",
            "authz.yaml:2:9: include: `/x`: expected a list of files beside this one, such as `authz/sales.yaml`",
        ]
    );
}

#[test]
fn a_part_alone_and_a_pattern_are_told_from_a_policy() {
    let folder = folder(
        "part",
        &[("authz.yaml", "include: ['authz/*.yaml']\n"), ("authz/sales.yaml", SALES)],
    );
    finds(
        &folder,
        &["authz.yaml:1:11: include: `authz/*.yaml`: patterns are not followed, name each file"],
    );
    let part = check(&[folder.join("authz/sales.yaml")], &|_| None).unwrap_err();
    assert_eq!(
        part[0].message,
        "`sales` is no filter: name one by the key `filter`, expected `auth`, `authz`, `rate-limit` \
         or `legacy-compat`; is it an included file? Then check the policy that includes it"
    );
    std::fs::write(folder.join("other.yaml"), "realm: x\nrules: []\n").unwrap();
    let other = check(&[folder.join("other.yaml")], &|_| None).unwrap_err();
    assert!(other[0].message.ends_with("`rate-limit` or `legacy-compat`"), "{other:?}");
}

const CANDIDATE: &str = "rules:\n- name: own\n  match: {paths: [/own]}\n  subject: anyone\n\
    candidate:\n  mode: shadow\n";

#[test]
fn a_candidate_is_put_together_apart_from_the_current_rules() {
    let own = format!(
        "include: [authz/office.yaml]\n{CANDIDATE}  include: [authz/sales.yaml, authz/office.yaml]\n  sets: {{scopes: {{all: [s]}}}}\n  rules:\n  - name: own\n    match: {{paths: [/own]}}\n    subject: anyone\n"
    );
    let files = [("authz.yaml", &*own), ("authz/sales.yaml", SALES), ("authz/office.yaml", OFFICE)];
    let good = checked(&folder("candidate", &files)).unwrap();
    assert_eq!(
        good.policies[0].rendered(),
        r#"{"candidate":{"mode":"shadow","sets":{"paths":{"sales":["/sales/**"]},"scopes":{"all":["s"]}},"rules":[{"name":"sales","match":{"paths":[{"set":"sales"}]},"subject":{"any_scope":[{"set":"all"}]}},{"name":"office","match":{"paths":["/office/**"]},"subject":"identified"},{"name":"own","match":{"paths":["/own"]},"subject":"anyone"}]},"rules":[{"name":"office","match":{"paths":["/office/**"]},"subject":"identified"},{"name":"own","match":{"paths":["/own"]},"subject":"anyone"}]}"#
    );
    assert_eq!(good.warnings().count(), 0);
}

#[test]
fn mistakes_of_a_candidate_are_told_in_the_file_where_they_stand() {
    let own = format!(
        "{CANDIDATE}  include: [authz/sales.yaml, authz/office.yaml]\n  valve: {{share: 0}}\n  rules:\n  - name: sales\n    match: {{path: [/a]}}\n    subject: anyone\n"
    );
    let office = OFFICE.replace("identified", "everybody");
    let files =
        [("authz.yaml", &*own), ("authz/sales.yaml", SALES), ("authz/office.yaml", &office)];
    finds(
        &folder("candidate-mistakes", &files),
        &[
            "authz.yaml:8:18: candidate.valve.share: expected whole percent from 1 to 100, or a text such as `0.1%`",
            "authz.yaml:10:11: candidate.rules[0].name: `sales` is the name of rules[0] of authz/sales.yaml already",
            "authz.yaml:11:13: candidate.rules[0].match: unknown key `path`, did you mean `paths`?",
            "authz/sales.yaml:7:31: rules[0].subject.any_scope[0].set: `sets.scopes` has no `all`",
            "authz/office.yaml:4:12: rules[0].subject: expected `anyone`, `anonymous`, `identified` or a mapping such as `any_scope: [a]`: did you mean `anyone`?",
        ],
    );
    // What keeps a file from being taken in is told for both at once.
    let own = format!("include: []\n{CANDIDATE}  include: [authz/none.yaml]\n  rules: {{}}\n");
    finds(
        &folder("candidate-files", &[("authz.yaml", &own)]),
        &[
            "authz.yaml:1:10: include: expected a list of files beside this one, such as `authz/sales.yaml`, at most 64",
            "authz.yaml:8:13: candidate.include: `authz/none.yaml` cannot be read: No such file or directory (os error 2)",
            "authz.yaml:9:10: candidate.rules: expected a list",
        ],
    );
}

#[test]
fn references_that_come_to_too_much_are_told_where_they_stand() {
    let paths =
        |from: usize| (from..from + 4_000).map(|i| format!("\"/p{i}\"")).collect::<Vec<_>>();
    let sets = format!("sets:\n  paths:\n    s: [{}]\n", paths(0).join(", "));
    let rule = "rules:\n- name: own\n  match:\n    paths:\n    - set: s\n    - set: s\n    - set: s\n  \
                subject: anyone\n";
    let more = folder(
        "too-much",
        &[
            ("authz.yaml", &format!("include: [authz/a.yaml]\n{sets}{rule}")),
            ("authz/a.yaml", &rule.replace("own", "included")),
        ],
    );
    finds(
        &more,
        &[
            "authz.yaml:11:12: rules[0].match.paths[2].set: with this set it has more than 10000 values",
            "authz/a.yaml:7:12: rules[0].match.paths[2].set: with this set it has more than 10000 values",
        ],
    );
}

#[test]
fn bad_rules_among_ten_thousand_are_told_with_their_lines() {
    let rule = |at: usize| match at {
        0 | 4_950 | 9_899 => {
            format!("- {{name: r{at}, match: {{paths: [r{at}]}}, subject: anyone}}\n")
        }
        _ => format!("- {{name: r{at}, match: {{paths: [/r{at}]}}, subject: anyone}}\n"),
    };
    let text =
        |rules: std::ops::Range<usize>| format!("rules:\n{}", rules.map(rule).collect::<String>());
    let own = format!("include: [authz/first.yaml]\nrealm: shop\n{}", text(5_000..9_900));
    let files = [("authz.yaml", own.as_str()), ("authz/first.yaml", &text(0..5_000))];
    finds(
        &folder("many", &files),
        &[
            "authz.yaml:4903:33: rules[4899].match.paths[0]: a path template begins with `/`",
            "authz/first.yaml:2:30: rules[0].match.paths[0]: a path template begins with `/`",
            "authz/first.yaml:4952:33: rules[4950].match.paths[0]: a path template begins with `/`",
        ],
    );
}
