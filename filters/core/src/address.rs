//! Addresses of clients, as keys.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Of `source.address`, the address without its port, or rather its prefix of so many
/// bits. What is no address (a Unix socket) stands for itself.
#[must_use]
pub fn network(source: &[u8], ipv4_bits: u8, ipv6_bits: u8) -> Vec<u8> {
    let text = std::str::from_utf8(source).unwrap_or_default();
    let address = match text.parse::<SocketAddr>() {
        Ok(socket) => Some(socket.ip()),
        Err(_) => text.parse::<IpAddr>().ok(),
    };
    match address.map(|a| a.to_canonical()) {
        Some(IpAddr::V4(v4)) => {
            let host_bits = 32u32.saturating_sub(u32::from(ipv4_bits));
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            (v4.to_bits() & mask).to_be_bytes().to_vec()
        }
        Some(IpAddr::V6(v6)) => prefix(v6, ipv6_bits).octets().to_vec(),
        None => source.to_vec(),
    }
}

fn prefix(address: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let host_bits = 128u32.saturating_sub(u32::from(bits));
    let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(a: &str, b: &str, bits: u8, expected: bool) {
        let same = network(a.as_bytes(), 32, bits) == network(b.as_bytes(), 32, bits);
        assert_eq!(same, expected, "{a} and {b}");
    }

    #[test]
    fn ports_do_not_count() {
        same("192.0.2.1:1000", "192.0.2.1:2000", 64, true);
        same("192.0.2.1:1000", "192.0.2.1", 64, true);
        same("192.0.2.1:1000", "192.0.2.2:1000", 64, false);
        same("[2001:db8::1]:1000", "[2001:db8::1]:2000", 128, true);
        same("[2001:db8::1]:1000", "[2001:db8::2]:1000", 128, false);
        same("[::ffff:192.0.2.1]:1000", "192.0.2.1:1", 64, true);
    }

    #[test]
    fn a_network_shares_its_prefix() {
        same("[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff::9]:1", 64, true);
        same("[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", 64, false);
        same("[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", 48, true);
        same("[::1]:1", "[::2]:1", 128, false);
    }

    #[test]
    fn what_is_no_address_stands_for_itself() {
        same("/run/a.sock", "/run/b.sock", 64, false);
        same("", "", 64, true);
        assert_eq!(network(b"\xff", 32, 64), b"\xff");
    }

    #[test]
    fn networks_of_ipv4() {
        assert_eq!(network(b"192.0.2.77:1", 24, 64), [192, 0, 2, 0]);
        assert_eq!(network(b"192.0.2.77:1", 31, 64), [192, 0, 2, 76]);
        assert_eq!(network(b"192.0.2.77:1", 0, 64), [0; 4]);
        assert_eq!(network(b"[::ffff:192.0.2.77]:1", 24, 64), [192, 0, 2, 0]);
    }
}
