//! Signals and deadlines: every wait of xtask ends here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

static ASKED_TO_STOP: AtomicBool = AtomicBool::new(false);

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// From here on Ctrl-C and SIGTERM are heeded, not obeyed: waits end and
/// everything that was started is stopped in order.
pub fn heed_signals() -> Result<()> {
    ctrlc::set_handler(|| ASKED_TO_STOP.store(true, Ordering::SeqCst))
        .map_err(|e| format!("signals cannot be handled: {e}"))
}

/// Was Ctrl-C pressed, or SIGTERM sent?
pub fn asked_to_stop() -> bool {
    ASKED_TO_STOP.load(Ordering::SeqCst)
}

/// An error if it was.
pub fn go_on() -> Result<()> {
    if asked_to_stop() { Err("interrupted".to_owned()) } else { Ok(()) }
}

/// A short pause between two looks at a condition.
pub fn pause() {
    thread::sleep(PAUSE);
}

/// Looks until `look` gives something; `None` when `limit` is over first.
///
/// # Errors
/// The first error of `look`, or the interruption.
pub fn wait_for<T>(
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let end = Instant::now() + limit;
    loop {
        go_on()?;
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        pause();
    }
}
