//! A credential goes to `auth` and nowhere else: to no body either.

use super::requests::filter;
use super::*;

/// A policy of one rule, with answers, over a dialect.
fn whole(request: &str, answers: &str, dialect: &str) -> Option<String> {
    let policy = format!(
        r#"{{"dialects":{{"old":{{"answers":[{dialect}]}}}},"rules":[{{"name":"r",
            "match":{{"paths":["/{{user}}/{{key}}"]}},"dialect":"old","request":{request},"answers":[{answers}]}}]}}"#
    );
    let configured = LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None);
    configured.err().map(|errors| errors.to_string())
}

const FROM_PATH: &str =
    r#""path":"/a","credential":{"basic":{"username":"{user}","password":"{key}"}}"#;

fn set(to: &str) -> String {
    format!(r#""body":{{"edit":{{"steps":[{{"set":{{"at":"a","to":"{to}"}}}}]}}}}"#)
}

#[test]
fn no_body_that_the_upstream_gets_has_a_credential() {
    let told = |place: &str, name: &str| {
        Some(format!(
            "rules[0].request.credential.{place}: the credential goes to `auth` and nowhere else, and \
             what the upstream gets has `{{${name}}}` in its body"
        ))
    };
    let in_body = |name: &str| set(&format!("of {{${name}}}"));
    let bearer = |of: &str, name: &str| {
        let request =
            format!(r#"{{"path":"/a","credential":{{"bearer":"{{{of}}}"}},{}}}"#, in_body(name));
        whole(&request, "", "")
    };
    let basic = format!("{{{FROM_PATH},{}}}", in_body("capture.key"));
    assert_eq!(whole(&basic, "", ""), told("basic.password", "capture.key"));
    assert_eq!(bearer("query.token", "query.token"), told("bearer", "query.token"));
    assert_eq!(bearer("header.x-token", "header.X-Token"), told("bearer", "header.x-token"));
    assert_eq!(bearer("cookie.token", "cookie.token"), told("bearer", "cookie.token"));
    // Where `auth` finds it, too.
    let key = format!(
        r#"{{"path":"/a","credential":{{"key":{{"header":"x-key","value":"{{query.k}}"}}}},{}}}"#,
        in_body("header.x-key")
    );
    assert_eq!(whole(&key, "", ""), told("key.value", "header.x-key"));
    // Its user is no secret, nor is what stands beside it.
    let user = format!("{{{FROM_PATH},{}}}", in_body("capture.user"));
    assert_eq!(whole(&user, "", ""), None);
    assert_eq!(bearer("cookie.token", "cookie.other"), None);
}

#[test]
fn no_answer_has_a_credential() {
    let request = format!("{{{FROM_PATH}}}");
    let told = Some(
        "rules[0].request.credential.basic.password: the credential goes to `auth` and nowhere else, \
         and an answer of the rule or its dialect has `{$capture.key}` in its body"
            .to_owned(),
    );
    assert_eq!(whole(&request, r#"{"json":{"k":"{$capture.key}"}}"#, ""), told);
    let edit = r#"{"edit":{"steps":[{"set":{"at":"k","to":["{$capture.key}"]}}]}}"#;
    assert_eq!(whole(&request, edit, ""), told);
    assert_eq!(whole(&request, r#"{"json":{"u":"{$capture.user}"}}"#, ""), None);
    let query = r#"{"credential":{"bearer":"{query.token}"}}"#;
    assert_eq!(
        whole(query, "", r#"{"json":{"t":"{$query.token | or ''}"}}"#).unwrap(),
        "rules[0].request.credential.bearer: the credential goes to `auth` and nowhere else, and an \
         answer of the rule or its dialect has `{$query.token}` in its body"
    );
    // Headers and cookies of the request are in no answer.
    assert_eq!(
        whole("{}", r#"{"json":{"c":"{$cookie.c}"}}"#, "").unwrap(),
        "rules[0].answers[0]: `$cookie.c` is of requests, and their own body alone can take it"
    );
}

#[test]
fn what_holds_credentials_anyway_goes_nowhere() {
    let error = |request: &str| filter(request).err().unwrap_or_else(|| "taken".to_owned());
    let why =
        |name: &str| format!("`{name}` is a credential, which goes to `auth` and nowhere else");
    for name in ["header.authorization", "header.proxy-authorization", "header.cookie"] {
        let body = format!("{{{}}}", set(&format!("{{${name}}}")));
        let both =
            |place: &str, why: String| format!("rules[0].{place}: {why}\nrules[1].{place}: {why}");
        assert_eq!(error(&body), both("request.body", why(&format!("${name}"))));
        let header = format!(r#"{{"headers":{{"set":{{"x-a":"{{{name}}}"}}}}}}"#);
        assert_eq!(error(&header), both("request.headers.set.x-a", why(name)));
        let own = name.trim_start_matches("header.");
        for moved in ["copy", "rename"] {
            let header = format!(r#"{{"headers":{{"{moved}":{{"{own}":"x-a"}}}}}}"#);
            let place = format!("request.headers.{moved}.{own}");
            assert_eq!(error(&header), both(&place, why(name)));
        }
    }
    let query = r#"{"query":{"p":"{basic.password}"}}"#;
    assert!(
        error(query).starts_with(&format!("rules[0].request.query.p: {}", why("basic.password")))
    );
    // As a credential of another form, `auth` gets it.
    for good in [
        r#"{"credential":{"bearer":"{basic.password}"},"headers":{"set":{"x-user":"{basic.username}"}}}"#,
        r#"{"credential":{"key":{"header":"x-key","value":"{header.authorization}"}}}"#,
    ] {
        assert_eq!(error(good), "taken");
    }
}
