//! Keys by OpenID Connect Discovery: the issuer says where its keys are.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use postern_core::config::{At, Count, Errors, Node, Period, Text, Value, parse_json};
use postern_core::host_name::host_of;
use postern_core::{Answer, Host, Metric, Work};

use crate::issuer_keys::{KeyForm, WHAT};
use crate::key_set::KeySet;
use crate::remote::{
    Form, Lack, METRICS, Place, Read, RefreshConfig, Remote, RemoteConfig, Settings, Source, Uri,
};

postern_core::config! {
    /// Where an issuer says where its keys are (OpenID Connect Discovery 1.0 §4).
    /// Both documents are fetched as under `remote`. The `issuer` in the first has
    /// to be that of the provider.
    pub struct DiscoveryConfig {
        /// The proxy's cluster that serves it: `cluster: idp`.
        cluster: Text,
        /// The cluster that serves the keys: `jwks_cluster: keys`. By default the
        /// same; then `jwks_uri` has to name the same host.
        jwks_cluster: Option<Text>,
        /// The address, where it is not the issuer's with
        /// `/.well-known/openid-configuration` behind it:
        /// `uri: https://id.internal/.well-known/openid-configuration`.
        uri: Option<Uri>,
        /// How long the server may take: `timeout: 2s`, at most `30s`.
        timeout: Period = Period::from_secs(5),
        /// The largest document in bytes: `max_bytes: 65536`; by default 256 KiB.
        max_bytes: Option<Count<64, 33554432>>,
        /// How often both are fetched: `refresh: {default: 5m, max: 1h}`.
        refresh: RefreshConfig = RefreshConfig::usual(),
        /// For how long after it was last fetched or confirmed the last good set
        /// serves while no better one can be had: `stale_for: 4h`; at least
        /// `refresh.max`.
        stale_for: Period = Period::from_secs(86_400),
        /// The shortest time between two fetches that requests cause, and the
        /// longest between two attempts after failures: `cooldown: 1m`; at least
        /// `1s`.
        cooldown: Period = Period::from_secs(30),
        /// The longest that a request waits for a fetch: `wait: 2s`, at most
        /// `8s`.
        wait: Period = Period::from_secs(3),
    }
}

/// Keys at an address that the issuer names.
#[derive(Debug)]
pub(crate) struct Discovery {
    owner: String,
    told: Remote<AddressForm>,
    jwks_cluster: String,
    form: KeyForm,
    keys: RefCell<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    /// The document at the address that holds now.
    now: Option<Rc<Remote<KeyForm>>>,
    /// That of a former address: it serves until the other was fetched.
    former: Option<Rc<Remote<KeyForm>>>,
}

impl Discovery {
    /// Compiles a configuration, whose place is `at`. `None`: the issuer is no
    /// address, and none was given.
    pub(crate) fn compile(
        config: &DiscoveryConfig,
        issuer: &str,
        owner: &str,
        form: KeyForm,
        limit: usize,
        at: At<'_>,
        errors: &mut Errors,
    ) -> Option<Self> {
        let by_issuer = || {
            Uri::parse(&format!(
                "{}/.well-known/openid-configuration",
                issuer.trim_end_matches('/')
            ))
        };
        let Some(uri) = config.uri.clone().or_else(by_issuer) else {
            at.error(errors, "the issuer is no address: give the document's by `uri`");
            return None;
        };
        let remote = RemoteConfig {
            cluster: config.cluster.clone(),
            uri,
            timeout: config.timeout,
            max_bytes: config.max_bytes,
            refresh: config.refresh.clone(),
            stale_for: config.stale_for,
            cooldown: config.cooldown,
            wait: config.wait,
        };
        let settings = remote.settings(limit, at, errors);
        let source = remote.source();
        let address = AddressForm {
            issuer: issuer.to_owned(),
            host: match &config.jwks_cluster {
                Some(_) => None,
                None => host_of(Some(source.uri.authority.as_bytes())),
            },
        };
        let jwks_cluster = config.jwks_cluster.as_ref().unwrap_or(&config.cluster);
        let place = Place { slot: 1, first_metric: METRICS };
        Some(Discovery {
            owner: owner.to_owned(),
            told: Remote::new("discovery", owner, source, settings, place, address),
            jwks_cluster: jwks_cluster.as_str().to_owned(),
            form,
            keys: RefCell::default(),
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.told.settings()
    }

    pub(crate) fn metrics() -> Vec<Metric> {
        let keys = Remote::<KeyForm>::metrics(WHAT).into_iter();
        keys.chain(Remote::<AddressForm>::metrics("discovery")).collect()
    }

    /// Follows what the issuer says of the address.
    fn follow(&self, uri: Option<&Uri>) -> Option<Rc<Remote<KeyForm>>> {
        let mut keys = self.keys.borrow_mut();
        if let Some(uri) = uri
            && keys.now.as_ref().is_none_or(|remote| remote.source().uri != *uri)
        {
            let source = Source { cluster: self.jwks_cluster.clone(), uri: uri.clone() };
            let place = Place { slot: 0, first_metric: 0 };
            let settings = self.settings().clone();
            let form = self.form.clone();
            let remote = Remote::new(WHAT, &self.owner, source, settings, place, form);
            let before = keys.now.take();
            let remote = match &before {
                Some(former) => remote.after(former),
                None => remote,
            };
            keys.now = Some(Rc::new(remote));
            keys.former = before.or(keys.former.take());
        }
        keys.now.clone()
    }

    pub(crate) fn current(&self, now: Duration) -> Option<Rc<KeySet>> {
        let keys = self.keys.borrow();
        let of = |remote: &Option<Rc<Remote<KeyForm>>>| remote.as_ref()?.current(now);
        of(&keys.now).or_else(|| of(&keys.former))
    }

    pub(crate) fn look(&self, host: &dyn Host, now: Duration) -> Option<Rc<KeySet>> {
        let uri = self.told.look(host);
        if let Some(remote) = self.follow(uri.as_deref()) {
            remote.look(host);
        }
        self.current(now)
    }

    pub(crate) fn lacking(&self, now: Duration) -> Lack {
        let remote = self.keys.borrow().now.clone();
        remote.map_or_else(|| self.told.lacking(now), |remote| remote.lacking(now))
    }

    pub(crate) fn tick(&self, host: &dyn Host, key: u64) -> Work {
        let mut work = self.told.tick(host, key);
        if let Some(remote) = self.follow(self.told.current(host.now()).as_deref()) {
            work.merge(remote.tick(host, key));
            if remote.current(host.now()).is_some() {
                self.keys.borrow_mut().former = None;
            }
        }
        work
    }

    pub(crate) fn answer(
        &self,
        task: u64,
        answer: &Answer,
        host: &dyn Host,
        key: u64,
    ) -> Option<Work> {
        if let Some(mut work) = self.told.answer(task, answer, host, key) {
            // On to the keys, at once.
            work.again = work.again.or(Some(Duration::from_millis(1)));
            return Some(work);
        }
        let remote = self.keys.borrow().now.clone();
        remote.and_then(|remote| remote.answer(task, answer, host, key))
    }
}

/// What an issuer says of itself, as far as it is of use.
#[derive(Debug)]
pub(crate) struct AddressForm {
    pub(crate) issuer: String,
    /// The host that the keys have to be on; `None`: any.
    pub(crate) host: Option<String>,
}

impl Form for AddressForm {
    type Value = Uri;
    type Part = ();

    fn read(&self, body: &[u8], (): &mut ()) -> Result<Option<Read<Uri>>, String> {
        let node = parse_json(body).map_err(|errors| errors.to_string())?;
        let members = if let Value::Map(members) = &node.value { members.as_slice() } else { &[] };
        let text = |name: &str| {
            let mut named = members.iter().filter(|(key, _)| key.text == name);
            // Two readers could disagree on which of two counts.
            match (named.next(), named.next()) {
                (Some((_, Node { value: Value::Text(text), .. })), None) => Ok(text.as_str()),
                _ => Err(format!("expected an object with one string `{name}`")),
            }
        };
        if text("issuer")? != self.issuer {
            return Err("its `issuer` is not that of the provider".to_owned());
        }
        let uri = Uri::parse(text("jwks_uri")?).ok_or("its `jwks_uri` is no address")?;
        let host = host_of(Some(uri.authority.as_bytes()));
        if self.host.is_some() && host != self.host {
            return Err(
                "its `jwks_uri` is on another host: name the cluster of that by `jwks_cluster`"
                    .to_owned(),
            );
        }
        Ok(Some(uri.into()))
    }

    fn restore(&self, published: Vec<u8>) -> Result<Uri, String> {
        match self.read(&published, &mut ())? {
            Some(read) => Ok(read.value),
            None => Err("it is not whole".to_owned()),
        }
    }

    fn size(&self, _: &Uri) -> u64 {
        1
    }
}
