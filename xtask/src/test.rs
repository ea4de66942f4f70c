//! `cargo xtask test`: every test there is, and one summary.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::settings::Settings;
use crate::{Result, build, envoy, machine};

/// What one step of the tests came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    passed: u64,
    failed: u64,
}

/// Builds what the tests need and runs them all, later steps also when an
/// earlier one failed. The last line is `N passed, N failed`.
///
/// # Errors
/// Something could not be built, or a test failed.
pub fn run(settings: &Settings) -> Result<()> {
    let modules = build::modules(settings)?;
    let programs = build::programs(settings)?;
    let envoy = envoy::find(settings)?;
    let steps: [(&str, &[&str]); 4] = [
        ("unit tests", &["--workspace", "--exclude", "postern-tests"]),
        ("corpus, native", &["--package", "postern-tests", "--lib", "--test", "native"]),
        ("corpus, on Envoy", &["--package", "postern-tests", "--test", "envoy"]),
        ("bench, on Envoy", &["--package", "postern-tests", "--test", "bench"]),
    ];
    let mut total = Tally::default();
    let mut summary = String::new();
    for (name, selection) in steps {
        say!("\n=== {name}");
        let mut cargo = build::cargo_command(settings);
        cargo.args(["test", "--no-fail-fast"]).args(selection);
        cargo.env("POSTERN_MODULES", &modules);
        cargo.env("POSTERN_BIN_DIR", &programs);
        cargo.env("ENVOY", &envoy);
        let tally = step(&mut cargo)?;
        summary += &format!("{name}: {} passed, {} failed\n", tally.passed, tally.failed);
        total.add(&tally);
    }
    say!("\n{}", summary.trim_end());
    total.told()
}

/// Runs one step, its output on the terminal.
///
/// # Errors
/// It cannot be started, or was interrupted.
pub fn step(cargo: &mut Command) -> Result<Tally> {
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo cannot be started: {e}"))?;
    let mut tally = Tally::default();
    let mut reader = BufReader::new(child.stdout.take().ok_or("cargo has no output")?);
    let mut line = Vec::new();
    let mut out = std::io::stdout().lock();
    // Bytes, for a test may print anything.
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let _ = out.write_all(&line);
        tally.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let _ = out.flush();
    let status = child.wait().map_err(|e| format!("cargo was lost: {e}"))?;
    machine::go_on()?;
    Ok(tally.judged(status.success()))
}

impl Tally {
    /// Puts another step's to it.
    pub fn add(&mut self, other: &Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Prints the last line, `N passed, N failed`.
    ///
    /// # Errors
    /// Something failed.
    pub fn told(&self) -> Result<()> {
        say!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { Ok(()) } else { Err("tests failed".to_owned()) }
    }

    /// `test result: ok. 3 passed; 0 failed; …`
    fn read(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else { return };
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for count in counts.split("; ") {
            match count.trim().split_once(' ') {
                Some((n, "passed")) => self.passed += n.parse::<u64>().unwrap_or(0),
                Some((n, "failed")) => self.failed += n.parse::<u64>().unwrap_or(0),
                _ => {}
            }
        }
    }

    /// A step that did not get as far as its tests failed, and so did one that
    /// ran none.
    fn judged(mut self, success: bool) -> Self {
        if self.failed == 0 && (!success || self.passed == 0) {
            self.failed = 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed() {
        let mut tally = Tally::default();
        tally.read("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; finished in 0s\n");
        tally.read("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured\n");
        tally.read("test a::b ... ok\n");
        assert_eq!(tally, Tally { passed: 15, failed: 2 });
        assert_eq!(tally.clone().judged(false), tally);
    }

    #[test]
    fn a_step_without_tests_is_a_failure() {
        assert_eq!(Tally::default().judged(true).failed, 1);
        assert_eq!(Tally { passed: 4, failed: 0 }.judged(false).failed, 1);
        assert_eq!(Tally { passed: 4, failed: 0 }.judged(true).failed, 0);
    }
}
