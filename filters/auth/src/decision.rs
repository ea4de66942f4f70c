//! What was decided about a request, and what follows for it.

use std::rc::Rc;

use postern_core::{
    Decision, HeaderEdit, Headers, Identity, Mode, Outcome, Record, Refusal, Step, Target, Wait,
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
    /// Further counters.
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
        Admitted { known: None, code, removal: Vec::new(), in_query: false, count: Vec::new() }
    }

    pub(crate) fn outcome(
        self,
        rule: &Rule,
        headers: &Headers<'_>,
        target: &Target<'_>,
    ) -> Outcome {
        let Admitted { known, code, removal, count: further, .. } = self;
        let known = known.as_deref();
        let mut edits = identity_headers::edits(headers, known.map_or(&[], |k| &k.headers));
        let writes_path = removal.iter().any(|edit| edit.name() == ":path");
        if target.is_changed() && !writes_path {
            edits.push(HeaderEdit::set(":path", target.canonical()));
        }
        edits.extend(removal);
        let mut record = Record::new(Decision::Allow, rule.name.clone(), code);
        let mut count = vec![counter::ANONYMOUS];
        if let Some(known) = known {
            let caller = &known.checked.caller;
            count = vec![counter::AUTHENTICATED];
            record = record
                .with("provider", caller.provider.as_str())
                .with("credential", caller.credential.as_str());
        }
        count.extend(further);
        let identity = known.map_or_else(
            || Identity::Anonymous.to_json().into(),
            |known| Rc::clone(&known.identity),
        );
        Outcome {
            step: Step::Continue,
            headers: edits,
            body: None,
            record: Some(record),
            publish: vec![("identity", identity)],
            count,
        }
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
        outcome.record = Some(record);
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
