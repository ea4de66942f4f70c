//! The policy as operators write it.

use std::collections::BTreeMap;

use postern_core::challenge::{Realm, Scope};
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Name, Value};
use postern_core::identity::SeenCaller;
use postern_core::rules::Match;

/// How many scopes one list may name: they all go into one challenge.
const MAX_SCOPES: usize = 32;

postern_core::config! {
    struct PolicyConfig {
        /// The protection space that challenges name (RFC 9110 §11.5).
        realm: Realm = Realm::default(),
        /// The rules. A deny rule that applies wins; else an allow rule that
        /// applies lets the request pass; else it is denied. Their order only
        /// says which of several is named in the record.
        rules: Vec<RuleConfig>,
    }

    struct RuleConfig {
        /// The rule's name, unique in the policy.
        name: Name,
        /// What the rule does.
        effect: Effect = Effect::Allow,
        /// What requests it applies to; `{}`: all of them.
        r#match: Match,
        /// Whom it applies to.
        subject: Subject,
    }

    /// What a rule does.
    pub choice Effect {
        /// Lets pass, unless a deny rule applies too.
        Allow = "allow",
        /// Refuses, whatever else applies.
        Deny = "deny",
    }

    /// Whom a rule applies to, whatever their scopes.
    choice WideSubject {
        /// Everybody, with or without a credential.
        Anyone = "anyone",
        /// Only callers without one.
        Anonymous = "anonymous",
        /// Every caller with a checked credential.
        Identified = "identified",
    }

    /// Whom a rule applies to, by scopes: exactly one of the two.
    struct SubjectConfig {
        /// Callers with at least one of these scopes.
        any_scope: Option<Vec<Scope>>,
        /// Callers with all of these scopes.
        all_scopes: Option<Vec<Scope>>,
    }
}

/// A checked policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The protection space.
    pub realm: Realm,
    /// At least one rule; names are unique.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: Name,
    /// What it does.
    pub effect: Effect,
    /// What requests it applies to.
    pub applies_to: Match,
    /// Whom it applies to.
    pub subject: Subject,
}

impl Decode for Policy {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        unique_names(at, errors);
        let PolicyConfig { realm, rules } = PolicyConfig::decode(at, errors)?;
        let rules = rules
            .into_iter()
            .map(|RuleConfig { name, effect, r#match, subject }| Rule {
                name,
                effect,
                applies_to: r#match,
                subject,
            })
            .collect();
        Some(Policy { realm, rules })
    }

    fn schema() -> Schema {
        PolicyConfig::schema()
    }
}

/// Read from the tree, so that it is noted beside all other mistakes.
fn unique_names(at: At<'_>, errors: &mut Errors) {
    let Some(rules) = at.node().get("rules") else { return };
    let at = at.key("rules", rules);
    let Value::List(items) = &rules.value else { return };
    if items.is_empty() {
        at.error(errors, "expected at least one rule: without any, everything is denied");
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, item) in items.iter().enumerate() {
        let Some(name) = item.get("name") else { continue };
        let Value::Text(text) = &name.value else { continue };
        match seen.get(text.as_str()) {
            Some(first) => {
                let message = format!("`{}` is the name of rules[{first}] already", shown(text));
                at.index(i, item).key("name", name).error(errors, message);
            }
            None => {
                seen.insert(text, i);
            }
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Whom a rule applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Everybody, with or without an identity.
    Anyone,
    /// Only callers without an identity.
    Anonymous,
    /// Every caller with an identity.
    Identified,
    /// Callers with at least one of these scopes.
    AnyScope(Vec<Scope>),
    /// Callers with all of these scopes.
    AllScopes(Vec<Scope>),
}

const SUBJECT: &str =
    "`anyone`, `anonymous`, `identified` or a mapping with `any_scope` or `all_scopes`";

impl Subject {
    /// Does it apply to this caller? `None`: one without an identity.
    #[must_use]
    pub fn includes(&self, caller: Option<&SeenCaller<'_>>) -> bool {
        let has =
            |scope: &Scope| caller.is_some_and(|c| c.scopes.iter().any(|s| s == scope.as_str()));
        match self {
            Subject::Anyone => true,
            Subject::Anonymous => caller.is_none(),
            Subject::Identified => caller.is_some(),
            Subject::AnyScope(scopes) => scopes.iter().any(has),
            Subject::AllScopes(scopes) => scopes.iter().all(has),
        }
    }

    /// The scopes that it asks for.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        match self {
            Subject::AnyScope(scopes) | Subject::AllScopes(scopes) => scopes,
            Subject::Anyone | Subject::Anonymous | Subject::Identified => &[],
        }
    }
}

impl Decode for Subject {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Text(_) => {
                // The mapping is expected too, so the message is wider.
                let wide = WideSubject::decode(at, &mut Errors::default());
                if wide.is_none() {
                    at.error(errors, format!("expected {SUBJECT}"));
                }
                wide.map(|wide| match wide {
                    WideSubject::Anyone => Subject::Anyone,
                    WideSubject::Anonymous => Subject::Anonymous,
                    WideSubject::Identified => Subject::Identified,
                })
            }
            // A misspelt key is one mistake: only it is told.
            Value::Map(entries) if entries.iter().any(|(key, _)| !is_known(&key.text)) => {
                SubjectConfig::decode(at, errors);
                None
            }
            Value::Map(_) => {
                let SubjectConfig { any_scope, all_scopes } = SubjectConfig::decode(at, errors)?;
                let (key, scopes, make): (_, _, fn(_) -> _) = match (any_scope, all_scopes) {
                    (Some(any), None) => ("any_scope", any, Subject::AnyScope),
                    (None, Some(all)) => ("all_scopes", all, Subject::AllScopes),
                    _ => {
                        at.error(errors, "expected exactly one of `any_scope` or `all_scopes`");
                        return None;
                    }
                };
                if !(1..=MAX_SCOPES).contains(&scopes.len()) {
                    let node = at.node().get(key).unwrap_or(at.node());
                    let message = format!("expected 1 to {MAX_SCOPES} scopes");
                    at.key(key, node).error(errors, message);
                    return None;
                }
                Some(make(scopes))
            }
            _ => {
                at.expected(errors, SUBJECT);
                None
            }
        }
    }

    fn schema() -> Schema {
        Schema::AnyOf(vec![WideSubject::schema(), SubjectConfig::schema()])
    }
}

fn is_known(key: &str) -> bool {
    matches!(key, "any_scope" | "all_scopes")
}
