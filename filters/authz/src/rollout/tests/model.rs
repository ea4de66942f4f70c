//! The valve does what this says: lists, exact sets, and nothing shared out.

use std::collections::BTreeSet;

use postern_core::config::Count;
use postern_core::{Host, shared};
use proptest::prelude::*;
use siphasher::sip::SipHasher13;

use super::*;
use crate::rollout::valve::counts;

/// So few that the sketch is exact.
const CALLERS: usize = 12;
const VMS: usize = 3;

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    Request {
        vm: usize,
        caller: usize,
        kind: Kind,
        refused: bool,
    },
    Tick {
        vm: usize,
    },
    Wait {
        milliseconds: u64,
    },
    /// A VM is made anew.
    Reload {
        vm: usize,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let kind = prop::sample::select(vec![Kind::Anonymous, Kind::Identified]);
    let request = (0..VMS, 0..CALLERS, kind, any::<bool>())
        .prop_map(|(vm, caller, kind, refused)| Event::Request { vm, caller, kind, refused });
    let event = prop_oneof![
        12 => request,
        4 => (0..VMS).prop_map(|vm| Event::Tick { vm }),
        3 => (0..900u64).prop_map(|milliseconds| Event::Wait { milliseconds }),
        1 => (0..VMS).prop_map(|vm| Event::Reload { vm }),
    ];
    prop::collection::vec(event, 0..200)
}

fn bounds() -> impl Strategy<Value = policy::Valve> {
    (2..6u64, 1..25u64, 1..8u64, 1..=100u32).prop_map(|(window, requests, callers, share)| {
        policy::Valve {
            window: policy::Window::seconds(window),
            minimum_requests: Count::new(requests),
            minimum_callers: Count::new(callers),
            share: Percent::whole(share),
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    kind: Kind,
    caller: usize,
    refused: bool,
}

#[derive(Default)]
struct Vm {
    pending: Vec<Seen>,
    /// The callers since this bucket was opened.
    in_bucket: (u64, Vec<(Kind, usize)>),
    tripped: bool,
}

/// The whole gateway.
struct Model {
    bound: policy::Valve,
    vms: [Vm; VMS],
    shared: Vec<(u64, Seen)>,
    tripped: bool,
}

impl Model {
    fn bucket(&self, now: u64) -> u64 {
        now / (self.bound.window.get().as_millis() as u64 / 10)
    }

    fn request(&mut self, vm: usize, seen: Seen) {
        let vm = &mut self.vms[vm];
        if vm.tripped {
            return;
        }
        let caller = (seen.kind, seen.caller);
        vm.in_bucket.1.push(caller);
        let nth = vm.in_bucket.1.iter().filter(|came| **came == caller).count();
        if counts(nth as u32) {
            vm.pending.push(seen);
        }
    }

    fn tick(&mut self, vm: usize, now: u64) {
        let number = self.bucket(now);
        let vm = &mut self.vms[vm];
        if vm.in_bucket.0 != number {
            vm.in_bucket = (number, Vec::new());
        }
        self.shared.extend(vm.pending.drain(..).map(|seen| (number, seen)));
        self.shared.retain(|(old, _)| old + 10 > number);
        self.tripped |= [Kind::Anonymous, Kind::Identified].iter().any(|kind| {
            let all: Vec<Seen> =
                self.shared.iter().map(|(_, s)| *s).filter(|s| s.kind == *kind).collect();
            let callers = |list: &[Seen]| list.iter().map(|s| s.caller).collect::<BTreeSet<_>>();
            let refused: Vec<Seen> = all.iter().copied().filter(|s| s.refused).collect();
            let share = self.bound.share.millionths() as usize;
            let reached = |part: usize, whole: usize| part * 1_000_000 >= whole * share;
            all.len() >= self.bound.minimum_requests.get() as usize
                && callers(&refused).len() >= self.bound.minimum_callers.get() as usize
                && reached(refused.len(), all.len())
                && reached(callers(&refused).len(), callers(&all).len())
        });
        vm.tripped = self.tripped;
    }

    fn reload(&mut self, vm: usize) {
        // Its first look shows it what the others know.
        self.vms[vm] = Vm { tripped: self.tripped, ..Vm::default() };
    }
}

/// Names whose hashes meet neither in the sketch nor in the table of the busy.
fn callers(host: &FakeHost) -> Vec<Vec<u8>> {
    let secret = shared::secret(host, "authz-candidate-2/secret").unwrap();
    let (mut registers, mut cells) = (BTreeSet::new(), BTreeSet::new());
    (0u32..)
        .map(|n| n.to_le_bytes().to_vec())
        .filter(|key| {
            let hash = SipHasher13::new_with_key(&secret).hash(key);
            registers.insert(hash & 0xff) && cells.insert((hash >> 32) % 2_048)
        })
        .take(CALLERS)
        .collect()
}

fn milliseconds(host: &FakeHost) -> u64 {
    host.now().as_millis() as u64
}

proptest! {
    #[test]
    fn the_valve_is_its_model(bound in bounds(), events in events()) {
        let host = host();
        let keys = callers(&host);
        let new = || Valve::new(bound.clone(), POLICY);
        let mut valves = [new(), new(), new()];
        let mut model = Model {
            bound: bound.clone(),
            vms: Default::default(),
            shared: Vec::new(),
            tripped: false,
        };
        // The first look at the shared data is made early.
        valves.iter().for_each(|valve| assert!(!valve.is_tripped(&host)));
        let mut told = 0;
        for event in events {
            match event {
                Event::Request { vm, caller, kind, refused } => {
                    valves[vm].count(&Caller { kind, key: keys[caller].clone() }, refused, &host);
                    model.request(vm, Seen { kind, caller, refused });
                }
                Event::Tick { vm } => {
                    told += usize::from(valves[vm].tick(&host).tripped.is_some());
                    model.tick(vm, milliseconds(&host));
                }
                Event::Wait { milliseconds } => after(&host, Duration::from_millis(milliseconds)),
                Event::Reload { vm } => {
                    valves[vm] = new();
                    valves[vm].is_tripped(&host);
                    model.reload(vm);
                }
            }
            for (vm, valve) in valves.iter().enumerate() {
                prop_assert_eq!(valve.is_tripped(&host), model.vms[vm].tripped, "VM {}", vm);
            }
        }
        prop_assert_eq!(told, usize::from(model.tripped), "it is told once");
    }
}
