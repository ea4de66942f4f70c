//! A checked expression: what is evaluated.

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
