//! A part of the policy that is read by itself, after the parts that it needs.

use std::marker::PhantomData;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors};

/// Stands for a `T` that is there, and is not looked at yet.
#[derive(Clone, Debug)]
pub(crate) struct Later<T>(pub(crate) PhantomData<T>);

impl<T: Decode> Decode for Later<T> {
    fn decode(_at: At<'_>, _errors: &mut Errors) -> Option<Self> {
        Some(Later(PhantomData))
    }

    fn schema() -> Schema {
        T::schema()
    }
}
