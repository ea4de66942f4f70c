//! Requests seen before: the host, the method and the path of most of them are those of
//! some earlier one, and so is what follows from these alone.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use crate::bytes;
use crate::host_name::host_of;
use crate::matcher::Candidate;
use crate::rules::Number;
use crate::target::{BadTarget, Target};
use crate::view::Request;

/// How many are kept at a time.
const PLACES: usize = 128;
/// Longer keys are not kept: in all, a VM keeps some 100 KiB.
const LONGEST_KEY: usize = 384;
/// Of how many sets of rules one keeps the candidates.
const SETS: usize = 2;
/// More candidates are not kept.
const MOST_CANDIDATES: usize = 32;

/// What was seen, a bounded number of them: one that comes again takes the place of
/// another, one that comes once does not. So whoever asks for a new path each time
/// drives nothing out.
#[derive(Debug)]
pub struct Sights {
    places: Box<[Place]>,
}

#[derive(Debug, Default)]
struct Place {
    sight: RefCell<Option<Rc<Sight>>>,
    /// The hash of the last one that was not kept.
    passed: Cell<u64>,
}

/// A host, a method and a path, and what follows from them.
#[derive(Debug)]
pub(crate) struct Sight {
    hash: u64,
    /// `:authority`, method and path, one behind the other,
    key: Box<[u8]>,
    /// and the lengths of the first two.
    lengths: [usize; 2],
    host: Option<Box<str>>,
    /// The candidates of sets of rules.
    candidates: [OnceCell<(Number, Box<[Candidate]>)>; SETS],
    text: OnceCell<Rc<[u8]>>,
}

/// A request whose target was checked.
#[derive(Debug)]
pub struct Sighted<'a> {
    /// The canonical target.
    pub target: Target<'a>,
    method: &'a [u8],
    sight: Option<Rc<Sight>>,
    host: Option<String>,
}

impl Default for Sights {
    fn default() -> Self {
        Sights { places: (0..PLACES).map(|_| Place::default()).collect() }
    }
}

impl Sights {
    /// Checks a request's method and target, and names its host.
    ///
    /// # Errors
    /// What makes them ambiguous.
    pub fn see<'a>(&self, request: &'a Request<'_>) -> Result<Sighted<'a>, BadTarget> {
        let text = request.path().unwrap_or_default();
        let (path, query) = split(text);
        let method = request.method().unwrap_or_default();
        let key = [request.authority().unwrap_or_default(), method, path];
        let hash = hash(key);
        let low = usize::try_from(hash & 0xffff).unwrap_or_default();
        let Some(place) = self.places.get(low % PLACES) else { return Sighted::new(request) };
        // What stands in a query asks for a closer look now and then.
        if query.is_none_or(Target::is_plain)
            && let Some(sight) = place.sight.borrow().as_ref().filter(|s| s.is_of(hash, key))
        {
            let target = Target::known(path, query);
            return Ok(Sighted { target, method, sight: Some(Rc::clone(sight)), host: None });
        }
        self.look_closer(request, place, hash, key)
    }

    #[cold]
    fn look_closer<'a>(
        &self,
        request: &'a Request<'_>,
        place: &Place,
        hash: u64,
        key: [&[u8]; 3],
    ) -> Result<Sighted<'a>, BadTarget> {
        let sighted = Sighted::new(request)?;
        if place.passed.replace(hash) == hash
            && sighted.target.is_as_it_came()
            && key.iter().map(|part| part.len()).sum::<usize>() <= LONGEST_KEY
        {
            place.sight.replace(Some(Rc::new(Sight::new(hash, key, sighted.host.as_deref()))));
        }
        Ok(sighted)
    }
}

impl<'a> Sighted<'a> {
    /// Without a look at those before.
    ///
    /// # Errors
    /// What makes the method or the target ambiguous.
    pub fn new(request: &'a Request<'_>) -> Result<Self, BadTarget> {
        let method = request.method().unwrap_or_default();
        if method.iter().any(u8::is_ascii_lowercase) {
            return Err(BadTarget::SmallMethod);
        }
        let target = Target::parse(request.path())?;
        Ok(Sighted { target, method, sight: None, host: host_of(request.authority()) })
    }

    /// The method; empty if there is none.
    #[must_use]
    pub fn method(&self) -> &'a [u8] {
        self.method
    }

    /// The canonical host.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.sight {
            Some(sight) => sight.host.as_deref(),
            None => self.host.as_deref(),
        }
    }

    /// A text that follows from the host, the method and the path alone, in one way only
    /// for all that [`Sights`] sees.
    pub fn text(&self, make: impl FnOnce() -> Vec<u8>) -> Rc<[u8]> {
        match &self.sight {
            Some(sight) if self.target.query().is_none() => {
                Rc::clone(sight.text.get_or_init(|| make().into()))
            }
            _ => make().into(),
        }
    }

    pub(crate) fn sight(&self) -> Option<&Sight> {
        self.sight.as_deref()
    }
}

impl Sight {
    fn new(hash: u64, key: [&[u8]; 3], host: Option<&str>) -> Self {
        Sight {
            hash,
            key: key.concat().into(),
            lengths: [key[0].len(), key[1].len()],
            host: host.map(Into::into),
            candidates: Default::default(),
            text: OnceCell::new(),
        }
    }

    fn is_of(&self, hash: u64, [authority, method, path]: [&[u8]; 3]) -> bool {
        let after = |own: &'_ [u8], part: &[u8]| own.strip_prefix(part).is_some();
        let [first, second] = self.lengths;
        self.hash == hash
            && first == authority.len()
            && second == method.len()
            && after(&self.key, authority)
            && self.key.get(first..).is_some_and(|own| after(own, method))
            && self.key.get(first.saturating_add(second)..).is_some_and(|own| own == path)
    }

    /// The candidates of a set of rules, found once.
    pub(crate) fn candidates(
        &self,
        set: Number,
        find: impl FnOnce() -> Vec<Candidate>,
    ) -> Cow<'_, [Candidate]> {
        for kept in &self.candidates {
            match kept.get() {
                Some((own, kept)) if *own == set => return Cow::Borrowed(kept),
                Some(_) => {}
                None => {
                    let found = find();
                    if found.len() > MOST_CANDIDATES {
                        return Cow::Owned(found);
                    }
                    return Cow::Borrowed(&kept.get_or_init(|| (set, found.into())).1);
                }
            }
        }
        Cow::Owned(find())
    }
}

/// The path, and the query without its mark.
fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes::find(text, b'?') {
        Some(at) => {
            let (path, query) = text.split_at_checked(at).unwrap_or((text, b""));
            (path, query.get(1..))
        }
        None => (text, None),
    }
}

/// Eight bytes at a time, multiplied and folded. Without a secret: whoever finds two
/// keys with the same hash has them take turns, no more.
fn hash(key: [&[u8]; 3]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let push = |word: u64, b: &u8| word << 8 | u64::from(*b);
    let fold = |state: u64, word: u64| {
        let state = (state ^ word).wrapping_mul(ODD);
        state ^ state >> 32
    };
    key.iter().fold(ODD, |state, part| {
        let (words, rest) = part.as_chunks::<8>();
        let state = words.iter().fold(state, |s, word| fold(s, u64::from_le_bytes(*word)));
        // The last eight bytes once more, or what there is.
        let rest = part
            .last_chunk()
            .map_or_else(|| rest.iter().fold(0, push), |end| u64::from_le_bytes(*end));
        fold(fold(state, rest), u64::try_from(part.len()).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests;
