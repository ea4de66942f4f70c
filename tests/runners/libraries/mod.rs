//! Tokens of three independent libraries, and mutations of them, on a real
//! Envoy: those that the libraries made pass, nothing else does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

use postern_tests::bootstrap::modules;
use postern_tests::client::{Connection, PATIENCE};
use postern_tests::corpus::workspace;
use postern_tests::envoy::{Envoy, free_ports};
use postern_tests::observe::Answer;
use postern_tests::python;
use serde_json::{Value, json};

/// An Envoy that knows the keys of the libraries, and their tokens.
pub struct Minted {
    envoy: Envoy,
    tokens: SocketAddr,
    bounded: SocketAddr,
    cases: Vec<Case>,
}

/// A token and what it is.
struct Case {
    library: String,
    algorithm: String,
    what: String,
    good: bool,
    token: String,
}

/// A test of the tokens.
pub type Test = fn(&Minted) -> Result<(), String>;

/// All of them.
pub const ALL: &[(&str, Test)] = &[
    ("every_library_made_tokens_with_every_algorithm", every_algorithm),
    ("their_tokens_are_accepted", good_tokens),
    ("mutations_of_them_are_refused", mutations),
    ("checks_inside_wasm_are_bounded_and_the_others_are_not", bounded),
    ("nothing_trapped", nothing_trapped),
];

const ALGORITHMS: [&str; 14] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K",
    "EdDSA", "HS256", "HS384", "HS512",
];

impl Minted {
    /// Mints the tokens and starts Envoy with the module of `auth`.
    pub fn start() -> Result<Self, String> {
        let python = python::with("libraries", "tests/libraries/requirements.txt")?;
        let printed = python::script(&python, "tests/libraries/tokens.py")?;
        let mut lines = printed.lines();
        let keys = parse(lines.next().unwrap_or_default())?;
        let cases = lines.map(|line| Case::parse(&parse(line)?)).collect::<Result<_, _>>()?;
        let modules = modules();
        let secrets = keys["secrets"].as_object().ok_or("no secrets")?;
        let variables: Vec<(String, String)> = secrets
            .iter()
            .map(|(kid, secret)| (variable(kid), secret.as_str().unwrap_or_default().to_owned()))
            .collect();
        let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
        let [admin, tokens, bounded] = free_ports()?;
        let quoted = |policy: &Value| policy.to_string().replace('\'', "''");
        let bootstrap = include_str!("../../libraries/envoy.yaml")
            .replace("$ADMIN", &admin.to_string())
            .replace("$TOKENS", &tokens.to_string())
            .replace("$BOUNDED", &bounded.to_string())
            .replace("$POLICY", &quoted(&policy(&keys, 100_000)))
            .replace("$TIGHT", &quoted(&policy(&keys, 1)))
            .replace("$VARIABLES", &names.join(", "))
            .replace("$MODULE", &modules.join("auth.wasm").to_string_lossy());
        let folder = workspace().join("target/test-runs/libraries");
        let environment: Vec<(&str, String)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let words = ["--concurrency", "2"];
        let envoy = Envoy::start_with(&folder, &bootstrap, admin, &words, &environment)?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Minted { envoy, tokens: at(tokens), bounded: at(bounded), cases })
    }
}

impl Case {
    fn parse(line: &Value) -> Result<Self, String> {
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let case = || {
            Some(Case {
                library: text("library")?,
                algorithm: text("algorithm")?,
                what: text("what")?,
                good: line["good"].as_bool()?,
                token: text("token")?,
            })
        };
        case().ok_or_else(|| format!("no case: {line}"))
    }

    fn name(&self) -> String {
        format!("{} {}: {}", self.library, self.algorithm, self.what)
    }
}

fn parse(line: &str) -> Result<Value, String> {
    serde_json::from_str(line).map_err(|e| format!("tokens.py: {e}: {line}"))
}

/// `other-HS256` stands in `OTHER_HS256`.
fn variable(kid: &str) -> String {
    kid.to_ascii_uppercase().replace('-', "_")
}

fn policy(keys: &Value, checks: u64) -> Value {
    let mut sources = vec![json!({"jwks": {"keys": keys["jwks"]}}), json!({"pem": keys["pem"]})];
    for kid in keys["secrets"].as_object().into_iter().flat_map(|secrets| secrets.keys()) {
        let alg = kid.trim_start_matches("other-");
        sources.push(json!({"secret": {"env": variable(kid), "alg": alg, "kid": kid}}));
    }
    json!({
        "wasm_checks_per_second": checks,
        "providers": {"libraries": {"jwt": {
            "issuer": "https://id.example.com",
            "audiences": ["library-test"],
            "algorithms": ALGORITHMS,
            "keys": sources,
        }}},
    })
}

/// Sends each token on one connection; what it says of each answer comes back.
fn send_all<'c>(
    to: SocketAddr,
    cases: impl Iterator<Item = &'c Case>,
    mut judge: impl FnMut(&Case, &Answer) -> Option<String>,
) -> Result<usize, String> {
    let mut connection = Connection::open(to, PATIENCE)?;
    let mut wrong = Vec::new();
    let mut sent = 0;
    for case in cases {
        let head = "GET / HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer ";
        connection.write(format!("{head}{}\r\n\r\n", case.token).as_bytes())?;
        let answer = connection.read(false).map_err(|e| format!("{}: {e}", case.name()))?;
        wrong.extend(judge(case, &answer).map(|why| format!("{}: {why}", case.name())));
        sent += 1;
    }
    if wrong.is_empty() { Ok(sent) } else { Err(wrong.join("\n")) }
}

/// So that a library that mints less does not go unnoticed.
fn every_algorithm(on: &Minted) -> Result<(), String> {
    let mut made: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for case in on.cases.iter().filter(|case| case.what == "good") {
        made.entry(&case.library).or_default().insert(&case.algorithm);
    }
    let all: BTreeSet<&str> = ALGORITHMS.into();
    let expected = ["joserfc", "jwcrypto", "pyjwt"].map(|library| (library, all.clone()));
    let expected = BTreeMap::from(expected);
    if made == expected { Ok(()) } else { Err(format!("expected {expected:?}, made {made:?}")) }
}

fn good_tokens(on: &Minted) -> Result<(), String> {
    let good = on.cases.iter().filter(|case| case.good);
    let sent = send_all(on.tokens, good, |case, answer| {
        let subject = format!("{}-{}", case.library, case.algorithm);
        let got = (answer.status, answer.text("x-subject"));
        (got != (200, Some(subject.as_str()))).then(|| format!("{got:?}"))
    })?;
    // Three of each library with each algorithm.
    if sent == 3 * 3 * ALGORITHMS.len() { Ok(()) } else { Err(format!("{sent} tokens")) }
}

fn mutations(on: &Minted) -> Result<(), String> {
    let bad = on.cases.iter().filter(|case| !case.good);
    let sent = send_all(on.tokens, bad, |_, answer| {
        let challenge = answer.text("www-authenticate").unwrap_or_default();
        let told = challenge.contains("error=\"invalid_token\"");
        let got = (answer.status, told, answer.text("x-subject"));
        (got != (401, true, None)).then(|| format!("{got:?}, {challenge}"))
    })?;
    if sent > 2_000 { Ok(()) } else { Err(format!("only {sent} mutations")) }
}

/// One check a second and worker: what comes sooner is told to come again, and
/// nobody is told that a good token is bad. What the host checks goes on.
fn bounded(on: &Minted) -> Result<(), String> {
    let pss = |case: &&Case| case.good && case.algorithm == "PS256";
    let (mut passed, mut told_to_wait) = (0, 0);
    let flood = on.cases.iter().filter(pss).cycle().take(60);
    send_all(on.bounded, flood, |_, answer| match answer.status {
        200 => {
            passed += 1;
            None
        }
        503 => {
            told_to_wait += 1;
            let code =
                answer.json().and_then(|problem| problem["code"].as_str().map(str::to_owned));
            let got = (answer.text("retry-after"), code);
            (got != (Some("1"), Some("too_many_checks".to_owned()))).then(|| format!("{got:?}"))
        }
        status => Some(format!("{status}")),
    })?;
    if passed == 0 || told_to_wait == 0 {
        return Err(format!("{passed} passed, {told_to_wait} were told to wait"));
    }
    let by_the_host = ["RS256", "ES256", "ES384", "ES512", "HS512"];
    let others = |case: &&Case| case.good && by_the_host.contains(&case.algorithm.as_str());
    let others = on.cases.iter().filter(others);
    send_all(on.bounded, others, |_, answer| {
        (answer.status != 200).then(|| answer.status.to_string())
    })?;
    Ok(())
}

fn nothing_trapped(on: &Minted) -> Result<(), String> {
    let reloads = on.envoy.stats("vm_reload")?;
    match reloads.iter().find(|(_, n)| *n > 0) {
        None => Ok(()),
        Some((name, n)) => Err(format!("{name}: {n}\n{}", on.envoy.printed())),
    }
}
