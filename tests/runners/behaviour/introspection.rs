//! Tokens about which the identity provider is asked, on two workers.

use std::time::Duration;

use ct_codecs::{Base64, Encoder};
use postern_stack::environment::variable;
use postern_tests::client::{Connection, PATIENCE, Wire, send};
use postern_tests::gateway::wait_for;
use postern_tests::observe::Answer;
use serde_json::{Value, json};

use super::policies::{Edited, settled};
use super::{get, rush, same};
use crate::Stage;

const TAKEN: Duration = Duration::from_secs(20);
const CONNECTIONS: usize = 32;
const ASK: &str = "/introspect";
const SECRET: &str = "POSTERN_DEMO_INTROSPECTION_SECRET";

/// A route that no rule of the demo's policy names takes every provider.
const PATH: &str = "/whoami";

/// One that remembers for 8 s, and one that serves old answers. The demo's own
/// takes none of these tokens, which are longer than 16 bytes.
const PROVIDERS: &str = "
  asked:
    introspection:
      cluster: idp
      uri: http://idp.example.com/introspect
      timeout: 1s
      client: {id: demo-gateway, secret_env: POSTERN_DEMO_INTROSPECTION_SECRET}
      token_type_hint: access_token
      token_prefix: pt_
      cache: {ttl: 8s, negative_ttl: 8s}
  lasting:
    introspection:
      cluster: idp
      uri: http://idp.example.com/introspect
      timeout: 1s
      client: {id: demo-gateway, secret_env: POSTERN_DEMO_INTROSPECTION_SECRET}
      from: [{header: {name: x-lasting}}]
      cache: {ttl: 1500ms, negative_ttl: 1500ms}
      stale_if_unavailable: 10m
  personal:
    introspection:
      max_bytes: 16
";

/// The demo with these providers; drills and policy are taken back when dropped.
struct Asking<'s> {
    stage: &'s Stage,
    _edited: Edited<'s>,
}

impl<'s> Asking<'s> {
    fn begin(stage: &'s Stage, test: &str) -> Result<Self, String> {
        // Only this policy looks there; that of the test before has to be gone.
        let line = format!("X-Lasting: {}", token(stage, &format!("introspection-{test}"))?);
        same("the demo's policy is in force", 401, settled(stage, PATH, &line, 401)?)?;
        let edited = Edited::new(stage, "auth", "\n  personal:\n    introspection:\n", PROVIDERS)?;
        let asking = Asking { stage, _edited: edited };
        stage.gateway.apply()?;
        same("the policy is in force", 200, settled(stage, PATH, &line, 200)?)?;
        asking.tell("DELETE", "/__counters", &Value::Null)?;
        Ok(asking)
    }

    fn tell(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.stage.gateway.tell_idp(method, path, body)
    }

    fn token(&self, subject: &str) -> Result<String, String> {
        token(self.stage, subject)
    }

    fn behave(&self, mut how: Value) -> Result<(), String> {
        how["path"] = ASK.into();
        self.tell("PUT", "/__behaviour", &how).map(|_| ())
    }

    fn asked(&self) -> Result<u64, String> {
        Ok(self.stage.gateway.asked_idp(ASK)?.0)
    }

    fn send(&self, line: &str) -> Result<Answer, String> {
        let wire = Wire::get("api.example.com", PATH, &[line]);
        send(self.stage.gateway.address(), &wire, PATIENCE)
    }

    /// The same request on many connections of both workers.
    fn rush(&self, token: &str) -> Result<Vec<u16>, String> {
        let request = get("api.example.com", PATH, &[&bearer(token)]);
        let answers = rush(self.stage.gateway.address(), CONNECTIONS, 1, &request)?;
        Ok(answers.iter().map(|answer| answer.status).collect())
    }

    fn counted(&self, provider: &str, what: &str) -> Result<u64, String> {
        self.stage
            .gateway
            .stat(&format!("wasmcustom.postern.auth.provider.{provider}.introspection.{what}"))
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Err(e) = self.tell("DELETE", "/__behaviour", &Value::Null) {
            eprintln!("the identity provider still misbehaves: {e}");
        }
    }
}

/// A personal token of this subject.
fn token(stage: &Stage, subject: &str) -> Result<String, String> {
    let said = stage.gateway.tell_idp("POST", "/personal-token", &json!({"sub": subject}))?;
    let token = said.get("access_token").and_then(Value::as_str);
    Ok(token.ok_or("no `access_token`")?.to_owned())
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// 503 with a time to come back, and no word against the credential.
fn unavailable(what: &str, answer: &Answer) -> Result<(), String> {
    same(what, 503, answer.status)?;
    same(what, Some("1"), answer.text("retry-after"))?;
    same(what, None, answer.text("www-authenticate"))?;
    let problem = answer.json().unwrap_or_default();
    same(what, Some("introspection_unavailable"), problem["code"].as_str())
}

pub(super) fn one_question(stage: &Stage) -> Result<(), String> {
    let asking = Asking::begin(stage, "one")?;
    let token = asking.token("introspection-one")?;
    asking.behave(json!({"delay_ms": 300}))?;
    let before = stage.gateway.workers()?;
    same("admitted", vec![200; CONNECTIONS], asking.rush(&token)?)?;
    stage.gateway.both_workers(&before)?;
    same("questions", 1, asking.asked()?)?;
    same("admitted again", vec![200; CONNECTIONS], asking.rush(&token)?)?;
    same("questions about a token that is known", 1, asking.asked()?)?;
    same("refused", vec![401; CONNECTIONS], asking.rush("pt_a-token-of-nobody")?)?;
    same("questions, with the one about a bad token", 2, asking.asked()?)?;
    // Of another form: no question.
    same("refused", vec![401; CONNECTIONS], asking.rush("xx_nobodys")?)?;
    same("questions", 2, asking.asked()?)?;
    let told = || (asking.counted("asked", "joined").ok()? > 0).then_some(());
    wait_for(TAKEN, told).ok_or("`joined` is not counted")?;
    stage.gateway.forget()?;
    same("passes", 200, asking.send(&bearer(&token))?.status)?;
    let seen = stage.gateway.seen()?;
    let header = |name: &str| {
        let mut all = seen.iter().flat_map(|request| &request.headers);
        all.find(|(n, _)| n == name).map(|(_, value)| String::from_utf8_lossy(value))
    };
    same("who it is", Some("introspection-one"), header("x-postern-subject").as_deref())?;
    same("the token goes no further", None, header("authorization"))
}

pub(super) fn client_leaves(stage: &Stage) -> Result<(), String> {
    let asking = Asking::begin(stage, "leaves")?;
    let token = asking.token("introspection-leaves")?;
    asking.behave(json!({"delay_ms": 700, "times": 1}))?;
    let mut leaving = Connection::open(stage.gateway.address(), PATIENCE)?;
    leaving.write(&get("api.example.com", PATH, &[&bearer(&token)]))?;
    wait_for(TAKEN, || (asking.asked().ok()? == 1).then_some(())).ok_or("no question")?;
    drop(leaving);
    // One of these is on the same worker.
    same("the others", vec![200; CONNECTIONS], asking.rush(&token)?)?;
    same("questions", 1, asking.asked()?)
}

pub(super) fn revoked(stage: &Stage) -> Result<(), String> {
    let asking = Asking::begin(stage, "revoked")?;
    let token = asking.token("introspection-revoked")?;
    same("before", 200, asking.send(&bearer(&token))?.status)?;
    let form = format!("token={token}");
    let kind = b"content-type: application/x-www-form-urlencoded";
    let wire = Wire::new("POST", b"/revoke", b"idp", &[kind.to_vec()], Some(form.as_bytes()));
    same("revoked", 200, send(stage.gateway.idp(), &wire, PATIENCE)?.status)?;
    // Between them the rate limit may answer.
    let refused = || asking.send(&bearer(&token)).ok().filter(|answer| answer.status == 401);
    let refused = wait_for(TAKEN, refused).ok_or("a revoked token still passes")?;
    same(
        "challenge",
        Some(r#"Bearer realm="marketplace", error="invalid_token""#),
        refused.text("www-authenticate"),
    )?;
    same("by all workers", vec![401; CONNECTIONS], asking.rush(&token)?)?;
    let record = stage.gateway.access_log().iter().any(|line| line.contains("inactive_token"));
    same("the record says why", true, record)
}

pub(super) fn failures(stage: &Stage) -> Result<(), String> {
    let asking = Asking::begin(stage, "failures")?;
    for (n, how) in [
        json!({"status": 503}),
        json!({"status": 500}),
        json!({"status": 401}),
        json!({"status": 404}),
        json!({"empty": true}),
        json!({"body": "<html>"}),
        json!({"body": "{\"sub\":\"x\"}"}),
        json!({"body": "{\"active\":\"true\",\"sub\":\"x\"}"}),
        json!({"body": "{\"active\":true,\"active\":true,\"sub\":\"x\"}"}),
        json!({"cut": true}),
        json!({"stall": true}),
        json!({"truncate": 20}),
        json!({"delay_ms": 3000}),
    ]
    .into_iter()
    .enumerate()
    {
        let what = how.to_string();
        let known = asking.token(&format!("introspection-known-{n}"))?;
        let new = asking.token(&format!("introspection-new-{n}"))?;
        let passes = |token: &str| (asking.send(&bearer(token)).ok()?.status == 200).then_some(());
        wait_for(TAKEN, || passes(&known)).ok_or_else(|| format!("before {what}: no answer"))?;
        asking.behave(how)?;
        unavailable(&what, &asking.send(&bearer(&new))?)?;
        same(&what, 200, asking.send(&bearer(&known))?.status)?;
        asking.tell("DELETE", "/__behaviour", &Value::Null)?;
        wait_for(TAKEN, || passes(&new)).ok_or_else(|| format!("after {what}: no recovery"))?;
    }
    Ok(())
}

pub(super) fn stale(stage: &Stage) -> Result<(), String> {
    let asking = Asking::begin(stage, "stale")?;
    let line = "X-Lasting: anything";
    // With a plan that lets it ask again and again.
    let body = json!({"active": true, "sub": "introspection-stale", "plan": "load"});
    asking.behave(json!({"body": body.to_string()}))?;
    same("before", 200, asking.send(line)?.status)?;
    asking.behave(json!({"status": 503}))?;
    let served = || asking.counted("lasting", "stale").ok().filter(|n| *n > 0);
    let mut statuses = Vec::new();
    wait_for(TAKEN, || {
        statuses.push(asking.send(line).map_or(0, |answer| answer.status));
        served()
    })
    .ok_or("no old answer was counted")?;
    statuses.retain(|status| *status != 200);
    same("other answers meanwhile", Vec::<u16>::new(), statuses)?;
    let new = asking.token("introspection-stale-new")?;
    unavailable("a token that is not known", &asking.send(&format!("X-Lasting: {new}"))?)
}

pub(super) fn logs(stage: &Stage) -> Result<(), String> {
    let asking = Asking::begin(stage, "logs")?;
    let token = asking.token("introspection-logs")?;
    same("passes", 200, asking.send(&bearer(&token))?.status)?;
    asking.behave(json!({"status": 401}))?;
    let other = asking.token("introspection-logs-too")?;
    unavailable("the gateway is not let in", &asking.send(&bearer(&other))?)?;
    let secret = variable(SECRET).ok_or("no secret")?;
    let basic = Base64::encode_to_string(format!("demo-gateway:{secret}"));
    let basic = basic.map_err(|e| e.to_string())?;
    let line = "introspection at `idp` does not answer: status 401";
    let written = || stage.gateway.log("envoy").contains(line).then_some(());
    wait_for(TAKEN, written).ok_or("nothing was logged")?;
    let all = [stage.gateway.log("envoy"), stage.gateway.access_log().concat()].concat();
    for (what, text) in
        [("token", &token), ("token", &other), ("secret", &secret), ("pair", &basic)]
    {
        same(what, false, all.contains(text.as_str()))?;
    }
    Ok(())
}
