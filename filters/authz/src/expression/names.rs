//! What expressions may name: variables and their fields, and functions.

use super::node::{Kind, Lookup, Node, Variable};
use super::parse::{Parsed, Parser, Part};
use super::types::Type;
use super::{Mistake, shown};

impl Parser {
    pub(super) fn named(&mut self, at: usize, name: &str) -> Parsed {
        if self.takes("(") {
            if name == "has" {
                return self.has(at);
            }
            return self.alone(at, name);
        }
        let item = self.items.iter().position(|(item, _)| **item == *name);
        let (kind, of) = match (name, item) {
            ("true", _) => (Kind::Bool(true), Type::Bool),
            ("false", _) => (Kind::Bool(false), Type::Bool),
            ("null", _) => (Kind::Null, Type::Null),
            (_, Some(index)) => {
                let of = self.items.get(index).map_or(Type::Any, |(_, of)| of.clone());
                (Kind::Item(index), of)
            }
            _ if is_variable(name) => return self.variable(at, name),
            _ => return Err(Mistake::at(at, unknown_variable(name))),
        };
        self.part(at, kind, of, 0)
    }

    /// `request.…`, `identity.…`, `path.…`
    fn variable(&mut self, at: usize, name: &str) -> Parsed {
        if !self.takes(".") {
            let message = format!("expected a field of it, such as `{name}.{}`", example(name));
            return Err(Mistake::at(at, message));
        }
        let (place, field) = self.name()?;
        self.names_caller |= name == "identity";
        if name == "path" {
            self.captures.push((place, field.clone()));
            let part = self.part(at, Kind::Capture(field), Type::Text, 0)?;
            return Ok(Part { field: true, ..part });
        }
        let lookup = |lookup| (Kind::Lookup(lookup, Box::new(nothing(at))), Type::Lookup(lookup));
        let text = |variable| (Kind::Variable(variable), Type::Text);
        let (kind, of) = match (name, &*field) {
            ("request", "method") => text(Variable::Method),
            ("request", "host") => text(Variable::Host),
            ("request", "path") => text(Variable::Path),
            ("request", "size") => (Kind::Variable(Variable::Size), Type::Int),
            ("request", "headers") => lookup(Lookup::Headers),
            ("request", "query") => lookup(Lookup::Query),
            ("identity", "anonymous") => (Kind::Variable(Variable::Anonymous), Type::Bool),
            ("identity", "subject") => text(Variable::Subject),
            ("identity", "issuer") => text(Variable::Issuer),
            ("identity", "client") => text(Variable::Client),
            ("identity", "provider") => text(Variable::Provider),
            ("identity", "credential") => text(Variable::Credential),
            ("identity", "credential_kind") => text(Variable::CredentialKind),
            ("identity", "plan") => text(Variable::Plan),
            ("identity", "scopes") => {
                (Kind::Variable(Variable::Scopes), Type::List(Box::new(Type::Text)))
            }
            ("identity", "claims") => (Kind::Variable(Variable::Claims), Type::Map),
            ("request", "time") => {
                let message = "`request.time` is not supported: use `times` of the rule's `match`";
                return Err(Mistake::at(place, message));
            }
            _ => {
                let fields = if name == "request" { REQUEST } else { IDENTITY };
                let meant = postern_core::config::meant(fields, &field);
                let message = format!("`{name}` has no field `{}`: {meant}", shown(&field));
                return Err(Mistake::at(place, message));
            }
        };
        Ok(Part { field: true, ..self.part(at, kind, of, 0)? })
    }

    /// `has(a.b)`: only what may be missing can be asked for.
    fn has(&mut self, at: usize) -> Parsed {
        let inner = self.expression()?;
        self.expects(")")?;
        let lookup = matches!(inner.kind, Type::Lookup(_));
        if !inner.field || lookup {
            return Err(Mistake::at(at, "expected a field, such as `has(identity.plan)`"));
        }
        self.part(at, Kind::Has(Box::new(inner.node)), Type::Bool, inner.depth)
    }
}

fn nothing(at: usize) -> Node {
    Node { at: u16::try_from(at).unwrap_or(u16::MAX), kind: Kind::Null }
}

const REQUEST: &[&str] = &["method", "host", "path", "size", "headers", "query"];
const IDENTITY: &[&str] = &[
    "anonymous",
    "subject",
    "issuer",
    "client",
    "provider",
    "credential",
    "credential_kind",
    "plan",
    "scopes",
    "claims",
];

/// Other languages have them.
pub(super) fn sign_for(word: &str) -> Option<&'static str> {
    let signs = [("and", "&&"), ("or", "||"), ("not", "!")];
    signs.iter().find(|(own, _)| word.eq_ignore_ascii_case(own)).map(|(_, sign)| *sign)
}

/// Where it may stand, or what is nearly called so.
fn unknown_variable(name: &str) -> String {
    if let Some(sign) = sign_for(name) {
        return format!("`{name}` has no meaning here: use `{sign}`");
    }
    let of = |fields: &[&str]| fields.contains(&name);
    let variables = ["request", "identity", "path"];
    let meant = match (of(REQUEST), of(IDENTITY)) {
        (true, _) => format!("did you mean `request.{name}`?"),
        (_, true) => format!("did you mean `identity.{name}`?"),
        _ => postern_core::config::meant(&variables, name),
    };
    format!("unknown variable `{}`: {meant}", shown(name))
}

pub(super) fn is_variable(name: &str) -> bool {
    matches!(name, "request" | "identity" | "path")
}

pub(super) fn is_word(name: &str) -> bool {
    matches!(name, "true" | "false" | "null" | "in" | "has")
}

fn example(name: &str) -> &'static str {
    match name {
        "request" => "method",
        "identity" => "subject",
        _ => "name",
    }
}

/// A name that no header has would never be found.
pub(super) fn header_name(lookup: Lookup, key: &Node) -> Result<(), Mistake> {
    match (&key.kind, lookup) {
        (Kind::Text(name), Lookup::Headers)
            if !postern_core::grammar::is_header_name(&name.to_ascii_lowercase()) =>
        {
            Err(Mistake::at(key.at.into(), "expected the name of a header"))
        }
        _ => Ok(()),
    }
}
