//! Inputs out of good ones: bytes and pieces changed, and pieces of the grammar
//! that many formats have in common.

use std::ops::Range;

/// No input is longer.
const MAX_BYTES: usize = 64 * 1024;

/// What parsers stumble over, whatever they read.
const COMMON: &[&[u8]] = &[
    b"",
    b" ",
    b"\t",
    b"\r\n",
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xef\xbb\xbf",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\ud83d\\ude00",
    b"%",
    b"%00",
    b"%2f",
    b"%2E%2e",
    b"%c0%af",
    b"%zz",
    b"+",
    b"..",
    b"//",
    b";",
    b"#",
    b"?",
    b"&",
    b"0",
    b"-0",
    b"-1",
    b"007",
    b"1.0",
    b"1e400",
    b"-1e400",
    b"1e-400",
    b"NaN",
    b"2147483648",
    b"4294967296",
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999999999999999",
    b"0.1e1",
    b"null",
    b"true",
    b"false",
    b"\"\"",
    b"{}",
    b"[]",
    b"[[[[[[[[",
    b"{\"a\":",
    b"\"a\":1,",
    b"=",
    b"==",
    b"====",
    b",",
    b", ",
    b":",
    b"(",
    b")",
    b"\"",
    b"'",
    b"-----BEGIN ",
    b"*",
    b"@",
    b"~",
    b"AAAA",
    b"A",
    b"_",
    b"-",
];

/// Signs at which formats fall into parts.
const SIGNS: &[u8] = b".;,&=:/?\"{}[]() \n|-+%";

/// SplitMix64: the same numbers in each run.
pub(super) struct Random(u64);

impl Random {
    /// The numbers for one input of a target.
    pub(super) fn of(target: &str, number: u64) -> Self {
        // FNV-1a.
        let name = target.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        Random(name ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`; 0 of 0.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn byte(&mut self) -> u8 {
        (self.next() & 0xff) as u8
    }

    fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> Option<&'a T> {
        let at = self.below(list.len());
        list.get(at).copied()
    }

    /// Short more often than long.
    fn length(&mut self, most: usize) -> usize {
        let bound = self.below(most.saturating_add(1)).saturating_add(1);
        self.below(bound).saturating_add(1).min(most)
    }
}

/// Makes inputs for one target.
pub(super) struct Generator<'a> {
    seeds: Vec<&'a [u8]>,
    words: Vec<&'a [u8]>,
}

impl<'a> Generator<'a> {
    pub(super) fn new(seeds: &'a [Vec<u8>], words: &'a [&'a str]) -> Self {
        Generator {
            seeds: seeds.iter().map(Vec::as_slice).collect(),
            words: words.iter().map(|word| word.as_bytes()).collect(),
        }
    }

    /// One input.
    pub(super) fn input(&self, random: &mut Random) -> Vec<u8> {
        let mut input = random.pick(&self.seeds).map(<[u8]>::to_vec).unwrap_or_default();
        if random.one_in(40) {
            input = (0..random.length(80)).map(|_| random.byte()).collect();
        }
        for _ in 0..random.length(6) {
            self.change(&mut input, random);
            input.truncate(MAX_BYTES);
        }
        input
    }

    fn change(&self, input: &mut Vec<u8>, random: &mut Random) {
        match random.below(16) {
            0 => {
                let at = random.below(input.len());
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => {
                let at = random.below(input.len());
                let new = random.byte();
                if let Some(byte) = input.get_mut(at) {
                    *byte = new;
                }
            }
            2 => {
                let bytes: Vec<u8> = (0..random.length(8)).map(|_| random.byte()).collect();
                let at = random.below(input.len() + 1);
                input.splice(at..at, bytes);
            }
            3 => input.truncate(random.below(input.len())),
            4 => drop(input.drain(piece(input.len(), random))),
            5 => {
                let from = piece(input.len(), random);
                let copied = input.get(from).unwrap_or_default().to_vec();
                let at = random.below(input.len() + 1);
                input.splice(at..at, copied);
            }
            6 => repeat(input, random),
            7 => {
                // The head of this one and the tail of another.
                let other = random.pick(&self.seeds).unwrap_or_default();
                input.truncate(random.below(input.len() + 1));
                let from = random.below(other.len() + 1);
                input.extend_from_slice(other.get(from..).unwrap_or_default());
            }
            8 | 9 => {
                // A word, in between or in place of something.
                let list = if random.one_in(2) { &self.words[..] } else { COMMON };
                let word = random.pick(list).unwrap_or_default().to_vec();
                let at = boundary(input, random);
                let over = if random.one_in(2) { 0 } else { word.len().min(input.len() - at) };
                input.splice(at..at + over, word);
            }
            10 => number(input, random),
            11 => {
                let at = random.below(input.len());
                if let Some(byte) = input.get_mut(at).filter(|b| b.is_ascii_alphabetic()) {
                    *byte ^= 0x20;
                }
            }
            _ => self.parts(input, random),
        }
    }

    /// Takes the parts between signs of one kind, and drops, doubles, exchanges or
    /// replaces one.
    fn parts(&self, input: &mut Vec<u8>, random: &mut Random) {
        let there: Vec<u8> = SIGNS.iter().copied().filter(|sign| input.contains(sign)).collect();
        let Some(sign) = there.get(random.below(there.len())).copied() else { return };
        let mut parts: Vec<Vec<u8>> = input.split(|b| *b == sign).map(<[u8]>::to_vec).collect();
        let (one, other) = (random.below(parts.len()), random.below(parts.len()));
        match random.below(5) {
            0 => drop(parts.remove(one)),
            1 => {
                let copied = parts.get(one).cloned().unwrap_or_default();
                parts.insert(other, copied);
            }
            2 => parts.swap(one, other),
            3 => {
                if let Some(part) = parts.get_mut(one) {
                    part.clear();
                }
            }
            _ => {
                let list = if random.one_in(2) { &self.words[..] } else { COMMON };
                if let Some(part) = parts.get_mut(one) {
                    *part = random.pick(list).unwrap_or_default().to_vec();
                }
            }
        }
        *input = parts.join(&sign);
    }
}

/// A place where a word may begin: behind a sign more often than not.
fn boundary(input: &[u8], random: &mut Random) -> usize {
    let from = random.below(input.len() + 1);
    let rest = input.get(from..).unwrap_or_default();
    match rest.iter().position(|b| SIGNS.contains(b)) {
        Some(sign) if !random.one_in(4) => from + sign + random.below(2),
        _ => from,
    }
}

/// A piece of something so long.
fn piece(length: usize, random: &mut Random) -> Range<usize> {
    let from = random.below(length);
    let to = from + random.length(length - from);
    from..to.min(length)
}

/// A piece many times over: up to the bound, now and then.
fn repeat(input: &mut Vec<u8>, random: &mut Random) {
    let range = piece(input.len(), random);
    let range = range.start..range.end.min(range.start + 64);
    let copied = input.get(range.clone()).unwrap_or_default().to_vec();
    let most = MAX_BYTES / copied.len().max(1);
    let times = if random.one_in(16) { random.below(most) } else { random.below(most.min(40)) };
    input.splice(range.end..range.end, copied.repeat(times));
}

/// Another number in place of one.
fn number(input: &mut Vec<u8>, random: &mut Random) {
    let digits: Vec<usize> =
        input.iter().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(at, _)| at).collect();
    let Some(from) = digits.get(random.below(digits.len())).copied() else { return };
    let rest = input.get(from..).unwrap_or_default();
    let to = from + rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let numbers: Vec<&[u8]> = COMMON
        .iter()
        .copied()
        .filter(|word| word.iter().any(u8::is_ascii_digit) && !word.contains(&b'%'))
        .collect();
    let new = random.pick(&numbers).unwrap_or_default().to_vec();
    input.splice(from..to, new);
}
