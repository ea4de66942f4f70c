//! `cargo xtask bench`: builds what the bench needs and runs it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::settings::Settings;
use crate::{Result, build, child, envoy, machine};

/// How long the program has after SIGTERM: it stops its Envoys.
const GRACE: Duration = Duration::from_secs(15);

/// What is measured in place of all; without one of them it is all.
const MODES: [&str; 6] =
    ["--quick", "--peers", "--parts", "--computed", "--floor", "--stock-parts"];
/// The parts of all of it that can be measured alone.
const PARTS: [&str; 5] = ["latency", "memory", "start-up", "workers", "edits"];
/// How much is measured in a mode, and the least of each: a request for each connection.
const NUMBERS: [(&str, u32); 4] =
    [("--starts", 1), ("--rounds", 1), ("--requests", 32), ("--limit", 1)];

/// Are these the words that may follow `bench`?
pub fn understood(words: &[&str]) -> bool {
    let (mode, words) = match words {
        ["--part", name, words @ ..] if PARTS.contains(name) => (false, words),
        ["--part", ..] => return false,
        [mode, words @ ..] if MODES.contains(mode) => (true, words),
        words => (false, words),
    };
    words.chunks(2).all(|pair| match pair {
        ["--json", _] => true,
        [name, number] => NUMBERS.iter().any(|(own, least)| {
            mode && own == name && number.parse::<u32>().is_ok_and(|n| n >= *least)
        }),
        _ => false,
    })
}

/// Runs the bench with the words that follow `bench` on the command line.
///
/// # Errors
/// What cannot be built, or that the bench failed: it says why.
pub fn run(settings: &Settings) -> Result<()> {
    let words: Vec<String> = std::env::args().skip(2).collect();
    let modules = build::modules(settings)?;
    let envoy = envoy::find(settings)?;
    say!("building the bench");
    let fixed = ["build", "--profile", "tool", "--package", "postern-tests", "--bin"];
    build::cargo(settings, &[&fixed[..], &["postern-bench"]].concat())?;
    let program = build::target_folder(settings)?.join("tool/postern-bench");
    let mut bench = Command::new(&program);
    bench.env("POSTERN_MODULES", modules).env("ENVOY", envoy);
    // Without a word for what to measure, all of it.
    if matches!(words.first().map(String::as_str), None | Some("--json")) {
        let folder = build::target_folder(settings)?.join("bench");
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        bench.arg("--all").arg(folder.join("charts")).args(&words);
        if words.is_empty() {
            bench.arg("--json").arg(folder.join("bench.json"));
        }
        say!("measuring, at most 15 minutes; charts and figures go to {}\n", folder.display());
    } else {
        bench.args(words.iter().filter(|word| *word != "--quick"));
        let numbers = NUMBERS.iter().any(|(name, _)| words.iter().any(|word| word == name));
        say!("measuring{}\n", if numbers { "" } else { ", at most 3 minutes" });
    }
    finish(&program, &mut bench, "the bench failed")
}

/// Waits for a program of ours; an interruption reaches it as a wish, since it
/// has Envoys to stop. `failed` is what to say if it does not end well.
///
/// # Errors
/// It cannot be started, was lost, or did not end well.
pub fn finish(program: &Path, command: &mut Command, failed: &str) -> Result<()> {
    let shown = program.display();
    let mut process = command.spawn().map_err(|e| format!("`{shown}` cannot be started: {e}"))?;
    let mut asked: Option<Instant> = None;
    loop {
        match process.try_wait() {
            Ok(Some(status)) => {
                machine::go_on()?;
                return if status.success() { Ok(()) } else { Err(failed.to_owned()) };
            }
            Err(e) => return Err(format!("`{shown}` was lost: {e}")),
            Ok(None) => {}
        }
        match asked {
            None if machine::asked_to_stop() => {
                child::signal(process.id(), Signal::SIGTERM);
                asked = Some(Instant::now());
            }
            Some(since) if since.elapsed() > GRACE => {
                let _ = process.kill();
                let _ = process.wait();
                return machine::go_on();
            }
            _ => machine::pause(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bench_takes_one_mode_and_a_file() {
        for good in [
            &[][..],
            &["--json", "a.json"],
            &["--quick"],
            &["--parts"],
            &["--floor"],
            &["--part", "edits"],
            &["--quick", "--json", "a.json"],
            &["--floor", "--starts", "8", "--rounds", "40", "--limit", "400"],
        ] {
            assert!(understood(good), "{good:?}");
        }
        for bad in [
            &["--json"][..],
            &["--part"],
            &["--part", "nonsense"],
            &["--quick", "--json"],
            &["--quick", "--parts"],
            &["--quick", "--rounds", "0"],
            &["--quick", "--requests", "31"],
            &["--part", "edits", "--rounds", "40"],
            &["--rounds", "40"],
        ] {
            assert!(!understood(bad), "{bad:?}");
        }
    }
}
