//! What writes rate-limit fields beside `rate-limit`, and what it says in vain.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use postern_cli::check::check;

const LIMIT: &str = "limits: [{id: a, match: {}, quota: 1, window: 1s}]\n";
const SILENT: &str = "dialects: [{match: {}, dialect: ietf, answers: refused}]\n";
const LOCAL: &str = "{name: local, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, stat_prefix: l, enable_x_ratelimit_headers: DRAFT_VERSION_03}}";

fn folder(name: &str, files: &[(&str, String)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clashing").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        std::fs::write(folder.join(file), text).unwrap();
    }
    folder
}

/// The warnings of a folder with these policies and a chain of these filters; each
/// without its place but for the number of the filter.
fn warned(name: &str, policies: &[(&str, &str)], filters: &[&str]) -> Vec<String> {
    warned_with(name, policies, filters, "")
}

/// The same with this line of the connection manager beside its filters.
fn warned_with(name: &str, policies: &[(&str, &str)], filters: &[&str], line: &str) -> Vec<String> {
    let broken = include_str!("broken/bootstrap-slow-idle-timeout.yaml");
    let (head, _) = broken.split_once("          - name: auth\n").unwrap();
    let head = head.replace("stream_idle_timeout: 300s", "stream_idle_timeout: 10s");
    let mounts: String = filters.iter().map(|filter| format!("          - {filter}\n")).collect();
    let mut files =
        vec![("envoy.yaml", format!("{head}{mounts}          - name: router\n          {line}\n"))];
    for (file, text) in policies {
        files.push((file, format!("filter: rate-limit\n{text}")));
    }
    let folder = folder(name, &files);
    let good = check(&[folder], &|_| None).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let own = |text: String| match text.split_once(".http_filters") {
        Some((_, rest)) => rest.to_owned(),
        None => text,
    };
    good.warnings().map(|w| own(w.to_string())).collect()
}

#[test]
fn a_stock_limiter_before_ours_clashes() {
    let ours = "{name: rate-limit}";
    let told = "[0]: `local` writes `X-RateLimit-…` beside what `rate-limit` says, and answers come \
                to `rate-limit` first: mount it behind `rate-limit`, which takes its fields off or \
                says them again (`observe`), or take out `enable_x_ratelimit_headers`";
    let policy = [("rate-limit.yaml", LIMIT)];
    assert_eq!(warned("before", &policy, &[LOCAL, ours]), [told]);
    let stock = LOCAL.replace("local_ratelimit.v3.LocalRateLimit", "ratelimit.v3.RateLimit");
    assert_eq!(warned("stock", &policy, &[&stock, ours]), [told]);
    for quiet in [
        LOCAL.replace("DRAFT_VERSION_03", "\"OFF\""),
        LOCAL.replace(", enable_x_ratelimit_headers: DRAFT_VERSION_03", ""),
        LOCAL.replace("local_ratelimit.v3.LocalRateLimit", "buffer.v3.Buffer"),
    ] {
        assert_eq!(warned("quiet", &policy, &[&quiet, ours]), [""; 0], "{quiet}");
    }
}

#[test]
fn a_stock_limiter_that_writes_for_a_route_alone_is_seen() {
    let quiet = LOCAL.replace(", enable_x_ratelimit_headers: DRAFT_VERSION_03", "");
    let told = "[0]: `local` (by `typed_per_filter_config` of a route) writes `X-RateLimit-…` \
                beside what `rate-limit` says, and answers come to `rate-limit` first: mount it \
                behind `rate-limit`, which takes its fields off or says them again (`observe`), \
                or take out `enable_x_ratelimit_headers`";
    let (_, config) = LOCAL.split_once("typed_config: ").unwrap();
    let config = config.trim_end_matches('}').to_owned() + "}";
    let warned = |name: &str, filter: &str, config: &str| {
        warned_with(
            name,
            &[("rate-limit.yaml", LIMIT)],
            &[&quiet, "{name: rate-limit}"],
            &format!(
                "route_config: {{virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, \
             typed_per_filter_config: {{{filter}: {config}}}}}]}}]}}"
            ),
        )
    };
    assert_eq!(warned("by-route", "local", &config), [told]);
    let held = format!(
        "{{'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {config}}}"
    );
    assert_eq!(warned("by-route-held", "local", &held), [told]);
    assert_eq!(warned("by-route-other", "other", &config), [""; 0]);
    let off = config.replace("DRAFT_VERSION_03", "\"OFF\"");
    assert_eq!(warned("by-route-off", "local", &off), [""; 0]);
}

#[test]
fn behind_ours_it_does_where_its_fields_stay() {
    let chain = ["{name: rate-limit}", LOCAL];
    assert_eq!(warned("behind", &[("rate-limit.yaml", LIMIT)], &chain), [""; 0]);
    let replace = format!("{LIMIT}beside: replace\n");
    let told = "[1]: `local` writes `X-RateLimit-…`, which `rate-limit` leaves beside its own by \
                `beside: replace`: leave that out, or `observe` them";
    assert_eq!(warned("replaced", &[("rate-limit.yaml", &replace)], &chain), [told]);
    let observed = format!("{replace}observe: [{{id: there, match: {{}}}}]\n");
    assert_eq!(warned("observed", &[("rate-limit.yaml", &observed)], &chain), [""; 0]);
}

#[test]
fn a_mount_that_takes_off_what_another_says_is_named() {
    let chain = ["{name: outer}", "{name: rate-limit}"];
    let both = |name: &str, outer: &str| {
        warned(name, &[("outer.yaml", outer), ("rate-limit.yaml", LIMIT)], &chain)
    };
    let told = "[0]: `outer` takes off what `rate-limit` says of its limits: with `beside: join` \
                both are told, with `answers: refused` in each dialect it says nothing of what \
                passes";
    assert_eq!(both("plain", LIMIT), [told]);
    assert_eq!(both("silent", &format!("{LIMIT}{SILENT}")), [""; 0]);
    assert_eq!(both("joined", &format!("{LIMIT}beside: join\n")), [""; 0]);
    let some = format!("{LIMIT}{}", SILENT.replace("match: {}", "match: {paths: [/a]}"));
    assert_eq!(both("some", &some), [told], "all others are told");
    let none = "dialects: [{match: {}, dialect: none}]\n";
    assert_eq!(both("none", &format!("{LIMIT}{none}")), [told]);
    assert_eq!(both("none-replaced", &format!("{LIMIT}{none}beside: replace\n")), [""; 0]);
}

#[test]
fn what_never_applies_is_named() {
    let policy = "limits:\n\
        - {id: more, match: {}, also: true, quota: 1, window: 1s}\n\
        - {id: some, match: {paths: [/a]}, quota: 1, window: 1s}\n\
        - {id: trial, match: {}, mode: shadow, quota: 1, window: 1s}\n\
        - {id: real, match: {}, quota: 1, window: 1s}\n\
        - {id: beside, match: {}, also: true, quota: 9, window: 1s, costs: [\n\
            {match: {}, answers: [{statuses: [404], cost: 0}, {cost: 2}, {statuses: [500], cost: 0}]},\n\
            {match: {paths: [/dear]}, cost: 5}]}\n\
        observe: [{id: x, match: {}}, {id: y, match: {paths: [/b]}}]\n\
        dialects:\n\
        - {match: {}, callers: {subjects: [s]}, dialect: github}\n\
        - {match: {}, dialect: ietf}\n\
        - {match: {paths: [/old]}, dialect: legacy}\n";
    let folder = folder("vain", &[("rate-limit.yaml", policy.to_owned())]);
    let good = check(&[folder], &|_| None).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let said = |w: &postern_cli::finding::Finding| format!("{}: {}", w.path, w.message);
    let said: Vec<String> = good.warnings().map(said).collect();
    assert_eq!(
        said,
        [
            "limits[3]: `trial` before it counts every request and refuses none, so this one counts none: with `also: true` it counts beside others",
            "limits[4].costs[0].answers[2]: answers[1] before it is for every answer",
            "limits[4].costs[1]: costs[0] before it is for every request",
            "observe[1]: observe[0] before it is for every request",
            "dialects[2]: dialects[1] before it is for every request",
        ]
    );
    let enforced = "limits: [{id: a, match: {}, quota: 1, window: 1s}, {id: b, match: {}, quota: 1, window: 1s}]\n";
    let other = self::folder("vain-enforced", &[("rate-limit.yaml", enforced.to_owned())]);
    let good = check(&[other], &|_| None).unwrap();
    let said: Vec<String> = good.warnings().map(|w| w.message.clone()).collect();
    assert_eq!(
        said,
        [
            "`a` before it counts every request, so this one counts none: with `also: true` it counts beside others"
        ]
    );
}

#[test]
fn a_claim_that_auth_does_not_tell_is_named() {
    let auth = "providers:\n  idp:\n    jwt:\n      issuer: https://id.example.com\n      \
    audiences: [a]\n      algorithms: [RS256]\n      keys: [{discovery: {cluster: idp, jwks_cluster: idp}}]\n      \
    claims: [tenant, {from: a.b, to: area}]\n  keys:\n    api_key: {remote: {cluster: a, uri: http://a/b}}\n";
    let limits = "limits:\n- {id: a, match: {}, key: [{claim: tenant}], quota: {claim: rpm, otherwise: 1}, window: 1s}\n";
    let folder =
        folder("claims", &[("auth.yaml", auth.to_owned()), ("rate-limit.yaml", limits.to_owned())]);
    let secret = |_: &str| Some("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAx".to_owned());
    let good = check(&[folder], &secret).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let said: Vec<String> = good.warnings().map(|w| format!("{}: {}", w.path, w.message)).collect();
    assert_eq!(
        said,
        ["limits[0].quota.claim: no provider of `auth.yaml` publishes the claim `rpm`"]
    );
}

#[test]
fn callers_whom_two_issuers_can_name_are_told_of() {
    let provider = |name: &str, issuer: &str| {
        format!(
            "  {name}:\n    jwt:\n      issuer: {issuer}\n      audiences: [a]\n      algorithms: \
             [RS256]\n      keys: [{{discovery: {{cluster: idp, jwks_cluster: idp}}}}]\n"
        )
    };
    let warned = |name: &str, second: &str, callers: &str| {
        let first = provider("idp", "https://id.example.com");
        let auth = format!("providers:\n{first}{second}");
        let limits = format!(
            "limits:\n- id: a\n  match: {{}}\n  quota: 1\n  window: 1s\n  overrides: \
             [{{callers: {callers}, limit: unlimited}}]\n"
        );
        let folder = folder(name, &[("auth.yaml", auth), ("rate-limit.yaml", limits)]);
        let good = check(&[folder], &|_| None).unwrap_or_else(|findings| panic!("{findings:#?}"));
        good.warnings().map(|w| format!("{}: {}", w.path, w.message)).collect::<Vec<_>>()
    };
    let other = provider("partner", "https://partner.example");
    let told = |key: &str| {
        format!(
            "limits[0].overrides[0].callers: each of the providers `idp`, `partner` of `auth.yaml` \
             can name these `{key}`: say whose are meant, by `issuers` or `providers`"
        )
    };
    assert_eq!(warned("issuers-subjects", &other, "{subjects: [s]}"), [told("subjects")]);
    assert_eq!(warned("issuers-clients", &other, "{clients: [s], plans: [p]}"), [told("clients")]);
    for (name, callers) in [
        ("issuers-said", "{subjects: [s], issuers: ['https://id.example.com']}"),
        ("issuers-provider", "{clients: [s], providers: [partner]}"),
        ("issuers-plans", "{plans: [s]}"),
    ] {
        assert_eq!(warned(name, &other, callers), [""; 0], "{callers}");
    }
    let twice = provider("again", "https://id.example.com");
    assert_eq!(warned("issuers-one", &twice, "{subjects: [s]}"), [""; 0], "it is one issuer");
    assert_eq!(
        warned("issuers-nobody", &other, "{providers: [idb]}"),
        ["limits[0].overrides[0].callers.providers[0]: no provider of `auth.yaml` has the name \
          `idb`, did you mean `idp`?"]
    );
}
