//! JSON that is compared: numbers as they are written, duplicate members kept.

use super::compare::shown;
use super::text::{Piece, Values, Wild, matches, pieces};

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 200;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

/// What a value is compared with.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// This: null, a boolean, a number.
    Same(Json),
    Text(Vec<Piece>),
    AnyNumber,
    AnyText,
    Any,
    List(Vec<Expected>),
    Map(Vec<(String, Expected)>),
}

impl Json {
    /// Reads a text.
    ///
    /// # Errors
    /// The byte at which it is no JSON.
    pub(super) fn read(text: &[u8]) -> Result<Json, usize> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.blanks();
        if reader.at == text.len() { Ok(value) } else { Err(reader.at) }
    }

    fn kind(&self) -> String {
        match self {
            Json::Null => "null".to_owned(),
            Json::Bool(value) => value.to_string(),
            Json::Number(number) => format!("the number {}", shown(number.as_bytes())),
            Json::Text(text) => format!("the string {}", shown(text.as_bytes())),
            Json::List(items) => format!("a list of {}", items.len()),
            Json::Map(_) => "an object".to_owned(),
        }
    }
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), usize> {
        if self.text.get(self.at..).unwrap_or_default().starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.at)
    }

    fn value(&mut self, depth: usize) -> Result<Json, usize> {
        if depth > MAX_DEPTH {
            return Err(self.at);
        }
        self.blanks();
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b't') => self.word(b"true").map(|()| Json::Bool(true)),
            Some(b'f') => self.word(b"false").map(|()| Json::Bool(false)),
            Some(b'n') => self.word(b"null").map(|()| Json::Null),
            _ => self.scalar(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)).and_then(|text| {
                let number: Result<serde_json::Number, _> = serde_json::from_str(&text);
                number.map(|_| Json::Number(text)).map_err(|_| self.at)
            }),
        }
    }

    fn scalar(&mut self, of: impl Fn(u8) -> bool) -> Result<String, usize> {
        let start = self.at;
        while self.peek().is_some_and(&of) {
            self.at += 1;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if text.is_empty() {
            return Err(start);
        }
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// A string, as serde reads what stands between its quotes.
    fn string(&mut self) -> Result<String, usize> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'\\') => self.at += 2,
                Some(b'"') => {
                    self.at += 1;
                    break;
                }
                Some(_) => self.at += 1,
                None => return Err(self.text.len()),
            }
        }
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_slice(quoted).map_err(|_| start)
    }

    fn list(&mut self, depth: usize) -> Result<Json, usize> {
        let mut items = Vec::new();
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::List(items));
                }
                _ => return Err(self.at),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Json, usize> {
        let mut members = Vec::new();
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Map(members));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(self.at);
            }
            let name = self.string()?;
            self.blanks();
            self.word(b":")?;
            members.push((name, self.value(depth + 1)?));
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Map(members));
                }
                _ => return Err(self.at),
            }
        }
    }
}

impl Expected {
    /// With the placeholders of its strings filled in.
    ///
    /// # Errors
    /// A placeholder that stands for nothing.
    pub(super) fn of(json: &Json, values: &Values) -> Result<Expected, String> {
        Ok(match json {
            Json::Null | Json::Bool(_) | Json::Number(_) => Expected::Same(json.clone()),
            Json::Text(text) => match text.as_str() {
                "${number}" => Expected::AnyNumber,
                "${string}" => Expected::AnyText,
                "${value}" => Expected::Any,
                text => Expected::Text(pieces(text, values)?),
            },
            Json::List(items) => {
                let items: Result<_, String> =
                    items.iter().map(|item| Expected::of(item, values)).collect();
                Expected::List(items?)
            }
            Json::Map(members) => {
                let member = |(name, value): &(String, Json)| {
                    Ok::<_, String>((name.clone(), Expected::of(value, values)?))
                };
                Expected::Map(members.iter().map(member).collect::<Result<_, _>>()?)
            }
        })
    }
}

/// Compares; `ignore` are pointers, split at their slashes. `path` is where we are.
pub(super) fn compare(
    expected: &Expected,
    found: &Json,
    ignore: &[Vec<String>],
    path: &mut Vec<String>,
    out: &mut Vec<String>,
) {
    if is_ignored(ignore, path) {
        return;
    }
    let mut differ = |what: String| {
        let at: String = path.iter().map(|step| format!("/{step}")).collect();
        let at = if at.is_empty() { "the whole".to_owned() } else { format!("`{at}`") };
        out.push(format!("body: {at}: expected {what}, but got {}", found.kind()));
    };
    match (expected, found) {
        (Expected::Any, _)
        | (Expected::AnyNumber, Json::Number(_))
        | (Expected::AnyText, Json::Text(_)) => {}
        (Expected::Same(same), found) if same == found => {}
        (Expected::Text(pieces), Json::Text(text)) => {
            if matches(pieces, text.as_bytes()).is_err() {
                differ(format!("the string {}", written(pieces)));
            }
        }
        (Expected::List(wanted), Json::List(items)) if wanted.len() == items.len() => {
            for (i, (wanted, item)) in wanted.iter().zip(items).enumerate() {
                path.push(i.to_string());
                compare(wanted, item, ignore, path, out);
                path.pop();
            }
        }
        (Expected::Map(wanted), Json::Map(members)) => {
            compare_members(wanted, members, ignore, path, out);
        }
        (Expected::Same(same), _) => differ(same.kind()),
        (Expected::Text(pieces), _) => differ(format!("the string {}", written(pieces))),
        (Expected::AnyNumber, _) => differ("a number".to_owned()),
        (Expected::AnyText, _) => differ("a string".to_owned()),
        (Expected::List(wanted), _) => differ(format!("a list of {}", wanted.len())),
        (Expected::Map(_), _) => differ("an object".to_owned()),
    }
}

fn compare_members(
    wanted: &[(String, Expected)],
    members: &[(String, Json)],
    ignore: &[Vec<String>],
    path: &mut Vec<String>,
    out: &mut Vec<String>,
) {
    let pointer = |path: &[String]| path.iter().map(|step| format!("/{step}")).collect::<String>();
    let mut seen = vec![false; members.len()];
    for (name, value) in wanted {
        // Of members of one name each has its own.
        let mut free = members.iter().zip(seen.iter_mut());
        path.push(name.clone());
        match free.find(|((other, _), seen)| other == name && !**seen) {
            Some(((_, found), seen)) => {
                *seen = true;
                compare(value, found, ignore, path, out);
            }
            None if is_ignored(ignore, path) => {}
            None => out.push(format!("body: `{}`: expected, but not there", pointer(path))),
        }
        path.pop();
    }
    for ((name, found), _) in members.iter().zip(&seen).filter(|(_, seen)| !**seen) {
        path.push(name.clone());
        if !is_ignored(ignore, path) {
            out.push(format!("body: `{}`: not expected: {}", pointer(path), found.kind()));
        }
        path.pop();
    }
}

fn is_ignored(ignore: &[Vec<String>], path: &[String]) -> bool {
    ignore.iter().any(|pointer| {
        pointer.len() == path.len() && pointer.iter().zip(path).all(|(a, b)| a == "*" || a == b)
    })
}

/// Pieces as a reader sees them.
pub(super) fn written(pieces: &[Piece]) -> String {
    let mut out = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => out.extend_from_slice(bytes),
            Piece::Wild(Wild::Any) => out.extend_from_slice(b"${any}"),
            Piece::Wild(Wild::Digits) => out.extend_from_slice(b"${digits}"),
            Piece::Wild(Wild::Word) => out.extend_from_slice(b"${word}"),
            Piece::Wild(Wild::Date) => out.extend_from_slice(b"${date}"),
        }
    }
    shown(&out)
}
