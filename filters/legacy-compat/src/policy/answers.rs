//! What becomes of answers, as it is written.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Items, Name, Text, Value};
use postern_core::rules::HeaderMatch;

use super::HeadersPolicy;
use crate::edit::path::Path;
use crate::edit::policy::StepPolicy;
use crate::place::{Located, Place};

postern_core::config! {
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
        /// What if the body is too large, as it came, once it is unpacked or once it is
        /// edited, if not the same. An `edit` that changes nothing lets it pass unless this
        /// says otherwise.
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
        /// `unusable_answer`. A template that may lack what it needs then is a mistake;
        /// one that cannot be rendered all the same gives way to the gateway's own
        /// refusal (502), recorded (`fault`: `unrendered`) and counted
        /// (`fault_unrendered`).
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
