//! A compiled set of rules: a pure function of a request and its caller.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use postern_core::Truth;
use postern_core::challenge::Scope;
use postern_core::identity::SeenCaller;
use postern_core::rules::{Builder, Found, Match, Rules};

use crate::facts::Facts;
use crate::reason::Reason;
use crate::rule::{Effect, Rule};
use crate::subject::Subject;
use crate::unsure;

/// Rules, compiled once. Deciding costs the same among ten and ten thousand.
pub(crate) struct RuleSet {
    rules: Rules<Rule>,
    /// `None`: it was compiled whole.
    digest: Option<TextDigest>,
}

/// SHA-256 of the text that a set was compiled from in slices: of its rules, and of what
/// they may refer to. Where that is the same, so is the set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextDigest(pub(crate) [u8; 32]);

/// The rules alone: tests compare what came of slices with what was compiled whole, which
/// knows no digest.
impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSet").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// What was decided, why, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ruling<'r> {
    /// Why; it says whether the request is let pass.
    pub(crate) reason: Reason,
    /// The rule's place in its set; `None`: none decided.
    pub(crate) rule: Option<usize>,
    /// The scopes that would do, each once, in order.
    pub(crate) scopes: Vec<&'r Scope>,
    /// Is it a refusal that the author of all rules behind it has marked as intended?
    /// One because something could not be evaluated never is: nobody meant that.
    pub(crate) intended: bool,
}

impl<'r> Ruling<'r> {
    pub(crate) fn new(reason: Reason, rule: Option<usize>) -> Self {
        Ruling { reason, rule, scopes: Vec::new(), intended: false }
    }
}

/// Rules that become a set. Each step costs the same among ten and ten thousand.
#[derive(Debug, Default)]
pub(crate) struct Growing {
    /// Whoever looks at deny rules first has looked at all that can deny when the
    /// first rule allows.
    deny: VecDeque<(Match, Rule)>,
    allow: VecDeque<(Match, Rule)>,
    /// Many rules are for the same callers.
    subjects: HashSet<Rc<Subject>>,
    indexed: Builder<Rule>,
}

impl Growing {
    pub(crate) fn add(&mut self, applies_to: Match, mut rule: Rule) {
        match self.subjects.get(&rule.subject) {
            Some(same) => rule.subject = same.clone(),
            None => {
                self.subjects.insert(rule.subject.clone());
            }
        }
        let rules = match rule.effect {
            Effect::Deny => &mut self.deny,
            Effect::Allow => &mut self.allow,
        };
        rules.push_back((applies_to, rule));
    }

    /// All were added: puts as many into the index as take so many places there; at least
    /// one. Are there more?
    pub(crate) fn index(&mut self, count: usize) -> bool {
        let mut places = 0usize;
        while places < count {
            match self.deny.pop_front().or_else(|| self.allow.pop_front()) {
                Some((applies_to, rule)) => {
                    places = places.saturating_add(applies_to.places());
                    self.indexed.push(applies_to, rule);
                }
                None => return false,
            }
        }
        true
    }

    /// All are in the index: writes so many places of it out. Are there more?
    pub(crate) fn write(&mut self, count: usize) -> bool {
        self.indexed.write(count)
    }

    pub(crate) fn finish(mut self) -> RuleSet {
        while self.index(usize::MAX) {}
        RuleSet { rules: self.indexed.finish(), digest: None }
    }
}

impl RuleSet {
    pub(crate) fn new(rules: Vec<(Match, Rule)>) -> Self {
        let mut growing = Growing::default();
        for (applies_to, rule) in rules {
            growing.add(applies_to, rule);
        }
        growing.finish()
    }

    /// It was compiled from this text.
    pub(crate) fn of(self, digest: TextDigest) -> Self {
        RuleSet { digest: Some(digest), ..self }
    }

    /// Is it known to be compiled from this text?
    pub(crate) fn is_of(&self, digest: TextDigest) -> bool {
        self.digest == Some(digest)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The rule that a ruling names.
    pub(crate) fn rule(&self, ruling: &Ruling<'_>) -> Option<&Rule> {
        self.rules.get(ruling.rule?)
    }

    /// What it was that could not be evaluated, if it was that.
    #[cold]
    pub(crate) fn unsure(&self, ruling: &Ruling<'_>, facts: &Facts<'_>) -> Option<String> {
        if ruling.reason != Reason::CannotEvaluate {
            return None;
        }
        facts.budget.renew();
        let found = self.rules.candidates(facts.asked);
        let mut found = found.filter(|found| Some(found.index) == ruling.rule);
        let unsure = found.find_map(|found| unsure::of(found.rule, &found, facts));
        // With all steps to itself it comes to something.
        Some(unsure.unwrap_or_else(|| "the conditions of all rules take too many steps".to_owned()))
    }

    /// Looks at every rule that matches the request: a deny rule anywhere wins,
    /// and so does one that cannot be evaluated.
    pub(crate) fn decide(&self, facts: &Facts<'_>) -> Ruling<'_> {
        // One policy must not take what the other one needs.
        facts.budget.renew();
        let found: Vec<_> = self.rules.candidates(facts.asked).collect();
        for (found, first) in by_rule(&found) {
            let rule = first.rule;
            let applies = Truth::any(found.iter().map(|found| rule.applies(found, facts)));
            let reason = match (rule.effect, applies) {
                (_, Truth::No) | (Effect::Allow, Truth::Unknown) => continue,
                (Effect::Allow, Truth::Yes) => Reason::Allowed,
                (Effect::Deny, Truth::Yes) => Reason::DenyRule,
                (Effect::Deny, Truth::Unknown) => Reason::CannotEvaluate,
            };
            let intended = rule.intended && reason == Reason::DenyRule;
            return Ruling { intended, ..Ruling::new(reason, Some(first.index)) };
        }
        why_not(&found, facts)
    }
}

/// No rule allows it: what did those lack that are about this request? Of
/// several rules that lack the same, the first is named.
fn why_not<'r>(found: &[Found<'r, Rule>], facts: &Facts<'_>) -> Ruling<'r> {
    let mut nearest: Option<(Lack, usize)> = None;
    // Each of them would have let it pass, had it not asked for something.
    let mut intended = true;
    let mut scopes: Vec<&Scope> = Vec::new();
    for (found, first) in by_rule(found) {
        let rule = first.rule;
        let Some(lack) = lack(found, rule, facts) else { continue };
        if lack == Lack::Scopes {
            for scope in rule.subject.scopes() {
                if !scopes.contains(&scope) {
                    scopes.push(scope);
                }
            }
        }
        intended &= rule.intended;
        if nearest.is_none_or(|(nearer, _)| lack < nearer) {
            nearest = Some((lack, first.index));
        }
    }
    let Some((lack, index)) = nearest else {
        return Ruling::new(Reason::NoRule, None);
    };
    let reason = match lack {
        Lack::Identity => Reason::IdentityRequired,
        Lack::Scopes => Reason::InsufficientScope,
        Lack::Certainty => Reason::CannotEvaluate,
        Lack::Membership => Reason::WrongSubject,
    };
    let intended = intended && lack != Lack::Certainty;
    Ruling { scopes, intended, ..Ruling::new(reason, Some(index)) }
}

/// A rule is found once for each of its path templates that matches, since each binds
/// the path's parts in its own way: one that applies is enough.
fn by_rule<'f, 'r>(
    found: &'f [Found<'r, Rule>],
) -> impl Iterator<Item = (&'f [Found<'r, Rule>], &'f Found<'r, Rule>)> {
    found.chunk_by(|a, b| a.index == b.index).filter_map(|found| Some((found, found.first()?)))
}

/// What an allow rule lacks; the nearest first: what the caller can do most
/// about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    /// The caller has to say who it is.
    Identity,
    /// Nothing but scopes.
    Scopes,
    /// Nothing fails, but something cannot be told.
    Certainty,
    /// It is for others.
    Membership,
}

/// `None`: the rule is not about this request, or allows nobody like this.
fn lack(found: &[Found<'_, Rule>], rule: &Rule, facts: &Facts<'_>) -> Option<Lack> {
    if rule.effect == Effect::Deny {
        return None;
    }
    let request = Truth::any(found.iter().map(|found| rule.request_is_meant(found, facts)));
    if request == Truth::No {
        return None;
    }
    let claims = Truth::any(found.iter().map(|found| rule.caller_is_meant(found, facts)));
    match facts.caller {
        None => lack_of_anonymous(&rule.subject, request, claims),
        Some(caller) => lack_of_known(&rule.subject, caller, request, claims),
    }
}

fn lack_of_anonymous(subject: &Subject, request: Truth, claims: Truth) -> Option<Lack> {
    match subject {
        Subject::Anonymous => (request.and(|| claims) == Truth::Unknown).then_some(Lack::Certainty),
        Subject::Anyone if claims == Truth::Yes => Some(Lack::Certainty),
        Subject::Anyone | Subject::Identified | Subject::Having(_) => Some(Lack::Identity),
    }
}

fn lack_of_known(
    subject: &Subject,
    caller: &SeenCaller<'_>,
    request: Truth,
    claims: Truth,
) -> Option<Lack> {
    if *subject == Subject::Anonymous {
        return None;
    }
    let others = claims.and(|| subject.includes_but_for_scopes(caller));
    if others == Truth::No {
        return Some(Lack::Membership);
    }
    match request.and(|| others).and(|| subject.includes(Some(caller))) {
        Truth::No => Some(Lack::Scopes),
        Truth::Unknown => Some(Lack::Certainty),
        Truth::Yes => None,
    }
}
