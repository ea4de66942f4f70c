//! What a request is judged by, read once and shared by all rules.

use postern_core::conditions::Query;
use postern_core::identity::SeenCaller;
use postern_core::rules::Subject as Asked;
use postern_core::template::Template;

use crate::expression::{Budget, Claims, Scope};

/// The request, and who is calling. What costs a question to the proxy is read
/// when a rule first needs it.
pub(crate) struct Facts<'a> {
    /// Host, method, path, headers, and what the proxy knows.
    pub(crate) asked: &'a Asked<'a>,
    /// `None`: a caller without an identity.
    pub(crate) caller: Option<&'a SeenCaller<'a>>,
    claims: Claims,
    pub(crate) query: Query,
    /// What the conditions of the rules that judge may take.
    pub(crate) budget: Budget,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(asked: &'a Asked<'a>, caller: Option<&'a SeenCaller<'a>>) -> Self {
        Facts {
            asked,
            caller,
            claims: Claims::default(),
            query: Query::default(),
            budget: Budget::default(),
        }
    }

    /// What an expression of a rule may look at; `template`: the one that matched
    /// the path.
    pub(crate) fn scope(&'a self, template: Option<&'a Template>) -> Scope<'a> {
        let Asked { host, method, target, headers, end_of_stream, .. } = self.asked;
        Scope {
            method,
            host: host.as_deref(),
            target,
            query: &self.query,
            headers,
            end_of_stream: *end_of_stream,
            caller: self.caller,
            claims: &self.claims,
            template,
            budget: &self.budget,
        }
    }
}
