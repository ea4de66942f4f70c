//! A provider: one way of knowing callers, under a name.

use std::cell::RefCell;

use postern_core::config::{At, Errors, Value};
use postern_core::filter::{CredentialPlace, Environment};
use postern_core::{Answer, Host, Metric, Work};

use crate::api_key::{ApiKeys, ApiKeysConfig};
use crate::basic::{Basic, BasicConfig};
use crate::budget::Budget;
use crate::cache::{Cache, Remembered};
use crate::carrier::{Carrier, Found, Malformed, Taken};
use crate::certificate::{CertificateConfig, Certificates};
use crate::introspection::{Introspection, IntrospectionConfig};
use crate::jwt::{Jwt, JwtConfig};
use crate::reason::Reason;
use crate::signature::{SignatureConfig, Signatures};
use crate::verdict::{Asked, Kind, Verdict};

postern_core::config! {
    /// A way of knowing callers.
    pub oneof ProviderConfig {
        /// JWTs of one issuer.
        jwt: Jwt(JwtConfig),
        /// API keys, kept as digests.
        api_key: ApiKeys(ApiKeysConfig),
        /// HTTP Basic with generated secrets, kept as digests.
        basic: Basic(BasicConfig),
        /// Tokens about which their issuer is asked (RFC 7662).
        introspection: Introspection(IntrospectionConfig),
        /// The client certificates of connections.
        certificate: Certificates(CertificateConfig),
        /// Signatures of requests.
        signature: Signatures(Box<SignatureConfig>),
    }
}

/// A compiled provider.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) place: Place,
    /// Is the credential left in the request?
    pub(crate) forward: bool,
    kind: Box<dyn Kind>,
    /// Signatures that it may still check in this VM.
    pub(crate) budget: Budget,
    /// What is remembered of checked credentials, if it pays.
    cache: Option<RefCell<Cache>>,
    /// Its number among the providers.
    index: u64,
    /// Where its metrics begin among the filter's.
    first_metric: usize,
}

/// Where the credentials of a provider stand.
#[derive(Debug)]
pub(crate) enum Place {
    /// In one of these.
    Carriers(Vec<Carrier>),
    /// In the connection, not in the request.
    Connection,
    /// In `Signature-Input` and `Signature`, and all that they cover.
    Signature,
}

impl Place {
    pub(crate) fn carriers(&self) -> &[Carrier] {
        match self {
            Place::Carriers(carriers) => carriers,
            Place::Connection | Place::Signature => &[],
        }
    }

    /// Names of its places: two providers with one in common cannot both find a
    /// credential there.
    pub(crate) fn names(&self) -> Vec<&str> {
        let name = |carrier: &Carrier| carrier.scheme().map(|_| "authorization");
        match self {
            Place::Connection => vec!["connection"],
            Place::Signature => vec!["signature"],
            Place::Carriers(carriers) => carriers
                .iter()
                .filter_map(|c| name(c).or(c.header()).or(c.query()).or(c.cookie()))
                .collect(),
        }
    }
}

impl Provider {
    /// Compiles a decoded configuration; `at` is its place.
    pub(crate) fn compile(
        name: &str,
        config: &ProviderConfig,
        at: At<'_>,
        environment: &Environment<'_>,
        errors: &mut Errors,
    ) -> Option<Self> {
        let (place, forward, kind): (Place, bool, Box<dyn Kind>) = match config {
            ProviderConfig::Jwt(jwt) => {
                let at = at.key("jwt", at.node().get("jwt")?);
                check_carriers(&jwt.from, Some("a JWT"), at, errors);
                let kind = Jwt::compile(jwt, name, at, environment, errors);
                (Place::Carriers(jwt.from.clone()), jwt.forward, Box::new(kind))
            }
            ProviderConfig::ApiKeys(keys) => {
                let at = at.key("api_key", at.node().get("api_key")?);
                check_carriers(&keys.from, None, at, errors);
                let kind = ApiKeys::compile(keys, name, at, errors);
                (Place::Carriers(keys.from.clone()), keys.forward, Box::new(kind))
            }
            ProviderConfig::Basic(basic) => {
                let at = at.key("basic", at.node().get("basic")?);
                let kind = Basic::compile(basic, name, at, errors);
                (Place::Carriers(vec![Carrier::basic()]), basic.forward, Box::new(kind))
            }
            ProviderConfig::Introspection(asked) => {
                let at = at.key("introspection", at.node().get("introspection")?);
                check_carriers(&asked.from, Some("a token"), at, errors);
                let kind = Introspection::compile(asked, name, at, environment, errors);
                (Place::Carriers(asked.from.clone()), asked.forward, Box::new(kind))
            }
            ProviderConfig::Certificates(certificates) => {
                let at = at.key("certificate", at.node().get("certificate")?);
                let kind = Certificates::compile(certificates, name, at, errors);
                (Place::Connection, false, Box::new(kind))
            }
            ProviderConfig::Signatures(signatures) => {
                let at = at.key("signature", at.node().get("signature")?);
                let kind = Signatures::compile(signatures, name, at, environment, errors);
                (Place::Signature, signatures.forward, Box::new(kind))
            }
        };
        let size = kind.cache_size();
        let cache = (size > 0).then(|| RefCell::new(Cache::new(size)));
        let name = name.to_owned();
        let budget = Budget::per_second(0);
        Some(Provider { name, place, forward, kind, budget, cache, index: 0, first_metric: 0 })
    }

    /// Where its credentials stand, for tools that show requests.
    pub(crate) fn credential_places(&self) -> Vec<CredentialPlace> {
        match &self.place {
            Place::Carriers(carriers) => carriers.iter().map(Carrier::place).collect(),
            Place::Signature => vec![CredentialPlace::Header("signature".to_owned())],
            Place::Connection => Vec::new(),
        }
    }

    /// Does it need a [`Budget`]?
    pub(crate) fn checks_signatures(&self) -> bool {
        self.kind.checks_signatures()
    }

    /// The credential, if it stands where this provider looks.
    pub(crate) fn take<'a>(&self, found: &Found<'a>) -> Option<Result<Taken<'a>, Malformed>> {
        match self.place {
            Place::Signature => matches!(found, Found::Signature).then(|| Ok(Taken::nothing())),
            _ => self.place.carriers().iter().find_map(|carrier| carrier.take(found)),
        }
    }

    /// Checks a credential, or remembers what came of it. Counters go to
    /// `count`.
    pub(crate) fn verify(
        &self,
        taken: &Taken<'_>,
        asked: &Asked<'_>,
        count: &mut Vec<usize>,
    ) -> Verdict {
        let Some(Ok(mut cache)) = self.cache.as_ref().map(RefCell::try_borrow_mut) else {
            return self.check(taken, asked);
        };
        let (now, keys) = (asked.seconds(), self.kind.keys_version());
        let credential = cache.hashed(&taken.secret);
        match cache.recall(credential, now, keys, |known| self.kind.holds(known)) {
            Some(Remembered::Good(known)) => {
                count.push(self.first_metric.saturating_add(HITS));
                return Verdict::Known(known);
            }
            Some(Remembered::Bad(reason)) => {
                count.push(self.first_metric.saturating_add(REFUSED_HITS));
                return reason.into();
            }
            None => {}
        }
        let verdict = self.check(taken, asked);
        match &verdict {
            // One without an end would be remembered for ever.
            Verdict::Known(known) if known.checked.expires.is_some() => {
                cache.meet(credential, known, known.checked.dear);
            }
            // The one check that costs something.
            Verdict::Bad(flaw) if flaw.reason == Reason::Signature => {
                cache.refuse(credential, Reason::Signature, now, keys);
            }
            _ => {}
        }
        verdict
    }

    fn check(&self, taken: &Taken<'_>, asked: &Asked<'_>) -> Verdict {
        let is_narrow = self.kind.is_narrow();
        if !is_narrow && !taken.is_well_formed() {
            return Reason::Malformed.into();
        }
        match self.kind.verify(taken, asked) {
            Verdict::Wait { key, at_most, or } => {
                Verdict::Wait { key: self.outside(key), at_most, or }
            }
            Verdict::Bad(_) if is_narrow && !taken.is_well_formed() => Reason::Malformed.into(),
            verdict => verdict,
        }
    }

    /// Work beside the streams.
    pub(crate) fn tick(&self, host: &dyn Host) -> Work {
        self.number(self.kind.tick(host))
    }

    /// The answer to a task, if it is one of this provider's.
    pub(crate) fn answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Option<Work> {
        let own = task >> 32 == self.index;
        own.then(|| self.number(self.kind.answer(task & u64::from(u32::MAX), answer, host)))
    }

    /// Its metrics, named after it; `index` and `first` say which provider of
    /// the policy it is, and where its metrics begin.
    pub(crate) fn enlist(&mut self, index: usize, first: usize) -> Vec<Metric> {
        self.index = index as u64;
        self.first_metric = first;
        let named = |metric: Metric| Metric {
            // A dot would end the provider's name in the metric's.
            name: format!("provider.{}.{}", self.name.replace('.', "_"), metric.name).into(),
            kind: metric.kind,
        };
        let decisions = Reason::ALL.iter().map(|reason| reason.code());
        let decisions = ["authenticated", "unavailable"].into_iter().chain(decisions);
        let decisions = decisions.map(|code| Metric::counter(format!("decisions.{code}")));
        let cache = ["cache_hits", "cache_refused_hits"].map(Metric::counter);
        cache.into_iter().chain(decisions).chain(self.kind.metrics()).map(named).collect()
    }

    /// The counter of good credentials.
    pub(crate) fn admitted(&self) -> usize {
        self.first_metric.saturating_add(ADMITTED)
    }

    /// The counter of credentials that could not be checked.
    pub(crate) fn unavailable(&self) -> usize {
        self.first_metric.saturating_add(UNAVAILABLE)
    }

    /// The counter of credentials that were refused for this reason.
    pub(crate) fn refused(&self, reason: Reason) -> usize {
        let place = Reason::ALL.iter().position(|r| *r == reason).unwrap_or_default();
        self.first_metric.saturating_add(REASONS).saturating_add(place)
    }

    fn outside(&self, own: u64) -> u64 {
        self.index << 32 | own & u64::from(u32::MAX)
    }

    fn number(&self, mut work: Work) -> Work {
        work.ask.iter_mut().for_each(|task| task.id = self.outside(task.id));
        work.wake.iter_mut().for_each(|key| *key = self.outside(*key));
        let own = Reason::ALL.len().saturating_add(REASONS);
        let first = self.first_metric.saturating_add(own);
        work.count.iter_mut().for_each(|i| *i = i.saturating_add(first));
        work.gauges.iter_mut().for_each(|(i, _)| *i = i.saturating_add(first));
        work
    }
}

/// The first metrics of each provider, in the order of [`Provider::enlist`]:
/// after them one for each [`Reason`], then those of its kind.
const HITS: usize = 0;
const REFUSED_HITS: usize = 1;
const ADMITTED: usize = 2;
const UNAVAILABLE: usize = 3;
const REASONS: usize = 4;

/// HTTP Basic names a user beside the credential, which only API keys have:
/// `not_basic` is what it cannot carry.
fn check_carriers(carriers: &[Carrier], not_basic: Option<&str>, at: At<'_>, errors: &mut Errors) {
    let Some(list) = at.node().get("from") else { return };
    let at = at.key("from", list);
    if carriers.is_empty() {
        at.error(errors, "expected at least one");
    }
    let Value::List(nodes) = &list.value else { return };
    for (i, (carrier, node)) in carriers.iter().zip(nodes).enumerate() {
        if let (Carrier::Basic(_), Some(what)) = (carrier, not_basic) {
            at.index(i, node).error(errors, format!("HTTP Basic cannot carry {what}"));
        }
    }
}
