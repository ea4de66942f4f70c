//! What a service is asked.

use postern_core::rules::Found;

use super::Service;
use super::descriptor;
use super::message::{Descriptor, Request, Unit};
use crate::key::Caller;
use crate::policy::Limit;
use crate::take::Counted;

/// One descriptor for each window of each limit.
pub(super) fn question(
    service: &Service,
    remote: &[Counted<'_>],
    found: &[Found<'_, Limit>],
    caller: &Caller<'_>,
) -> (Request, Vec<(usize, usize)>) {
    let (mut descriptors, mut of) = (Vec::new(), Vec::new());
    for (at, one) in remote.iter().enumerate() {
        let captures = found
            .iter()
            .find(|found| found.index == one.index && one.limit.reads_path())
            .map_or_else(Vec::new, |found| found.captures(caller.asked.target));
        let holding = one.limit.for_caller(caller);
        let entries = descriptor::entries(one.limit, &holding, caller, &captures, &service.says);
        let several = one.allowance.rates().nth(1).is_some();
        for (window, rate) in one.allowance.rates().enumerate() {
            let mut entries = entries.clone();
            if several {
                let name = one.windows.name(window);
                entries.insert(1, ("window".to_owned(), name.as_ref().to_owned()));
            }
            let quota = u32::try_from(rate.quota()).unwrap_or(u32::MAX);
            let limit = Unit::of_seconds(rate.window()).map(|unit| (quota, unit));
            descriptors.push(Descriptor {
                entries,
                limit: limit.filter(|_| service.send_limits),
                hits: u32::try_from(one.cost).unwrap_or(u32::MAX),
            });
            of.push((at, window));
        }
    }
    (Request { domain: service.domain.clone(), descriptors }, of)
}
