//! What the workers know of one candidate together, as it lies in the data that
//! they share.

use super::window::Window;

/// Changes with the format.
const FORMAT: u8 = 1;

/// The head of a digest of the whole policy.
pub(crate) type Digest = [u8; 16];

/// What was counted under one policy, and whether its candidate was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) policy: Digest,
    pub(crate) tripped: bool,
    pub(crate) window: Window,
}

impl Stored {
    pub(crate) fn new(policy: Digest) -> Self {
        Stored { policy, tripped: false, window: Window::default() }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT, u8::from(self.tripped)];
        out.extend_from_slice(&self.policy);
        self.window.encode(&mut out);
        out
    }

    /// `None`: nothing of this form wrote it.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let ([format, tripped], rest) = bytes.split_first_chunk::<2>()?;
        let (policy, rest) = rest.split_first_chunk::<16>()?;
        if *format != FORMAT || *tripped > 1 {
            return None;
        }
        let window = Window::decode(rest)?;
        Some(Stored { policy: *policy, tripped: *tripped == 1, window })
    }
}
