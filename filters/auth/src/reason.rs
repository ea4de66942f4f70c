//! Why a credential is not accepted: a stable code for records, and words for
//! the caller. Neither holds anything of the credential.

/// What is wrong with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Not in the grammar of its scheme.
    Malformed,
    /// Longer than the provider takes.
    TooLong,
    /// Nothing like a compact JWS: it has fewer than three parts.
    NotAToken,
    /// Not three parts in base64url.
    BadToken,
    /// Five parts: an encrypted token.
    Encrypted,
    /// The JOSE header is not one.
    BadHeader,
    /// `crit` or `b64`: extensions that are not understood.
    Extension,
    /// `typ` is not that of an access token.
    WrongType,
    /// No algorithm that the provider lists.
    Algorithm,
    /// The claims are not a JSON object, or name a claim twice.
    BadClaims,
    /// A claim that has to be there is missing.
    MissingClaim,
    /// A claim has the wrong type or cannot be used.
    BadClaim,
    /// No provider of the route has this issuer.
    Issuer,
    /// Not meant for this API.
    Audience,
    /// `exp` has passed.
    Expired,
    /// `nbf` has not come.
    NotYetValid,
    /// `iat` lies in the future.
    IssuedInFuture,
    /// `iat` lies further back than the provider takes.
    TooOld,
    /// A claim does not say what the provider asks for.
    ClaimMismatch,
    /// No key of the issuer has this id, or serves this algorithm.
    UnknownKey,
    /// The signature does not verify.
    Signature,
    /// Neither the host nor the filter can check this algorithm.
    Unsupported,
    /// No such API key.
    ApiKey,
    /// The user name is not that of the API key's owner.
    Owner,
    /// The API key has expired.
    ApiKeyExpired,
    /// The API key is not valid yet.
    ApiKeyNotYetValid,
    /// It was revoked.
    Revoked,
    /// No such user, or not the secret of that user.
    UserOrSecret,
    /// The secret of HTTP Basic has expired.
    SecretExpired,
    /// The secret of HTTP Basic is not valid yet.
    SecretNotYetValid,
    /// Its issuer says that it is not good (RFC 7662 §2.2).
    Inactive,
    /// Bound to a key or a certificate (RFC 9449, RFC 8705): no bearer token.
    Bound,
    /// No entry of the policy knows the client's certificate.
    Certificate,
    /// `Signature` and `Signature-Input` are not one message signature.
    MessageMalformed,
    /// It covers a component that is not there or cannot be checked here.
    MessageComponent,
    /// It does not cover all that it has to.
    MessageCoverage,
    /// One of its parameters is missing or not accepted.
    MessageParameter,
    /// `created` or `expires` is too long ago.
    MessageStale,
    /// `created` lies in the future.
    MessageFuture,
    /// No key has this `keyid`.
    MessageKey,
    /// The key is not valid yet, or not any more.
    MessageKeyDates,
    /// It does not verify.
    MessageSignature,
    /// Its nonce was used before.
    Replayed,
    /// Its nonce may have been used: it is older than what is remembered.
    Forgotten,
    /// More than one signature of the request, or one of them twice: 400, as for
    /// any other two credentials.
    Several,
    /// A kind of credential that the route does not take.
    Kind,
}

impl Reason {
    /// All of them.
    pub(crate) const ALL: &[Reason] = &[
        Reason::Malformed,
        Reason::TooLong,
        Reason::NotAToken,
        Reason::BadToken,
        Reason::Encrypted,
        Reason::BadHeader,
        Reason::Extension,
        Reason::WrongType,
        Reason::Algorithm,
        Reason::BadClaims,
        Reason::MissingClaim,
        Reason::BadClaim,
        Reason::Issuer,
        Reason::Audience,
        Reason::Expired,
        Reason::NotYetValid,
        Reason::IssuedInFuture,
        Reason::TooOld,
        Reason::ClaimMismatch,
        Reason::UnknownKey,
        Reason::Signature,
        Reason::Unsupported,
        Reason::ApiKey,
        Reason::Owner,
        Reason::ApiKeyExpired,
        Reason::ApiKeyNotYetValid,
        Reason::Revoked,
        Reason::UserOrSecret,
        Reason::SecretExpired,
        Reason::SecretNotYetValid,
        Reason::Inactive,
        Reason::Bound,
        Reason::Certificate,
        Reason::MessageMalformed,
        Reason::MessageComponent,
        Reason::MessageCoverage,
        Reason::MessageParameter,
        Reason::MessageStale,
        Reason::MessageFuture,
        Reason::MessageKey,
        Reason::MessageKeyDates,
        Reason::MessageSignature,
        Reason::Replayed,
        Reason::Forgotten,
        Reason::Several,
        Reason::Kind,
    ];

    /// What a provider says of a credential that may not be its own: from "not of my
    /// kind" to "of my kind, and another's".
    const STRANGE: &[Reason] = &[
        Reason::Kind,
        Reason::NotAToken,
        Reason::Malformed,
        Reason::ApiKey,
        Reason::UserOrSecret,
        Reason::TooLong,
        Reason::BadToken,
        Reason::Encrypted,
        Reason::BadHeader,
        Reason::Extension,
        Reason::BadClaims,
        Reason::Inactive,
        Reason::Algorithm,
        Reason::WrongType,
        Reason::BadClaim,
        Reason::MissingClaim,
        Reason::Issuer,
        Reason::Certificate,
        Reason::MessageMalformed,
        Reason::MessageKey,
    ];

    /// May it be said of a credential that is another provider's?
    pub(crate) fn is_strange(self) -> bool {
        Reason::STRANGE.contains(&self)
    }

    /// How much it says, where several providers gave one. Whatever is wrong with
    /// one's own says more than anything about what may be another's; of one's own
    /// what comes later in the check.
    pub(crate) fn telling(self, own: bool) -> usize {
        let place = |list: &[Reason]| list.iter().position(|reason| *reason == self);
        let strange = place(Reason::STRANGE).filter(|_| !own);
        let own = || Reason::STRANGE.len().saturating_add(place(Reason::ALL).unwrap_or_default());
        strange.unwrap_or_else(own)
    }

    /// The stable code.
    pub(crate) fn code(self) -> &'static str {
        self.row().0
    }

    /// What the caller is told.
    pub(crate) fn detail(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Reason::Malformed => ("malformed_credential", "the credential is malformed"),
            Reason::TooLong => ("credential_too_long", "the credential is too long"),
            Reason::NotAToken | Reason::BadToken => {
                ("malformed_token", "the token is not a signed JWT")
            }
            Reason::Encrypted => ("encrypted_token", "encrypted tokens are not accepted"),
            Reason::BadHeader => ("bad_header", "the token's header is malformed"),
            Reason::Extension => ("unknown_extension", "the token needs an unknown extension"),
            Reason::WrongType => ("wrong_type", "the token is not an access token"),
            Reason::Algorithm => ("wrong_algorithm", "the token's algorithm is not accepted"),
            Reason::BadClaims => ("bad_claims", "the token's claims are malformed"),
            Reason::MissingClaim => ("missing_claim", "the token lacks a claim"),
            Reason::BadClaim => ("bad_claim", "a claim of the token cannot be used"),
            Reason::Issuer => ("unknown_issuer", "the token's issuer is not accepted"),
            Reason::Audience => ("wrong_audience", "the token is meant for another API"),
            Reason::Expired => ("expired", "the token has expired"),
            Reason::NotYetValid => ("not_yet_valid", "the token is not valid yet"),
            Reason::IssuedInFuture => ("issued_in_future", "the token was issued in the future"),
            Reason::TooOld => ("token_too_old", "the token was issued too long ago"),
            Reason::ClaimMismatch => ("claim_mismatch", "a claim of the token is not accepted"),
            Reason::UnknownKey => ("unknown_key", "the token's key is not known"),
            Reason::Signature => ("bad_signature", "the token's signature does not verify"),
            Reason::Unsupported => {
                ("unsupported_algorithm", "this gateway cannot check the token's algorithm")
            }
            // One text for both, so that nobody can learn that a key exists.
            Reason::ApiKey => ("unknown_api_key", "the API key is not valid"),
            Reason::Owner => ("wrong_owner", "the API key is not valid"),
            Reason::ApiKeyExpired => ("api_key_expired", "the API key has expired"),
            Reason::ApiKeyNotYetValid => ("api_key_not_yet_valid", "the API key is not valid yet"),
            Reason::Revoked => ("revoked", "the credential was revoked"),
            // One for both, so that nobody can learn that a user exists.
            Reason::UserOrSecret => {
                ("wrong_user_or_secret", "the user name or the secret is not valid")
            }
            Reason::SecretExpired => ("secret_expired", "the secret has expired"),
            Reason::SecretNotYetValid => ("secret_not_yet_valid", "the secret is not valid yet"),
            Reason::Inactive => ("inactive_token", "the token is not active"),
            Reason::Bound => ("bound_token", "the token is no bearer token"),
            Reason::Certificate => {
                ("unknown_certificate", "the client certificate is not known here")
            }
            Reason::MessageMalformed => {
                ("malformed_message_signature", "the message signature is malformed")
            }
            Reason::MessageComponent => (
                "bad_component",
                "the signature covers a component that is not there or cannot be checked",
            ),
            Reason::MessageCoverage => {
                ("missing_component", "the signature does not cover all that it has to")
            }
            Reason::MessageParameter => {
                ("bad_parameter", "a parameter of the signature is missing or not accepted")
            }
            Reason::MessageStale => ("stale_message_signature", "the signature is too old"),
            Reason::MessageFuture => {
                ("message_signed_in_future", "the signature was made in the future")
            }
            Reason::MessageKey => ("unknown_keyid", "the signature's key is not known"),
            Reason::MessageKeyDates => {
                ("keyid_not_valid_now", "the signature's key is not valid at this time")
            }
            Reason::MessageSignature => {
                ("bad_message_signature", "the message signature does not verify")
            }
            Reason::Replayed => ("replayed", "the signature's nonce was used before"),
            Reason::Forgotten => (
                "forgotten_nonce",
                "the signature is older than the nonces that are remembered: sign anew",
            ),
            Reason::Several => {
                ("several_message_signatures", "the request has more than one credential")
            }
            Reason::Kind => ("wrong_kind", "this route does not take that kind of credential"),
        }
    }
}
