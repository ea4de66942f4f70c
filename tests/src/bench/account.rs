//! The system's accounting, and what is known of the machine.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::envoy;

/// The CPU time that a process has used so far, user and system, all threads,
/// those that ended included. The clock counts nanoseconds, where
/// `/proc/PID/stat` counts hundredths of a second.
///
/// # Errors
/// When there is no such process, or the system has no such clock.
#[cfg(target_os = "linux")]
pub fn cpu_time(pid: u32) -> Result<Duration, String> {
    use nix::time::{clock_getcpuclockid, clock_gettime};
    use nix::unistd::Pid;

    let failed = |e: nix::Error| format!("the CPU clock of process {pid}: {e}");
    let id = i32::try_from(pid).map_err(|e| e.to_string())?;
    let clock = clock_getcpuclockid(Pid::from_raw(id)).map_err(failed)?;
    clock_gettime(clock).map(Duration::from).map_err(failed)
}

/// # Errors
/// Always: other systems do not tell one process the CPU clock of another.
#[cfg(not(target_os = "linux"))]
pub fn cpu_time(_pid: u32) -> Result<Duration, String> {
    Err("the bench needs Linux, for its CPU clocks of other processes".to_owned())
}

/// Which core is Envoy's and which are the load's, so that neither pushes the other's
/// code and data out of the nearest caches. On one core they share it.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// Envoy's; none where there is but one.
    envoy: Option<usize>,
    /// How many there are.
    pub all: usize,
}

/// Cores that the system's sets have room for, at most.
#[cfg(target_os = "linux")]
const MANY: usize = 1024;

#[cfg(target_os = "linux")]
impl Cores {
    /// Takes the last core that this process may use for Envoy, and moves the calling
    /// thread, and all that it starts, to the others.
    ///
    /// # Errors
    /// When the system does not tell or set what a thread may use.
    pub fn share() -> Result<Self, String> {
        use nix::sched::{CpuSet, sched_getaffinity};

        let all = sched_getaffinity(this_thread()).map_err(|e| format!("the cores: {e}"))?;
        let free: Vec<usize> = (0..CpuSet::count().min(MANY))
            .filter(|core| all.is_set(*core).unwrap_or(false))
            .collect();
        let all = free.len();
        let Some((envoy, [_, ..])) = free.split_last() else {
            return Ok(Cores { envoy: None, all });
        };
        let cores = Cores { envoy: Some(*envoy), all };
        move_to(|core| core != *envoy && free.contains(&core))?;
        Ok(cores)
    }

    /// Does something on Envoy's core: a process started there stays there.
    ///
    /// # Errors
    /// As of [`Self::share`], and of what is done.
    pub fn on_envoys<T>(self, does: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        self.on(|core| self.envoy.is_none_or(|envoy| core == envoy), does)
    }

    /// Does something on any core: a process started there goes where it likes.
    ///
    /// # Errors
    /// As of [`Self::share`], and of what is done.
    pub fn on_any<T>(self, does: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        self.on(|_| true, does)
    }

    fn on<T>(
        self,
        may: impl Fn(usize) -> bool,
        does: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        use nix::sched::{sched_getaffinity, sched_setaffinity};

        if self.envoy.is_none() {
            return does();
        }
        let before = sched_getaffinity(this_thread()).map_err(|e| format!("the cores: {e}"))?;
        move_to(may)?;
        let done = does();
        sched_setaffinity(this_thread(), &before).map_err(|e| format!("the cores: {e}"))?;
        done
    }
}

#[cfg(target_os = "linux")]
fn this_thread() -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(0)
}

#[cfg(target_os = "linux")]
fn move_to(may: impl Fn(usize) -> bool) -> Result<(), String> {
    use nix::sched::{CpuSet, sched_setaffinity};

    let mut set = CpuSet::new();
    for core in (0..CpuSet::count().min(MANY)).filter(|core| may(*core)) {
        set.set(core).map_err(|e| format!("core {core}: {e}"))?;
    }
    sched_setaffinity(this_thread(), &set).map_err(|e| format!("the cores: {e}"))
}

#[cfg(not(target_os = "linux"))]
impl Cores {
    /// Other systems place threads as they like.
    pub fn share() -> Result<Self, String> {
        Ok(Cores { envoy: None, all: std::thread::available_parallelism().map_or(1, usize::from) })
    }

    /// Does it.
    pub fn on_envoys<T>(self, does: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        does()
    }

    /// Does it.
    pub fn on_any<T>(self, does: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        does()
    }
}

impl Cores {
    /// How they are shared, for a report.
    #[must_use]
    pub fn told(self) -> String {
        self.envoy.map_or("Envoy and the load share the core".to_owned(), |core| {
            format!("Envoy on core {core} alone, the load on the others")
        })
    }
}

/// What the figures were measured on.
#[derive(Clone, Debug)]
pub struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    envoy: String,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// When Envoy does not say its version.
    pub fn this(cores: Cores) -> Result<Self, String> {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let output = Command::new(envoy::binary()?).arg("--version").output();
        let text = output.map_err(|e| format!("Envoy: {e}"))?.stdout;
        Ok(Machine {
            cores: cores.all,
            processor: processor(&read("/proc/cpuinfo")).unwrap_or("unknown").to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            envoy: version(&String::from_utf8_lossy(&text)).unwrap_or("unknown").to_owned(),
        })
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Machine { cores, processor, kernel, envoy } = self;
        format!("{cores} cores of {processor}, Linux {kernel}, Envoy {envoy}")
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Machine { cores, processor, kernel, envoy } = self;
        json!({"cores": cores, "processor": processor, "kernel": kernel, "envoy": envoy})
    }
}

/// How many threads waited for a core in the last minute, on average: above
/// what the bench itself needs, others were at work.
#[must_use]
pub fn load() -> Option<f64> {
    first_number(&fs::read_to_string("/proc/loadavg").ok()?)
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// `model name : AMD EPYC`, with a tab
fn processor(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim())
}

/// `…/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
fn version(text: &str) -> Option<&str> {
    text.split_once("version: ")?.1.split('/').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn work_is_accounted_and_waiting_is_not() {
        let me = std::process::id();
        let before = cpu_time(me).unwrap();
        let mut sum = 0_u64;
        while cpu_time(me).unwrap() < before + Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let slept = cpu_time(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(slept > Duration::ZERO && slept < Duration::from_millis(40), "{slept:?}");
        assert!(cpu_time(child.id()).is_err());
    }

    #[test]
    fn what_the_system_prints_is_read() {
        assert_eq!(first_number("0.42 1.50 2.00 1/99 4242\n"), Some(0.42));
        assert_eq!(first_number(""), None);
        assert_eq!(processor("processor\t: 0\nmodel name\t: A B\n"), Some("A B"));
        assert_eq!(processor("processor\t: 0\n"), None);
        assert_eq!(version("\nenvoy  version: 9e/1.40.0/Clean/RELEASE/x\n"), Some("1.40.0"));
        assert_eq!(version("something else"), None);
    }
}
