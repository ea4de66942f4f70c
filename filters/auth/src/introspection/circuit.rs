//! A service that fails is left alone for a while.

/// So many failures in a row end the questions.
const LIMIT: u32 = 5;

/// For so many milliseconds.
const PAUSE: u64 = 1_000;

/// Failures in a row, and what follows from them. After the pause one question
/// at a time shows whether the service is back.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    until: u64,
}

impl Circuit {
    /// May a question be asked while `open` others are? Times in milliseconds
    /// since the Unix epoch.
    pub(super) fn lets(&self, open: usize, now: u64) -> bool {
        self.failures < LIMIT || (now >= self.until && open == 0)
    }

    /// A whole answer came.
    pub(super) fn answered(&mut self) {
        *self = Circuit::default();
    }

    /// None did.
    pub(super) fn failed(&mut self, now: u64) {
        self.failures = self.failures.saturating_add(1);
        self.until = now.saturating_add(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_are_a_pause_and_then_one_question_at_a_time() {
        let mut circuit = Circuit::default();
        for _ in 0..4 {
            circuit.failed(10);
        }
        assert!(circuit.lets(7, 10));
        circuit.failed(10);
        assert!(!circuit.lets(0, 1_009));
        assert!(circuit.lets(0, 1_010));
        assert!(!circuit.lets(1, 1_010));
        circuit.failed(1_020);
        assert!(!circuit.lets(0, 2_019), "one failure more is enough");
        circuit.answered();
        assert!(circuit.lets(7, 2_019));
        circuit.failed(2_020);
        assert!(circuit.lets(7, 2_020), "in a row");
    }
}
