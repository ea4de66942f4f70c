//! What a condition says of a request: yes, no, or that it cannot tell.

/// The logic of three values (Kleene). A rule that is neither met nor failed
/// cannot be evaluated: it never allows, and it denies if that is its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// What it needs is missing, ambiguous or of another kind.
    Unknown,
}

impl Truth {
    /// Both hold. One that fails decides, whatever the other says, so the
    /// order of conditions does not matter.
    #[must_use]
    pub fn and(self, other: impl FnOnce() -> Truth) -> Truth {
        match self {
            Truth::No => Truth::No,
            Truth::Yes => other(),
            Truth::Unknown if other() == Truth::No => Truth::No,
            Truth::Unknown => Truth::Unknown,
        }
    }

    /// All hold.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Truth>) -> Truth {
        let mut all = Truth::Yes;
        for part in parts {
            all = all.and(|| part);
            if all == Truth::No {
                break;
            }
        }
        all
    }

    /// One holds at least.
    #[must_use]
    pub fn any(parts: impl IntoIterator<Item = Truth>) -> Truth {
        let mut any = Truth::No;
        for part in parts {
            match part {
                Truth::Yes => return Truth::Yes,
                Truth::Unknown => any = Truth::Unknown,
                Truth::No => {}
            }
        }
        any
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Truth::Yes } else { Truth::No }
    }
}

/// `None`: it cannot tell.
impl From<Option<bool>> for Truth {
    fn from(holds: Option<bool>) -> Self {
        holds.map_or(Truth::Unknown, Truth::from)
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{No, Unknown, Yes};
    use super::*;

    #[test]
    fn what_fails_decides() {
        for (a, b, both, either) in [
            (Yes, Yes, Yes, Yes),
            (Yes, No, No, Yes),
            (Yes, Unknown, Unknown, Yes),
            (No, No, No, No),
            (No, Unknown, No, Unknown),
            (Unknown, Unknown, Unknown, Unknown),
        ] {
            for (a, b) in [(a, b), (b, a)] {
                assert_eq!(a.and(|| b), both, "{a:?} {b:?}");
                assert_eq!(Truth::all([a, b]), both, "{a:?} {b:?}");
                assert_eq!(Truth::any([a, b]), either, "{a:?} {b:?}");
            }
        }
        assert_eq!(Truth::all([]), Yes);
        assert_eq!(Truth::any([]), No);
    }
}
