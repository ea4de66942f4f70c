//! A provider: one way of knowing callers, under a name.

use postern_core::Host;
use postern_core::config::{At, Errors, Value};
use postern_core::filter::Environment;

use crate::api_key::{ApiKeys, ApiKeysConfig};
use crate::carrier::{Carrier, Found, Malformed, Taken};
use crate::checked::{Checked, Failure};
use crate::jwt::{Jwt, JwtConfig};

postern_core::config! {
    /// A way of knowing callers.
    pub oneof ProviderConfig {
        /// JWTs of one issuer.
        jwt: Jwt(JwtConfig),
        /// API keys, kept as digests.
        api_key: ApiKeys(ApiKeysConfig),
    }
}

/// A compiled provider.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) carriers: Vec<Carrier>,
    /// Is the credential left in the request?
    pub(crate) forward: bool,
    check: Check,
}

#[derive(Debug)]
enum Check {
    Jwt(Box<Jwt>),
    ApiKeys(ApiKeys),
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
        let name = name.to_owned();
        Some(match config {
            ProviderConfig::Jwt(jwt) => {
                let at = at.key("jwt", at.node().get("jwt")?);
                check_carriers(&jwt.from, false, at, errors);
                let check = Check::Jwt(Box::new(Jwt::compile(jwt, at, environment, errors)));
                Provider { name, carriers: jwt.from.clone(), forward: jwt.forward, check }
            }
            ProviderConfig::ApiKeys(keys) => {
                let at = at.key("api_key", at.node().get("api_key")?);
                check_carriers(&keys.from, true, at, errors);
                let check = Check::ApiKeys(ApiKeys::compile(keys, &name, at, errors));
                Provider { name, carriers: keys.from.clone(), forward: keys.forward, check }
            }
        })
    }

    /// The credential, if it stands where this provider looks.
    pub(crate) fn take(&self, found: &Found<'_>) -> Option<Result<Taken, Malformed>> {
        self.carriers.iter().find_map(|carrier| carrier.take(found))
    }

    /// Checks a credential.
    pub(crate) fn verify(&self, taken: &Taken, host: &dyn Host) -> Result<Checked, Failure> {
        match &self.check {
            Check::Jwt(jwt) => jwt.verify(&self.name, &taken.secret, host),
            Check::ApiKeys(keys) => Ok(keys.verify(taken, host)?.into()),
        }
    }
}

/// HTTP Basic names a user beside the credential, which only API keys have.
fn check_carriers(carriers: &[Carrier], basic_is_good: bool, at: At<'_>, errors: &mut Errors) {
    let Some(list) = at.node().get("from") else { return };
    let at = at.key("from", list);
    if carriers.is_empty() {
        at.error(errors, "expected at least one");
    }
    let Value::List(nodes) = &list.value else { return };
    for (i, (carrier, node)) in carriers.iter().zip(nodes).enumerate() {
        if matches!(carrier, Carrier::Basic(_)) && !basic_is_good {
            at.index(i, node).error(errors, "HTTP Basic cannot carry a JWT");
        }
    }
}
