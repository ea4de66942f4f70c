//! The root context: takes a configuration, makes streams, and works beside
//! them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use log::{error, info, warn};
use postern_core::config::{Errors, parse_json};
use postern_core::{Answer, Filter, Host, Metric, MetricKind, Work, digest, identity};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MetricType};

use crate::apply::{self, AnswerSizes};
use crate::attributes::Proxy;
use crate::clock::{Clock, SOON};
use crate::counters::Counters;
use crate::loading::Loading;
use crate::shell::{Callout, Shell};
use crate::signature::push_field;
use crate::turns;
use crate::waiting::Waiting;

/// One plugin's root context.
pub(crate) struct Root<F: Filter> {
    pub(crate) id: u32,
    compiled: RefCell<Option<Rc<Compiled<F>>>>,
    /// Former configurations that streams still have.
    retired: RefCell<Vec<Rc<Compiled<F>>>>,
    /// What is to take the place of the one in force.
    loading: RefCell<Option<Loading<F>>>,
    clock: Rc<Clock>,
}

/// A filter with its policy, and the names it goes by.
pub(crate) struct Compiled<F: Filter> {
    /// Perhaps that of a former root context too.
    pub(crate) filter: Rc<F>,
    pub(crate) plugin: String,
    pub(crate) version: String,
    /// The filter state that takes the decision records.
    pub(crate) record_state: String,
    pub(crate) counters: Counters,
    pub(crate) waiting: Waiting,
    /// Work that was put off.
    left: RefCell<Work>,
    pub(crate) clock: Rc<Clock>,
}

impl<F: Filter> Root<F> {
    pub(crate) fn new(id: u32) -> Self {
        Root {
            id,
            compiled: RefCell::default(),
            retired: RefCell::default(),
            loading: RefCell::default(),
            clock: Rc::default(),
        }
    }

    /// What is in force.
    pub(crate) fn compiled(&self) -> Option<Rc<Compiled<F>>> {
        self.compiled.borrow().clone()
    }

    /// The answer to a task came.
    pub(crate) fn answer(
        &self,
        shell: &Shell<F>,
        compiled: &Rc<Compiled<F>>,
        task: u64,
        sizes: AnswerSizes,
    ) {
        let work = compiled.filter.task_answer(task, &apply::answer(sizes), &Proxy);
        self.perform(shell, compiled, work);
    }

    /// Does a piece of work, and what follows at once from it. What does not end
    /// waits for the next tick.
    fn perform(&self, shell: &Shell<F>, compiled: &Rc<Compiled<F>>, work: Work) {
        let left = turns::follow(work, |work| self.turn(shell, compiled, &work));
        if !left.is_nothing() {
            warn!("{}: work that does not end is put off", compiled.plugin);
            compiled.left.borrow_mut().merge(left);
            self.due_in(PUT_OFF);
        }
    }

    /// Questions that cannot be sent are answered here, so that none stays open:
    /// what follows from that.
    fn turn(&self, shell: &Shell<F>, compiled: &Rc<Compiled<F>>, work: &Work) -> Work {
        compiled.count(&work.count);
        for (gauge, value) in &work.gauges {
            compiled.counters.set(*gauge, *value);
        }
        for line in &work.log {
            warn!("{}: {line}", compiled.plugin);
        }
        if let Some(again) = work.again {
            self.due_in(again);
        }
        let mut next = Work::default();
        for task in &work.ask {
            match apply::ask(&task.ask) {
                Some(token) => {
                    let compiled = compiled.clone();
                    let task = task.id;
                    shell.expect(token, Callout::Task { root: self.id, compiled, task });
                }
                None => {
                    let failed = &Answer::Unavailable;
                    next.merge(compiled.filter.task_answer(task.id, failed, &Proxy));
                }
            }
        }
        compiled.waiting.wake(&work.wake, compiled, shell, self.id);
        next
    }
}

/// Until work that did not end is taken up again.
const PUT_OFF: Duration = Duration::from_millis(50);

impl<F: Filter> Compiled<F> {
    fn new(filter: Rc<F>, plugin: String, version: String, clock: &Rc<Clock>) -> Self {
        Compiled {
            record_state: format!("postern.{plugin}"),
            counters: Counters::new(define_metrics(&plugin, &filter.metrics())),
            filter,
            plugin,
            version,
            waiting: Waiting::default(),
            left: RefCell::default(),
            clock: clock.clone(),
        }
    }

    /// The same for another root context.
    fn again(&self, clock: &Rc<Clock>) -> Self {
        Compiled::new(self.filter.clone(), self.plugin.clone(), self.version.clone(), clock)
    }

    /// What was put off, then what there is to do now.
    fn tick(&self) -> Work {
        let mut work = self.left.take();
        work.merge(self.filter.tick(&Proxy));
        work
    }

    /// Does somebody wait, or was work put off?
    fn is_asked(&self) -> bool {
        !self.waiting.is_empty() || !self.left.borrow().is_nothing()
    }

    pub(crate) fn count(&self, counters: &[usize]) {
        self.counters.count(counters, &self.clock);
    }
}

impl<F: Filter> Root<F> {
    /// Takes the plugin's configuration, if it is good. A large one is compiled in
    /// slices where this plugin serves already, and taken unseen: the proxy has tried it
    /// in a VM that serves nobody before it tells those that do.
    pub(crate) fn configure(&self, shell: &Shell<F>) -> bool {
        let rendered = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX);
        let rendered = Rc::new(rendered.ok().flatten().unwrap_or_default());
        let plugin = plugin_name();
        if F::PUBLISHES_IDENTITY {
            declare_read_only(identity::STATE);
        }
        self.loading.take();
        let former = self.compiled().or_else(|| shell.in_force(&plugin));
        if let Some(former) = former
            && let Some(loading) = Loading::begin(&rendered, &plugin, &*former.filter)
        {
            if self.compiled().is_none() {
                self.compiled.replace(Some(Rc::new(former.again(&self.clock))));
            }
            self.loading.replace(Some(loading));
            self.due_in(SOON);
            return true;
        }
        let version = digest::version(&rendered);
        let begun = Proxy.now();
        match compile::<F>(&rendered) {
            Ok(filter) => {
                self.put_in_force(filter, plugin, version, || {
                    // So long a worker did nothing else.
                    let held = Proxy.now().saturating_sub(begun).as_millis();
                    format!("compiled in {held} ms")
                });
                true
            }
            Err(errors) => {
                refuse(&plugin, &version, &errors);
                false
            }
        }
    }

    fn put_in_force(
        &self,
        mut filter: F,
        plugin: String,
        version: String,
        told: impl FnOnce() -> String,
    ) {
        filter.set_version(&version);
        tell_version(&plugin, &version);
        let compiled = Compiled::new(Rc::new(filter), plugin, version, &self.clock);
        let (plugin, version, told) = (&compiled.plugin, &compiled.version, told());
        info!("{plugin}: configuration {version} is in force, {told}");
        if F::WORKS {
            self.due_in(SOON);
        }
        let former = self.compiled.borrow_mut().replace(Rc::new(compiled));
        if let Some(former) = former {
            former.counters.tell();
            // Whose streams may still count or wait.
            if former.is_asked() || Rc::strong_count(&former) > 1 {
                self.retired.borrow_mut().push(former);
            }
        }
    }

    /// Does a slice of what is loading. Is there more to do?
    fn load(&self) -> bool {
        // While it works, nobody else asks for it.
        let Some(mut loading) = self.loading.take() else { return false };
        match loading.slice() {
            Ok(None) => {
                self.loading.replace(Some(loading));
                return true;
            }
            Ok(Some(filter)) => {
                let (plugin, version) = (plugin_name(), loading.version());
                self.put_in_force(filter, plugin, version, || loading.told());
            }
            Err(errors) => refuse(&plugin_name(), &loading.version(), &errors),
        }
        false
    }

    /// All configurations share one clock: it goes as fast as the one that is
    /// in the greatest hurry wants.
    pub(crate) fn tick(&self, shell: &Shell<F>) {
        let now = Proxy.now();
        let all: Vec<_> =
            self.compiled().into_iter().chain(self.retired.borrow().iter().cloned()).collect();
        if self.clock.is_due(now) {
            for (compiled, work) in all.iter().zip(self.work(now, &all)) {
                self.perform(shell, compiled, work);
            }
        }
        for compiled in &all {
            compiled.waiting.wake_late(compiled, shell, self.id);
            if let Some(first) = compiled.waiting.first_end() {
                self.due_in(first);
            }
        }
        // Last of all: what was counted just now is told too.
        let told = all.iter().fold(false, |told, compiled| compiled.counters.tell() | told);
        let loading = self.load();
        apply::tick_in(self.clock.go_on(now, told || loading));
        let mut retired = self.retired.borrow_mut();
        // Those in use are held here, in `all`, and by their streams.
        retired.retain(|compiled| compiled.is_asked() || Rc::strong_count(compiled) > 2);
    }

    fn due_in(&self, period: Duration) {
        apply::tick_in(self.clock.at_least(Proxy.now(), period));
    }

    fn work(&self, now: Duration, all: &[Rc<Compiled<F>>]) -> Vec<Work> {
        // A former configuration has work only for those who wait for it.
        let current = all.first().map(Rc::as_ptr);
        let works = |c: &Rc<Compiled<F>>| c.is_asked() || current == Some(Rc::as_ptr(c));
        let work = |c| if works(c) { c.tick() } else { Work::default() };
        let mut works: Vec<Work> = all.iter().map(work).collect();
        let wanted = works.iter_mut().filter_map(|work| work.again.take()).min();
        self.clock.set_due(now, wanted);
        works
    }

    /// The proxy is done with it.
    pub(crate) fn close(&self) {
        self.loading.take();
        apply::tick_in(self.clock.stop());
        for compiled in self.compiled.borrow().iter().chain(self.retired.borrow().iter()) {
            compiled.counters.tell();
        }
    }
}

fn compile<F: Filter>(rendered: &[u8]) -> Result<F, Errors> {
    F::configure(&parse_json(rendered)?, &|name| std::env::var(name).ok())
}

/// What was in force goes on.
fn refuse(plugin: &str, version: &str, errors: &Errors) {
    for problem in errors.problems() {
        error!("{plugin}: configuration {version} refused: {problem}");
    }
}

fn plugin_name() -> String {
    let name = hostcalls::get_property(vec!["plugin_name"]).ok().flatten().unwrap_or_default();
    String::from_utf8(name).unwrap_or_default()
}

fn define_metrics(plugin: &str, metrics: &[Metric]) -> Vec<u32> {
    let define = |metric: &Metric| {
        let kind = match metric.kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
        };
        hostcalls::define_metric(kind, &format!("postern.{plugin}.{}", metric.name))
            .unwrap_or(u32::MAX)
    };
    metrics.iter().map(define).collect()
}

/// As a number, since a name that changes would leave its former values behind:
/// the version's hexadecimal digits.
fn tell_version(plugin: &str, version: &str) {
    let gauge = Metric::gauge("policy_version");
    if let [metric] = define_metrics(plugin, &[gauge]).as_slice() {
        let number = u64::from_str_radix(version, 16).unwrap_or(0);
        hostcalls::record_metric(*metric, number).unwrap_or_default();
    }
}

/// Only a declaration from the root's configuration makes a filter state
/// read-only; a later filter that writes it traps.
fn declare_read_only(state: &str) {
    let mut arguments = Vec::new();
    push_field(&mut arguments, 1, state.as_bytes());
    arguments.extend_from_slice(&[2 << 3, 1]);
    if hostcalls::call_foreign_function("declare_property", Some(&arguments)).is_err() {
        warn!("the host cannot declare `{state}` read-only");
    }
}
