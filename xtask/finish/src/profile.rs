//! What is hot: modules are run in memory over some requests, and tell which
//! functions they enter, and which way their branches go.

use std::collections::BTreeMap;
use std::path::Path;

use postern_cli::policy::Policy;
use postern_module::{Branch, Module, Ways};

use crate::chain::Chain;
use crate::requests;
use crate::{Names, Profile, Unfinished, finish_with, instrument};

/// The demo's filters, in the order in which a request passes them.
pub const FILTERS: [&str; 4] = ["legacy-compat", "auth", "rate-limit", "authz"];

/// A filter in a chain.
#[derive(Clone, Debug)]
pub struct Mounted {
    /// Its plugin's name.
    pub name: String,
    /// The module.
    pub wasm: Vec<u8>,
    /// Its policy, as JSON.
    pub policy: String,
}

/// Finished modules, and how that went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The modules, in the order of the chain.
    pub modules: Vec<Vec<u8>>,
    /// How many functions of each were put first.
    pub hot: Vec<usize>,
    /// What did not go as it should: then some hot functions are not where they
    /// should be, and nothing else is wrong.
    pub remarks: Vec<String>,
}

/// Finishes the filters of a chain, through which requests pass in this order. They
/// are those of the demo: a chain of other filters, or with another policy, is
/// finished as well, but may answer them otherwise, which leaves a remark.
///
/// # Errors
/// When one is no valid module.
pub fn finish_chain(chain: Vec<Mounted>, names: Names) -> Result<Finished, Unfinished> {
    let mut chain = chain;
    for mounted in &mut chain {
        mounted.wasm = finish_with(&mounted.wasm, &Profile::default(), names)?;
    }
    let mut remarks = Vec::new();
    // Speed is no reason for a build to fail.
    let profiles = profile(&chain, &mut remarks).unwrap_or_else(|error| {
        remarks.push(error.to_string());
        vec![Profile::default(); chain.len()]
    });
    let modules = chain
        .iter()
        .zip(&profiles)
        .map(|(mounted, profile)| finish_with(&mounted.wasm, profile, names));
    Ok(Finished {
        modules: modules.collect::<Result<_, _>>()?,
        hot: profiles.iter().map(|profile| profile.hot.len()).collect(),
        remarks,
    })
}

/// A policy file as the filter gets it; an empty one if there is no good one.
#[must_use]
pub fn policy(file: &Path) -> String {
    Policy::read(file).map_or_else(|_| "{}".to_owned(), |policy| policy.node.to_json())
}

/// The functions of each module that the requests enter, in the order of their
/// first calls: those of a plain request in the steady state, then what the others
/// add. What only loading and configuring enter is not among them. And the way that
/// their branches took, of which some were seen once.
fn profile(mounted: &[Mounted], remarks: &mut Vec<String>) -> Result<Vec<Profile>, Unfinished> {
    let mut chain = Chain::load(mounted, instrument)?;
    let [plain, others @ ..] = &requests::all()?;
    for _ in 0..PASSES_TO_STEADY_STATE {
        chain.pass(plain)?;
    }
    for (_, module) in &mut chain.filters {
        module.proxy().take_entered();
        module.proxy().take_branches();
    }
    let mut seen: Vec<BTreeMap<Branch, Ways>> = vec![BTreeMap::new(); mounted.len()];
    for request in std::iter::once(plain).chain(others) {
        let status = chain.pass(request)?;
        if status != request.status {
            let (what, expected) = (request.what, request.status);
            remarks.push(format!("{what} was answered {status}, expected {expected}"));
        }
        for ((_, module), seen) in chain.filters.iter_mut().zip(&mut seen) {
            for (branch, ways) in module.proxy().take_branches() {
                // What a plain request did counts, whatever the others do.
                seen.entry(branch).or_insert(ways);
            }
        }
    }
    let profile = |((_, module), seen): (&mut (String, Module), BTreeMap<Branch, Ways>)| Profile {
        hot: module.proxy().take_entered(),
        likely: seen.into_iter().filter_map(|(b, ways)| Some((b, likely(ways)?))).collect(),
    };
    Ok(chain.filters.iter_mut().zip(seen).map(profile).collect())
}

/// The way that a branch took always, or nearly so.
fn likely([no, yes]: Ways) -> Option<bool> {
    match () {
        () if no >= yes.saturating_mul(RARELY) => Some(false),
        () if yes >= no.saturating_mul(RARELY) => Some(true),
        () => None,
    }
}

/// Once in so many times is rare.
const RARELY: u64 = 8;

/// The first makes secrets and has the token checked, the second fills caches that
/// the first made.
pub(crate) const PASSES_TO_STEADY_STATE: u32 = 4;
#[cfg(test)]
mod tests {
    use super::likely;

    #[test]
    fn a_branch_is_likely_if_it_rarely_goes_the_other_way() {
        for (ways, expected) in [
            ([1, 0], Some(false)),
            ([0, 1], Some(true)),
            ([8, 1], Some(false)),
            ([1, 8], Some(true)),
            ([7, 1], None),
            ([1, 7], None),
            ([3, 3], None),
        ] {
            assert_eq!(likely(ways), expected, "{ways:?}");
        }
    }
}
