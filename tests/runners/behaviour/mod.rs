//! What a case cannot say: many requests at once, changes under load, the
//! statistics after all of it.

use crate::Stage;

/// A test on the running demo.
pub type Test = fn(&Stage) -> Result<(), String>;

/// All of them, in the order in which they run.
pub const ALL: &[(&str, Test)] = &[];
