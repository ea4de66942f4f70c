//! `postern-drill`: the drill as a program. `cargo xtask drill` builds what it
//! needs and runs it.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use postern_tests::drill::Scene;
use postern_tests::drill::load::Callers;
use postern_tests::drill::policy::without_addresses;
use postern_tests::gateway::Gateway;

const USAGE: &str = "usage: postern-drill [large]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let scenes: &[Scene] = match words.as_slice() {
        [] => &Scene::ALL,
        ["large"] => &[Scene::Large, Scene::LargeKillSwitch],
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match drill(scenes) {
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

/// Plays these scenes; does all hold?
fn drill(scenes: &[Scene]) -> Result<bool, String> {
    static STOP: AtomicBool = AtomicBool::new(false);
    // Heeded between two scenes, so that the demo is stopped.
    ctrlc::set_handler(|| STOP.store(true, Ordering::SeqCst))
        .map_err(|e| format!("signals cannot be handled: {e}"))?;
    let callers = Callers::new()?;
    let gateway = Gateway::start("drill")?;
    let _lifted = without_addresses(&gateway)?;
    let mut held = true;
    for scene in scenes {
        if STOP.load(Ordering::SeqCst) {
            return Err("interrupted".to_owned());
        }
        let report = scene.play(&gateway, &callers)?;
        println!("{report}");
        held &= report.held();
    }
    Ok(held)
}
