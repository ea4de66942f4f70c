//! One rule: what requests, whom, under what conditions, and what follows.

use std::rc::Rc;

use postern_core::Truth;
use postern_core::config::schema::Schema;
use postern_core::config::{At, AtLeastOne, Decode, Errors, Name, Text};
use postern_core::rules::{Found, Match};

use crate::applies::{Further, MatchConfig};
use crate::claim::ClaimCondition;
use crate::expression::{Condition, Expression};
use crate::facts::Facts;
use crate::obligations::Obligations;
use crate::subject::Subject;

postern_core::config! {
    pub(crate) struct RuleConfig {
        /// The rule's name, unique in the policy.
        name: Name,
        /// What the rule does.
        effect: Effect = Effect::Allow,
        /// What requests it applies to; `{}`: all of them.
        r#match: MatchConfig,
        /// Whom it applies to.
        subject: Subject,
        /// What the caller's claims have to say; all of it. A caller without the
        /// claim cannot be judged by it.
        claims: AtLeastOne<ClaimCondition> = AtLeastOne::default(),
        /// A condition in CEL over `request`, `identity` and the variable parts of
        /// the path, such as `path.name == identity.subject`. One that comes to no
        /// value, such as a claim that is not there, cannot be evaluated; nor can one
        /// that takes more than 10,000 steps (parts of it, items of lists, 64 bytes of
        /// texts; of `matches` each byte of the text takes 8 to 120, by the size of the
        /// pattern), or with which those of all rules take more than 50,000 for a request.
        ///
        /// Of CEL there are: `true`, `false`, `null`, ints, doubles, strings, lists;
        /// `&&`, `||`, `!`, `?:`, `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `+`, `-`, `*`,
        /// `/`, `%`, `a.b`, `a[b]`, `has(a.b)`, `list.all(x, …)`, `list.exists(x, …)`,
        /// `size`, `startsWith`, `endsWith`, `contains`, `matches` (a pattern that is
        /// written out), `int`, `double`, `string`. Variables: `request.method`,
        /// `.host`, `.path`, `.size`, `.headers['…']`, `.query.…`; `path.…`;
        /// `identity.anonymous`, `.subject`, `.issuer`, `.client`, `.provider`,
        /// `.credential`, `.credential_kind`, `.plan`, `.scopes`, `.claims.…`. All else
        /// is refused, with what to use instead.
        when: Option<Condition>,
        /// What an allow rule wants done with the requests that it lets pass.
        obligations: Option<Obligations>,
        /// What a client is told that this deny rule refuses, in place of the
        /// policy's `refusals.detail`.
        detail: Option<Text>,
        /// Are its decisions counted by themselves, as the metric
        /// `rule_decisions.<name>`? At most 64 rules; each costs a call to the proxy per
        /// decision.
        counted: bool = false,
        /// In a candidate: are its refusals intended? Such do not count against
        /// the candidate: of a deny rule all; of an allow rule those of callers that
        /// the current rule of the same name allows, as long as each other allow rule
        /// that is about the request is marked so too.
        intended: bool = false,
    }

    /// What a rule does.
    pub choice Effect {
        /// Lets pass, unless a deny rule applies too.
        Allow = "allow",
        /// Refuses, whatever else applies.
        Deny = "deny",
    }
}

/// A rule. In a large policy what is read of it is in none of the core's caches, so
/// what most rules do without stands elsewhere.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: Name,
    /// What it does.
    pub effect: Effect,
    /// Whom it applies to.
    pub subject: Rc<Subject>,
    /// Is it counted by itself?
    pub counted: bool,
    /// Are its refusals intended?
    pub intended: bool,
    more: Option<Box<More>>,
}

/// What most rules do without.
#[derive(Clone, Debug)]
struct More {
    further: Option<Further>,
    claims: Box<[ClaimCondition]>,
    when: Option<Expression>,
    obligations: Option<Obligations>,
    detail: Option<Text>,
}

impl Rule {
    /// The conditions on requests that this filter alone knows, if there are any.
    #[must_use]
    pub fn further(&self) -> Option<&Further> {
        self.more.as_ref()?.further.as_ref()
    }

    /// What the caller's claims have to say.
    #[must_use]
    pub fn claims(&self) -> &[ClaimCondition] {
        self.more.as_ref().map_or(&[], |more| &more.claims)
    }

    /// A further condition.
    #[must_use]
    pub fn when(&self) -> Option<&Expression> {
        self.more.as_ref()?.when.as_ref()
    }

    /// What follows from an allow rule.
    #[must_use]
    pub fn obligations(&self) -> Option<&Obligations> {
        self.more.as_ref()?.obligations.as_ref()
    }

    /// What the client of a deny rule is told.
    #[must_use]
    pub fn detail(&self) -> Option<&Text> {
        self.more.as_ref()?.detail.as_ref()
    }

    /// Does it apply? What costs nothing is asked first, so that the proxy is
    /// asked only where that decides.
    pub(crate) fn applies(&self, found: &Found<'_, Rule>, facts: &Facts<'_>) -> Truth {
        self.subject
            .includes(facts.caller)
            .and(|| found.headers_say(facts.asked))
            .and(|| self.claims_hold(found, facts))
            .and(|| self.message_is_meant(facts))
            .and(|| self.when_holds(found, facts))
            .and(|| self.situation_is_meant(found, facts))
    }

    /// Is the request one that it is about, whoever sent it?
    pub(crate) fn request_is_meant(&self, found: &Found<'_, Rule>, facts: &Facts<'_>) -> Truth {
        found
            .headers_say(facts.asked)
            .and(|| self.message_is_meant(facts))
            .and(
                || {
                    if self.when_names_caller() {
                        Truth::Yes
                    } else {
                        self.when_holds(found, facts)
                    }
                },
            )
            .and(|| self.situation_is_meant(found, facts))
    }

    /// Is the caller one that it is about, as far as it is not for its subject to say?
    pub(crate) fn caller_is_meant(&self, found: &Found<'_, Rule>, facts: &Facts<'_>) -> Truth {
        self.claims_hold(found, facts).and(|| {
            if self.when_names_caller() { self.when_holds(found, facts) } else { Truth::Yes }
        })
    }

    fn claims_hold(&self, found: &Found<'_, Rule>, facts: &Facts<'_>) -> Truth {
        Truth::all(self.claims().iter().map(|c| c.holds(found.template(), facts)))
    }

    fn when_names_caller(&self) -> bool {
        self.when().is_some_and(|when| when.names_caller())
    }

    fn when_holds(&self, found: &Found<'_, Rule>, facts: &Facts<'_>) -> Truth {
        self.when()
            .map_or(Truth::Yes, |when| when.holds(&facts.scope(found.template())).ok().into())
    }

    fn message_is_meant(&self, facts: &Facts<'_>) -> Truth {
        self.further().map_or(Truth::Yes, |further| further.message(facts.asked, &facts.query))
    }

    fn situation_is_meant(&self, found: &Found<'_, Rule>, facts: &Facts<'_>) -> Truth {
        let further = self.further();
        further
            .map_or(Truth::Yes, |f| f.time(facts.asked))
            .and(|| found.route_holds(facts.asked))
            .and(|| further.map_or(Truth::Yes, |f| f.client(facts.asked)))
    }
}

impl More {
    fn is_empty(&self) -> bool {
        let More { further, claims, when, obligations, detail } = self;
        further.is_none()
            && claims.is_empty()
            && when.is_none()
            && obligations.is_none()
            && detail.is_none()
    }
}

/// A rule, and what requests it applies to as far as all filters know it.
pub(crate) struct Whole(pub(crate) Match, pub(crate) Rule);

impl Decode for Whole {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let RuleConfig {
            name,
            effect,
            r#match,
            subject,
            claims,
            when,
            obligations,
            detail,
            counted,
            intended,
        } = RuleConfig::decode(at, errors)?;
        let (applies_to, further) = r#match.split();
        let own = |key: &str, errors: &mut Errors, message: &str| {
            if let Some(node) = at.node().get(key) {
                at.key(key, node).error(errors, message);
            }
        };
        if effect == Effect::Deny && obligations.is_some() {
            own("obligations", errors, "expected none: a deny rule lets nothing pass");
        }
        if effect == Effect::Allow && detail.is_some() {
            own("detail", errors, "expected none: an allow rule refuses nobody");
        }
        if let Some(list) = at.node().get("claims") {
            for (i, claim) in claims.iter().enumerate() {
                claim.check(&applies_to, at.key("claims", list), i, errors);
            }
        }
        let when = when.map(|when| when.of_rule(&applies_to, at, errors));
        let more = More {
            further,
            claims: claims.into_vec().into(),
            when: when.flatten(),
            obligations,
            detail,
        };
        let more = (!more.is_empty()).then(|| Box::new(more));
        let rule = Rule { name, effect, subject: Rc::new(subject), counted, intended, more };
        Some(Whole(applies_to, rule))
    }

    fn schema() -> Schema {
        RuleConfig::schema()
    }
}
