//! A checked expression: what is evaluated.

use super::pattern::Pattern;

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// The byte at which it stands in the text.
    pub(super) at: u16,
    pub(super) kind: Kind,
}

/// What a part does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    /// `[…]`
    List(Box<[Node]>),
    Variable(Variable),
    /// What the path has at a capture.
    Capture(Box<str>),
    /// What a macro goes through has this item in turn; the number counts from the
    /// outermost macro.
    Item(usize),
    /// A header or a parameter by its name.
    Lookup(Lookup, Box<Node>),
    /// `'name' in …`: is there such a header or parameter?
    Among(Lookup, Box<Node>),
    /// `has(…)`
    Has(Box<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// `&&`
    Every(Box<[Node]>),
    /// `||`
    Either(Box<[Node]>),
    /// `?:`
    If(Box<[Node; 3]>),
    Binary(Operator, Box<[Node; 2]>),
    /// `map.name`
    Select(Box<Node>, Box<str>),
    /// `map['name']`, `list[0]`
    Index(Box<[Node; 2]>),
    Call(Function, Box<[Node]>),
    /// `text.matches('…')`
    Matches(Box<Node>, Box<Pattern>),
    /// `list.all(item, …)`, `list.exists(item, …)`
    Each {
        all: bool,
        list: Box<Node>,
        test: Box<Node>,
    },
}

/// What is known of a request and its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Method,
    Host,
    Path,
    Size,
    Anonymous,
    Subject,
    Issuer,
    Client,
    Provider,
    Credential,
    CredentialKind,
    Plan,
    Scopes,
    Claims,
}

/// What is looked up by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    Headers,
    Query,
}

/// An operator with two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    StartsWith,
    EndsWith,
    Contains,
    Int,
    Double,
    String,
}

/// For the tool that looks through a policy.
impl Node {
    pub(super) fn asks_for_get(&self) -> bool {
        let is_method = |node: &Node| matches!(node.kind, Kind::Variable(Variable::Method));
        let own = match &self.kind {
            Kind::Binary(Operator::Equal | Operator::Unequal | Operator::In, sides) => {
                let [left, right] = &**sides;
                (is_method(left) && right.has_text("GET"))
                    || (is_method(right) && left.has_text("GET"))
            }
            _ => false,
        };
        own || self.parts().into_iter().any(Node::asks_for_get)
    }

    pub(super) fn has_text(&self, wanted: &str) -> bool {
        matches!(&self.kind, Kind::Text(text) if **text == *wanted)
            || self.parts().into_iter().any(|part| part.has_text(wanted))
    }

    /// What it is made of.
    pub(super) fn parts(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Null
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Double(_)
            | Kind::Text(_)
            | Kind::Variable(_)
            | Kind::Capture(_)
            | Kind::Item(_) => Vec::new(),
            Kind::List(parts) | Kind::Every(parts) | Kind::Either(parts) | Kind::Call(_, parts) => {
                parts.iter().collect()
            }
            Kind::Lookup(_, one)
            | Kind::Among(_, one)
            | Kind::Has(one)
            | Kind::Not(one)
            | Kind::Negate(one)
            | Kind::Select(one, _)
            | Kind::Matches(one, _) => vec![one],
            Kind::If(parts) => parts.iter().collect(),
            Kind::Binary(_, sides) | Kind::Index(sides) => sides.iter().collect(),
            Kind::Each { list, test, .. } => vec![list, test],
        }
    }
}
