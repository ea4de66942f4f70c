//! All that the bench can tell.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::figures::Quartiles;
use crate::bench::report::Report;
use crate::bench::run::{Options, prepare, run};
use crate::bench::section::{Goal, Section, Verdict};
use crate::bench::setup::Bench;
use crate::bench::variant::PEERS;
use crate::bench::{chart, edits, latency, memory, mount, workers};

/// A full report.
#[derive(Debug)]
pub struct Full {
    cost: Report,
    sections: Vec<Section>,
    took: Duration,
}

/// How a part is measured.
pub type Part = fn(&Bench<'_>, &dyn Fn() -> bool) -> Result<Section, String>;

/// What is measured beside the CPU times, by name.
pub const PARTS: [(&str, Part); 5] = [
    ("latency", latency::measure),
    ("memory", memory::memory),
    ("start-up", memory::start_up),
    ("workers", workers::measure),
    ("edits", edits::measure),
];

/// What the CPU times are measured with, so that all is over within 15 minutes.
#[must_use]
pub fn options() -> Options {
    Options { limit: Duration::from_secs(330), ..Options::quick() }
}

/// Measures all of it.
///
/// # Errors
/// What keeps a variant from running or from doing its work; the wish to stop.
pub fn measure(
    built: &mount::Built,
    folder: &Path,
    options: &Options,
    stop: &dyn Fn() -> bool,
) -> Result<Full, String> {
    let begun = Instant::now();
    let bench = prepare(built, folder, PEERS, options)?;
    let cost = run(&bench, PEERS, options, stop)?;
    let mut sections = Vec::new();
    for (_, part) in PARTS {
        sections.push(part(&bench, stop)?);
    }
    Ok(Full { cost, sections, took: begun.elapsed() })
}

impl Full {
    /// Tables, and what they say of the goals.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = self.cost.text();
        for section in &self.sections {
            out += &section.text();
        }
        let goals = self.cost.goals();
        let all: Vec<Verdict> = goals
            .iter()
            .chain(self.sections.iter().flat_map(|section| &section.goals))
            .map(Goal::verdict)
            .collect();
        let of = |verdict| all.iter().filter(|it| **it == verdict).count();
        out += &format!(
            "\n{} goals held, {} missed, {} that this run cannot tell; {:.0} s\n",
            of(Verdict::Held),
            of(Verdict::Missed),
            of(Verdict::Unsure),
            self.took.as_secs_f64(),
        );
        out
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut out = self.cost.to_json();
        let sections = self.sections.iter().map(|one| (one.name.to_owned(), one.to_json()));
        if let Value::Object(members) = &mut out {
            members.insert("sections".to_owned(), Value::Object(sections.collect()));
            members.insert("seconds_in_all".to_owned(), json!(self.took.as_secs_f64()));
        }
        out
    }

    /// Writes a chart of each part into a folder.
    ///
    /// # Errors
    /// What cannot be drawn or written.
    pub fn charts(&self, folder: &Path) -> Result<(), String> {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let write = |name: &str, title: &str, rows: &[(String, Quartiles)]| {
            let file = folder.join(format!("{name}.svg"));
            let svg = chart::bars(title, rows)?;
            fs::write(&file, svg).map_err(|e| format!("{}: {e}", file.display()))
        };
        write("cost", "CPU microseconds per request", &self.cost.costs_of_all())?;
        for section in &self.sections {
            let figure = |(name, all): &(String, Vec<Quartiles>)| {
                all.get(section.charted).map(|figure| (name.clone(), *figure))
            };
            let rows: Vec<_> = section.rows.iter().filter_map(figure).collect();
            let column = section.columns.get(section.charted).map_or("", String::as_str);
            write(section.name, &format!("{}: {column}", section.title), &rows)?;
        }
        Ok(())
    }
}
