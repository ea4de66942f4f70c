//! The shell on a real Envoy, by a filter that does on demand what a filter
//! may do: ask with a deadline, hold bodies of every framing, write what may
//! not be written, share numbers among workers, wait for work beside the
//! streams.

mod waiting;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use postern_tests::client::{Connection, PATIENCE, Wire, send};
use postern_tests::compile;
use postern_tests::corpus::workspace;
use postern_tests::envoy::{Envoy, free_ports};
use postern_tests::observe::Answer;
use postern_tests::server;

/// An Envoy with the probe on two listeners.
pub struct Probed {
    envoy: Envoy,
    hold: SocketAddr,
    ask: SocketAddr,
    wait: SocketAddr,
    /// The policy of `wait` that changes, and the module that it names.
    policy: PathBuf,
    module: PathBuf,
}

/// A test of the shell.
pub type Test = fn(&Probed) -> Result<(), String>;

/// All of them.
pub const ALL: &[(&str, Test)] = &[
    ("questions_are_answered", questions_are_answered),
    ("a_question_has_a_deadline", a_question_has_a_deadline),
    ("a_body_waits_for_the_answer", a_body_waits_for_the_answer),
    ("a_client_may_leave_while_a_question_is_open", a_client_may_leave),
    ("request_bodies_are_replaced_in_every_framing", request_bodies),
    ("response_bodies_are_replaced_in_every_framing", response_bodies),
    ("a_response_that_may_have_no_body_gets_none", bodiless_responses),
    ("a_cut_answer_becomes_a_whole_error", cut_answers),
    ("a_body_over_the_cap_goes_on_untouched", over_the_cap),
    ("bad_writes_go_nowhere", bad_writes),
    ("a_shared_number_loses_no_step", shared_numbers),
    ("replies_and_refusals", replies),
    ("a_stream_that_waits_is_woken", waiting::woken),
    ("a_wait_has_an_end", waiting::late),
    ("a_body_waits_with_its_stream", waiting::with_a_body),
    ("clients_may_leave_while_they_wait", waiting::clients_leave),
    ("a_policy_may_change_while_streams_wait", waiting::policy_changes),
    ("nothing_trapped", nothing_trapped),
];

impl Probed {
    /// Builds the probe and starts Envoy.
    pub fn start() -> Result<Self, String> {
        let compiled = compile::filter("postern-probe", &[])?;
        let finished = postern_finish::finish(&compiled, &postern_finish::Profile::default())
            .map_err(|e| e.to_string())?;
        let upstream = server::start().map_err(|e| e.to_string())?;
        let [admin, hold, ask, wait, dead] = free_ports()?;
        let folder = workspace().join("target/test-runs/probe");
        let policy = folder.join("probe-wait.json");
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let module = folder.join("probe.wasm");
        std::fs::write(&module, finished).map_err(|e| e.to_string())?;
        waiting::write_policy(&policy, &module, "probe")?;
        let bootstrap = include_str!("../../probe/envoy.yaml")
            .replace("$ADMIN", &admin.to_string())
            .replace("$HOLD", &hold.to_string())
            .replace("$ASK", &ask.to_string())
            .replace("$WAIT", &wait.to_string())
            .replace("$POLICY", &policy.to_string_lossy())
            .replace("$DEAD", &dead.to_string())
            .replace("$UPSTREAM", &upstream.port().to_string())
            .replace("$MODULE", &module.to_string_lossy());
        let envoy = Envoy::start(&folder, &bootstrap, admin)?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Probed { envoy, hold: at(hold), ask: at(ask), wait: at(wait), policy, module })
    }

    fn ask(&self, orders: &str) -> Result<Answer, String> {
        send(self.ask, &get("/length", orders), PATIENCE)
    }

    fn hold(&self, path: &str, orders: &str) -> Result<Answer, String> {
        send(self.hold, &get(path, orders), PATIENCE)
    }
}

fn get(path: &str, orders: &str) -> Wire {
    Wire::get("probe.example", path, &[&format!("X-Probe: {orders}")])
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, got: T) -> Result<(), String> {
    if expected == got {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, got {got:?}"))
    }
}

/// The status and the body of an answer, which has to be whole.
fn whole(what: &str, answer: Answer) -> Result<(u16, String), String> {
    if answer.cut {
        return Err(format!("{what}: the answer was cut"));
    }
    Ok((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
}

fn expect(what: &str, answer: Answer, status: u16, body: &str) -> Result<(), String> {
    same(what, (status, body.to_owned()), whole(what, answer)?)
}

fn questions_are_answered(on: &Probed) -> Result<(), String> {
    let good = on.ask("ask=upstream path=/length")?;
    expect("a good answer", good, 200, "answer 200 length 5")?;
    let fault = on.ask("ask=upstream path=/500")?;
    expect("a fault", fault, 200, "answer 500  4")?;
    let unknown = on.ask("ask=nobody path=/length")?;
    expect("an unknown cluster", unknown, 200, "unavailable")?;
    let cut = on.ask("ask=upstream path=/cut-length")?;
    expect("a cut answer", cut, 200, "unavailable")?;
    let twice = on.ask("ask=nobody path=/length again=upstream")?;
    let (status, text) = whole("asked again", twice)?;
    same("asked again", (200, true), (status, text.starts_with("answer 404")))?;
    let (status, text) = whole("a dead server", on.ask("ask=dead path=/length")?)?;
    same("a dead server", (200, true), (status, text.starts_with("answer 503")))
}

fn a_question_has_a_deadline(on: &Probed) -> Result<(), String> {
    let before = Instant::now();
    let (status, text) = whole("late", on.ask("ask=upstream path=/late")?)?;
    same("a late answer", (200, true), (status, text.starts_with("answer 504")))?;
    let took = before.elapsed();
    if took < Duration::from_millis(350) || took > Duration::from_secs(2) {
        return Err(format!("the deadline of 400 ms came after {took:?}"));
    }
    Ok(())
}

fn a_body_waits_for_the_answer(on: &Probed) -> Result<(), String> {
    let lines = [b"X-Probe: ask=upstream path=/length go-on".to_vec()];
    let body = vec![b'x'; 200_000];
    let wire = Wire::new("POST", b"/echo", b"probe.example", &lines, Some(&body));
    let (status, text) = whole("a post", send(on.ask, &wire, PATIENCE)?)?;
    same("status", 200, status)?;
    let (first, rest) = text.split_once('\n').unwrap_or_default();
    same("the upstream saw", "held=- answer=answer 200 length 5 length=200000 bad=-", first)?;
    same("the body's length", 200_000, rest.len())
}

fn a_client_may_leave(on: &Probed) -> Result<(), String> {
    for _ in 0..20 {
        let mut connection = Connection::open(on.ask, PATIENCE)?;
        connection.write(&get("/length", "ask=upstream path=/late").bytes)?;
    }
    // Later than the deadline of all of them, and served all the same.
    let late = on.ask("ask=upstream path=/late")?;
    whole("after they left", late)?;
    let good = on.ask("ask=upstream path=/length")?;
    expect("after they left", good, 200, "answer 200 length 5")
}

fn request_bodies(on: &Probed) -> Result<(), String> {
    let chunked: &[(&str, &[&str])] = &[
        ("one chunk", &["5\r\nhello\r\n0\r\n\r\n"]),
        ("two chunks", &["2\r\nhe\r\n", "3\r\nllo\r\n0\r\n\r\n"]),
        (
            "single bytes",
            &["1\r\nh\r\n", "1\r\ne\r\n", "1\r\nl\r\n", "1\r\nl\r\n", "1\r\no\r\n", "0\r\n\r\n"],
        ),
        ("trailers", &["5\r\nhello\r\n0\r\nX-End: 1\r\n\r\n"]),
    ];
    for (what, parts) in chunked {
        let mut connection = Connection::open(on.hold, PATIENCE)?;
        connection.write(
            b"POST /echo HTTP/1.1\r\nHost: probe.example\r\nX-Probe: hold-request\r\n\
              Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        )?;
        for part in *parts {
            connection.write(part.as_bytes())?;
            std::thread::sleep(Duration::from_millis(5));
        }
        let answer = connection.read(false)?;
        expect(what, answer, 200, "held=5 answer=- length=7 bad=-\n<hello>")?;
    }
    let lines = [b"X-Probe: hold-request".to_vec()];
    let post = |body: &[u8]| Wire::new("POST", b"/echo", b"probe.example", &lines, Some(body));
    let known = send(on.hold, &post(b"hello"), PATIENCE)?;
    expect("known length", known, 200, "held=5 answer=- length=7 bad=-\n<hello>")?;
    let (_, text) = whole("empty", send(on.hold, &post(b""), PATIENCE)?)?;
    same("empty", true, text.starts_with("held=0 "))?;
    let keep = [b"X-Probe: hold-request keep-request".to_vec()];
    let kept = Wire::new("POST", b"/echo", b"probe.example", &keep, Some(b"hello"));
    let kept = send(on.hold, &kept, PATIENCE)?;
    expect("kept", kept, 200, "held=5 answer=- length=5 bad=-\nhello")?;
    let (status, text) = whole("no body", on.hold("/echo", "hold-request")?)?;
    same("no body", (200, true), (status, text.starts_with("held=0 ")))
}

fn response_bodies(on: &Probed) -> Result<(), String> {
    for path in ["/length", "/chunked", "/bytes", "/close", "/trailers"] {
        expect(path, on.hold(path, "hold-response")?, 200, "[hello]")?;
        expect(path, on.hold(path, "hold-response body=keep")?, 200, "hello")?;
        expect(path, on.hold(path, "hold-response body=empty")?, 200, "")?;
        expect(path, on.hold(path, "hold-response status=404")?, 404, "[hello]")?;
        let (status, text) = whole(path, on.hold(path, "hold-response body=300000")?)?;
        same(path, (200, 300_000), (status, text.len()))?;
        let answer = on.hold(path, "hold-response")?;
        same(path, Some("5"), answer.text("x-held"))?;
        same(path, Some("200"), answer.text("x-was"))?;
    }
    let both = on.hold("/echo", "hold-request hold-response")?;
    let (status, text) = whole("both", both)?;
    same("both", (200, true), (status, text.starts_with("[held=0 ")))
}

fn bodiless_responses(on: &Probed) -> Result<(), String> {
    let head = Wire { head: true, ..get("/length", "hold-response") };
    let head = Wire { bytes: [&b"HEAD"[..], &head.bytes[3..]].concat(), ..head };
    let answer = send(on.hold, &head, PATIENCE)?;
    same("head", (200, 0), (answer.status, answer.body.len()))?;
    same("head", Some("0"), answer.text("x-held"))?;
    for (path, status) in [("/204", 204), ("/304", 304)] {
        let answer = on.hold(path, "hold-response")?;
        same(path, (status, 0, false), (answer.status, answer.body.len(), answer.cut))?;
        same(path, Some("0"), answer.text("x-held"))?;
    }
    // An empty answer stays empty: there is nothing that could be replaced.
    expect("empty", on.hold("/empty", "hold-response")?, 200, "")
}

fn cut_answers(on: &Probed) -> Result<(), String> {
    for path in ["/cut-length", "/cut-chunked"] {
        let (status, text) = whole(path, on.hold(path, "hold-response")?)?;
        same(path, (true, false), (status >= 500, text.is_empty()))?;
    }
    let before = Instant::now();
    let (status, text) = whole("late", on.hold("/late", "hold-response")?)?;
    same("late", (504, false), (status, text.is_empty()))?;
    if before.elapsed() > Duration::from_secs(6) {
        return Err(format!("a late upstream took {:?}", before.elapsed()));
    }
    Ok(())
}

fn over_the_cap(on: &Probed) -> Result<(), String> {
    let cap = 65_536;
    for (length, held) in [(cap, "65536"), (cap + 1, "over"), (5_000_000, "over")] {
        let answer = on.hold(&format!("/big?{length}"), "hold-response")?;
        same("held", (200, Some(held)), (answer.status, answer.text("x-held")))?;
        let (status, text) = whole("big", answer)?;
        let expected = if held == "over" { length } else { length + 2 };
        same("big", (200, expected), (status, text.len()))?;
    }
    let lines = [b"X-Probe: hold-request".to_vec()];
    let body = vec![b'x'; 300_000];
    let wire = Wire::new("POST", b"/echo", b"probe.example", &lines, Some(&body));
    let (status, text) = whole("post", send(on.hold, &wire, PATIENCE)?)?;
    let (first, rest) = text.split_once('\n').unwrap_or_default();
    same("post", (200, 300_000), (status, rest.len()))?;
    same("post", "held=over answer=- length=300000 bad=-", first)
}

fn bad_writes(on: &Probed) -> Result<(), String> {
    for order in ["bad-request-value", "bad-request-name", "bad-request-path"] {
        let answer = on.ask(order)?;
        same(order, 500, answer.status)?;
        let code = answer.json().and_then(|v| v["code"].as_str().map(str::to_owned));
        same(order, Some("bad_edit".to_owned()), code)?;
    }
    let answer = on.ask("bad-response-value")?;
    same("response", (200, Some("b")), (answer.status, answer.text("x-good")))?;
    same("response", (None, None), (answer.text("x-bad"), answer.text("x-injected")))
}

/// 64 connections on two workers: each step is counted once.
fn shared_numbers(on: &Probed) -> Result<(), String> {
    const THREADS: usize = 64;
    const EACH: usize = 20;
    let numbers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let text =
                        on.ask("count=all").map(|a| String::from_utf8_lossy(&a.body).into_owned());
                    numbers.lock().unwrap().push(text);
                }
            });
        }
    });
    let numbers = numbers.into_inner().map_err(|e| e.to_string())?;
    let found: BTreeSet<u64> =
        numbers.iter().filter_map(|n| n.as_ref().ok()?.parse().ok()).collect();
    let expected: BTreeSet<u64> = (1..=(THREADS * EACH) as u64).collect();
    if found != expected {
        let odd: Vec<_> = numbers
            .iter()
            .filter(|n| !matches!(n, Ok(t) if t.parse::<u64>().is_ok()))
            .take(3)
            .collect();
        return Err(format!(
            "{} different numbers of {}; odd ones: {odd:?}",
            found.len(),
            expected.len()
        ));
    }
    Ok(())
}

fn replies(on: &Probed) -> Result<(), String> {
    for at in [on.ask, on.hold] {
        let refused = send(at, &get("/length", "refuse"), PATIENCE)?;
        same("refusal", 403, refused.status)?;
        let problem = refused.json().ok_or("the refusal is not JSON")?;
        same("code", Some("probe"), problem["code"].as_str())?;
        let late = send(at, &get("/length", "reply-late"), PATIENCE)?;
        expect("late", late, 200, "in place of the answer")?;
        let empty = send(at, &get("/length", "reply-empty"), PATIENCE)?;
        same("empty", (204, 0), (empty.status, empty.body.len()))?;
    }
    Ok(())
}

fn nothing_trapped(on: &Probed) -> Result<(), String> {
    let reloads = on.envoy.stats("vm_reload")?;
    let bad: Vec<_> = reloads.iter().filter(|(_, n)| *n > 0).collect();
    if !bad.is_empty() {
        return Err(format!("{bad:?}\n{}", on.envoy.printed()));
    }
    let plain = on.ask("")?;
    expect("the next request", plain, 200, "hello")
}
