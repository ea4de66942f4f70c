//! Signatures of requests (RFC 9421), made with the keys of the demo's partner and
//! independently of what checks them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ct_codecs::{Base64, Base64UrlSafeNoPadding, Decoder, Encoder};
use jwt_simple::algorithms::{Ed25519KeyPair, EdDSAKeyPairLike};

use crate::case::{SignatureCase, SigningKey};

/// A request, as far as signatures cover it.
pub(crate) struct Request<'r> {
    pub(crate) method: &'r str,
    pub(crate) path: &'r [u8],
    pub(crate) host: &'r [u8],
    pub(crate) lines: &'r [Vec<u8>],
}

/// The lines that carry these signatures, and each as it stands there.
pub(crate) fn lines(
    request: &Request<'_>,
    cases: &[SignatureCase],
) -> Result<(Vec<Vec<u8>>, Vec<String>), String> {
    let (mut inputs, mut signatures, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
    for (case, number) in cases.iter().zip(1..) {
        let covered: Vec<String> =
            case.components.iter().map(|name| format!("\"{name}\"")).collect();
        let list = format!("({}){}", covered.join(" "), parameters(case)?);
        let mut base = Vec::new();
        for (name, identifier) in case.components.iter().zip(&covered) {
            let value = match case.instead.get(name) {
                Some(other) => other.clone().into_bytes(),
                None => value(request, name)?,
            };
            base.extend([identifier.as_bytes(), b": ", &value, b"\n"].concat());
        }
        base.extend(format!("\"@signature-params\": {list}").into_bytes());
        let signature = Base64::encode_to_string(sign(case.key, &base)?);
        let signature = signature.map_err(|e| e.to_string())?;
        inputs.push(format!("sig{number}={list}"));
        signatures.push(format!("sig{number}=:{signature}:"));
        secrets.push(signature);
    }
    if inputs.is_empty() {
        return Ok((Vec::new(), secrets));
    }
    let line =
        |name: &str, values: &[String]| format!("{name}: {}", values.join(", ")).into_bytes();
    let both = [("Signature-Input", &inputs), ("Signature", &signatures)];
    Ok((both.map(|(name, values)| line(name, values)).to_vec(), secrets))
}

fn parameters(case: &SignatureCase) -> Result<String, String> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|e| e.to_string())?;
    let seconds = i64::try_from(now.as_secs()).map_err(|e| e.to_string())?;
    let own = || format!("{:x}-{:x}", now.as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed));
    let nonce = case.nonce.clone().unwrap_or_else(own);
    let keyid = case.keyid.clone().unwrap_or_else(|| keyid(case.key).to_owned());
    let mut out = format!(";created={};keyid=\"{keyid}\"", seconds - case.age.0);
    if !nonce.is_empty() {
        out.push_str(&format!(";nonce=\"{nonce}\""));
    }
    if let Some(ttl) = case.ttl {
        out.push_str(&format!(";expires={}", seconds + ttl.0));
    }
    Ok(out)
}

/// The value of a component in a request (RFC 9421 §2).
fn value(request: &Request<'_>, name: &str) -> Result<Vec<u8>, String> {
    let at = request.path.iter().position(|b| *b == b'?').unwrap_or(request.path.len());
    let (path, query) = request.path.split_at(at);
    Ok(match name {
        "@method" => request.method.as_bytes().to_vec(),
        "@authority" => request.host.to_ascii_lowercase(),
        "@path" => path.to_vec(),
        "@query" if query.is_empty() => b"?".to_vec(),
        "@query" => query.to_vec(),
        name if name.starts_with('@') => return Err(format!("no value for `{name}`")),
        name => {
            let mut values: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
            for line in request.lines {
                let at = line.iter().position(|b| *b == b':').unwrap_or(line.len());
                let (name, value) = line.split_at(at);
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                values
                    .entry(name)
                    .or_default()
                    .push(value.get(1..).unwrap_or_default().trim_ascii());
            }
            values.get(name).map(|values| values.join(&b", "[..])).unwrap_or_default()
        }
    })
}

fn keyid(key: SigningKey) -> &'static str {
    match key {
        SigningKey::Hmac => "emberline-hmac",
        SigningKey::Ed25519 => "emberline-ed25519",
    }
}

fn sign(key: SigningKey, base: &[u8]) -> Result<Vec<u8>, String> {
    match key {
        SigningKey::Hmac => {
            let secret = include_str!("../../stack/keys/emberline.txt").trim();
            let secret = Base64UrlSafeNoPadding::decode_to_vec(secret, None);
            Ok(hmac_sha256::HMAC::mac(base, secret.map_err(|e| e.to_string())?).to_vec())
        }
        SigningKey::Ed25519 => {
            let pair = Ed25519KeyPair::from_pem(include_str!("../../stack/keys/emberline.pem"));
            let pair = pair.map_err(|e| e.to_string())?;
            Ok(pair.key_pair().as_ref().sk.sign(base, None).to_vec())
        }
    }
}
