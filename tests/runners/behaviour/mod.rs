//! What a case cannot say: many requests at once, changes under load, the
//! statistics after all of it.

#[cfg(target_os = "linux")]
mod addresses;
mod bodies;
mod carriers;
mod explain;
mod follow;
mod introspection;
mod limits;
mod policies;
mod rollout;
mod rules;
mod tls;
mod traces;
mod valve;

use std::fmt::Debug;
use std::net::SocketAddr;

use postern_stack::keys::Keys;
use postern_stack::mint::{MintRequest, mint, now};
use postern_tests::client::{Connection, PATIENCE};
use postern_tests::observe::Answer;
use serde_json::json;

use crate::Stage;
pub(crate) use tls::client;
pub(crate) use traces::nothing_trapped;

/// A test on the running demo.
pub type Test = fn(&Stage) -> Result<(), String>;

/// All of them, in the order in which they run.
pub const ALL: &[(&str, Test)] = &[
    ("bodies::a_late_request_body_is_no_part_of_the_answer", bodies::late_request_body),
    ("bodies::a_trickle_ends", bodies::trickle),
    ("explain::agrees_with_the_gateway", explain::agrees),
    ("tls::the_corpus_is_the_same_over_https", tls::corpus_over_http_1),
    ("tls::the_corpus_is_the_same_over_http_2", tls::corpus_over_http_2),
    ("tls::alpn_picks_the_protocol", tls::alpn),
    ("tls::old_clients_are_answered_not_redirected", tls::old_clients),
    ("tls::a_client_certificate_has_to_be_verified", tls::client_certificates),
    ("tls::no_session_is_resumed", tls::sessions),
    ("tls::what_a_client_says_of_its_certificate_goes_nowhere", tls::forwarded_certificate),
    ("tls::versions_below_1_2_are_refused", tls::versions),
    ("tls::a_handshake_has_a_deadline", tls::handshake_deadline),
    ("limits::a_small_plan_is_exact_on_two_workers", limits::small_plan),
    ("limits::the_usual_limit_is_exact_on_two_workers", limits::usual_limit),
    ("limits::the_old_window_is_exact_on_two_workers", limits::old_window),
    ("limits::refusals_of_one_caller_cost_no_other", limits::floods_of_refusals),
    #[cfg(target_os = "linux")]
    ("addresses::a_flood_of_bad_credentials_is_stopped_exactly", addresses::flood),
    #[cfg(target_os = "linux")]
    ("addresses::old_clients_are_refused_in_their_own_shape", addresses::old_clients),
    #[cfg(target_os = "linux")]
    ("addresses::good_callers_behind_one_address_use_nothing_up", addresses::many_behind_one),
    ("limits::names_have_the_old_gateways_case", limits::names),
    ("limits::one_key_is_one_caller_in_every_form", limits::one_key),
    ("policies::a_saved_policy_changes_its_filter_alone", policies::swap),
    ("policies::counts_outlive_policies_and_modules", policies::counts_stay),
    ("policies::a_broken_edit_is_refused_before_envoy_sees_it", policies::broken_edit),
    ("policies::the_filters_refuse_a_broken_file_themselves", policies::broken_file),
    ("rollout::a_bad_candidate_is_taken_back", rollout::enforced),
    ("rollout::a_cohort_is_all_that_a_bad_candidate_meets", rollout::cohort),
    ("rollout::a_shadow_refuses_nobody", rollout::shadow),
    ("rollout::attacks_take_no_candidate_back", rollout::flood),
    ("rollout::a_flood_keeps_no_bad_candidate", rollout::enforced_under_flood),
    ("rollout::an_operator_takes_a_candidate_back", rollout::kill_switch),
    ("rollout::an_operator_takes_one_of_a_large_policy_back", rollout::large_kill_switch),
    ("rollout::a_candidate_stays_taken_back_after_a_reload", rollout::reload),
    ("rollout::no_request_is_decided_by_two_policies", rollout::no_mixture),
    ("rollout::a_large_policy_comes_in_slices_while_the_former_one_serves", rollout::large),
    ("valve::a_trip_is_said_once_and_another_seed_is_a_new_chance", valve::said_once),
    ("valve::metrics_say_who_decided_and_by_which_policy", valve::metrics),
    ("rules::conditions_and_obligations_hold_on_a_proxy", rules::conditions),
    ("follow::up_applies_what_is_saved_and_stops_all", follow::up),
    ("carriers::what_came_in_query_or_cookie_goes_no_further", carriers::taken_out),
    ("carriers::two_places_at_once_and_bad_ones_are_refused", carriers::refused),
    ("carriers::no_key_of_a_query_or_a_cookie_is_logged", carriers::not_logged),
    ("introspection::a_token_costs_one_question_for_all_workers", introspection::one_question),
    ("introspection::a_client_that_leaves_ends_no_question", introspection::client_leaves),
    ("introspection::a_revoked_token_is_refused_after_the_ttl", introspection::revoked),
    ("introspection::a_service_that_fails_refuses_nobody", introspection::failures),
    ("introspection::an_old_answer_serves_where_the_policy_says_so", introspection::stale),
    ("introspection::secrets_and_tokens_are_in_no_log", introspection::logs),
    ("traces::no_credential_is_in_any_log", traces::no_credential_in_logs),
    ("traces::an_id_that_the_client_chose_is_not_logged", traces::chosen_ids),
    ("traces::metrics_count_each_filter", traces::metrics),
    ("traces::metrics_of_providers_are_labelled", traces::labels),
    ("traces::nothing_trapped", traces::nothing_trapped),
];

/// A token of the demo for a subject, with a plan if `plan` is not empty.
fn token(subject: &str, plan: &str) -> Result<String, String> {
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let mut request = MintRequest::for_subject(subject);
    if !plan.is_empty() {
        request.claims.insert("plan".to_owned(), json!(plan));
    }
    mint(&keys, request, now())
}

/// A request that keeps its connection open.
pub(crate) fn get(host: &str, path: &str, lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n").into_bytes()
}

/// Sends the same request `each` times on each of `connections` at once and
/// returns all answers.
pub(crate) fn rush(
    to: SocketAddr,
    connections: usize,
    each: usize,
    request: &[u8],
) -> Result<Vec<Answer>, String> {
    let opened: Result<Vec<Connection>, String> =
        (0..connections).map(|_| Connection::open(to, PATIENCE)).collect();
    rush_over(opened?, each, request)
}

/// The same over connections that are open.
fn rush_over(opened: Vec<Connection>, each: usize, request: &[u8]) -> Result<Vec<Answer>, String> {
    let answers: Vec<Result<Vec<Answer>, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = opened
            .into_iter()
            .map(|mut connection| {
                scope.spawn(move || {
                    (0..each)
                        .map(|_| {
                            connection.write(request)?;
                            connection.read(false)
                        })
                        .collect()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a client panicked".to_owned())))
            .collect()
    });
    Ok(answers.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

pub(crate) fn same<T: PartialEq + Debug>(what: &str, expected: T, got: T) -> Result<(), String> {
    if expected == got {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, got {got:?}"))
    }
}
