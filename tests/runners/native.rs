//! The corpus in this process: cores, policies and upstream, no proxy.

use std::cell::{OnceCell, RefCell};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use postern_tests::case::{Case, Only};
use postern_tests::check::differences;
use postern_tests::corpus;
use postern_tests::offline::Offline;

thread_local! {
    /// Started by the first test that needs it. Filters may not cross threads;
    /// all tests run on one.
    static OFFLINE: OnceCell<Result<RefCell<Offline>, String>> = const { OnceCell::new() };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // In order, as on Envoy: cases share the limits of a caller.
    arguments.test_threads = Some(1);
    let cases = match corpus::load() {
        Ok(cases) => cases,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::FAILURE;
        }
    };
    let trials = cases
        .into_iter()
        .filter(|case| !matches!(case.only, Some(Only::Envoy(_))))
        .map(|case| Trial::test(format!("case::{}", case.name.as_str()), move || run(&case)))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run(case: &Case) -> Result<(), Failed> {
    let found = OFFLINE.with(|offline| {
        let offline = offline.get_or_init(|| Offline::start().map(RefCell::new));
        let offline = offline.as_ref().map_err(Clone::clone)?;
        let seen = offline.borrow_mut().observe(case)?;
        Ok::<_, String>(differences(case, &seen))
    })?;
    if found.is_empty() { Ok(()) } else { Err(Failed::from(found.join("\n"))) }
}
