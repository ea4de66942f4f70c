//! Callers known by the signature of their request (RFC 9421).

mod component;
mod fields;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod input;
pub(crate) mod replay;
mod signer;

use std::collections::HashMap;
use std::rc::Rc;

use postern_core::config::{At, Count, Errors, Period, Text};
use postern_core::filter::Environment;

use self::component::{Outside, Required};
use self::input::Input;
use self::replay::{LONGEST, Once, room};
use self::signer::{Signer, SignerConfig};
use crate::carrier::Taken;
use crate::checked::{Checked, Failure};
use crate::reason::Reason;
use crate::seconds::Leeway;
use crate::verdict::{Asked, Kind, Known, Verdict};

pub(crate) use self::input::{INPUT, SIGNATURE};

postern_core::config! {
    /// Callers by signatures of their requests (RFC 9421), `hmac-sha256` or
    /// `ed25519`, in `Signature-Input` and `Signature`. A signature names its
    /// key (`keyid`) and its time (`created`); `expires`, `alg` and `tag` count
    /// if they are there, and parameters of other names are refused.
    ///
    /// It is checked over the request as the upstream gets it: the path in its
    /// canonical form (a client that signs `/a/../b` or `%41` is refused), and
    /// the host in lower case without port and trailing dot, which the proxy
    /// takes off; see `public_port`. Headers that the proxy or a filter before
    /// this one changes (`x-forwarded-for`, `x-request-id`, `connection`)
    /// cannot be covered. Of fields, `bs` and `key` are understood, `sf`, `tr`
    /// and `req` refused; of `key`, members that are decimals or dates too.
    /// A signature may cover 32 components, 8 of them `@query-param`.
    ///
    /// A body is not read: where `content-digest` (RFC 9530) is covered, the
    /// header is what is signed, and the upstream has to hold the body to it.
    pub struct SignatureConfig {
        /// The keys. A client may have several that live at the same time:
        /// `[{id: bluefin-1, keyid: bluefin-2026, subject: bluefin, key:
        /// {secret_env: BLUEFIN_SECRET}}]`.
        keys: Vec<SignerConfig>,
        /// What a signature has to cover: derived components, and headers by
        /// name, which then have to be there: `["@method", "@target-uri",
        /// content-digest]`. `@target-uri` covers all but the method, and
        /// `@request-target` path and query.
        components: Vec<Required> = vec![
            Required::METHOD, Required::AUTHORITY, Required::PATH, Required::QUERY,
        ],
        /// The label of the signature that counts, `sig1`; others may stand
        /// beside it. Without it, a request may have one signature only; several,
        /// or one label twice, are answered 400.
        label: Option<Label>,
        /// The application that signatures are made for (`tag`): `shop-api`.
        /// They have to say so; without it, none may have a tag.
        tag: Option<Text>,
        /// How long after `created` a signature is good, from `1s` to `1h`: `2m`.
        max_age: Period = Period::from_secs(300),
        /// By how much a client's clock may differ, for `created` and
        /// `expires`, from `0s` to `5m`: `10s`.
        leeway: Leeway = Leeway(30),
        /// Each signature needs a `nonce`, and a nonce of a key counts once per
        /// Envoy process, on all its workers: another process, or a restarted
        /// one, does not know it. So many are kept per key, 8192 at the least,
        /// in 20 bytes each, and for 65 minutes after `created` at the longest:
        /// another policy may take older signatures. Over that the oldest are
        /// forgotten, and a signature that is no younger is refused (401), since
        /// it may be one of them: twice as many as a client signs while its
        /// requests are on their way, clocks that differ included, are enough.
        /// If they do not last for the present second, the answer is 503.
        /// Another name of the provider forgets all. `0` keeps none.
        max_nonces: Count<0, 1_048_576> = Count::new(16_384),
        /// With `max_nonces: 0` only: requests need no nonce, and whoever
        /// overhears one can send it again until it is too old.
        accept_replays: bool = false,
        /// The scheme that clients use, where the listener sees another: behind
        /// a proxy that ends TLS, `https`.
        public_scheme: Option<SchemeConfig>,
        /// The port that clients use, if it is not that of the scheme: they sign
        /// `api.example.com:8443`, while the proxy takes the port off.
        public_port: Option<Count<1, 65535>>,
        /// Leave both headers in the request for the upstream. They are removed
        /// otherwise.
        forward: bool = false,
    }

    /// A scheme of HTTP.
    pub choice SchemeConfig {
        /// Without TLS.
        Http = "http",
        /// Over TLS.
        Https = "https",
    }
}

/// Compiled keys, and what their signatures have to fulfil.
#[derive(Debug)]
pub(crate) struct Signatures {
    /// By `keyid`.
    signers: HashMap<String, Signer>,
    components: Vec<Required>,
    label: Option<String>,
    tag: Option<String>,
    max_age: i64,
    leeway: i64,
    /// Nonces in each slot of a key's table; `None`: they are not asked for.
    room: Option<usize>,
    outside: Outside,
}

impl Signatures {
    /// Compiles a decoded configuration; `at` is its place.
    pub(crate) fn compile(
        config: &SignatureConfig,
        provider: &str,
        at: At<'_>,
        environment: &Environment<'_>,
        errors: &mut Errors,
    ) -> Self {
        let mut complain = |key: &str, message: &str| match at.node().get(key) {
            Some(node) => at.key(key, node).error(errors, message),
            None => at.error(errors, message),
        };
        if config.components.is_empty() {
            complain("components", "expected at least one");
        }
        let nonces = config.max_nonces.get();
        if nonces == 0 && !config.accept_replays {
            complain(
                "max_nonces",
                "expected more than 0: without nonces, whoever overhears a request can send it \
                 again (`accept_replays: true` takes that)",
            );
        } else if nonces > 0 && config.accept_replays {
            complain("accept_replays", "expected `max_nonces: 0` beside it");
        }
        if !(1..=LONGEST).contains(&config.max_age.get().as_secs()) {
            complain("max_age", "expected from `1s` to `1h`");
        }
        let signers = signer::compile(&config.keys, provider, at, environment, errors);
        let text = |text: &Text| text.as_str().to_owned();
        Signatures {
            signers,
            components: config.components.clone(),
            label: config.label.as_ref().map(|label| label.0.clone()),
            tag: config.tag.as_ref().map(text),
            max_age: i64::try_from(config.max_age.get().as_secs()).unwrap_or(i64::MAX),
            leeway: config.leeway.0,
            room: (nonces > 0).then(|| room(nonces)),
            outside: Outside {
                scheme: config.public_scheme.as_ref().map(|scheme| match scheme {
                    SchemeConfig::Http => "http",
                    SchemeConfig::Https => "https",
                }),
                port: config.public_port.map(Count::get),
            },
        }
    }

    /// What is cheap comes first, the signature last.
    fn check(&self, asked: &Asked<'_>) -> Result<Known, Failure> {
        let input = Input::read(asked.headers(), self.label.as_deref())?;
        let said = &input.parameters;
        let keyid = said.keyid.as_deref().ok_or(Reason::MessageParameter)?;
        let signer = self.signers.get(keyid).ok_or(Reason::MessageKey)?;
        if said.alg.as_deref().is_some_and(|alg| alg != signer.alg()) || said.tag != self.tag {
            return Err(Reason::MessageParameter.into());
        }
        if !self.components.iter().all(|required| required.is_covered(&input.components)) {
            return Err(Reason::MessageCoverage.into());
        }
        let now = asked.seconds();
        let created = said.created.ok_or(Reason::MessageParameter)?;
        let until = created.saturating_add(self.max_age);
        if created > now.saturating_add(self.leeway) {
            return Err(Reason::MessageFuture.into());
        }
        if now > until || said.expires.is_some_and(|at| now >= at.saturating_add(self.leeway)) {
            return Err(Reason::MessageStale.into());
        }
        let once = match (self.room, &said.nonce) {
            (Some(room), Some(nonce)) => {
                Some(Once::new(asked.provider, keyid, nonce, room, created))
            }
            (Some(_), None) => return Err(Reason::MessageParameter.into()),
            (None, _) => None,
        };
        signer.is_valid_at(now)?;
        let base = input.base(asked, &self.outside)?;
        signer.check(&base, &input.signature, asked)?;
        let checked = Checked { issued: Some(created), ..signer.checked() };
        Ok(Known { once, ..Known::new(checked) })
    }
}

impl Kind for Signatures {
    fn checks_signatures(&self) -> bool {
        true
    }

    fn verify(&self, _: &Taken<'_>, asked: &Asked<'_>) -> Verdict {
        match self.check(asked) {
            Ok(known) => Verdict::Known(Rc::new(known)),
            Err(failure) => failure.into(),
        }
    }
}

/// The label of a signature: a key of a structured dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(String);

const LABEL: &str = "a label such as `sig1`: lower-case letters, digits and `_-.*`";

impl postern_core::config::Decode for Label {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        postern_core::config::decode_text(at, errors, LABEL, |text| {
            let letter = |b: u8| b.is_ascii_lowercase() || b == b'*';
            let good = |b: u8| letter(b) || b.is_ascii_digit() || b"_-.".contains(&b);
            let first = text.bytes().next().is_some_and(letter);
            if first && text.len() <= 64 && text.bytes().all(good) {
                Ok(Label(text.to_owned()))
            } else {
                Err(format!("expected {LABEL}"))
            }
        })
    }

    fn schema() -> postern_core::config::schema::Schema {
        postern_core::config::schema::Schema::Text {
            expected: LABEL,
            pattern: Some("^[a-z*][a-z0-9_.*-]{0,63}$"),
        }
    }
}
