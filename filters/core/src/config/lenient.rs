//! Parts of a document whose mistakes do not hide those of others, and lists
//! that hold something.

use super::decode::{At, Decode};
use super::error::Errors;
use super::schema::Schema;

/// A value whose mistakes do not hide those of its neighbours: it decodes to
/// nothing, and the errors are noted.
#[derive(Clone, Debug)]
pub struct Part<T>(pub Option<T>);

impl<T: Default> Default for Part<T> {
    fn default() -> Self {
        Part(Some(T::default()))
    }
}

impl<T: Decode> Decode for Part<T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        Some(Part(T::decode(at, errors)))
    }

    fn absent() -> Option<Self> {
        T::absent().map(|value| Part(Some(value)))
    }

    fn schema() -> Schema {
        T::schema()
    }
}

/// A list whose bad items do not hide the mistakes of the others: they are
/// noted and left out.
#[derive(Clone, Debug)]
pub struct Items<T>(Vec<T>);

impl<T> Default for Items<T> {
    fn default() -> Self {
        Items(Vec::new())
    }
}

impl<T> std::ops::Deref for Items<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> IntoIterator for Items<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Decode> Decode for Items<T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let items = at.items(errors)?;
        let mut out = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            out.extend(T::decode(at.index(i, item), errors));
        }
        Some(Items(out))
    }

    fn schema() -> Schema {
        Vec::<T>::schema()
    }
}

/// A list that, where it is given, holds something: an empty list of
/// conditions would hold for everything. Left out, it is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AtLeastOne<T>(Vec<T>);

impl<T> Default for AtLeastOne<T> {
    fn default() -> Self {
        AtLeastOne(Vec::new())
    }
}

impl<T> std::ops::Deref for AtLeastOne<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> AtLeastOne<T> {
    /// The items.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T: Decode> Decode for AtLeastOne<T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let items = Vec::<T>::decode(at, errors)?;
        if items.is_empty() {
            at.error(errors, "expected at least one; leave the key out where it does not matter");
            return None;
        }
        Some(AtLeastOne(items))
    }

    fn schema() -> Schema {
        Vec::<T>::schema()
    }
}
