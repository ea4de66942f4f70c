//! SHA-256, and the short form that names a configuration's version.

/// SHA-256 of `bytes` (FIPS 180-4).
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    hmac_sha256::Hash::hash(bytes)
}

/// Lower-case hexadecimal text of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble & 15)).copied().unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

/// The version of a configuration: the first 12 hexadecimal digits of the
/// SHA-256 of its rendered bytes. Filters cannot read Envoy's `version_info`;
/// the command line tool writes this same digest there.
#[must_use]
pub fn version(rendered: &[u8]) -> String {
    hex(&sha256(rendered)).chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_the_head_of_sha256() {
        assert_eq!(version(b"abc"), "ba7816bf8f01");
    }
}
