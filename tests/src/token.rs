//! Tokens as the demo's identity provider mints them, and forgeries of them.

use ct_codecs::{Base64UrlSafeNoPadding, Decoder, Encoder};
use jwt_simple::algorithms::RS256KeyPair;
use postern_stack::keys::{Algorithm, Keys};
use postern_stack::mint::{MintRequest, mint, now};
use serde_json::{Map, Value, json};

use crate::case::{Forgery, TokenCase, json};

/// Mints what a case describes.
///
/// # Errors
/// What the case asks for and nobody can do.
pub fn make(keys: &Keys, case: &TokenCase) -> Result<String, String> {
    let mut claims: Map<String, Value> =
        case.claims.iter().map(|(name, node)| (name.clone(), json(node))).collect();
    if !case.plan.is_empty() {
        claims.entry("plan").or_insert_with(|| json!(case.plan));
    }
    if matches!(case.forge, Some(Forgery::Oversized)) {
        claims.insert("padding".to_owned(), json!("x".repeat(16 * 1024)));
    }
    let request = MintRequest {
        alg: Some(case.alg.clone()),
        scopes: case.scopes.clone(),
        aud: case.aud.clone().map(Value::from),
        iss: case.iss.clone().map(Value::from),
        ttl: case.ttl.map(|t| t.0),
        claims,
        header: case.header.iter().map(|(name, node)| (name.clone(), json(node))).collect(),
        ..MintRequest::for_subject(&case.sub)
    };
    let mut token = mint(keys, request, now())?;
    if let Some(text) = &case.append {
        if case.alg != "HS256" {
            return Err("`append` needs `alg: HS256`".to_owned());
        }
        token = appended(keys, &token, text)?;
    }
    case.forge.map_or(Ok(token.clone()), |forgery| forge(&token, forgery))
}

/// Puts `text` before the payload's closing brace and signs again.
fn appended(keys: &Keys, token: &str, text: &str) -> Result<String, String> {
    let [header, payload, _] = parts(token)?;
    let mut json = decode(payload)?;
    json.pop();
    json.extend_from_slice(text.as_bytes());
    json.push(b'}');
    let signed = format!("{header}.{}", encode(&json));
    let signature =
        keys.sign(Algorithm::Hs256, signed.as_bytes()).map_err(|error| error.to_string())?;
    Ok(format!("{signed}.{}", encode(&signature)))
}

fn forge(token: &str, forgery: Forgery) -> Result<String, String> {
    let [header, payload, signature] = parts(token)?;
    Ok(match forgery {
        Forgery::Unsigned => format!("{header}.{payload}."),
        Forgery::Claims => {
            let mut claims: Value =
                serde_json::from_slice(&decode(payload)?).map_err(|e| e.to_string())?;
            claims["sub"] = json!("quillhaven");
            format!("{header}.{}.{signature}", encode(claims.to_string().as_bytes()))
        }
        Forgery::Signature => {
            let mut bytes = decode(signature)?;
            if let Some(byte) = bytes.get_mut(7) {
                *byte ^= 1;
            }
            format!("{header}.{payload}.{}", encode(&bytes))
        }
        Forgery::HmacOfPublicPem => hmac(header, payload, "")?,
        Forgery::HmacOfSpacedPem => hmac(header, payload, "\n ")?,
        Forgery::FiveParts => format!("{token}.AAAA.BBBB"),
        Forgery::JsonForm => json!({"payload": payload}).to_string(),
        Forgery::Oversized => token.to_owned(),
    })
}

/// Signs with HS256, the secret being the RSA key's public half, which everybody has.
fn hmac(header: &str, payload: &str, before: &str) -> Result<String, String> {
    let mut members: Value = serde_json::from_slice(&decode(header)?).map_err(|e| e.to_string())?;
    members["alg"] = json!("HS256");
    let signed = format!("{}.{payload}", encode(members.to_string().as_bytes()));
    let pair = RS256KeyPair::from_pem(include_str!("../../stack/keys/rs256.pem"))
        .map_err(|e| e.to_string())?;
    let secret = pair.public_key().to_pem().map_err(|e| e.to_string())?;
    let mac = hmac_sha256::HMAC::mac(signed.as_bytes(), format!("{before}{secret}").as_bytes());
    Ok(format!("{signed}.{}", encode(&mac)))
}

fn parts(token: &str) -> Result<[&str; 3], String> {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().map_err(|_| "the minted token has not three parts".to_owned())
}

fn encode(bytes: &[u8]) -> String {
    Base64UrlSafeNoPadding::encode_to_string(bytes).unwrap_or_default()
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    Base64UrlSafeNoPadding::decode_to_vec(text, None).map_err(|e| e.to_string())
}
