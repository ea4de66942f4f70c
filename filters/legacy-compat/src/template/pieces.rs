//! Texts with braces.

/// A piece of a text with braces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// Text.
    Literal(String),
    /// What stands between braces.
    Braced(&'t str),
}

/// Splits `a {b} {{c}}` into its pieces.
///
/// # Errors
/// A brace has no partner.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut out = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braced) = rest.split_at_checked(at).unwrap_or((rest, ""));
        literal.push_str(before);
        if let Some(after) = braced.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = braced.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else if let Some(inside) = braced.strip_prefix('{') {
            let mut quoted = false;
            let end = inside.char_indices().find(|(_, c)| {
                quoted ^= *c == '\'';
                !quoted && *c == '}'
            });
            let (inside, after) = end
                .and_then(|(at, _)| inside.split_at_checked(at))
                .ok_or("a `{` has no `}`; a brace that is meant is written `{{`")?;
            if !literal.is_empty() {
                out.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            out.push(Piece::Braced(inside));
            rest = after.strip_prefix('}').unwrap_or(after);
        } else {
            return Err("a `}` has no `{`; a brace that is meant is written `}}`".to_owned());
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        out.push(Piece::Literal(literal));
    }
    Ok(out)
}
