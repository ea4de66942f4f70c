//! Evaluates a checked expression. It cannot run long: each part that is
//! evaluated, and each stretch of text that is looked at, is paid from a budget.

use std::borrow::Cow;
use std::cell::Cell;

use super::MAX_STEPS;
use super::double;
use super::joined::{concatenated, decided, parted, said, said_of};
use super::node::{Function, Kind, Lookup, Node, Operator};
use super::scope::{Scope, Why};
use super::value::{List, Value};

pub(super) type Evaluated<'a> = Result<Value<'a>, Why>;

pub(super) fn evaluate<'a>(root: &'a Node, scope: &'a Scope<'a>) -> Result<bool, Why> {
    let left = MAX_STEPS.min(scope.budget.0.get());
    let mut run = Run::new(scope, left);
    let holds = run.bool(root);
    let taken = left.saturating_sub(run.left());
    scope.budget.0.set(scope.budget.0.get().saturating_sub(taken));
    holds
}

pub(super) struct Run<'a> {
    scope: &'a Scope<'a>,
    /// Steps that are left.
    left: Cell<usize>,
    /// What the macros around stand at.
    items: Vec<Value<'a>>,
}

impl<'a> Run<'a> {
    /// One that may take so many steps.
    pub(super) fn new(scope: &'a Scope<'a>, steps: usize) -> Self {
        Run { scope, left: Cell::new(steps), items: Vec::new() }
    }

    /// Steps that are left.
    pub(super) fn left(&self) -> usize {
        self.left.get()
    }

    fn spend(&self, steps: usize) -> Result<(), Why> {
        let left = self.left.get().checked_sub(steps);
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or(Why::TooLong)
    }

    /// Longer texts cost more.
    fn spend_on(&self, text: &str) -> Result<(), Why> {
        self.spend(text.len() / 64)
    }

    /// A text that was copied or looked through.
    fn paid(&self, value: Value<'a>) -> Evaluated<'a> {
        if let Value::Text(text) = &value {
            self.spend_on(text)?;
        }
        Ok(value)
    }

    fn bool(&mut self, node: &'a Node) -> Result<bool, Why> {
        match self.value(node)? {
            Value::Bool(value) => Ok(value),
            _ => Err(Why::OtherKind),
        }
    }

    /// What something is looked up by.
    fn name(&mut self, node: &'a Node) -> Result<Cow<'a, str>, Why> {
        match self.value(node)? {
            Value::Text(text) => self.spend_on(&text).map(|()| text),
            Value::Joined(_) => Err(Why::Unsure),
            _ => Err(Why::OtherKind),
        }
    }

    pub(super) fn value(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.spend(1)?;
        match &node.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Bool(value) => Ok(Value::Bool(*value)),
            Kind::Int(value) => Ok(Value::Int(*value)),
            Kind::Double(value) => Ok(Value::Double(*value)),
            Kind::Text(text) => Ok(Value::Text(Cow::Borrowed(text))),
            Kind::List(items) => {
                let items: Result<_, _> = items.iter().map(|i| self.value(i)).collect();
                Ok(Value::List(List::Written(items?)))
            }
            Kind::Variable(variable) => self.paid(self.scope.variable(*variable)?),
            Kind::Capture(name) => {
                // All of the path's parts are taken out for one.
                self.spend(self.scope.path_size() / 64)?;
                self.scope.capture(name)
            }
            Kind::Item(index) => {
                let item = self.items.get(*index).cloned().ok_or(Why::Missing)?;
                if let Value::Text(text) = &item {
                    self.spend_on(text)?;
                }
                Ok(item)
            }
            Kind::Lookup(lookup, name) => {
                let name = self.name(name)?;
                let found = self.lookup(*lookup, &name)?;
                let found = self.paid(found)?;
                match lookup {
                    Lookup::Headers => parted(found, &|steps| self.spend(steps)),
                    Lookup::Query => Ok(found),
                }
            }
            Kind::Among(lookup, name) => {
                let name = self.name(name)?;
                is_there(self.lookup(*lookup, &name)).map(Value::Bool)
            }
            Kind::Has(node) => self.has(node).map(Value::Bool),
            Kind::Not(node) => Ok(Value::Bool(!self.bool(node)?)),
            Kind::Negate(node) => match self.value(node)? {
                Value::Int(value) => value.checked_neg().map(Value::Int).ok_or(Why::TooLarge),
                Value::Double(value) => Ok(Value::Double(-value)),
                _ => Err(Why::OtherKind),
            },
            Kind::Every(parts) => self.junction(parts.iter(), false, Self::bool),
            Kind::Either(parts) => self.junction(parts.iter(), true, Self::bool),
            Kind::If(parts) => {
                let [condition, yes, no] = &**parts;
                if self.bool(condition)? { self.value(yes) } else { self.value(no) }
            }
            Kind::Binary(operator, sides) => {
                let [left, right] = &**sides;
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(*operator, &left, &right)
            }
            Kind::Select(map, name) => {
                let map = self.value(map)?;
                member(&map, name)
            }
            Kind::Index(sides) => {
                let [of, key] = &**sides;
                match (self.value(of)?, self.value(key)?) {
                    (map @ Value::Map(_), Value::Text(name)) => member(&map, &name),
                    (Value::Map(_), Value::Joined(_)) => Err(Why::Unsure),
                    (Value::List(list), Value::Int(index)) => {
                        let index = usize::try_from(index).map_err(|_| Why::Missing)?;
                        list.get(index).ok_or(Why::Missing)?
                    }
                    _ => Err(Why::OtherKind),
                }
            }
            Kind::Call(function, arguments) => self.call(*function, arguments),
            Kind::Matches(text, pattern) => {
                let text = self.value(text)?;
                let matches = |text: &str| {
                    self.spend_on(text)?;
                    self.spend(pattern.steps(text.len()))?;
                    Ok(pattern.is_match(text))
                };
                said_of(text.texts().ok_or(Why::OtherKind)?, matches).map(Value::Bool)
            }
            Kind::Each { all, list, test } => {
                let Value::List(list) = self.value(list)? else { return Err(Why::OtherKind) };
                self.junction(0..list.len(), !*all, |run, index| {
                    let item = list.get(index).ok_or(Why::Missing)??;
                    run.items.push(item);
                    let holds = run.bool(test);
                    run.items.pop();
                    holds
                })
            }
        }
    }

    /// A part that is `decisive` decides, whether or not others come to a value,
    /// so that the order of parts does not matter.
    fn junction<T>(
        &mut self,
        parts: impl Iterator<Item = T>,
        decisive: bool,
        bool: impl Fn(&mut Self, T) -> Result<bool, Why>,
    ) -> Evaluated<'a> {
        decided(
            decisive,
            parts.map(|part| {
                self.spend(1)?;
                bool(self, part)
            }),
        )
        .map(Value::Bool)
    }

    fn lookup(&self, lookup: Lookup, name: &str) -> Evaluated<'a> {
        self.spend(match lookup {
            Lookup::Headers => 16,
            Lookup::Query => self.scope.target.query().unwrap_or_default().len() / 16,
        })?;
        self.scope.lookup(lookup, name)
    }

    fn has(&mut self, node: &'a Node) -> Result<bool, Why> {
        match &node.kind {
            Kind::Select(map, name) => match self.value(map)? {
                Value::Map(members) => Ok(members.contains_key(&**name)),
                _ => Err(Why::OtherKind),
            },
            // Its parts are of no concern.
            Kind::Lookup(lookup, name) => {
                let name = self.name(name)?;
                is_there(self.lookup(*lookup, &name))
            }
            _ => is_there(self.value(node)),
        }
    }

    fn binary(&self, operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Evaluated<'a> {
        let spend = |steps| self.spend(steps);
        let ordered = |test| left.is_ordered(right, test, &spend).map(Value::Bool);
        match operator {
            Operator::Equal => left.equals(right, &spend).map(Value::Bool),
            Operator::Unequal => left.equals(right, &spend).map(|same| Value::Bool(!same)),
            Operator::Less => ordered(std::cmp::Ordering::is_lt),
            Operator::LessOrEqual => ordered(std::cmp::Ordering::is_le),
            Operator::Greater => ordered(std::cmp::Ordering::is_gt),
            Operator::GreaterOrEqual => ordered(std::cmp::Ordering::is_ge),
            Operator::In => self.is_in(left, right).map(Value::Bool),
            _ => self.arithmetic(operator, left, right),
        }
    }

    fn is_in(&self, value: &Value<'a>, among: &Value<'a>) -> Result<bool, Why> {
        match (value, among) {
            (_, Value::List(list)) => {
                let items = (0..list.len()).filter_map(|index| list.get(index));
                decided(true, items.map(|item| item?.equals(value, &|steps| self.spend(steps))))
            }
            (name, Value::Map(members)) => {
                let is_member = |name: &str| {
                    self.spend(1)?;
                    Ok(members.contains_key(name))
                };
                said_of(name.texts().ok_or(Why::OtherKind)?, is_member)
            }
            _ => Err(Why::OtherKind),
        }
    }

    fn arithmetic(&self, operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Evaluated<'a> {
        match (left, right) {
            (Value::Int(_), Value::Int(0))
                if matches!(operator, Operator::Divide | Operator::Modulo) =>
            {
                Err(Why::ByZero)
            }
            (Value::Int(a), Value::Int(b)) => match operator {
                Operator::Add => a.checked_add(*b),
                Operator::Subtract => a.checked_sub(*b),
                Operator::Multiply => a.checked_mul(*b),
                Operator::Divide => a.checked_div(*b),
                Operator::Modulo => a.checked_rem(*b),
                _ => None,
            }
            .map(Value::Int)
            .ok_or(Why::TooLarge),
            (Value::Double(a), Value::Double(b)) => match operator {
                Operator::Add => Ok(Value::Double(a + b)),
                Operator::Subtract => Ok(Value::Double(a - b)),
                Operator::Multiply => Ok(Value::Double(a * b)),
                Operator::Divide => Ok(Value::Double(a / b)),
                _ => Err(Why::OtherKind),
            },
            _ if operator == Operator::Add => {
                concatenated(left, right, &|steps| self.spend(steps)).unwrap_or(Err(Why::OtherKind))
            }
            _ => Err(Why::OtherKind),
        }
    }

    fn call(&mut self, function: Function, arguments: &'a [Node]) -> Evaluated<'a> {
        match (function, arguments) {
            (Function::Size, [of]) => {
                let size = match self.value(of)? {
                    Value::Text(text) => self.spend_on(&text).map(|()| text.chars().count())?,
                    Value::Joined(texts) => {
                        let whole = texts.first().map_or("", |whole| whole);
                        self.spend_on(whole).map(|()| whole.chars().count())?
                    }
                    Value::List(list) => list.len(),
                    Value::Map(members) => members.len(),
                    _ => return Err(Why::OtherKind),
                };
                i64::try_from(size).map(Value::Int).map_err(|_| Why::TooLarge)
            }
            (Function::StartsWith | Function::EndsWith | Function::Contains, [text, part]) => {
                let (text, part) = (self.value(text)?, self.value(part)?);
                let (Some(texts), Some(parts)) = (text.texts(), part.texts()) else {
                    return Err(Why::OtherKind);
                };
                let test = |text: &str, part: &str| {
                    // Short ones are not free: two headers have many pairs of parts.
                    self.spend(1)?;
                    self.spend_on(text)?;
                    self.spend_on(part)?;
                    Ok(match function {
                        Function::StartsWith => text.starts_with(part),
                        Function::EndsWith => text.ends_with(part),
                        _ => text.contains(part),
                    })
                };
                said(texts, parts, test).map(Value::Bool)
            }
            (Function::Int, [of]) => match self.value(of)? {
                Value::Text(text) => int(&text).map(Value::Int),
                Value::Double(value) => whole(value).map(Value::Int),
                value @ Value::Int(_) => Ok(value),
                Value::Joined(_) => Err(Why::Ambiguous),
                _ => Err(Why::OtherKind),
            },
            (Function::Double, [of]) => match self.value(of)? {
                Value::Text(text) => double(&text).map(Value::Double).ok_or(Why::OtherKind),
                #[expect(clippy::cast_precision_loss, reason = "the nearest is meant")]
                Value::Int(value) => Ok(Value::Double(value as f64)),
                value @ Value::Double(_) => Ok(value),
                Value::Joined(_) => Err(Why::Ambiguous),
                _ => Err(Why::OtherKind),
            },
            (Function::String, [of]) => match self.value(of)? {
                value @ (Value::Text(_) | Value::Joined(_)) => Ok(value),
                Value::Int(value) => Ok(Value::Text(value.to_string().into())),
                Value::Bool(value) => Ok(Value::Text(value.to_string().into())),
                _ => Err(Why::OtherKind),
            },
            _ => Err(Why::OtherKind),
        }
    }
}

/// What stands there twice, or is no text, is there.
fn is_there(found: Evaluated<'_>) -> Result<bool, Why> {
    match found {
        Ok(_) | Err(Why::Ambiguous | Why::NotText) => Ok(true),
        Err(Why::Missing) => Ok(false),
        Err(why) => Err(why),
    }
}

fn member<'a>(map: &Value<'a>, name: &str) -> Evaluated<'a> {
    let Value::Map(members) = map else { return Err(Why::OtherKind) };
    Value::of(members.get(name).ok_or(Why::Missing)?)
}

/// Digits with a sign, and nothing else.
fn int(text: &str) -> Result<i64, Why> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Why::OtherKind);
    }
    text.parse().map_err(|_| Why::TooLarge)
}

/// Towards zero.
fn whole(value: f64) -> Result<i64, Why> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is in the range of i64")]
    if value > -END && value < END { Ok(value as i64) } else { Err(Why::TooLarge) }
}
