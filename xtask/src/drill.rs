//! `cargo xtask drill`: builds what the drill needs and runs it.

use std::env;
use std::process::Command;

use crate::settings::Settings;
use crate::{Result, bench, build, envoy};

/// Replays the incident on a demo of its own.
///
/// # Errors
/// What cannot be built, or that something did not hold: the drill says what.
pub fn run(settings: &Settings) -> Result<()> {
    build::modules(settings)?;
    build::programs(settings)?;
    let envoy = envoy::find(settings)?;
    say!("building the drill");
    let fixed = ["build", "--profile", "tool", "--package", "postern-tests", "--bin"];
    build::cargo(settings, &[&fixed[..], &["postern-drill"]].concat())?;
    let program = build::target_folder(settings)?.join("tool/postern-drill");
    let words: Vec<String> = env::args().skip(2).collect();
    if words.is_empty() {
        say!("eight scenes, at most 8 minutes, mostly two\n");
    }
    let mut drill = Command::new(&program);
    bench::finish(&program, drill.args(words).env("ENVOY", envoy), "the drill failed")
}
