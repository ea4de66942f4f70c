//! Whose requests are counted together.

use std::borrow::Cow;

use postern_core::Host;
use postern_core::address::network;
use postern_core::identity::{Seen, SeenCaller};

use crate::bucket::Algorithm;
use crate::policy::Limit;

postern_core::config! {
    /// A part of what a limit counts by. Where the caller has no such part (it
    /// is anonymous, say), its address takes that part's place.
    pub choice Part {
        /// The subject, whatever credential it came with.
        Subject = "subject",
        /// Who vouches for the subject; only of use beside `subject`.
        Issuer = "issuer",
        /// The client that calls.
        Client = "client",
        /// The credential's kind and id, and the subject that it belongs to.
        Credential = "credential",
        /// The plan: all its callers share one count.
        Plan = "plan",
        /// The address that the proxy trusts; of IPv6 the network's prefix.
        Address = "address",
    }
}

/// The caller of a request.
pub(crate) struct Caller<'a> {
    known: Option<&'a SeenCaller<'a>>,
    host: &'a dyn Host,
    ipv6_prefix: u8,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(identity: Option<&'a Seen<'a>>, host: &'a dyn Host, ipv6_prefix: u8) -> Self {
        let known = match identity {
            Some(Seen::Known(caller)) => Some(caller.as_ref()),
            Some(Seen::Anonymous) | None => None,
        };
        Caller { known, host, ipv6_prefix }
    }

    pub(crate) fn plan(&self) -> Option<&'a str> {
        self.known.and_then(|c| c.plan.as_deref())
    }

    /// The bucket's name: which limit, under which plan, for whom. Every part
    /// is written with its kind and length, so that no two callers share one.
    pub(crate) fn key(&self, limit: &Limit, plan: Option<&str>, algorithm: Algorithm) -> Vec<u8> {
        let mut key = Vec::with_capacity(96);
        push(&mut key, algorithm.tag(), limit.id.as_str().as_bytes());
        push(&mut key, b'=', plan.unwrap_or_default().as_bytes());
        let mut addressed = false;
        for part in &limit.key {
            match self.known.and_then(|caller| identified(*part, caller)) {
                Some((tag, value)) => push(&mut key, tag, value.as_bytes()),
                None if addressed => {}
                None => {
                    addressed = true;
                    push(&mut key, b'@', &self.address());
                }
            }
        }
        key
    }

    fn address(&self) -> Vec<u8> {
        let source = self.host.property(&["source", "address"]).unwrap_or_default();
        network(&source, self.ipv6_prefix)
    }
}

fn identified<'a>(part: Part, caller: &'a SeenCaller<'_>) -> Option<(u8, Cow<'a, str>)> {
    let text = |tag: u8, text: Option<&'a str>| {
        text.filter(|text| !text.is_empty()).map(|text| (tag, Cow::Borrowed(text)))
    };
    match part {
        Part::Subject => text(b's', Some(&caller.sub)),
        Part::Issuer => text(b'i', caller.iss.as_deref()),
        Part::Client => text(b'c', caller.client.as_deref()),
        Part::Credential if caller.credential.is_empty() => None,
        Part::Credential => {
            let value = format!("{}\0{}", caller.credential, caller.sub);
            Some((b'k', value.into()))
        }
        Part::Plan => text(b'p', caller.plan.as_deref()),
        Part::Address => None,
    }
}

fn push(key: &mut Vec<u8>, tag: u8, value: &[u8]) {
    key.push(tag);
    key.extend_from_slice(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
    key.extend_from_slice(value);
}
