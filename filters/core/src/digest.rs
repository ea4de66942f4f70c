//! SHA-256, and the short form that names a configuration's version.

/// SHA-256 of `bytes` (FIPS 180-4).
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    hmac_sha256::Hash::hash(bytes)
}

/// HMAC-SHA-256 of `bytes` (RFC 2104).
#[must_use]
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    hmac_sha256::HMAC::mac(bytes, key)
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
    short(&sha256(rendered))
}

/// [`sha256`] of a long text, piece by piece.
#[derive(Clone, Default)]
pub struct Pieces {
    hash: hmac_sha256::Hash,
    /// How much of the text is in it.
    read: usize,
}

impl Pieces {
    /// Another text follows: the digest will be that of both in one.
    pub fn go_on(&mut self) {
        self.read = 0;
    }

    /// Reads so many more bytes of the text. The digest, once all are read.
    pub fn read(&mut self, text: &[u8], count: usize) -> Option<[u8; 32]> {
        let rest = text.get(self.read..).unwrap_or_default();
        let next = rest.get(..count).unwrap_or(rest);
        self.hash.update(next);
        self.read = self.read.saturating_add(next.len());
        (self.read >= text.len()).then(|| self.hash.finalize())
    }
}

/// [`version`] of a long text, piece by piece.
#[derive(Clone, Default)]
pub struct Version(Pieces);

impl Version {
    /// Reads so many more bytes of it. The version, once all are read.
    pub fn read(&mut self, rendered: &[u8], count: usize) -> Option<String> {
        self.0.read(rendered, count).map(|digest| short(&digest))
    }
}

fn short(digest: &[u8]) -> String {
    hex(digest).chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_the_head_of_sha256() {
        assert_eq!(version(b"abc"), "ba7816bf8f01");
    }

    #[test]
    fn piece_by_piece_it_is_the_same() {
        let text: Vec<u8> = (0..1_000u32).map(|n| (n % 251) as u8).collect();
        for count in [1, 64, 333, 999, 1_000, 5_000] {
            let mut pieces = Version::default();
            let mut reads = 1;
            let found = loop {
                match pieces.read(&text, count) {
                    Some(found) => break found,
                    None => reads += 1,
                }
            };
            assert_eq!((found, reads), (version(&text), 1_000usize.div_ceil(count)));
        }
        assert_eq!(Version::default().read(b"", 1), Some(version(b"")));
        let mut both = Pieces::default();
        assert_eq!(both.read(b"ab", 5), Some(sha256(b"ab")));
        both.go_on();
        assert_eq!((both.read(b"cd", 1), both.read(b"cd", 1)), (None, Some(sha256(b"abcd"))));
    }
}
