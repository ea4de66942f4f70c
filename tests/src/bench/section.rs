//! A part of the bench's report: a table, what it says of the goals, and its chart.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::bench::figures::{Quartiles, paired_ratio, ratio};

/// A figure that has a bound.
#[derive(Clone, Debug)]
pub struct Goal {
    /// What is compared.
    pub name: String,
    /// As measured.
    pub value: f64,
    /// Where it lies in 95 of 100 such runs, as far as one run can tell.
    pub between: [f64; 2],
    /// It should not be more.
    pub at_most: f64,
}

/// What a run says of a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Held, beyond what chance would do.
    Held,
    /// Missed, beyond what chance would do.
    Missed,
    /// The machine is too noisy to tell.
    Unsure,
}

impl Goal {
    /// Medians of rounds, one over the other; `starts` tells how many rounds each start saw.
    #[must_use]
    pub fn of_ratio(name: &str, of: &[f64], to: &[f64], starts: &[usize], at_most: f64) -> Self {
        let (value, between) = ratio(of, to, starts);
        Goal { name: name.to_owned(), value, between, at_most }
    }

    /// The median of what rounds had over what others had in the same round: for figures that
    /// differ more from round to round than between the two.
    #[must_use]
    pub fn of_pairs(name: &str, of: &[f64], to: &[f64], starts: &[usize], at_most: f64) -> Self {
        let (value, between) = paired_ratio(of, to, starts);
        Goal { name: name.to_owned(), value, between, at_most }
    }

    /// What this run says.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let [low, high] = self.between;
        if high <= self.at_most {
            Verdict::Held
        } else if low > self.at_most {
            Verdict::Missed
        } else {
            Verdict::Unsure
        }
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Goal { name, value, between: [low, high], at_most } = self;
        let said = match self.verdict() {
            Verdict::Held => "held",
            Verdict::Missed => "missed",
            Verdict::Unsure => "too noisy to tell",
        };
        format!("{name}: {value:.2}, between {low:.2} and {high:.2}; at most {at_most:.2}: {said}")
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Goal { name, value, between, at_most } = self;
        let verdict = match self.verdict() {
            Verdict::Held => "held",
            Verdict::Missed => "missed",
            Verdict::Unsure => "unsure",
        };
        json!({
            "name": name,
            "value": value,
            "between": between,
            "at_most": at_most,
            "verdict": verdict,
        })
    }
}

/// A row: a name, and its figures in the order of the columns.
pub type Row = (String, Vec<Quartiles>);

/// A part of the report.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name for files, without spaces.
    pub name: &'static str,
    /// What was measured, and in which unit.
    pub title: &'static str,
    /// The columns after the name.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
    /// What it says of the goals.
    pub goals: Vec<Goal>,
    /// What else a reader has to know.
    pub notes: Vec<String>,
    /// Which column the chart shows.
    pub charted: usize,
}

impl Section {
    /// The table, the goals, the notes.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("\n{}\n\n{:<20}", self.title, "");
        for column in &self.columns {
            let _ = write!(out, " {column:>24}");
        }
        out.push('\n');
        for (name, figures) in &self.rows {
            let _ = write!(out, "{name:<20}");
            for figure in figures {
                let _ = write!(out, " {:>24}", shown(*figure));
            }
            out.push('\n');
        }
        for line in self.goals.iter().map(Goal::line).chain(self.notes.iter().cloned()) {
            let _ = writeln!(out, "{line}");
        }
        out
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|(name, figures)| {
            let figures = self.columns.iter().zip(figures);
            let figures = figures.map(|(column, figure)| (column.clone(), quartiles(*figure)));
            json!({"name": name, "figures": figures.collect::<serde_json::Map<_, _>>()})
        });
        json!({
            "title": self.title,
            "rows": rows.collect::<Vec<_>>(),
            "goals": self.goals.iter().map(Goal::to_json).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

/// Median and quartiles for programs.
#[must_use]
pub fn quartiles(q: Quartiles) -> Value {
    json!({"q1": q.q1, "median": q.median, "q3": q.q3})
}

/// Median and quartiles for people.
#[must_use]
pub fn shown(q: Quartiles) -> String {
    if q.median.is_nan() {
        return String::new();
    }
    format!("{:.1} [{:.1} – {:.1}]", q.median, q.q1, q.q3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_within_the_noise_is_neither_held_nor_missed() {
        let goal = |between| Goal { name: "a".to_owned(), value: 1.0, between, at_most: 1.0 };
        assert_eq!(goal([0.8, 1.0]).verdict(), Verdict::Held);
        assert_eq!(goal([0.9, 1.1]).verdict(), Verdict::Unsure);
        assert_eq!(goal([1.0, 1.1]).verdict(), Verdict::Unsure);
        assert_eq!(goal([1.1, 1.2]).verdict(), Verdict::Missed);
        assert_eq!(goal([f64::NAN, f64::NAN]).verdict(), Verdict::Unsure);
        assert_eq!(
            goal([0.9, 1.1]).line(),
            "a: 1.00, between 0.90 and 1.10; at most 1.00: too noisy to tell"
        );
    }
}
