//! Header lines of answers, compared as a set, and in order and case where asked.

use super::compare::shown;
use super::file::Exactness;
use super::json::written;
use super::text::{Piece, Values, Written, matches};
use postern_core::config::Errors;

/// A header line of an answer.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The name as it was recorded.
    pub(super) name: String,
    value: Vec<Piece>,
}

/// How they are compared.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    pub(super) all: Vec<Line>,
    pub(super) ignore: Vec<String>,
    pub(super) order: Exactness,
    pub(super) case: Exactness,
}

impl Line {
    /// Reads `Name: value`.
    pub(super) fn read(line: &Written, values: &Values, errors: &mut Errors) -> Option<Line> {
        let (name, value) = split(line, errors)?;
        let value = line.with(value).pieces(values, errors);
        Some(Line { name, value })
    }
}

/// A line's name and value, its name within the grammar.
pub(super) fn split(line: &Written, errors: &mut Errors) -> Option<(String, String)> {
    let good = line.text.split_once(':').filter(|(name, value)| {
        postern_core::grammar::is_header_name(&name.to_ascii_lowercase())
            && !value.contains(['\r', '\n', '\0'])
    });
    let Some((name, value)) = good else {
        line.error(errors, "expected a header line `Name: value`".to_owned());
        return None;
    };
    Some((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

impl Lines {
    fn is_ignored(&self, name: &str) -> bool {
        self.ignore.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.get(..start.len()).is_some_and(|n| n.eq_ignore_ascii_case(start)),
            None => pattern.eq_ignore_ascii_case(name),
        })
    }

    /// All in which the headers of an answer differ.
    pub(super) fn differences(&self, found: &[(String, Vec<u8>)], out: &mut Vec<String>) {
        let found: Vec<_> = found.iter().filter(|(name, _)| !self.is_ignored(name)).collect();
        let wanted: Vec<&Line> =
            self.all.iter().filter(|line| !self.is_ignored(&line.name)).collect();
        // For each line that was recorded, the one that it is.
        let mut taken = vec![false; found.len()];
        let mut places = Vec::new();
        for line in &wanted {
            let same = |(name, value): &(String, Vec<u8>)| {
                name.eq_ignore_ascii_case(&line.name) && matches(&line.value, value).is_ok()
            };
            let place = (0..found.len()).find(|i| {
                taken.get(*i) == Some(&false) && found.get(*i).is_some_and(|one| same(one))
            });
            if let Some(taken) = place.and_then(|place| taken.get_mut(place)) {
                *taken = true;
            }
            places.push(place);
        }
        let mut missing: Vec<&Line> = Vec::new();
        for (line, place) in wanted.iter().zip(&places) {
            if place.is_none() {
                missing.push(line);
            }
        }
        let mut strange: Vec<_> =
            found.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(one, _)| one).collect();
        for line in missing {
            let name = line.name.as_str();
            let other = strange.iter().position(|(n, _)| n.eq_ignore_ascii_case(name));
            let got = match other.map(|at| strange.remove(at)) {
                Some((_, value)) => format!("but got {}", shown(value)),
                None => "but it is not there".to_owned(),
            };
            out.push(format!("header {name}: expected {}, {got}", written(&line.value)));
        }
        for (name, value) in strange {
            out.push(format!("header {name}: not expected: {}", shown(value)));
        }
        self.dress(&wanted, &found, &places, out);
    }

    /// The case and the order of those that are there.
    fn dress(
        &self,
        wanted: &[&Line],
        found: &[&(String, Vec<u8>)],
        places: &[Option<usize>],
        out: &mut Vec<String>,
    ) {
        let there: Vec<(&str, usize, &str)> = wanted
            .iter()
            .zip(places)
            .filter_map(|(line, place)| {
                let place = (*place)?;
                Some((line.name.as_str(), place, found.get(place)?.0.as_str()))
            })
            .collect();
        if self.case == Exactness::Exact {
            for (name, _, other) in there.iter().filter(|(name, _, other)| name != other) {
                out.push(format!("header {name}: it is written `{other}`"));
            }
        }
        if self.order == Exactness::Exact && !there.is_sorted_by_key(|(_, place, _)| *place) {
            let names = |all: &mut dyn Iterator<Item = &str>| all.collect::<Vec<_>>().join(", ");
            let wanted = names(&mut there.iter().map(|(name, _, _)| *name));
            let mut in_order = there.clone();
            in_order.sort_by_key(|(_, place, _)| *place);
            let found = names(&mut in_order.iter().map(|(_, _, name)| *name));
            out.push(format!("the order of the headers: expected {wanted}, but got {found}"));
        }
    }
}
