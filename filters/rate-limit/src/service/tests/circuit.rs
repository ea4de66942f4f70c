//! Asked, or left alone.

use postern_core::fake::{Fault, Vm};

use super::super::circuit::{Circuit, FAILURES, Leave};
use super::*;

const BACKOFF: Duration = Duration::from_secs(8);
const DEADLINE: Duration = Duration::from_millis(50);

fn circuit() -> Circuit {
    Circuit::new("it", BACKOFF, DEADLINE)
}

fn fail(circuit: &Circuit, host: &FakeHost, probe: bool) -> Option<Duration> {
    circuit.bad(host, postern_core::Host::now(host), probe)
}

#[test]
fn failures_in_a_row_count_across_workers() {
    let host = FakeHost::at(START);
    let (one, other) = (circuit(), circuit());
    assert_eq!(fail(&one, &host, false), None);
    assert_eq!(fail(&other, &host, false), None);
    assert!(!one.good(&host, START), "it was never left alone");
    assert_eq!(fail(&one, &host, false), None);
    assert_eq!(fail(&other, &host, false), None);
    let left = fail(&one, &host, false).unwrap();
    assert!((BACKOFF * 3 / 4..=BACKOFF * 5 / 4).contains(&left), "{left:?}");
    assert!(matches!(other.leave(&host, START), Leave::Alone(_)));
    // Those who asked before say nothing new.
    assert_eq!(fail(&other, &host, false), None);
}

#[test]
fn the_time_is_doubled_up_to_sixteen_times() {
    let host = FakeHost::at(START);
    let circuit = circuit();
    for _ in 0..FAILURES {
        fail(&circuit, &host, false);
    }
    let mut now = START;
    for times in [2, 4, 8, 16, 16, 16] {
        let Leave::Alone(left) = circuit.leave(&host, now) else { panic!("it is asked") };
        now += left;
        host.set_now(now);
        assert_eq!(circuit.leave(&host, now), Leave::Probe);
        let left = fail(&circuit, &host, true).unwrap();
        let whole = BACKOFF * times;
        assert!((whole * 3 / 4..=whole * 5 / 4).contains(&left), "{times}: {left:?}");
    }
    now += BACKOFF * 20;
    assert_eq!(circuit.leave(&host, now), Leave::Probe);
    assert!(circuit.good(&host, now));
    assert_eq!(circuit.leave(&host, now), Leave::Ask);
}

#[test]
fn of_two_workers_at_one_moment_one_looks() {
    let host = FakeHost::at(START);
    let (ours, theirs) = (circuit(), circuit());
    for _ in 0..FAILURES {
        fail(&ours, &host, false);
    }
    let now = START + BACKOFF * 2;
    let other = std::cell::Cell::new(None);
    let busy = Vm::interleaved(&host, || {
        if other.get().is_none() {
            other.set(Some(theirs.leave(&host, now)));
        }
    });
    let own = ours.leave(&busy, now);
    assert_eq!(other.get(), Some(Leave::Probe));
    assert_eq!(own, Leave::Alone(DEADLINE + Duration::from_millis(250)));
}

#[test]
fn without_shared_data_all_ask() {
    let host = FakeHost::at(START);
    let circuit = circuit();
    for _ in 0..FAILURES {
        fail(&circuit, &host, false);
    }
    host.break_shared(Fault::Unavailable);
    assert_eq!(circuit.leave(&host, START), Leave::Ask);
    assert_eq!(fail(&circuit, &host, false), None);
    assert!(!circuit.good(&host, START));
}

#[test]
fn a_clock_that_is_set_back_leaves_nobody_alone_for_long() {
    let host = FakeHost::at(START);
    let circuit = circuit();
    for _ in 0..FAILURES {
        fail(&circuit, &host, false);
    }
    assert!(matches!(circuit.leave(&host, START), Leave::Alone(_)));
    assert_eq!(circuit.leave(&host, START - Duration::from_secs(3_600)), Leave::Probe);
}

#[test]
fn a_policy_that_is_less_patient_waits_no_longer_than_it_says() {
    let host = FakeHost::at(START);
    let patient = Circuit::new("it", Duration::from_secs(600), DEADLINE);
    for _ in 0..FAILURES {
        fail(&patient, &host, false);
    }
    let hasty = Circuit::new("it", Duration::from_millis(500), DEADLINE);
    assert_eq!(hasty.leave(&host, START), Leave::Probe);
}

/// A service that answers one request and falls to the many that follow.
#[test]
fn who_falls_again_at_once_is_left_alone_for_longer() {
    let host = FakeHost::at(START);
    let circuit = circuit();
    let mut now = START;
    let mut fall = |times: u32, rest: Duration| {
        let mut left = None;
        for _ in 0..FAILURES {
            left = fail(&circuit, &host, false);
        }
        let (left, whole) = (left.unwrap(), BACKOFF * times);
        assert!((whole * 3 / 4..=whole * 5 / 4).contains(&left), "{times}: {left:?}");
        now += left;
        host.set_now(now);
        assert_eq!(circuit.leave(&host, now), Leave::Probe);
        assert!(circuit.good(&host, now));
        now += rest;
        host.set_now(now);
        assert!(!circuit.good(&host, now));
    };
    for times in [1, 2, 4, 8, 16, 16] {
        fall(times, Duration::from_secs(1));
    }
    fall(16, BACKOFF * 21);
    fall(1, Duration::ZERO);
}
