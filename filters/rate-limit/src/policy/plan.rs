//! What the callers of a limit, of a plan of it or of an override may do, as a policy says it.

use postern_core::config::schema::Schema;
use postern_core::config::{At, AtLeastOne, Decode, Errors, Value, decode_text};

use super::amount::{AmountConfig, Quota, QuotaConfig, Window, WindowConfig};
use super::at_once::{AtOnce, Way};
use super::limit::Plan;

postern_core::config! {
    pub(super) struct AllowanceConfig {
        /// How many requests in each window; or `claim`, with what holds otherwise.
        quota: Option<QuotaConfig>,
        /// The window, in whole seconds.
        window: Option<Window>,
        /// `gcra` only: how many requests at once; `quota` if left out.
        burst: Option<Quota>,
        /// Several windows at once, in place of `quota` and `window`.
        windows: AtLeastOne<WindowConfig> = AtLeastOne::default(),
        /// How many requests may be under way at a time, where the limit says that.
        concurrency: Option<QuotaConfig>,
    }
}

impl AllowanceConfig {
    pub(super) fn check(self, id: &str, way: Way, at: At<'_>, errors: &mut Errors) -> Option<Plan> {
        let AllowanceConfig { quota, window, burst, windows, concurrency } = self;
        match way {
            Way::AtOnce => AtOnce::check(concurrency, id, at, errors).map(Plan::AtOnce),
            Way::Rate(algorithm) => {
                let own = AmountConfig { quota, window, burst, windows };
                own.check(id, algorithm, at, errors).map(Plan::Limited)
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum PlanConfig {
    Unlimited,
    Limited(AllowanceConfig),
}

const PLAN: &str = "`unlimited` or a mapping with `quota` and `window`";

impl PlanConfig {
    pub(super) fn check(self, id: &str, way: Way, at: At<'_>, errors: &mut Errors) -> Option<Plan> {
        let PlanConfig::Limited(own) = self else { return Some(Plan::Unlimited) };
        way.check(at, errors)?;
        own.check(id, way, at, errors)
    }
}

impl Decode for PlanConfig {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Text(_) => decode_text(at, errors, PLAN, |text| match text {
                "unlimited" => Ok(PlanConfig::Unlimited),
                _ => Err(format!("expected {PLAN}")),
            }),
            Value::Map(_) => AllowanceConfig::decode(at, errors).map(PlanConfig::Limited),
            _ => {
                at.expected(errors, PLAN);
                None
            }
        }
    }

    fn schema() -> Schema {
        let unlimited = Schema::Text { expected: "`unlimited`", pattern: Some("^unlimited$") };
        Schema::AnyOf(vec![unlimited, AllowanceConfig::schema()])
    }
}
