//! The policy as it is written. Compiled by [`blueprint`](crate::blueprint).

mod answers;

use std::collections::BTreeMap;

use postern_core::config::{Count, Items, Name, Part, Period, Text};
use postern_core::instant::Instant;
use postern_core::rules::{HeaderName, HostPattern, Match};

pub(crate) use answers::{
    BodyMatch, CasePolicy, Charset, EditPolicy, Nulls, OnMismatch, Origin, OutputPolicy, Scalars,
    StatusPattern, WhenPolicy,
};

use crate::applies::MatchPolicy;
use crate::place::{Located, Ordered, Place, Written};
use crate::request_policy::RequestPolicy;
use crate::value::DateFormat;

postern_core::config! {
    /// The policy of legacy-compat: what old clients send and expect.
    pub(crate) struct Policy {
        /// The largest body in bytes that is rewritten; keep it under the
        /// proxy's buffer limit (1 MiB unless set). Larger answers pass as
        /// they are, or become a fault, as the case's `on_too_large` says.
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
        /// is the proxy, they have no code, and headers cannot be removed. Of what
        /// templates name, `$status` alone is known there.
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
        /// `change:` and a digest of the difference, keyed by a secret of this Envoy, or
        /// `unfit:` and why, `unfit:not_seen` if an answer was made before the one that came
        /// was seen; `held` until a request's body has come) and counted
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
}
