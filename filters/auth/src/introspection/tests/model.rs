//! Several VMs on one shared map, in any order of events, against a service
//! that is known to the test.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postern_core::Answer;
use postern_core::fake::FakeHost;
use proptest::prelude::*;
use serde_json::json;

use super::{NOW, active, answer, inactive, judge, provider, tick};
use crate::introspection::Introspection;

const VMS: usize = 3;
const TIMEOUT: u64 = 2_000;
const TTL: u64 = 6_000;
const NEGATIVE: u64 = 3_000;

#[derive(Clone, Debug)]
enum Event {
    /// A request with this token at this VM.
    Request(usize, u8),
    Tick(usize),
    /// The oldest open question of a VM is answered; how, the service decides.
    Answer(usize),
    /// It is not.
    Fail(usize),
    /// A VM is lost with all that it knows.
    Die(usize),
    Revoke(u8),
    Issue(u8),
    /// Milliseconds pass.
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let vm = 0..VMS;
    let token = 0u8..3;
    prop_oneof![
        8 => (vm.clone(), token.clone()).prop_map(|(vm, token)| Event::Request(vm, token)),
        6 => vm.clone().prop_map(Event::Tick),
        5 => vm.clone().prop_map(Event::Answer),
        1 => vm.clone().prop_map(Event::Fail),
        1 => vm.prop_map(Event::Die),
        1 => token.clone().prop_map(Event::Revoke),
        1 => token.prop_map(Event::Issue),
        5 => prop_oneof![1u64..50, 50u64..1_500, 1_500u64..7_000].prop_map(Event::Pass),
    ]
}

/// A question that is open.
struct Open {
    task: u64,
    token: u8,
    asked: u64,
}

struct World {
    host: FakeHost,
    now: Cell<u64>,
    stale: u64,
    vms: Vec<Introspection>,
    open: Vec<Vec<Open>>,
    good: BTreeSet<u8>,
    /// When a token was last asked about and found good, or not.
    found: BTreeMap<(u8, bool), u64>,
    /// What was answered last, and when that was asked.
    last: BTreeMap<u8, (bool, u64)>,
    /// When a question about it failed last.
    failed: BTreeMap<u8, u64>,
    /// Failures in a row that a VM saw.
    in_a_row: [u32; VMS],
}

impl World {
    fn new(stale: bool) -> Self {
        let mut config = json!({
            "cache": {"ttl": format!("{TTL}ms"), "negative_ttl": format!("{NEGATIVE}ms")},
        });
        if stale {
            config["stale_if_unavailable"] = json!("4s");
        }
        World {
            host: FakeHost::at(Duration::from_secs(NOW)),
            now: Cell::new(NOW * 1_000),
            stale: if stale { 4_000 } else { 0 },
            vms: (0..VMS).map(|_| provider(&config)).collect(),
            open: (0..VMS).map(|_| Vec::new()).collect(),
            good: BTreeSet::new(),
            found: BTreeMap::new(),
            last: BTreeMap::new(),
            failed: BTreeMap::new(),
            in_a_row: [0; VMS],
        }
    }

    fn pass(&self, milliseconds: u64) {
        self.now.set(self.now.get() + milliseconds);
        self.host.set_now(Duration::from_millis(self.now.get()));
    }

    fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match *event {
            Event::Request(vm, token) => self.request(vm, token)?,
            Event::Tick(vm) => self.tick(vm)?,
            Event::Answer(vm) => {
                if !self.open[vm].is_empty() {
                    let open = self.open[vm].remove(0);
                    let good = self.good.contains(&open.token);
                    let reply = if good { active(&open.token.to_string()) } else { inactive() };
                    let asked = self.found.entry((open.token, good)).or_default();
                    *asked = open.asked.max(*asked);
                    self.last.insert(open.token, (good, open.asked));
                    self.in_a_row[vm] = 0;
                    let work = answer(&self.vms[vm], open.task, &reply, &self.host);
                    prop_assert_eq!(work.wake, [open.task]);
                }
            }
            Event::Fail(vm) => {
                if !self.open[vm].is_empty() {
                    let open = self.open[vm].remove(0);
                    self.failed.insert(open.token, self.now.get());
                    self.in_a_row[vm] += 1;
                    let reply = Answer::Unavailable;
                    let work = answer(&self.vms[vm], open.task, &reply, &self.host);
                    prop_assert_eq!(work.wake, [open.task]);
                }
            }
            Event::Die(vm) => {
                let stale = self.stale > 0;
                self.vms[vm] = World::new(stale).vms.remove(0);
                self.open[vm].clear();
                self.in_a_row[vm] = 0;
            }
            Event::Revoke(token) => {
                self.good.remove(&token);
            }
            Event::Issue(token) => {
                self.good.insert(token);
            }
            // Ticks come soon, and the proxy ends each question at its deadline.
            Event::Pass(milliseconds) => {
                let end = self.now.get() + milliseconds;
                for vm in 0..VMS {
                    self.tick(vm)?;
                    while self.open[vm].first().is_some_and(|open| open.asked + TIMEOUT <= end) {
                        self.happen(&Event::Fail(vm))?;
                    }
                }
                self.pass(milliseconds);
            }
        }
        Ok(())
    }

    fn tick(&mut self, vm: usize) -> Result<(), TestCaseError> {
        let now = self.now.get();
        for task in tick(&self.vms[vm], &self.host).ask {
            let body = String::from_utf8(task.ask.body).unwrap();
            let token: u8 = body.strip_prefix("token=").unwrap().parse().unwrap();
            let others = self.open.iter().flatten().filter(|open| open.token == token);
            prop_assert!(others.count() == 0, "two questions about one token");
            self.open[vm].push(Open { task: task.id, token, asked: now });
        }
        Ok(())
    }

    fn request(&mut self, vm: usize, token: u8) -> Result<(), TestCaseError> {
        let now = self.now.get();
        let found = |good: bool| self.found.get(&(token, good)).copied();
        let failed = self.failed.get(&token).is_some_and(|at| now < at + 1_000);
        let text = token.to_string();
        // A VM that follows sees the answer at its next tick.
        let follows =
            self.vms[vm].state.borrow().flights.values().any(|flight| {
                flight.stage.is_followed(|_| true) && flight.token == text.as_bytes()
            });
        match judge(&self.vms[vm], &text, &self.host).as_str() {
            "503" => {
                prop_assert!(failed || self.in_a_row[vm] >= 5, "nothing failed");
            }
            "401 inactive_token" => {
                prop_assert!(found(false).is_some_and(|at| now < at + NEGATIVE));
            }
            waits if waits.starts_with("wait") => {
                let last = self.last.get(&token);
                let ttl = |good| if good { TTL } else { NEGATIVE };
                prop_assert!(follows || !failed, "asked again too soon");
                let known = last.is_some_and(|(good, at)| now < at + ttl(*good));
                prop_assert!(follows || !known, "it is known");
            }
            subject => {
                prop_assert_eq!(subject, token.to_string(), "another's answer");
                let asked = found(true);
                prop_assert!(asked.is_some(), "never found good");
                let age = now - asked.unwrap_or_default();
                prop_assert!(age < TTL + self.stale, "too old");
                let revoked = found(false) > asked;
                prop_assert!(age < TTL || !revoked, "an old answer after a bad one");
                let out = self.in_a_row[vm] >= 5;
                prop_assert!(age < TTL || failed || out, "the service answers");
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn answers_are_those_of_the_service_and_no_older_than_they_may_be(
        stale: bool,
        events in prop::collection::vec(event(), 1..150),
    ) {
        let mut world = World::new(stale);
        for event in &events {
            world.happen(event)?;
        }
        // Whatever happened, nobody waits for ever.
        for _ in 0..4 {
            world.happen(&Event::Pass(TIMEOUT + 250))?;
            for vm in 0..VMS {
                world.tick(vm)?;
            }
            for vm in 0..VMS {
                while !world.open[vm].is_empty() {
                    world.happen(&Event::Answer(vm))?;
                }
            }
            for vm in 0..VMS {
                world.tick(vm)?;
            }
        }
        for vm in &world.vms {
            prop_assert!(vm.state.borrow().flights.is_empty(), "a question stays open");
            prop_assert_eq!(vm.state.borrow().waiting, 0);
        }
    }
}
