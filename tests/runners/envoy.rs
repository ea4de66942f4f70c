//! The corpus on a real Envoy with the modules, over HTTP, and what only a
//! running gateway can show.

mod behaviour;
mod bodies;
mod contracts;
mod dialects;
mod fleet;
mod identities;
mod keys;
mod libraries;
mod partners;
mod probe;
mod sets;
mod under_way;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock};

use bodies::Held;
use dialects::Told;
use identities::Identities;
use libraries::Minted;
use libtest_mimic::{Arguments, Failed, Trial};
use partners::Partners;
use postern_stack::keys::Keys;
use postern_tests::corpus;
use postern_tests::gateway::Gateway;
use postern_tests::live::Run;
use probe::Probed;
use under_way::Seated;

/// The running demo and what was seen of the corpus on it.
pub struct Stage {
    gateway: Gateway,
    run: Run,
}

/// Started by the first test that needs it.
struct Shared {
    stage: OnceLock<Result<Stage, String>>,
}

impl Shared {
    fn stage(&self) -> Result<&Stage, Failed> {
        self.stage.get_or_init(start).as_ref().map_err(|e| Failed::from(e.clone()))
    }
}

fn start() -> Result<Stage, String> {
    let cases = corpus::load()?;
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let gateway = Gateway::start("envoy")?;
    let run = Run::of(&gateway, &cases, &keys);
    Ok(Stage { gateway, run })
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests share one gateway, and some change it.
    arguments.test_threads = Some(1);
    let cases = match corpus::load() {
        Ok(cases) => cases,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::FAILURE;
        }
    };
    let shared = Arc::new(Mutex::new(Shared { stage: OnceLock::new() }));
    let mut trials = Vec::new();
    for case in cases {
        if !case.is_for_envoy() {
            continue;
        }
        let shared = Arc::clone(&shared);
        let name = format!("case::{}", case.name.as_str());
        trials.push(Trial::test(name, move || {
            let shared = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let found = shared.stage()?.run.judge(&case);
            if found.is_empty() { Ok(()) } else { Err(Failed::from(found.join("\n"))) }
        }));
    }
    let sets = match corpus::sets() {
        Ok(sets) => sets,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::FAILURE;
        }
    };
    for set in sets {
        trials.extend(sets::trials(set));
    }
    for (name, test) in behaviour::ALL {
        let shared = Arc::clone(&shared);
        trials.push(Trial::test(*name, move || {
            let shared = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            test(shared.stage()?).map_err(Failed::from)
        }));
    }
    for (name, test) in keys::ALL {
        trials.push(Trial::test(format!("keys::{name}"), move || test().map_err(Failed::from)));
    }
    for (name, test) in fleet::ALL {
        trials.push(Trial::test(format!("fleet::{name}"), move || test().map_err(Failed::from)));
    }
    let probed: Arc<Mutex<OnceLock<Result<Probed, String>>>> = Arc::default();
    for (name, test) in probe::ALL {
        let probed = Arc::clone(&probed);
        trials.push(Trial::test(format!("shell::{name}"), move || {
            let probed = probed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let probed = probed.get_or_init(Probed::start).as_ref().map_err(Failed::from)?;
            test(probed).map_err(Failed::from)
        }));
    }
    let seated: Arc<Mutex<OnceLock<Result<Seated, String>>>> = Arc::default();
    for (name, test) in under_way::ALL {
        let seated = Arc::clone(&seated);
        trials.push(Trial::test(format!("under_way::{name}"), move || {
            let seated = seated.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let seated = seated.get_or_init(Seated::start).as_ref().map_err(Failed::from)?;
            test(seated).map_err(Failed::from)
        }));
    }
    let held: Arc<Mutex<OnceLock<Result<Held, String>>>> = Arc::default();
    for (name, test) in bodies::ALL {
        let held = Arc::clone(&held);
        trials.push(Trial::test(format!("held::{name}"), move || {
            let held = held.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let held = held.get_or_init(Held::start).as_ref().map_err(Failed::from)?;
            test(held).map_err(Failed::from)
        }));
    }
    let contracted: Arc<Mutex<OnceLock<Result<Gateway, String>>>> = Arc::default();
    for (name, test) in contracts::ALL {
        let contracted = Arc::clone(&contracted);
        trials.push(Trial::test(format!("contracts::{name}"), move || {
            let contracted = contracted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let contracted =
                contracted.get_or_init(contracts::start).as_ref().map_err(Failed::from)?;
            test(contracted).map_err(Failed::from)
        }));
    }
    let minted: Arc<Mutex<OnceLock<Result<Minted, String>>>> = Arc::default();
    for (name, test) in libraries::ALL {
        let minted = Arc::clone(&minted);
        trials.push(Trial::test(format!("libraries::{name}"), move || {
            let minted = minted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let minted = minted.get_or_init(Minted::start).as_ref().map_err(Failed::from)?;
            test(minted).map_err(Failed::from)
        }));
    }
    let told: Arc<Mutex<OnceLock<Result<Told, String>>>> = Arc::default();
    for (name, test) in dialects::ALL {
        let told = Arc::clone(&told);
        trials.push(Trial::test(format!("dialects::{name}"), move || {
            let told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let told = told.get_or_init(Told::start).as_ref().map_err(Failed::from)?;
            test(told).map_err(Failed::from)
        }));
    }
    let known: Arc<Mutex<OnceLock<Result<Partners, String>>>> = Arc::default();
    for (name, test) in partners::ALL {
        let known = Arc::clone(&known);
        trials.push(Trial::test(format!("partners::{name}"), move || {
            let known = known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let known = known.get_or_init(Partners::start).as_ref().map_err(Failed::from)?;
            test(known).map_err(Failed::from)
        }));
    }
    let elsewhere: Arc<Mutex<OnceLock<Result<Identities, String>>>> = Arc::default();
    for (name, test) in identities::ALL {
        let elsewhere = Arc::clone(&elsewhere);
        trials.push(Trial::test(format!("identities::{name}"), move || {
            let elsewhere = elsewhere.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let on = elsewhere.get_or_init(Identities::start).as_ref().map_err(Failed::from)?;
            test(on).map_err(Failed::from)
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Stops the demo.
    drop((shared, known, probed, seated, minted, told, elsewhere, contracted, held));
    conclusion.exit_code()
}
