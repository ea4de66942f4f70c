//! What is good, and hardly meant: `check` warns of it, and each warning names its place.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use postern_cli::check::check;

/// A folder with these files.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("doubts").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("authz")).unwrap();
    for (file, text) in files {
        std::fs::write(folder.join(file), text).unwrap();
    }
    folder
}

/// The mistakes of a folder, or its warnings.
fn told(folder: &Path) -> Result<Vec<String>, Vec<String>> {
    let prefix = format!("{}/", folder.display());
    let line = |finding: &postern_cli::finding::Finding| finding.to_string().replace(&prefix, "");
    match check(&[folder.to_owned()], &|_| None) {
        Ok(good) => Ok(good.warnings().map(line).collect()),
        Err(findings) => Err(findings.iter().map(line).collect()),
    }
}

#[track_caller]
fn warns(folder: &Path, expected: &[&str]) {
    assert_eq!(told(folder).unwrap(), expected);
}

#[test]
fn a_capture_of_a_type_that_is_none() {
    let authz = "include: [authz/more.yaml]\nsets: {paths: {all: ['/a/{n:num}']}}\nrules:\n\
        - name: own\n  match: {paths: ['/b/{m}/{n:uuid}', '/c/{n:int}', '/d/{n:v1|num}', {set: all}]}\n  \
        subject: anyone\n";
    let more = "rules:\n- name: more\n  match: {paths: ['/e/x{n:string}']}\n  subject: anyone\n";
    warns(
        &folder("captures", &[("authz.yaml", authz), ("authz/more.yaml", more)]),
        &[
            "authz.yaml:2:22: sets.paths.all[0]: `{n:num}` is the text `num` alone; a number is `{n:int}`",
            "authz.yaml:5:19: rules[0].match.paths[0]: `{n:uuid}` is the text `uuid` alone; any text is `{n}`",
            "authz/more.yaml:3:19: rules[0].match.paths[0]: `{n:string}` is the text `string` alone; any text is `{n}`",
        ],
    );
    let limits = "limits:\n- id: a\n  match: {paths: ['/{n:integer}']}\n  quota: 1\n  window: 1s\n";
    warns(
        &folder("captures-of-limits", &[("rate-limit.yaml", limits)]),
        &[
            "rate-limit.yaml:3:19: limits[0].match.paths[0]: `{n:integer}` is the text `integer` alone; a number is `{n:int}`",
        ],
    );
}

#[test]
fn a_method_with_a_slip() {
    let authz = "rules:\n- name: own\n  match: {methods: [GTE, GET, PURGE, MOVE, OPTION, LOCK]}\n  \
        subject: anyone\n";
    warns(
        &folder("methods", &[("authz.yaml", authz)]),
        &[
            "authz.yaml:3:21: rules[0].match.methods[0]: `GTE` is none of the usual methods, did you mean `GET`?",
            "authz.yaml:3:44: rules[0].match.methods[4]: `OPTION` is none of the usual methods, did you mean `OPTIONS`?",
        ],
    );
}

const RULES: &str = "rules: [{name: a, match: {}, subject: identified}]\n";

/// A bootstrap with these filters before `authz`, and behind it.
fn bootstrap(before: &str, behind: &str) -> String {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/envoy.yaml");
    let text = std::fs::read_to_string(demo).unwrap();
    let (head, rest) = text.split_once("          - name: legacy-compat\n").unwrap();
    let (_, tail) = rest.split_once("          - name: router\n").unwrap();
    let authz = "          - name: authz\n            config_discovery:\n              config_source:\n                \
        path_config_source: {path: /etc/postern/config/authz.json}\n";
    format!("{head}{before}{authz}{behind}          - name: router\n{tail}")
}

fn jwt_authn(providers: &str) -> String {
    format!(
        "          - name: jwt\n            typed_config: {{'@type': \
         type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication, \
         providers: {{{providers}}}}}\n"
    )
}

#[test]
fn the_payload_has_to_be_written_before_it_is_read() {
    let policy = format!("identity: {{jwt_authn: {{payload: tokx}}}}\n{RULES}");
    let found = |name: &str, before: &str, behind: &str| {
        let files = [("authz.yaml", &*policy), ("envoy.yaml", &*bootstrap(before, behind))];
        told(&folder(name, &files))
    };
    let is = |hint: &str| {
        Err(vec![format!(
            "authz.yaml:1:33: identity.jwt_authn.payload: no `jwt_authn` filter before `authz` writes \
             `tokx`: {hint}"
        )])
    };
    let (tok, tokx) = ("a: {payload_in_metadata: tok}", "b: {payloadInMetadata: tokx}");
    let none = is("expected a provider there with `payload_in_metadata: tokx`");
    assert_eq!(found("no-filter", "", ""), none);
    assert_eq!(found("no-payload", &jwt_authn("a: {issuer: b}"), ""), none);
    assert_eq!(found("other-payload", &jwt_authn(tok), ""), is("found `tok`"));
    assert_eq!(found("behind", "", &jwt_authn(tokx)), is("one behind it does"));
    assert_eq!(found("good", &jwt_authn(&format!("{tok}, {tokx}")), ""), Ok(Vec::new()));
    // Nobody can tell what comes by discovery.
    let discovered =
        "          - name: jwt_authn\n            config_discovery: {type_urls: [a]}\n";
    assert_eq!(found("discovered", discovered, ""), Ok(Vec::new()));
}

#[test]
fn headers_that_anybody_can_write() {
    let policy = format!("identity: {{trusted_headers: {{subject: x-user}}}}\n{RULES}");
    warns(
        &folder("trusted", &[("authz.yaml", &policy)]),
        &[
            "authz.yaml:1:29: identity.trusted_headers: whoever reaches the listener can write these \
             headers, and be anybody: let none but the hop that removes what clients send in them \
             reach it",
        ],
    );
}

const AUTH: &str = "providers:\n  idp:\n    jwt:\n      issuer: https://id.example.com\n      \
    audiences: [a]\n      algorithms: [RS256]\n      keys: [{discovery: {cluster: idp, jwks_cluster: idp}}]\n      \
    claims: [tenant, {from: a.b, to: area}]\n  keys:\n    api_key: {remote: {cluster: a, uri: http://a/b}}\n";

#[test]
fn what_no_provider_tells_of_a_caller() {
    let authz = "sets:\n  claims: {own: [{claim: teem, is: {present: true}}]}\n  texts: {providers: [x]}\n\
        rules:\n- name: a\n  match: {}\n  subject: {providers: [idpp, keys, {set: providers}], any_role: [x]}\n  \
        claims:\n  - {claim: tenant, is: {present: true}}\n  - {claim: area, is: {present: true}}\n  \
        - {claim: plan, is: {present: true}}\n  - {claim: team, is: {present: true}}\n  - {set: own}\n";
    let files = [("authz.yaml", authz), ("auth.yaml", AUTH)];
    let in_vain = folder("published", &files);
    warns(
        &in_vain,
        &[
            "authz.yaml:2:26: sets.claims.own[0].claim: no provider of `auth.yaml` publishes the claim `teem`",
            "authz.yaml:7:25: rules[0].subject.providers[0]: no provider of `auth.yaml` has the name `idpp`, did you mean `idp`?",
            "authz.yaml:7:66: rules[0].subject.any_role: no provider of `auth.yaml` publishes the claim `roles`",
            "authz.yaml:12:13: rules[0].claims[3].claim: no provider of `auth.yaml` publishes the claim `team`",
        ],
    );
    // With an identity from elsewhere, or with `roles`, there is nothing to say.
    let elsewhere = format!("identity: {{jwt_authn: {{payload: p}}}}\n{authz}");
    warns(&folder("elsewhere", &[("authz.yaml", &elsewhere), ("auth.yaml", AUTH)]), &[]);
    let roles = AUTH.replace("[tenant,", "[roles, team, teem, tenant,");
    let authz = authz.replace("idpp", "idp");
    warns(&folder("roles", &[("authz.yaml", &authz), ("auth.yaml", &roles)]), &[]);

    let tool = |words: &[&str]| -> Output {
        Command::new(env!("CARGO_BIN_EXE_postern"))
            .arg("check")
            .arg(&in_vain)
            .args(words)
            .output()
            .unwrap()
    };
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let good =
        format!("{0}/auth.yaml: good\n{0}/authz.yaml: good, 4 warnings\n", in_vain.display());
    let (plain, denied, json) =
        (tool(&[]), tool(&["--deny-warnings"]), tool(&["--deny-warnings", "--json"]));
    assert_eq!((plain.status.code(), said(&plain.stdout)), (Some(0), good.clone()));
    assert_eq!((denied.status.code(), said(&denied.stdout)), (Some(1), good));
    assert!(
        said(&denied.stderr).ends_with("error: 4 warnings, and `--deny-warnings` takes none\n")
    );
    assert_eq!(json.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 4);
}

/// The stricter rule behind a wider one is the one that nobody misses.
#[test]
fn a_requirement_behind_one_for_all_of_its_requests() {
    let rule = |name: &str, applies_to: &str, require: &str| {
        format!("- {{name: {name}, match: {applies_to}, require: {require}}}\n")
    };
    let rules = [
        rule(
            "reports",
            "{methods: [GET], paths: ['/reports/**', '/r/{n:int}']}",
            "{optional: [keys]}",
        ),
        rule("one", "{methods: [GET], paths: [/reports/x]}", "{any_of: [keys]}"),
        rule(
            "head",
            "{methods: [HEAD], hosts: [a.example], paths: ['/r/{m:int}']}",
            "{any_of: [keys]}",
        ),
        // These have requests of their own.
        rule("written", "{methods: [GET, POST], paths: [/reports/x]}", "{any_of: [keys]}"),
        rule("texts", "{methods: [GET], paths: ['/r/{m}']}", "{any_of: [keys]}"),
        rule("sub", "{hosts: ['*.a.example'], paths: [/h]}", "{any_of: [keys]}"),
        rule("main", "{hosts: [a.example], paths: [/h]}", "{any_of: [keys]}"),
        rule("head-only", "{methods: [HEAD], paths: [/m]}", "{any_of: [keys]}"),
        rule("get-too", "{methods: [GET], paths: [/m]}", "{any_of: [keys]}"),
        rule("tagged", "{headers: [{name: x-t, present: true}], paths: [/t]}", "{any_of: [keys]}"),
        rule("untagged", "{paths: [/t]}", "{any_of: [keys]}"),
        rule(
            "either",
            "{any_header: [{name: x-t, present: true}], paths: [/e]}",
            "{any_of: [keys]}",
        ),
        rule("neither", "{paths: [/e]}", "{any_of: [keys]}"),
        rule("route", "{routes: [r], paths: [/o]}", "{any_of: [keys]}"),
        rule("routes", "{routes: [r, s], paths: [/o]}", "{any_of: [keys]}"),
        rule("all", "{}", "{optional: [keys]}"),
        rule("behind", "{headers: [{name: x-a, exact: [b]}]}", "{none: true}"),
    ];
    let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let auth = format!(
        "providers:\n  keys: {{api_key: {{keys: [{{id: a, client: c, subject: s, sha256: {digest}}}]}}}}\nrules:\n{}",
        rules.concat()
    );
    let of = |name: &str, first: usize| {
        format!(
            "`{name}` (rules[{first}]) is before it and for all of its requests, so this rule \
             never counts: the first that fits does"
        )
    };
    let expected = [
        format!("auth.yaml:5:3: rules[1]: {}", of("reports", 0)),
        format!("auth.yaml:6:3: rules[2]: {}", of("reports", 0)),
        format!("auth.yaml:20:3: rules[16]: {}", of("all", 15)),
    ];
    let one = folder("requirements", &[("auth.yaml", &auth)]);
    warns(&one, &expected.each_ref().map(String::as_str));
    let many: String = (0..=2_000)
        .map(|n| rule(&format!("r{n}"), &format!("{{paths: [/{n}]}}"), "{any_of: [keys]}"))
        .collect();
    let auth = auth.replace(&rules.concat(), &many);
    let said = "auth.yaml:4:3: rules: only the first 2000 of 2001 rules were looked through for \
                those in vain";
    warns(&folder("many-requirements", &[("auth.yaml", &auth)]), &[said]);
}
