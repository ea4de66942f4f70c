//! Targets for fuzzing: see `crate::fuzz`.

use postern_core::fuzz::twice;
use postern_core::{Headers, Host, Request, Stored};

use super::component::Outside;
use super::fields::{Bare, Member, dictionary};
use super::input::Input;
use super::replay::{Once, Spent};
use crate::fuzz::{NOW, asking, host, texts};

pub(crate) const WORDS: &[&str] = &[
    "sig1=",
    "(",
    ")",
    "\"@method\"",
    "\"@authority\"",
    "\"@path\"",
    "\"@query\"",
    "\"@target-uri\"",
    "\"@request-target\"",
    "\"@scheme\"",
    "\"@query-param\";name=\"a\"",
    "\"@status\"",
    "\"content-type\";bs",
    "\"x-dict\";key=\"a\"",
    "\"date\";sf",
    "\"x\";req",
    "\"host\"",
    ";created=1795478430",
    ";expires=0",
    ";keyid=\"k\"",
    ";nonce=\"n\"",
    ";alg=\"hmac-sha256\"",
    ";tag=\"t\"",
    ":AQI=:",
    ":AQJ=:",
    "?1",
    "?0",
    "sig2",
    ", ",
    "\n",
    "\\\"",
    "1.5",
    "@1659578233",
    "%\"a\"",
    "*t",
    "-0",
];

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "sig1=(\"@method\" \"@authority\" \"content-type\";bs);created=1795478430;keyid=\"k\";nonce=\"n\"",
        "a=( \"x\"  \"y\";k );b=007, c, d=?0;e=:AQI=:, f=tok/en:*;g=\"q\\\"\\\\\"",
        "sig1=:AQIDBA==:, sig2=:AAAA:",
        "  a=-12  ",
        "",
    ])
}

fn written(members: &[(String, Member)]) -> Vec<u8> {
    let one = |(key, member): &(String, Member)| {
        let mut value = Vec::new();
        member.write(&mut value);
        [key.as_bytes(), b"=", &value].concat()
    };
    members.iter().map(one).collect::<Vec<_>>().join(&b", "[..])
}

/// What is read has one form, and is read the same from it.
pub(crate) fn fields(text: &[u8]) {
    let Some(members) = twice(|| dictionary(text)) else { return };
    assert!(members.len() <= 64);
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "a key twice");
    let form = written(&members);
    assert!(form.iter().all(|b| (0x20..0x7f).contains(b)));
    #[cfg(test)]
    agrees_with_another_parser(text, &form);
    let again = dictionary(&form).expect("its own form is read");
    assert_eq!(again, members);
    assert_eq!(written(&again), form);
    for (_, member) in &members {
        let Member::Item(item) = member else { continue };
        if let Bare::Integer(n) = item.bare {
            assert!(n.abs() < 1_000_000_000_000_000);
        }
    }
}

/// It takes more than this one does.
#[cfg(test)]
fn agrees_with_another_parser(text: &[u8], form: &[u8]) {
    let read = |text: &[u8]| sfv::Parser::new(text).parse::<sfv::Dictionary>();
    let theirs = read(text).expect("the other reads it");
    assert_eq!(theirs, read(form).expect("the other reads its form"));
}

pub(crate) fn input_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "sig1=(\"@method\" \"@target-uri\" \"content-type\";bs \"x-dict\";key=\"a\");created=1795478430;keyid=\"k\"\nsig1=:AQIDBA==:",
        "sig1=(\"@path\" \"@query\" \"@query-param\";name=\"a\" \"date\");created=1;expires=2;nonce=\"n\";alg=\"ed25519\";tag=\"t\"\nsig1=:AAAA:",
        "sig1=(\"x-lines\" \"x-bytes\" \"x-lines\";bs);keyid=\"k\"\nsig1=:AAAA:",
        "sig1=();keyid=\"k\"\nsig1=::",
    ])
}

/// The base has a line for each component and one for itself: nothing that a client
/// writes makes another.
pub(crate) fn input(text: &[u8]) {
    let at = text.iter().position(|b| *b == b'\n').unwrap_or(text.len());
    let (one, other) = (&text[..at], text.get(at + 1..).unwrap_or_default());
    let request = Request::new(
        Headers::new([
            (":method", &b"GET"[..]),
            (":authority", b"api.example.com"),
            (":scheme", b"https"),
            (":path", b"/a/b?a=1&a=2&c=%C3%A9+d"),
            ("date", b"Tue, 24 Nov 2026 00:00:00 GMT"),
            ("content-type", b"text/plain;  charset=x"),
            ("x-dict", b"a=1, b=(2 3);c"),
            ("x-bytes", b"\xff\x00\r"),
            ("x-lines", b"a\n\"@method\": POST"),
            ("signature-input", one),
            ("signature", other),
        ]),
        true,
    );
    let label = Some("sig1").filter(|_| text.len().is_multiple_of(2));
    let Ok(input) = Input::read(request.headers(), label) else { return };
    assert!(input.components.len() <= 32);
    let base = asking("signed", &request, &host(), |asked| {
        twice(|| input.base(asked, &Outside::default()))
    });
    let Ok(base) = base else { return };
    let lines: Vec<&[u8]> = base.split(|b| *b == b'\n').collect();
    assert_eq!(lines.len(), input.components.len() + 1);
    assert!(lines.last().expect("a line").starts_with(b"\"@signature-params\": ("));
    assert!(lines.iter().all(|line| line.starts_with(b"\"")));
}

pub(crate) fn nonce_seeds() -> Vec<Vec<u8>> {
    let kept = |seconds: i64| {
        let host = host();
        let once = Once::new("p", "k", "another", 4, NOW + seconds);
        once.spend(&host).expect("it is fresh");
        match host.load(&once.slot) {
            Stored::Value(bytes, _) => bytes,
            other => panic!("{other:?}"),
        }
    };
    vec![Vec::new(), kept(9), [kept(1), kept(300)].concat(), vec![0xff; 20 * 4]]
}

/// Whatever stands in the shared data, a nonce counts once.
pub(crate) fn nonces(slot: &[u8]) {
    let host = host();
    let once = Once::new("p", "k", "n", 4, NOW + 60);
    host.store(&once.slot, slot, &Stored::Absent).expect("it is empty");
    match once.spend(&host) {
        Ok(()) => assert!(once.spend(&host).is_err(), "it was used"),
        Err(Spent::Full { retry_after }) => assert!((1..=3_900).contains(&retry_after)),
        Err(Spent::Forgotten) => assert!(slot.len() >= 4),
        // Sixteen bytes of a digest: nobody comes upon them.
        Err(Spent::Replayed) => panic!("it was never used"),
    }
}
