//! Limits that gateways share: on two Envoys, before one rate-limit service over a real
//! Redis, which are killed, frozen and started again while requests come.

mod load;
mod site;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postern_tests::client::{Connection, PATIENCE, Wire, send};
use postern_tests::gateway::wait_for;
use postern_tests::observe::Answer;
use serde_json::json;

use load::{Answered, Load};
use site::Site;

/// A test with gateways of its own.
pub type Test = fn() -> Result<(), String>;

/// All of them.
pub const ALL: &[(&str, Test)] = &[
    ("two_gateways_share_a_limit_and_give_not_one_more", || shared("shared", "statuses")),
    ("a_service_that_reports_by_headers_alone_does_as_well", || shared("headers", "headers")),
    ("a_service_that_is_killed_under_load_leaves_the_stated_modes", || {
        outage("killed", Kind::Killed)
    }),
    ("a_service_that_is_frozen_under_load_leaves_the_stated_modes", || {
        outage("frozen", Kind::Frozen)
    }),
    ("a_redis_that_is_killed_under_load_leaves_the_stated_modes", || outage("redis", Kind::Redis)),
    ("what_an_answer_says_of_its_cost_counts_on_both_gateways", dear),
    ("a_body_goes_nowhere_before_the_service_has_answered", bodies),
];

const CONNECTIONS: usize = 64;
const LIMIT: usize = 100;
/// So long a request of an outage waits for the service.
const DEADLINE: Duration = Duration::from_millis(400);

/// On each of two gateways half of the connections at once, `each` requests on each.
fn rush(site: &Site, path: &str, caller: &str, each: usize) -> Result<[Vec<Answer>; 2], String> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\nX-Caller: {caller}\r\n\r\n");
    let open = |to: SocketAddr| -> Result<Vec<Connection>, String> {
        (0..CONNECTIONS / 2).map(|_| Connection::open(to, PATIENCE)).collect()
    };
    let [a, b] = site.addresses();
    let opened = [open(a)?, open(b)?];
    let ask = |mut connection: Connection| -> Result<Vec<Answer>, String> {
        let one = |_| {
            connection.write(request.as_bytes())?;
            connection.read(false)
        };
        (0..each).map(one).collect()
    };
    let ask = &ask;
    let answers = std::thread::scope(|scope| {
        let threads = opened.map(|connections| {
            connections.into_iter().map(|c| scope.spawn(move || ask(c))).collect::<Vec<_>>()
        });
        threads.map(|threads| {
            let all = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err("a client panicked".to_owned()))
            });
            Ok::<_, String>(all.collect::<Result<Vec<_>, _>>()?.concat())
        })
    });
    let [a, b] = answers;
    Ok([a?, b?])
}

/// Windows of an hour: where one ends meanwhile, it is done again by another caller.
fn in_one_window<T>(name: &str, run: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
    let hour = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() / 3_600);
    let before = hour();
    let done = run(name);
    if hour() == before { done } else { run(&format!("{name}-again")) }
}

fn same<T: PartialEq + Debug>(what: &str, expected: T, got: T) -> Result<(), String> {
    if expected == got {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, got {got:?}"))
    }
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|a| a.status == status).count()
}

fn left(answer: &Answer) -> Option<usize> {
    let fields = answer.text("ratelimit")?;
    fields.split(';').find_map(|part| part.strip_prefix("r="))?.parse().ok()
}

/// Of one caller on both gateways as many requests pass as the service has, and each
/// count is said once.
fn exact(site: &Site, caller: &str) -> Result<(), String> {
    in_one_window(caller, |caller| {
        let [a, b] = rush(site, "/length", caller, 5)?;
        let both = [count(&a, 200), count(&b, 200)];
        same("passed", LIMIT, both[0] + both[1]).map_err(|e| format!("{e} ({both:?})"))?;
        same("all others", CONNECTIONS * 5 - LIMIT, count(&a, 429) + count(&b, 429))?;
        let passed = || a.iter().chain(&b).filter(|answer| answer.status == 200);
        same("counted without", 0, passed().filter(|a| a.text("x-counted").is_some()).count())?;
        let mut said: Vec<usize> = passed().filter_map(left).collect();
        said.sort_unstable();
        same("each count was said once", (0..LIMIT).collect(), said)
    })
}

fn shared(name: &str, report: &str) -> Result<(), String> {
    // Nothing is to be late here, however busy the machine is.
    let site = Site::start(name, &json!({"timeout": "5s"}), report)?;
    for n in 0..10 {
        exact(&site, &format!("caller-{n}"))?;
    }
    same("failed", [0, 0], site.metric("service_failed")?)?;
    in_one_window("caller-over", |caller| {
        rush(&site, "/length", caller, 10)?;
        // Now each worker knows.
        let before = site.asked()?;
        let [a, b] = rush(&site, "/length", caller, 10)?;
        same("refused", CONNECTIONS * 10, count(&a, 429) + count(&b, 429))?;
        same("questions about who is over", before, site.asked()?)?;
        for refused in a.iter().chain(&b) {
            let after: u64 = refused.text("retry-after").and_then(|t| t.parse().ok()).unwrap_or(0);
            same("`retry-after`", true, (1..=3_600).contains(&after))?;
            same("left", Some(0), left(refused))?;
            let policy = refused.text("ratelimit-policy");
            same("the limit", Some("\"shared\";q=100;w=3600"), policy)?;
        }
        Ok(())
    })?;
    same("reloaded", 0, site.sum("vm_reload")?)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Killed,
    Frozen,
    Redis,
}

fn outage(name: &'static str, kind: Kind) -> Result<(), String> {
    let settings = json!({"timeout": format!("{}ms", DEADLINE.as_millis()), "backoff": "300ms"});
    let mut site = Site::start(name, &settings, "statuses")?;
    exact(&site, "before")?;
    let load = Load::start(&site.addresses())?;
    let asked = || (site.metric("service_asked").ok()?.iter().all(|n| *n > 400)).then_some(());
    wait_for(PATIENCE, asked).ok_or("the load asks nobody")?;

    match kind {
        Kind::Killed => site.kill_service(),
        Kind::Frozen => site.freeze_service()?,
        Kind::Redis => site.kill_redis(),
    }
    site.state(2)?;
    let (before, sent) = (site.metric("service_asked")?, load.sent());
    // The gateways' parts, each exactly.
    in_one_window("degraded", |caller| {
        let [a, b] = rush(&site, "/length", caller, 5)?;
        same("passed", [LIMIT / 2; 2], [count(&a, 200), count(&b, 200)])?;
        let told = |answers: &[Answer]| {
            answers.iter().filter(|a| a.text("x-counted") == Some("degraded")).count()
        };
        same("said so", [a.len(), b.len()], [told(&a), told(&b)])
    })?;
    let [a, b] = rush(&site, "/close", "anybody", 5)?;
    for answer in a.iter().chain(&b) {
        let told = (answer.status, answer.text("x-counted"));
        same("where it is open", (200, Some("open")), told)?;
    }
    let [a, b] = rush(&site, "/echo", "anybody", 1)?;
    for answer in a.iter().chain(&b) {
        let told = (answer.status, answer.text("x-counted"));
        same("where it is closed", (503, Some("closed")), told)?;
        let after: u64 = answer.text("retry-after").and_then(|t| t.parse().ok()).unwrap_or(0);
        same("`retry-after`", true, after >= 1)?;
    }
    // Meanwhile only those asked who looked whether it is back.
    let (asked, sent) = (site.metric("service_asked")?, load.sent() - sent);
    let more = asked[0] + asked[1] - before[0] - before[1];
    same("a few of them asked", true, more * 20 < u64::try_from(sent).unwrap_or(0) + 1_000)
        .map_err(|e| format!("{e}: {more} of {sent}"))?;

    match kind {
        Kind::Killed => site.start_service()?,
        Kind::Frozen => site.thaw_service()?,
        Kind::Redis => site.start_redis()?,
    }
    site.state(0)?;
    let probes = site.metric("service_probes")?;
    same("somebody looked", true, probes.iter().all(|n| *n > 0))?;
    exact(&site, "after")?;
    let answers = load.stop()?;
    match kind {
        Kind::Frozen => waits_end(&answers)?,
        Kind::Killed | Kind::Redis => {
            let late = answers.iter().filter(|(_, took)| *took >= DEADLINE).count();
            let longest = answers.iter().map(|(_, took)| took.as_secs_f64() * 1000.0);
            let (all, longest) = (answers.len(), longest.fold(0.0, f64::max));
            println!(
                "{name}: of {all} requests {late} took the deadline's {} ms; the longest \
                 {longest:.1} ms",
                DEADLINE.as_millis()
            );
        }
    }
    let others: Vec<u16> =
        answers.into_iter().map(|(status, _)| status).filter(|status| *status != 200).collect();
    same("answers under load other than 200", Vec::<u16>::new(), others)?;
    // Each question ended; those that nobody answered, by the deadline that the proxy was
    // given.
    same("questions that ended", site.metric("service_asked")?, site.latencies()?)?;
    if kind == Kind::Frozen {
        let failed = site.metric("service_failed")?.iter().sum();
        let timeouts = site.sum("cluster.rls.upstream_rq_timeout")?;
        same("questions that the deadline ended", failed, timeouts)?;
    }
    same("fallbacks", true, site.metric("limit_fallbacks.load.degraded")?.iter().all(|n| *n > 0))?;
    same("reloaded", 0, site.sum("vm_reload")?)
}

/// Those whose question nobody answered waited for the deadline, and not for long after it.
/// The machine may do other work meanwhile, so the quicker ones are held to that; of the
/// others it is said how long they waited.
fn waits_end(answers: &[Answered]) -> Result<(), String> {
    let mut waits: Vec<Duration> =
        answers.iter().map(|(_, took)| *took).filter(|took| *took >= DEADLINE).collect();
    waits.sort_unstable();
    let quartile = |n: usize| waits.get(waits.len() * n / 4).or(waits.last());
    let (Some(quick), Some(median), Some(last)) = (quartile(1), quartile(2), quartile(4)) else {
        return Err(format!("nobody waited for the deadline of {DEADLINE:?}"));
    };
    let ms = |wait: &Duration| wait.as_secs_f64() * 1000.0;
    let told = format!(
        "of {} requests {} waited for a frozen service: {:.1} ms at the first quartile, {:.1} ms \
         at the median and {:.1} ms at most; the deadline is {} ms",
        answers.len(),
        waits.len(),
        ms(quick),
        ms(median),
        ms(last),
        DEADLINE.as_millis()
    );
    println!("{told}");
    if *quick < DEADLINE * 2 { Ok(()) } else { Err(told) }
}

/// A request costs 1 when it comes, and 10 by its answer.
fn dear() -> Result<(), String> {
    let site = Site::start("dear", &json!({"timeout": "5s"}), "statuses")?;
    in_one_window("spender", |caller| {
        let ask = |n: usize| {
            let line = format!("x-caller: {caller}");
            let wire = Wire::get("api.example.com", "/chunked", &[&line]);
            send(site.addresses()[n % 2], &wire, PATIENCE)
        };
        let before = site.asked()?;
        for n in 1..=10 {
            let answer = ask(n)?;
            // Told with what the answer has cost.
            same("a request", (200, Some(100 - 10 * n)), (answer.status, left(&answer)))?;
            // Its own question, and the one that corrects it.
            let both = before + 2 * u64::try_from(n).map_err(|e| e.to_string())?;
            let corrected = || (site.asked().ok()? == both).then_some(());
            wait_for(PATIENCE, corrected).ok_or(format!("request {n} is not corrected"))?;
        }
        same("over the limit on both", [429; 2], [ask(0)?.status, ask(1)?.status])
    })?;
    same("lost", [0, 0], site.metric("uncorrected")?)
}

fn bodies() -> Result<(), String> {
    let settings = json!({"timeout": "2s"});
    let mut site = Site::start("bodies", &settings, "statuses")?;
    let post = |body: &[u8]| {
        let lines = [b"x-caller: somebody".to_vec()];
        let wire = Wire::new("POST", b"/echo", b"api.example.com", &lines, Some(body));
        send(site.addresses()[0], &wire, PATIENCE)
    };
    let body = vec![b'b'; 100_000];
    let answer = post(&body)?;
    same("passes", (200, true), (answer.status, answer.body.ends_with(&body)))?;
    let upstream = || site.sum("cluster.upstream.upstream_rq_total");
    let before = upstream()?;
    same("one request", 1, before)?;
    site.freeze_service()?;
    let post = |body: &[u8]| {
        let lines = [b"x-caller: somebody".to_vec()];
        let wire = Wire::new("POST", b"/echo", b"api.example.com", &lines, Some(body));
        send(site.addresses()[0], &wire, PATIENCE)
    };
    same("is refused", 503, post(&body)?.status)?;
    same("nothing of it went on", before, site.sum("cluster.upstream.upstream_rq_total")?)
}
