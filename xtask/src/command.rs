//! Running other programs to their end.

use std::io::{self, ErrorKind};
use std::process::{Command, ExitStatus, Output};

use crate::Result;
use crate::machine;

/// Runs a program with its output on the terminal; an interruption ends it.
///
/// # Errors
/// It cannot be started, or the interruption.
pub fn run(command: &mut Command) -> Result<ExitStatus> {
    let mut child = command.spawn().map_err(|e| not_started(command, &e))?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                // Ctrl-C reaches the program too: say so rather than blame it.
                machine::go_on()?;
                return Ok(status);
            }
            Ok(None) if machine::asked_to_stop() => {
                let _ = child.kill();
                let _ = child.wait();
                return machine::go_on().map(|()| ExitStatus::default());
            }
            Ok(None) => machine::pause(),
            Err(e) => return Err(format!("`{}` was lost: {e}", shown(command))),
        }
    }
}

/// Runs a program and keeps what it prints.
///
/// # Errors
/// It cannot be started.
pub fn output(command: &mut Command) -> Result<Output> {
    command.output().map_err(|e| not_started(command, &e))
}

/// What a program printed, for people: errors first, then the rest.
pub fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let (errors, rest) = (text(&output.stderr), text(&output.stdout));
    if errors.is_empty() || rest.is_empty() { errors + &rest } else { format!("{errors}\n{rest}") }
}

fn not_started(command: &Command, error: &io::Error) -> String {
    if error.kind() == ErrorKind::NotFound {
        format!("`{}` is not there", command.get_program().display())
    } else {
        format!("`{}` cannot be started: {error}", command.get_program().display())
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
