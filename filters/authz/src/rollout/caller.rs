//! Who is one caller.

use postern_core::Host;
use postern_core::address::network;
use postern_core::identity::Seen;

use super::tally::Kind;

/// Of an IPv6 address, the network that one subscriber usually has.
const IPV6_PREFIX: u8 = 64;

/// A caller, by a name that no other has: the subject, whatever credential it
/// came with, and who vouches for it; without an identity, the client's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) kind: Kind,
    pub(crate) key: Vec<u8>,
}

impl Caller {
    pub(crate) fn of(identity: &Seen<'_>, host: &dyn Host) -> Self {
        match identity {
            Seen::Known(caller) => {
                let issuer = caller.iss.as_deref().unwrap_or_default().as_bytes();
                let length = u64::try_from(issuer.len()).unwrap_or(u64::MAX).to_le_bytes();
                let key = [&b"s"[..], &length, issuer, caller.sub.as_bytes()].concat();
                Caller { kind: Kind::Identified, key }
            }
            Seen::Anonymous => {
                let source = host.property(&["source", "address"]).unwrap_or_default();
                let key = [&b"@"[..], &network(&source, 32, IPV6_PREFIX)].concat();
                Caller { kind: Kind::Anonymous, key }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use postern_core::fake::FakeHost;

    use super::*;

    fn known(json: &str) -> Caller {
        Caller::of(&Seen::read(json.as_bytes()).unwrap(), &FakeHost::default())
    }

    fn anonymous(address: &str) -> Caller {
        let host = FakeHost::default();
        host.set_property("source.address", address);
        Caller::of(&Seen::Anonymous, &host)
    }

    #[test]
    fn one_subject_is_one_caller_with_any_credential() {
        let a = known(r#"{"v":1,"sub":"a","iss":"i","credential":"jwt:1","scopes":["x"]}"#);
        assert_eq!(a, known(r#"{"v":1,"sub":"a","iss":"i","credential":"api_key:2"}"#));
        assert_ne!(a, known(r#"{"v":1,"sub":"a","iss":"j"}"#));
        assert_ne!(a, known(r#"{"v":1,"sub":"b","iss":"i"}"#));
        assert_ne!(a, known(r#"{"v":1,"sub":"ia"}"#));
    }

    #[test]
    fn one_address_is_one_anonymous_caller() {
        let a = anonymous("192.0.2.1:1000");
        assert_eq!(a, anonymous("192.0.2.1:2000"));
        assert_ne!(a, anonymous("192.0.2.2:1000"));
        assert_eq!(anonymous("[2001:db8::1]:1"), anonymous("[2001:db8::2]:1"));
        assert_eq!(a.kind, Kind::Anonymous);
    }
}
