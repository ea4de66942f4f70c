//! A header map in the form in which it crosses the boundary to the proxy: one
//! block of bytes, which is read in place.

/// Names and values in order: the count, two lengths per header, then each
/// name and value with a NUL behind it; numbers of 32 bits, little-endian
/// (proxy-wasm ABI 0.2.1).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<u8>);

impl Pairs {
    /// A map as the proxy hands it over. Where it is cut short, it ends.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Pairs(bytes)
    }

    /// Writes headers down in order; one that is longer than 4 GiB is left out.
    pub fn new<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Self {
        let fitting = || {
            headers.iter().filter_map(|(name, value)| {
                let (name, value) = (name.as_ref(), value.as_ref());
                let lengths = [u32::try_from(name.len()).ok()?, u32::try_from(value.len()).ok()?];
                Some((name, value, lengths))
            })
        };
        let count = u32::try_from(fitting().count()).unwrap_or(u32::MAX);
        let mut out = count.to_le_bytes().to_vec();
        for (.., lengths) in fitting() {
            out.extend(lengths.into_iter().flat_map(u32::to_le_bytes));
        }
        for (name, value, _) in fitting() {
            for text in [name, value] {
                out.extend_from_slice(text);
                out.push(0);
            }
        }
        Pairs(out)
    }

    /// The form itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The headers in order; blanks around a value are no part of it (RFC 9110 §5.5).
    /// HTTP/2 brings them along, and whoever reads the message as HTTP/1.1 drops them.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (table, texts) = self.parts();
        Iter { table: table.iter(), texts, at: 0 }
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        let (table, texts) = self.parts();
        let mut at = 0u64;
        table.iter().map_while(move |header| {
            let [own, length] = lengths(*header);
            let from = at;
            at = end(from, own, length);
            // A header that is not whole ends the map.
            part(texts, from, at)?.get(..usize::try_from(own).ok()?)
        })
    }

    /// The values of the headers of this name, in order, without blanks around them.
    pub fn all<'s, 'n>(&'s self, name: &'n [u8]) -> impl Iterator<Item = &'s [u8]> + use<'s, 'n> {
        let (table, texts) = self.parts();
        let mut headers = table.iter();
        // So wide that no lengths exceed it.
        let mut at = 0u64;
        // Most names differ in their lengths: those are passed over unseen.
        std::iter::from_fn(move || {
            loop {
                let [own, length] = lengths(*headers.next()?);
                let from = at;
                at = end(from, own, length);
                if own == name.len() as u64
                    && let (own, [_, value @ .., _]) =
                        part(texts, from, at)?.split_at_checked(name.len())?
                    && own == name
                {
                    return Some(trimmed(name, value));
                }
            }
        })
    }

    /// The two lengths of each header, and all texts.
    fn parts(&self) -> (&[[[u8; 4]; 2]], &[u8]) {
        let (count, rest) = split_word(&self.0).unwrap_or_default();
        let size = usize::try_from(count).unwrap_or(usize::MAX).checked_mul(8);
        let (table, texts) = size.and_then(|size| rest.split_at_checked(size)).unwrap_or_default();
        let (words, _) = table.as_chunks::<4>();
        let (pairs, _) = words.as_chunks::<2>();
        (pairs, texts)
    }
}

impl std::fmt::Debug for Pairs {
    /// Names only: values may be credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}

/// A value without the blanks around it. In a pseudo-header there is none that does not
/// count: it goes into the request's first line.
fn trimmed<'a>(name: &[u8], mut value: &'a [u8]) -> &'a [u8] {
    if name.first() != Some(&b':') {
        while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
            value = rest;
        }
    }
    value
}

/// The lengths of a name and of its value.
fn lengths(words: [[u8; 4]; 2]) -> [u64; 2] {
    words.map(|word| u64::from(u32::from_le_bytes(word)))
}

/// Where a header ends that begins there, both NULs included. There are less than 2^32 of
/// them, of less than 2^34 bytes each: their ends never come round.
fn end(from: u64, name: u64, value: u64) -> u64 {
    from.wrapping_add(name).wrapping_add(value).wrapping_add(2)
}

fn part(texts: &[u8], from: u64, to: u64) -> Option<&[u8]> {
    texts.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
}

struct Iter<'a> {
    /// The lengths of what is to come.
    table: std::slice::Iter<'a, [[u8; 4]; 2]>,
    texts: &'a [u8],
    at: u64,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [own, length] = lengths(*self.table.next()?);
        let from = self.at;
        self.at = end(from, own, length);
        let header = part(self.texts, from, self.at)?;
        let (name, rest) = header.split_at_checked(usize::try_from(own).ok()?)?;
        let [_, value @ .., _] = rest else { return None };
        Some((name, trimmed(name, value)))
    }
}

fn split_word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*word), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_form_is_that_of_the_abi() {
        let pairs = Pairs::new(&[("a", &b"xy"[..]), ("bc", b"")]);
        assert_eq!(
            pairs.as_bytes(),
            b"\x02\0\0\0\x01\0\0\0\x02\0\0\0\x02\0\0\0\0\0\0\0a\0xy\0bc\0\0"
        );
        assert_eq!(format!("{pairs:?}"), r#"["a", "bc"]"#);
    }

    /// Over HTTP/2 a rule for the value `/admin` did not see ` /admin`, which the upstream
    /// gets by HTTP/1.1, where it is `/admin`.
    #[test]
    fn blanks_around_a_value_are_no_part_of_it() {
        let pairs = Pairs::new(&[("a", " \t/x y\t "), (":path", "/a "), ("a", " "), ("b", "\n")]);
        let read: Vec<_> = pairs.iter().collect();
        assert_eq!(
            read,
            [(&b"a"[..], &b"/x y"[..]), (b":path", b"/a "), (b"a", b""), (b"b", b"\n")]
        );
        assert_eq!(pairs.all(b"a").collect::<Vec<_>>(), [&b"/x y"[..], b""]);
        assert_eq!(pairs.all(b":path").collect::<Vec<_>>(), [b"/a "]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(headers: Vec<(Vec<u8>, Vec<u8>)>, cut: prop::sample::Index) {
            let trim = |(name, value): &(Vec<u8>, Vec<u8>)| (name.clone(), trimmed(name, value).to_vec());
            let headers: Vec<_> = headers.iter().map(trim).collect();
            let pairs = Pairs::new(&headers);
            let read = |pairs: &Pairs| -> Vec<(Vec<u8>, Vec<u8>)> {
                pairs.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect()
            };
            prop_assert_eq!(&read(&pairs), &headers);
            // A shorter one has the first of them, or none.
            let whole = pairs.as_bytes();
            let cut = Pairs::from_bytes(whole[..cut.index(whole.len())].to_vec());
            let read = read(&cut);
            prop_assert_eq!(read.as_slice(), &headers[..read.len()]);
            prop_assert!(read.len() < headers.len() || headers.is_empty());
            // Those of one name are those that a plain look finds.
            for pairs in [&pairs, &cut] {
                prop_assert!(pairs.names().eq(pairs.iter().map(|(name, _)| name)));
                for (name, _) in &headers {
                    let plain: Vec<_> =
                        pairs.iter().filter(|(n, _)| *n == name).map(|(_, v)| v).collect();
                    prop_assert_eq!(pairs.all(name).collect::<Vec<_>>(), plain);
                }
            }
        }

        #[test]
        fn no_bytes_stop_it(bytes: Vec<u8>) {
            let (size, same) = (bytes.len(), Pairs::from_bytes(bytes.clone()));
            let plain: Vec<_> = same.iter().filter(|(n, _)| n.is_empty()).map(|(_, v)| v).collect();
            prop_assert_eq!(same.all(b"").collect::<Vec<_>>(), plain);
            let read: usize = Pairs::from_bytes(bytes).iter().map(|(n, v)| n.len() + v.len()).sum();
            prop_assert!(read <= size);
        }
    }
}
