//! Conditions on a request beyond host, method, path and headers. A filter
//! that does not name one of them does not carry its code.

mod address;
mod media;
mod query;
mod size;
mod times;

pub use address::{Addresses, Block, address_of};
pub use media::MediaRange;
pub use query::{Ambiguous, Query, QueryMatch};
pub use size::BodySize;
pub use times::TimeWindow;
