//! What is made of a document.

use std::fmt::Debug;

/// A kind of document.
pub(crate) trait Form: Debug {
    /// What a document says.
    type Value: Debug;
    /// May it be so large that the first one would come into memory that is not
    /// there yet? Whoever fetches then sets it aside before, piece by piece.
    const LARGE: bool = false;

    /// How far a document was read.
    type Part: Debug + Default;

    /// Reads a piece of a document that was fetched, of bounded work; `None`:
    /// there is more to read.
    ///
    /// # Errors
    /// It is of no use: why, for the operator, without anything that it holds.
    fn read(&self, body: &[u8], part: &mut Self::Part)
    -> Result<Option<Read<Self::Value>>, String>;

    /// Takes over what another worker published.
    ///
    /// # Errors
    /// It is of no use here: why, for the operator.
    fn restore(&self, published: Vec<u8>) -> Result<Self::Value, String>;

    /// How much it says: keys, entries.
    fn size(&self, value: &Self::Value) -> u64;
}

/// A document that was read to its end.
#[derive(Debug)]
pub(crate) struct Read<V> {
    /// What it says.
    pub(crate) value: V,
    /// What the other workers get; `None`: the document itself.
    pub(crate) publish: Option<Vec<u8>>,
    /// What the operator should know: few lines.
    pub(crate) remarks: Vec<String>,
}

impl<V> From<V> for Read<V> {
    fn from(value: V) -> Self {
        Read { value, publish: None, remarks: Vec::new() }
    }
}
