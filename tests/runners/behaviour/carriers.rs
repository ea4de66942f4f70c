//! Credentials in the query and in cookies, for clients that know no other way.

use postern_core::digest::{hex, sha256};
use postern_tests::client::{PATIENCE, Wire, send};
use postern_tests::gateway::wait_for;
use postern_tests::observe::{Answer, values};

use super::policies::{Edited, settled};
use super::{get, rush, same};
use crate::Stage;

const KEY: &str = "pk_carried_d81e02bb6c0f4e7fa3957e21";
/// The same, as a client may write it into a query.
const ENCODED: &str = "pk%5Fcarried_d81e02bb6c0f4e7fa3957e2%31";
/// What nobody takes.
const BAD: &str = "pk_mallory_9f3c51aa07";
const PATH: &str = "/whoami";
const CONNECTIONS: usize = 32;

const FROM: &str = "        - authorization: token\n      keys:\n";

/// With two more places, and a key that no limit counts.
fn changed() -> String {
    let digest = hex(&sha256(KEY.as_bytes()));
    format!(
        "        - authorization: token\n        - query: api_key\n        - cookie: session\n      \
         keys:\n        - {{id: carried, sha256: {digest}, subject: carried, plan: load}}\n"
    )
}

struct Carried<'s> {
    stage: &'s Stage,
    _edited: Edited<'s>,
}

impl<'s> Carried<'s> {
    fn begin(stage: &'s Stage) -> Result<Self, String> {
        // The policy of the test before has to be gone.
        let path = format!("{PATH}?api_key={KEY}");
        same("the demo's policy is in force", 401, settled(stage, &path, "X-None: 1", 401)?)?;
        let edited = Edited::new(stage, "auth", FROM, &changed())?;
        let carried = Carried { stage, _edited: edited };
        stage.gateway.apply()?;
        let everywhere = || {
            let all = (0..12).map(|_| carried.send(&path, &[])).collect::<Result<Vec<_>, _>>();
            all.ok().filter(|all| all.iter().all(|answer| answer.status == 200))
        };
        wait_for(PATIENCE, everywhere).ok_or("the policy is not in force")?;
        Ok(carried)
    }

    fn send(&self, path: &str, lines: &[&str]) -> Result<Answer, String> {
        send(self.stage.gateway.address(), &Wire::get("api.example.com", path, lines), PATIENCE)
    }

    /// On both workers: it is known, and the upstream sees this path and cookie, and
    /// the key nowhere.
    fn taken_out(
        &self,
        path: &str,
        lines: &[&str],
        left: &str,
        cookie: Option<&str>,
    ) -> Result<Vec<Answer>, String> {
        let what = format!("{path} {lines:?}");
        let gateway = &self.stage.gateway;
        gateway.forget()?;
        let before = gateway.workers()?;
        let request = get("api.example.com", path, lines);
        let answers = rush(gateway.address(), CONNECTIONS, 1, &request)?;
        gateway.both_workers(&before)?;
        same(&what, vec![200; CONNECTIONS], answers.iter().map(|a| a.status).collect())?;
        let seen = gateway.seen()?;
        same(&what, CONNECTIONS, seen.len())?;
        for request in seen {
            let header = |name: &str| {
                let all: Vec<_> =
                    values(&request.headers, name).map(String::from_utf8_lossy).collect();
                (!all.is_empty()).then(|| all.join(" | "))
            };
            same(&what, left, &String::from_utf8_lossy(&request.path))?;
            same(&what, cookie.map(str::to_owned), header("cookie"))?;
            same(&what, Some("carried".to_owned()), header("x-postern-subject"))?;
            for (name, value) in &request.headers {
                let value = String::from_utf8_lossy(value);
                same(
                    &format!("{what}: {name}"),
                    false,
                    value.contains(KEY) || value.contains(ENCODED),
                )?;
            }
        }
        Ok(answers)
    }

    /// Refused, and the upstream not asked.
    fn refused(&self, path: &str, lines: &[&str], expected: (u16, &str)) -> Result<Answer, String> {
        let what = format!("{path} {lines:?}");
        self.stage.gateway.forget()?;
        let answer = self.send(path, lines)?;
        let code = answer.json().and_then(|problem| problem["code"].as_str().map(str::to_owned));
        let (status, wanted) = expected;
        same(&what, (status, Some(wanted.to_owned())), (answer.status, code))?;
        same(&what, 0, self.stage.gateway.seen()?.len())?;
        Ok(answer)
    }
}

pub(super) fn taken_out(stage: &Stage) -> Result<(), String> {
    let on = Carried::begin(stage)?;
    let private = |answers: Vec<Answer>| {
        // RFC 6750 §2.3: what was got with a token in the query is for one client.
        let said = answers.iter().all(|a| a.text("cache-control") == Some("private"));
        same("cache-control", true, said)
    };
    let query = |path: &str, left: &str| on.taken_out(path, &[], left, None);
    private(query(&format!("{PATH}?api_key={KEY}"), PATH)?)?;
    private(query(
        &format!("{PATH}?page=2&api_key={KEY}&q=%41+b"),
        &format!("{PATH}?page=2&q=%41+b"),
    )?)?;
    private(query(
        &format!("{PATH}?api%5Fkey={ENCODED}&api_keys=1"),
        &format!("{PATH}?api_keys=1"),
    )?)?;
    private(query(&format!("/x/..{PATH}?&api_key={KEY}&"), PATH)?)?;
    for (cookie, left) in [
        (format!("session={KEY}"), None),
        (format!("theme=dark; session={KEY}; lang=no"), Some("theme=dark; lang=no")),
        (format!("session_id=1; session = {KEY};Session=2"), Some("session_id=1; Session=2")),
    ] {
        let answers = on.taken_out(PATH, &[&format!("Cookie: {cookie}")], PATH, left)?;
        let said = answers.iter().any(|a| a.text("cache-control") == Some("private"));
        same("cache-control of what came by a cookie", false, said)?;
    }
    // Where a credential is optional it goes as well.
    let public = "/v1/market/total-items.json";
    on.taken_out(&format!("{public}?api_key={KEY}"), &[], public, None).map(drop)
}

pub(super) fn refused(stage: &Stage) -> Result<(), String> {
    let on = Carried::begin(stage)?;
    let (query, cookie) = (format!("{PATH}?api_key={KEY}"), format!("Cookie: session={KEY}"));
    let header = format!("X-Api-Key: {KEY}");
    let bearer = format!("Authorization: Bearer {KEY}");
    let twice = (400, "invalid_request");
    for line in [&cookie, &header, &bearer] {
        on.refused(&query, &[line], twice)?;
    }
    on.refused(PATH, &[&cookie, &header], twice)?;
    on.refused(PATH, &[&cookie, &bearer], twice)?;
    on.refused(PATH, &[&format!("Cookie: session={KEY}; a=b; session={KEY}")], twice)?;
    on.refused(PATH, &[&cookie, &cookie], twice)?;
    on.refused(&format!("{query}&api_key={KEY}"), &[], twice)?;
    on.refused(&format!("{query}&api%5Fkey={BAD}"), &[], twice)?;
    // One that is good does not lend its goodness to one that is not.
    on.refused(&format!("{PATH}?api_key={BAD}"), &[&cookie], twice)?;
    let bad = (401, "invalid_token");
    let answer = on.refused(&format!("{PATH}?api_key={BAD}"), &[], bad)?;
    same("cache-control", Some("no-store"), answer.text("cache-control"))?;
    on.refused(&format!("{PATH}?api_key="), &[], bad)?;
    on.refused(&format!("{PATH}?api_key={KEY}%00"), &[], (400, "bad_request"))?;
    on.refused(&format!("{PATH}?api_key={KEY}%20"), &[], bad)?;
    on.refused(PATH, &[&format!("Cookie: session={BAD}")], bad)?;
    on.refused(&format!("/v1/market/total-items.json?api_key={BAD}"), &[], bad)?;
    // Another name is none.
    on.refused(&format!("{PATH}?API_KEY={KEY}"), &[], (401, "missing_credential"))?;
    on.refused(PATH, &[&format!("Cookie: SESSION={KEY}")], (401, "missing_credential")).map(drop)
}

/// The log has a line of each request by now or soon, and none of their keys.
pub(super) fn not_logged(stage: &Stage) -> Result<(), String> {
    let on = Carried::begin(stage)?;
    let cookie = format!("Cookie: session={KEY}");
    let mut ids = Vec::new();
    for (path, lines) in [
        (format!("{PATH}?api_key={KEY}"), vec![]),
        (format!("{PATH}?api%5Fkey={ENCODED}&x=1"), vec![]),
        (format!("{PATH}?api_key={BAD}"), vec![]),
        (format!("{PATH}?api_key={KEY}&api_key={BAD}"), vec![]),
        (PATH.to_owned(), vec![cookie.as_str()]),
        (format!("{PATH}?api_key={BAD}"), vec![cookie.as_str()]),
    ] {
        let answer = on.send(&path, &lines)?;
        ids.push(answer.text("x-request-id").ok_or("an answer without an id")?.to_owned());
    }
    let written = || {
        let log = stage.gateway.access_log();
        ids.iter().all(|id| log.iter().any(|line| line.contains(id))).then_some(log)
    };
    let log = wait_for(PATIENCE, written).ok_or("the log has no line for each")?;
    let kept = ["d81e02bb6c0f4e7fa3957e2", "9f3c51aa07"];
    match log.iter().find(|line| kept.iter().any(|part| line.contains(part))) {
        None => Ok(()),
        Some(line) => Err(format!("a key is in the log: {line}")),
    }
}
