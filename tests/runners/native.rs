//! The corpus in this process: cores, policies and upstream, no proxy.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use postern_tests::case::{Case, Only};
use postern_tests::check::differences;
use postern_tests::corpus::{self, Set};
use postern_tests::offline::Offline;

thread_local! {
    /// By the set of cases, the demo's own aside. Each is started by the first test that
    /// needs it. Filters may not cross threads; all tests run on one.
    static OFFLINE: RefCell<BTreeMap<Option<String>, Result<Offline, String>>> =
        const { RefCell::new(BTreeMap::new()) };
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
    let sets = match corpus::sets() {
        Ok(sets) => sets,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::FAILURE;
        }
    };
    let mut trials: Vec<Trial> = cases
        .into_iter()
        .filter(|case| !matches!(case.only, Some(Only::Envoy(_))))
        .map(|case| Trial::test(format!("case::{}", case.name.as_str()), move || run(&case, None)))
        .collect();
    for set in sets {
        let set = Arc::new(set);
        for case in set.cases.clone() {
            let (set, name) =
                (Arc::clone(&set), format!("case::{}::{}", set.name, case.name.as_str()));
            if !matches!(case.only, Some(Only::Envoy(_))) {
                trials.push(Trial::test(name, move || run(&case, Some(&set))));
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run(case: &Case, set: Option<&Set>) -> Result<(), Failed> {
    let found = OFFLINE.with_borrow_mut(|all| {
        let offline = all.entry(set.map(|set| set.name.clone())).or_insert_with(|| match set {
            Some(set) => Offline::of_set(set),
            None => Offline::start(),
        });
        let seen = offline.as_mut().map_err(|e| e.clone())?.observe(case)?;
        Ok::<_, String>(differences(case, &seen))
    })?;
    if found.is_empty() { Ok(()) } else { Err(Failed::from(found.join("\n"))) }
}
