//! Whom a rule applies to.

use postern_core::Truth;
use postern_core::challenge::Scope;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Text, Value, near};
use postern_core::identity::SeenCaller;
use serde_json::Value as Json;

use crate::refusals::MAX_SCOPES_OF_RULE;
use crate::sets::List;

/// How many scopes one list may name: they all go into one challenge.
const MAX_SCOPES: usize = 32;

postern_core::config! {
    /// Whom a rule applies to, whatever else is known of them.
    choice WideSubject {
        /// Everybody, with or without a credential.
        Anyone = "anyone",
        /// Only callers without one.
        Anonymous = "anonymous",
        /// Every caller with a checked credential.
        Identified = "identified",
    }

    /// Callers with a checked credential of whom all this holds. With `set` it
    /// also has the parts of that named one.
    struct SubjectConfig {
        /// The provider that checked the credential is one of these.
        providers: Option<List<Text>>,
        /// The issuer is one of these.
        issuers: Option<List<Text>>,
        /// The client that calls is one of these.
        clients: Option<List<Text>>,
        /// The subject is one of these.
        subjects: Option<List<Text>>,
        /// The credential has at least one of these scopes.
        any_scope: Option<List<Scope>>,
        /// The credential has all of these scopes.
        all_scopes: Option<List<Scope>>,
        /// The claim `roles`, a list of texts or one, has at least one of these.
        /// Without the claim a caller has no role.
        any_role: Option<List<Text>>,
        /// The claim `roles` has all of these.
        all_roles: Option<List<Text>>,
        /// The claim `groups`, a list of texts or one, has at least one of these.
        /// Without the claim a caller is in no group.
        any_group: Option<List<Text>>,
        /// The claim `groups` has all of these.
        all_groups: Option<List<Text>>,
        /// The caller's plan is one of these. A caller without a plan has none
        /// of them.
        plans: Option<List<Text>>,
    }
}

/// Whom a rule applies to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Everybody, with or without an identity.
    Anyone,
    /// Only callers without an identity.
    Anonymous,
    /// Every caller with an identity.
    Identified,
    /// Callers with an identity of whom all of this holds; at least one part.
    Having(Box<[Part]>),
}

/// One thing that has to hold of a caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// A member of the identity is one of these.
    Is(Member, Box<[Text]>),
    /// At least one of these scopes.
    AnyScope(Box<[Scope]>),
    /// All of these scopes.
    AllScopes(Box<[Scope]>),
    /// At least one of these in a claim that is a list.
    Any(Listed, Box<[Text]>),
    /// All of these in it.
    All(Listed, Box<[Text]>),
}

/// A member of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Member {
    /// The provider that checked the credential.
    Provider,
    /// Who vouches for the caller.
    Issuer,
    /// The client that calls.
    Client,
    /// The subject.
    Subject,
    /// The plan.
    Plan,
}

/// A claim that lists what a caller belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listed {
    /// The claim `roles`.
    Roles,
    /// The claim `groups`.
    Groups,
}

impl Listed {
    /// The name of the claim.
    #[must_use]
    pub fn claim(self) -> &'static str {
        match self {
            Listed::Roles => "roles",
            Listed::Groups => "groups",
        }
    }
}

impl Subject {
    /// Does it apply to this caller? `None`: one without an identity.
    #[must_use]
    pub fn includes(&self, caller: Option<&SeenCaller<'_>>) -> Truth {
        match (self, caller) {
            (Subject::Anyone, _) | (Subject::Anonymous, None) | (Subject::Identified, Some(_)) => {
                Truth::Yes
            }
            (Subject::Having(parts), Some(caller)) => {
                Truth::all(parts.iter().map(|part| part.holds(caller)))
            }
            _ => Truth::No,
        }
    }

    /// Does all but the scopes hold of this caller?
    pub(crate) fn includes_but_for_scopes(&self, caller: &SeenCaller<'_>) -> Truth {
        match self {
            Subject::Having(parts) => {
                let others = parts.iter().filter(|part| part.scopes().is_empty());
                Truth::all(others.map(|part| part.holds(caller)))
            }
            other => other.includes(Some(caller)),
        }
    }

    /// The claim by which this caller cannot be judged.
    pub(crate) fn unsure_claim(&self, caller: &SeenCaller<'_>) -> Option<&'static str> {
        let Subject::Having(parts) = self else { return None };
        parts.iter().find(|part| part.holds(caller) == Truth::Unknown).and_then(|part| match part {
            Part::Any(listed, _) | Part::All(listed, _) => Some(listed.claim()),
            Part::Is(..) | Part::AnyScope(_) | Part::AllScopes(_) => None,
        })
    }

    /// The scopes that it asks for.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        let parts = match self {
            Subject::Having(parts) => parts.as_ref(),
            Subject::Anyone | Subject::Anonymous | Subject::Identified => &[],
        };
        parts.iter().flat_map(Part::scopes)
    }
}

impl Part {
    /// How many texts it names.
    pub(crate) fn len(&self) -> usize {
        match self {
            Part::Is(_, texts) | Part::Any(_, texts) | Part::All(_, texts) => texts.len(),
            Part::AnyScope(scopes) | Part::AllScopes(scopes) => scopes.len(),
        }
    }

    fn scopes(&self) -> &[Scope] {
        match self {
            Part::AnyScope(scopes) | Part::AllScopes(scopes) => scopes,
            Part::Is(..) | Part::Any(..) | Part::All(..) => &[],
        }
    }

    fn holds(&self, caller: &SeenCaller<'_>) -> Truth {
        let has = |scope: &Scope| caller.scopes.iter().any(|s| s == scope.as_str());
        match self {
            Part::AnyScope(scopes) => scopes.iter().any(has).into(),
            Part::AllScopes(scopes) => scopes.iter().all(has).into(),
            Part::Is(member, texts) => {
                let own = member.of(caller);
                own.is_some_and(|own| texts.iter().any(|t| t.as_str() == own)).into()
            }
            Part::Any(listed, texts) => {
                belongs(*listed, caller, |own| texts.iter().any(|t| own.contains(&t.as_str())))
            }
            Part::All(listed, texts) => {
                belongs(*listed, caller, |own| texts.iter().all(|t| own.contains(&t.as_str())))
            }
        }
    }
}

/// A claim that is neither a text nor a list of texts, or stands there twice, cannot be
/// judged.
fn belongs(listed: Listed, caller: &SeenCaller<'_>, test: impl Fn(&[&str]) -> bool) -> Truth {
    let Ok(claim) = caller.claim(listed.claim()) else { return Truth::Unknown };
    match claim {
        None => test(&[]).into(),
        Some(Json::String(one)) => test(&[&one]).into(),
        Some(Json::Array(several)) => {
            let texts: Option<Vec<&str>> = several.iter().map(Json::as_str).collect();
            texts.map(|texts| test(&texts)).into()
        }
        Some(_) => Truth::Unknown,
    }
}

impl Member {
    fn of<'c>(self, caller: &'c SeenCaller<'_>) -> Option<&'c str> {
        match self {
            Member::Provider => Some(&caller.provider),
            Member::Issuer => caller.iss.as_deref(),
            Member::Client => caller.client.as_deref(),
            Member::Subject => Some(&caller.sub),
            Member::Plan => caller.plan.as_deref(),
        }
    }
}

const SUBJECT: &str = "`anyone`, `anonymous`, `identified` or a mapping such as `any_scope: [a]`";

/// Slips, and what others call it.
fn meant(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    match text.as_str() {
        "everyone" | "everybody" | "anybody" | "all" | "any" | "public" | "*" => Some("anyone"),
        "authenticated" | "known" | "user" | "users" => Some("identified"),
        "unauthenticated" | "guest" | "guests" | "nobody" | "none" => Some("anonymous"),
        _ => near(&["anyone", "anonymous", "identified"], &text),
    }
}

impl SubjectConfig {
    fn parts(self) -> Vec<Part> {
        let SubjectConfig {
            providers,
            issuers,
            clients,
            subjects,
            any_scope,
            all_scopes,
            any_role,
            all_roles,
            any_group,
            all_groups,
            plans,
        } = self;
        let is = |member| move |list: List<Text>| Part::Is(member, list.into_boxed());
        let any = |listed| move |list: List<Text>| Part::Any(listed, list.into_boxed());
        let all = |listed| move |list: List<Text>| Part::All(listed, list.into_boxed());
        [
            any_scope.map(|list| Part::AnyScope(list.into_boxed())),
            all_scopes.map(|list| Part::AllScopes(list.into_boxed())),
            providers.map(is(Member::Provider)),
            issuers.map(is(Member::Issuer)),
            clients.map(is(Member::Client)),
            subjects.map(is(Member::Subject)),
            plans.map(is(Member::Plan)),
            any_role.map(any(Listed::Roles)),
            all_roles.map(all(Listed::Roles)),
            any_group.map(any(Listed::Groups)),
            all_groups.map(all(Listed::Groups)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Decode for Subject {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Text(text) => {
                // The mapping is expected too, so the message is wider.
                let wide = WideSubject::decode(at, &mut Errors::default());
                if wide.is_none() {
                    let meant = meant(text).map(|word| format!(": did you mean `{word}`?"));
                    at.error(errors, format!("expected {SUBJECT}{}", meant.unwrap_or_default()));
                }
                wide.map(|wide| match wide {
                    WideSubject::Anyone => Subject::Anyone,
                    WideSubject::Anonymous => Subject::Anonymous,
                    WideSubject::Identified => Subject::Identified,
                })
            }
            Value::Map(entries) => {
                let parts = SubjectConfig::decode(at, errors)?.parts();
                if entries.is_empty() {
                    at.error(errors, "expected at least one key; every caller is `identified`");
                    return None;
                }
                let long = parts.iter().find(|part| part.scopes().len() > MAX_SCOPES);
                if let Some(part) = long {
                    let key = match part {
                        Part::AnyScope(_) => "any_scope",
                        _ => "all_scopes",
                    };
                    let node = at.node().get(key).unwrap_or(at.node());
                    at.key(key, node).error(errors, format!("expected 1 to {MAX_SCOPES} scopes"));
                    return None;
                }
                let all = parts.iter().flat_map(Part::scopes);
                let size = all.map(|scope| scope.as_str().len().saturating_add(1)).sum::<usize>();
                if size > MAX_SCOPES_OF_RULE {
                    let most = MAX_SCOPES_OF_RULE;
                    at.error(errors, format!("expected scopes of at most {most} bytes in all"));
                    return None;
                }
                // A part that was wrong is missing; the error is noted.
                (!parts.is_empty()).then(|| Subject::Having(parts.into()))
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
