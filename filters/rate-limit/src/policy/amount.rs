//! How much: a quota per window, or several of them.

use std::borrow::Cow;
use std::rc::Rc;

use postern_core::config::schema::Schema;
use postern_core::config::{
    At, AtLeastOne, Count, Decode, Errors, Name, Period, Text, Value, decode_text, parse_duration,
};

use crate::allowance::{Allowance, WINDOWS};
use crate::key::Caller;
use crate::rate::{Algorithm, LONGEST, Rate};

/// How many requests.
pub(crate) type Quota = Count<1, 1_000_000_000>;

postern_core::config! {
    /// One of several windows.
    struct RateConfig {
        /// How many requests in each window; or `claim`, with what holds otherwise.
        quota: QuotaConfig,
        /// The window, in whole seconds.
        window: Window,
        /// `gcra` only: how many requests at once; `quota` if left out.
        burst: Option<Quota>,
        /// What clients are told it is called; the limit's id and the window if left
        /// out.
        name: Option<Name>,
    }

    /// A quota that a claim of the caller says.
    pub(super) struct ClaimConfig {
        /// The claim: a whole number. 0 lets nothing pass. Callers of another quota are
        /// counted by themselves.
        claim: Text,
        /// What holds where the claim is missing or is no such number.
        otherwise: Quota,
        /// The most that a claim may say.
        most: Quota = Count::new(1_000_000_000),
    }
}

/// What a limit, a plan or an override comes to: windows, and what they are called.
#[derive(Clone, Debug)]
pub struct Windows {
    allowance: Allowance,
    names: Vec<Rc<str>>,
    /// Quotas that a claim says, by place.
    claims: Vec<(usize, Claimed)>,
}

#[derive(Clone, Debug)]
struct Claimed {
    claim: Text,
    most: u32,
    own_burst: Option<u32>,
}

/// What holds for a caller.
pub(crate) enum Holds<'p> {
    /// This.
    Allowance(Cow<'p, Allowance>),
    /// Nothing may pass, in the window of this number.
    Nothing(usize),
}

impl Windows {
    /// The windows as they hold where no claim says otherwise.
    #[must_use]
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// What each window is called.
    pub(crate) fn name(&self, window: usize) -> Rc<str> {
        self.names.get(window).cloned().unwrap_or_else(|| "".into())
    }

    /// The most that a request may cost. `None`: a claim says so.
    pub(super) fn most(&self) -> Option<u64> {
        if self.reads_claims() { None } else { self.allowance.rates().map(Rate::most).min() }
    }

    /// Does it depend on the caller's claims?
    pub(crate) fn reads_claims(&self) -> bool {
        !self.claims.is_empty()
    }

    pub(crate) fn for_caller(&self, caller: &Caller<'_>) -> Holds<'_> {
        if self.claims.is_empty() {
            return Holds::Allowance(Cow::Borrowed(&self.allowance));
        }
        let mut rates: Vec<Rate> = self.allowance.rates().copied().collect();
        for (place, claimed) in &self.claims {
            let said = caller.number(claimed.claim.as_str());
            let Some((rate, said)) = rates.get_mut(*place).zip(said) else { continue };
            let quota = u32::try_from(said).unwrap_or(u32::MAX).min(claimed.most);
            if quota == 0 {
                return Holds::Nothing(*place);
            }
            let burst = claimed.own_burst.unwrap_or(quota);
            let changed = Rate::new(rate.algorithm(), quota, rate.window(), burst);
            // A burst that would take more than a year to come back is as long.
            *rate = changed.or_else(|| rate.with_quota(quota)).unwrap_or(*rate);
        }
        let mut rates = rates.into_iter();
        match rates.next() {
            Some(first) => Holds::Allowance(Cow::Owned(Allowance::new(first, rates.collect()))),
            None => Holds::Allowance(Cow::Borrowed(&self.allowance)),
        }
    }
}

/// A limit's, a plan's or an override's own keys.
pub(super) struct AmountConfig {
    pub(super) quota: Option<QuotaConfig>,
    pub(super) window: Option<Window>,
    pub(super) burst: Option<Quota>,
    pub(super) windows: AtLeastOne<WindowConfig>,
}

impl AmountConfig {
    /// Checks its parts against each other.
    pub(super) fn check(
        self,
        id: &str,
        algorithm: Algorithm,
        at: At<'_>,
        errors: &mut Errors,
    ) -> Option<Windows> {
        let AmountConfig { quota, window, burst, windows } = self;
        let given = |key: &str| at.node().get(key).is_some();
        if given("windows") {
            if let Some(key) = ["quota", "window", "burst"].iter().find(|key| given(key)) {
                at.error(errors, format!("`{key}` has no place beside `windows`"));
                return None;
            }
            return several(windows.into_vec(), id, algorithm, at, errors);
        }
        for key in ["quota", "window"].iter().filter(|key| !given(key)) {
            at.error(errors, format!("missing key `{key}`"));
        }
        let (rate, claimed) = rate(algorithm, &quota?, window?, burst, at, errors)?;
        together(vec![(rate, claimed, id.into())], at, errors)
    }
}

fn several(
    windows: Vec<WindowConfig>,
    id: &str,
    algorithm: Algorithm,
    at: At<'_>,
    errors: &mut Errors,
) -> Option<Windows> {
    let place = at.node().get("windows").unwrap_or(at.node());
    let at = at.key("windows", place);
    if windows.len() > WINDOWS {
        at.error(errors, format!("expected at most {WINDOWS} windows"));
        return None;
    }
    let alone = windows.len() == 1;
    let mut rates = Vec::new();
    for (i, WindowConfig(config, text)) in windows.into_iter().enumerate() {
        let node = match &place.value {
            Value::List(items) => items.get(i).unwrap_or(place),
            _ => place,
        };
        let RateConfig { quota, window, burst, name } = config;
        let name = match name {
            Some(name) => name.as_str().into(),
            None if alone => id.into(),
            None => format!("{id}.{text}").into(),
        };
        let checked = rate(algorithm, &quota, window, burst, at.index(i, node), errors);
        rates.extend(checked.map(|(rate, claimed)| (rate, claimed, name)));
    }
    together(rates, at, errors)
}

type Checked = (Rate, Option<Claimed>, Rc<str>);

fn together(rates: Vec<Checked>, at: At<'_>, errors: &mut Errors) -> Option<Windows> {
    let mut names: Vec<Rc<str>> = Vec::new();
    let mut claims = Vec::new();
    let mut all = Vec::new();
    for (place, (rate, claimed, name)) in rates.into_iter().enumerate() {
        if names.contains(&name) {
            at.error(errors, format!("two windows are called `{name}`"));
        }
        claims.extend(claimed.map(|claimed| (place, claimed)));
        names.push(name);
        all.push(rate);
    }
    let mut all = all.into_iter();
    let allowance = Allowance::new(all.next()?, all.collect());
    Some(Windows { allowance, names, claims })
}

fn rate(
    algorithm: Algorithm,
    quota: &QuotaConfig,
    window: Window,
    burst: Option<Quota>,
    at: At<'_>,
    errors: &mut Errors,
) -> Option<(Rate, Option<Claimed>)> {
    let place = at.node().get("burst").unwrap_or(at.node());
    if burst.is_some() && algorithm != Algorithm::Gcra {
        let message = match algorithm {
            Algorithm::SlidingWindow => "a sliding window has no burst of its own",
            _ => "a fixed window has no burst of its own",
        };
        at.key("burst", place).error(errors, message);
        return None;
    }
    let number = |n: Quota| u32::try_from(n.get()).unwrap_or(u32::MAX);
    let own_burst = burst.map(number);
    let (quota, claimed) = match quota {
        QuotaConfig::Number(quota) => (number(*quota), None),
        QuotaConfig::Claim(ClaimConfig { claim, otherwise, most }) => {
            let claimed = Claimed { claim: claim.clone(), most: number(*most), own_burst };
            (number(*otherwise), Some(claimed))
        }
    };
    let rate = Rate::new(algorithm, quota, window.0, own_burst.unwrap_or(quota));
    if rate.is_none() {
        let message =
            "expected a burst that comes back within 366 days at the rate of `quota` per `window`";
        at.key("burst", place).error(errors, message);
    }
    rate.map(|rate| (rate, claimed))
}

#[derive(Clone, Debug)]
pub(super) enum QuotaConfig {
    Number(Quota),
    Claim(ClaimConfig),
}

impl Decode for QuotaConfig {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Map(_) => ClaimConfig::decode(at, errors).map(QuotaConfig::Claim),
            _ => Quota::decode(at, errors).map(QuotaConfig::Number),
        }
    }

    fn schema() -> Schema {
        Schema::AnyOf(vec![Quota::schema(), ClaimConfig::schema()])
    }
}

/// A window: whole seconds, so that clients can be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window(u64);

impl Window {
    pub(crate) fn seconds(self) -> u64 {
        self.0
    }
}

impl Decode for Window {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let period = Period::decode(at, errors)?.get();
        if period > LONGEST || period.subsec_nanos() != 0 {
            at.error(errors, "expected whole seconds such as `1s`, `5m`, `2h` or `1d`");
            return None;
        }
        Some(Window(period.as_secs()))
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a window of whole seconds such as `1s`, `5m`, `2h` or `1d`",
            pattern: Some("^[0-9]{1,9}(ms|s|m|h|d)$"),
        }
    }
}

/// A window in short, `1000/h`, or at length; and the window as it was written.
#[derive(Clone, Debug)]
pub(super) struct WindowConfig(RateConfig, String);

const SHORT: &str = "a quota and a window such as `10/s`, `1000/h`, `50000/day` or `300/15m`";

impl Decode for WindowConfig {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        if let Value::Map(_) = &at.node().value {
            let config = RateConfig::decode(at, errors)?;
            let text = match at.node().get("window").map(|node| &node.value) {
                Some(Value::Text(text)) => text.clone(),
                _ => String::new(),
            };
            return Some(WindowConfig(config, text));
        }
        decode_text(at, errors, &format!("{SHORT}, or a mapping"), |text| {
            short(text).ok_or_else(|| format!("expected {SHORT}"))
        })
    }

    fn schema() -> Schema {
        let pattern = "^[0-9]{1,10}/(sec|second|min|minute|hour|day|[0-9]{0,9}[smhd])$";
        let short = Schema::Text { expected: SHORT, pattern: Some(pattern) };
        Schema::AnyOf(vec![short, RateConfig::schema()])
    }
}

fn short(text: &str) -> Option<WindowConfig> {
    let (quota, window) = text.split_once('/')?;
    let plain = !quota.is_empty() && quota.len() <= 10 && quota.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = quota.parse().ok().filter(|_| plain)?;
    let quota = Quota::new(number);
    let window = match window {
        "sec" | "second" => "1s".to_owned(),
        "min" | "minute" => "1m".to_owned(),
        "hour" => "1h".to_owned(),
        "day" => "1d".to_owned(),
        "s" | "m" | "h" | "d" => format!("1{window}"),
        other => other.to_owned(),
    };
    let length = parse_duration(&window).filter(|d| !d.is_zero() && d.subsec_nanos() == 0)?;
    let config = RateConfig {
        quota: QuotaConfig::Number(quota),
        window: Window(length.as_secs()),
        burst: None,
        name: None,
    };
    (quota.get() == number).then_some(WindowConfig(config, window))
}
