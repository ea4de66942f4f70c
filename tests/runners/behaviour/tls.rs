//! The listener with TLS: the same gateway, and who may come in.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use postern_stack::keys::Keys;
use postern_tests::case::{Case, Only};
use postern_tests::client::{PATIENCE, Wire, connect};
use postern_tests::corpus;
use postern_tests::h2;
use postern_tests::live::{Run, Sender, wire};
use postern_tests::observe::{Answer, Observation, values};
use postern_tests::request::{Filled, fill};
use postern_tests::tls::{Client, Identity};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::version::{TLS12, TLS13};
use serde_json::Value;

use super::same;
use crate::Stage;

const PUBLIC: &str = "/v1/market/total-items.json";
const HOST: &str = "api.example.com";
const OLD_HOST: &str = "marketplace.example.com";
const OLD_PATH: &str = "/api/v3/northwind/pk_demo_northwind_0123456789abcdef0123456789/vitals.json";
const FORWARDED: &str = "x-forwarded-client-cert";

/// A way to send one and the same request.
type Way<'w> = &'w dyn Fn() -> Result<Answer, String>;

pub(crate) fn client(
    stage: &Stage,
    identity: Option<&Identity>,
    protocols: &[&str],
) -> Result<Client, String> {
    Client::new(&stage.gateway.run.join("ca.pem"), identity, protocols, &[&TLS13, &TLS12])
}

pub(super) fn corpus_over_http_1(stage: &Stage) -> Result<(), String> {
    let client = client(stage, None, &["http/1.1"])?;
    let to = stage.gateway.tls();
    same_corpus(stage, 290, &|_| true, &|filled| client.send(to, &wire(filled), PATIENCE))
}

pub(super) fn corpus_over_http_2(stage: &Stage) -> Result<(), String> {
    let client = client(stage, None, &["h2"])?;
    let to = stage.gateway.tls();
    // A method such as `get` fails HTTP/1's parser, while HTTP/2 takes it as far as the
    // filters.
    let small = |method: &str| method.bytes().any(|b| b.is_ascii_lowercase());
    let get = Filled {
        method: "get".to_owned(),
        path: PUBLIC.into(),
        host: HOST.into(),
        ..Filled::default()
    };
    let get = h2::request(&get).ok_or("HTTP/2 has no words for it")?;
    same("get", 400, client.send_h2(to, get, PATIENCE)?.status)?;
    let expressible = |filled: &Filled| !small(&filled.method) && h2::request(filled).is_some();
    same_corpus(stage, 265, &expressible, &|filled| {
        let request = h2::request(filled).ok_or("HTTP/2 has no words for it")?;
        client.send_h2(to, request, PATIENCE)
    })
}

/// Sends the corpus some other way: each case has to come out as its file says,
/// and the filters have to decide as they did over plain HTTP.
fn same_corpus(
    stage: &Stage,
    at_least: usize,
    shown: &dyn Fn(&Filled) -> bool,
    send: Sender<'_>,
) -> Result<(), String> {
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let all = corpus::load()?;
    let cases: Vec<&Case> = all
        .iter()
        .filter(|case| repeatable(case))
        .filter(|case| fill(case, &keys).is_ok_and(|filled| shown(&filled)))
        .collect();
    if cases.len() < at_least {
        return Err(format!("only {} cases to send", cases.len()));
    }
    let run = Run::through(&stage.gateway, cases.iter().copied(), &keys, send);
    let mut differ = Vec::new();
    for case in cases {
        let mut found = run.judge(case);
        let (plain, now) = (stage.run.seen(case), run.seen(case));
        let (plain, now) = (plain.map(decisions), now.map(decisions));
        if plain != now {
            found.push(format!("over plain HTTP {plain:?}, now {now:?}"));
        }
        differ.extend(found.iter().map(|line| format!("{}: {line}", case.name.as_str())));
    }
    if differ.is_empty() {
        return Ok(());
    }
    // A listener that is wrong is wrong for all of them.
    let count = differ.len();
    differ.truncate(20);
    Err(format!("{count} differences, at first:\n{}", differ.join("\n")))
}

/// Not those that count requests or bring a certificate of their own, nor those that wait for the upstream to fail.
fn repeatable(case: &Case) -> bool {
    let request = &case.request;
    let counted = request.token.as_ref().is_some_and(|token| token.plan != "load");
    let waits = request.headers.iter().any(|line| {
        let line = String::from_utf8_lossy(&line.0).to_ascii_lowercase();
        line.starts_with("x-demo-fault: delay") || line.starts_with("x-demo-fault: stall")
    });
    let own = request.certificate.is_some();
    request.before.get() == 0
        && request.from.is_none()
        && !own
        && !counted
        && !waits
        && !matches!(case.only, Some(Only::Native(_)))
}

/// Filter, decision, rule, reason.
fn decisions(seen: &Observation) -> BTreeSet<[String; 4]> {
    let member = |record: &Value, name: &str| record[name].as_str().unwrap_or("-").to_owned();
    let one = |(filter, record): (&String, &Value)| {
        let [decision, rule, code] = ["decision", "rule", "code"].map(|name| member(record, name));
        [filter.clone(), decision, rule, code]
    };
    seen.decisions.iter().map(one).collect()
}

pub(super) fn alpn(stage: &Stage) -> Result<(), String> {
    let to = stage.gateway.tls();
    for (offered, expected) in [
        (vec!["h2", "http/1.1"], Some("h2")),
        (vec!["http/1.1", "h2"], Some("h2")),
        (vec!["http/1.1"], Some("http/1.1")),
        (vec![], None),
    ] {
        let tls = client(stage, None, &offered)?.open(to, PATIENCE)?;
        same(&format!("{offered:?}"), expected, tls.protocol())?;
    }
    // Nothing negotiated means HTTP/1.
    let answer = client(stage, None, &[])?.send(to, &Wire::get(HOST, PUBLIC, &[]), PATIENCE)?;
    same("without ALPN", 200, answer.status)
}

pub(super) fn old_clients(stage: &Stage) -> Result<(), String> {
    let to = stage.gateway.tls();
    let plain = client(stage, None, &["http/1.1"])?;
    let old = format!("GET {OLD_PATH} HTTP/1.0\r\nHost: {OLD_HOST}\r\n\r\n").into_bytes();
    let over_2 = Filled {
        method: "GET".to_owned(),
        path: OLD_PATH.into(),
        host: OLD_HOST.into(),
        ..Filled::default()
    };
    let over_2 = h2::request(&over_2).ok_or("HTTP/2 has no words for it")?;
    let reference = stage.gateway.send(&Wire::get(OLD_HOST, OLD_PATH, &[]))?;
    for (what, answer) in [
        ("HTTP/1.0", plain.send(to, &Wire { bytes: old, head: false }, PATIENCE)?),
        ("HTTP/1.1", plain.send(to, &Wire::get(OLD_HOST, OLD_PATH, &[]), PATIENCE)?),
        ("HTTP/2", client(stage, None, &["h2"])?.send_h2(to, over_2, PATIENCE)?),
    ] {
        same(what, 200, answer.status)?;
        same(what, None, answer.text("location"))?;
        same(what, Some("Express"), answer.text("x-powered-by"))?;
        same(
            what,
            String::from_utf8_lossy(&reference.body),
            String::from_utf8_lossy(&answer.body),
        )?;
    }
    Ok(())
}

/// A certificate with the good one's names, of somebody whom nobody trusts.
fn of_another_authority() -> Result<Identity, rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Postern demo CA");
    let issuer = Issuer::new(authority, KeyPair::generate()?);
    let mut params = CertificateParams::new(vec!["bluefin.partners.example.com".to_owned()])?;
    let uri = "spiffe://partners.example.com/bluefin".try_into()?;
    params.subject_alt_names.push(SanType::URI(uri));
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok(Identity { chain: vec![certificate.der().clone()], key: key.into() })
}

pub(super) fn client_certificates(stage: &Stage) -> Result<(), String> {
    let (gateway, to) = (&stage.gateway, stage.gateway.tls());
    let stat = |name: &str| gateway.stat(&format!("listener.127.0.0.1_{}.ssl.{name}", to.port()));
    let own = Identity::read(&gateway.run, "partner")?;
    let foreign = of_another_authority().map_err(|e| e.to_string())?;
    // Good for a server, and so not for a client.
    let server = Identity::read(&gateway.run, "server")?;
    for version in [&TLS13, &TLS12] {
        let name = format!("{:?}", version.version);
        let client = |identity: Option<&Identity>| {
            Client::new(&gateway.run.join("ca.pem"), identity, &["http/1.1"], &[version])
        };
        let wire = Wire::get(HOST, PUBLIC, &[]);
        let before = (stat("handshake")?, stat("no_certificate")?, stat("fail_verify_error")?);
        same(&name, 200, client(None)?.send(to, &wire, PATIENCE)?.status)?;
        same(&name, 200, client(Some(&own))?.send(to, &wire, PATIENCE)?.status)?;
        let served = gateway.stat("http.gateway.downstream_rq_total")?;
        for bad in [&foreign, &server] {
            let refusal = client(Some(bad))?.refusal(to, PATIENCE)?;
            if !refusal.contains("alert") {
                return Err(format!("{name}: expected an alert, but got `{refusal}`"));
            }
        }
        same("requests", served, gateway.stat("http.gateway.downstream_rq_total")?)?;
        // One of the two that were good had none, and two were looked at and
        // found bad.
        let (hands, none, bad) = before;
        same(&name, hands + 2, stat("handshake")?)?;
        same(&name, none + 1, stat("no_certificate")?)?;
        same(&name, bad + 2, stat("fail_verify_error")?)?;
    }
    Ok(())
}

/// Envoy would not look at the certificate then, whether it ran out or not.
pub(super) fn sessions(stage: &Stage) -> Result<(), String> {
    let (gateway, to) = (&stage.gateway, stage.gateway.tls());
    let own = Identity::read(&gateway.run, "partner")?;
    for version in [&TLS13, &TLS12] {
        let ca = gateway.run.join("ca.pem");
        let client = Client::new(&ca, Some(&own), &["http/1.1"], &[version])?;
        // With the answer come the tickets, if any.
        same("first", 200, client.send(to, &Wire::get(HOST, PUBLIC, &[]), PATIENCE)?.status)?;
        let second = client.open(to, PATIENCE)?;
        same(&format!("{:?} is resumed", version.version), false, second.is_resumed())?;
    }
    Ok(())
}

/// Neither what a client says nor what the gateway knows: identity comes from
/// `auth` alone.
pub(super) fn forwarded_certificate(stage: &Stage) -> Result<(), String> {
    let (gateway, to) = (&stage.gateway, stage.gateway.tls());
    let said = format!("{FORWARDED}: Hash=00;URI=spiffe://partners.example.com/bluefin");
    let filled = Filled {
        method: "GET".to_owned(),
        path: PUBLIC.into(),
        host: HOST.into(),
        lines: vec![said.into_bytes(), b"x-marker: forwarded".to_vec()],
        ..Filled::default()
    };
    let own = Identity::read(&gateway.run, "partner")?;
    let over_1 = |identity: Option<&Identity>| {
        client(stage, identity, &["http/1.1"])?.send(to, &wire(&filled), PATIENCE)
    };
    let over_2 = |identity: Option<&Identity>| {
        let request = h2::request(&filled).ok_or("HTTP/2 has no words for it")?;
        client(stage, identity, &["h2"])?.send_h2(to, request, PATIENCE)
    };
    let ways: [(&str, Way<'_>); 5] = [
        ("plain", &|| gateway.send(&wire(&filled))),
        ("https", &|| over_1(None)),
        ("https with a certificate", &|| over_1(Some(&own))),
        ("HTTP/2", &|| over_2(None)),
        ("HTTP/2 with a certificate", &|| over_2(Some(&own))),
    ];
    for (what, send) in ways {
        gateway.forget()?;
        same(what, 200, send()?.status)?;
        let seen = gateway.seen()?;
        same(what, 1, seen.len())?;
        let got = |name: &str| seen.iter().flat_map(|r| values(&r.headers, name)).count();
        same(what, (1, 0), (got("x-marker"), got(FORWARDED)))?;
    }
    Ok(())
}

pub(super) fn versions(stage: &Stage) -> Result<(), String> {
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    // The same hello with 1.2 is answered, so it is the version that is refused.
    same("1.2", HANDSHAKE, answer_to_hello(stage, 3)?[0])?;
    for minor in [2, 1] {
        let answer = answer_to_hello(stage, minor)?;
        // fatal, protocol_version (RFC 8446 §6.2)
        same("an old version", (ALERT, [2, 70]), (answer[0], [answer[5], answer[6]]))?;
    }
    Ok(())
}

/// What comes back, at first, to a client that knows TLS 1.`minor - 1` at most.
fn answer_to_hello(stage: &Stage, minor: u8) -> Result<[u8; 7], String> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    // No session; ECDHE-ECDSA with AES-GCM and, for old versions, AES-CBC; no
    // compression.
    body.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x09, 1, 0]);
    // secp256r1, uncompressed points, ECDSA with SHA-256.
    let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3];
    body.extend([0, extensions.len() as u8]);
    body.extend(extensions);
    let mut hello = vec![22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8];
    hello.extend(body);
    let mut stream = silent(stage)?;
    stream.write_all(&hello).map_err(|e| e.to_string())?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).map_err(|e| e.to_string())?;
    Ok(answer)
}

/// A client that says nothing is not waited for.
pub(super) fn handshake_deadline(stage: &Stage) -> Result<(), String> {
    let mut stream = silent(stage)?;
    let mut nothing = Vec::new();
    match stream.read_to_end(&mut nothing) {
        Ok(0) => Ok(()),
        Ok(n) => Err(format!("{n} bytes came to a client that said nothing")),
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
        Err(e) => Err(format!("the connection is still open after {:?}: {e}", PATIENCE)),
    }
}

fn silent(stage: &Stage) -> Result<TcpStream, String> {
    let stream = connect(stage.gateway.tls(), PATIENCE)?;
    let patience: Duration = PATIENCE;
    stream.set_read_timeout(Some(patience)).map_err(|e| e.to_string())?;
    Ok(stream)
}
