//! Calls: functions, and macros that go through a list.

use super::names::{is_variable, is_word, sign_for};
use super::node::{Function, Kind, Node};
use super::parse::{Parsed, Parser, Part, depth_of};
use super::pattern::Pattern;
use super::types::{Style, Type};
use super::{Mistake, shown};
use postern_core::config::near;

impl Parser {
    /// A call on a value.
    pub(super) fn method(&mut self, at: usize, value: Part, name: &str) -> Parsed {
        match name {
            "all" | "exists" => return self.each(at, value, name == "all"),
            "matches" => return self.matches(at, value),
            _ => {}
        }
        let function = function(at, name, Style::OnValue)?;
        let mut arguments = vec![value];
        arguments.append(&mut self.arguments(")")?);
        self.call(at, name, function, arguments)
    }

    pub(super) fn call(
        &self,
        at: usize,
        name: &str,
        function: Function,
        arguments: Vec<Part>,
    ) -> Parsed {
        let kinds: Vec<Type> = arguments.iter().map(|a| a.kind.clone()).collect();
        let kind = function.result(&kinds).map_err(|expected| {
            let found: Vec<String> = kinds.iter().map(Type::to_string).collect();
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
            Mistake::at(at, format!("`{name}`: expected {expected}, but found {found}"))
        })?;
        let depth = arguments.iter().map(|a| a.depth).max().unwrap_or(0);
        let arguments = arguments.into_iter().map(|a| a.node).collect();
        self.part(at, Kind::Call(function, arguments), kind, depth)
    }

    /// `list.all(item, test)` and `list.exists(item, test)`.
    fn each(&mut self, at: usize, list: Part, all: bool) -> Parsed {
        let item = match &list.kind {
            Type::List(item) => (**item).clone(),
            Type::Any => Type::Any,
            other => return Err(Mistake::at(at, format!("expected a list, but found {other}"))),
        };
        let (place, name) = self.name()?;
        let taken = is_variable(&name) || self.items.iter().any(|(other, _)| *other == name);
        if taken || is_word(&name) {
            let message = format!("expected a new name for an item, but found `{}`", shown(&name));
            return Err(Mistake::at(place, message));
        }
        self.expects(",")?;
        self.items.push((name, item));
        let test = self.expression()?;
        self.items.pop();
        self.expects(")")?;
        self.bool("what is asked of an item", &test)?;
        let depth = depth_of(&[&list, &test]);
        let kind = Kind::Each { all, list: Box::new(list.node), test: Box::new(test.node) };
        self.part(at, kind, Type::Bool, depth)
    }

    /// `text.matches('pattern')`.
    fn matches(&mut self, at: usize, text: Part) -> Parsed {
        let place = self.place();
        let arguments = self.arguments(")")?;
        let [Part { node: Node { kind: Kind::Text(pattern), .. }, .. }] = arguments.as_slice()
        else {
            let message = "expected a pattern that is written out, such as `matches('^[a-z]+$')`";
            return Err(Mistake::at(place, message));
        };
        if !text.kind.may_be(&Type::Text) {
            let message = format!("`matches`: expected a string, but found {}", text.kind);
            return Err(Mistake::at(at, message));
        }
        let pattern = Pattern::parse(pattern).map_err(|why| Mistake::at(place, why))?;
        let kind = Kind::Matches(Box::new(text.node), Box::new(pattern));
        self.part(at, kind, Type::Bool, text.depth)
    }

    /// A call on nothing.
    pub(super) fn alone(&mut self, at: usize, name: &str) -> Parsed {
        let function = function(at, name, Style::Alone)?;
        let arguments = self.arguments(")")?;
        self.call(at, name, function, arguments)
    }
}

fn function(at: usize, name: &str, style: Style) -> Result<Function, Mistake> {
    let found = Function::ALL.iter().find(|(known, ..)| *known == name);
    match found {
        Some((_, function, own)) if *own == style || *own == Style::Either => Ok(*function),
        Some(_) if style == Style::Alone => {
            Err(Mistake::at(at, format!("`{name}` is called on a value: `value.{name}(…)`")))
        }
        Some(_) => Err(Mistake::at(at, format!("`{name}` is called on nothing: `{name}(value)`"))),
        None if name == "matches" => {
            Err(Mistake::at(at, "`matches` is called on a value: `value.matches(…)`"))
        }
        None => Err(Mistake::at(at, instead_of(name))),
    }
}

/// What the language has and this part of it has not, with what there is for it.
fn instead_of(name: &str) -> String {
    if let Some(sign) = sign_for(name) {
        return format!("`{name}` has no meaning here: use `{sign}`");
    }
    let instead = match name {
        "timestamp" | "duration" | "now" | "getFullYear" | "getMonth" | "getDate"
        | "getDayOfMonth" | "getDayOfWeek" | "getDayOfYear" | "getHours" | "getMinutes"
        | "getSeconds" | "getMilliseconds" => "`times` of the rule's `match`",
        "filter" | "map" | "exists_one" => "`exists` or `all`",
        "uint" => "`int`",
        "bytes" => "a string",
        "bool" => "a comparison, such as `== 'true'`",
        "type" | "dyn" => "a comparison: values of another kind are not the same",
        _ => {
            let known = Function::ALL.iter().map(|(known, ..)| *known);
            let known: Vec<_> = known.chain(["matches", "exists", "all", "has"]).collect();
            let meant = near(&known, name)
                .map_or(String::new(), |name| format!(": did you mean `{name}`?"));
            return format!("unknown function `{}`{meant}", shown(name));
        }
    };
    format!("`{name}` is not supported: use {instead}")
}
