//! What is printed, and what is written for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::account::{Cores, Machine};
use crate::bench::figures::{Quartiles, additions, ratio};
use crate::bench::run::Options;
use crate::bench::section::{Goal, quartiles, shown};

/// The costs of one variant.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// The one whose cost is taken off for what it adds.
    pub base: Option<&'static str>,
    /// Microseconds per request, one a round.
    pub costs: Vec<f64>,
}

/// All that was measured; the first variant is what the others are paired with.
#[derive(Clone, Debug)]
pub struct Report {
    /// The variants.
    pub measured: Vec<Measured>,
    /// How many of the rounds each start of all of them saw.
    pub starts: Vec<usize>,
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

    fn costs(&self, name: &str) -> Option<&[f64]> {
        self.measured.iter().find(|one| one.name == name).map(|one| one.costs.as_slice())
    }

    /// What a request costs with each.
    #[must_use]
    pub fn costs_of_all(&self) -> Vec<(String, Quartiles)> {
        self.measured.iter().map(|one| (one.name.clone(), Quartiles::of(&one.costs))).collect()
    }

    /// What one adds to its base, round by round.
    fn additions_of(&self, name: &str) -> Option<Vec<f64>> {
        let one = self.measured.iter().find(|one| one.name == name)?;
        let base = one.base.filter(|base| *base != name)?;
        Some(additions(&one.costs, self.costs(base)?))
    }

    fn addition(&self, name: &str) -> Option<Quartiles> {
        self.additions_of(name).map(|all| Quartiles::of(&all))
    }

    /// One variant's addition over another's, and how sure that is.
    fn ratio(&self, of: &str, to: &str) -> Option<(f64, [f64; 2])> {
        let (of, to) = (self.additions_of(of)?, self.additions_of(to)?);
        Some(ratio(&of, &to, &self.starts))
    }

    /// What the run says of the goals that it can tell of.
    #[must_use]
    pub fn goals(&self) -> Vec<Goal> {
        let goal = |name: &str, at_most: f64, figure: Option<(f64, [f64; 2])>| {
            figure.map(|(value, between)| Goal { name: name.to_owned(), value, between, at_most })
        };
        let whole =
            |of: &str, to: &str| Some(ratio(self.costs(of)?, self.costs(to)?, &self.starts));
        let mut goals: Vec<Goal> = self
            .ratios()
            .into_iter()
            .filter(|(name, ..)| !name.starts_with("floor"))
            .map(|(name, value, between)| Goal {
                name: format!("ratio {name}"),
                value,
                between,
                at_most: 1.0,
            })
            .collect();
        goals.extend(goal("all of a request over Node.js's", 1.0 / 6.0, whole("ours", "Node.js")));
        let many = whole("ours, many rules", "ours");
        goals.extend(goal("all of a request, with many rules over few", 1.05, many));
        goals
    }

    /// What one costs more than another, of each round.
    fn more(&self, of: &str, to: &str) -> Option<Quartiles> {
        let costs = |name: &str| Some(&self.measured.iter().find(|m| m.name == name)?.costs);
        Some(Quartiles::of(&additions(costs(of)?, costs(to)?)))
    }

    fn ratios(&self) -> Vec<(&'static str, f64, [f64; 2])> {
        let named = [
            ("warm", "ours", "stock+cache"),
            ("cold", "ours, cold", "stock, cold"),
            ("floor, warm", "crossings", "stock+cache"),
            ("floor, cold", "crossings, cold", "stock, cold"),
        ];
        let known = |(name, of, to)| {
            let (value, between) = self.ratio(of, to)?;
            Some((name, value, between))
        };
        named.into_iter().filter_map(known).collect()
    }

    /// The table, the noise, the machine, the ratios.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!(
            "CPU microseconds per request of the gateway's process\n\n{:<18} {:>24}   {:>24}\n",
            "variant", "cost [quartiles]", "addition [quartiles]"
        );
        for one in &self.measured {
            let cost = shown(Quartiles::of(&one.costs));
            let addition = self.addition(&one.name).map_or_else(String::new, shown);
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
        for goal in self.goals() {
            out += &format!("{}\n", goal.line());
        }
        for (name, ratio, _) in self.ratios() {
            out += &format!("ratio {name}: {ratio:.2}\n");
        }
        out
    }

    /// The bare Envoy's quartiles, and what a second bare one "adds".
    fn noise(&self) -> String {
        let Some(bare) = self.measured.first() else { return String::new() };
        let spread = Quartiles::of(&bare.costs).spread() * 100.0;
        let again = self
            .addition("bare again")
            .map_or(String::new(), |again| format!(", a second bare Envoy adds {}", shown(again)));
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
        let variants = self.measured.iter().map(|one| {
            let addition = self.addition(&one.name).map_or(Value::Null, quartiles);
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
            .map(|(name, value, _)| (name.to_owned(), json!(value)))
            .collect();
        let noise = self.measured.first().map(|bare| Quartiles::of(&bare.costs).spread());
        json!({
            "variants": variants.collect::<Vec<_>>(),
            "ratios": ratios,
            "goals": self.goals().iter().map(Goal::to_json).collect::<Vec<_>>(),
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
