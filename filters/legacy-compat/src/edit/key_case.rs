//! The case of members' names.

use std::collections::BTreeSet;

use super::policy::KeyCase;
use super::tree::{Node, Tree, Unedited};

/// Writes the names of an object's members, or of the objects in a list, in a case.
pub(super) fn apply<'d>(
    tree: &mut Tree<'d>,
    node: &mut Node<'d>,
    to: KeyCase,
    deep: bool,
) -> Result<(), Unedited> {
    let Some(open) = node.open(tree.document) else { return Ok(()) };
    let mut changed = false;
    for member in open.members.iter_mut().filter(|_| !open.is_list) {
        let old = member.name();
        let new = written(&old, to);
        if new != old {
            member.key = tree.key(&new)?;
            changed = true;
        }
    }
    if changed {
        let mut names = BTreeSet::new();
        if !open.members.iter().all(|member| names.insert(member.name())) {
            return Err(Unedited::OtherShape);
        }
    }
    for member in open.members.iter_mut().filter(|_| deep) {
        apply(tree, &mut member.value, to, deep)?;
    }
    Ok(())
}

/// A name in a case. Words begin behind `_`, `-` and blanks, and with capitals behind
/// small letters or digits; what precedes the first word stays.
fn written(name: &str, to: KeyCase) -> String {
    let mut out = String::with_capacity(name.len().saturating_add(4));
    let mut words = 0usize;
    let (mut begins, mut small) = (true, false);
    for c in name.chars() {
        if matches!(c, '_' | '-' | ' ') {
            if words == 0 {
                out.push(c);
            }
            begins = true;
            continue;
        }
        if begins || (small && c.is_uppercase()) {
            match to {
                KeyCase::Snake if words > 0 => out.push('_'),
                KeyCase::Kebab if words > 0 => out.push('-'),
                _ => {}
            }
            let capital = match to {
                KeyCase::Snake | KeyCase::Kebab => false,
                KeyCase::Camel => words > 0,
                KeyCase::Pascal => true,
            };
            if capital {
                out.extend(c.to_uppercase());
            } else {
                out.extend(c.to_lowercase());
            }
            words = words.saturating_add(1);
        } else {
            out.extend(c.to_lowercase());
        }
        begins = false;
        small = c.is_lowercase() || c.is_numeric();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_each_case() {
        for (name, snake, camel, pascal, kebab) in [
            ("sold_at", "sold_at", "soldAt", "SoldAt", "sold-at"),
            ("soldAt", "sold_at", "soldAt", "SoldAt", "sold-at"),
            ("SoldAt", "sold_at", "soldAt", "SoldAt", "sold-at"),
            ("sold-at", "sold_at", "soldAt", "SoldAt", "sold-at"),
            ("ID", "id", "id", "Id", "id"),
            ("item2Name", "item2_name", "item2Name", "Item2Name", "item2-name"),
            ("_id", "_id", "_id", "_Id", "_id"),
            ("a__b_", "a_b", "aB", "AB", "a-b"),
            ("größeÄnderung", "größe_änderung", "größeÄnderung", "GrößeÄnderung", "größe-änderung"),
            ("", "", "", "", ""),
        ] {
            let all = [KeyCase::Snake, KeyCase::Camel, KeyCase::Pascal, KeyCase::Kebab];
            assert_eq!(all.map(|to| written(name, to)), [snake, camel, pascal, kebab], "{name}");
        }
    }
}
