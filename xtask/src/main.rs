//! The recipes of this workspace: `cargo xtask build | up | down | test | bench |
//! drill | reference`.

/// Prints a line; a reader that went away is no reason to fail.
macro_rules! say {
    ($($part:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($part)*);
    }};
}

mod bench;
mod bootstrap;
mod build;
mod child;
mod command;
mod compose;
mod decisions;
mod down;
mod drill;
mod envoy;
mod http;
mod machine;
mod policies;
mod reference;
mod settings;
mod stack;
mod state;
mod tail;
mod test;
mod tls;
mod tour;
mod up;

use std::process::ExitCode;

use settings::Settings;

/// What went wrong, in words for the one who typed the command.
type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "usage: cargo xtask <command>

  build          the four filters, to target/modules, and the tool `postern`
  up [--detach]  the whole demo on loopback: builds, checks the policies, starts
                 the stack and Envoy, follows the decisions until Ctrl-C;
                 --detach: returns once a request has passed
  down           stops what `up` started
  test           every test: unit, corpus native, corpus on Envoy
  test compose   the corpus against the containers of docker-compose.yml
  compose up     the demo in containers, until `compose down`; `compose render`
                 writes only what they need; with `fleet` behind it: two gateways, and
                 a rate-limit service with Redis that counts for both
  bench [--json FILE]
                 all that is measured, with charts: CPU time, latency, memory, start-up,
                 workers, JSON edits; at most 15 minutes
  bench --quick  the CPU time per request of Envoy with our filters, beside a bare one
                 and one with stock filters that do the same; at most 3 minutes; or
                 --peers: beside HAProxy and Node.js; --parts, --stock-parts: one filter
                 more at a time; --floor: beside filters that make the same calls to the
                 proxy and compute nothing; --computed: one of ours after the other replaced
                 by such a filter; each with --starts, --rounds, --requests or
                 --limit SECONDS, and a number; or
                 --part latency | memory | start-up | workers | edits; all with --json FILE
  drill          the incident replayed under load: a candidate that refuses every
                 private request, enforced, for a cohort, in shadow; how soon all is
                 well again, and how many were refused; then 9,900 rules, and for how
                 long a worker stands still; mostly two minutes, at most 8; drill large: those alone
  reference      docs/reference, made anew from the policies' types

variables: ENVOY, POSTERN_RUN_DIR, POSTERN_POLICIES, POSTERN_GATEWAY_PORT,
POSTERN_TLS_PORT, POSTERN_ADMIN_PORT, POSTERN_UPSTREAM_PORT, POSTERN_IDP_PORT";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let command: fn(&Settings) -> Result<()> = match words.as_slice() {
        ["build"] => build::all,
        ["up"] => |settings| up::run(settings, false),
        ["up", "--detach"] => |settings| up::run(settings, true),
        ["down"] => down::run,
        ["test"] => test::run,
        ["test", "compose"] => compose::test,
        ["compose", "render"] => |settings| compose::render(settings, false),
        ["compose", "render", "fleet"] => |settings| compose::render(settings, true),
        ["compose", "up"] => |settings| compose::up(settings, false),
        ["compose", "up", "fleet"] => |settings| compose::up(settings, true),
        ["compose", "down"] => compose::down,
        ["bench", words @ ..] if bench::understood(words) => bench::run,
        ["drill"] | ["drill", "large"] => drill::run,
        ["reference"] => reference::run,
        ["help" | "--help" | "-h"] => {
            say!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            if !words.is_empty() {
                eprintln!("error: `cargo xtask {}` is not understood\n", words.join(" "));
            }
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match machine::heed_signals().and_then(|()| command(&Settings::from_environment()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
