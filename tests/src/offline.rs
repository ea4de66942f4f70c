//! The corpus in this process: the filters' cores in their order, the demo's
//! policies, the demo's upstream without a socket.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use postern_cli::chain::{Account, Chain, Message, World};
use postern_cli::edge::{self, Sent};
use postern_core::Ask;
use postern_stack::environment::variable;
use postern_stack::idp;
use postern_stack::keys::Keys;
use postern_stack::upstream::{Recorder, router};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::case::{Case, Certificate};
use crate::corpus::{Set, workspace};
use crate::gateway::copy;
use crate::observe::{Answer, Observation, Seen};
use crate::request::{Filled, fill, fill_before};

/// The largest answer of the upstream that is read.
const LARGEST: usize = 64 << 20;

/// The gateway without a proxy.
pub struct Offline {
    chain: Chain,
    keys: Keys,
    upstream: Upstream,
    sent: u64,
}

impl Offline {
    /// Loads the demo's policies.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn start() -> Result<Self, String> {
        Offline::of(&workspace().join("envoy/filters"))
    }

    /// Loads the demo's policies, with those of a set of cases in place of some.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of_set(set: &Set) -> Result<Self, String> {
        let folder = workspace().join("target/test-runs").join(format!("native-{}", set.name));
        copy(&workspace().join("envoy/filters"), &folder)?;
        copy(&set.policies, &folder)?;
        Offline::of(&folder)
    }

    fn of(folder: &Path) -> Result<Self, String> {
        let chain = Chain::of_folder(folder, &variable, now()).map_err(|findings| {
            findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        })?;
        let recorder = Recorder::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|e| e.to_string())?;
        Ok(Offline {
            chain,
            keys: Keys::embedded().map_err(|e| e.to_string())?,
            upstream: Upstream {
                router: router(&recorder).map_err(|e| e.to_string())?,
                idp: idp::router().map_err(|e| e.to_string())?,
                recorder,
                runtime,
            },
            sent: 0,
        })
    }

    /// Takes a case through the chain.
    ///
    /// # Errors
    /// When it cannot be sent this way.
    pub fn observe(&mut self, case: &Case) -> Result<Observation, String> {
        let filled = fill(case, &self.keys)?;
        for filled in fill_before(case, &filled, &self.keys)? {
            self.send(&filled)?;
        }
        self.upstream.recorder.clear();
        self.send(&filled)
    }

    fn send(&mut self, filled: &Filled) -> Result<Observation, String> {
        if filled.raw.is_some() {
            return Err("a raw request needs a proxy: mark the case `only: envoy`".to_owned());
        }
        self.sent += 1;
        self.chain.set_now(now().max(self.chain.now()));
        let sent = sent(filled, self.sent);
        let client = sent.client.clone();
        let to_head = sent.method == b"HEAD";
        let request = edge::admit(&sent).map_err(|rejected| {
            format!("the proxy would answer {}: mark the case `only: envoy`", rejected.status)
        })?;
        let mut connection = shown(filled.certificate);
        connection.push(("source.address", client.into_bytes()));
        let done = self.chain.send(request, &connection, &mut self.upstream);
        let mut seen = Observation {
            answer: answer(done.response, to_head)?,
            upstream: self.upstream.seen(),
            upstream_known: true,
            secrets: filled.secrets.clone(),
            ..Observation::default()
        };
        for Account { plugin, record, .. } in &done.filters {
            let Some(record) = record else { continue };
            seen.log.push_str(&String::from_utf8_lossy(record));
            let record = serde_json::from_slice(record)
                .map_err(|e| format!("{plugin}: its record is not JSON: {e}"))?;
            seen.decisions.insert(plugin.clone(), record);
        }
        let published: BTreeMap<String, Vec<u8>> = done.published.into_iter().collect();
        if let Some(path) = published.get("path") {
            let path = String::from_utf8_lossy(path).into_owned();
            seen.log.push_str(&path);
            seen.logged_path = Some(path);
        }
        Ok(seen)
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The request as a client would write it, `connection: close` aside. `number`
/// goes into its id.
#[must_use]
pub fn sent(filled: &Filled, number: u64) -> Sent {
    let mut headers = vec![(b"Host".to_vec(), filled.host.clone())];
    for line in &filled.lines {
        let at = line.iter().position(|b| *b == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(at);
        headers.push((name.to_vec(), value.get(1..).unwrap_or_default().to_vec()));
    }
    if let Some(body) = &filled.body {
        headers.push((b"Content-Length".to_vec(), body.len().to_string().into_bytes()));
    }
    Sent {
        method: filled.method.clone().into_bytes(),
        path: filled.path.clone(),
        headers,
        body: filled.body.clone(),
        request_id: format!("00000000-0000-4000-8000-{number:012x}"),
        client: SocketAddr::from((filled.from.unwrap_or(Ipv4Addr::LOCALHOST), 40_000)).to_string(),
        ..Sent::default()
    }
}

/// What the proxy shows of a client's certificate (xtask/src/tls.rs makes them).
fn shown(certificate: Option<Certificate>) -> Vec<(&'static str, Vec<u8>)> {
    let names: &[(&'static str, &str)] = match certificate {
        None => return Vec::new(),
        Some(Certificate::Bluefin) => &[
            ("connection.uri_san_peer_certificate", "spiffe://partners.example.com/bluefin"),
            ("connection.dns_san_peer_certificate", "bluefin.partners.example.com"),
            ("connection.subject_peer_certificate", "CN=bluefin,O=Bluefin Ltd"),
        ],
        Some(Certificate::Emberline) => &[
            ("connection.dns_san_peer_certificate", "emberline.partners.example.com"),
            ("connection.subject_peer_certificate", "CN=emberline,O=Emberline\\, Inc."),
        ],
        Some(Certificate::Quillhaven) => &[(
            "connection.subject_peer_certificate",
            "CN=quillhaven,O=Quillhaven \\+ S\\C3\\B6hne",
        )],
    };
    let mut all: Vec<_> =
        names.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect();
    all.push(("connection.mtls", vec![1]));
    all
}

/// What the client gets of a message.
fn answer(message: Message, to_head: bool) -> Result<Answer, String> {
    let status = message.header(":status").and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
    Ok(Answer {
        status: status.ok_or("an answer without a status")?,
        headers: message.headers.into_iter().filter(|(n, _)| !n.starts_with(':')).collect(),
        body: message.body.unwrap_or_default(),
        to_head,
        cut: false,
    })
}

/// The demo's upstream, asked without a socket.
struct Upstream {
    router: Router,
    /// The demo's identity provider, which filters ask.
    idp: Router,
    recorder: Recorder,
    runtime: Runtime,
}

impl Upstream {
    fn seen(&self) -> Vec<Seen> {
        let one = |seen: postern_stack::upstream::Seen| Seen {
            method: seen.method,
            path: seen.path.into_bytes(),
            headers: seen.headers.into_iter().map(|(n, v)| (n, v.into_bytes())).collect(),
        };
        self.recorder.seen().into_iter().map(one).collect()
    }

    fn ask(&self, message: &Message) -> Result<Message, String> {
        self.ask_of(&self.router, message)
    }

    fn ask_of(&self, router: &Router, message: &Message) -> Result<Message, String> {
        let request = request(message)?;
        let head = request.method() == Method::HEAD;
        self.runtime.block_on(async {
            let Ok(response) = router.clone().oneshot(request).await;
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, LARGEST).await.map_err(|e| e.to_string())?;
            let status = parts.status.as_str().as_bytes().to_vec();
            let mut headers = vec![(":status".to_owned(), status)];
            headers.extend(
                parts.headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec())),
            );
            let framed = parts.headers.contains_key("content-length");
            let bodiless = head || matches!(parts.status.as_u16(), 204 | 304);
            if !framed && !bodiless {
                headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
            }
            let body = (!bodiless && !body.is_empty()).then(|| body.to_vec());
            Ok(Message { headers, body })
        })
    }
}

impl World for Upstream {
    /// An answer that breaks is what Envoy makes of it: 502.
    fn upstream(&mut self, request: &Message) -> Message {
        self.ask(request).unwrap_or_else(|why| {
            let headers = vec![
                (":status".to_owned(), b"502".to_vec()),
                ("content-type".to_owned(), b"text/plain".to_vec()),
                ("content-length".to_owned(), why.len().to_string().into_bytes()),
            ];
            Message { headers, body: Some(why.into_bytes()) }
        })
    }

    fn answer(&mut self, ask: &Ask) -> postern_core::Answer {
        let headers =
            ask.headers.iter().map(|(n, v)| (n.clone().into_owned(), v.clone())).collect();
        let message = Message { headers, body: Some(ask.body.clone()) };
        let answer = (ask.cluster == "idp").then(|| self.ask_of(&self.idp, &message));
        let Some(Ok(answer)) = answer else { return postern_core::Answer::Unavailable };
        let status =
            answer.header(":status").and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
        let Some(status) = status else { return postern_core::Answer::Unavailable };
        let body = answer.body.unwrap_or_default();
        postern_core::Answer::Response { status, headers: answer.headers, body: body.into() }
    }
}

fn request(message: &Message) -> Result<Request<Body>, String> {
    let text = |name: &str| {
        let value = message.header(name).ok_or_else(|| format!("no `{name}` upstream"))?;
        String::from_utf8(value.to_vec()).map_err(|_| format!("`{name}` is not UTF-8"))
    };
    let method = Method::from_bytes(text(":method")?.as_bytes()).map_err(|e| e.to_string())?;
    let uri: Uri = text(":path")?.parse().map_err(|e| format!("`:path`: {e}"))?;
    let body = Body::from(message.body.clone().unwrap_or_default());
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    for (name, value) in &message.headers {
        let name = match name.as_str() {
            ":authority" => "host",
            name if name.starts_with(':') => continue,
            name => name,
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| e.to_string())?;
        let value = HeaderValue::from_bytes(value).map_err(|e| e.to_string())?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}
