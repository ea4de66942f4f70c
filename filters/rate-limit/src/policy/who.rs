//! Callers that an override or a dialect is for.

use std::net::IpAddr;

use postern_core::conditions::{Addresses, Block};
use postern_core::config::schema::Schema;
use postern_core::config::{At, AtLeastOne, Decode, Errors, Text, Value};

use crate::key::Caller;

postern_core::config! {
    /// Callers. All given conditions have to hold; one that is left out always
    /// holds.
    struct WhoConfig {
        /// The provider (of `auth`) that checked the credential is one of these.
        providers: AtLeastOne<Text> = AtLeastOne::default(),
        /// The issuer is one of these. Credentials without one (API keys, say) are of none:
        /// `providers` tells those apart.
        issuers: AtLeastOne<Text> = AtLeastOne::default(),
        /// The subject is one of these, whoever vouches for it: where several issuers do,
        /// each of them can name one, and `issuers` or `providers` says whose is meant.
        subjects: AtLeastOne<Text> = AtLeastOne::default(),
        /// The client is one of these; as with subjects, whoever vouches for it.
        clients: AtLeastOne<Text> = AtLeastOne::default(),
        /// The credential is one of these, as records name it: `api_key:<id>`,
        /// `basic:<id>`, `certificate:<id>`, `signature:<id>`, `jwt:<jti>` or `token:<jti>`.
        credentials: AtLeastOne<Text> = AtLeastOne::default(),
        /// The plan is one of these.
        plans: AtLeastOne<Text> = AtLeastOne::default(),
        /// The address that the proxy trusts is in one of these blocks.
        addresses: AtLeastOne<Block> = AtLeastOne::default(),
    }
}

/// Some callers, or all of them.
#[derive(Clone, Debug, Default)]
pub struct Who {
    providers: Vec<Text>,
    issuers: Vec<Text>,
    subjects: Vec<Text>,
    clients: Vec<Text>,
    credentials: Vec<Text>,
    plans: Vec<Text>,
    addresses: Option<Addresses>,
}

impl Who {
    /// Does it look at the caller's identity?
    #[must_use]
    pub fn needs_identity(&self) -> bool {
        let Who { providers, issuers, subjects, clients, credentials, plans, addresses: _ } = self;
        let all = [providers, issuers, subjects, clients, credentials, plans];
        all.iter().any(|list| !list.is_empty())
    }

    pub(crate) fn is(&self, caller: &Caller<'_>) -> bool {
        let among = |list: &[Text], of: Option<&str>| {
            list.is_empty() || of.is_some_and(|of| list.iter().any(|text| text.as_str() == of))
        };
        if self.needs_identity() {
            let Some(known) = caller.known() else { return false };
            let holds = among(&self.providers, Some(&known.provider))
                && among(&self.issuers, known.iss.as_deref())
                && among(&self.subjects, Some(&known.sub))
                && among(&self.clients, known.client.as_deref())
                && among(&self.credentials, Some(&known.credential))
                && among(&self.plans, known.plan.as_deref());
            if !holds {
                return false;
            }
        }
        let inside = |list: &Addresses| {
            caller.client_address().is_some_and(|address: IpAddr| list.contains(address))
        };
        self.addresses.as_ref().is_none_or(inside)
    }
}

/// What names no kind of credential is nobody's.
fn check(credentials: &[Text], at: At<'_>, errors: &mut Errors) {
    const KINDS: [&str; 6] = ["api_key", "basic", "certificate", "jwt", "signature", "token"];
    let node = at.node().get("credentials").unwrap_or(at.node());
    let at = at.key("credentials", node);
    let Value::List(items) = &node.value else { return };
    for (i, (credential, item)) in credentials.iter().zip(items).enumerate() {
        let named = credential.as_str().split_once(':');
        if !named.is_some_and(|(kind, id)| KINDS.contains(&kind) && !id.is_empty()) {
            let message = "expected `kind:id` with one of the kinds `api_key`, `basic`, \
                           `certificate`, `jwt`, `signature` or `token`";
            at.index(i, item).error(errors, message);
        }
    }
}

impl Decode for Who {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let WhoConfig { providers, issuers, subjects, clients, credentials, plans, addresses } =
            WhoConfig::decode(at, errors)?;
        check(&credentials, at, errors);
        Some(Who {
            providers: providers.into_vec(),
            issuers: issuers.into_vec(),
            subjects: subjects.into_vec(),
            clients: clients.into_vec(),
            credentials: credentials.into_vec(),
            plans: plans.into_vec(),
            addresses: (!addresses.is_empty()).then(|| Addresses::new(&addresses)),
        })
    }

    fn schema() -> Schema {
        WhoConfig::schema()
    }
}
