//! Strict configuration: a tree with places, decoded into checked types.
//!
//! Serde stops at the first mistake and forgets where it was. Here a policy is
//! first read into [`Node`]s (from JSON in a filter, from YAML with lines and
//! columns in the command line tool), then decoded; every unknown or duplicate
//! key, wrong type and impossible value is collected with its path. The
//! [`config!`](crate::config!) macros declare a type once: its decoder, its
//! defaults, its documentation and its schema come from the same lines.

mod cut;
mod decode;
mod error;
mod json;
mod lenient;
mod macros;
mod node;
mod scalar;
pub mod schema;

pub use cut::Cut;
pub use decode::{At, Decode, meant, near, no_word};
pub use error::{Errors, Problem};
pub use json::parse_json;
pub use lenient::{AtLeastOne, Items, Part};
pub use node::{Key, Node, Position, Span, Value};
pub use scalar::{Count, Name, Period, Text, decode_text, parse_duration};

/// Decodes a whole policy.
///
/// # Errors
/// Every mistake at once.
pub fn decode<T: Decode>(root: &Node) -> Result<T, Errors> {
    let mut errors = Errors::default();
    let decoded = T::decode(At::root(root), &mut errors);
    match decoded {
        Some(value) if errors.is_empty() => Ok(value),
        _ => Err(errors),
    }
}

#[cfg(test)]
mod tests;
