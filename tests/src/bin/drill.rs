//! `postern-drill`: the drill as a program. `cargo xtask drill` builds what it
//! needs and runs it.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use postern_tests::drill::Scene;
use postern_tests::drill::load::Callers;
use postern_tests::drill::policy::without_addresses;
use postern_tests::gateway::Gateway;

const USAGE: &str = "usage: postern-drill";

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    match drill() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: not all of it holds");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays every scene; does all hold?
fn drill() -> Result<bool, String> {
    static STOP: AtomicBool = AtomicBool::new(false);
    // Heeded between two scenes, so that the demo is stopped.
    ctrlc::set_handler(|| STOP.store(true, Ordering::SeqCst))
        .map_err(|e| format!("signals cannot be handled: {e}"))?;
    let callers = Callers::new()?;
    let gateway = Gateway::start("drill")?;
    without_addresses(&gateway)?;
    let mut held = true;
    for scene in Scene::ALL {
        if STOP.load(Ordering::SeqCst) {
            return Err("interrupted".to_owned());
        }
        let report = scene.play(&gateway, &callers)?;
        println!("{report}");
        held &= report.held();
    }
    Ok(held)
}
