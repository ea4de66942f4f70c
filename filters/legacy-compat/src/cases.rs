//! Cases: which answers, and what becomes of them.

use postern_core::config::{Errors, Name};
use postern_core::{HeaderEdit, Headers};

use crate::answer::TOO_LARGE;
use crate::blueprint::{Captures, Dialect, header_edits, header_value};
use crate::edit::Edit;
use crate::expression::{COOKIE, Expression, HEADER, Names, QUERY};
use crate::facts::{Facts, RefusalFacts};
use crate::fault::doubt;
use crate::header_edits::HeaderEdits;
use crate::json::Document;
use crate::output::Output;
use crate::place::Located;
use crate::policy::{
    BodyMatch, CasePolicy, Charset, OnMismatch, Origin, StatusPattern, WhenPolicy,
};
use crate::template::{Compiler, Template};
use crate::value::Item;

/// Cases in order; the first that matches counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cases(Vec<Case>);

/// A compiled case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) when: WhenPolicy,
    /// Another status.
    pub(crate) status: Option<u16>,
    /// Header edits.
    pub(crate) headers: HeaderEdits,
    /// Another content type.
    pub(crate) content_type: Option<Vec<u8>>,
    /// Is the other body a `json` one?
    pub(crate) is_json: bool,
    /// Another body.
    pub(crate) body: Body,
    /// Does that name the request?
    pub(crate) names_request: bool,
    /// The form of its JSON.
    output: Output,
    /// The fact that the name of its function is.
    parameter: Option<String>,
    /// Its characters.
    pub(crate) charset: Charset,
    /// What if the answer does not fit.
    pub(crate) on_mismatch: OnMismatch,
    /// What if it is too large.
    pub(crate) on_too_large: OnMismatch,
    /// What speaks against a fault made of it.
    pub(crate) doubt: Option<Box<str>>,
}

/// What becomes of a body.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// It stays.
    Keep,
    /// These bytes take its place.
    Constant(Vec<u8>),
    /// A rendered template takes its place.
    Template(Template),
    /// Some of its values change.
    Edit(Edit),
}

impl Cases {
    /// Compiles them. `captures`: those of the rule; a dialect has none.
    pub(crate) fn compile(
        policies: &[Located<CasePolicy>],
        captures: Option<&Captures>,
        compiler: &mut Compiler<'_>,
        names: &Names,
        errors: &mut Errors,
    ) -> Self {
        let compile = |case| Case::compile(case, captures, compiler, names, errors);
        Cases(policies.iter().map(compile).collect())
    }

    /// The cases in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Case> {
        self.0.iter()
    }

    /// Adds others behind.
    pub(crate) fn extend(&mut self, others: &Cases) {
        self.0.extend(others.0.iter().cloned());
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A case by its place.
    pub(crate) fn get(&self, place: usize) -> Option<&Case> {
        self.0.get(place)
    }

    /// Does one of them name the request?
    pub(crate) fn names_request(&self) -> bool {
        self.iter().any(|case| case.names_request)
    }

    /// The first that matches an answer of which there is neither header nor body.
    pub(crate) fn first(&self, facts: &Facts, origin: Origin) -> Option<&Case> {
        self.0.iter().find(|case| case.may_cover(facts, origin))
    }
}

impl Case {
    fn compile(
        located: &Located<CasePolicy>,
        captures: Option<&Captures>,
        compiler: &mut Compiler<'_>,
        names: &Names,
        errors: &mut Errors,
    ) -> Self {
        let CasePolicy { when, status, headers, content_type, json, text, edit, .. } =
            &located.value;
        let CasePolicy { on_mismatch, on_too_large, r#as, charset, .. } = &located.value;
        let bodies = [json.is_some(), text.is_some(), edit.is_some()];
        let has_body = bodies.contains(&true);
        if bodies.iter().filter(|b| **b).count() > 1 {
            located.error(errors, "expected at most one body of `json`, `text` or `edit`");
        }
        let output = Output::compile(r#as.as_ref(), errors);
        let other_form = output != Output::Json || *charset != Charset::Utf8;
        if let (true, Some(_)) = (other_form, text) {
            located.error(errors, "`as` and `charset` are of JSON, and a `text` stays as it is");
        }
        for condition in &when.body {
            let BodyMatch { exact, present, .. } = &condition.value;
            if exact.is_some() == present.is_some() || exact.as_ref().is_some_and(Vec::is_empty) {
                condition
                    .error(errors, "expected exactly one test of `exact` or `present`, not empty");
            }
        }
        if text.is_some() && content_type.is_none() {
            located.error(errors, "a `text` body needs a `content_type`");
        }
        if has_body
            && let Some(status) = status
            && matches!(status.value.get(), 204 | 205 | 304)
        {
            status.error(errors, "an answer with this status has no body");
        }
        let body = match (json, text, edit) {
            (Some(place), _, _) => compiler.template(place, errors).map(|template| {
                check_captures(&template, place, captures, errors);
                match template {
                    template if other_form => Body::Template(template),
                    Template::Constant(json) => Body::Constant(json.into_bytes()),
                    template if is_constant(&template) => constant(&template),
                    template => Body::Template(template),
                }
            }),
            (None, Some(text), _) => Some(Body::Constant(text.clone().into_bytes())),
            (None, None, Some(edit)) => {
                Some(Body::Edit(Edit::compile(edit, captures, compiler, names, errors)))
            }
            (None, None, None) => other_form.then(|| Body::Edit(Edit::default())),
        };
        let content_type = content_type.as_ref().and_then(|t| header_value(t, errors));
        let mut case = Case {
            when: when.clone(),
            status: status.as_ref().and_then(|s| u16::try_from(s.value.get()).ok()),
            headers: header_edits(headers, errors),
            content_type,
            is_json: json.is_some(),
            body: body.unwrap_or(Body::Keep),
            names_request: false,
            parameter: match &output {
                Output::Jsonp(name) => Some(format!("{QUERY}{name}")),
                _ => None,
            },
            output,
            charset: *charset,
            on_mismatch: *on_mismatch,
            on_too_large: *on_mismatch,
            doubt: None,
        };
        // What is only to be whole and JSON may be as large as it likes.
        let passes = if case.keeps_all() { OnMismatch::Original } else { *on_mismatch };
        case.on_too_large = on_too_large.unwrap_or(passes);
        let mut names_request = false;
        case.visit(&mut |expression| names_request |= expression.names_request());
        case.names_request = names_request;
        for name in case.captures().into_iter().filter(|n| is_of_request(n)) {
            located.error(
                errors,
                format!("`${name}` is of requests, and their own body alone can take it"),
            );
        }
        case.doubt = json.as_ref().and_then(|place| doubt(&case, place));
        case
    }

    /// One with a status and a body of its own.
    pub(crate) fn constant(status: u16, content_type: Vec<u8>) -> Self {
        Case {
            when: WhenPolicy::default(),
            status: Some(status),
            headers: HeaderEdits::default(),
            content_type: Some(content_type),
            is_json: false,
            body: Body::Constant(Vec::new()),
            names_request: false,
            output: Output::Json,
            parameter: None,
            charset: Charset::Utf8,
            on_mismatch: OnMismatch::Original,
            on_too_large: OnMismatch::Original,
            doubt: None,
        }
    }

    /// Every expression of its body.
    fn visit<'c>(&'c self, see: &mut impl FnMut(&'c Expression)) {
        match &self.body {
            Body::Template(template) => template.visit(see),
            Body::Edit(edit) => edit.visit(see),
            Body::Keep | Body::Constant(_) => {}
        }
    }

    /// Does it put another answer, with a status and a body of its own, in the
    /// place of one with this status?
    pub(crate) fn is_another_answer(&self, status: u16) -> bool {
        self.status.is_some_and(|own| own != status)
            && !matches!(self.body, Body::Keep)
            && !self.reads_body()
    }

    /// The content type of its body.
    pub(crate) fn type_of(&self, dialect: Option<&Dialect>, facts: &Facts) -> Option<HeaderEdit> {
        let other = self.output(facts).content_type(self.charset).map(String::into_bytes);
        let json_type = || {
            let named = dialect.and_then(|d| d.json_type.clone());
            self.is_json.then(|| named.unwrap_or_else(|| b"application/json".to_vec()))
        };
        let content_type = self.content_type.clone().or(other).or_else(json_type)?;
        Some(HeaderEdit::Set("content-type".into(), content_type))
    }

    /// Does the body stay as it is, if it is JSON?
    pub(crate) fn edits_nothing(&self) -> bool {
        let plain = self.output == Output::Json && self.charset == Charset::Utf8;
        plain && matches!(&self.body, Body::Edit(edit) if edit.is_empty())
    }

    /// Is the answer the same, whatever its body is?
    pub(crate) fn changes_nothing(&self) -> bool {
        let faults = [self.on_mismatch, self.on_too_large];
        self.keeps_all() && faults == [OnMismatch::Original; 2]
    }

    /// Is all of the answer kept, if its body is as it should be?
    fn keeps_all(&self) -> bool {
        self.edits_nothing()
            && (self.status, &self.content_type) == (None, &None)
            && self.headers == HeaderEdits::default()
    }

    /// What is to become of an answer that does not fit it, and why.
    pub(crate) fn wanted(&self, code: &str) -> OnMismatch {
        if code == TOO_LARGE { self.on_too_large } else { self.on_mismatch }
    }

    /// Does it need the answer's own body?
    pub(crate) fn reads_body(&self) -> bool {
        match &self.body {
            Body::Keep | Body::Constant(_) => false,
            Body::Template(template) => template.reads_body(),
            Body::Edit(_) => true,
        }
    }

    /// The captures that its body takes.
    pub(crate) fn captures(&self) -> Vec<&str> {
        let mut out = Vec::new();
        self.visit(&mut |expression| out.extend(expression.captures()));
        out.extend(self.parameter.as_deref());
        out
    }

    /// Does it depend on what the body says?
    pub(crate) fn asks_body(&self) -> bool {
        !self.when.body.is_empty()
    }

    /// Do its conditions on the body hold?
    pub(crate) fn body_holds(&self, document: Option<&Document<'_>>) -> bool {
        self.when.body.iter().all(|condition| {
            let BodyMatch { at, exact, present } = &condition.value;
            let Some(document) = document else { return false };
            let there = at.any(document, |value| {
                let item = Item::Node(value);
                match exact {
                    Some(texts) => item
                        .scalar(document)
                        .is_ok_and(|text| !item.is_void() && texts.iter().any(|t| *t == text)),
                    None => !item.is_void(),
                }
            });
            there == present.unwrap_or(true)
        })
    }

    /// The form of its JSON: without a function's name there is no script.
    pub(crate) fn output(&self, facts: &Facts) -> &Output {
        match &self.output {
            Output::Jsonp(name) if callback(facts, name).is_none() => &Output::Json,
            output => output,
        }
    }

    /// The query parameter that names a function.
    pub(crate) fn callback(&self) -> Option<&str> {
        match &self.output {
            Output::Jsonp(name) => Some(name),
            _ => None,
        }
    }

    /// Can it be the case of an answer without headers and body?
    pub(crate) fn may_cover(&self, facts: &Facts, origin: Origin) -> bool {
        self.covers(facts, origin, &Headers::new([("", ""); 0])) && !self.asks_body()
    }

    /// Do its conditions hold, but for those on the body?
    pub(crate) fn covers(&self, facts: &Facts, origin: Origin, response: &Headers<'_>) -> bool {
        let WhenPolicy { status, origin: origins, code, by, headers, body: _ } = &self.when;
        let refusal = facts.refusal.as_ref();
        let named = |names: &[Name], of: fn(&RefusalFacts) -> &str| {
            names.is_empty() || refusal.is_some_and(|r| names.iter().any(|n| n.as_str() == of(r)))
        };
        (status.is_empty() || status.iter().any(|s: &StatusPattern| s.covers(facts.status)))
            && (origins.is_empty() || origins.contains(&origin))
            && named(code, |r| &r.code)
            && named(by, |r| &r.by)
            && headers.iter().all(|header| header.holds(response))
    }
}

/// Is this the name of a header or cookie of the request?
fn is_of_request(name: &str) -> bool {
    name.starts_with(HEADER) || name.starts_with(COOKIE)
}

/// Are all captures of a template those of the rule?
pub(crate) fn check_captures(
    template: &Template,
    place: &Located<postern_core::config::Node>,
    captures: Option<&Captures>,
    errors: &mut Errors,
) {
    template.visit(&mut |expression| {
        for name in expression.captures() {
            if [QUERY, HEADER, COOKIE].iter().any(|place| name.starts_with(place)) {
                continue;
            }
            let checked = match captures {
                Some(captures) => captures.check(name),
                None => Err("a dialect knows no captures: the case belongs into a rule".to_owned()),
            };
            if let Err(why) = checked {
                place.error(errors, why);
            }
        }
    });
}

/// The function that the client named.
pub(crate) fn callback<'f>(facts: &'f Facts, parameter: &str) -> Option<&'f str> {
    let is = |name: &str| name.strip_prefix(QUERY) == Some(parameter);
    facts.captures.iter().find(|(name, _)| is(name)).map(|(_, value)| value.as_str())
}

fn is_constant(template: &Template) -> bool {
    let mut constant = !template.reads_body();
    template.visit(&mut |_| constant = false);
    constant
}

fn constant(template: &Template) -> Body {
    let rendered = template.of_facts(&Facts::default(), usize::MAX);
    rendered
        .map_or_else(|_| Body::Template(template.clone()), |json| Body::Constant(json.into_bytes()))
}
