//! How many at a time: a number, or what a claim of the caller says.

use std::rc::Rc;

use postern_core::config::{At, Errors, Text};

use super::amount::{ClaimConfig, Quota, QuotaConfig};
use crate::key::Caller;
use crate::rate::Algorithm;

/// So many requests may be under way at a time.
#[derive(Clone, Debug)]
pub struct AtOnce {
    most: u32,
    /// The claim that says it, and the most that it may say.
    claim: Option<(Text, u32)>,
    name: Rc<str>,
}

/// What has no place in such a limit.
const OTHERS: [&str; 6] = ["quota", "window", "burst", "windows", "algorithm", "costs"];

impl AtOnce {
    /// Where no claim says otherwise.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.most
    }

    /// Does it depend on the caller's claims?
    pub(crate) fn reads_claims(&self) -> bool {
        self.claim.is_some()
    }

    /// 0: none.
    pub(crate) fn for_caller(&self, caller: &Caller<'_>) -> u32 {
        let said = self.claim.as_ref().and_then(|(claim, most)| {
            let said = caller.number(claim.as_str())?;
            Some(u32::try_from(said).unwrap_or(u32::MAX).min(*most))
        });
        said.unwrap_or(self.most)
    }

    /// What clients are told it is called: the limit's id.
    pub(crate) fn name(&self) -> Rc<str> {
        self.name.clone()
    }

    /// Is a limit, a plan or an override one of these?
    pub(super) fn is_meant(at: At<'_>) -> bool {
        at.node().get("concurrency").is_some()
    }

    pub(super) fn check(
        concurrency: Option<QuotaConfig>,
        id: &str,
        at: At<'_>,
        errors: &mut Errors,
    ) -> Option<Self> {
        for key in OTHERS.iter().filter(|key| at.node().get(key).is_some()) {
            at.error(errors, format!("`{key}` has no place beside `concurrency`"));
        }
        let number = |n: Quota| u32::try_from(n.get()).unwrap_or(u32::MAX);
        let (most, claim) = match concurrency? {
            QuotaConfig::Number(most) => (number(most), None),
            QuotaConfig::Claim(ClaimConfig { claim, otherwise, most }) => {
                (number(otherwise), Some((claim, number(most))))
            }
        };
        Some(AtOnce { most, claim, name: id.into() })
    }
}

/// How a limit counts: all its plans and overrides do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Rate(Algorithm),
    AtOnce,
}

impl Way {
    /// One that counts otherwise than its limit.
    pub(super) fn check(self, at: At<'_>, errors: &mut Errors) -> Option<()> {
        let message = match (self, AtOnce::is_meant(at)) {
            (Way::Rate(_), true) => "`concurrency` has no place here: the limit itself has none",
            (Way::AtOnce, false) => "missing key `concurrency`, which the limit itself has",
            _ => return Some(()),
        };
        at.error(errors, message);
        None
    }
}
