//! Gzip (RFC 1952) with one member, into a bounded buffer.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// Why it is not decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is no whole gzip.
    Bad,
    /// It is longer than may be.
    TooLarge,
}

/// Decompresses what has at most `limit` bytes.
///
/// # Errors
/// Why not.
pub(crate) fn decode(packed: &[u8], limit: usize) -> Result<Vec<u8>, Unread> {
    let (data, crc, length) = parts(packed).ok_or(Unread::Bad)?;
    // Where it is too long by what it says, it is looked whether that is so.
    let mut out = vec![0; length.min(limit)];
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut inflate = Box::<DecompressorOxide>::default();
    let (status, read, written) = decompress(&mut inflate, data, &mut out, 0, flags);
    let whole = status == TINFLStatus::Done && read == data.len() && written == length;
    match status {
        TINFLStatus::HasMoreOutput if length > limit => Err(Unread::TooLarge),
        _ if whole && crc32(&out) == crc => Ok(out),
        _ => Err(Unread::Bad),
    }
}

/// The compressed data, and the checksum and the length that it says the text has.
fn parts(packed: &[u8]) -> Option<(&[u8], u32, usize)> {
    let data = after_header(packed)?;
    let (data, trailer) = data.split_at_checked(data.len().checked_sub(8)?)?;
    let (crc, length) = trailer.split_at_checked(4)?;
    let crc = u32::from_le_bytes(crc.try_into().ok()?);
    let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
    Some((data, crc, length))
}

fn after_header(packed: &[u8]) -> Option<&[u8]> {
    const HEADER_CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let (header, mut rest) = packed.split_at_checked(10)?;
    let [0x1f, 0x8b, 8, flags, ..] = *header else { return None };
    if flags >= 32 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, after) = rest.split_at_checked(2)?;
        let length = usize::from(u16::from_le_bytes(length.try_into().ok()?));
        rest = after.get(length..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|b| *b == 0)?;
            rest = rest.get(end.saturating_add(1)..)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// CRC-32 as gzip has it (ISO 3309), half a byte at a time.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = {
        let mut table = [0u32; 16];
        let mut i = 0;
        while i < 16 {
            let mut crc = i as u32;
            let mut bit = 0;
            while bit < 4 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
                bit += 1;
            }
            #[allow(clippy::indexing_slicing, reason = "evaluated when compiled")]
            {
                table[i] = crc;
            }
            i += 1;
        }
        table
    };
    let step = |crc: u32, half: u32| {
        let index = usize::try_from((crc ^ half) & 15).unwrap_or(0);
        crc >> 4 ^ TABLE.get(index).copied().unwrap_or(0)
    };
    !bytes.iter().fold(u32::MAX, |crc, b| {
        let crc = step(crc, u32::from(*b));
        step(crc, u32::from(*b >> 4))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use miniz_oxide::deflate::compress_to_vec;
    use proptest::prelude::*;

    use super::*;

    fn packed(text: &[u8], flags: u8, extra: &[u8]) -> Vec<u8> {
        let mut out = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
        out.extend_from_slice(extra);
        out.extend(compress_to_vec(text, 6));
        out.extend(crc32(text).to_le_bytes());
        out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        out
    }

    #[test]
    fn crc_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn written_by_another_tool() {
        // `printf '{"a":1}' | gzip -n`
        let bytes = [
            0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xab, 0x56, 0x4a, 0x54,
            0xb2, 0x32, 0xac, 0x05, 0x00, 0xaf, 0xac, 0x1b, 0x56, 0x07, 0x00, 0x00, 0x00,
        ];
        assert_eq!(decode(&bytes, 7).unwrap(), b"{\"a\":1}");
    }

    #[test]
    fn optional_header_fields() {
        let fields = [&[2, 0, 9, 9][..], b"name\0", b"comment\0", &[1, 2]].concat();
        assert_eq!(decode(&packed(b"text", 2 | 4 | 8 | 16, &fields), 9).unwrap(), b"text");
    }

    #[test]
    fn too_long_cut_or_changed_is_none() {
        let good = packed(b"some text, some text", 0, b"");
        assert_eq!(decode(&good, 20).unwrap(), b"some text, some text");
        assert_eq!(decode(&good, 19), Err(Unread::TooLarge));
        for end in 0..good.len() {
            // Its last bytes pass for a length, and any.
            assert_eq!(decode(&good[..end], 100), Err(Unread::Bad), "cut at {end}");
        }
        for at in (0..good.len()).filter(|at| !(4..10).contains(at)) {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            let decoded = decode(&bad, 100);
            assert!(decoded.is_err(), "changed at {at}: {decoded:?}");
        }
        let two = decode(&[good.clone(), good].concat(), 100);
        assert_eq!(two, Err(Unread::Bad), "two members");
    }

    proptest! {
        #[test]
        fn round_trip(text in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decode(&packed(&text, 0, b""), 300), Ok(text));
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            decode(&bytes, 1000).ok();
            decode(&[&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &bytes].concat(), 1000).ok();
        }
    }
}
