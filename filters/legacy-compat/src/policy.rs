//! The policy as it is written. Compiled by [`blueprint`](crate::blueprint).

use std::collections::BTreeMap;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Items, Name, Part, Period, Text, Value};
use postern_core::instant::Instant;
use postern_core::rules::{HeaderMatch, HeaderName, HostPattern, Match};

use crate::applies::MatchPolicy;
use crate::edit::path::Path;
use crate::edit::policy::StepPolicy;
use crate::place::{Located, Ordered, Place, Written};
use crate::request_policy::RequestPolicy;
use crate::value::DateFormat;

postern_core::config! {
    /// The policy of legacy-compat: what old clients send and expect.
    pub(crate) struct Policy {
        /// The largest body in bytes that is rewritten; keep it under the
        /// proxy's buffer limit (1 MiB unless set). Larger answers pass as
        /// they are, or become a fault, as the case's `on_mismatch` says.
        max_body: Count<1_024, 16_777_216> = Count::new(1_000_000),
        /// What the log may show of paths and queries.
        log: LogPolicy = LogPolicy::default(),
        /// Hosts that answer in a dialect of their own, where no rule matches too.
        hosts: Items<Located<HostPolicy>> = Items::default(),
        /// Forms of dates, as in C's `strftime`, for the conversion `date`.
        date_formats: Part<BTreeMap<String, DateFormat>> = Part::default(),
        /// Words and what becomes of them, for the conversion `words`.
        words: Part<BTreeMap<String, BTreeMap<String, String>>> = Part::default(),
        /// JSON templates that others `$include`.
        templates: Part<BTreeMap<String, Place>> = Part::default(),
        /// Ways of answering that several rules share.
        dialects: Part<BTreeMap<String, DialectPolicy>> = Part::default(),
        /// The window in which the clients of rules that retire are counted; the one
        /// before it counts too.
        count_clients_over: Period = Period::from_secs(604_800),
        /// Answers of the proxy that pass no filter: before the chain, and after the
        /// headers of an answer were held. The proxy has to be told of them:
        /// `postern local-replies` prints the mappers for its `local_reply_config`,
        /// and `postern check` compares. The first that matches counts.
        local_replies: Items<Located<LocalPolicy>> = Items::default(),
        /// The rules; the first that matches counts.
        rules: Items<Located<RulePolicy>>,
    }

    /// How the proxy answers by itself. What matches has to be told without any
    /// filter: no captures, and of path templates those that end in `/**` or have no
    /// `*` at all.
    pub(crate) struct LocalPolicy {
        /// Which requests.
        r#match: Match = Match::any(),
        /// The dialect, where `answers` say nothing.
        dialect: Option<Located<Name>>,
        /// What the answers become; the first case that matches counts. Their origin
        /// is the proxy, they have no code, and headers cannot be removed.
        answers: Items<Located<CasePolicy>> = Items::default(),
    }

    /// What the log may show of paths and queries. The path that is logged is
    /// published as filter state `postern.path`, with `***` for secrets.
    #[derive(Default)]
    pub(crate) struct LogPolicy {
        /// Query parameters whose values are secrets.
        secret_query: Vec<Text> = Vec::new(),
        /// What secrets begin with, wherever they stand in a path or query.
        secret_prefixes: Vec<Text> = Vec::new(),
    }

    /// Hosts that answer in a dialect of their own.
    pub(crate) struct HostPolicy {
        /// The hosts.
        names: Vec<HostPattern>,
        /// The dialect of answers to requests that no rule matches, and of
        /// refusals of paths that cannot be judged.
        dialect: Located<Name>,
        /// What becomes of requests that no rule matches.
        unmatched: Unmatched = Unmatched::Pass,
        /// How many segments of a path that no rule matches the log may show;
        /// the query is left out then. Without it: all.
        log_segments: Option<Count<0, 32>>,
    }

    /// What becomes of requests that no rule matches.
    pub(crate) choice Unmatched {
        /// They go on.
        Pass = "pass",
        /// They are refused with 404.
        Refuse = "refuse",
    }

    /// A way of answering.
    pub(crate) struct DialectPolicy {
        /// A dialect whose header edits come before, and whose cases come
        /// after, these.
        extends: Option<Located<Name>>,
        /// The content type of `json` bodies that name none.
        json_type: Option<Located<Text>>,
        /// Header edits of every answer.
        headers: HeadersPolicy = HeadersPolicy::default(),
        /// What answers become, refusals of the gateway included; the first
        /// case that matches counts.
        answers: Items<Located<CasePolicy>> = Items::default(),
    }

    /// Header edits of an answer, done in this order: `copy`, `rename`, `default`,
    /// `remove`, `set`. They see the headers as they came.
    #[derive(Default)]
    pub(crate) struct HeadersPolicy {
        /// Headers whose values another gets too: `from: to`.
        copy: Ordered<Located<HeaderName>> = Ordered::default(),
        /// Headers that get another name: `from: to`.
        rename: Ordered<Located<HeaderName>> = Ordered::default(),
        /// Headers that get a value if they are not there.
        default: Ordered<Located<Text>> = Ordered::default(),
        /// Headers of which no copy is left.
        remove: Vec<HeaderName> = Vec::new(),
        /// Headers with one value that replaces all others.
        set: Ordered<Located<Text>> = Ordered::default(),
    }

    /// A rule: which requests, what becomes of them and of their answers.
    pub(crate) struct RulePolicy {
        /// Its name, in records and logs.
        name: Located<Name>,
        /// Which requests.
        r#match: MatchPolicy = MatchPolicy::default(),
        /// The dialect that it answers in, where its own `answers` say nothing.
        dialect: Option<Located<Name>>,
        /// What becomes of the request.
        request: RequestPolicy = RequestPolicy::default(),
        /// What becomes of the answer; the first case that matches counts.
        answers: Written<Items<Located<CasePolicy>>> = Written::default(),
        /// Captures that are secret: the log shows `***`. Those that a
        /// credential's password or token is made of are secret anyway.
        secret: Vec<Located<Text>> = Vec::new(),
        /// How many segments of the path the log may show; the query is left
        /// out then. Without it: all.
        log_segments: Option<Count<0, 32>>,
        /// Whether it does what it says.
        mode: RuleMode = RuleMode::Enforce,
        /// What it is to retire: clients are told, and who still calls is counted.
        retirement: Option<RetirementPolicy>,
    }

    /// Whether a rule does what it says.
    pub(crate) choice RuleMode {
        /// It does.
        Enforce = "enforce",
        /// It is tried: the next rule that matches counts in its place. What it would
        /// have done is recorded (`shadow`, `shadow_request`, `shadow_answer`: `same`,
        /// `change:` and a digest of the difference, or `unfit:` and why) and counted
        /// (`shadow_same`, `shadow_changed`, `shadow_unfit`). Of several that match, the
        /// first is tried. It sees what it would see: bodies are held for it. The answer
        /// is the one to the request as it was sent on.
        Shadow = "shadow",
    }

    /// The end of a rule. Who still calls is in the metrics
    /// `retiring_requests.<rule>.<fate>`, `retiring_clients.<rule>` and
    /// `retiring_last_use.<rule>` (seconds since 1970; 0: not since the proxy started),
    /// in one line of the log for each window of `count_clients_over`, and in the
    /// records (`retirement`). A rule that is not called is safe to delete.
    pub(crate) struct RetirementPolicy {
        /// Since when it is deprecated, or when it will be: the header `Deprecation`
        /// (RFC 9745).
        deprecated: Option<Instant>,
        /// When it ends: the header `Sunset` (RFC 8594).
        sunset: Option<Located<Instant>>,
        /// What becomes of requests from then on.
        after_sunset: AfterSunset = AfterSunset::Refuse,
        /// Where to read of it, and what to use instead: the header `Link`.
        links: Items<Located<LinkPolicy>> = Items::default(),
        /// Refusals beforehand, for those to notice who read no headers.
        brown_outs: Items<Located<BrownOutPolicy>> = Items::default(),
    }

    /// What becomes of requests after the sunset.
    pub(crate) choice AfterSunset {
        /// They are refused: 410 with the code `retired`.
        Refuse = "refuse",
        /// They go on.
        Serve = "serve",
    }

    /// A link (RFC 8288).
    pub(crate) struct LinkPolicy {
        /// What it leads to: `deprecation`, `sunset`, `successor-version`, …
        rel: Name,
        /// Where.
        href: Text,
        /// Its media type.
        r#type: Option<Text>,
    }

    /// Some requests are refused for some time: 503 with the code `brown_out`, which
    /// `answers` and the dialect turn into what old clients expect. Without a time:
    /// always.
    pub(crate) struct BrownOutPolicy {
        /// Percent of the requests, chosen by lot.
        share: Count<1, 100> = Count::new(100),
        /// From when on.
        from: Option<Instant>,
        /// Until when.
        until: Option<Instant>,
        /// How often anew, counted from `from`, else in whole days of UTC: `1d`.
        every: Option<Period>,
        /// For how long each time.
        lasts: Option<Period>,
    }

    /// A case: which answers, and what becomes of them.
    pub(crate) struct CasePolicy {
        /// Which answers; all if left out.
        when: WhenPolicy = WhenPolicy::default(),
        /// Another status.
        status: Option<Located<Count<200, 599>>>,
        /// Header edits, after the dialect's.
        headers: HeadersPolicy = HeadersPolicy::default(),
        /// Another content type. Without it a `json` body has the dialect's
        /// `json_type`, else `application/json`.
        content_type: Option<Located<Text>>,
        /// Another body: a JSON template.
        json: Option<Place>,
        /// Another body: this text, byte for byte.
        text: Option<String>,
        /// The same JSON with some values in another form.
        edit: Option<EditPolicy>,
        /// The JSON in another form, edited before or not.
        r#as: Option<Located<OutputPolicy>>,
        /// In which characters; what they do not have is escaped.
        charset: Charset = Charset::Utf8,
        /// What if the body does not fit, is no JSON or is too large.
        on_mismatch: OnMismatch = OnMismatch::Original,
        /// What if the body is too large, if not the same.
        on_too_large: Option<OnMismatch>,
    }

    /// Which answers a case is for. All given conditions have to hold.
    #[derive(Default)]
    pub(crate) struct WhenPolicy {
        /// Statuses: `404`, or `4xx` for a class.
        status: Vec<StatusPattern> = Vec::new(),
        /// Who made the answer.
        origin: Vec<Origin> = Vec::new(),
        /// Codes of the gateway's refusals, for example `insufficient_scope`.
        code: Vec<Name> = Vec::new(),
        /// Plugins that refused, for example `auth`.
        by: Vec<Name> = Vec::new(),
        /// Conditions on the answer's headers, all of which have to hold.
        headers: Vec<HeaderMatch> = Vec::new(),
        /// Conditions on the answer's JSON, all of which have to hold. The answer is
        /// held until it is whole.
        body: Vec<Located<BodyMatch>> = Vec::new(),
    }

    /// A condition on an answer's JSON: where to look, and exactly one test. Of a body
    /// that cannot be read none holds.
    pub(crate) struct BodyMatch {
        /// A path such as `error.code`; with `*`, one of the values is enough.
        at: Path,
        /// The value, as text, is one of these; a string's is what it says, a number's
        /// its digits.
        exact: Option<Vec<String>>,
        /// It is there and not null, or is not.
        present: Option<bool>,
    }

    /// Another form of JSON.
    pub(crate) oneof OutputPolicy {
        /// A call of the function that the client names. Without a name it is JSON;
        /// what is no name of a function is refused (400) before the upstream is asked.
        jsonp: Jsonp(JsonpPolicy),
        /// A form, of an object of scalars and lists of them.
        form: Form(FormPolicy),
        /// XML.
        xml: Xml(XmlPolicy),
    }

    /// Where the function's name stands.
    pub(crate) struct JsonpPolicy {
        /// The query parameter.
        query: Text = Text::from_static("callback"),
    }

    /// `application/x-www-form-urlencoded`.
    pub(crate) struct FormPolicy {}

    /// XML: a member is an element of its name, an item of a list one of `item`. A name
    /// that XML does not have stands in the attribute `name`.
    pub(crate) struct XmlPolicy {
        /// The outermost element.
        root: Text,
        /// The element of items.
        item: Text = Text::from_static("item"),
    }

    /// Characters.
    pub(crate) choice Charset {
        /// UTF-8
        Utf8 = "utf-8",
        /// ISO-8859-1
        Latin1 = "iso-8859-1",
        /// ASCII
        Ascii = "us-ascii",
    }

    /// Who made an answer.
    pub(crate) choice Origin {
        /// The upstream.
        Upstream = "upstream",
        /// A filter of the gateway refused.
        Filter = "filter",
        /// The proxy itself: no route, no upstream, a reset, a time-out.
        Proxy = "proxy",
    }

    /// What if an answer does not fit.
    pub(crate) choice OnMismatch {
        /// It goes on as it is, but for the dialect's headers.
        Original = "original",
        /// The client gets what the dialect makes of a 502 with the code
        /// `unusable_answer`.
        Fault = "fault",
    }

    /// An edit of a JSON body; what it does not address stays byte for byte. The steps
    /// are done first, in order.
    pub(crate) struct EditPolicy {
        /// What is done, in order.
        steps: Items<Located<StepPolicy>> = Items::default(),
        /// Conversions of members by name, at any depth; a value that does not
        /// fit its conversion is treated as if it had none.
        convert: Vec<ConvertPolicy> = Vec::new(),
        /// What becomes of other numbers and booleans.
        scalars: Scalars = Scalars::Keep,
        /// What becomes of nulls.
        nulls: Nulls = Nulls::Keep,
    }

    /// One conversion of members.
    pub(crate) struct ConvertPolicy {
        /// The members' names. The items of a list have the list's.
        members: Vec<Located<Text>>,
        /// The conversions: `money`, `date old`.
        to: Place,
    }

    /// What becomes of numbers and booleans.
    pub(crate) choice Scalars {
        /// They stay.
        Keep = "keep",
        /// They become strings, digits as they are.
        String = "string",
    }

    /// What becomes of nulls.
    pub(crate) choice Nulls {
        /// They stay.
        Keep = "keep",
        /// They become empty strings.
        Empty = "empty",
    }
}

/// A status or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusPattern {
    /// This one.
    Exact(u16),
    /// All that begin with this digit.
    Class(u16),
}

impl StatusPattern {
    /// Does a status fall under it?
    pub(crate) fn covers(self, status: u16) -> bool {
        match self {
            StatusPattern::Exact(exact) => exact == status,
            StatusPattern::Class(class) => status / 100 == class,
        }
    }
}

impl Decode for StatusPattern {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "a status from 200 to 599, or a class such as `4xx`";
        match &at.node().value {
            Value::Int(code @ 200..=599) => u16::try_from(*code).ok().map(StatusPattern::Exact),
            Value::Text(text) => {
                let class = match text.as_str() {
                    "2xx" => Some(2),
                    "3xx" => Some(3),
                    "4xx" => Some(4),
                    "5xx" => Some(5),
                    _ => None,
                };
                if class.is_none() {
                    at.error(errors, format!("expected {EXPECTED}"));
                }
                class.map(StatusPattern::Class)
            }
            Value::Int(_) => {
                at.error(errors, format!("expected {EXPECTED}"));
                None
            }
            _ => {
                at.expected(errors, EXPECTED);
                None
            }
        }
    }

    fn schema() -> Schema {
        let class = Schema::Text { expected: "a class such as `4xx`", pattern: Some("^[2-5]xx$") };
        Schema::AnyOf(vec![Schema::Count { min: 200, max: 599 }, class])
    }
}
