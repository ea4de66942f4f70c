//! Streams that wait for work beside them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use postern_tests::client::{Connection, PATIENCE, Wire, send};
use postern_tests::gateway::wait_for;
use postern_tests::observe::Answer;
use serde_json::json;

use super::{Probed, expect, get, same, whole};

impl Probed {
    fn wait(&self, orders: &str) -> Result<Answer, String> {
        send(self.wait, &get("/length", orders), PATIENCE)
    }
}

/// Renames the policy of the listener `wait` into place.
pub(super) fn write_policy(file: &Path, module: &Path, name: &str) -> Result<(), String> {
    let policy = json!({"cap": 65_536, "name": name}).to_string();
    let resource = json!({"resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "probe-wait",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "probe-wait",
                "failure_policy": "FAIL_RELOAD",
                "reload_config": {"backoff": {"base_interval": "0.005s"}},
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": policy,
                },
                "vm_config": {
                    "vm_id": "probe",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module}},
                },
            },
        },
    }]});
    let beside = file.with_extension("new");
    fs::write(&beside, resource.to_string()).map_err(|e| e.to_string())?;
    fs::rename(&beside, file).map_err(|e| e.to_string())
}

/// Each by the answer to the question that was asked for it.
pub(super) fn woken(on: &Probed) -> Result<(), String> {
    let orders = "wait=7 ms=3000 task=upstream path=/length";
    let before = Instant::now();
    expect("woken", on.wait(orders)?, 200, "woken true by probe")?;
    if before.elapsed() > Duration::from_secs(2) {
        return Err(format!("it was woken after {:?}", before.elapsed()));
    }
    // What cannot be sent is answered too.
    let unsent = on.wait("wait=8 ms=3000 task=nobody path=/length")?;
    expect("unsent", unsent, 200, "woken true by probe")?;
    let on_it_goes = on.wait(&format!("{orders} go-on"))?;
    expect("goes on", on_it_goes, 200, "hello")?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..32)
            .map(|key| {
                let orders = format!("wait={key} ms=3000 task=upstream path=/length");
                scope.spawn(move || expect("many", on.wait(&orders)?, 200, "woken true by probe"))
            })
            .collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| "a client panicked")?)
    })
}

pub(super) fn late(on: &Probed) -> Result<(), String> {
    let before = Instant::now();
    expect("late", on.wait("wait=9 ms=300")?, 200, "late true by probe")?;
    let took = before.elapsed();
    if took < Duration::from_millis(290) || took > Duration::from_secs(2) {
        return Err(format!("the wait of 300 ms ended after {took:?}"));
    }
    let other = on.wait("wait=9 ms=300 task=upstream path=/length")?;
    expect("after it", other, 200, "woken true by probe")
}

pub(super) fn with_a_body(on: &Probed) -> Result<(), String> {
    let lines = [b"X-Probe: wait=10 ms=3000 task=upstream path=/length go-on".to_vec()];
    let body = vec![b'x'; 200_000];
    let wire = Wire::new("POST", b"/echo", b"probe.example", &lines, Some(&body));
    let (status, text) = whole("a post", send(on.wait, &wire, PATIENCE)?)?;
    same("status", 200, status)?;
    let (first, rest) = text.split_once('\n').unwrap_or_default();
    let saw = "held=- answer=woken true by probe length=200000 bad=-";
    same("the upstream saw", (saw, 200_000), (first, rest.len()))
}

/// Before what they wait for has come, and before their time is over.
pub(super) fn clients_leave(on: &Probed) -> Result<(), String> {
    for key in 0..20 {
        let mut connection = Connection::open(on.wait, PATIENCE)?;
        let orders = format!("wait={key} ms=200 task=upstream path=/late");
        connection.write(&get("/length", &orders).bytes)?;
        let mut connection = Connection::open(on.wait, PATIENCE)?;
        connection.write(&get("/length", &format!("wait={key} ms=400")).bytes)?;
    }
    expect("after they left", on.wait("wait=99 ms=600")?, 200, "late true by probe")?;
    let good = on.wait("wait=99 ms=3000 task=upstream path=/length")?;
    expect("after they left", good, 200, "woken true by probe")
}

/// The streams that the listener `wait` has begun and not ended.
const BEGUN: &str = "http.wait.downstream_rq_active";

/// A stream is judged to its end by the policy that it began with.
pub(super) fn policy_changes(on: &Probed) -> Result<(), String> {
    // Those of clients that left are over.
    on.envoy.wait_for_stat(BEGUN, 0)?;
    let mut woken = Connection::open(on.wait, PATIENCE)?;
    // The question is answered by its deadline, after the change.
    woken.write(&get("/length", "wait=1 ms=3000 task=upstream path=/late").bytes)?;
    let mut late = Connection::open(on.wait, PATIENCE)?;
    late.write(&get("/length", "wait=2 ms=1000").bytes)?;
    // What is written is not yet read: a busy worker takes its time.
    on.envoy.wait_for_stat(BEGUN, 2)?;
    write_policy(&on.policy, &on.module, "changed")?;
    let expected = "woken true by changed";
    let changed = || {
        let answer = on.wait("wait=3 ms=3000 task=upstream path=/length").ok()?;
        (answer.body == expected.as_bytes()).then_some(())
    };
    wait_for(PATIENCE, changed).ok_or("the changed policy did not come into force")?;
    expect("woken", woken.read(false)?, 200, "woken true by probe")?;
    expect("late", late.read(false)?, 200, "late true by probe")?;
    write_policy(&on.policy, &on.module, "probe")
}
