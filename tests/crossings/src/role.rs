//! Which calls each filter makes. What is handed over has the length of what the
//! filter hands over; who called and what is left are made up.

#![allow(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::proxy;

const REQUEST: u32 = 0;
const RESPONSE: u32 = 2;

const CREDENTIAL: &str = "jwt:qqwT8frliKI36wK0EckLt5lu7afzoSn1tv_yHzK7S9o";
const IDENTITY: &str = r#"{"v":1,"sub":"caller-0001","iss":"https://id.example.com","client":"demo-app","scopes":["sale:history"],"provider":"idp","credential":"jwt:qqwT8frliKI36wK0EckLt5lu7afzoSn1tv_yHzK7S9o"}"#;

/// What `auth` asks about a token that it has not seen before: RS256, a public key of
/// 2048 bits, a signature and a signed text of their usual lengths. Both are made up,
/// and checking them costs what it costs with true ones.
static QUESTION: [u8; QUESTION_SIZE] = question();
const SIGNED: usize = 512;
const QUESTION_SIZE: usize = 8 + 3 + 294 + 3 + 256 + 3 + SIGNED;

const fn question() -> [u8; QUESTION_SIZE] {
    let mut all = [0x61; QUESTION_SIZE];
    let mut at = 0;
    at = put(&mut all, at, b"\x0a\x06sha256");
    // SubjectPublicKeyInfo of an RSA key (RFC 5280 §4.1.2.7, RFC 8017 A.1.1).
    at = put(&mut all, at, b"\x12\xa6\x02\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7");
    at = put(&mut all, at, b"\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f\x00\x30\x82\x01\x0a");
    at = put(&mut all, at, b"\x02\x82\x01\x01\x00");
    at = put(&mut all, at, &[0xc5; 256]);
    at = put(&mut all, at, b"\x02\x03\x01\x00\x01");
    at = put(&mut all, at, b"\x1a\x80\x02");
    at = put(&mut all, at, &[0x5a; 256]);
    let _ = put(&mut all, at, b"\x22\x80\x04");
    all
}

const fn put(all: &mut [u8; QUESTION_SIZE], mut at: usize, bytes: &[u8]) -> usize {
    let mut from = 0;
    while from < bytes.len() {
        all[at] = bytes[from];
        at += 1;
        from += 1;
    }
    at
}

/// The filter for which this one stands.
static ROLE: AtomicUsize = AtomicUsize::new(0);

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_root: u32, _size: usize) -> u32 {
    let role = match proxy::configuration() {
        b"legacy-compat" => 1,
        b"auth" => 2,
        b"rate-limit" => 3,
        b"authz" => 4,
        b"auth-cold" => 5,
        _ => 0,
    };
    ROLE.store(role, Ordering::Relaxed);
    u32::from(role != 0)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_id: u32, _parent: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(_id: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_id: u32, _count: u32, _end: u32) -> u32 {
    proxy::headers(REQUEST);
    match ROLE.load(Ordering::Relaxed) {
        1 => {
            proxy::set_property("postern.path", "/v3/market/author/sales");
            proxy::set_property(
                "postern.legacy-compat",
                r#"{"decision":"skip","rule":"-","code":"no_rule","version":"da467ad3efb7","mode":"enforce","host":"api.example.com"}"#,
            );
        }
        role @ (2 | 5) => {
            proxy::now();
            if role == 5 {
                proxy::call_foreign("verify_signature", &QUESTION);
            }
            proxy::set_property("postern.identity", IDENTITY);
            proxy::set_property(
                "postern.auth",
                r#"{"decision":"allow","rule":"-","code":"authenticated","version":"ca27a3f292b0","mode":"enforce","provider":"idp","credential":"jwt:qqwT8frliKI36wK0EckLt5lu7afzoSn1tv_yHzK7S9o"}"#,
            );
            proxy::remove(REQUEST, "authorization");
            proxy::add(REQUEST, "x-postern-subject", "caller-0001");
            proxy::add(REQUEST, "x-postern-client", "demo-app");
            proxy::add(REQUEST, "x-postern-scopes", "sale:history");
            proxy::add(REQUEST, "x-postern-credential", CREDENTIAL);
        }
        3 => {
            proxy::now();
            proxy::property("postern.identity");
            let cas = proxy::shared("cell");
            proxy::set_shared("cell", &[0; 96], cas);
            proxy::set_property(
                "postern.rate-limit",
                r#"{"decision":"allow","rule":"current","code":"within_limit","version":"b2089d43fc24","mode":"enforce","remaining":98}"#,
            );
        }
        _ => {
            proxy::property("postern.identity");
            proxy::set_property(
                "postern.authz",
                r#"{"decision":"allow","rule":"sale-history","code":"allowed","version":"d456f4522eaa","mode":"enforce"}"#,
            );
        }
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(_id: u32, _count: u32, _end: u32) -> u32 {
    if ROLE.load(Ordering::Relaxed) == 3 {
        proxy::replace(RESPONSE, "ratelimit-policy", "\"current\";q=100;w=60");
        proxy::replace(RESPONSE, "ratelimit", "\"current\";r=98;t=60");
    }
    0
}
