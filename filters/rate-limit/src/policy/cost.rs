//! What a request costs.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Value};
use postern_core::rules::{HeaderName, Match};
use postern_core::{Headers, Response};

/// Units of a limit.
type Units = Count<0, 1_000_000>;

postern_core::config! {
    /// What some requests cost.
    pub(super) struct CostConfig {
        /// What requests it is for; `{}`: all of them.
        r#match: Match,
        /// What they cost when they are let through: a number, or what a header says.
        /// 0 counts nothing, but once nothing is left such requests are refused too.
        cost: Source = Source::Units(1),
        /// What they have cost by their answers, in place of that: the first that
        /// applies. What is over is taken even where it is not left, and has to come back
        /// first: with `gcra` however long that takes, up to 366 days; windows forget it
        /// when they end. What is given back is given to the window that it was spent in.
        /// A request that ends without an answer has cost what it cost when it came.
        /// With `engine: service` answers may cost more, not less: what is over is told to
        /// the service within about a second, and what is told of one that is down is lost.
        answers: Vec<AnswerCost> = Vec::new(),
    }

    /// A number of units that a header says.
    struct HeaderConfig {
        /// The header. Of a request, only one that clients cannot send themselves.
        header: HeaderName,
        /// The most that it may say.
        most: Count<1, 1_000_000>,
        /// What holds where it is missing or is no whole number.
        otherwise: Units = Count::new(1),
    }

    /// What an answer says a request has cost.
    struct AnswerConfig {
        /// Answers with these statuses; all if left out.
        statuses: Vec<Count<100, 599>> = Vec::new(),
        /// `true`: only if it is known by then who called; `false`: only if it is not.
        /// For a mount before `auth`, which learns it on the way back.
        authenticated: Option<bool>,
        /// What the request has cost: a number, or what a header of the answer says.
        cost: Source,
    }
}

/// What requests cost.
#[derive(Clone, Debug)]
pub struct Cost {
    cost: Source,
    answers: Vec<AnswerCost>,
}

impl Cost {
    pub(super) fn new(config: CostConfig) -> (Match, Self) {
        let CostConfig { r#match, cost, answers } = config;
        (r#match, Cost { cost, answers })
    }

    pub(crate) fn of_request(&self, headers: &Headers<'_>) -> u64 {
        self.cost.of(headers)
    }

    /// The least that it may be.
    pub(super) fn least(&self) -> u64 {
        self.units().unwrap_or(0)
    }

    /// What it is, if no header says it.
    pub(crate) fn units(&self) -> Option<u64> {
        self.cost.units()
    }

    /// The same of each answer.
    pub(crate) fn units_of_answers(&self) -> impl Iterator<Item = Option<u64>> {
        self.answers.iter().map(|answer| answer.cost.units())
    }

    /// Is it known with the answer only?
    pub(crate) fn looks_at_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// `None`: what it cost at first. `is_known`: is it known who called?
    pub(crate) fn of_answer(
        &self,
        response: &Response<'_>,
        is_known: impl Fn() -> bool,
    ) -> Option<u64> {
        let status = response.status().map(u64::from);
        let applies = |answer: &&AnswerCost| {
            let has = |status| answer.statuses.contains(&status);
            (answer.statuses.is_empty() || status.is_some_and(has))
                && answer.authenticated.is_none_or(|wanted| wanted == is_known())
        };
        let answer = self.answers.iter().find(applies)?;
        Some(answer.cost.of(response.headers()))
    }
}

#[derive(Clone, Debug)]
struct AnswerCost {
    statuses: Vec<u64>,
    authenticated: Option<bool>,
    cost: Source,
}

impl Decode for AnswerCost {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let AnswerConfig { statuses, authenticated, cost } = AnswerConfig::decode(at, errors)?;
        let statuses = statuses.into_iter().map(Count::get).collect();
        Some(AnswerCost { statuses, authenticated, cost })
    }

    fn schema() -> Schema {
        AnswerConfig::schema()
    }
}

#[derive(Clone, Debug)]
enum Source {
    Units(u64),
    Header { name: HeaderName, most: u64, otherwise: u64 },
}

impl Source {
    fn units(&self) -> Option<u64> {
        match self {
            Source::Units(units) => Some(*units),
            Source::Header { .. } => None,
        }
    }

    fn of(&self, headers: &Headers<'_>) -> u64 {
        match self {
            Source::Units(units) => *units,
            Source::Header { name, most, otherwise } => {
                let mut values = headers.all(name.as_str());
                let said = match (values.next(), values.next()) {
                    (Some(value), None) => number(value),
                    _ => None,
                };
                said.map_or(*otherwise, |units| units.min(*most))
            }
        }
    }
}

/// A whole number; what is larger than 64 bits is the largest of them.
fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
    Some(text.parse().unwrap_or(u64::MAX))
}

impl Decode for Source {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        if let Value::Map(_) = &at.node().value {
            let HeaderConfig { header, most, otherwise } = HeaderConfig::decode(at, errors)?;
            let (most, otherwise) = (most.get(), otherwise.get());
            return Some(Source::Header { name: header, most, otherwise });
        }
        Units::decode(at, errors).map(|units| Source::Units(units.get()))
    }

    fn schema() -> Schema {
        Schema::AnyOf(vec![Units::schema(), HeaderConfig::schema()])
    }
}
