//! Values, borrowed from the request where they stand there as they are.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::joined::{Spend, decided, paid, said};
use super::scope::Why;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    /// A text that the proxy may have made of several: first as it stands there, then
    /// its parts.
    Joined(Rc<[Cow<'a, str>]>),
    List(List<'a>),
    Map(&'a Map<String, Json>),
}

/// A list.
#[derive(Clone, Debug)]
pub(super) enum List<'a> {
    Written(Rc<[Value<'a>]>),
    Texts(&'a [Cow<'a, str>]),
    Json(&'a [Json]),
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            List::Written(items) => items.len(),
            List::Texts(items) => items.len(),
            List::Json(items) => items.len(),
        }
    }

    /// `None`: it has no such item.
    pub(super) fn get(&self, index: usize) -> Option<Result<Value<'a>, Why>> {
        match self {
            List::Written(items) => items.get(index).cloned().map(Ok),
            List::Texts(items) => {
                let item: &'a str = items.get(index)?;
                Some(Ok(Value::Text(item.into())))
            }
            List::Json(items) => items.get(index).map(Value::of),
        }
    }
}

impl<'a> Value<'a> {
    /// What a claim holds. A number without fraction is an int, so that large ids
    /// stay what they are.
    ///
    /// # Errors
    /// A number that neither an int nor a double holds exactly enough.
    pub(super) fn of(json: &'a Json) -> Result<Self, Why> {
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::String(text) => Value::Text(text.as_str().into()),
            Json::Array(items) => Value::List(List::Json(items)),
            Json::Object(members) => Value::Map(members),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => Value::Int(int),
                // Beyond that, different numbers would be read as the same.
                (None, Some(double)) if double.abs() < TWO_TO_63 => Value::Double(double),
                _ => return Err(Why::TooLarge),
            },
        })
    }

    /// The order of two values that are not made of several. `None`: they have none.
    fn order(&self, other: &Self) -> Result<Option<Ordering>, Why> {
        Ok(match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
            (Value::Int(a), Value::Double(b)) => order(*a, *b),
            (Value::Double(a), Value::Int(b)) => order(*b, *a).map(Ordering::reverse),
            _ => return Err(Why::OtherKind),
        })
    }

    /// Does the order of two values say this? Of those without one nothing does.
    pub(super) fn is_ordered(
        &self,
        other: &Self,
        test: fn(Ordering) -> bool,
        spend: &Spend<'_>,
    ) -> Result<bool, Why> {
        match (self.texts(), other.texts()) {
            (Some(a), Some(b)) => said(a, b, |a, b| paid(a, b, spend).map(|()| test(a.cmp(b)))),
            _ => Ok(self.order(other)?.is_some_and(test)),
        }
    }

    /// Are they the same? Values of two kinds are not, but for numbers.
    /// `spend` is called for each pair that is looked at.
    pub(super) fn equals(&self, other: &Self, spend: &Spend<'_>) -> Result<bool, Why> {
        if let (Some(a), Some(b)) = (self.texts(), other.texts()) {
            return said(a, b, |a, b| paid(a, b, spend).map(|()| a == b));
        }
        spend(1)?;
        match (self, other) {
            (Value::Null, Value::Null) => Ok(true),
            (Value::List(a), Value::List(b)) if a.len() == b.len() => {
                let pairs = (0..a.len()).filter_map(|i| Some((a.get(i)?, b.get(i)?)));
                decided(false, pairs.map(|(a, b)| a?.equals(&b?, spend)))
            }
            (Value::Map(a), Value::Map(b)) if a.len() == b.len() => {
                for (name, a) in *a {
                    let Some(b) = b.get(name) else { return Ok(false) };
                    if !Value::of(a)?.equals(&Value::of(b)?, spend)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (a, b) => Ok(a.order(b).is_ok_and(|order| order == Some(Ordering::Equal))),
        }
    }

    /// A text, and then the parts that it may have been made of. `None`: it is none.
    pub(super) fn texts(&self) -> Option<&[Cow<'a, str>]> {
        match self {
            Value::Text(text) => Some(std::slice::from_ref(text)),
            Value::Joined(texts) => Some(texts),
            _ => None,
        }
    }
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// Exactly, where an int has more digits than a double holds.
fn order(int: i64, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    if double >= TWO_TO_63 {
        return Some(Ordering::Less);
    }
    if double < -TWO_TO_63 {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is in the range of i64")]
    let whole = double.trunc() as i64;
    let fraction = || 0.0.partial_cmp(&double.fract());
    match int.cmp(&whole) {
        Ordering::Equal => fraction(),
        unequal => Some(unequal),
    }
}
