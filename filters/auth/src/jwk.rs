//! JSON Web Keys (RFC 7517) as they stand in a policy: public keys only.

use ct_codecs::{Base64UrlSafeNoPadding, Decoder};
use postern_core::config::schema::{Schema, words};
use postern_core::config::{At, Decode, Errors, Node, Value};

use crate::algorithm::Algorithm;
use crate::key::Key;
use crate::material::{BadKey, Curve, Material};

postern_core::config! {
    /// A JSON Web Key Set.
    pub struct Jwks {
        /// Its public keys.
        keys: Vec<Jwk>,
    }
}

/// A public key that is not yet pinned to an algorithm.
#[derive(Clone, Debug)]
pub struct Jwk {
    kid: Option<String>,
    algorithm: Option<Algorithm>,
    numbers: Numbers,
}

/// The numbers of a key, decoded and checked to be usable.
#[derive(Clone, Debug)]
enum Numbers {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Point { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
}

/// Members with a meaning here, and those of certificates, which have none.
const KNOWN: &[&str] = &[
    "kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y", "x5u", "x5c", "x5t",
    "x5t#S256",
];
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl Jwk {
    /// The key, pinned to its own `alg`, or else to the one algorithm of
    /// `allowed` that it can serve.
    ///
    /// # Errors
    /// What is wrong, as a message for the operator.
    pub(crate) fn pin(&self, allowed: &[Algorithm]) -> Result<Key, String> {
        let material =
            self.numbers.material().map_err(|BadKey| "the key is not usable".to_owned())?;
        let fitting: Vec<Algorithm> =
            allowed.iter().copied().filter(|a| material.fits(*a)).collect();
        let algorithm = match (self.algorithm, fitting.as_slice()) {
            (Some(own), _) if fitting.contains(&own) => own,
            (Some(own), _) => {
                return Err(format!("`alg` is `{}`, which `algorithms` does not list", own.name()));
            }
            (None, [only]) => *only,
            (None, []) => return Err("no algorithm of `algorithms` can use this key".to_owned()),
            (None, several) => {
                let names: Vec<&str> = several.iter().map(|a| a.name()).collect();
                return Err(format!("missing key `alg`: it could be {}", words(&names)));
            }
        };
        Key::new(self.kid.clone(), algorithm, material)
            .ok_or_else(|| "the key is not usable".to_owned())
    }

    /// The key, pinned to its own `alg`, or else to the first of `allowed` that
    /// it can serve.
    pub(crate) fn pin_to_first(self, allowed: &[Algorithm]) -> Option<Key> {
        let material = self.numbers.material().ok()?;
        let mut fitting = allowed.iter().copied().filter(|a| material.fits(*a));
        let algorithm = match self.algorithm {
            Some(own) => fitting.find(|a| *a == own)?,
            None => fitting.next()?,
        };
        Key::new(self.kid, algorithm, material)
    }

    /// The members with a meaning here, of a public key; `None` if there is a
    /// private one.
    pub(crate) fn known_members(jwk: &Node) -> Option<Node> {
        let Value::Map(entries) = &jwk.value else { return None };
        if entries.iter().any(|(key, _)| PRIVATE.contains(&key.text.as_str())) {
            return None;
        }
        let known = entries.iter().filter(|(key, _)| KNOWN.contains(&key.text.as_str()));
        Some(Node::unplaced(Value::Map(known.cloned().collect())))
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

impl Numbers {
    fn material(&self) -> Result<Material, BadKey> {
        match self {
            Numbers::Rsa { n, e } => Material::rsa(n, e),
            Numbers::Point { curve, x, y } => Material::point(*curve, x, y),
            Numbers::Ed25519 { x } => Material::ed25519(x),
        }
    }

    fn decode(object: &Object<'_>, errors: &mut Errors) -> Option<Self> {
        let kty = object.text("kty", errors)?;
        let numbers = match kty {
            "RSA" => {
                let (n, e) = (object.bytes("n", errors), object.bytes("e", errors));
                Numbers::Rsa { n: n?, e: e? }
            }
            "EC" => {
                let Some(curve) = Curve::parse(object.text("crv", errors)?) else {
                    const EXPECTED: &str = "expected `P-256`, `P-384`, `P-521` or `secp256k1`";
                    object.error("crv", errors, EXPECTED);
                    return None;
                };
                let (x, y) = (object.bytes("x", errors), object.bytes("y", errors));
                Numbers::Point { curve, x: x?, y: y? }
            }
            "OKP" => {
                if object.text("crv", errors)? != "Ed25519" {
                    object.error("crv", errors, "expected `Ed25519`");
                    return None;
                }
                Numbers::Ed25519 { x: object.bytes("x", errors)? }
            }
            "oct" => {
                object.error(
                    "kty",
                    errors,
                    "a shared secret cannot stand in a policy: name an environment variable by `secret`",
                );
                return None;
            }
            _ => {
                object.error("kty", errors, "expected `RSA`, `EC` or `OKP`");
                return None;
            }
        };
        if numbers.material().is_err() {
            object.at.error(
                errors,
                match numbers {
                    Numbers::Rsa { .. } => {
                        "expected an RSA key of 2048 to 4096 bits with the exponent 65537"
                    }
                    _ => "expected a point on the curve, with coordinates of full length",
                },
            );
            return None;
        }
        Some(numbers)
    }
}

impl Decode for Jwk {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let entries = at.entries(errors)?;
        let mut private = false;
        for (key, node) in &entries {
            let name = key.text.as_str();
            if PRIVATE.contains(&name) {
                private = true;
                at.key(name, node).error(
                    errors,
                    "a private key cannot stand in a policy: give the public members only",
                );
            } else if !KNOWN.contains(&name) {
                at.unknown_key(errors, key, KNOWN);
            }
        }
        let object = Object { at, node: at.node() };
        let kid = object.optional_text("kid", errors);
        let algorithm = match object.get("alg") {
            Some(node) => Algorithm::decode(at.key("alg", node), errors).map(Some),
            None => Some(None),
        };
        let for_signatures = object.is_for_signatures(errors);
        let numbers = if private { None } else { Numbers::decode(&object, errors) };
        let jwk = Jwk { kid: kid?, algorithm: algorithm?, numbers: numbers? };
        if let Some(own) = jwk.algorithm
            && jwk.numbers.material().is_ok_and(|m| !m.fits(own))
        {
            object.error("alg", errors, "this algorithm needs another kind of key");
            return None;
        }
        for_signatures.then_some(jwk)
    }

    fn schema() -> Schema {
        Schema::Map(Box::new(Schema::Any))
    }
}

/// A JWK's mapping.
struct Object<'a> {
    at: At<'a>,
    node: &'a Node,
}

impl<'a> Object<'a> {
    fn get(&self, name: &str) -> Option<&'a Node> {
        self.node.get(name)
    }

    fn error(&self, name: &str, errors: &mut Errors, message: &str) {
        match self.get(name) {
            Some(node) => self.at.key(name, node).error(errors, message),
            None => self.at.error(errors, message),
        }
    }

    fn text(&self, name: &str, errors: &mut Errors) -> Option<&'a str> {
        let Some(node) = self.get(name) else {
            self.at.error(errors, format!("missing key `{name}`"));
            return None;
        };
        match &node.value {
            Value::Text(text) => Some(text),
            _ => {
                self.at.key(name, node).expected(errors, "a string");
                None
            }
        }
    }

    fn optional_text(&self, name: &str, errors: &mut Errors) -> Option<Option<String>> {
        if self.get(name).is_none() {
            return Some(None);
        }
        let text = self.text(name, errors)?;
        if text.is_empty() || text.len() > 256 {
            self.error(name, errors, "expected 1 to 256 bytes");
            return None;
        }
        Some(Some(text.to_owned()))
    }

    fn bytes(&self, name: &str, errors: &mut Errors) -> Option<Vec<u8>> {
        let decoded = Base64UrlSafeNoPadding::decode_to_vec(self.text(name, errors)?, None).ok();
        if decoded.is_none() {
            self.error(name, errors, "expected base64url without padding");
        }
        decoded
    }

    /// `use` and `key_ops` (RFC 7517 §4.2, §4.3), if given, allow checking.
    fn is_for_signatures(&self, errors: &mut Errors) -> bool {
        let mut good = true;
        if let Some(node) = self.get("use")
            && !matches!(&node.value, Value::Text(text) if text == "sig")
        {
            self.error("use", errors, "expected `sig`");
            good = false;
        }
        if let Some(node) = self.get("key_ops") {
            let verify = |n: &Node| matches!(&n.value, Value::Text(t) if t == "verify");
            if !matches!(&node.value, Value::List(items) if items.iter().any(verify)) {
                self.error("key_ops", errors, "expected a list with `verify`");
                good = false;
            }
        }
        good
    }
}
