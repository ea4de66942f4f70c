//! The work beside the requests: following, asking, and telling everybody.

use std::rc::Rc;

use postern_core::work::Task;
use postern_core::{Host, Work};

use super::meaning::{Broken, Meaning};
use super::shared::{Claim, Fingerprint};
use super::slot::{Entry, MAX_TEXT};
use super::state::{Bad, Good, Stage, State};
use super::{Introspection, LAPSE, counter, essentials, millis, take_over};
use crate::verdict::Known;

/// A question that nobody answered this long after its deadline, in
/// milliseconds, is lost.
const LOST: u64 = 5_000;

/// For so many milliseconds a token is not asked about again after a failure.
const PAUSE: u64 = 1_000;

/// A line in the log for failures at most once in so many milliseconds.
const QUIET: u64 = 30_000;

fn milliseconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
}

impl Introspection {
    /// Those who follow another worker's question look whether it is answered: if
    /// any was since they last looked, or the claim has lapsed.
    pub(super) fn follow(&self, host: &dyn Host, state: &mut State, now: u64, work: &mut Work) {
        if !state.follows() {
            return;
        }
        // Heard before they look: an answer after that rings once more.
        let bell = self.shared.bell(host);
        let rang = bell.is_none() || bell != state.heard;
        state.heard = bell;
        let followed: Vec<Fingerprint> = state
            .flights
            .iter()
            .filter(|(_, flight)| flight.stage.is_followed(|until| rang || now >= until))
            .map(|(token, _)| *token)
            .collect();
        for token in followed {
            let seen = self.shared.look(host, &token, now);
            if seen.answers(now) {
                take_over(&token, &seen, state);
                work.wake.extend(state.close(&token));
                continue;
            }
            let stage = match seen.claimed {
                Some(until) => Stage::Followed { until },
                // Whoever asked is gone.
                None => {
                    let lapses = now.saturating_add(self.timeout).saturating_add(LAPSE);
                    match self.shared.claim(host, &token, now, lapses) {
                        Claim::Mine | Claim::Alone => Stage::Planned,
                        Claim::Theirs(until) => Stage::Followed { until },
                        // It is seen at the next tick.
                        Claim::Answered(_) => Stage::Followed { until: now },
                    }
                }
            };
            if let Some(flight) = state.flights.get_mut(&token) {
                flight.stage = stage;
            }
        }
    }

    /// Sends what is planned, and gives up what is lost.
    pub(super) fn ask(&self, state: &mut State, now: u64, work: &mut Work) -> Vec<Fingerprint> {
        let mut lost = Vec::new();
        for (token, flight) in &mut state.flights {
            match flight.stage {
                Stage::Planned => {
                    let text = std::mem::take(&mut flight.token);
                    let id = u64::from(flight.key);
                    work.ask.push(Task { id, ask: self.question.about(&text) });
                    flight.stage = Stage::Asked(now);
                    work.count.push(counter::ASKED);
                }
                Stage::Asked(at) => {
                    let end = at.saturating_add(self.timeout).saturating_add(LOST);
                    if now >= end {
                        lost.push(*token);
                    }
                }
                Stage::Followed { .. } => {}
            }
        }
        lost
    }

    /// Notes an answer for everybody who waits, in all workers.
    pub(super) fn settle(
        &self,
        host: &dyn Host,
        state: &mut State,
        token: &Fingerprint,
        asked: u64,
        said: Result<Meaning, Broken>,
    ) -> Work {
        let now = millis(host.now());
        let mut work = Work::default();
        match said {
            Ok(Meaning::Active(checked)) => {
                work.count.push(counter::ACTIVE);
                let end = checked.expires.map_or(u64::MAX, milliseconds);
                let fresh = asked.saturating_add(self.ttl).min(end);
                let keep = fresh.saturating_add(self.stale).min(end);
                match essentials::write(&checked).filter(|text| text.len() <= MAX_TEXT) {
                    Some(essentials) => {
                        let entry = Entry::Good { asked, fresh, keep, essentials };
                        self.shared.put(host, token, now, &entry);
                    }
                    None => self.shared.release(host, token, now),
                }
                let known = Rc::new(Known::new(*checked));
                state.put_good(*token, Good { known, asked, fresh, keep });
            }
            Ok(Meaning::Refused { reason, until: end }) => {
                work.count.push(counter::REFUSED);
                let end = end.map_or(u64::MAX, milliseconds);
                let until = asked.saturating_add(self.negative_ttl).min(end);
                // As long as a worker may have a good answer from before.
                let old = if self.stale > 0 { self.ttl.saturating_add(self.stale) } else { 0 };
                let keep = until.max(asked.saturating_add(old));
                let entry = Entry::Bad { asked, until, keep, reason };
                self.shared.put(host, token, now, &entry);
                state.put_bad(*token, Bad { reason, asked, until });
            }
            Err(broken) => {
                work.count.push(counter::FAILED);
                let until = now.saturating_add(PAUSE);
                self.shared.put(host, token, now, &Entry::Failed { until });
                state.put_failed(*token, until);
                if self.stale > 0 {
                    // Another worker may have an old answer.
                    let seen = self.shared.look(host, token, now);
                    take_over(token, &seen, state);
                }
                // What it says of one odd token is no failure for the others.
                if broken.is_of_the_service() {
                    state.circuit.failed(now);
                }
                if now >= state.quiet_until {
                    state.quiet_until = now.saturating_add(QUIET);
                    work.log.push(self.line(&format!("does not answer: {broken}")));
                }
            }
        }
        if !work.count.contains(&counter::FAILED) {
            state.circuit.answered();
            if std::mem::take(&mut state.quiet_until) > 0 {
                work.log.push(self.line("answers again"));
            }
        }
        work.wake.extend(state.close(token));
        work
    }

    fn line(&self, what: &str) -> String {
        let Introspection { question, expected, .. } = self;
        format!("provider `{}`: introspection at `{}` {what}", expected.provider, question.cluster)
    }
}
