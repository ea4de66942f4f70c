//! Credentials that are refused although they are good otherwise.

pub(crate) mod named;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::marker::PhantomData;

use postern_core::config::Text;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::checked::Checked;
use crate::remote::{Form, Read, RemoteConfig};
use postern_core::instant::Instant;

postern_core::config! {
    /// Credentials that are refused although they are good otherwise; remembered
    /// ones too, from the moment at which the configuration is in force.
    #[derive(Default)]
    pub struct RevokedConfig {
        /// Tokens by their `jti`, as it stands in them: `[3f9c1a7e]`.
        token_ids: Vec<Text> = Vec::new(),
        /// Subjects: every credential of theirs: `[acme]`.
        subjects: Vec<Text> = Vec::new(),
        /// Credentials by kind and id, as records name them: `api_key:<id>`,
        /// `basic:<id>`, `certificate:<id>`, `signature:<id>`, and `jwt:<jti>` or
        /// `token:<jti>` (introspected). No patterns. An id that no provider of the
        /// policy has is a mistake, unless a list that is fetched may have it:
        /// `["api_key:northwind-2015"]`.
        credentials: Vec<Text> = Vec::new(),
        /// Clients: every credential that names them: `[acme-app]`.
        clients: Vec<Text> = Vec::new(),
        /// Tokens that were issued before a time; those that do not say when
        /// they were issued, too: `[{subject: acme, at: "2026-01-31T12:00:00Z"}]`.
        issued_before: Vec<IssuedBeforeConfig> = Vec::new(),
        /// A list that is fetched, beside what stands here: a JSON object with
        /// the same members, `{"token_ids": ["…"], "issued_before": [{"subject":
        /// "…", "at": "2026-01-31T12:00:00Z"}]}`, of at most 1 MiB unless
        /// `max_bytes` says otherwise. It takes effect within `refresh.max` and a
        /// second while its server answers; the last one counts otherwise, for
        /// `stale_for` at most. Without any list that is not older than `stale_for`, good
        /// credentials are answered 503: nobody knows whether they still count.
        remote: Option<RemoteConfig>,
    }

    /// Tokens that were issued before a time: of a subject, of a client, of a
    /// subject by a client, or all.
    pub struct IssuedBeforeConfig {
        /// Whose; left out: everybody's.
        subject: Option<Text>,
        /// For which client; left out: for all.
        client: Option<Text>,
        /// The time: `2026-01-31T12:00:00Z`.
        at: Instant,
    }
}

/// A compiled list.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    token_ids: HashSet<String>,
    subjects: HashSet<String>,
    credentials: HashSet<String>,
    clients: HashSet<String>,
    /// By subject and client: the latest time.
    issued_before: HashMap<(Option<String>, Option<String>), i64>,
}

impl Revoked {
    pub(crate) fn new(config: &RevokedConfig) -> Self {
        let set = |list: &[Text]| list.iter().map(|text| text.as_str().to_owned()).collect();
        let mut revoked = Revoked {
            token_ids: set(&config.token_ids),
            subjects: set(&config.subjects),
            credentials: set(&config.credentials),
            clients: set(&config.clients),
            issued_before: HashMap::new(),
        };
        for one in &config.issued_before {
            let text = |text: &Option<Text>| text.as_ref().map(|t| t.as_str().to_owned());
            revoked.add_issued_before(text(&one.subject), text(&one.client), one.at.seconds());
        }
        revoked
    }

    fn add_issued_before(&mut self, subject: Option<String>, client: Option<String>, at: i64) {
        let latest = self.issued_before.entry((subject, client)).or_insert(at);
        *latest = at.max(*latest);
    }

    /// Reads a list that was fetched.
    fn parse(document: &[u8]) -> Result<Self, String> {
        // The error's own words may quote what the list holds.
        let Object(list): Object<List> = serde_json::from_slice(document).map_err(|e| {
            let (line, column) = (e.line(), e.column());
            format!("line {line}, column {column}: no list of what is revoked")
        })?;
        let mut revoked = Revoked {
            token_ids: list.token_ids,
            subjects: list.subjects,
            credentials: list.credentials,
            clients: list.clients,
            issued_before: HashMap::new(),
        };
        for (i, Object(one)) in list.issued_before.into_iter().enumerate() {
            let Some(at) = Instant::parse(&one.at).map(Instant::seconds) else {
                return Err(format!("issued_before[{i}].at: expected a time in UTC"));
            };
            revoked.add_issued_before(one.subject, one.client, at);
        }
        Ok(revoked)
    }

    fn len(&self) -> usize {
        [&self.token_ids, &self.subjects, &self.credentials, &self.clients]
            .iter()
            .map(|set| set.len())
            .sum::<usize>()
            .saturating_add(self.issued_before.len())
    }

    /// Is this credential on the list?
    pub(crate) fn has(&self, checked: &Checked) -> bool {
        let caller = &checked.caller;
        let client = caller.client.as_deref();
        holds(&self.token_ids, checked.token_id.as_deref())
            || holds(&self.subjects, Some(&caller.sub))
            || holds(&self.credentials, Some(&caller.credential))
            || holds(&self.clients, client)
            || self.was_issued_too_early(checked, client)
    }

    fn was_issued_too_early(&self, checked: &Checked, client: Option<&str>) -> bool {
        if self.issued_before.is_empty() {
            return false;
        }
        // Keys, secrets and certificates are issued elsewhere.
        let kind = checked.caller.credential.split(':').next().unwrap_or_default();
        if !matches!(kind, "jwt" | "token") {
            return false;
        }
        let subject = Some(checked.caller.sub.as_str());
        [(None, None), (subject, None), (None, client), (subject, client)].iter().any(|(s, c)| {
            let key = (s.map(str::to_owned), c.map(str::to_owned));
            let at = self.issued_before.get(&key);
            at.is_some_and(|at| checked.issued.is_none_or(|issued| issued < *at))
        })
    }
}

/// A list as it is fetched. A member that is not known may mean that more is
/// revoked than is understood here: the whole list is of no use.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    token_ids: HashSet<String>,
    #[serde(default)]
    subjects: HashSet<String>,
    #[serde(default)]
    credentials: HashSet<String>,
    #[serde(default)]
    clients: HashSet<String>,
    #[serde(default)]
    issued_before: Vec<Object<IssuedBefore>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuedBefore {
    subject: Option<String>,
    client: Option<String>,
    at: String,
}

/// What is written with braces and names. Serde alone would take a list of values
/// in order, too, and `[]` for a list of nothing.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

/// How a fetched list is read: in one piece, since it is short.
#[derive(Debug)]
pub(crate) struct Lists;

impl Form for Lists {
    type Value = Revoked;
    type Part = ();

    fn read(&self, body: &[u8], (): &mut ()) -> Result<Option<Read<Revoked>>, String> {
        Revoked::parse(body).map(|revoked| Some(revoked.into()))
    }

    fn restore(&self, published: Vec<u8>) -> Result<Revoked, String> {
        Revoked::parse(&published)
    }

    fn size(&self, value: &Revoked) -> u64 {
        value.len() as u64
    }
}

fn holds(set: &HashSet<String>, text: Option<&str>) -> bool {
    !set.is_empty() && text.is_some_and(|text| set.contains(text))
}
