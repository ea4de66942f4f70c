//! Texts with parts of the request in them.

use postern_core::config::Errors;
use postern_core::grammar;
use postern_core::target::Target;

use crate::blueprint::Captures;
use crate::place::Place;
use crate::source::{Found, Source};
use crate::template::{Piece, pieces};

/// The places that the patterns of a rule refer to, each once.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    /// The number of a source, which is added if it is not there.
    pub(crate) fn number(&mut self, source: Source) -> usize {
        self.0.iter().position(|own| *own == source).unwrap_or_else(|| {
            self.0.push(source);
            self.0.len().saturating_sub(1)
        })
    }

    /// In order.
    pub(crate) fn list(&self) -> &[Source] {
        &self.0
    }

    /// A source by its number.
    pub(crate) fn get(&self, number: usize) -> Option<&Source> {
        self.0.get(number)
    }
}

/// A text with parts of the request in it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pattern(Box<[Part]>);

#[derive(Debug, PartialEq, Eq, Hash)]
enum Part {
    Literal(Box<str>),
    /// The first that is there.
    First(Box<[Alternative]>),
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Alternative {
    Source(usize),
    Literal(Box<str>),
}

/// A part with what was found.
#[derive(Clone, Copy)]
pub(crate) enum Filled<'p> {
    Literal(&'p str),
    Found(&'p Found),
}

impl Pattern {
    pub(crate) fn compile(
        place: &Place,
        captures: &Captures,
        sources: &mut Sources,
        errors: &mut Errors,
    ) -> Option<Self> {
        let text = place.text(errors, "a text, perhaps with captures as `{name}`")?;
        let parts = pieces(text).and_then(|pieces| {
            let mut parts = Vec::new();
            for piece in pieces {
                parts.push(match piece {
                    Piece::Literal(text) => Part::Literal(plain(&text)?),
                    Piece::Braced(inside) => Part::First(
                        inside
                            .split("??")
                            .map(|one| alternative(one.trim(), captures, sources))
                            .collect::<Result<_, _>>()?,
                    ),
                });
            }
            Ok(parts)
        });
        match parts {
            Ok(parts) => Some(Pattern(parts.into())),
            Err(why) => {
                place.error(errors, why);
                None
            }
        }
    }

    /// Its parts, in order. `None`: one is not there.
    pub(crate) fn fill<'p>(&'p self, found: &'p [Option<Found>]) -> Option<Vec<Filled<'p>>> {
        let first = |part: &'p Part| match part {
            Part::Literal(text) => Some(Filled::Literal(text)),
            Part::First(alternatives) => alternatives.iter().find_map(|one| match one {
                Alternative::Literal(text) => Some(Filled::Literal(text)),
                Alternative::Source(number) => found.get(*number)?.as_ref().map(Filled::Found),
            }),
        };
        self.0.iter().map(first).collect()
    }

    /// The text without escapes, as a header has it. `None`: a part is not there.
    pub(crate) fn decoded(&self, found: &[Option<Found>]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for part in self.fill(found)? {
            out.extend_from_slice(match part {
                Filled::Literal(text) => text.as_bytes(),
                Filled::Found(found) => &found.decoded,
            });
        }
        Some(out)
    }

    /// The numbers of its sources.
    pub(crate) fn sources(&self) -> impl Iterator<Item = usize> {
        let alternatives = self.0.iter().flat_map(|part| match part {
            Part::Literal(_) => &[][..],
            Part::First(alternatives) => alternatives,
        });
        alternatives.filter_map(|one| match one {
            Alternative::Source(number) => Some(*number),
            Alternative::Literal(_) => None,
        })
    }

    /// The text with an `x` for each part of the request.
    pub(crate) fn sample(&self) -> Vec<u8> {
        let parts = self.0.iter().map(|part| match part {
            Part::Literal(text) => text.as_bytes(),
            Part::First(_) => b"x",
        });
        parts.collect::<Vec<_>>().concat()
    }

    pub(crate) fn check_path(&self, place: &Place, errors: &mut Errors) {
        let sample = self.sample();
        let parsed = Target::parse(Some(&sample));
        let good = grammar::is_path(&sample)
            && parsed.is_ok_and(|t| !t.is_changed() && t.query().is_none());
        if !good {
            place.error(
                errors,
                "expected a canonical path that begins with `/`; what follows a `?` stands under `query`",
            );
        }
    }
}

fn plain(text: &str) -> Result<Box<str>, String> {
    if text.chars().any(char::is_control) {
        return Err("expected a text without control characters".to_owned());
    }
    Ok(text.into())
}

fn alternative(
    text: &str,
    captures: &Captures,
    sources: &mut Sources,
) -> Result<Alternative, String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let literal = quoted.strip_suffix('\'').ok_or("a quoted text has no closing `'`")?;
        return plain(literal).map(Alternative::Literal);
    }
    Source::parse(text, captures).map(|source| Alternative::Source(sources.number(source)))
}
