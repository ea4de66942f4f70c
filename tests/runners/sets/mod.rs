//! Cases that have policies of their own, each set on a gateway of its own.

mod compat;
mod limits;
mod retiring;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libtest_mimic::{Failed, Trial};
use postern_stack::keys::Keys;
use postern_tests::case::Only;
use postern_tests::corpus::Set;
use postern_tests::gateway::Gateway;
use postern_tests::live::Run;

use crate::Stage;
use crate::behaviour::Test;

/// What no case of a set can say.
const BEHAVIOUR: &[(&str, &str, Test)] = &[
    ("compat", "answers_of_every_length_are_whole", compat::every_length),
    ("compat", "answers_cut_anywhere_become_a_fault", compat::cut_anywhere),
    ("compat", "answers_in_single_bytes_are_whole", compat::single_bytes),
    ("compat", "bodies_of_requests_are_whole_or_refused", compat::requests),
    ("compat", "answers_packed_otherwise_pass_or_become_a_fault", compat::codings),
    ("compat", "answers_packed_in_part_pass_or_become_a_fault", compat::half_packed),
    ("compat", "bodies_that_wait_to_be_asked_for_are_whole", compat::continues),
    ("compat", "bodies_with_trailers_are_whole", compat::trailers),
    ("compat", "what_is_known_at_the_headers_does_not_wait", compat::stalled),
    ("compat", "many_large_answers_at_once_are_whole", compat::many_at_once),
    ("compat", "nothing_trapped", crate::behaviour::nothing_trapped),
    ("limits", "several_limits_are_exact_on_two_workers", limits::several_limits),
    ("limits", "metrics_say_what_became_of_each_limit_and_report", limits::metrics),
    ("limits", "nothing_trapped", crate::behaviour::nothing_trapped),
    ("retiring", "who_still_calls_is_counted", retiring::counted),
    ("retiring", "what_is_tried_is_counted", retiring::shadows),
    ("retiring", "nothing_trapped", crate::behaviour::nothing_trapped),
];

/// What is looked at on a gateway that runs.
type Judge = Box<dyn Fn(&Stage) -> Result<(), String> + Send>;

/// The tests of a set.
pub fn trials(set: Set) -> Vec<Trial> {
    let staged: Arc<Mutex<OnceLock<Result<Stage, String>>>> = Arc::default();
    let set = Arc::new(set);
    let on_stage = |judge: Judge| {
        let (staged, set) = (Arc::clone(&staged), Arc::clone(&set));
        move || {
            let staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
            let stage = staged.get_or_init(|| start(&set)).as_ref().map_err(Failed::from)?;
            judge(stage).map_err(Failed::from)
        }
    };
    let mut trials = Vec::new();
    for case in &set.cases {
        if matches!(case.only, Some(Only::Native(_))) {
            continue;
        }
        let (name, case) = (format!("case::{}::{}", set.name, case.name.as_str()), case.clone());
        let judge = move |stage: &Stage| {
            let found = stage.run.judge(&case);
            if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
        };
        trials.push(Trial::test(name, on_stage(Box::new(judge))));
    }
    for (_, name, test) in BEHAVIOUR.iter().filter(|(of, ..)| *of == set.name) {
        trials.push(Trial::test(format!("{}::{name}", set.name), on_stage(Box::new(test))));
    }
    trials
}

fn start(set: &Set) -> Result<Stage, String> {
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let gateway = Gateway::of_set(set)?;
    let run = Run::of(&gateway, &set.cases, &keys);
    Ok(Stage { gateway, run })
}
