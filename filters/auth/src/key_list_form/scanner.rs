//! The parts of a JSON text, found without reading them.

/// The largest key, and all that stands beside the list, in bytes.
pub(super) const MAX_ENTRY: usize = 16 * 1024;

/// Finds the parts of a JSON text without reading them.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

pub(super) const EXPECTED: &str = "expected `{\"keys\": […]}`";

impl<'a> Scanner<'a> {
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.get(self.at..)?;
        let blanks = rest.iter().take_while(|b| b" \t\r\n".contains(b)).count();
        self.at = self.at.saturating_add(blanks);
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() == Some(byte) {
            self.at = self.at.saturating_add(1);
            Ok(())
        } else {
            Err(EXPECTED.to_owned())
        }
    }

    /// Up to the list of keys; other members are passed over.
    pub(super) fn open(&mut self) -> Result<(), String> {
        self.take(b'{')?;
        loop {
            let name = self.value()?;
            self.take(b':')?;
            if name == b"\"keys\"" {
                return self.take(b'[');
            }
            self.value()?;
            self.take(b',')?;
            if self.at > MAX_ENTRY {
                return Err(format!("{EXPECTED} within the first {MAX_ENTRY} bytes"));
            }
        }
    }

    /// Is there one more item?
    pub(super) fn next(&mut self, first: bool) -> Result<bool, String> {
        match self.peek() {
            Some(b']') => {
                self.at = self.at.saturating_add(1);
                Ok(false)
            }
            Some(_) if first => Ok(true),
            _ => self.take(b',').map(|()| true),
        }
    }

    /// From behind the list to the end; a second list would be another meaning.
    pub(super) fn close(&mut self) -> Result<(), String> {
        while self.peek() == Some(b',') {
            self.take(b',')?;
            let name = self.value()?;
            self.take(b':')?;
            self.value()?;
            if name == b"\"keys\"" {
                return Err("it has two lists `keys`".to_owned());
            }
        }
        self.take(b'}')?;
        if self.peek().is_some() { Err(EXPECTED.to_owned()) } else { Ok(()) }
    }

    /// The text of a value.
    pub(super) fn value(&mut self) -> Result<&'a [u8], String> {
        self.peek();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let whole = rest.len() <= MAX_ENTRY;
        let window = rest.get(..MAX_ENTRY).unwrap_or(rest);
        match length(window, whole) {
            Some(length) if length > 0 => {
                self.at = self.at.saturating_add(length);
                Ok(window.get(..length).unwrap_or_default())
            }
            Some(_) => Err(EXPECTED.to_owned()),
            None if whole => Err("the text ends too early".to_owned()),
            None => Err(format!("a part of it has more than {MAX_ENTRY} bytes")),
        }
    }
}

/// How long the value is with which a text begins; `None`: it does not end.
/// `whole`: nothing comes after the text.
fn length(text: &[u8], whole: bool) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        let after = at.saturating_add(1);
        if quoted {
            quoted = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            if !quoted && depth == 0 {
                return Some(after);
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth = depth.saturating_add(1),
            // The end of what it stands in.
            b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' if depth == 1 => return Some(after),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    (whole && depth == 0 && !quoted).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        /// It finds the end of a value where a JSON reader does.
        #[test]
        fn values_end_where_they_end(items in prop::collection::vec(any::<(String, i32)>(), 0..5)) {
            let value = json!(items.iter().map(|(s, n)| json!({s.as_str(): [n, s]})).collect::<Vec<_>>());
            let text = value.to_string();
            let behind = format!("{text} , more");
            prop_assert_eq!(length(behind.as_bytes(), true), Some(text.len()));
        }
    }
}
