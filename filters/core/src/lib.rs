//! What a Postern filter is, without any I/O.
//!
//! A filter is a state machine: it is shown views of messages ([`Request`],
//! [`Response`]) and returns an [`Outcome`]: a [`Step`] to take and the edits
//! that go with it. It never waits, never panics and never talks to a proxy.
//! What it cannot compute by itself it asks of a [`Host`]. The crate
//! `postern-host` binds that to proxy-wasm; native tests and the command line
//! tool bind it to [`fake::FakeHost`].

pub mod address;
mod ascii_set;
pub mod base64url;
pub mod bytes;
pub mod challenge;
pub mod conditions;
pub mod config;
pub mod digest;
pub mod digits;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod fields;
pub mod filter;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod grammar;
pub mod headers;
pub mod host;
pub mod host_name;
pub mod identity;
pub mod instant;
pub mod json;
pub mod json_text;
pub mod load;
pub mod matcher;
#[cfg(any(test, feature = "fake"))]
pub mod measure;
pub mod pairs;
pub mod record;
pub mod refusal;
pub mod rules;
mod scan;
pub mod scopes;
pub mod secret;
pub mod shared;
mod shown;
pub mod sight;
pub mod sketch;
pub mod step;
pub mod target;
pub mod template;
pub mod truth;
pub mod view;
pub mod work;
mod written;

pub use fields::{Fields, Put};
pub use filter::Filter;
pub use headers::Headers;
pub use host::{Host, SignatureAlgorithm, SignatureCheck, StoreError, Stored, Unreadable};
pub use identity::Identity;
pub use load::Load;
pub use record::{Decision, Detail, KeptRecord, Mode, Record, Recorded};
pub use refusal::Refusal;
pub use sight::Sights;
pub use step::{Answer, Ask, HeaderEdit, Outcome, Reply, Step, Wait};
pub use target::Target;
pub use truth::Truth;
pub use view::{Request, Response};
pub use work::{Metric, MetricKind, Task, Work};
