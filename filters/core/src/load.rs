//! Policies that are compiled in slices, since whatever a filter does stalls all that
//! its worker serves.

use crate::config::Errors;

/// A policy that is being compiled.
pub trait Load<F> {
    /// Does the next slice of the work, some milliseconds of it. `None`: there is more
    /// to do.
    ///
    /// # Errors
    /// Every mistake that this slice came upon. A policy that was checked has none.
    fn slice(&mut self) -> Result<Option<F>, Errors>;
}
