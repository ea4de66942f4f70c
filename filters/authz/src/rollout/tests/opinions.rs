//! What a pair of opinions leads to: who decides, what is counted.

use postern_core::Work;
use postern_core::identity::Seen;
use postern_core::record::Mode as Counted;

use super::*;
use crate::rollout::policy::Mode;
use crate::rollout::{Decides, Opinion, Rollout, metric, metrics};

const ALLOW: Opinion = Opinion { allows: true, code: "allowed", intended: false };
const DENY: Opinion = Opinion { allows: false, code: "no_rule", intended: false };
const OTHER: Opinion = Opinion { allows: false, code: "deny_rule", intended: false };
const INTENDED: Opinion = Opinion { allows: false, code: "deny_rule", intended: true };

fn rollout(mode: Mode) -> Rollout {
    Rollout::new(mode, Percent::whole(10), "", policy::Valve::default())
}

/// Who decides, and what is counted, by name.
fn weigh(
    rollout: &Rollout,
    host: &FakeHost,
    sub: u32,
    (current, candidate): (Opinion, Opinion),
) -> (Decides, Vec<String>) {
    let json = format!(r#"{{"v":1,"sub":"caller-{sub}"}}"#);
    let identity = Seen::read(json.as_bytes()).unwrap();
    let mut count = Vec::new();
    let decides = rollout.weigh(&identity, [current, candidate], host, &mut count);
    let names: Vec<_> = metrics().map(|m| m.name.into_owned()).collect();
    (decides, count.into_iter().map(|place| names[place].clone()).collect())
}

#[test]
fn every_difference_is_counted_by_its_kind() {
    let (host, rollout) = (host(), rollout(Mode::Shadow));
    for (pair, counted) in [
        ((ALLOW, ALLOW), None),
        ((DENY, DENY), None),
        ((ALLOW, DENY), Some("candidate.denies")),
        ((ALLOW, INTENDED), Some("candidate.denies_intended")),
        ((DENY, ALLOW), Some("candidate.allows")),
        ((DENY, OTHER), Some("candidate.other_reason")),
        ((DENY, INTENDED), Some("candidate.other_reason")),
    ] {
        let expected = (Decides::Current, counted.map(str::to_owned).into_iter().collect());
        assert_eq!(weigh(&rollout, &host, 1, pair), expected, "{pair:?}");
    }
}

#[test]
fn an_enforced_candidate_decides_for_all() {
    let (host, rollout) = (host(), rollout(Mode::Enforce));
    let all = Decides::Candidate(Counted::Enforce);
    let counted = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        weigh(&rollout, &host, 1, (ALLOW, DENY)),
        (all, counted(&["candidate.denies", "candidate.refused"]))
    );
    assert_eq!(
        weigh(&rollout, &host, 2, (ALLOW, INTENDED)),
        (all, counted(&["candidate.denies_intended"]))
    );
    assert_eq!(weigh(&rollout, &host, 3, (DENY, ALLOW)), (all, counted(&["candidate.allows"])));
}

#[test]
fn a_cohort_is_the_same_callers_each_time() {
    let (host, one, two) = (host(), rollout(Mode::Cohort), rollout(Mode::Cohort));
    let decides = |rollout, sub| weigh(rollout, &host, sub, (ALLOW, ALLOW)).0;
    let inside: Vec<u32> = (0..1_000).filter(|n| decides(&one, *n) != Decides::Current).collect();
    assert!((70..130).contains(&inside.len()), "{} of 1000", inside.len());
    for n in 0..1_000 {
        let expected = match inside.contains(&n) {
            true => Decides::Candidate(Counted::Cohort),
            false => Decides::Current,
        };
        assert_eq!((decides(&one, n), decides(&two, n)), (expected, expected), "{n}");
    }
}

/// Each of twenty callers, eight times.
fn all(rollout: &Rollout, host: &FakeHost, pair: (Opinion, Opinion)) {
    (0..160).for_each(|n| drop(weigh(rollout, host, n % 20, pair)));
}

fn tripped(work: &Work) -> bool {
    work.count.contains(&metric::TRIPS)
}

#[test]
fn what_both_refuse_and_what_is_intended_neither_trips_nor_dilutes() {
    for pair in [(DENY, DENY), (DENY, OTHER), (DENY, ALLOW), (ALLOW, INTENDED)] {
        let (host, rollout) = (host(), rollout(Mode::Enforce));
        all(&rollout, &host, pair);
        assert!(!tripped(&rollout.tick(&host)), "{pair:?}");
        // A flood of it, of as many callers as there are, hides nothing either.
        (0..10_000).for_each(|n| drop(weigh(&rollout, &host, n, pair)));
        all(&rollout, &host, (ALLOW, DENY));
        assert!(tripped(&rollout.tick(&host)), "{pair:?}");
    }
}

#[test]
fn a_candidate_that_was_taken_back_decides_nothing_and_is_compared_on() {
    for mode in [Mode::Enforce, Mode::Cohort] {
        let (host, rollout) = (host(), rollout(mode));
        all(&rollout, &host, (ALLOW, DENY));
        let work = rollout.tick(&host);
        assert_eq!(work.gauges, [(metric::TRIPPED, 1)]);
        assert_eq!(
            work.log,
            ["the candidate refuses 160 of 160 requests that the current rules allow, of about \
              20 of 20 identified callers: it is taken back: the current rules decide until \
              the configuration changes"]
        );
        let expected = (Decides::CurrentAgain, vec!["candidate.denies".to_owned()]);
        (0..20).for_each(|n| {
            assert_eq!(weigh(&rollout, &host, n, (ALLOW, DENY)), expected, "{mode:?}");
        });
        let next = rollout.tick(&host);
        assert!(next.log.is_empty() && next.gauges.is_empty() && next.count.is_empty());
    }
}

#[test]
fn a_shadow_tells_that_it_would_have_been_taken_back() {
    let (host, rollout) = (host(), rollout(Mode::Shadow));
    assert_eq!(rollout.tick(&host).gauges, [(metric::TRIPPED, 0)]);
    all(&rollout, &host, (ALLOW, DENY));
    let work = rollout.tick(&host);
    assert_eq!(work.gauges, [(metric::TRIPPED, 1)]);
    assert_eq!(
        work.log,
        ["the candidate refuses 160 of 160 requests that the current rules allow, of about 20 \
          of 20 identified callers: it counts for nobody, and would have been taken back"]
    );
}

/// Else nobody knows why a candidate that was put back does nothing.
#[test]
fn a_candidate_that_was_taken_back_before_is_told_of_once_in_each_vm() {
    let (host, first) = (host(), rollout(Mode::Enforce));
    assert!(first.tick(&host).log.is_empty());
    all(&first, &host, (ALLOW, DENY));
    assert!(tripped(&first.tick(&host)));
    let again = rollout(Mode::Enforce);
    let work = again.tick(&host);
    assert_eq!(
        work.log,
        ["the candidate of this very policy was taken back before, and stays so: the current \
          rules decide; any change of the policy, of its current rules too, gives it a new chance, \
          unless its mode is `shadow`"]
    );
    assert_eq!((work.gauges, work.count), (vec![(metric::TRIPPED, 1)], vec![]));
    assert!(again.tick(&host).log.is_empty());
}

/// A VM that was replaced and still drains would write the gauge of the policy that is in
/// force by then, and speak of a candidate that is gone.
#[test]
fn a_policy_that_was_replaced_tells_nothing_until_it_is_in_force_again() {
    let (host, old, mut new) = (host(), rollout(Mode::Enforce), rollout(Mode::Enforce));
    new.set_version("new");
    old.tick(&host);
    assert_eq!(new.tick(&host).gauges, [(metric::TRIPPED, 0)]);
    all(&old, &host, (ALLOW, DENY));
    for _ in 0..5 {
        let Work { gauges, log, count, .. } = old.tick(&host);
        assert_eq!((gauges, log, count), (vec![], vec![], vec![]));
        new.tick(&host);
    }
    // Its own requests are judged by the current rules.
    assert_eq!(weigh(&old, &host, 1, (ALLOW, DENY)).0, Decides::CurrentAgain);
    // The new one is gone, so this one serves.
    let told: Vec<_> = (0..20).map(|_| old.tick(&host)).filter(|w| !w.log.is_empty()).collect();
    let [Work { gauges, log, count, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(
        (gauges.as_slice(), count.as_slice()),
        (&[(metric::TRIPPED, 1)][..], &[metric::TRIPS][..])
    );
    assert!(log[0].starts_with("the candidate refuses 160 of 160 requests"), "{log:?}");
}

#[test]
fn the_next_tick_is_wanted_soon_whatever_happens() {
    let (host, rollout) = (host(), rollout(Mode::Shadow));
    for _ in 0..3 {
        assert_eq!(rollout.tick(&host).again, Some(Duration::from_millis(200)));
        host.break_shared(postern_core::fake::Fault::Unavailable);
        assert_eq!(rollout.tick(&host).count, [metric::UNSHARED]);
    }
}
