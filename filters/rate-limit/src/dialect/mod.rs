//! How clients are told what is left.

mod join;
mod template;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Value};
use postern_core::rules::HeaderName;
use postern_core::{HeaderEdit, Response};

use crate::digits;
use crate::standing::{Standing, tightest};
use template::Template;

postern_core::config! {
    choice DialectName {
        /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
        /// The only one with words for requests at a time (`qu="concurrent-requests"`).
        Ietf = "ietf",
        /// The same names with one limit in them (draft 7): `limit=100, remaining=50, reset=30`.
        Draft7 = "draft_7",
        /// `X-RateLimit-Limit`, with the windows behind it, `X-RateLimit-Remaining`, and
        /// `X-RateLimit-Reset` in seconds from now (draft 3; Envoy).
        Draft3 = "draft_3",
        /// `X-RateLimit-Limit`, `-Remaining`, and `-Reset` in seconds since the Unix epoch.
        Github = "github",
        /// `x-rate-limit-limit`, `-remaining`, and `-reset` in seconds since the Unix epoch.
        Twitter = "twitter",
        /// `X-Ratelimit-Total` and `X-Ratelimit-Remaining`, without a reset, and
        /// neither on 401 and 403: what the old gateway sent.
        Legacy = "legacy",
        /// Nothing.
        None = "none",
    }

    /// Fields of your own.
    /// Names that say something else to clients or to the proxy are refused.
    struct CustomConfig {
        /// Each field with its value: text with `{limit}`, `{remaining}`, `{used}`,
        /// `{window}` and `{policy}`; `{reset}` and `{reset_at}`, when all of the
        /// limit is back, in seconds from now and since the Unix epoch; `{more}` and
        /// `{more_at}`, when there is more than now.
        fields: Vec<FieldConfig>,
    }

    struct FieldConfig {
        /// The field.
        name: HeaderName,
        /// Its value.
        value: Template,
    }

    /// Of several windows and limits, which are told.
    pub choice Show {
        /// The one that the client has to mind first.
        Tightest = "tightest",
        /// All of them, where the dialect can: `ietf`, and the windows of `draft_7`
        /// and `draft_3`.
        All = "all",
    }

    /// What is done about rate-limit fields that an answer has already.
    pub choice Beside {
        /// Those of every dialect are taken off: whatever an upstream sends, nobody gets
        /// two, counted or not. Each answer's headers are read for it. What passes a mount
        /// with `answers: refused` keeps them.
        Clear = "clear",
        /// Those of the same name are replaced; others are not looked at: for upstreams
        /// that send none.
        Replace = "replace",
        /// What a second mount of this filter said stays true: lists are joined, of
        /// single values the tighter one stands, and where another dialect is
        /// spoken nothing is added. Each answer's headers are read for it.
        Join = "join",
    }
}

/// How clients are told what is left. `Retry-After` on 429 comes with each.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// draft-ietf-httpapi-ratelimit-headers-11.
    Ietf,
    /// Its draft 7.
    Draft7,
    /// Its draft 3.
    Draft3,
    /// As GitHub does.
    Github,
    /// As Twitter did.
    Twitter,
    /// As the old gateway did.
    Legacy,
    /// Nothing is told.
    None,
    /// Fields of the policy's own.
    Custom(Vec<(HeaderName, Template)>),
}

impl Decode for Dialect {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        if let Value::Map(_) = &at.node().value {
            let CustomConfig { fields } = CustomConfig::decode(at, errors)?;
            check(&fields, at, errors)?;
            let fields = fields.into_iter().map(|FieldConfig { name, value }| (name, value));
            return Some(Dialect::Custom(fields.collect()));
        }
        Some(match DialectName::decode(at, errors)? {
            DialectName::Ietf => Dialect::Ietf,
            DialectName::Draft7 => Dialect::Draft7,
            DialectName::Draft3 => Dialect::Draft3,
            DialectName::Github => Dialect::Github,
            DialectName::Twitter => Dialect::Twitter,
            DialectName::Legacy => Dialect::Legacy,
            DialectName::None => Dialect::None,
        })
    }

    fn schema() -> Schema {
        Schema::AnyOf(vec![DialectName::schema(), CustomConfig::schema()])
    }
}

/// Fields that frame a message, belong to a connection or to somebody else's part of an
/// answer: written by a dialect they would break it.
const OTHERS: [&str; 24] = [
    "age",
    "alt-svc",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "keep-alive",
    "location",
    "proxy-authenticate",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "www-authenticate",
];

/// Is it a name that a dialect may not write?
pub(crate) fn is_others(name: &HeaderName) -> bool {
    OTHERS.contains(&name.as_str())
}

fn check(fields: &[FieldConfig], at: At<'_>, errors: &mut Errors) -> Option<()> {
    let node = at.node().get("fields").unwrap_or(at.node());
    let at = at.key("fields", node);
    let Value::List(items) = &node.value else { return None };
    if items.is_empty() {
        at.error(errors, "expected at least one field; `none` tells nothing");
        return None;
    }
    let mut good = Some(());
    for (i, (field, item)) in fields.iter().zip(items).enumerate() {
        let name = field.name.as_str();
        let first = fields.iter().position(|other| other.name == field.name).unwrap_or(i);
        let message = if is_others(&field.name) {
            format!("`{name}` has a meaning of its own, and no dialect may write it")
        } else if first < i {
            format!("`{name}` is written by fields[{first}] already")
        } else {
            continue;
        };
        let at = at.index(i, item);
        at.key("name", item.get("name").unwrap_or(item)).error(errors, message);
        good = None;
    }
    good
}

/// What is said of a request's standings on its answer.
pub(crate) struct Saying<'a> {
    /// Of each window, in order; not empty.
    pub(crate) standings: &'a [Standing],
    pub(crate) show: Show,
    pub(crate) beside: Beside,
}

impl Dialect {
    /// The fields that say so on an answer.
    pub(crate) fn fields(&self, saying: &Saying<'_>, response: &Response<'_>) -> Vec<HeaderEdit> {
        if !matches!(self, Dialect::Ietf) && saying.standings.iter().any(|s| s.left.is_at_once()) {
            return self.without_at_once(saying, response);
        }
        let Some(first) = tightest(saying.standings) else { return Vec::new() };
        let edits = self.plain(first, saying, response);
        match saying.beside {
            Beside::Replace | Beside::Clear => edits,
            Beside::Join => join::beside(self, first, edits, response.headers()),
        }
    }

    /// Only `ietf` has words for requests at a time.
    #[cold]
    fn without_at_once(&self, saying: &Saying<'_>, response: &Response<'_>) -> Vec<HeaderEdit> {
        let told = saying.standings.iter().filter(|s| !s.left.is_at_once()).cloned();
        let standings: Vec<Standing> = told.collect();
        self.fields(&Saying { standings: &standings, ..*saying }, response)
    }

    fn plain(
        &self,
        first: &Standing,
        saying: &Saying<'_>,
        response: &Response<'_>,
    ) -> Vec<HeaderEdit> {
        let told = match saying.show {
            Show::Tightest => std::slice::from_ref(first),
            Show::All => saying.standings,
        };
        let left = &first.left;
        let three = |names: [&'static str; 3], limit: Vec<u8>, reset: u64| {
            let [total, remaining, when] = names;
            vec![
                HeaderEdit::set(total, limit),
                HeaderEdit::set(remaining, digits::of(left.remaining)),
                HeaderEdit::set(when, digits::of(reset)),
            ]
        };
        match self {
            Dialect::Ietf => vec![
                HeaderEdit::set("ratelimit-policy", list(told, ietf_policy)),
                HeaderEdit::set("ratelimit", list(told, ietf_left)),
            ],
            Dialect::Draft7 => {
                let policy = list(told, old_policy);
                let policy = (!policy.is_empty()).then_some(policy);
                let policy = policy.map(|policy| HeaderEdit::set("ratelimit-policy", policy));
                let left = HeaderEdit::set("ratelimit", draft_7(first));
                policy.into_iter().chain([left]).collect()
            }
            Dialect::Draft3 => {
                let mut limit = digits::of(left.quota);
                let windows = list(told, named_policy);
                if !windows.is_empty() {
                    limit.extend_from_slice(b", ");
                    limit.extend(windows);
                }
                three(X_RATELIMIT, limit, left.whole_in())
            }
            Dialect::Github => three(X_RATELIMIT, digits::of(left.quota), left.whole_at()),
            Dialect::Twitter => three(X_RATE_LIMIT, digits::of(left.quota), left.whole_at()),
            Dialect::Legacy if matches!(response.status(), Some(401 | 403)) => Vec::new(),
            Dialect::Legacy => vec![
                HeaderEdit::set("x-ratelimit-total", digits::of(left.quota)),
                HeaderEdit::set("x-ratelimit-remaining", digits::of(left.remaining)),
            ],
            Dialect::None => Vec::new(),
            Dialect::Custom(fields) => fields
                .iter()
                .filter_map(|(name, value)| {
                    Some(HeaderEdit::set(name.as_str().to_owned(), value.fill(first)?))
                })
                .collect(),
        }
    }
}

const X_RATELIMIT: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
const X_RATE_LIMIT: [&str; 3] =
    ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"];

/// A list of one item for each standing that has one.
fn list(told: &[Standing], item: impl Fn(&mut Vec<u8>, &Standing) -> Option<()>) -> Vec<u8> {
    let mut out = Vec::with_capacity(told.len().saturating_mul(48));
    if let [only] = told {
        return item(&mut out, only).map(|()| out).unwrap_or_default();
    }
    for standing in told {
        let before = out.len();
        if before > 0 {
            out.extend_from_slice(b", ");
        }
        if item(&mut out, standing).is_none() {
            out.truncate(before);
        }
    }
    out
}

fn parameter(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    digits::push(out, value);
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn ietf_policy(out: &mut Vec<u8>, standing: &Standing) -> Option<()> {
    quoted(out, &standing.policy);
    parameter(out, b";q=", standing.left.quota);
    if standing.left.is_at_once() {
        out.extend_from_slice(b";qu=\"concurrent-requests\"");
    } else if let Some(window) = standing.left.window {
        parameter(out, b";w=", window);
    }
    Some(())
}

fn ietf_left(out: &mut Vec<u8>, standing: &Standing) -> Option<()> {
    quoted(out, &standing.policy);
    parameter(out, b";r=", standing.left.remaining);
    // When others end, nobody knows.
    if !standing.left.is_at_once() {
        parameter(out, b";t=", standing.left.more_in());
    }
    Some(())
}

/// Without a window there is no policy.
fn old_policy(out: &mut Vec<u8>, standing: &Standing) -> Option<()> {
    digits::push(out, standing.left.quota);
    parameter(out, b";w=", standing.left.window?);
    Some(())
}

fn named_policy(out: &mut Vec<u8>, standing: &Standing) -> Option<()> {
    old_policy(out, standing)?;
    out.extend_from_slice(b";name=");
    quoted(out, &standing.policy);
    Some(())
}

fn draft_7(standing: &Standing) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    parameter(&mut out, b"limit=", standing.left.quota);
    parameter(&mut out, b", remaining=", standing.left.remaining);
    parameter(&mut out, b", reset=", standing.left.whole_in());
    out
}
