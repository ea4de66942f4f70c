//! What kind of value a part of an expression has, as far as it is known before
//! it is evaluated.

use std::fmt;

use super::node::{Function, Lookup, Operator};

/// A kind of value, by its name in the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Known only when it is evaluated: what a claim holds.
    Any,
    Null,
    Bool,
    Int,
    Double,
    Text,
    List(Box<Type>),
    /// Names and values of any kind.
    Map,
    /// Names and texts, which can be asked for by name alone.
    Lookup(Lookup),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Any => f.write_str("dyn"),
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Double => f.write_str("double"),
            Type::Text => f.write_str("string"),
            Type::List(item) => write!(f, "list({item})"),
            Type::Map => f.write_str("map"),
            Type::Lookup(Lookup::Headers) => f.write_str("headers"),
            Type::Lookup(Lookup::Query) => f.write_str("parameters"),
        }
    }
}

impl Type {
    /// May a value of one be a value of the other? The type that says more.
    pub(super) fn meet(&self, other: &Type) -> Option<Type> {
        match (self, other) {
            (Type::Lookup(_), _) | (_, Type::Lookup(_)) => None,
            (Type::Any, known) | (known, Type::Any) => Some(known.clone()),
            (Type::List(a), Type::List(b)) => Some(Type::List(Box::new(a.meet(b)?))),
            (a, b) => (a == b).then(|| a.clone()),
        }
    }

    pub(super) fn may_be(&self, other: &Type) -> bool {
        self.meet(other).is_some()
    }

    fn may_be_number(&self) -> bool {
        matches!(self, Type::Int | Type::Double | Type::Any)
    }
}

impl Operator {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Operator::Equal => "==",
            Operator::Unequal => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::In => "in",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Modulo => "%",
        }
    }

    /// What comes out of it. `None`: it has no meaning for these.
    pub(super) fn result(self, left: &Type, right: &Type) -> Option<Type> {
        let numbers = || left.may_be_number() && right.may_be_number();
        let both = left.meet(right);
        match self {
            Operator::Equal | Operator::Unequal => {
                (numbers() || both.is_some()).then_some(Type::Bool)
            }
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => {
                let ordered = |both| matches!(both, Type::Any | Type::Bool | Type::Text);
                (numbers() || both.is_some_and(ordered)).then_some(Type::Bool)
            }
            Operator::In => match right {
                Type::List(item) => Operator::Equal.result(left, item),
                Type::Any => (!matches!(left, Type::Lookup(_))).then_some(Type::Bool),
                Type::Map | Type::Lookup(_) => left.may_be(&Type::Text).then_some(Type::Bool),
                _ => None,
            },
            Operator::Add => {
                both.filter(|t| matches!(t, Type::Any | Type::Int | Type::Double | Type::Text))
            }
            Operator::Subtract | Operator::Multiply | Operator::Divide => {
                both.filter(|t| matches!(t, Type::Any | Type::Int | Type::Double))
            }
            Operator::Modulo => both.filter(|t| matches!(t, Type::Any | Type::Int)),
        }
    }
}

impl Function {
    /// All that there are: the name, and whether it is called on a value
    /// (`text.contains(part)`), alone (`int(text)`), or either way.
    pub(super) const ALL: [(&'static str, Function, Style); 7] = [
        ("size", Function::Size, Style::Either),
        ("startsWith", Function::StartsWith, Style::OnValue),
        ("endsWith", Function::EndsWith, Style::OnValue),
        ("contains", Function::Contains, Style::OnValue),
        ("int", Function::Int, Style::Alone),
        ("double", Function::Double, Style::Alone),
        ("string", Function::String, Style::Alone),
    ];

    /// The kinds of its arguments that are not right, as expected; and what comes
    /// out of it.
    pub(super) fn result(self, arguments: &[Type]) -> Result<Type, &'static str> {
        let scalar = |t: &Type| matches!(t, Type::Any | Type::Int | Type::Double | Type::Text);
        match (self, arguments) {
            (Function::Size, [Type::Any | Type::Text | Type::List(_) | Type::Map]) => Ok(Type::Int),
            (Function::Size, _) => Err("one string, list or map"),
            (Function::StartsWith | Function::EndsWith | Function::Contains, [text, part])
                if text.may_be(&Type::Text) && part.may_be(&Type::Text) =>
            {
                Ok(Type::Bool)
            }
            (Function::StartsWith | Function::EndsWith | Function::Contains, _) => {
                Err("a string, called on a string")
            }
            (Function::Int, [one]) if scalar(one) => Ok(Type::Int),
            (Function::Double, [one]) if scalar(one) => Ok(Type::Double),
            (Function::String, [Type::Any | Type::Int | Type::Bool | Type::Text]) => Ok(Type::Text),
            (Function::Int | Function::Double, _) => Err("one string or number"),
            (Function::String, _) => Err("one string, int or bool"),
        }
    }
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Alone,
    OnValue,
    Either,
}
