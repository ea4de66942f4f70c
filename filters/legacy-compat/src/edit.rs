//! Edits of a JSON body: steps at places, and some values in another form; all else
//! byte for byte.

mod key_case;
pub(crate) mod path;
pub(crate) mod policy;
mod steps;
mod tree;

use std::collections::BTreeMap;

use postern_core::config::Errors;

use crate::blueprint::Captures;
use crate::expression::{Expression, Names};
use crate::facts::Facts;
use crate::json::{Document, Kind, Value, push_quoted};
use crate::place::Place;
use crate::policy::{EditPolicy, Nulls, Scalars};
use crate::template::Compiler;
use crate::value::{Conversion, Item};

use steps::Steps;
pub(crate) use tree::Unedited;

/// A compiled edit.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    steps: Steps,
    convert: BTreeMap<String, Vec<Conversion>>,
    scalars: Scalars,
    nulls: Nulls,
}

impl Default for Edit {
    /// All stays.
    fn default() -> Self {
        let (steps, convert) = (Steps::default(), BTreeMap::new());
        Edit { steps, convert, scalars: Scalars::Keep, nulls: Nulls::Keep }
    }
}

impl Edit {
    /// Compiles it. `captures`: those of the rule; a dialect has none.
    pub(crate) fn compile(
        policy: &EditPolicy,
        captures: Option<&Captures>,
        compiler: &mut Compiler<'_>,
        names: &Names,
        errors: &mut Errors,
    ) -> Self {
        let steps = Steps::compile(&policy.steps, captures, compiler, names, errors);
        let mut convert = BTreeMap::new();
        for rule in &policy.convert {
            let Some(conversions) = conversions(&rule.to, names, errors) else { continue };
            for member in &rule.members {
                let name = member.value.as_str();
                if convert.insert(name.to_owned(), conversions.clone()).is_some() {
                    let name = name.escape_debug();
                    member.error(errors, format!("the member `{name}` is named twice"));
                }
            }
        }
        Edit { steps, convert, scalars: policy.scalars, nulls: policy.nulls }
    }

    /// Does all stay?
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty() && !self.has_values()
    }

    /// Do values get another form by their names or kinds?
    fn has_values(&self) -> bool {
        !self.convert.is_empty() || (self.scalars, self.nulls) != (Scalars::Keep, Nulls::Keep)
    }

    /// First of all this member goes.
    pub(crate) fn remove_first(&mut self, name: &str) {
        self.steps.remove_first(name);
    }

    /// Every expression in it.
    pub(crate) fn visit<'t>(&'t self, see: &mut impl FnMut(&'t Expression)) {
        self.steps.visit(see);
    }

    /// The document with the edits made.
    ///
    /// # Errors
    /// It does not fit, or more than `limit` bytes would be new.
    pub(crate) fn apply(
        &self,
        document: &Document<'_>,
        facts: &Facts,
        limit: usize,
    ) -> Result<String, Unedited> {
        if self.steps.is_empty() {
            return Ok(self.values(document));
        }
        let text = self.steps.apply(document, facts, limit)?;
        if !self.has_values() {
            return Ok(text);
        }
        // What was deep already may be too deep now.
        Document::read(text.as_bytes())
            .map(|document| self.values(&document))
            .map_err(|_| Unedited::OtherShape)
    }

    fn values(&self, document: &Document<'_>) -> String {
        document.edited(|member, value, out| {
            let conversions = member.and_then(|name| self.convert.get(name));
            conversions.is_some_and(|list| converted(list, document, value, out))
                || self.plain(document, value, out)
        })
    }

    fn plain(&self, document: &Document<'_>, value: &Value, out: &mut String) -> bool {
        match value.kind {
            Kind::Null if self.nulls == Nulls::Empty => out.push_str("\"\""),
            Kind::Bool | Kind::Number if self.scalars == Scalars::String => {
                push_quoted(out, document.raw(value));
            }
            _ => return false,
        }
        true
    }
}

/// Conversions of values that are there.
fn conversions(to: &Place, names: &Names, errors: &mut Errors) -> Option<Vec<Conversion>> {
    let text = to.text(errors, "conversions such as `money`")?;
    let conversions = Expression::parse_conversions(text, names).and_then(|list| {
        let unfit = |c: &Conversion| {
            matches!(c, Conversion::Join(_) | Conversion::Optional | Conversion::Required)
        };
        if list.iter().any(unfit) {
            Err("`join`, `optional` and `required` have no place in an edit".to_owned())
        } else {
            Ok(list)
        }
    });
    conversions.map_err(|why| to.error(errors, why)).ok()
}

fn converted(
    conversions: &[Conversion],
    document: &Document<'_>,
    value: &Value,
    out: &mut String,
) -> bool {
    let item = conversions
        .iter()
        .try_fold(Item::Node(value), |item, conversion| conversion.apply(item, document));
    // What stayed the very value is left to the general rules.
    match item {
        Ok(Item::Node(_)) | Err(_) => false,
        Ok(item) => item.write(document, out),
    }
}

#[cfg(test)]
mod tests;
