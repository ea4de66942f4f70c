//! Any order of ticks, requests, answers and deaths, held to what was promised.

use proptest::prelude::*;

use super::*;

const VMS: usize = 3;

#[derive(Clone, Debug)]
enum Event {
    Tick(usize),
    /// A request that needs what is not there.
    Request(usize),
    /// The server answers the open question, if there is one.
    Answer(Kind),
    /// Milliseconds pass.
    Pass(u64),
    /// The VM traps, and a new one takes its place.
    Die(usize),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Good,
    Same,
    Broken,
    Fault,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let vm = || 0..VMS;
    let kind = prop_oneof![
        4 => Just(Kind::Good),
        2 => Just(Kind::Same),
        1 => Just(Kind::Broken),
        2 => Just(Kind::Fault),
    ];
    let event = prop_oneof![
        8 => vm().prop_map(Event::Tick),
        3 => vm().prop_map(Event::Request),
        6 => kind.prop_map(Event::Answer),
        3 => (1u64..2_000).prop_map(Event::Pass),
        2 => (1u64..80_000).prop_map(Event::Pass),
        1 => vm().prop_map(Event::Die),
    ];
    prop::collection::vec(event, 1..200)
}

/// What the server and a bystander know.
struct World {
    host: FakeHost,
    now: u64,
    vms: Vec<Remote<Number>>,
    slices: u32,
    /// The open question: whose, its task, when it was asked, with a tag?
    open: Option<(usize, u64, u64, bool)>,
    /// The last number that was served, and all that were served whole.
    served: u64,
    /// The last start of a fetch, of one that a request caused, and how the last
    /// one ended.
    started: Option<u64>,
    demanded: Option<u64>,
    ended: Ended,
    /// Since the last fetch began, a request wanted one.
    wanted: bool,
    known: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Ended {
    Never,
    Well(u64),
    Badly {
        at: u64,
        in_a_row: u32,
    },
    /// Nobody knows: who asked has died, or reads.
    Open,
}

impl World {
    fn new(slices: u32) -> Self {
        World {
            host: FakeHost::at(START),
            now: START.as_millis() as u64,
            vms: (0..VMS).map(|_| remote_with(settings(), slices)).collect(),
            slices,
            open: None,
            served: 0,
            started: None,
            demanded: None,
            ended: Ended::Never,
            wanted: false,
            known: vec![0; VMS],
        }
    }

    fn take(&mut self, event: &Event) {
        match *event {
            Event::Tick(vm) => {
                let work = self.vms[vm].tick(&self.host, KEY);
                self.judge(vm, &work);
            }
            Event::Request(vm) => {
                self.vms[vm].look(&self.host);
                self.vms[vm].lacking(Duration::from_millis(self.now));
                self.wanted = true;
            }
            // No answer comes in the millisecond of its question.
            Event::Answer(kind) => {
                self.pass(1);
                self.answer(kind);
            }
            Event::Pass(time) => self.pass(time),
            Event::Die(vm) => {
                self.vms[vm] = remote_with(settings(), self.slices);
                self.known[vm] = 0;
                self.open = self.open.filter(|(holder, ..)| *holder != vm);
            }
        }
        for vm in 0..VMS {
            let number = self.vms[vm].current(Duration::from_millis(self.now));
            let number = number.map_or(self.known[vm], |number| *number);
            assert!(number >= self.known[vm], "VM {vm} went back");
            assert!(number <= self.served, "nobody served {number}");
            self.known[vm] = number;
        }
        assert!(self.host.shared_len() <= 2);
    }

    fn judge(&mut self, vm: usize, work: &Work) {
        if work.count.contains(&11) {
            self.failed();
        }
        let [task] = work.ask.as_slice() else {
            assert!(work.ask.is_empty());
            return;
        };
        assert!(self.open.is_none(), "a second question is open");
        let second = 1_000;
        let rested = self.demanded.is_none_or(|at| self.now >= at + 30 * second);
        match self.ended {
            Ended::Never => {}
            // On time, or because a request wanted it.
            Ended::Well(at) if self.now >= at + 48 * second => {}
            Ended::Well(_) => assert!(self.wanted && rested, "too early"),
            Ended::Badly { at, in_a_row } => {
                let pause = (second << (in_a_row - 1).min(10)).min(30 * second);
                assert!(self.now >= at + pause * 8 / 10, "no pause after {in_a_row} failures");
            }
            Ended::Open => {
                let lapsed = self.started.is_none_or(|at| self.now >= at + 7 * second);
                assert!(lapsed, "the holder may be alive");
            }
        }
        // Whether this one was caused by a request shows from outside only where
        // nothing else explains it; the stricter reading.
        if let Ended::Well(at) = self.ended
            && self.now < at + 48 * second
        {
            self.demanded = Some(self.now);
        }
        let conditional = task.ask.headers.iter().any(|(name, _)| name == "if-none-match");
        self.open = Some((vm, task.id, self.now, conditional));
        self.started = Some(self.now);
        self.ended = match self.ended {
            Ended::Badly { .. } => self.ended,
            _ => Ended::Open,
        };
        self.wanted = false;
    }

    fn failed(&mut self) {
        let in_a_row = match self.ended {
            Ended::Badly { in_a_row, .. } => in_a_row + 1,
            _ => 1,
        };
        self.ended = Ended::Badly { at: self.now, in_a_row };
    }

    fn answer(&mut self, kind: Kind) {
        let Some((vm, task, _, conditional)) = self.open.take() else { return };
        let answer = match kind {
            Kind::Good => {
                self.served += 1;
                answer(200, &[("etag", "\"x\"")], &self.served.to_string())
            }
            Kind::Same if conditional => answer(304, &[], ""),
            Kind::Same | Kind::Broken => answer(200, &[], "broken"),
            Kind::Fault => Answer::Unavailable,
        };
        let work = self.vms[vm].answer(task, &answer, &self.host, KEY).unwrap();
        assert!(work.ask.is_empty());
        if work.count.contains(&11) {
            self.failed();
        } else if work.count.contains(&12) {
            self.ended = Ended::Well(self.now);
        } else if work.count.contains(&13) {
            self.ended = if self.slices == 1 { Ended::Well(self.now) } else { Ended::Open };
        }
    }

    /// The proxy answers an open question when its time is over.
    fn pass(&mut self, time: u64) {
        let end = self.now + time;
        if let Some((.., at, _)) = self.open
            && end >= at + 5_000
        {
            self.now = self.now.max(at + 5_000);
            self.host.set_now(Duration::from_millis(self.now));
            self.answer(Kind::Fault);
        }
        self.now = end;
        self.host.set_now(Duration::from_millis(self.now));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn one_question_at_a_time_within_the_bound_and_never_back(events in events()) {
        let mut world = World::new(1);
        events.iter().for_each(|event| world.take(event));
        // Two seconds later all know the same, and it is the last good one.
        world.pass(8_000);
        (0..VMS).for_each(|vm| world.take(&Event::Tick(vm)));
        world.answer(Kind::Good);
        (0..VMS).for_each(|vm| world.take(&Event::Tick(vm)));
        let known = &world.known;
        prop_assert!(known.iter().all(|number| *number == known[0]), "{known:?}");
    }

    /// With a document that is read in slices there is one question at a time
    /// too, and no VM goes back.
    #[test]
    fn the_same_in_slices(events in events()) {
        let mut world = World::new(3);
        for event in &events {
            // From outside nobody sees when a document was read to its end.
            world.ended = Ended::Never;
            world.take(event);
        }
    }
}
