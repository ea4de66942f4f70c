//! In a module some things are computed sixteen bytes at a time, by instructions that no
//! native test runs. This module computes them, and what a plain reading says of the same
//! bytes; it takes its configuration only if the two always agree.
//! `tests/module/tests/lanes.rs` runs it.

#[cfg(target_family = "wasm")]
mod proxy;

#[cfg(target_family = "wasm")]
const _: () = assert!(
    cfg!(target_feature = "simd128"),
    "expected the flags of .cargo/config.toml; `RUSTFLAGS` takes their place"
);

use ct_codecs::{Base64UrlSafeNoPadding, Decoder, Encoder};
use postern_core::{base64url, bytes, grammar};

/// The longest text: some times sixty-four, some times sixteen, and a rest.
const LONGEST: usize = 200;
/// Texts of each length.
const EACH: usize = 60;

/// The first thing on which both disagree, with the bytes.
#[must_use]
pub fn disagreement() -> Option<String> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for size in (0..=LONGEST).flat_map(|size| [size; EACH]) {
        let text: Vec<u8> = (0..size).map(|_| dice.byte()).collect();
        if let Some(what) = of(&text, &mut dice) {
            return Some(format!("{what}: {text:?}"));
        }
    }
    None
}

fn of(text: &[u8], dice: &mut Dice) -> Option<&'static str> {
    let place = |one: fn(u8) -> bool| text.iter().position(|b| one(*b));
    let ends = |b: u8| matches!(b, b'"' | b'\\') || b < 0x20;
    let stray = |b: u8| !(0x21..=0x7e).contains(&b) || matches!(b, b'"' | b'\\');
    let sign = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    let body = text.iter().rposition(|b| *b != b'=').map_or(0, |last| last.saturating_add(1));
    let is_token68 = body > 0 && text.iter().take(body).all(|b| sign(*b));
    let Ok(encoded) = Base64UrlSafeNoPadding::encode_to_string(text) else {
        return Some("encoding");
    };
    let mut broken = encoded.clone().into_bytes();
    if let Some(sign) = dice.of(&broken).and_then(|at| broken.get_mut(at)) {
        *sign = dice.byte();
    }
    let other: Vec<u8> = text.iter().map(|b| if dice.rarely() { b ^ 1 } else { *b }).collect();
    let agreed = [
        ("find", bytes::find(text, b'"') == place(|b| b == b'"')),
        ("string_end", bytes::string_end(text) == place(ends)),
        ("has_control", bytes::has_control(text) == place(|b| b.is_ascii_control()).is_some()),
        ("is_scope", bytes::is_scope(text) == place(stray).is_none()),
        ("are_scopes", bytes::are_scopes(text) == text.iter().all(|b| *b == b' ' || !stray(*b))),
        ("has_pair", bytes::has_pair(text, b'a') == text.windows(2).any(|pair| pair == b"aa")),
        ("is_token68", grammar::is_token68(text) == is_token68),
        ("text", bytes::text(text) == std::str::from_utf8(text).ok()),
        ("base64url", base64url::decode(encoded.as_bytes()).as_deref() == Some(text)),
        (
            "broken base64url",
            base64url::decode(&broken) == Base64UrlSafeNoPadding::decode_to_vec(&broken, None).ok(),
        ),
        ("memcmp", text.cmp(&other) == text.iter().cmp(other.iter())),
    ];
    agreed.into_iter().find(|(_, agreed)| !agreed).map(|(what, _)| what)
}

/// Numbers that look random (xorshift).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Mostly a letter; one of those that are looked for, or beside them, now and then.
    fn byte(&mut self) -> u8 {
        const SOUGHT: &[u8] = b"\x00\x1f\x20\x21\"#[\\]~\x7f\x80\xa2\xdc\xff-_/+=@`{Zz09";
        let at = usize::try_from(self.next() % 400).unwrap_or_default();
        let letter = b'a'.saturating_add(u8::try_from(at % 26).unwrap_or_default());
        SOUGHT.get(at).copied().unwrap_or(letter)
    }

    fn of(&mut self, text: &[u8]) -> Option<usize> {
        let size = u64::try_from(text.len()).ok().filter(|size| *size > 0)?;
        usize::try_from(self.next() % size).ok()
    }

    fn rarely(&mut self) -> bool {
        self.next().is_multiple_of(64)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_agree_natively() {
        assert_eq!(super::disagreement(), None);
    }
}
