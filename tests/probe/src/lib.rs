//! A filter that does on demand what a filter may do: the request header
//! `x-probe` names it. With it the shell is tested for what the four filters
//! do not use, or use too rarely to rely on.

use std::cell::RefCell;
use std::time::Duration;

use postern_core::config::schema::Schema;
use postern_core::config::{Count, Decode, Errors, Node, decode};
use postern_core::filter::Environment;
use postern_core::{
    Answer, Ask, Decision, Filter, HeaderEdit, Host, Outcome, Record, Refusal, Reply, Request,
    Response, Step, StoreError, Stored, Wait, Work,
};

postern_core::config! {
    /// The probe's policy.
    struct Policy {
        /// The largest body in bytes that is held.
        cap: Count<1, 1048576>,
        /// What a woken stream is told, to tell policies apart.
        name: String = "probe".to_owned(),
    }
}

/// The filter.
#[derive(Debug)]
pub struct Probe {
    cap: usize,
    name: String,
    /// Questions that waiting streams want asked: key, cluster, path.
    wanted: RefCell<Vec<(u64, String, String)>>,
}

/// What the probe is to do on a stream.
#[derive(Debug, Default)]
pub struct Task {
    orders: Vec<String>,
    /// The key and the end of its wait.
    waits: Option<(u64, Duration)>,
}

impl Task {
    fn has(&self, order: &str) -> bool {
        self.orders.iter().any(|o| o == order)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.orders.iter().find_map(|o| o.strip_prefix(name)?.strip_prefix('='))
    }
}

impl Filter for Probe {
    const NAME: &'static str = "probe";
    const COUNTERS: &'static [&'static str] = &["asked", "held"];
    const HOLDS_BODIES: bool = true;
    const WORKS: bool = true;
    const WAITS: bool = true;
    type Stream = Task;

    fn configure(policy: &Node, _environment: &Environment<'_>) -> Result<Self, Errors> {
        let policy = decode::<Policy>(policy)?;
        Ok(Probe {
            cap: usize::try_from(policy.cap.get()).unwrap_or(usize::MAX),
            name: policy.name,
            wanted: RefCell::default(),
        })
    }

    fn schema() -> Schema {
        Policy::schema()
    }

    /// Asks what waiting streams want asked. The key is the task's id too.
    fn tick(&self, _host: &dyn Host) -> Work {
        let wanted = self.wanted.take().into_iter();
        let ask = wanted
            .map(|(id, cluster, path)| postern_core::Task { id, ask: question(&cluster, &path) });
        Work { ask: ask.collect(), ..Work::default() }
    }

    fn task_answer(&self, task: u64, _answer: &Answer, _host: &dyn Host) -> Work {
        Work { wake: vec![task], count: vec![0], ..Work::default() }
    }

    fn request_headers(&self, task: &mut Task, request: &Request<'_>, host: &dyn Host) -> Outcome {
        if let Some((key, until)) = task.waits {
            let what = if host.now() < until { "woken" } else { "late" };
            // Read again: the headers have to be those of this stream.
            let own = request.headers().get("x-probe").unwrap_or_default();
            let own = String::from_utf8_lossy(own).contains(&format!("wait={key}"));
            let text = format!("{what} {own} by {}", self.name);
            if task.has("go-on") {
                return Outcome::edit(vec![HeaderEdit::set("x-answer", text)]);
            }
            return Outcome::reply(reply(&text));
        }
        let orders = request.headers().get("x-probe").unwrap_or_default();
        task.orders =
            String::from_utf8_lossy(orders).split(' ').map(str::to_owned).collect::<Vec<_>>();
        if let Some(cluster) = task.value("ask") {
            return ask(cluster, task.value("path").unwrap_or("/")).counting(0);
        }
        if let Some(key) = task.value("wait").and_then(|key| key.parse().ok()) {
            let at_most = task.value("ms").and_then(|ms| ms.parse().ok()).unwrap_or(2_000);
            let until = host.now().saturating_add(Duration::from_millis(at_most));
            task.waits = Some((key, until));
            if let Some(cluster) = task.value("task") {
                let path = task.value("path").unwrap_or("/").to_owned();
                self.wanted.borrow_mut().push((key, cluster.to_owned(), path));
            }
            return Outcome { step: Step::Wait(Wait { key, until }), ..Outcome::default() };
        }
        if let Some(key) = task.value("count") {
            return count(key, host);
        }
        if task.has("hold-request") {
            return Outcome::hold().counting(1);
        }
        if task.has("bad-request-value") {
            return Outcome::edit(vec![HeaderEdit::set("x-bad", "a\r\nx-injected: 1")]);
        }
        if task.has("bad-request-name") {
            return Outcome::edit(vec![HeaderEdit::set("x bad", "a")]);
        }
        if task.has("bad-request-path") {
            return Outcome::edit(vec![HeaderEdit::set(":path", "/a b")]);
        }
        if task.has("refuse") {
            return Outcome::refuse(Refusal::new(403, "probe", "Probe", "as asked"))
                .with_record(Record::new(Decision::Deny, "probe", "probe"));
        }
        if task.has("reply-empty") {
            return Outcome::reply(Reply { status: 204, headers: Vec::new(), body: Vec::new() });
        }
        Outcome::pass()
    }

    fn request_body(&self, task: &mut Task, body: &[u8], _host: &dyn Host) -> Outcome {
        let mut new = b"<".to_vec();
        new.extend_from_slice(body);
        new.push(b'>');
        let keep = task.has("keep-request");
        Outcome {
            headers: vec![HeaderEdit::set("x-held", body.len().to_string())],
            body: (!keep).then_some(new),
            ..Outcome::default()
        }
    }

    fn request_body_over_cap(&self, _task: &mut Task) -> Outcome {
        Outcome::edit(vec![HeaderEdit::set("x-held", "over")])
    }

    /// Tells the client what came of the question, or goes on if so told.
    fn answer(&self, task: &mut Task, answer: &Answer, _host: &dyn Host) -> Outcome {
        let text = match answer {
            Answer::Response { status, headers, body } => {
                let kind = headers.iter().find(|(n, _)| n == "x-kind").map(|(_, v)| v.as_slice());
                let kind = String::from_utf8_lossy(kind.unwrap_or_default()).into_owned();
                format!("answer {status} {kind} {}", body.len())
            }
            Answer::Unavailable => "unavailable".to_owned(),
        };
        if let Some(cluster) = task.value("again") {
            let outcome = ask(cluster, "/ok");
            task.orders.retain(|o| !o.starts_with("again="));
            return outcome;
        }
        if task.has("go-on") {
            return Outcome::edit(vec![HeaderEdit::set("x-answer", text)]);
        }
        Outcome::reply(reply(&text))
    }

    fn response_headers(
        &self,
        task: &mut Task,
        response: &Response<'_>,
        _host: &dyn Host,
    ) -> Outcome {
        if task.has("hold-response") {
            let status = response.status().unwrap_or_default();
            return Outcome {
                headers: vec![HeaderEdit::set("x-was", status.to_string())],
                ..Outcome::hold().counting(1)
            };
        }
        if task.has("bad-response-value") {
            return Outcome::edit(vec![
                HeaderEdit::set("x-bad", "a\r\nx-injected: 1"),
                HeaderEdit::set("x-good", "b"),
            ]);
        }
        if task.has("reply-late") {
            return Outcome::reply(reply("in place of the answer"));
        }
        Outcome::pass()
    }

    fn response_body(&self, task: &mut Task, body: &[u8], _host: &dyn Host) -> Outcome {
        let mut headers = vec![HeaderEdit::set("x-held", body.len().to_string())];
        if let Some(status) = task.value("status") {
            headers.push(HeaderEdit::set(":status", status));
        }
        let new = match task.value("body") {
            Some("keep") => None,
            Some("empty") => Some(Vec::new()),
            Some(length) => Some(vec![b'n'; length.parse().unwrap_or(0)]),
            None => {
                let mut new = b"[".to_vec();
                new.extend_from_slice(body);
                new.push(b']');
                Some(new)
            }
        };
        Outcome { headers, body: new, ..Outcome::default() }
    }

    fn response_body_over_cap(&self, _task: &mut Task) -> Outcome {
        Outcome::edit(vec![HeaderEdit::set("x-held", "over")])
    }

    fn body_cap(&self) -> usize {
        self.cap
    }
}

fn ask(cluster: &str, path: &str) -> Outcome {
    Outcome { step: Step::Ask(Box::new(question(cluster, path))), ..Outcome::default() }
}

fn question(cluster: &str, path: &str) -> Ask {
    let header = |name: &'static str, value: &str| (name.into(), value.as_bytes().to_vec());
    Ask {
        cluster: cluster.to_owned(),
        headers: vec![
            header(":method", "GET"),
            header(":path", path),
            header(":authority", "asked.example"),
        ],
        body: Vec::new(),
        deadline: Duration::from_millis(400),
    }
}

fn reply(text: &str) -> Reply {
    let headers = vec![("content-type".into(), b"text/plain".to_vec())];
    Reply { status: 200, headers, body: text.as_bytes().to_vec() }
}

/// Adds one to a shared number, whatever other workers do meanwhile.
fn count(key: &str, host: &dyn Host) -> Outcome {
    let key = format!("probe.{key}");
    for _ in 0..1_000 {
        let seen = host.load(&key);
        let number = match &seen {
            Stored::Absent => 0,
            Stored::Value(bytes, _) => {
                bytes.as_slice().try_into().map(u64::from_le_bytes).unwrap_or_default()
            }
            Stored::Unavailable => break,
        };
        let next = number.saturating_add(1);
        match host.store(&key, &next.to_le_bytes(), &seen) {
            Ok(()) => return Outcome::reply(reply(&next.to_string())),
            Err(StoreError::Conflict) => {}
            Err(StoreError::Unavailable) => break,
        }
    }
    Outcome::refuse(Refusal::new(503, "probe", "Probe", "the number could not be kept"))
}

#[cfg(target_family = "wasm")]
postern_host::export!(Probe, bodies);
