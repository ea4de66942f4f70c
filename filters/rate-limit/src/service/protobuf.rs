//! Protocol buffers and the frames of gRPC, as little of them as the rate-limit
//! service needs. Reads bytes that another program made: whatever they are, it ends,
//! holds no more than they are long, and does not panic.

/// What cannot be a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The value of a field, by its wire type. Groups, which protobuf has given up, are
/// not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number, an enumeration, a truth value.
    Varint(u64),
    /// A text, bytes, a message.
    Bytes(&'a [u8]),
    /// Eight bytes or four, which nothing here is made of.
    Fixed,
}

impl<'a> Value<'a> {
    /// A number of at most 32 bits: of a larger one the lower half, as protobuf has it.
    pub(crate) fn number(self) -> Option<u32> {
        match self {
            // The lower half is what is meant.
            Value::Varint(number) => u32::try_from(number & u64::from(u32::MAX)).ok(),
            _ => None,
        }
    }

    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// The fields of a message in order; ends after what cannot be read.
pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

/// See [`fields`].
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    /// A field's number and its value.
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = field(self.rest);
        self.rest = read.map_or(&[], |(_, _, rest)| rest);
        Some(read.map(|(number, value, _)| (number, value)).ok_or(Malformed))
    }
}

fn field(bytes: &[u8]) -> Option<(u32, Value<'_>, &[u8])> {
    let (tag, rest) = varint(bytes)?;
    let number = u32::try_from(tag >> 3).ok().filter(|n| (1..1 << 29).contains(n))?;
    let (value, rest) = match tag & 7 {
        0 => {
            let (number, rest) = varint(rest)?;
            (Value::Varint(number), rest)
        }
        1 => (Value::Fixed, rest.split_at_checked(8)?.1),
        2 => {
            let (length, rest) = varint(rest)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Value::Bytes(bytes), rest)
        }
        5 => (Value::Fixed, rest.split_at_checked(4)?.1),
        _ => return None,
    };
    Some((number, value, rest))
}

/// A number in seven bits a byte, at most ten of them; what is over 64 bits is lost.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (place, byte) in bytes.iter().enumerate().take(10) {
        let shift = u32::try_from(place).ok()?.checked_mul(7)?;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(place.checked_add(1)?..)?));
        }
    }
    None
}

/// Appends a number; 0, which is the default of all of them, is left out.
pub(crate) fn push_number(out: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        out.push(field << 3);
        push_varint(out, number);
    }
}

/// Appends a text, bytes or a message.
pub(crate) fn push_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    push_varint(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(bytes);
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// A message as gRPC sends it: not compressed, its length before it.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(message.len().saturating_add(5));
    out.push(0);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    out
}

/// The message of an answer that is one: whole, not compressed, with nothing behind it.
pub(crate) fn unframe(body: &[u8]) -> Result<&[u8], Malformed> {
    let (head, message) = body.split_first_chunk::<5>().ok_or(Malformed)?;
    let [0, length @ ..] = *head else { return Err(Malformed) };
    let whole = usize::try_from(u32::from_be_bytes(length)).is_ok_and(|n| n == message.len());
    if whole { Ok(message) } else { Err(Malformed) }
}
