//! A message's headers: names in lower case, values as bytes, in order.

use std::cell::OnceCell;

use crate::pairs::Pairs;

/// Reads a header map from the host, at most once per message.
pub trait HeaderSource {
    /// All headers in wire order, pseudo-headers included, names lower-case.
    fn read(&self) -> Pairs;
}

/// An ordered header list that is read from its source when first looked at:
/// a filter that never looks pays for no crossing.
pub struct Headers<'a> {
    source: Option<&'a dyn HeaderSource>,
    pairs: OnceCell<Pairs>,
}

impl<'a> Headers<'a> {
    /// Headers that `source` is asked for when they are first needed.
    #[must_use]
    pub fn lazy(source: &'a dyn HeaderSource) -> Self {
        Headers { source: Some(source), pairs: OnceCell::new() }
    }

    /// Headers at hand; names are put in lower case.
    #[must_use]
    pub fn new<N: Into<String>, V: Into<Vec<u8>>>(list: impl IntoIterator<Item = (N, V)>) -> Self {
        let list: Vec<(String, Vec<u8>)> = list
            .into_iter()
            .map(|(name, value)| {
                let mut name: String = name.into();
                name.make_ascii_lowercase();
                (name, value.into())
            })
            .collect();
        Headers { source: None, pairs: OnceCell::from(Pairs::new(&list)) }
    }

    /// All entries in order, pseudo-headers included. (A proxy lets no name
    /// pass that is not ASCII; one would be left out here.)
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.pairs().iter().filter_map(|(n, v)| Some((std::str::from_utf8(n).ok()?, v)))
    }

    /// The same with names as bytes: to look for some of them costs less so.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs().iter()
    }

    /// The names alone, in order.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.pairs().names()
    }

    /// The first value of `name` (lower case).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.pairs().all(name.as_bytes()).next()
    }

    /// Every value of `name` (lower case), in order. Envoy joins repeated
    /// `authorization`, `host` and some others into one value with commas.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        self.pairs().all(name.as_bytes())
    }

    fn pairs(&self) -> &Pairs {
        self.pairs.get_or_init(|| self.source.map(|s| s.read()).unwrap_or_default())
    }
}
