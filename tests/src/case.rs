//! What a case file holds. The format is described in `cases/README.md`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Name, Node, Text, Value, decode_text};

use crate::bytes::Bytes;

postern_core::config! {
    /// One file of cases.
    pub struct CaseFile {
        /// The cases, in order.
        cases: Vec<Case>,
    }

    /// One request and what has to come of it.
    pub struct Case {
        /// Its name, unique in the corpus.
        name: Name,
        /// What it shows, where the name does not say.
        about: Option<Text>,
        /// The attack cases that it covers, as numbered in `cases/README.md`.
        attacks: Vec<Count<1, 99>> = Vec::new(),
        /// The one runner that can show it; with the reason.
        only: Option<Only>,
        /// What is sent.
        request: RequestCase,
        /// What comes back, what the upstream saw and what was decided.
        expect: Expect,
    }

    /// A case that only one runner can show.
    pub oneof Only {
        /// Only a real Envoy; why.
        envoy: Envoy(Text),
        /// Only the native runner; why.
        native: Native(Text),
    }

    /// A request.
    pub struct RequestCase {
        /// The method.
        method: String = "GET".to_owned(),
        /// The request target as it goes onto the wire.
        path: Bytes = Bytes(b"/".to_vec()),
        /// The `Host` header; an empty text sends none.
        host: Bytes = Bytes(b"api.example.com".to_vec()),
        /// Further header lines, `name: value`, in order, as they go onto the wire.
        headers: Vec<Bytes> = Vec::new(),
        /// How often the same request is sent before the one that is judged.
        before: Count<0, 200> = Count::new(0),
        /// What is sent in its place before it, in turn: what is left out is as here.
        others: Vec<OtherCase> = Vec::new(),
        /// The address that it comes from, in 127.0.0.0/8; 127.0.0.1 if left out.
        from: Option<Loopback>,
        /// The body; `content-length` is added.
        body: Option<Bytes>,
        /// A token to mint. Sent as `Authorization: Bearer`, unless `{token}`
        /// stands somewhere in the request.
        token: Option<TokenCase>,
        /// Signatures to make of all above (RFC 9421); sent in `Signature-Input`
        /// and `Signature` under the labels `sig1`, `sig2` and so on.
        sign: Vec<SignatureCase> = Vec::new(),
        /// The client certificate of the demo that the connection shows: it is one
        /// of the TLS listener then, over HTTP/1.
        certificate: Option<Certificate>,
        /// The whole request, byte for byte, in place of all others but `token`.
        raw: Option<Bytes>,
    }

    /// What differs in a request that is sent before another.
    pub struct OtherCase {
        /// The request target.
        path: Option<Bytes>,
        /// The `Host` header.
        host: Option<Bytes>,
        /// The header lines, all of them.
        headers: Option<Vec<Bytes>>,
        /// The token.
        token: Option<TokenCase>,
    }

    /// A token, minted with the keys of the demo's identity provider.
    pub struct TokenCase {
        /// The claim `sub`.
        sub: String = "northwind".to_owned(),
        /// The signature's algorithm.
        alg: String = "RS256".to_owned(),
        /// The scopes; all of them if left out.
        scopes: Option<Vec<String>>,
        /// The claim `plan`; `load` is not limited. An empty text: no such claim.
        plan: String = "load".to_owned(),
        /// The claim `iss`.
        iss: Option<String>,
        /// The claim `aud`.
        aud: Option<String>,
        /// Seconds until it expires; negative: expired.
        ttl: Option<Seconds>,
        /// Further claims; `null` removes one.
        claims: BTreeMap<String, Node> = BTreeMap::new(),
        /// Further members of the JOSE header; `null` removes one.
        header: BTreeMap<String, Node> = BTreeMap::new(),
        /// Text put before the payload's closing brace, such as `,"sub":"x"`;
        /// the token is then signed again. Only with `alg: HS256`.
        append: Option<String>,
        /// A forgery made of the good token.
        forge: Option<Forgery>,
    }

    /// A signature, made with a key of the demo's partner.
    pub struct SignatureCase {
        /// The key.
        key: SigningKey = SigningKey::Hmac,
        /// What it calls its key; the key's own name if left out.
        keyid: Option<String>,
        /// What it covers: `@method`, `@authority`, `@path`, `@query`, or headers.
        components: Vec<String> =
            ["@method", "@authority", "@path", "@query"].map(str::to_owned).to_vec(),
        /// What is signed in place of what the request has, by component.
        instead: BTreeMap<String, String> = BTreeMap::new(),
        /// Seconds since it was made; negative: it is made later.
        age: Seconds = Seconds(0),
        /// Seconds until it expires; negative: expired. Left out: it does not say.
        ttl: Option<Seconds>,
        /// The nonce; an empty text is none. Left out: one of its own.
        nonce: Option<String>,
    }

    /// A key that requests are signed with.
    pub choice SigningKey {
        /// `hmac-sha256`.
        Hmac = "hmac",
        /// `ed25519`.
        Ed25519 = "ed25519",
    }

    /// A client certificate that the demo's authority signed.
    pub choice Certificate {
        /// Known to the demo's policy by a URI.
        Bluefin = "bluefin",
        /// By a DNS name.
        Emberline = "emberline",
        /// Not at all.
        Quillhaven = "quillhaven",
    }

    /// What is done to a good token.
    pub choice Forgery {
        /// The signature is left out, the dots stay.
        Unsigned = "unsigned",
        /// The claims are changed after signing.
        Claims = "claims",
        /// One bit of the signature is flipped.
        Signature = "signature",
        /// Signed with HS256 and the RSA public key (PEM) as the secret.
        HmacOfPublicPem = "hmac-of-public-pem",
        /// The same, the PEM with leading white space.
        HmacOfSpacedPem = "hmac-of-spaced-pem",
        /// Two more parts: the shape of an encrypted token.
        FiveParts = "five-parts",
        /// The JSON serialisation of RFC 7515 §7.2.2.
        JsonForm = "json-form",
        /// Padded to over 16 KiB by a long claim.
        Oversized = "oversized",
    }

    /// What has to come of a request.
    pub struct Expect {
        /// The status.
        status: Count<100, 599>,
        /// Headers with exactly these values, each header once.
        headers: BTreeMap<String, Bytes> = BTreeMap::new(),
        /// Headers whose one value matches the anchored regular expression.
        matching: BTreeMap<String, String> = BTreeMap::new(),
        /// Headers that have to be there.
        present: Vec<String> = Vec::new(),
        /// Headers that must not be there.
        absent: Vec<String> = Vec::new(),
        /// The body.
        body: Option<BodyExpect>,
        /// What the upstream saw.
        upstream: Option<UpstreamExpect>,
        /// Per filter, members of its decision record with their values.
        decisions: BTreeMap<String, BTreeMap<String, Node>> = BTreeMap::new(),
        /// The path in the access log; only Envoy has one, native compares the
        /// published filter state.
        logged_path: Option<Bytes>,
    }

    /// A body.
    pub oneof BodyExpect {
        /// These bytes.
        text: Exactly(Bytes),
        /// JSON that is equal, the order of members aside.
        json: Json(Node),
        /// JSON that has at least these members; lists are compared whole.
        includes: Includes(Node),
        /// A regular expression that matches the whole body.
        matches: Matches(String),
    }

    /// What reached the upstream.
    pub struct SeenExpect {
        /// The method.
        method: Option<String>,
        /// The request target, byte for byte.
        path: Option<Bytes>,
        /// Headers with exactly these values, each header once.
        headers: BTreeMap<String, Bytes> = BTreeMap::new(),
        /// Headers that have to be there.
        present: Vec<String> = Vec::new(),
        /// Headers that must not be there.
        absent: Vec<String> = Vec::new(),
    }
}

/// What reached the upstream: nothing, or one request.
#[derive(Clone, Debug)]
pub enum UpstreamExpect {
    /// `none`: it was not reached.
    None,
    /// One request.
    Seen(Box<SeenExpect>),
}

impl Decode for UpstreamExpect {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Text(text) if text == "none" => Some(UpstreamExpect::None),
            Value::Map(_) => {
                SeenExpect::decode(at, errors).map(|s| UpstreamExpect::Seen(Box::new(s)))
            }
            _ => {
                at.expected(errors, "`none` or a mapping");
                None
            }
        }
    }

    fn schema() -> Schema {
        SeenExpect::schema()
    }
}

/// A whole number of seconds, negative ones included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub i64);

impl Decode for Seconds {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match at.node().value {
            Value::Int(seconds) => Some(Seconds(seconds)),
            _ => {
                at.expected(errors, "a whole number of seconds");
                None
            }
        }
    }

    fn schema() -> Schema {
        Schema::Any
    }
}

/// An address of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loopback(pub Ipv4Addr);

impl Decode for Loopback {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, "an address in 127.0.0.0/8", |text| {
            let found = text.parse().ok().filter(Ipv4Addr::is_loopback).map(Loopback);
            found.ok_or_else(|| "expected an address in 127.0.0.0/8".to_owned())
        })
    }

    fn schema() -> Schema {
        Schema::Any
    }
}

impl Case {
    /// Can it be shown on a demo that sees clients' own addresses? Only Linux lets a
    /// client have any address of 127.0.0.0/8.
    #[must_use]
    pub fn is_for_envoy(&self) -> bool {
        let native = matches!(self.only, Some(Only::Native(_)));
        !native && (self.request.from.is_none() || cfg!(target_os = "linux"))
    }

    /// And in containers, where clients have the address of the engine?
    #[must_use]
    pub fn is_for_containers(&self) -> bool {
        self.is_for_envoy() && self.request.from.is_none()
    }

    /// The requests that are sent before it, in turn.
    #[must_use]
    pub fn others(&self) -> Vec<Case> {
        let other = |other: &OtherCase| {
            let OtherCase { path, host, headers, token } = other.clone();
            let mut case = self.clone();
            let request = &mut case.request;
            request.path = path.unwrap_or_else(|| request.path.clone());
            request.host = host.unwrap_or_else(|| request.host.clone());
            request.headers = headers.unwrap_or_else(|| request.headers.clone());
            request.token = token.or_else(|| request.token.clone());
            case
        };
        self.request.others.iter().map(other).collect()
    }
}

/// A node as JSON.
#[must_use]
pub fn json(node: &Node) -> serde_json::Value {
    serde_json::from_str(&node.to_json()).unwrap_or_default()
}
