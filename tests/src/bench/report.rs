//! What is printed, and what is written for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::account::{Cores, Machine};
use crate::bench::figures::{Quartiles, additions};
use crate::bench::run::Options;

/// The costs of one variant.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// Microseconds per request, one a round.
    pub costs: Vec<f64>,
}

/// All that was measured; the first variant is what the others are paired with.
#[derive(Clone, Debug)]
pub struct Report {
    /// The variants.
    pub measured: Vec<Measured>,
    /// What was asked for.
    pub options: Options,
    /// Where.
    pub machine: Machine,
    /// Which cores were whose.
    pub cores: Cores,
    /// The load of the last minute, before and after.
    pub load: [Option<f64>; 2],
    /// How long it took, starting and checking included.
    pub took: Duration,
}

impl Report {
    fn rounds(&self) -> usize {
        self.measured.first().map_or(0, |bare| bare.costs.len())
    }

    fn addition(&self, measured: &Measured) -> Quartiles {
        let bare = self.measured.first().map_or(&[][..], |bare| bare.costs.as_slice());
        Quartiles::of(&additions(&measured.costs, bare))
    }

    /// One variant's addition over another's.
    fn ratio(&self, of: &str, to: &str) -> Option<f64> {
        let median = |name: &str| {
            let one = self.measured.iter().find(|m| m.name == name)?;
            Some(self.addition(one).median)
        };
        Some(median(of)? / median(to)?)
    }

    /// What one costs more than another, of each round.
    fn more(&self, of: &str, to: &str) -> Option<Quartiles> {
        let costs = |name: &str| Some(&self.measured.iter().find(|m| m.name == name)?.costs);
        Some(Quartiles::of(&additions(costs(of)?, costs(to)?)))
    }

    fn ratios(&self) -> Vec<(&'static str, f64)> {
        let named = [
            ("warm", "ours", "stock+cache"),
            ("cold", "ours, cold", "stock, cold"),
            ("floor, warm", "crossings", "stock+cache"),
            ("floor, cold", "crossings, cold", "stock, cold"),
        ];
        named.into_iter().filter_map(|(name, of, to)| Some((name, self.ratio(of, to)?))).collect()
    }

    /// The table, the noise, the machine, the ratios.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!(
            "CPU microseconds per request of the Envoy process\n\n{:<18} {:>24}   {:>24}\n",
            "variant", "cost [quartiles]", "addition [quartiles]"
        );
        for (at, one) in self.measured.iter().enumerate() {
            let cost = shown(Quartiles::of(&one.costs));
            let addition = if at == 0 { String::new() } else { shown(self.addition(one)) };
            out += format!("{:<18} {cost:>24}   {addition:>24}", one.name).trim_end();
            out.push('\n');
        }
        let options = &self.options;
        out += &format!(
            "\n{} rounds of {} requests on {} connections per variant, {} starts, one worker, \
             {:.0} s\n",
            self.rounds(),
            options.requests,
            options.connections,
            options.generations,
            self.took.as_secs_f64(),
        );
        out += &format!("machine: {}; {}\n", self.machine.line(), self.cores.told());
        out += &format!("noise: {}\n", self.noise());
        for (of, to) in [("other", "ours"), ("other, cold", "ours, cold")] {
            if let Some(more) = self.more(of, to) {
                out += &format!("{of} costs more than {to}: {}\n", shown(more));
            }
        }
        for (name, ratio) in self.ratios() {
            out += &format!("ratio {name}: {ratio:.2}\n");
        }
        out
    }

    /// The bare Envoy's quartiles, and what a second bare one "adds".
    fn noise(&self) -> String {
        let Some(bare) = self.measured.first() else { return String::new() };
        let spread = Quartiles::of(&bare.costs).spread() * 100.0;
        let again = self.measured.iter().find(|m| m.name == "bare again");
        let again = again.map_or(String::new(), |again| {
            format!(", a second bare Envoy adds {}", shown(self.addition(again)))
        });
        let [before, after] =
            self.load.map(|load| load.map_or("-".to_owned(), |load| format!("{load:.1}")));
        format!(
            "the quartiles of bare are {spread:.0} % of its median apart{again}; \
             load average {before} before, {after} after"
        )
    }

    /// The same figures for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let variants = self.measured.iter().enumerate().map(|(at, one)| {
            let addition = if at == 0 { Value::Null } else { quartiles(self.addition(one)) };
            json!({
                "name": one.name,
                "cost_us": quartiles(Quartiles::of(&one.costs)),
                "addition_us": addition,
                "rounds_us": one.costs,
            })
        });
        let ratios: serde_json::Map<String, Value> = self
            .ratios()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        let noise = self.measured.first().map(|bare| Quartiles::of(&bare.costs).spread());
        json!({
            "variants": variants.collect::<Vec<_>>(),
            "ratios": ratios,
            "noise": {"bare_spread": noise, "load_average": self.load},
            "rounds": self.rounds(),
            "requests": self.options.requests,
            "starts": self.options.generations,
            "connections": self.options.connections,
            "workers": 1,
            "seconds": self.took.as_secs_f64(),
            "machine": self.machine.to_json(),
            "cores": self.cores.told(),
        })
    }
}

fn quartiles(q: Quartiles) -> Value {
    json!({"q1": q.q1, "median": q.median, "q3": q.q3})
}

fn shown(q: Quartiles) -> String {
    format!("{:.1} [{:.1} – {:.1}]", q.median, q.q1, q.q3)
}
