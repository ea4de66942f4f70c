//! The codes of refusals, for the reference: what each means, and what to do.

use crate::reason::Reason;

/// A code, as records and metrics have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The status of the answer.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// What the client is told, or what is meant.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// All codes of refusals, each once.
pub fn codes() -> Vec<Code> {
    let mut codes: Vec<Code> = OTHERS.to_vec();
    for reason in Reason::ALL {
        let status = if *reason == Reason::Several { 400 } else { 401 };
        let (code, meaning) = (reason.code(), reason.detail());
        if codes.iter().all(|known| known.code != code) {
            codes.push(Code { status, code, meaning, remedy: remedy(*reason) });
        }
    }
    codes.sort_by_key(|code| code.status);
    codes
}

/// Those that are of no credential.
const OTHERS: &[Code] = &[
    Code {
        status: 400,
        code: "bad_target",
        meaning: "the path cannot be read safely",
        remedy: "the `detail` of the answer says why; the client has to send another path",
    },
    Code {
        status: 400,
        code: "bad_host",
        meaning: "the request has no host that can be read",
        remedy: "the client has to send `Host`",
    },
    Code {
        status: 400,
        code: "invalid_request",
        meaning: "the request has more than one credential",
        remedy: "send one; where two are meant, the rule needs `all_of`",
    },
    Code {
        status: 401,
        code: "missing_credential",
        meaning: "this resource needs a credential",
        remedy: "send one where a provider of the rule looks (`from`); is it a public route, it \
                 needs a rule with `none` or `optional`",
    },
    Code {
        status: 401,
        code: "unsupported_scheme",
        meaning: "no provider reads this scheme of `Authorization`",
        remedy: "use the scheme that `www-authenticate` names, or add it to `from`",
    },
    Code {
        status: 503,
        code: "keys_unavailable",
        meaning: "the issuer's keys, or the list of API keys, cannot be fetched",
        remedy: "look at their server and at the cluster; `Retry-After` is the time to the next \
                 attempt, and no more than to the end of one under way",
    },
    Code {
        status: 503,
        code: "introspection_unavailable",
        meaning: "the issuer does not answer questions about tokens",
        remedy: "look at its service, and at the gateway's own credentials for it; the log says \
                 what it answered",
    },
    Code {
        status: 503,
        code: "revocations_unavailable",
        meaning: "no list of what is revoked is recent enough",
        remedy: "look at the server of `revoked.remote`",
    },
    Code {
        status: 503,
        code: "too_many_checks",
        meaning: "more signatures than may be checked inside Wasm",
        remedy: "raise `wasm_checks_per_second`, or have tokens signed with `ES256` or `RS256`, \
                 which the proxy checks itself",
    },
    Code {
        status: 503,
        code: "too_many_waiting",
        meaning: "too many requests wait in a worker already",
        remedy: "look at the issuer: they wait for its keys or its answers",
    },
    Code {
        status: 503,
        code: "replay_guard_full",
        meaning: "one key signs more in a second than is remembered",
        remedy: "raise `max_nonces`",
    },
];

fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed => {
            "send scheme, one blank and the credential, or what the place asks for"
        }
        Reason::TooLong => "is it this provider's? Else raise its `max_bytes`",
        Reason::NotAToken | Reason::BadToken => "send the access token as the issuer gave it",
        Reason::Encrypted => "have the issuer sign tokens for this API and not encrypt them",
        Reason::BadHeader => "the issuer has to write `alg`, and each member once",
        Reason::Extension => "the issuer has to leave out `crit` and `b64`",
        Reason::WrongType => {
            "send an access token, no ID token; if `typ` is the issuer's own, put it into `types`"
        }
        Reason::Algorithm => "put `alg` of the token into `algorithms`, if it is meant to be there",
        Reason::BadClaims => "the issuer has to write an object that names each claim once",
        Reason::MissingClaim => "the record names the `claim`; the issuer has to add it",
        Reason::BadClaim => "the record names the `claim` where it can; compare type and size",
        Reason::Issuer => "compare `iss` with `issuer`, letter by letter",
        Reason::Audience => "compare `aud` with `audiences`: is the token for this API?",
        Reason::Expired => "get a new token; if many are told so, compare the clocks",
        Reason::NotYetValid | Reason::IssuedInFuture => {
            "compare the issuer's clock with the gateway's; `leeway` is the tolerance"
        }
        Reason::TooOld => "get a new token: `max_age` is over",
        Reason::ClaimMismatch => "the record names the `claim`; compare it with `claims_match`",
        Reason::UnknownKey => {
            "compare `kid` of the token with the keys; a key without `kid` serves no token that has \
             one. A key that was just published works once `cooldown` is over"
        }
        Reason::Signature => {
            "is the key the issuer's present one? Was the token changed or cut on its way?"
        }
        Reason::Unsupported => "use another algorithm",
        Reason::ApiKey => {
            "is the digest that of the key alone, without a line's end (`printf %s`)? Is the key \
             this provider's?"
        }
        Reason::Owner => "the user name has to be the key's `subject`",
        Reason::ApiKeyExpired | Reason::SecretExpired => {
            "the record names the `credential`; give its owner a new one, or another `expires`"
        }
        Reason::ApiKeyNotYetValid | Reason::SecretNotYetValid => {
            "the record names the `credential`; wait for its `not_before`"
        }
        Reason::Revoked => {
            "the record names the `credential`; it, its subject or its client is in `revoked` or \
             in the fetched list"
        }
        Reason::UserOrSecret => "compare user name and digest; which of them is wrong is not told",
        Reason::Inactive => "get a new token: its issuer says that it is not good",
        Reason::Bound => "get a plain bearer token: `cnf` cannot be checked here",
        Reason::Certificate => "add an entry to `allow`, if this client is meant to come",
        Reason::MessageMalformed => "compare `signature-input` and `signature` with RFC 9421 §4",
        Reason::MessageComponent => "sign what is there, as the upstream gets it",
        Reason::MessageCoverage => "sign all that `components` lists",
        Reason::MessageParameter => {
            "send `keyid`, `created` and `nonce`; `alg` and `tag` as the policy has them"
        }
        Reason::MessageStale => "sign anew for each request; compare the clocks, then `max_age`",
        Reason::MessageFuture => "compare the client's clock with the gateway's",
        Reason::MessageKey => "compare `keyid` with those of `keys`",
        Reason::MessageKeyDates => "use a key between its `not_before` and `expires`",
        Reason::MessageSignature => {
            "compare the signature base of both sides: path in canonical form, host without port"
        }
        Reason::Replayed => "sign each attempt anew, with a new `nonce`",
        Reason::Forgotten => "sign anew; if it comes often, raise `max_nonces`",
        Reason::Several => "send one signature, or set `label`",
        Reason::Kind => "send a credential that a provider of the rule takes",
    }
}
