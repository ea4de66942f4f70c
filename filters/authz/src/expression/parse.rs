//! From words to a checked expression, in one pass: by the time a part is put
//! together, the kinds of what it is made of are known.

use super::names::{header_name, sign_for};
use super::node::{Kind, Node, Operator};
use super::token::{Token, tokens};
use super::types::Type;
use super::{MAX_DEPTH, MAX_NESTING, Mistake, shown};

/// A part of an expression that was read.
pub(super) struct Part {
    pub(super) node: Node,
    pub(super) kind: Type,
    /// How deep it is; what is evaluated calls itself as often.
    pub(super) depth: usize,
    /// Was it asked for by a name after a dot?
    pub(super) field: bool,
}

/// A whole text.
pub(super) struct Whole {
    pub(super) root: Node,
    /// Does it look at who is calling?
    pub(super) names_caller: bool,
    /// The variable parts of the path that it names, and where.
    pub(super) captures: Vec<(usize, Box<str>)>,
}

/// Reads a whole text.
///
/// # Errors
/// The first mistake.
pub(super) fn parse(text: &str) -> Result<Whole, Mistake> {
    let mut words = tokens(text)?;
    words.reverse();
    let mut parser =
        Parser { words, items: Vec::new(), nesting: 0, names_caller: false, captures: Vec::new() };
    let whole = parser.expression()?;
    let (at, word) = parser.next();
    if word != Token::End {
        return Err(Mistake::at(at, instead("an operator or the end", &word)));
    }
    parser.bool("a condition", &whole)?;
    let Parser { names_caller, captures, .. } = parser;
    Ok(Whole { root: whole.node, names_caller, captures })
}

/// Another word was expected.
fn instead(expected: &str, found: &Token) -> String {
    if let Token::Name(name) = found
        && let Some(sign) = sign_for(name)
    {
        return format!("{found} has no meaning here: use `{sign}`");
    }
    format!("expected {expected}, but found {found}")
}

pub(super) struct Parser {
    /// What is left, the next one last.
    words: Vec<(usize, Token)>,
    /// What macros around go through: the item's name and type.
    pub(super) items: Vec<(Box<str>, Type)>,
    nesting: usize,
    pub(super) names_caller: bool,
    pub(super) captures: Vec<(usize, Box<str>)>,
}

pub(super) type Parsed = Result<Part, Mistake>;

/// Operators by how strongly they bind, weakest first.
const LEVELS: [&[Operator]; 3] = [
    &[
        Operator::Equal,
        Operator::Unequal,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
        Operator::In,
    ],
    &[Operator::Add, Operator::Subtract],
    &[Operator::Multiply, Operator::Divide, Operator::Modulo],
];

impl Parser {
    fn peek(&self) -> (usize, &Token) {
        self.words.last().map_or((0, &Token::End), |(at, word)| (*at, word))
    }

    /// Where the next word stands.
    pub(super) fn place(&self) -> usize {
        self.peek().0
    }

    fn next(&mut self) -> (usize, Token) {
        self.words.pop().unwrap_or((0, Token::End))
    }

    pub(super) fn takes(&mut self, sign: &'static str) -> bool {
        let takes = *self.peek().1 == Token::Sign(sign);
        if takes {
            self.next();
        }
        takes
    }

    pub(super) fn expects(&mut self, sign: &'static str) -> Result<(), Mistake> {
        let (at, word) = self.next();
        if word == Token::Sign(sign) {
            return Ok(());
        }
        Err(Mistake::at(at, instead(&format!("`{sign}`"), &word)))
    }

    pub(super) fn name(&mut self) -> Result<(usize, Box<str>), Mistake> {
        match self.next() {
            (at, Token::Name(name)) => Ok((at, name)),
            (at, word) => Err(Mistake::at(at, format!("expected a name, but found {word}"))),
        }
    }

    /// Everything that calls itself in the end comes through here.
    pub(super) fn expression(&mut self) -> Parsed {
        self.nesting = self.nesting.saturating_add(1);
        if self.nesting > MAX_NESTING {
            let at = self.peek().0;
            return Err(Mistake::at(
                at,
                format!("expected at most {MAX_NESTING} levels in each other"),
            ));
        }
        let condition = self.logic("||")?;
        let whole = if *self.peek().1 == Token::Sign("?") {
            let (at, _) = self.next();
            self.bool("what stands before `?`", &condition)?;
            let yes = self.logic("||")?;
            self.expects(":")?;
            let no = self.expression()?;
            let kind = yes.kind.meet(&no.kind).ok_or_else(|| {
                let Part { kind, .. } = &yes;
                let message = format!(
                    "expected one type on both sides of `:`, but found {kind} and {}",
                    no.kind
                );
                Mistake::at(at, message)
            })?;
            // What may be of any kind stays so, whatever the other side says.
            let any = yes.kind == Type::Any || no.kind == Type::Any;
            let kind = if any { Type::Any } else { kind };
            let depth = depth_of(&[&condition, &yes, &no]);
            let parts = Box::new([condition.node, yes.node, no.node]);
            self.part(at, Kind::If(parts), kind, depth)?
        } else {
            condition
        };
        self.nesting = self.nesting.saturating_sub(1);
        Ok(whole)
    }

    /// `a || b || c`, one level however many there are; each of `a && b`.
    fn logic(&mut self, sign: &'static str) -> Parsed {
        let inner = |parser: &mut Self| match sign {
            "||" => parser.logic("&&"),
            _ => parser.binary(0),
        };
        let at = self.peek().0;
        let first = inner(self)?;
        if *self.peek().1 != Token::Sign(sign) {
            return Ok(first);
        }
        let side = format!("each side of `{sign}`");
        self.bool(&side, &first)?;
        let mut depth = first.depth;
        let mut parts = vec![first.node];
        while self.takes(sign) {
            let part = inner(self)?;
            self.bool(&side, &part)?;
            depth = depth.max(part.depth);
            parts.push(part.node);
        }
        let kind = if sign == "||" { Kind::Either } else { Kind::Every };
        self.part(at, kind(parts.into()), Type::Bool, depth)
    }

    fn operator(&self, level: &[Operator]) -> Option<Operator> {
        let sign: &str = match self.peek().1 {
            Token::Sign(sign) => sign,
            Token::Name(name) if **name == *"in" => "in",
            _ => return None,
        };
        level.iter().copied().find(|operator| operator.sign() == sign)
    }

    fn binary(&mut self, level: usize) -> Parsed {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let tighter = level.saturating_add(1);
        let mut left = self.binary(tighter)?;
        while let Some(operator) = self.operator(operators) {
            let (at, _) = self.next();
            let right = self.binary(tighter)?;
            let Some(kind) = operator.result(&left.kind, &right.kind) else {
                let message = format!(
                    "`{}` has no meaning for {} and {}",
                    operator.sign(),
                    left.kind,
                    right.kind
                );
                return Err(Mistake::at(at, message));
            };
            let depth = depth_of(&[&left, &right]);
            let kind_of_node = match (operator, &right.kind) {
                (Operator::In, Type::Lookup(lookup)) => {
                    header_name(*lookup, &left.node)?;
                    Kind::Among(*lookup, Box::new(left.node))
                }
                _ => Kind::Binary(operator, Box::new([left.node, right.node])),
            };
            left = self.part(at, kind_of_node, kind, depth)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        let mut signs = Vec::new();
        while let (at, Token::Sign(sign @ ("!" | "-"))) = self.peek() {
            let (sign, negative) = (*sign, *sign == "-");
            self.next();
            // The least number has no positive counterpart.
            if negative && let (_, Token::Int(0x8000_0000_0000_0000)) = self.peek() {
                self.next();
                let least = self.part(at, Kind::Int(i64::MIN), Type::Int, 0)?;
                return self.signed(least, signs);
            }
            signs.push((at, sign));
        }
        let value = self.value()?;
        self.signed(value, signs)
    }

    fn signed(&self, mut value: Part, signs: Vec<(usize, &'static str)>) -> Parsed {
        for (at, sign) in signs.into_iter().rev() {
            let fits = match sign {
                "!" => value.kind.may_be(&Type::Bool),
                _ => value.kind.may_be(&Type::Int) || value.kind == Type::Double,
            };
            if !fits {
                return Err(Mistake::at(at, format!("`{sign}` has no meaning for {}", value.kind)));
            }
            let inner = Box::new(value.node);
            value = match sign {
                "!" => self.part(at, Kind::Not(inner), Type::Bool, value.depth)?,
                _ => self.part(at, Kind::Negate(inner), value.kind, value.depth)?,
            };
        }
        Ok(value)
    }

    /// A value, and what is asked of it: `.name`, `.function(…)`, `[…]`.
    fn value(&mut self) -> Parsed {
        let mut value = self.primary()?;
        loop {
            if *self.peek().1 == Token::Sign("[") {
                let (at, _) = self.next();
                let key = self.expression()?;
                self.expects("]")?;
                value = self.index(at, value, key)?;
            } else if self.takes(".") {
                let (at, name) = self.name()?;
                value = if self.takes("(") {
                    self.method(at, value, &name)?
                } else {
                    Part { field: true, ..self.select(at, value, name)? }
                };
            } else {
                return Ok(value);
            }
        }
    }

    fn index(&self, at: usize, value: Part, key: Part) -> Parsed {
        let depth = depth_of(&[&value, &key]);
        let (fits, kind) = match &value.kind {
            Type::List(item) => (key.kind.may_be(&Type::Int), (**item).clone()),
            Type::Map => (key.kind.may_be(&Type::Text), Type::Any),
            Type::Any => (key.kind.may_be(&Type::Text) || key.kind.may_be(&Type::Int), Type::Any),
            Type::Lookup(lookup) => {
                header_name(*lookup, &key.node)?;
                if key.kind.may_be(&Type::Text) {
                    let kind = Kind::Lookup(*lookup, Box::new(key.node));
                    return self.part(at, kind, Type::Text, depth);
                }
                (false, Type::Any)
            }
            other => {
                return Err(Mistake::at(at, format!("{other} has no items")));
            }
        };
        if !fits {
            let message = format!("{} has no items by {}", value.kind, key.kind);
            return Err(Mistake::at(at, message));
        }
        self.part(at, Kind::Index(Box::new([value.node, key.node])), kind, depth)
    }

    fn select(&self, at: usize, value: Part, name: Box<str>) -> Parsed {
        match value.kind {
            Type::Map | Type::Any => {
                let kind = Kind::Select(Box::new(value.node), name);
                self.part(at, kind, Type::Any, value.depth)
            }
            Type::Lookup(_) => {
                let key = self.part(at, Kind::Text(name), Type::Text, 0)?;
                self.index(at, value, key)
            }
            other => Err(Mistake::at(at, format!("{other} has no field `{}`", shown(&name)))),
        }
    }

    /// What is in the brackets of a call, the closing one included.
    pub(super) fn arguments(&mut self, close: &'static str) -> Result<Vec<Part>, Mistake> {
        let mut arguments = Vec::new();
        if self.takes(close) {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if !self.takes(",") {
                self.expects(close)?;
                return Ok(arguments);
            }
            // A list may end with a comma.
            if close == "]" && self.takes(close) {
                return Ok(arguments);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let (at, word) = self.next();
        let (kind, of) = match word {
            Token::Int(value) => {
                let value = i64::try_from(value)
                    .map_err(|_| Mistake::at(at, "expected a number that fits into 64 bits"))?;
                (Kind::Int(value), Type::Int)
            }
            Token::Double(value) => (Kind::Double(value), Type::Double),
            Token::Text(text) => (Kind::Text(text), Type::Text),
            Token::Sign("(") => {
                let inner = self.expression()?;
                self.expects(")")?;
                return Ok(inner);
            }
            Token::Sign("[") => return self.list(at),
            Token::Sign("{") => {
                return Err(Mistake::at(
                    at,
                    "maps that are written out are not supported: compare with `==` and `||`",
                ));
            }
            Token::Name(name) => return self.named(at, &name),
            word => {
                return Err(Mistake::at(at, format!("expected a value, but found {word}")));
            }
        };
        self.part(at, kind, of, 0)
    }

    fn list(&mut self, at: usize) -> Parsed {
        let items = self.arguments("]")?;
        let mut kinds = items.iter().map(|item| &item.kind);
        let first = kinds.next().cloned().unwrap_or(Type::Any);
        // Items of several kinds are allowed; only their common one is known.
        let kind = if kinds.all(|kind| *kind == first) { first } else { Type::Any };
        if let Some(lookup) = items.iter().find(|i| matches!(i.kind, Type::Lookup(_))) {
            return Err(Mistake::at(at, format!("{} cannot be an item", lookup.kind)));
        }
        let depth = items.iter().map(|item| item.depth).max().unwrap_or(0);
        let nodes = items.into_iter().map(|item| item.node).collect();
        self.part(at, Kind::List(nodes), Type::List(Box::new(kind)), depth)
    }

    pub(super) fn bool(&self, what: &str, part: &Part) -> Result<(), Mistake> {
        if part.kind.may_be(&Type::Bool) {
            return Ok(());
        }
        let message = format!("expected {what} to be a bool, but found {}", part.kind);
        Err(Mistake::at(part.node.at.into(), message))
    }

    /// A part over others, of which the deepest is this deep.
    pub(super) fn part(&self, at: usize, kind: Kind, of: Type, depth: usize) -> Parsed {
        let depth = depth.saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(Mistake::at(
                at,
                format!("expected at most {MAX_DEPTH} operators upon each other"),
            ));
        }
        // A text is far shorter than that.
        let at = u16::try_from(at).unwrap_or(u16::MAX);
        Ok(Part { node: Node { at, kind }, kind: of, depth, field: false })
    }
}

pub(super) fn depth_of(parts: &[&Part]) -> usize {
    parts.iter().map(|part| part.depth).max().unwrap_or(0)
}
