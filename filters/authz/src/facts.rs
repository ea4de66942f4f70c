//! What a request is judged by, read once and shared by all rules.

use postern_core::identity::SeenCaller;
use postern_core::rules::Subject as Asked;

/// The request, and who is calling. What costs a question to the proxy is read
/// when a rule first needs it.
pub(crate) struct Facts<'a> {
    /// Host, method, path, headers, and what the proxy knows.
    pub(crate) asked: &'a Asked<'a>,
    /// `None`: a caller without an identity.
    pub(crate) caller: Option<&'a SeenCaller<'a>>,
}
