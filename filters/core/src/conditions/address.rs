//! Client addresses.

use std::net::{IpAddr, SocketAddr};

use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, decode_text};

/// Reads an address as the proxy writes it, `192.0.2.1:4711` or
/// `[2001:db8::1]:4711`. An IPv4 address that is written as IPv6 is the IPv4
/// address. `None`: anything else, such as the path of a socket.
#[must_use]
pub fn address_of(text: &[u8]) -> Option<IpAddr> {
    let address: SocketAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.ip().to_canonical())
}

/// One block of addresses (CIDR, RFC 4632): `10.0.0.0/8`, `2001:db8::/32`, or
/// one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    first: IpAddr,
    last: IpAddr,
}

const EXPECTED: &str = "a block of addresses such as `10.0.0.0/8`, or one address";

impl Block {
    /// Does it contain all of another?
    #[must_use]
    pub fn covers(&self, other: &Block) -> bool {
        self.contains(other.first) && self.contains(other.last)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && self.first <= address && address <= self.last
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let expected = || format!("expected {EXPECTED}");
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let plain = |text: &str| text == "0" || !text.starts_with(['0', '+']);
        let length = match length {
            None => most,
            Some(text) if plain(text) => {
                text.parse().ok().filter(|n| *n <= most).ok_or_else(expected)?
            }
            Some(_) => return Err(expected()),
        };
        let host_bits = |width: u8| u128::MAX.checked_shr(128 - u32::from(width - length));
        let (first, last) = match address {
            IpAddr::V4(v4) => {
                let mask = u32::try_from(host_bits(32).unwrap_or(0)).unwrap_or(u32::MAX);
                let bits = v4.to_bits();
                (IpAddr::V4((bits & !mask).into()), IpAddr::V4((bits | mask).into()))
            }
            IpAddr::V6(v6) => {
                let mask = host_bits(128).unwrap_or(0);
                let bits = v6.to_bits();
                (IpAddr::V6((bits & !mask).into()), IpAddr::V6((bits | mask).into()))
            }
        };
        if first != address {
            return Err(format!(
                "expected no bits beyond the prefix: did you mean `{first}/{length}`?"
            ));
        }
        if let IpAddr::V6(v6) = first
            && v6.to_ipv4_mapped().is_some()
        {
            return Err("expected the IPv4 form of this block".to_owned());
        }
        Ok(Block { first, last })
    }
}

impl Decode for Block {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, EXPECTED, Block::parse)
    }

    fn schema() -> Schema {
        Schema::Text { expected: EXPECTED, pattern: Some("^[0-9a-fA-F.:]+(/[0-9]{1,3})?$") }
    }
}

/// Many blocks, so ordered that looking up costs the same for a few and for
/// thousands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses(Vec<Block>);

impl Addresses {
    /// Of these blocks. Blocks that lie in others go.
    #[must_use]
    pub fn new(blocks: &[Block]) -> Self {
        let mut blocks = blocks.to_vec();
        blocks.sort_unstable_by_key(|b| (b.first, std::cmp::Reverse(b.last)));
        blocks.dedup_by(|next, kept| kept.covers(next));
        Addresses(blocks)
    }

    /// Is this address in one of them?
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let after = self.0.partition_point(|block| block.first <= address);
        after.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|b| b.contains(address))
    }

    /// Does it contain all of another?
    #[must_use]
    pub fn covers(&self, other: &Addresses) -> bool {
        other.0.iter().all(|block| self.0.iter().any(|own| own.covers(block)))
    }

    /// How many there are, those left out that lie in others.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(text: &str) -> Block {
        Block::parse(text).unwrap()
    }

    #[test]
    fn addresses_come_as_the_proxy_writes_them() {
        let read = |text: &str| address_of(text.as_bytes()).map(|a| a.to_string());
        assert_eq!(read("192.0.2.1:4711").as_deref(), Some("192.0.2.1"));
        assert_eq!(read("[2001:db8::1]:4711").as_deref(), Some("2001:db8::1"));
        assert_eq!(read("[::ffff:192.0.2.1]:4711").as_deref(), Some("192.0.2.1"));
        for none in ["", "192.0.2.1", "2001:db8::1", "/var/run/socket", "a:1", "192.0.2.01:1"] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(address_of(b"\xff:1"), None);
    }

    #[test]
    fn bad_blocks_are_named() {
        let expected = format!("expected {EXPECTED}");
        for (text, message) in [
            ("10.0.0.0/33", expected.as_str()),
            ("10.0.0.0/08", &expected),
            ("10.0.0.0/", &expected),
            ("10.0.0/8", &expected),
            ("10.0.0.0/+8", &expected),
            ("example.com", &expected),
            ("2001:db8::/129", &expected),
            ("10.0.0.1/8", "expected no bits beyond the prefix: did you mean `10.0.0.0/8`?"),
            ("::ffff:10.0.0.0/104", "expected the IPv4 form of this block"),
        ] {
            assert_eq!(Block::parse(text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn families_are_told_apart() {
        let v6 = Addresses::new(&[block("::/0")]);
        assert!(v6.contains("::1".parse().unwrap()));
        assert!(!v6.contains("10.0.0.1".parse().unwrap()));
        let v4 = Addresses::new(&[block("0.0.0.0/0")]);
        assert!(v4.contains("255.255.255.255".parse().unwrap()));
        assert!(!v4.contains("::1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn many_blocks_agree_with_each_in_turn(
            blocks in prop::collection::vec((0u32..64, 26u8..=32), 0..8), address in 0u32..64,
        ) {
            let blocks: Vec<Block> = blocks
                .iter()
                .map(|(bits, length)| {
                    let mask = u32::MAX.checked_shl(u32::from(32 - length)).unwrap_or(0);
                    block(&format!("{}/{length}", std::net::Ipv4Addr::from(bits & mask)))
                })
                .collect();
            let address = IpAddr::V4(address.into());
            let each = blocks.iter().any(|b| b.contains(address));
            prop_assert_eq!(Addresses::new(&blocks).contains(address), each);
        }
    }
}
