//! The proxy's side of a stream.

use std::collections::BTreeMap;

/// Names and values in order.
pub type Headers = Vec<(String, Vec<u8>)>;

/// A reply that the filter made itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u32,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// A branch of a watched module: its function's number, and its own in the function.
pub type Branch = (u32, u32);

/// How often a branch found its condition false, and true.
pub type Ways = [u64; 2];

/// A question to another service that the filter sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// By which the answer is known.
    pub token: u32,
    /// The cluster.
    pub cluster: String,
}

/// Everything that a module may see or change.
#[derive(Debug, Default)]
pub struct Proxy {
    /// The plugin's configuration.
    pub configuration: Vec<u8>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Nanoseconds since the Unix epoch.
    pub now: u64,
    /// The request's headers.
    pub request: Headers,
    /// The request's body.
    pub request_body: Vec<u8>,
    /// The response's headers.
    pub response: Headers,
    /// The response's body.
    pub response_body: Vec<u8>,
    /// The response's trailers.
    pub response_trailers: Headers,
    /// Attributes and filter states; the path's parts joined by NUL.
    pub properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Shared data with their compare-and-swap tokens.
    pub shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Metrics: name and value; their ids are places.
    pub metrics: Vec<(String, u64)>,
    /// Log lines.
    pub log: Vec<String>,
    /// The reply, if the filter made one.
    pub reply: Option<Reply>,
    /// Does the proxy refuse to reply?
    pub refuses_replies: bool,
    /// Does the proxy send questions to other services?
    pub sends_calls: bool,
    /// The questions that were sent.
    pub calls: Vec<Call>,
    /// The answer to a question, while the filter is shown it.
    pub(crate) call_answer: Option<(Headers, Vec<u8>)>,
    /// Calls since the last event, by the ABI's names.
    pub crossings: BTreeMap<String, u32>,
    /// What the module wants of ticks, in milliseconds; 0: none.
    pub tick_period: u32,
    /// What foreign functions answer; one without an answer is not known.
    pub foreign: BTreeMap<String, Vec<u8>>,
    /// The functions that a watched module entered, each with its place in the
    /// order of their first calls.
    entered: BTreeMap<u32, usize>,
    branches: BTreeMap<Branch, Ways>,
    counted: BTreeMap<Run, u64>,
}

/// A straight run of instructions of a counted module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The function, by its index.
    pub function: u32,
    /// Where it begins in the module, in bytes.
    pub begins: u32,
    /// Its length in bytes.
    pub bytes: u32,
}

impl Proxy {
    pub(crate) fn new(plugin: &str, environment: &[(&str, &str)]) -> Self {
        let mut proxy = Proxy {
            environment: environment.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            now: 1_800_000_000_000_000_000,
            ..Proxy::default()
        };
        proxy.set_property(&["plugin_name"], plugin.as_bytes());
        proxy
    }

    /// Sets an attribute or a filter state.
    pub fn set_property(&mut self, path: &[&str], value: &[u8]) {
        self.properties.insert(path.join("\0").into_bytes(), value.to_vec());
    }

    /// An attribute or a filter state.
    #[must_use]
    pub fn property(&self, path: &[&str]) -> Option<&[u8]> {
        self.properties.get(path.join("\0").as_bytes()).map(Vec::as_slice)
    }

    pub(crate) fn enter(&mut self, function: u32) {
        let place = self.entered.len();
        self.entered.entry(function).or_insert(place);
    }

    pub(crate) fn branch(&mut self, branch: Branch, condition: bool) {
        let [no, yes] = self.branches.entry(branch).or_default();
        *(if condition { yes } else { no }) += 1;
    }

    pub(crate) fn count(&mut self, run: Run, instructions: u32) {
        *self.counted.entry(run).or_default() += u64::from(instructions);
    }

    /// How many instructions a counted module ran since this was last asked, by straight
    /// runs of them.
    pub fn take_counted(&mut self) -> BTreeMap<Run, u64> {
        std::mem::take(&mut self.counted)
    }

    /// The branches of a watched module, since this was last asked.
    pub fn take_branches(&mut self) -> BTreeMap<Branch, Ways> {
        std::mem::take(&mut self.branches)
    }

    /// The functions that a watched module entered since this was last asked, in
    /// the order of their first calls.
    pub fn take_entered(&mut self) -> Vec<u32> {
        let mut entered: Vec<_> = std::mem::take(&mut self.entered).into_iter().collect();
        entered.sort_unstable_by_key(|(_, place)| *place);
        entered.into_iter().map(|(function, _)| function).collect()
    }
}
