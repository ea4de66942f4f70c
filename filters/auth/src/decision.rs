//! What was decided about a request, and what follows for it.

use std::rc::Rc;

use postern_core::{
    Decision, HeaderEdit, Headers, Identity, KeptRecord, Mode, Outcome, Record, Recorded, Refusal,
    Step, Target, Wait,
};

use crate::filter::counter;
use crate::flaw::Flaw;
use crate::identity_headers;
use crate::policy::Rule;
use crate::verdict::Known;

/// A request that is not refused.
#[derive(Debug)]
pub(crate) enum Judged {
    Admitted(Admitted),
    Wait(Wait),
}

/// A request that goes on.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// `None`: anonymous.
    pub(crate) known: Option<Rc<Known>>,
    pub(crate) code: &'static str,
    /// Edits that take the credential out.
    pub(crate) removal: Vec<HeaderEdit>,
    /// Did it stand in the query?
    pub(crate) in_query: bool,
    /// Counters, that of the decision first.
    pub(crate) count: Vec<usize>,
}

/// A request that is refused.
#[derive(Debug)]
pub(crate) struct Denied<'p> {
    pub(crate) refusal: Refusal,
    pub(crate) code: &'static str,
    pub(crate) count: Vec<usize>,
    pub(crate) provider: Option<&'p str>,
    /// What the provider found.
    pub(crate) flaw: Option<Flaw>,
}

impl Admitted {
    pub(crate) fn anonymous(code: &'static str) -> Self {
        let count = vec![counter::ANONYMOUS];
        Admitted { known: None, code, removal: Vec::new(), in_query: false, count }
    }

    pub(crate) fn outcome(
        self,
        rule: &Rule,
        headers: &Headers<'_>,
        target: &Target<'_>,
    ) -> Outcome {
        let Admitted { known, code, removal, count, in_query: _ } = self;
        let said = known.as_ref().map(|known| &known.headers);
        let (put, mut edits) = identity_headers::edits(headers, said.map(Rc::as_ref));
        let writes_path = || removal.iter().any(|edit| edit.name() == ":path");
        if target.is_changed() && !writes_path() {
            edits.push(HeaderEdit::set(":path", target.canonical()));
        }
        if edits.is_empty() {
            edits = removal;
        } else {
            edits.extend(removal);
        }
        let (identity, record) = match &known {
            Some(known) => (Rc::clone(&known.identity), Recorded::Kept(known.recorded(rule, code))),
            None => {
                let record = Record::new(Decision::Allow, rule.name.clone(), code);
                (Identity::Anonymous.to_json().into(), record.into())
            }
        };
        Outcome {
            step: Step::Continue,
            fields: said.map(|said| (Rc::clone(said), put)),
            headers: edits,
            body: None,
            record: Some(record),
            publish: vec![("identity", identity)],
            count,
        }
    }
}

impl Known {
    /// The record of a request that is let in: mostly it is the one of the last.
    fn recorded(&self, rule: &Rule, code: &'static str) -> Rc<KeptRecord> {
        let is_same = |kept: &&Rc<KeptRecord>| {
            let record = kept.record();
            record.rule == rule.name && record.code == code
        };
        let mut last = self.record.borrow_mut();
        if let Some(same) = last.as_ref().filter(is_same) {
            return Rc::clone(same);
        }
        let caller = &self.checked.caller;
        let record = Record::new(Decision::Allow, rule.name.clone(), code)
            .with("provider", caller.provider.as_str())
            .with("credential", caller.credential.as_str());
        Rc::clone(last.insert(Rc::new(KeptRecord::new(record))))
    }
}

impl Denied<'_> {
    pub(crate) fn outcome(self, rule: &Rule) -> Outcome {
        let record = self.record(rule);
        let mut outcome = Outcome::refuse(self.refusal).with_record(record);
        outcome.count = self.count;
        outcome
    }

    /// The request goes on as anonymous, and the refusal is only recorded.
    pub(crate) fn reported(
        self,
        rule: &Rule,
        headers: &Headers<'_>,
        target: &Target<'_>,
    ) -> Outcome {
        let record = Record { mode: Mode::Shadow, ..self.record(rule) };
        let mut outcome = Admitted::anonymous(self.code).outcome(rule, headers, target);
        outcome.record = Some(record.into());
        // Which provider refused, and why, counts as ever.
        let further = self.count.get(1..).unwrap_or_default();
        outcome.count = [&[counter::REPORTED], further].concat();
        outcome
    }

    fn record(&self, rule: &Rule) -> Record {
        let record = Record::new(Decision::Deny, rule.name.clone(), self.code);
        let (credential, claim) = match &self.flaw {
            Some(flaw) => (flaw.credential.as_deref(), flaw.claim.as_deref()),
            None => (None, None),
        };
        let known = [("provider", self.provider), ("credential", credential), ("claim", claim)];
        known.into_iter().fold(record, |record, (name, value)| match value {
            Some(value) => record.with(name, value),
            None => record,
        })
    }
}
