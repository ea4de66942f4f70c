//! A contract as it is written.

use std::collections::BTreeMap;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Name, Part, Period, Text, Value};

use super::text::Written;

postern_core::config! {
    /// A contract: requests as old clients send them, and the answers that they were
    /// given. `postern contract verify` sends the ones and compares the others. A
    /// placeholder `${name}` stands for a value of `values` or `each`. In an answer
    /// `${any}` stands for any text, `${digits}` for digits, `${word}` for letters,
    /// digits, `_`, `-`, `.` and `~`, and `${date}` for a date as in the header `Date`;
    /// `$${` is a `${` that stands for itself.
    pub struct ContractConfig {
        /// What placeholders stand for. `--set NAME=VALUE` goes before.
        values: BTreeMap<String, Given> = BTreeMap::new(),
        /// How long an answer may take, from connecting to its last byte.
        deadline: Period = Period::from_secs(14),
        /// Headers that may be there or not, with any value; `x-envoy-*` for all that
        /// begin so. The set of all others has to be the same, each with its values.
        ignore_headers: Vec<Text> = vec![
            Text::from_static("connection"),
            Text::from_static("date"),
            Text::from_static("keep-alive"),
        ],
        /// The order of headers.
        order: Exactness = Exactness::Any,
        /// The case of their names.
        case: Exactness = Exactness::Any,
        /// The pairs, in the order in which they are sent.
        pairs: Vec<Part<PairPolicy>>,
    }

    /// Whether something has to be as it was recorded.
    pub choice Exactness {
        /// It does not matter.
        Any = "any",
        /// It is a difference if it is not.
        Exact = "exact",
    }

    /// A request and its answer.
    pub struct PairPolicy {
        /// Its name, unique in the contract.
        name: Name,
        /// What it shows.
        about: Option<Text>,
        /// Placeholders with several values each: the pair stands for every
        /// combination of them.
        each: BTreeMap<String, Vec<String>> = BTreeMap::new(),
        /// What is sent.
        request: RequestPolicy,
        /// What comes back. `postern contract record` fills in what is left out.
        answer: Option<AnswerPolicy>,
    }

    /// A request, as it goes onto the wire.
    pub struct RequestPolicy {
        /// The method.
        method: String = "GET".to_owned(),
        /// The target, not encoded any further.
        target: Written,
        /// The header lines, `Name: value`, in order. `Host`, where there is none, is
        /// the gateway's, and a body has its `Content-Length`; nothing else is added.
        headers: Vec<Written> = Vec::new(),
        /// The body.
        body: Option<Written>,
    }

    /// An answer, as it was recorded.
    pub struct AnswerPolicy {
        /// The status.
        status: Count<200, 599>,
        /// The reason phrase, which HTTP/2 does not have. Left out: any.
        reason: Option<String>,
        /// The header lines, `Name: value`, in order.
        headers: Vec<Written> = Vec::new(),
        /// Headers that are ignored here, beside those of the contract.
        ignore_headers: Vec<Text> = Vec::new(),
        /// The order of the headers, if not as in the contract.
        order: Option<Exactness>,
        /// The case of their names, if not as in the contract.
        case: Option<Exactness>,
        /// The body.
        body: BodyPolicy,
    }

    /// A body.
    pub oneof BodyPolicy {
        /// These bytes; an empty text is no body.
        text: Text(Written),
        /// These bytes, in Base64 (RFC 4648 §4).
        base64: Base64(String),
        /// The same JSON.
        json: Json(JsonPolicy),
        /// Any; why it is not compared.
        any: Any(Text),
    }

    /// JSON that has to be the same, but for blanks, escapes and the order of members.
    /// Numbers are compared as they are written: `1.0` is not `1`.
    pub struct JsonPolicy {
        /// The JSON text. Placeholders stand within its strings; a string that is
        /// `${number}`, `${string}` or `${value}` as a whole stands for any number,
        /// string or value.
        text: String,
        /// What is ignored: JSON Pointers (RFC 6901), `*` for any item or member.
        ignore: Vec<Text> = Vec::new(),
    }
}

/// What a placeholder stands for.
#[derive(Clone, Debug)]
pub enum Given {
    /// This text.
    Text(String),
    /// What an environment variable holds: for credentials.
    Environment(String),
}

postern_core::config! {
    /// A value that does not stand in the contract.
    pub struct Elsewhere {
        /// The environment variable that holds it.
        env: Name,
    }
}

impl Decode for Given {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Text(text) => Some(Given::Text(text.clone())),
            Value::Map(_) => {
                let from = Elsewhere::decode(at, errors)?;
                Some(Given::Environment(from.env.as_str().to_owned()))
            }
            _ => {
                at.expected(errors, "a text or `{env: VARIABLE}`");
                None
            }
        }
    }

    fn schema() -> Schema {
        Schema::AnyOf(vec![String::schema(), Elsewhere::schema()])
    }
}
