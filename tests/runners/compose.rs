//! The corpus against the containers of docker-compose.yml. They are started by
//! `cargo xtask test compose`, which says by variables where they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use postern_stack::keys::Keys;
use postern_tests::case::Case;
use postern_tests::client::{PATIENCE, Wire};
use postern_tests::corpus::{self, workspace};
use postern_tests::demo::Demo;
use postern_tests::gateway::{minute, wait_for};
use postern_tests::live::Run;
use postern_tests::request::Filled;
use postern_tests::tls::Client;
use rustls::version::{TLS12, TLS13};

const PUBLIC: &str = "/v1/market/total-items.json";

/// So many pairs of requests and answers are recorded, at least.
const PAIRS: usize = 115;

/// What a case cannot say.
type Test = fn(&Containers) -> Result<(), String>;

/// The containers.
struct Containers {
    demo: Demo,
    /// What they share with the host: policies, certificates, the log.
    folder: PathBuf,
    run: OnceLock<Run>,
    cases: Vec<Case>,
}

impl Containers {
    fn of_variables(cases: Vec<Case>) -> Result<Self, String> {
        let folder = PathBuf::from(variable("POSTERN_COMPOSE_DIR")?);
        let log = folder.join("log/access.jsonl");
        let [gateway, upstream, idp] =
            ["POSTERN_GATEWAY_PORT", "POSTERN_UPSTREAM_PORT", "POSTERN_IDP_PORT"].map(port);
        let demo = Demo::at(gateway?, upstream?, idp?, log);
        let demo = demo.with_tls(port("POSTERN_TLS_PORT")?, folder.join("tls"));
        Ok(Containers { demo, folder, run: OnceLock::new(), cases })
    }

    /// What was seen of the corpus; it is sent when this is first asked.
    fn run(&self) -> Result<&Run, String> {
        let keys = Keys::embedded().map_err(|e| e.to_string())?;
        let shown = self.cases.iter().filter(|case| case.is_for_containers());
        let send = |filled: &Filled| self.demo.send_filled(filled);
        Ok(self.run.get_or_init(|| Run::through(&self.demo, shown, &keys, &send)))
    }

    fn status(&self, path: &str) -> Result<u16, String> {
        self.demo.send(&Wire::get("api.example.com", path, &[])).map(|answer| answer.status)
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests share one gateway, and some change it.
    arguments.test_threads = Some(1);
    let containers = match corpus::load().and_then(Containers::of_variables) {
        Ok(containers) => Arc::new(containers),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    if let Ok(other) = port("POSTERN_GATEWAY_B_PORT") {
        let trial = move || shares_limits(&containers, other).map_err(Failed::from);
        let trials = vec![Trial::test("fleet::two_gateways_share_a_limit", trial)];
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let mut trials = Vec::new();
    for case in &containers.cases {
        if !case.is_for_containers() {
            continue;
        }
        let (case, containers) = (case.clone(), Arc::clone(&containers));
        trials.push(Trial::test(format!("case::{}", case.name.as_str()), move || {
            let found = containers.run()?.judge(&case);
            if found.is_empty() { Ok(()) } else { Err(Failed::from(found.join("\n"))) }
        }));
    }
    let others: [(&str, Test); 3] = [
        ("the_gateway_speaks_tls", speaks_tls),
        ("the_recorded_contracts_are_kept", keeps_contracts),
        ("a_renamed_policy_is_taken_in_the_container", takes_a_policy),
    ];
    for (name, test) in others {
        let containers = Arc::clone(&containers);
        trials.push(Trial::test(name, move || test(&containers).map_err(Failed::from)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn speaks_tls(containers: &Containers) -> Result<(), String> {
    let ca = containers.folder.join("tls/ca.pem");
    let client = Client::new(&ca, None, &["http/1.1"], &[&TLS13, &TLS12])?;
    let to = ([127, 0, 0, 1], port("POSTERN_TLS_PORT")?).into();
    let answer = client.send(to, &Wire::get("api.example.com", PUBLIC, &[]), PATIENCE)?;
    same(PUBLIC, 200, answer.status)
}

/// As an operator holds a gateway to them, over http and https. What the corpus has spent of
/// the old API's limits has to be back: a window is a minute.
fn keeps_contracts(containers: &Containers) -> Result<(), String> {
    let tool = PathBuf::from(variable("POSTERN_BIN_DIR")?).join("postern");
    let contract = workspace().join("tests/contracts/marketplace.yaml");
    let tls = format!("https://127.0.0.1:{}", port("POSTERN_TLS_PORT")?);
    for url in [format!("http://{}", containers.demo.address()), tls] {
        let begun = minute();
        wait_for(Duration::from_secs(65), || (minute() != begun).then_some(()))
            .ok_or("the clock stands still")?;
        let output = Command::new(&tool)
            .args(["contract", "verify"])
            .arg(&contract)
            .args(["--gateway", &url, "--ca"])
            .arg(containers.folder.join("tls/ca.pem"))
            .output()
            .map_err(|e| format!("{}: {e}", tool.display()))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = printed.trim_end().rsplit_once(": ").and_then(|(_, told)| told.split_once(' '));
        let kept = told.and_then(|(kept, _)| kept.parse::<usize>().ok()).unwrap_or(0);
        if !output.status.success() || kept < PAIRS {
            return Err(format!("{url}: {printed}{}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(())
}

/// Clients of one address are counted together, whichever gateway they ask.
fn shares_limits(containers: &Containers, other: u16) -> Result<(), String> {
    const EACH: usize = 75;
    let both = [containers.demo.address(), ([127, 0, 0, 1], other).into()];
    let wire = Wire::get("api.example.com", PUBLIC, &[]);
    // A window that ends meanwhile is two: once more, then.
    for last in [false, true] {
        let begun = minute();
        let first = containers.demo.send(&wire)?;
        same("counted by the service", 1, u16::from(first.text("x-postern-counted").is_none()))?;
        let fields = first.text("ratelimit").unwrap_or_default();
        let left =
            fields.split(';').find_map(|part| part.strip_prefix("r=")?.parse::<usize>().ok());
        let left = left.ok_or_else(|| format!("no `r` in `{fields}`"))?;
        let mut passed = [0usize; 2];
        for _ in 0..EACH {
            for (to, passed) in both.iter().zip(&mut passed) {
                let answer = postern_tests::client::send(*to, &wire, PATIENCE)?;
                *passed += usize::from(answer.status == 200);
            }
        }
        if minute() != begun && !last {
            continue;
        }
        let sum = passed[0] + passed[1];
        if sum != left || passed.contains(&0) {
            return Err(format!("{left} were left, and {passed:?} passed"));
        }
        return Ok(());
    }
    Ok(())
}

/// The folder is mounted: a rename in it reaches the Envoy inside.
fn takes_a_policy(containers: &Containers) -> Result<(), String> {
    let file = PathBuf::from(variable("POSTERN_POLICIES")?).join("authz.yaml");
    let good = fs::read_to_string(&file).map_err(|e| e.to_string())?;
    let (before, public) = good.split_once("name: public-catalogue").ok_or("no such rule")?;
    let closed = public.replacen("subject: anyone", "subject: identified", 1);
    let closed = format!("{before}name: public-catalogue{closed}");
    let save = |text: &str| fs::write(&file, text).map_err(|e| e.to_string());

    same("before", 200, containers.status(PUBLIC)?)?;
    save(&closed)?;
    let changed = apply(&containers.folder).and_then(|()| containers.status(PUBLIC));
    save(&good)?;
    apply(&containers.folder)?;
    same("changed", 401, changed?)?;
    same("restored", 200, containers.status(PUBLIC)?)
}

/// What an operator types, until Envoy took it.
fn apply(folder: &Path) -> Result<(), String> {
    let tool = PathBuf::from(variable("POSTERN_BIN_DIR")?).join("postern");
    let output = Command::new(&tool)
        .arg("apply")
        .arg(variable("POSTERN_POLICIES")?)
        .arg("--to")
        .arg(folder.join("filters"))
        .arg("--modules")
        .arg(variable("POSTERN_MODULES")?)
        .args(["--seen-as", "/etc/postern/config"])
        .args(["--wait", &format!("127.0.0.1:{}", port("POSTERN_ADMIN_PORT")?)])
        .output()
        .map_err(|e| format!("{}: {e}", tool.display()))?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(printed) }
}

fn same(what: &str, expected: u16, found: u16) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected}, found {found}"))
    }
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set: run `cargo xtask test compose`"))
}

fn port(name: &str) -> Result<u16, String> {
    variable(name)?.parse().map_err(|_| format!("{name} is no port"))
}
