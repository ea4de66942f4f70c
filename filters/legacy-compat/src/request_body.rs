//! What becomes of a request's body: read, edited, written, or left as it came.

use postern_core::config::Errors;
use postern_core::step::HeaderEdit;
use postern_core::{Refusal, Request};

use crate::blueprint::Captures;
use crate::credential::Credential;
use crate::edit::{Edit, Unedited};
use crate::expression::Names;
use crate::facts::Facts;
use crate::form;
use crate::framing::{self, TRAILER};
use crate::gzip;
use crate::json::Document;
use crate::pattern::Sources;
use crate::place::Located;
use crate::request_policy::{BodyForm, BodyPolicy, OnUnfit};
use crate::source::Source;
use crate::template::Compiler;
use crate::value::Item;

/// Compiled steps.
#[derive(Debug)]
pub(crate) struct BodySteps {
    from: BodyForm,
    to: BodyForm,
    edit: Edit,
    on_mismatch: OnUnfit,
    on_too_large: OnUnfit,
}

/// Why a body is not what the client should have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Another content type or coding.
    Type,
    /// It cannot be read, or has another shape.
    Content,
    /// It is too large, or would become so.
    Size,
}

impl BodySteps {
    pub(crate) fn compile(
        policy: &Located<BodyPolicy>,
        credential: Option<&Credential>,
        sources: &mut Sources,
        captures: &Captures,
        compiler: &mut Compiler<'_>,
        names: &Names,
        errors: &mut Errors,
    ) -> Self {
        let BodyPolicy { from, to, edit, on_mismatch, on_too_large } = &policy.value;
        let edit = edit.as_ref();
        let mut edit = edit.map_or_else(Edit::default, |edit| {
            Edit::compile(edit, Some(captures), compiler, names, errors)
        });
        edit.visit(&mut |expression| {
            if expression.reads_answer() {
                policy.error(
                    errors,
                    "`$status` and `$refusal` are of answers, and this is a request",
                );
            }
        });
        // They are looked for with the others: one that says different things is refused.
        edit.visit(&mut |expression| {
            for source in expression.captures().filter_map(Source::of_request) {
                sources.number(source);
            }
        });
        let on_too_large = on_too_large.unwrap_or(*on_mismatch);
        let moved = credential.into_iter().flat_map(Credential::sources);
        for source in moved.filter_map(|number| sources.get(number)) {
            if let Source::Body(name) = source {
                edit.remove_first(name);
                if [*on_mismatch, on_too_large].contains(&OnUnfit::Original) {
                    policy.error(
                        errors,
                        format!(
                            "`body.{name}` is a credential: what cannot be read may hold it too, \
                             so expected `refuse`"
                        ),
                    );
                }
            }
        }
        BodySteps {
            from: *from,
            to: to.unwrap_or(*from),
            edit,
            on_mismatch: *on_mismatch,
            on_too_large,
        }
    }

    /// What stands against reading the body, by the request's headers.
    pub(crate) fn unfit(&self, request: &Request<'_>) -> Option<Unfit> {
        let media_type = framing::media_type(request.headers());
        let named = match self.from {
            BodyForm::Json => framing::is_json(&media_type),
            BodyForm::Form => media_type == "application/x-www-form-urlencoded",
        };
        (!named || framing::unknown_coding(request.headers())).then_some(Unfit::Type)
    }

    /// Captures that its templates take.
    pub(crate) fn captures(&self) -> Vec<&str> {
        let mut out = Vec::new();
        self.edit.visit(&mut |expression| out.extend(expression.captures()));
        out
    }

    /// The body as JSON.
    pub(crate) fn read(&self, body: &[u8], packed: bool, limit: usize) -> Result<String, Unfit> {
        let unpacked;
        let body = if packed {
            unpacked = gzip::decode(body, limit).map_err(|why| match why {
                gzip::Unread::Bad => Unfit::Content,
                gzip::Unread::TooLarge => Unfit::Size,
            })?;
            unpacked.as_slice()
        } else {
            body
        };
        match self.from {
            BodyForm::Form => form::to_json(body).ok_or(Unfit::Content),
            BodyForm::Json => String::from_utf8(body.to_vec()).map_err(|_| Unfit::Content),
        }
    }

    /// The body that the upstream gets.
    pub(crate) fn write(
        &self,
        document: &Document<'_>,
        facts: &Facts,
        limit: usize,
    ) -> Result<Vec<u8>, Unfit> {
        let edited = self.edit.apply(document, facts, limit).map_err(|why| match why {
            Unedited::OtherShape => Unfit::Content,
            Unedited::TooLarge => Unfit::Size,
        })?;
        match self.to {
            BodyForm::Json => Ok(edited.into_bytes()),
            BodyForm::Form => {
                let read = Document::read(edited.as_bytes()).map_err(|_| Unfit::Content)?;
                form::of_json(&read).ok_or(Unfit::Content)
            }
        }
    }

    /// The edits of headers that go with a new body; `trailer`: what the request announced.
    pub(crate) fn headers(&self, trailer: &[Vec<u8>]) -> Vec<HeaderEdit> {
        const OF_THE_OLD: [&str; 5] =
            ["content-encoding", "content-md5", "digest", "content-digest", "repr-digest"];
        let mut out: Vec<_> = OF_THE_OLD.into_iter().map(HeaderEdit::remove).collect();
        out.extend(framing::announced(trailer.iter().map(|value| (TRAILER, value.as_slice()))));
        if self.from != self.to {
            let named = match self.to {
                BodyForm::Json => "application/json",
                BodyForm::Form => "application/x-www-form-urlencoded",
            };
            out.push(HeaderEdit::set("content-type", named));
        }
        out
    }

    /// What the client gets for a body that does not fit; `None`: it goes on as it is.
    pub(crate) fn refusal(&self, why: Unfit) -> Option<Refusal> {
        let (choice, status, code, title, detail) = match why {
            Unfit::Size => (
                self.on_too_large,
                413,
                "body_too_large",
                "Content too large",
                "the body is larger than can be rewritten",
            ),
            Unfit::Type => (
                self.on_mismatch,
                415,
                "unusable_body",
                "Unsupported media type",
                "the body has another content type or coding than is expected here",
            ),
            Unfit::Content => (
                self.on_mismatch,
                400,
                "unusable_body",
                "Bad request",
                "the body is not what is expected here",
            ),
        };
        (choice == OnUnfit::Refuse).then(|| Refusal::new(status, code, title, detail))
    }
}

/// The scalar that a member of the body is.
pub(crate) fn member(document: &Document<'_>, name: &str) -> Option<String> {
    let value = document.member(document.root(), name)?;
    let item = Item::Node(value);
    if item.is_void() { None } else { item.scalar(document).ok().map(|text| text.into_owned()) }
}
