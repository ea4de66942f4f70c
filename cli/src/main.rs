//! `postern`: checks, applies and explains policies. Exit status: 0 good,
//! 1 findings, 2 wrong usage.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use postern_cli::apply::{Applied, Target, apply, prune, put_back};
use postern_cli::chain::{Chain, Message};
use postern_cli::check::check;
use postern_cli::explain::request::{Curl, as_body};
use postern_cli::explain::{Answering, explain};
use postern_cli::finding::Finding;
use postern_cli::policy::{Kind, Policy};
use postern_cli::wait::{Admin, Counts, Outcome};
use postern_cli::{local_replies, reference, report, schema};
use serde_json::json;

mod held;

/// The tool for Postern's policies.
#[derive(Parser)]
#[command(name = "postern", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks policies and the bootstrap that mounts them; names every mistake
    /// with file, line, column and path, and warns of what is said in vain.
    Check {
        /// Files, or folders of them.
        #[arg(default_value = "envoy")]
        paths: Vec<PathBuf>,
        /// Exit status 1 where it warns of anything.
        #[arg(long)]
        deny_warnings: bool,
        /// Print the findings as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Checks policies, renders them for Envoy and renames them into place.
    Apply {
        /// Policy files, or folders of them.
        #[arg(default_value = "envoy/filters")]
        paths: Vec<PathBuf>,
        /// The folder that Envoy watches.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// The folder with the modules, `<filter>.wasm`.
        #[arg(long, value_name = "DIR", default_value = "target/modules")]
        modules: PathBuf,
        /// The path under which Envoy sees the folder of `--to`, if it differs.
        #[arg(long, value_name = "DIR")]
        seen_as: Option<PathBuf>,
        /// Render this plugin only; all are checked all the same.
        #[arg(long, value_name = "PLUGIN")]
        only: Option<String>,
        /// Wait until the Envoy with this admin interface, `host:port`, took or
        /// refused what was written.
        #[arg(long, value_name = "ADMIN")]
        wait: Option<String>,
        /// How many seconds `--wait` waits.
        #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "wait")]
        patience: u64,
        /// Print what was done, or the findings, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Takes one request through the chain, offline: each filter's verdict, rule,
    /// reason and edits. Counts of rate limits start anew. A finding (exit
    /// status 1) is a policy that cannot be used, not a refusal.
    Explain {
        #[command(flatten)]
        request: Box<Curl>,
        /// The folder of the policies.
        #[arg(long, value_name = "DIR", default_value = "envoy/filters")]
        policies: PathBuf,
        /// The client's address.
        #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:40000")]
        client: String,
        /// Also explain the way back, of an upstream's answer with this status.
        #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..600))]
        answer: Option<u16>,
        /// The body of that answer, or `@FILE`.
        #[arg(long, value_name = "JSON", requires = "answer")]
        answer_body: Option<String>,
        /// Print it as JSON. With a JSON text or `@FILE` behind it, it is curl's:
        /// that body, with `Content-Type` and `Accept`.
        #[arg(long)]
        json: bool,
    },
    /// Holds a gateway that runs to recorded contracts: old requests and old answers.
    Contract {
        #[command(subcommand)]
        command: held::ContractCommand,
    },
    /// Prints the mappers of Envoy's `local_reply_config` for answers that pass no
    /// filter, in YAML: what `local_replies` of a policy of legacy-compat comes to.
    LocalReplies {
        /// The policy.
        #[arg(default_value = "envoy/filters/legacy-compat.yaml")]
        policy: PathBuf,
    },
    /// Prints the JSON Schema of a filter's policy, or of a contract.
    Schema {
        /// `auth`, `authz`, `rate-limit`, `legacy-compat` or `contract`.
        filter: String,
        /// That of a file which a policy of `authz` includes.
        #[arg(long)]
        included: bool,
    },
    /// Prints the reference of a filter's policy, or of a contract, in Markdown.
    Reference {
        /// `auth`, `authz`, `rate-limit`, `legacy-compat` or `contract`.
        filter: String,
    },
}

/// Why a command did not succeed.
enum Failure {
    /// Something is wrong with the files.
    Findings(Vec<Finding>),
    /// There are warnings, and none are taken: what is printed, and why.
    Warned(String, Option<String>),
    /// Something is wrong with the command line.
    Usage(String),
}

impl From<Vec<Finding>> for Failure {
    fn from(findings: Vec<Finding>) -> Self {
        Failure::Findings(findings)
    }
}

fn main() -> ExitCode {
    let mut words: Vec<_> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == "explain") {
        words = as_body(words);
    }
    let Arguments { command } = Arguments::parse_from(words);
    let as_json =
        matches!(command, Command::Check { json: true, .. } | Command::Apply { json: true, .. });
    match run(command) {
        Ok(text) => {
            // A reader that went away is no reason to fail.
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
            ExitCode::SUCCESS
        }
        Err(Failure::Findings(findings)) if as_json => {
            let _ = writeln!(std::io::stdout(), "{:#}", report::json(&findings));
            ExitCode::from(1)
        }
        Err(Failure::Findings(findings)) => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            eprint!("{}", report::text(&findings, colours));
            ExitCode::from(1)
        }
        Err(Failure::Warned(text, why)) => {
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
            if let Some(why) = why {
                eprintln!("error: {why}");
            }
            ExitCode::from(1)
        }
        Err(Failure::Usage(why)) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

/// Warnings go where errors go, and stop nothing.
fn warn(warnings: &[Finding]) {
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    eprint!("{}", report::warnings(warnings, colours));
}

fn many_warnings(count: usize) -> String {
    if count == 1 { "1 warning".to_owned() } else { format!("{count} warnings") }
}

fn run(command: Command) -> Result<String, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    match command {
        Command::Check { paths, deny_warnings, json } => {
            let good = check(&paths, &environment)?;
            let warnings: Vec<Finding> = good.warnings().cloned().collect();
            let denied = deny_warnings && !warnings.is_empty();
            if json {
                let text = format!("{:#}", report::warnings_json(&warnings));
                return if denied { Err(Failure::Warned(text, None)) } else { Ok(text) };
            }
            warn(&warnings);
            let line = |(file, warnings): (&Path, usize)| match warnings {
                0 => format!("{}: good\n", file.display()),
                some => format!("{}: good, {}\n", file.display(), many_warnings(some)),
            };
            let text = good.files().map(line).collect();
            if !denied {
                return Ok(text);
            }
            let many = many_warnings(warnings.len());
            Err(Failure::Warned(text, Some(format!("{many}, and `--deny-warnings` takes none"))))
        }
        Command::Contract { command } => held::run(command),
        Command::LocalReplies { policy } => {
            let checked = Policy::read(&policy)?.check(&environment)?;
            Ok(local_replies::shown(&local_replies::mappers(&checked.policy)?))
        }
        Command::Schema { filter, included } if filter == "contract" && !included => {
            Ok(format!("{:#}", schema::contract()))
        }
        Command::Reference { filter } if filter == "contract" => Ok(reference::contract()),
        Command::Schema { filter, included } => match (kind_named(&filter)?, included) {
            (kind, false) => Ok(format!("{:#}", schema::of(kind))),
            (Kind::Authz, true) => Ok(format!("{:#}", schema::included())),
            (_, true) => Err(Failure::Usage("`authz` alone includes files".to_owned())),
        },
        Command::Reference { filter } => Ok(reference::of(kind_named(&filter)?)),
        Command::Apply { paths, to, modules, seen_as, only, wait, patience, json } => {
            let good = check(&paths, &environment)?;
            if !json {
                warn(&good.warnings().cloned().collect::<Vec<_>>());
            }
            let mut checked = good.policies;
            if let Some(only) = only {
                checked.retain(|c| c.policy.plugin == only);
                if checked.is_empty() {
                    return Err(Failure::Usage(format!("no policy names the plugin `{only}`")));
                }
            }
            let admin = wait.as_deref().map(Admin::new);
            let unanswered = |why: String| Failure::Findings(vec![Finding::of_file(&to, why)]);
            let limit = Duration::from_secs(patience);
            let before = admin.as_ref().map(|admin| admin.counts(limit));
            let before = before.transpose().map_err(unanswered)?;
            let target = Target { to: to.clone(), modules, seen_as };
            let done = apply(&checked, &target).map_err(|f| vec![f])?;
            let outcomes = match admin.as_ref().zip(before) {
                Some((admin, before)) => {
                    waited(admin, &before, &done, limit).map_err(|why| unknown(&done, &to, why))?
                }
                None => Vec::new(),
            };
            let refused =
                refused(&done, &outcomes, &to, admin.as_ref().map(|admin| (admin, limit)));
            prune(&to);
            if !refused.is_empty() {
                return Err(refused.into());
            }
            Ok(applied(&done, &outcomes, json))
        }
        Command::Explain { request, policies, client, answer, answer_body, json } => {
            let sent = request.sent(&client).map_err(Failure::Usage)?;
            let body = answer_body.map(|text| match text.strip_prefix('@') {
                Some(file) => std::fs::read(file)
                    .map_err(|e| Failure::Usage(format!("`{file}` cannot be read: {e}"))),
                None => Ok(text.into_bytes()),
            });
            let body = body.transpose()?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let chain = Chain::of_folder(&policies, &environment, now)?;
            let answer = Answering(answer.map(|status| answer_of(status, body)));
            let explanation = explain(&chain, &sent, answer);
            Ok(if json { format!("{:#}", explanation.to_json()) } else { explanation.to_text() })
        }
    }
}

fn waited<'a>(
    admin: &Admin,
    before: &Counts,
    done: &'a [Applied],
    limit: Duration,
) -> Result<Vec<(&'a str, Outcome)>, String> {
    let changed: Vec<&str> = done.iter().filter(|a| a.changed).map(|a| a.plugin.as_str()).collect();
    admin.wait(&changed, before, limit)
}

/// Envoy fell silent after the files were written.
fn unknown(done: &[Applied], to: &Path, why: String) -> Vec<Finding> {
    let written = done.iter().filter(|one| one.changed).map(|one| {
        let version = &one.version;
        let message = format!("written, version {version}; not known whether Envoy took it");
        Finding::of_file(&to.join(format!("{}.json", one.plugin)), message)
    });
    [Finding::of_file(to, why)].into_iter().chain(written).collect()
}

/// What Envoy did not take. A file that it refused gives place to the former one.
fn refused(
    done: &[Applied],
    outcomes: &[(&str, Outcome)],
    to: &Path,
    admin: Option<(&Admin, Duration)>,
) -> Vec<Finding> {
    let before = admin.and_then(|(admin, limit)| admin.counts(limit).ok());
    let mut findings = Vec::new();
    let mut back = Vec::new();
    for (plugin, outcome) in outcomes.iter().filter(|(_, outcome)| *outcome != Outcome::Taken) {
        let mut message = outcome.to_string();
        if let Some(one) = done.iter().find(|one| one.plugin == *plugin)
            && *outcome == Outcome::Refused
        {
            match put_back(one, to) {
                Ok(true) => {
                    message.push_str(
                        ", the last good one serves on; the former file is back in its place",
                    );
                    back.push(*plugin);
                }
                Ok(false) => message.push_str(
                    "; there was no file before it, and an Envoy that starts with this one answers \
                     500 to every request",
                ),
                Err(finding) => findings.push(finding),
            }
            message.push_str(
                ". Envoy's log has the reason; it may lie in Envoy's environment: a variable that is \
                 set here and not there",
            );
        }
        findings.push(Finding::of_file(&to.join(format!("{plugin}.json")), message));
    }
    if let (Some((admin, limit)), Some(before)) = (admin, before)
        && !back.is_empty()
    {
        // Whether it answers or not, the finding is the same.
        let _ = admin.wait_read(&back, &before, limit);
    }
    findings
}

/// What was done, a line for each plugin.
fn applied(done: &[Applied], outcomes: &[(&str, Outcome)], as_json: bool) -> String {
    let outcome = |plugin: &str| outcomes.iter().find(|(name, _)| *name == plugin).map(|(_, o)| *o);
    if as_json {
        let one = |a: &Applied| {
            let outcome = outcome(&a.plugin).map(|o| o.to_string());
            json!({"plugin": a.plugin, "version": a.version, "written": a.changed, "envoy": outcome})
        };
        return format!("{:#}", done.iter().map(one).collect::<serde_json::Value>());
    }
    let line = |a: &Applied| {
        let what = if a.changed { "written" } else { "unchanged" };
        let outcome = outcome(&a.plugin).map(|o| format!(": {o}")).unwrap_or_default();
        format!("{}: {what}, version {}{outcome}\n", a.plugin, a.version)
    };
    done.iter().map(line).collect()
}

fn answer_of(status: u16, body: Option<Vec<u8>>) -> Message {
    let mut headers = vec![(":status".to_owned(), status.to_string().into_bytes())];
    if let Some(body) = &body {
        headers.push(("content-type".to_owned(), b"application/json".to_vec()));
        headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    Message { headers, body }
}

fn kind_named(name: &str) -> Result<Kind, Failure> {
    Kind::ALL.into_iter().find(|k| k.name() == name).ok_or_else(|| {
        let expected = "expected `auth`, `authz`, `rate-limit`, `legacy-compat` or `contract`";
        Failure::Usage(format!("{expected}, but found `{name}`"))
    })
}
