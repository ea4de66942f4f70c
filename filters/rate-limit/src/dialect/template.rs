//! The value of a field, with places for numbers.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, decode_text};

use crate::digits;
use crate::standing::Standing;

/// Text, and what stands between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Limit,
    Remaining,
    Used,
    Window,
    Policy,
    Reset,
    ResetAt,
    More,
    MoreAt,
}

const PLACES: [(&str, Place); 9] = [
    ("limit", Place::Limit),
    ("remaining", Place::Remaining),
    ("used", Place::Used),
    ("window", Place::Window),
    ("policy", Place::Policy),
    ("reset", Place::Reset),
    ("reset_at", Place::ResetAt),
    ("more", Place::More),
    ("more_at", Place::MoreAt),
];

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Err("expected printable ASCII, not empty".to_owned());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            closed(before)?;
            let (name, after) = after.split_once('}').ok_or("a `{` has no `}`")?;
            let place = PLACES.iter().find(|(own, _)| *own == name).map(|(_, place)| *place);
            let known = PLACES.map(|(own, _)| format!("`{{{own}}}`")).join(", ");
            let place = place.ok_or_else(|| format!("unknown `{{{name}}}`, expected {known}"))?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Value(place));
            rest = after;
        }
        closed(rest)?;
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Template(pieces))
    }

    /// `None`: it names the window, which is not known.
    pub(super) fn fill(&self, standing: &Standing) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(32);
        let left = &standing.left;
        for piece in &self.0 {
            let place = match piece {
                Piece::Text(text) => {
                    out.extend_from_slice(text.as_bytes());
                    continue;
                }
                Piece::Value(place) => place,
            };
            let number = match place {
                Place::Policy => {
                    out.extend_from_slice(standing.policy.as_bytes());
                    continue;
                }
                Place::Limit => left.quota,
                Place::Remaining => left.remaining,
                Place::Used => left.quota.saturating_sub(left.remaining),
                Place::Window => left.window?,
                Place::Reset => left.whole_in(),
                Place::ResetAt => left.whole_at(),
                Place::More => left.more_in(),
                Place::MoreAt => left.more_at(),
            };
            digits::push(&mut out, number);
        }
        Some(out)
    }
}

fn closed(text: &str) -> Result<(), String> {
    if text.contains('}') { Err("a `}` has no `{`".to_owned()) } else { Ok(()) }
}

impl Decode for Template {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, "a value such as `{remaining}`", Template::parse)
    }

    fn schema() -> Schema {
        Schema::Text { expected: "a value such as `{remaining}`", pattern: Some("^[ -~]+$") }
    }
}
