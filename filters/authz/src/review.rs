//! What a policy says in vain: rules that never decide, sets that no rule
//! names. For the tool that checks policies; the filter does not carry it.

mod covering;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use postern_core::config::{self, At, Errors, Node, Value};
use postern_core::rules::Match;

use crate::applies::Further;
use crate::claim::ClaimCondition;
use crate::policy::{Policy, shown};
use crate::rollout::PER_CALLER_AND_WINDOW;
use crate::rollout::policy::Valve;
use crate::rule::{Effect, Rule};
use crate::sets;
use crate::subject::{Part, Subject};

use covering::{Budget, Covering};

/// What was found. Names of rules stand in it, so that both can be found.
#[derive(Debug, Default)]
pub struct Review {
    /// Rules that can never do what they are for: a policy like this is refused.
    pub errors: Errors,
    /// What changes nothing.
    pub warnings: Errors,
}

/// Looks through a policy that [decodes](config::decode).
///
/// # Errors
/// It does not.
pub fn review(policy: &Node) -> Result<Review, Errors> {
    let Policy { rules: current, candidate, .. } = config::decode(policy)?;
    let mut review = Review::default();
    let root = At::root(policy);
    let list = policy.get("rules").unwrap_or(policy);
    let at = root.key("rules", list);
    rules_in_vain(&current, at, &mut review);
    misleading(&current, at, &mut review.warnings);
    each(&current, at, |rule, at| {
        if rule.intended {
            let node = at.node().get("intended").unwrap_or(at.node());
            let message = "means nothing here: the rules of a candidate may have it";
            at.key("intended", node).error(&mut review.warnings, message);
        }
    });
    let beside = policy.get("candidate");
    if let (Some(candidate), Some(node)) = (candidate, beside) {
        let at = root.key("candidate", node);
        let list = node.get("rules").unwrap_or(node);
        let rules = at.key("rules", list);
        rules_in_vain(&candidate.rules, rules, &mut review);
        misleading(&candidate.rules, rules, &mut review.warnings);
        intended_of_nobody(&current, &candidate.rules, rules, &mut review.warnings);
        out_of_reach(&candidate.valve, at, &mut review.warnings);
        unused_sets(at, sets::named_in(node), &mut review.warnings);
    }
    let mut named = sets::named_in(policy);
    // Without sets of its own it refers to these.
    if let Some(node) = beside.filter(|node| node.get("sets").is_none()) {
        named.extend(sets::named_in(node));
    }
    unused_sets(root, named, &mut review.warnings);
    Ok(review)
}

/// What an allow rule refuses is intended for those whom the current rule of its name allows.
fn intended_of_nobody(current: &[Whole], rules: &[Whole], at: At<'_>, warnings: &mut Errors) {
    let names: BTreeSet<&str> = current.iter().map(|(_, rule)| rule.name.as_str()).collect();
    each(rules, at, |rule, at| {
        let allows = rule.intended && rule.effect == Effect::Allow;
        if allows && !names.contains(rule.name.as_str()) {
            let node = at.node().get("intended").unwrap_or(at.node());
            let message = "means nothing: no current rule has this name, so there is nobody whom \
                           this one is meant to refuse";
            at.key("intended", node).error(warnings, message);
        }
    });
}

/// Looks at each rule of a list, with its place.
fn each(rules: &[Whole], at: At<'_>, mut look: impl FnMut(&Rule, At<'_>)) {
    let Value::List(items) = &at.node().value else { return };
    for (i, (node, (_, rule))) in items.iter().zip(rules).enumerate() {
        look(rule, at.index(i, node));
    }
}

/// What says another thing than it seems to.
fn misleading(rules: &[Whole], at: At<'_>, warnings: &mut Errors) {
    each(rules, at, |rule, at| {
        if !rule.when().is_some_and(|when| when.forgets_head()) {
            return;
        }
        let node = at.node().get("when").unwrap_or(at.node());
        let message = "asks for the method `GET` alone: a `HEAD` request gets the same answer \
                       without its body; `methods: [GET]` stands for both, \
                       `request.method in ['GET', 'HEAD']` too";
        at.key("when", node).error(warnings, message);
    });
}

/// `at`: the candidate.
fn out_of_reach(valve: &Valve, at: At<'_>, warnings: &mut Errors) {
    let (requests, callers) = (valve.minimum_requests.get(), valve.minimum_callers.get());
    let needed = requests.div_ceil(PER_CALLER_AND_WINDOW);
    if needed <= callers {
        return;
    }
    let Some(node) = at.node().get("valve") else { return };
    let at = at.key("valve", node);
    let node = node.get("minimum_requests").unwrap_or(node);
    let message = format!(
        "takes {needed} callers in a window on one worker, more than `minimum_callers`: of each, \
         {PER_CALLER_AND_WINDOW} requests count there; where fewer come, nothing takes the \
         candidate back"
    );
    at.key("minimum_requests", node).error(warnings, message);
}

/// `at`: the list of these rules.
fn rules_in_vain(rules: &[Whole], at: At<'_>, review: &mut Review) {
    let Value::List(items) = &at.node().value else { return };
    let index = Covering::new(rules);
    let mut budget = Budget::default();
    for (i, whole @ (_, rule)) in rules.iter().enumerate() {
        let others = index.of(&whole.0, &mut budget);
        let vain = vain(i, whole, rules, &others, &mut budget);
        if budget.is_spent() {
            let message = format!(
                "only the first {i} of {} rules were looked through for those in vain: too many \
                 are about the same paths",
                rules.len()
            );
            at.error(&mut review.warnings, message);
            return;
        }
        let Some((other, effect)) = vain else { continue };
        let (own, name) = (rule.name.as_str(), other.1.name.as_str());
        let Some(node) = items.get(i) else { continue };
        let place = at.index(i, node);
        match effect {
            Vain::Shadowed => {
                // Whoever refuses everything means to: a way to stop in need.
                let stop = is_everything(other);
                let list = if stop { &mut review.warnings } else { &mut review.errors };
                let message = "never allows: the deny rule";
                let what = "refuses all that it is about";
                place.error(list, format!("`{own}` {message} `{name}` {what}"));
            }
            Vain::Allowed => place.error(
                &mut review.warnings,
                format!("`{own}` changes nothing: `{name}` allows all that it allows"),
            ),
            Vain::Denied => place.error(
                &mut review.warnings,
                format!("`{own}` changes nothing: `{name}` refuses all that it refuses"),
            ),
        }
    }
}

/// What requests a rule applies to, and the rule.
type Whole = (Match, Rule);

/// Why a rule is in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vain {
    Shadowed,
    Allowed,
    Denied,
}

/// The rule because of which this one is in vain. `others`: those that are about all its
/// paths.
fn vain<'r>(
    at: usize,
    rule: &Whole,
    rules: &'r [Whole],
    others: &[usize],
    budget: &mut Budget,
) -> Option<(&'r Whole, Vain)> {
    let mut found = None;
    for (i, other) in others.iter().filter_map(|i| Some((*i, rules.get(*i)?))) {
        budget.spend(breadth(other).saturating_mul(breadth(rule)));
        if budget.is_spent() {
            return None;
        }
        if i == at || !other.0.covers_beside_paths(&rule.0) || !says_as_much(other, rule) {
            continue;
        }
        let vain = match (rule.1.effect, other.1.effect) {
            (Effect::Allow, Effect::Deny) => return Some((other, Vain::Shadowed)),
            (Effect::Deny, Effect::Allow) => continue,
            (Effect::Allow, Effect::Allow) => Vain::Allowed,
            (Effect::Deny, Effect::Deny) => Vain::Denied,
        };
        // The first of several decides: what it adds is heard. Of two that
        // are the same, the later one is in vain.
        let heard = at < i && (adds(&rule.1) || covers(rule, other, budget));
        if !heard && found.is_none() {
            found = Some((other, vain));
        }
    }
    found
}

/// How much of a rule there is to compare, paths left out.
fn breadth((applies_to, rule): &Whole) -> usize {
    let Match { hosts, methods, paths, routes, headers, any_header } = applies_to;
    let named = if names_path(rule) { paths.len() } else { 0 };
    let subject = match &*rule.subject {
        Subject::Having(parts) => parts.iter().map(Part::len).sum(),
        _ => 0,
    };
    let further = rule.further().map_or(0, |further| {
        let Further { query, client_addresses, content_types, body_size: _, times } = further;
        query.len() + client_addresses.len() + content_types.len() + times.len()
    });
    let lists = [hosts.len(), methods.len(), routes.len(), headers.len(), any_header.len()];
    let own = [named, subject, further, rule.claims().len(), 1];
    lists.into_iter().chain(own).sum()
}

/// Is it about everything that anybody asks?
fn is_everything((applies_to, rule): &Whole) -> bool {
    Match::any().covers(applies_to)
        && applies_to.covers(&Match::any())
        && rule.further().is_none()
        && rule.claims().is_empty()
        && rule.when().is_none()
        && *rule.subject == Subject::Anyone
}

/// Does it do more than to allow or to refuse?
fn adds(rule: &Rule) -> bool {
    rule.obligations().is_some() || rule.detail().is_some() || rule.counted
}

/// Does `wide` apply wherever `narrow` does? It may say no where it is so, but
/// never yes where it is not.
fn covers(wide: &Whole, narrow: &Whole, budget: &mut Budget) -> bool {
    let same = *wide.0.paths == *narrow.0.paths;
    if !same {
        budget.spend(wide.0.paths.len().saturating_mul(narrow.0.paths.len()));
    }
    !budget.is_spent()
        && (if same { wide.0.covers_beside_paths(&narrow.0) } else { wide.0.covers(&narrow.0) })
        && says_as_much(wide, narrow)
}

/// The same of all but what the index looks at.
fn says_as_much((wide_match, wide): &Whole, (narrow_match, narrow): &Whole) -> bool {
    (!names_path(wide) || within(&narrow_match.paths, &wide_match.paths))
        && subject_covers(&wide.subject, &narrow.subject)
        && wide.claims().iter().all(|claim| narrow.claims().contains(claim))
        && (wide.when().is_none() || wide.when() == narrow.when())
        && match (wide.further(), narrow.further()) {
            (None, _) => true,
            (Some(wide), Some(narrow)) => further_covers(wide, narrow),
            (Some(_), None) => false,
        }
}

/// What a capture holds is not the same under another template.
fn names_path(rule: &Rule) -> bool {
    rule.claims().iter().any(ClaimCondition::names_path)
        || rule.when().is_some_and(|when| when.names_path())
}

fn further_covers(wide: &Further, narrow: &Further) -> bool {
    let Further { query, client_addresses, content_types, body_size, times } = wide;
    let some = |narrow: usize| narrow > 0;
    query.iter().all(|own| narrow.query.contains(own))
        && (client_addresses.is_empty()
            || (!narrow.client_addresses.is_empty()
                && client_addresses.covers(&narrow.client_addresses)))
        && (content_types.is_empty()
            || (some(narrow.content_types.len())
                && narrow.content_types.iter().all(|n| content_types.iter().any(|w| w.covers(n)))))
        && body_size.is_none_or(|own| narrow.body_size.is_some_and(|n| own.covers(&n)))
        && (times.is_empty()
            || (some(narrow.times.len()) && narrow.times.iter().all(|n| times.contains(n))))
}

fn subject_covers(wide: &Subject, narrow: &Subject) -> bool {
    match (wide, narrow) {
        (Subject::Anyone, _)
        | (Subject::Anonymous, Subject::Anonymous)
        | (Subject::Identified, Subject::Identified | Subject::Having(_)) => true,
        (Subject::Having(wide), Subject::Having(narrow)) => {
            wide.iter().all(|w| narrow.iter().any(|n| part_covers(w, n)))
        }
        _ => false,
    }
}

/// Does the part `wide` hold wherever `narrow` does?
fn part_covers(wide: &Part, narrow: &Part) -> bool {
    match (wide, narrow) {
        (Part::Is(own, wide), Part::Is(other, narrow)) => own == other && within(narrow, wide),
        (Part::AnyScope(wide), Part::AnyScope(narrow)) => within(narrow, wide),
        (Part::AnyScope(wide), Part::AllScopes(narrow)) => narrow.iter().any(|s| wide.contains(s)),
        (Part::AllScopes(wide), Part::AllScopes(narrow)) => within(wide, narrow),
        (Part::Any(own, wide), Part::Any(other, narrow)) => own == other && within(narrow, wide),
        (Part::Any(own, wide), Part::All(other, narrow)) => {
            own == other && narrow.iter().any(|t| wide.contains(t))
        }
        (Part::All(own, wide), Part::All(other, narrow)) => own == other && within(wide, narrow),
        _ => false,
    }
}

fn within<T: PartialEq>(few: &[T], many: &[T]) -> bool {
    few.iter().all(|one| many.contains(one))
}

/// `at`: what has the sets; `named`: those that its rules and sets refer to.
fn unused_sets(at: At<'_>, named: BTreeSet<(&'static str, &str)>, warnings: &mut Errors) {
    let Some(node) = at.node().get("sets") else { return };
    let at = at.key("sets", node);
    let Value::Map(kinds) = &node.value else { return };
    for (kind, sets) in kinds {
        let Value::Map(entries) = &sets.value else { continue };
        let kind_at = at.key(&kind.text, sets);
        for (name, set) in entries {
            if !named.contains(&(kind.text.as_str(), name.text.as_str())) {
                let message = format!("no rule refers to the set `{}`", shown(&name.text));
                kind_at.key(&name.text, set).error(warnings, message);
            }
        }
    }
}
