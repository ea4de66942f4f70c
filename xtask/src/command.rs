//! Running other programs to their end.

use std::io::{self, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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

/// Runs a program that has so long for it, and keeps what it prints. Ctrl-C does
/// not reach it: what tidies up has to come to its end.
///
/// # Errors
/// It cannot be started, or did not end in time.
pub fn within(limit: Duration, command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|e| not_started(command, &e))?;
    let stdout = child.stdout.take().map(|pipe| thread::spawn(|| all_of(pipe)));
    let stderr = child.stderr.take().map(|pipe| thread::spawn(|| all_of(pipe)));
    let end = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => machine::pause(),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{}` did not end within {limit:?}", shown(command)));
            }
            Err(e) => return Err(format!("`{}` was lost: {e}", shown(command))),
        }
    };
    let read = |thread: Option<thread::JoinHandle<Vec<u8>>>| {
        thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    };
    Ok(Output { status, stdout: read(stdout), stderr: read(stderr) })
}

fn all_of(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = pipe.read_to_end(&mut bytes);
    bytes
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let mut quick = Command::new("sh");
        let output = within(Duration::from_secs(20), quick.args(["-c", "echo good"])).unwrap();
        assert_eq!(output.stdout, b"good\n");
        let mut slow = Command::new("sleep");
        let error = within(Duration::from_millis(60), slow.arg("60")).unwrap_err();
        assert_eq!(error, "`sleep 60` did not end within 60ms");
    }
}
