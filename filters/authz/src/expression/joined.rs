//! Texts that the proxy may have made of several: of many a header that is repeated it
//! makes one value, with commas, before any filter sees it. What such a value means is
//! the same here as in `match` (`postern_core::rules`).

use std::borrow::Cow;

use super::scope::Why;
use super::value::Value;

/// Takes steps, as long as there are any.
pub(super) type Spend<'s> = dyn Fn(usize) -> Result<(), Why> + 's;

/// What comparing two texts costs.
pub(super) fn paid(a: &str, b: &str, spend: &Spend<'_>) -> Result<(), Why> {
    spend(1usize.saturating_add(a.len().min(b.len()) / 64))
}

/// What stands there as a whole, and the parts; a text alone is its only part.
fn whole_and_parts<'t, 'a>(texts: &'t [Cow<'a, str>]) -> (&'t str, &'t [Cow<'a, str>]) {
    match texts {
        [whole, parts @ ..] if !parts.is_empty() => (whole, parts),
        [whole, ..] => (whole, texts),
        [] => ("", &[]),
    }
}

/// Does a test hold of two texts? It does if it holds of what stands there as a whole, or
/// of all its parts. If it holds of some parts and of others not, that cannot be told, since
/// servers differ on which one counts.
pub(super) fn said(
    left: &[Cow<'_, str>],
    right: &[Cow<'_, str>],
    test: impl Fn(&str, &str) -> Result<bool, Why>,
) -> Result<bool, Why> {
    let ((left, lefts), (right, rights)) = (whole_and_parts(left), whole_and_parts(right));
    let holds = test(left, right)?;
    if holds || (lefts.len() == 1 && rights.len() == 1) {
        return Ok(holds);
    }
    let (mut some, mut every) = (false, true);
    for (left, right) in lefts.iter().flat_map(|a| rights.iter().map(move |b| (a, b))) {
        let holds = test(left, right)?;
        some |= holds;
        every &= holds;
        if some && !every {
            break;
        }
    }
    if some && !every { Err(Why::Ambiguous) } else { Ok(some) }
}

/// The same of one text.
pub(super) fn said_of(
    texts: &[Cow<'_, str>],
    test: impl Fn(&str) -> Result<bool, Why>,
) -> Result<bool, Why> {
    said(texts, &[Cow::Borrowed("")], |text, _| test(text))
}

/// Two texts beside each other. `None`: one of them is no text.
pub(super) fn concatenated<'a>(
    left: &Value<'a>,
    right: &Value<'a>,
    spend: &Spend<'_>,
) -> Option<Result<Value<'a>, Why>> {
    let one = |a: &str, b: &str| {
        spend((a.len() / 64).saturating_add(b.len() / 64)).map(|()| Cow::Owned(format!("{a}{b}")))
    };
    let ((left, lefts), (right, rights)) =
        (whole_and_parts(left.texts()?), whole_and_parts(right.texts()?));
    if lefts.len() == 1 && rights.len() == 1 {
        return Some(one(left, right).map(Value::Text));
    }
    let parts = lefts.iter().flat_map(|a| rights.iter().map(move |b| (&**a, &**b)));
    let texts = std::iter::once((left, right)).chain(parts);
    let texts: Result<_, _> = texts.map(|(a, b)| spend(1).and_then(|()| one(a, b))).collect();
    Some(texts.map(Value::Joined))
}

/// One that is `decisive` decides, whether or not others come to a value, so that the
/// order of parts does not matter.
pub(super) fn decided(
    decisive: bool,
    parts: impl Iterator<Item = Result<bool, Why>>,
) -> Result<bool, Why> {
    let mut failed = None;
    for part in parts {
        match part {
            Ok(value) if value == decisive => return Ok(decisive),
            Ok(_) => {}
            Err(Why::TooLong) => return Err(Why::TooLong),
            Err(why) => {
                failed.get_or_insert(why);
            }
        }
    }
    failed.map_or(Ok(!decisive), Err)
}

/// What a header holds, and its parts if there are commas in it.
pub(super) fn parted<'a>(header: Value<'a>, spend: &Spend<'_>) -> Result<Value<'a>, Why> {
    let Value::Text(whole) = &header else { return Ok(header) };
    let commas = whole.bytes().filter(|b| *b == b',').count();
    if commas == 0 {
        return Ok(header);
    }
    spend(commas.saturating_add(1))?;
    let parts: Vec<_> = match whole {
        Cow::Borrowed(whole) => whole.split(',').map(|p| Cow::Borrowed(bare(p))).collect(),
        Cow::Owned(whole) => whole.split(',').map(|p| Cow::Owned(bare(p).to_owned())).collect(),
    };
    Ok(Value::Joined(std::iter::once(whole.clone()).chain(parts).collect()))
}

/// Without the blanks around it (RFC 9110 §5.6.3); other signs that look empty are its own.
fn bare(part: &str) -> &str {
    part.trim_matches([' ', '\t'])
}
