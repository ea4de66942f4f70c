//! Whose requests are counted together.

use std::cell::OnceCell;
use std::hash::Hasher;
use std::net::IpAddr;

use postern_core::Host;
use postern_core::address::network;
use postern_core::conditions::address_of;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Text, Value};
use postern_core::identity::SeenCaller;
use postern_core::rules::{HeaderName, Subject};
use postern_core::target::decode_form;
use postern_core::template::Captured;
use serde_json::Value as Json;

use crate::decimal::Decimal;

postern_core::config! {
    choice Attribute {
        /// The subject, whatever credential it came with.
        Subject = "subject",
        /// Who vouches for the subject: its issuer, or the provider that checked a
        /// credential without one; only of use beside `subject`.
        Issuer = "issuer",
        /// The client that calls.
        Client = "client",
        /// The credential's kind and id, and the subject that it belongs to.
        Credential = "credential",
        /// The plan: all its callers share one count.
        Plan = "plan",
        /// The address that the proxy trusts; of IPv6 the network's prefix.
        Address = "address",
    }

    oneof NamedPart {
        /// A claim that the identity carries; a mapping or a list has no place here.
        claim: Claim(Text),
        /// A header of the request. Callers who choose it choose their count.
        header: Header(HeaderName),
        /// A parameter of the query, decoded.
        query: Query(Text),
        /// A variable part of the path, by its name in each of the limit's `paths`.
        path: Path(Text),
        /// The network of the address.
        network: Network(Network),
    }

    /// A network, by how many bits of the address are its own.
    struct Network {
        /// Of an IPv4 address.
        ipv4: Count<8, 32> = Count::new(32),
        /// Of an IPv6 address.
        ipv6: Count<16, 128> = Count::new(64),
    }
}

/// A part of what a limit counts by. Where a request has no such part (the caller
/// is anonymous, say), or several that could be meant, its address takes that part's
/// place.
#[derive(Clone, Debug)]
pub struct Part(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Word(Attribute),
    Named(NamedPart),
}

impl Part {
    /// The subject.
    pub(crate) const SUBJECT: Part = Part(Kind::Word(Attribute::Subject));

    /// Does it look at the caller's identity?
    pub(crate) fn needs_identity(&self) -> bool {
        match &self.0 {
            Kind::Word(word) => *word != Attribute::Address,
            Kind::Named(named) => matches!(named, NamedPart::Claim(_)),
        }
    }

    /// Its word in a policy, and what it names.
    pub(crate) fn words(&self) -> (&'static str, Option<&str>) {
        match &self.0 {
            Kind::Word(word) => (word.word(), None),
            Kind::Named(NamedPart::Claim(name)) => ("claim", Some(name.as_str())),
            Kind::Named(NamedPart::Header(name)) => ("header", Some(name.as_str())),
            Kind::Named(NamedPart::Query(name)) => ("query", Some(name.as_str())),
            Kind::Named(NamedPart::Path(name)) => ("path", Some(name.as_str())),
            Kind::Named(NamedPart::Network(_)) => ("network", None),
        }
    }

    /// The variable part of the path that it names.
    pub(crate) fn variable(&self) -> Option<&str> {
        match &self.0 {
            Kind::Named(NamedPart::Path(name)) => Some(name.as_str()),
            _ => None,
        }
    }
}

impl Decode for Part {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        Some(Part(match &at.node().value {
            Value::Map(_) => Kind::Named(NamedPart::decode(at, errors)?),
            _ => Kind::Word(Attribute::decode(at, errors)?),
        }))
    }

    fn schema() -> Schema {
        Schema::AnyOf(vec![Attribute::schema(), NamedPart::schema()])
    }
}

/// The caller of a request, and the request.
pub(crate) struct Caller<'a> {
    pub(crate) asked: &'a Subject<'a>,
    known: Option<&'a SeenCaller<'a>>,
    host: &'a dyn Host,
    ipv6_prefix: u8,
    /// As the proxy knows it, read once.
    address: OnceCell<Vec<u8>>,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(
        asked: &'a Subject<'a>,
        known: Option<&'a SeenCaller<'a>>,
        host: &'a dyn Host,
        ipv6_prefix: u8,
    ) -> Self {
        Caller { asked, known, host, ipv6_prefix, address: OnceCell::new() }
    }

    pub(crate) fn host(&self) -> &'a dyn Host {
        self.host
    }

    pub(crate) fn known(&self) -> Option<&'a SeenCaller<'a>> {
        self.known
    }

    pub(crate) fn plan(&self) -> Option<&'a str> {
        self.known.and_then(|c| c.plan.as_deref())
    }

    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        address_of(self.address())
    }

    /// One that stands there twice is none.
    fn claim(&self, name: &str) -> Option<Json> {
        self.known?.claim(name).ok().flatten()
    }

    /// A claim that is a number.
    fn decimal(&self, name: &str) -> Option<Decimal> {
        Decimal::read(self.known?.written(name).ok().flatten()?)
    }

    /// A claim that is a whole number.
    pub(crate) fn number(&self, claim: &str) -> Option<u64> {
        self.decimal(claim)?.whole()
    }

    /// Names a bucket: for whom. Every part goes in with its kind and length, so that
    /// no two callers share one.
    pub(crate) fn name(
        &self,
        parts: &[Part],
        captures: &[Captured<'_, '_>],
        into: &mut impl Hasher,
    ) {
        let mut addressed = false;
        for part in parts {
            if !self.part(part, captures, into) && !addressed {
                addressed = true;
                self.by_address(into);
            }
        }
    }

    /// What takes the place of a part that there is not.
    pub(crate) fn by_address(&self, into: &mut impl Hasher) {
        push(into, b'@', &network(self.address(), 32, self.ipv6_prefix));
    }

    /// `false`: there is none.
    pub(crate) fn part(
        &self,
        part: &Part,
        captures: &[Captured<'_, '_>],
        into: &mut impl Hasher,
    ) -> bool {
        match &part.0 {
            Kind::Word(word) => self.known.is_some_and(|caller| word.of(caller, into)),
            Kind::Named(named) => self.named(named, captures, into),
        }
    }

    fn named(
        &self,
        named: &NamedPart,
        captures: &[Captured<'_, '_>],
        into: &mut impl Hasher,
    ) -> bool {
        match named {
            NamedPart::Claim(name) => match self.decimal(name.as_str()) {
                Some(number) => text_of(into, b'J', &number.text()),
                None => match self.claim(name.as_str()) {
                    Some(Json::String(text)) => text_of(into, b'j', &text),
                    Some(Json::Bool(value)) => {
                        text_of(into, b'J', if value { "true" } else { "false" })
                    }
                    _ => false,
                },
            },
            NamedPart::Header(name) => {
                let mut values = self.asked.headers.all(name.as_str());
                match (values.next(), values.next()) {
                    (Some(value), None) => bytes_of(into, b'h', value),
                    _ => false,
                }
            }
            NamedPart::Query(name) => {
                let mut values = self.asked.target.query_values(name.as_str());
                match (values.next(), values.next()) {
                    (Some(value), None) => bytes_of(into, b'q', &decode_form(value)),
                    _ => false,
                }
            }
            NamedPart::Path(name) => {
                let found = captures.iter().find(|captured| captured.name == name.as_str());
                found.is_some_and(|captured| bytes_of(into, b'v', &captured.decoded))
            }
            NamedPart::Network(Network { ipv4, ipv6 }) => {
                let bits = |n: u64| u8::try_from(n).unwrap_or(u8::MAX);
                push(into, b'n', &network(self.address(), bits(ipv4.get()), bits(ipv6.get())));
                true
            }
        }
    }

    fn address(&self) -> &[u8] {
        let read = || self.host.property(&["source", "address"]).unwrap_or_default();
        self.address.get_or_init(read)
    }
}

impl Attribute {
    fn word(self) -> &'static str {
        match self {
            Attribute::Subject => "subject",
            Attribute::Issuer => "issuer",
            Attribute::Client => "client",
            Attribute::Credential => "credential",
            Attribute::Plan => "plan",
            Attribute::Address => "address",
        }
    }

    fn of(self, caller: &SeenCaller<'_>, into: &mut impl Hasher) -> bool {
        let some = |text: Option<&str>, tag: u8, into: &mut _| {
            text.is_some_and(|text| text_of(into, tag, text))
        };
        match self {
            Attribute::Subject => text_of(into, b's', &caller.sub),
            // By its address a key's owner would have a count in each place.
            Attribute::Issuer => {
                some(caller.iss.as_deref(), b'i', into) || text_of(into, b'I', &caller.provider)
            }
            Attribute::Client => some(caller.client.as_deref(), b'c', into),
            Attribute::Credential => {
                let there = text_of(into, b'k', &caller.credential);
                there && {
                    push(into, b'K', caller.sub.as_bytes());
                    true
                }
            }
            Attribute::Plan => some(caller.plan.as_deref(), b'p', into),
            Attribute::Address => false,
        }
    }
}

fn text_of(into: &mut impl Hasher, tag: u8, text: &str) -> bool {
    bytes_of(into, tag, text.as_bytes())
}

fn bytes_of(into: &mut impl Hasher, tag: u8, bytes: &[u8]) -> bool {
    if !bytes.is_empty() {
        push(into, tag, bytes);
    }
    !bytes.is_empty()
}

pub(crate) fn push(into: &mut impl Hasher, tag: u8, value: &[u8]) {
    into.write_u8(tag);
    into.write_u64(u64::try_from(value.len()).unwrap_or(u64::MAX));
    into.write(value);
}
