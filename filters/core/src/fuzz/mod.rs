//! Parsers under bytes that an attacker makes.
//!
//! A table of targets, each a function of bytes that asserts what holds for all
//! of them, and a generator that needs no instrumentation: it makes inputs out of
//! good ones, the same in each run. `cargo test` runs each target for a moment;
//! `POSTERN_FUZZ` multiplies that. See CONTRIBUTING.md.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "targets assert; nothing of this is in a module"
)]

mod generate;
mod own;

use std::cell::Cell;
use std::fmt::Debug;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::{Duration, Instant};

use generate::{Generator, Random};
pub use own::TARGETS;

/// A parser, good inputs, and what has to hold.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, unique in its table.
    pub name: &'static str,
    /// What it reads.
    pub about: &'static str,
    /// So many inputs are tried in an ordinary run.
    pub runs: u64,
    /// Inputs that mean something, to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What means something inside an input.
    pub words: &'static [&'static str],
    /// Panics if the input breaks what has to hold.
    pub call: fn(&[u8]),
}

/// A table of [`Target`]s, and a test for each: `name: runs, seeds, words, call;`.
#[macro_export]
macro_rules! fuzz_targets {
    ($($(#[doc = $doc:literal])+ $name:ident: $runs:literal, $seeds:expr, $words:expr, $call:path;)+) => {
        /// The targets of this crate.
        pub const TARGETS: &[$crate::fuzz::Target] = &[$(
            $crate::fuzz::Target {
                name: stringify!($name),
                about: concat!($($doc),+),
                runs: $runs,
                seeds: $seeds,
                words: $words,
                call: $call,
            },
        )+];

        #[cfg(test)]
        mod each {
            $(
                #[test]
                fn $name() {
                    $crate::fuzz::run(super::TARGETS, stringify!($name));
                }
            )+
        }
    };
}

/// Multiplies how many inputs are tried.
const FACTOR: &str = "POSTERN_FUZZ";

/// Tries one target of a table.
///
/// # Panics
/// With an input that breaks what has to hold, made as short as was easy.
pub fn run(targets: &[Target], name: &str) {
    let target = targets.iter().find(|target| target.name == name).expect("a target");
    let factor = match std::env::var(FACTOR) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{FACTOR}: expected a whole number")),
        Err(_) => 1,
    };
    let runs = target.runs.saturating_mul(factor);
    match search(target, runs) {
        Ok((time, bytes)) if factor > 1 => {
            eprintln!("{name}: {runs} inputs; the slowest, of {bytes} bytes, took {time:?}");
        }
        Ok(_) => {}
        Err(found) => panic!("{found}"),
    }
}

/// Tries so many inputs. Returns how long the slowest took, and its length; or the
/// input that breaks what has to hold, and how.
fn search(target: &Target, runs: u64) -> Result<(Duration, usize), String> {
    let seeds = (target.seeds)();
    let generator = Generator::new(&seeds, target.words);
    let mut slowest = (Duration::ZERO, 0);
    for number in 0..runs {
        // Each input can be made without those before it; the good ones come first.
        let input = match usize::try_from(number).ok().and_then(|n| seeds.get(n)) {
            Some(seed) => seed.clone(),
            None => generator.input(&mut Random::of(target.name, number)),
        };
        let began = Instant::now();
        if let Err(why) = attempt(target.call, &input) {
            let short = shorten(input, |input| attempt(target.call, input).is_err());
            let why = attempt(target.call, &short).err().unwrap_or(why);
            let (name, about) = (target.name, target.about.trim());
            let shown = short.escape_ascii();
            return Err(format!(
                "`{name}` ({about}) input {number}, shortened:\n  b\"{shown}\"\n{why}"
            ));
        }
        slowest = slowest.max((began.elapsed(), input.len()));
    }
    Ok(slowest)
}

/// For a fuzzer that brings its own inputs: calls the target of this name.
///
/// # Panics
/// If the input breaks what has to hold.
pub fn call(targets: &[Target], name: &str, input: &[u8]) {
    let target = targets.iter().find(|target| target.name == name).expect("a target");
    (target.call)(input);
}

/// Asks twice; both answers have to be the same.
#[track_caller]
pub fn twice<T: PartialEq + Debug>(ask: impl Fn() -> T) -> T {
    let first = ask();
    assert_eq!(first, ask(), "asked twice");
    first
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What the target says against an input. The panics on the way to the shortest
/// are not printed.
fn attempt(target: fn(&[u8]), input: &[u8]) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                usual(info);
            }
        }));
    });
    IS_QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(|| target(input)));
    IS_QUIET.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })
}

/// Leaves out pieces for as long as it still fails.
fn shorten(mut input: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut attempts = 0;
    let mut piece = input.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < input.len() && attempts < 5_000 {
            let end = (at + piece).min(input.len());
            let shorter = [&input[..at], &input[end..]].concat();
            attempts += 1;
            if fails(&shorter) {
                input = shorter;
            } else {
                at = end;
            }
        }
        piece /= 2;
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds() -> Vec<Vec<u8>> {
        vec![b"{\"alg\":\"none\",\"n\":12}".to_vec(), b"a.b.c".to_vec()]
    }

    fn tried(call: fn(&[u8])) -> Result<(), String> {
        let target =
            Target { name: "t", about: " A test.", runs: 0, seeds, words: &["crit"], call };
        search(&target, 2_000).map(drop)
    }

    #[test]
    fn a_mistake_is_found_and_made_short() {
        fn has(input: &[u8]) -> bool {
            input.windows(4).any(|w| w == b"crit")
        }
        let found = tried(|input| assert!(!has(input), "it is crit")).unwrap_err();
        let (head, tail) = found.split_once(", shortened:\n").unwrap();
        assert!(head.starts_with("`t` (A test.) input "), "{head}");
        assert_eq!(tail, "  b\"crit\"\nit is crit");
        assert_eq!(tried(|input| assert!(!has(input), "it is crit")), Err(found), "in each run");
    }

    #[test]
    fn a_mistake_deep_inside_is_found() {
        // Two changes to one seed, of which each alone is none.
        let found = tried(|input| {
            let has = |part: &[u8]| input.windows(part.len()).any(|w| w == part);
            assert!(!(has(b"\"crit\"") && has(b"\"n\":") && !has(b"12}")));
        });
        assert!(found.is_err());
    }

    #[test]
    fn what_holds_is_not_complained_of() {
        assert_eq!(tried(|_| {}), Ok(()));
    }
}
