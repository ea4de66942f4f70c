//! The limit before `auth`: who pays for credentials that are not good. The callers have
//! addresses of 127.0.0.0/8, which only Linux lets them have.

use std::net::Ipv4Addr;
use std::time::Instant;

use postern_tests::client::{Connection, PATIENCE, Wire, send_from};
use postern_tests::observe::Answer;

use super::limits::count;
use super::{get, rush_over, same, token};
use crate::Stage;

const CONNECTIONS: usize = 64;
const PATH: &str = "/v1/market/total-items.json";
/// Of the demo's policy, in a minute.
const QUOTA: usize = 6_000;

fn rush(stage: &Stage, from: Ipv4Addr, each: usize, request: &[u8]) -> Result<Vec<Answer>, String> {
    let open = || Connection::open_from(from, stage.gateway.address(), PATIENCE);
    let opened: Result<Vec<_>, _> = (0..CONNECTIONS).map(|_| open()).collect();
    rush_over(opened?, each, request)
}

/// Exact on two workers, and nobody at another address notices.
pub(super) fn flood(stage: &Stage) -> Result<(), String> {
    let (bad, good) = (Ipv4Addr::new(127, 0, 30, 1), Ipv4Addr::new(127, 0, 30, 2));
    let before = stage.gateway.workers()?;
    let made_up = get("api.example.com", "/whoami", &["Authorization: Bearer made-up"]);
    let begun = Instant::now();
    let answers = rush(stage, bad, 160, &made_up)?;
    let came_back = (begun.elapsed().as_secs_f64() * QUOTA as f64 / 60.0).floor() as usize;
    let (passed, refused) = (count(&answers, 401), count(&answers, 429));
    same("answers", CONNECTIONS * 160, passed + refused)?;
    if passed < QUOTA || passed > QUOTA + came_back {
        return Err(format!("{passed} passed of {QUOTA} and {came_back} that came back"));
    }
    let told = answers.iter().find(|a| a.status == 429).ok_or("nobody was refused")?;
    same("its policy", Some(r#""address";q=6000;w=60"#), told.text("ratelimit-policy"))?;
    same("when to come again", Some("1"), told.text("retry-after"))?;
    stage.gateway.both_workers(&before)?;
    let bearer = format!("Authorization: Bearer {}", token("elsewhere", "load")?);
    let request = Wire::get("api.example.com", "/whoami", &[&bearer]);
    let answer = send_from(good, stage.gateway.address(), &request, PATIENCE)?;
    same("at another address", 200, answer.status)
}

/// Old clients get their own shape of it.
pub(super) fn old_clients(stage: &Stage) -> Result<(), String> {
    let from = Ipv4Addr::new(127, 0, 30, 3);
    let path = "/api/v3/northwind/made-up-key-0123456789/vitals.json";
    let answers = rush(stage, from, 120, &get("marketplace.example.com", path, &[]))?;
    let (passed, refused) = (count(&answers, 403), count(&answers, 429));
    same("answers", CONNECTIONS * 120, passed + refused)?;
    let told = answers.iter().find(|a| a.status == 429).ok_or("nobody was refused")?;
    let body = String::from_utf8_lossy(&told.body);
    same("body", r#"{"error":429,"description":"Too many requests"}"#, body.as_ref())?;
    same("total", Some("6000"), told.text("x-ratelimit-total"))?;
    same("remaining", Some("0"), told.text("x-ratelimit-remaining"))?;
    same("when to come again", Some("1"), told.text("retry-after"))
}

/// Many good callers behind one address do not use up what it has.
pub(super) fn many_behind_one(stage: &Stage) -> Result<(), String> {
    let from = Ipv4Addr::new(127, 0, 30, 4);
    let bearer = format!("Authorization: Bearer {}", token("behind", "load")?);
    let good = get("api.example.com", PATH, &[&bearer]);
    same("200", CONNECTIONS * 80, count(&rush(stage, from, 80, &good)?, 200))?;
    // What they may not is theirs too.
    let forbidden = get("api.example.com", "/v9/nothing", &[&bearer]);
    same("403", CONNECTIONS * 80, count(&rush(stage, from, 80, &forbidden)?, 403))
}
