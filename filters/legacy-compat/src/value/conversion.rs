//! Conversions: what stands after the bars of an expression.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::json::{Document, Kind, Value, push_quoted};

use super::date::{DateFormat, parse_date};
use super::decimal::fixed;

/// A value on its way through an expression.
#[derive(Debug)]
pub(crate) enum Item<'d> {
    /// Not there at all.
    Missing,
    /// A value of the document, as it stands there.
    Node(&'d Value),
    /// A text, not yet quoted.
    Text(Cow<'d, str>),
    /// A number's text.
    Number(String),
}

/// One conversion. What is missing or null passes through all but
/// [`Conversion::Or`], [`Conversion::Optional`] and [`Conversion::Required`].
#[derive(Clone, Debug)]
pub(crate) enum Conversion {
    /// Numbers and booleans become strings, digits as they are.
    Text,
    /// A string that is a JSON number becomes one.
    Number,
    /// A number as a string with two decimals.
    Money,
    /// A number of hundredths as a string with two decimals.
    Cents,
    /// To the nearest whole number, halves away from zero.
    Round,
    /// A date in another form: from ISO 8601, or from the form that is named.
    Date(Rc<DateFormat>, Option<Rc<DateFormat>>),
    /// One of a few words becomes another; others stay.
    Words(Rc<BTreeMap<String, String>>),
    /// Every occurrence of a text becomes another.
    Replace(String, String),
    /// A list of scalars becomes one string.
    Join(String),
    /// In lower case.
    Lower,
    /// What is missing or null becomes this text.
    Or(String),
    /// What is missing or null is left out, with its member.
    Optional,
    /// What is missing or null does not fit.
    Required,
}

/// What a conversion was given that it cannot convert.
pub(crate) type Unfit = &'static str;

impl Conversion {
    /// Does it convert whatever a text says?
    pub(crate) fn fits_any_text(&self) -> bool {
        match self {
            Conversion::Text
            | Conversion::Words(_)
            | Conversion::Replace(..)
            | Conversion::Lower
            | Conversion::Or(_)
            | Conversion::Optional
            | Conversion::Required => true,
            Conversion::Number
            | Conversion::Money
            | Conversion::Cents
            | Conversion::Round
            | Conversion::Date(..)
            | Conversion::Join(_) => false,
        }
    }

    /// Applies it.
    ///
    /// # Errors
    /// What kind of value it would have needed.
    pub(crate) fn apply<'d>(
        &self,
        item: Item<'d>,
        document: &Document<'d>,
    ) -> Result<Item<'d>, Unfit> {
        if item.is_void() {
            return Ok(match self {
                Conversion::Or(text) => Item::Text(Cow::Owned(text.clone())),
                Conversion::Optional => Item::Missing,
                Conversion::Required => return Err("a value"),
                _ => item,
            });
        }
        Ok(match self {
            Conversion::Or(_) | Conversion::Optional | Conversion::Required => item,
            Conversion::Text => match item {
                Item::Node(Value { kind: Kind::Text, .. }) => item,
                other => Item::Text(other.scalar(document)?),
            },
            Conversion::Number => {
                let text = item.scalar(document)?;
                let read = Document::read(text.as_bytes());
                match read.map(|d| matches!(d.root().kind, Kind::Number)) {
                    Ok(true) if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                        Item::Number(text.trim_end().to_owned())
                    }
                    _ => return Err("a number"),
                }
            }
            Conversion::Money => Item::Text(decimal(&item, document, 0, 2)?.into()),
            Conversion::Cents => Item::Text(decimal(&item, document, 2, 2)?.into()),
            Conversion::Round => Item::Number(decimal(&item, document, 0, 0)?),
            Conversion::Date(format, from) => {
                let text = item.scalar(document)?;
                let date = match from {
                    Some(from) => from.read(&text),
                    None => parse_date(&text),
                };
                Item::Text(format.write(date.ok_or("a date")?).into())
            }
            Conversion::Words(words) => match words.get(item.scalar(document)?.as_ref()) {
                Some(word) => Item::Text(Cow::Owned(word.clone())),
                None => item,
            },
            Conversion::Replace(from, to) => {
                let text = item.scalar(document)?;
                if text.contains(from.as_str()) {
                    Item::Text(text.replace(from.as_str(), to).into())
                } else {
                    item
                }
            }
            Conversion::Lower => Item::Text(item.scalar(document)?.to_lowercase().into()),
            Conversion::Join(separator) => {
                let Item::Node(Value { kind: Kind::List(items), .. }) = item else {
                    return Err("a list");
                };
                let texts: Result<Vec<_>, _> =
                    items.iter().map(|i| Item::Node(i).scalar(document)).collect();
                Item::Text(texts?.join(separator.as_str()).into())
            }
        })
    }
}

fn decimal(
    item: &Item<'_>,
    document: &Document<'_>,
    shift: i64,
    places: usize,
) -> Result<String, Unfit> {
    fixed(&item.scalar(document)?, shift, places).ok_or("a number")
}

impl<'d> Item<'d> {
    /// Missing or null?
    pub(crate) fn is_void(&self) -> bool {
        matches!(self, Item::Missing | Item::Node(Value { kind: Kind::Null, .. }))
    }

    /// The text of a scalar; null is empty.
    ///
    /// # Errors
    /// It is a list, an object or nothing.
    pub(crate) fn scalar(&self, document: &Document<'d>) -> Result<Cow<'d, str>, Unfit> {
        match self {
            Item::Missing => Err("a value"),
            Item::Text(text) => Ok(text.clone()),
            Item::Number(text) => Ok(Cow::Owned(text.clone())),
            Item::Node(value) => match value.kind {
                Kind::Null => Ok(Cow::Borrowed("")),
                Kind::Bool | Kind::Number => Ok(Cow::Borrowed(document.raw(value))),
                Kind::Text => Ok(document.text(value)),
                Kind::List(_) | Kind::Object(_) => Err("a scalar"),
            },
        }
    }

    /// Appends it as JSON; false if there is nothing to append.
    pub(crate) fn write(&self, document: &Document<'d>, out: &mut String) -> bool {
        match self {
            Item::Missing => return false,
            Item::Node(value) => out.push_str(document.raw(value)),
            Item::Text(text) => push_quoted(out, text),
            Item::Number(text) => out.push_str(text),
        }
        true
    }
}
