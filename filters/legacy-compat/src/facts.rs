//! What is known of a stream when its answer is made.

use crate::json::{Document, Kind};

/// Facts that templates and cases look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// The answer's status as it came.
    pub(crate) status: u16,
    /// Parts of the request's path, decoded: those that templates name.
    pub(crate) captures: Vec<(String, String)>,
    /// The refusal of the gateway that this answer is, if it is one.
    pub(crate) refusal: Option<RefusalFacts>,
    /// The request's id, where a template names it.
    pub(crate) instance: Option<String>,
}

impl Facts {
    pub(crate) fn capture(&self, name: &str) -> Option<&str> {
        self.captures.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn refusal(&self, field: RefusalField) -> Option<&str> {
        let refusal = self.refusal.as_ref();
        match field {
            RefusalField::Code => refusal.map(|r| r.code.as_str()),
            RefusalField::Title => refusal.map(|r| r.title.as_str()),
            RefusalField::Detail => refusal.map(|r| r.detail.as_str()),
            RefusalField::Instance => {
                refusal.and_then(|r| r.instance.as_deref()).or(self.instance.as_deref())
            }
            RefusalField::By => refusal.map(|r| r.by.as_str()),
        }
    }
}

/// A refusal, as the filter that made it published it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefusalFacts {
    status: String,
    /// The stable code.
    pub(crate) code: String,
    title: String,
    detail: String,
    instance: Option<String>,
    /// The plugin that refused.
    pub(crate) by: String,
}

impl RefusalFacts {
    /// Reads the filter state `postern.refusal`.
    pub(crate) fn from_state(state: &[u8]) -> Option<Self> {
        let document = Document::read(state).ok()?;
        let member = |name: &str| document.member(document.root(), name);
        let text = |name: &str| member(name).map(|v| document.text(v).into_owned());
        let status = member("status").filter(|v| matches!(v.kind, Kind::Number))?;
        Some(RefusalFacts {
            status: document.raw(status).to_owned(),
            code: text("code")?,
            title: text("title").unwrap_or_default(),
            detail: text("detail").unwrap_or_default(),
            instance: text("instance"),
            by: text("by").unwrap_or_default(),
        })
    }

    /// Is an answer with this status the refusal? One that was published and
    /// then not sent says nothing about the answer at hand.
    pub(crate) fn is_answer(&self, status: u16) -> bool {
        self.status == status.to_string()
    }

    /// This filter's own: the upstream's answer is unusable.
    pub(crate) fn unusable_answer(by: &str) -> Self {
        RefusalFacts {
            status: "502".to_owned(),
            code: "unusable_answer".to_owned(),
            title: "Bad gateway".to_owned(),
            detail: "the upstream's answer cannot be used".to_owned(),
            instance: None,
            by: by.to_owned(),
        }
    }
}

/// A member of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalField {
    Code,
    Title,
    Detail,
    Instance,
    By,
}

impl RefusalField {
    /// Parses its name.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        match name {
            "code" => Ok(RefusalField::Code),
            "title" => Ok(RefusalField::Title),
            "detail" => Ok(RefusalField::Detail),
            "instance" => Ok(RefusalField::Instance),
            "by" => Ok(RefusalField::By),
            _ => Err(format!(
                "`{}` is no member of a refusal, expected `code`, `title`, `detail`, `instance` or `by`",
                name.escape_debug()
            )),
        }
    }
}
