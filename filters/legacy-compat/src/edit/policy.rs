//! The steps of an edit as they are written.

use postern_core::config::Text;

use super::path::Path;
use crate::place::{Located, Place};

postern_core::config! {
    /// One step of an edit: exactly one of these. Paths are of names parted by dots;
    /// a number is a place in a list, `*` each item or member, `.` the whole body, and
    /// a name with odd characters stands in single quotes. What is not there is left
    /// alone, of members of one name each is meant, and what no step addresses stays
    /// byte for byte.
    pub(crate) oneof StepPolicy {
        /// A member gets another name, in its place.
        rename: Rename(RenamePolicy),
        /// A member gets another place.
        r#move: Move(MovePolicy),
        /// Members or items go.
        remove: Remove(Vec<Located<Path>>),
        /// Members and items that are null go.
        drop_null: DropNull(Vec<Located<Path>>),
        /// A member gets a value, whether it was there or not.
        set: Set(SetPolicy),
        /// A member gets a value if it is not there.
        default: Default(SetPolicy),
        /// A value becomes the only member of an object.
        wrap: Wrap(WrapPolicy),
        /// A member of an object takes the object's place.
        unwrap: Unwrap(UnwrapPolicy),
        /// Values get another form.
        convert: Convert(ConvertAtPolicy),
        /// Names of members get another case.
        case: Case(CaseOfKeysPolicy),
        /// Of an object these members stay, and no others.
        pick: Pick(PickPolicy),
    }

    /// A new name.
    pub(crate) struct RenamePolicy {
        /// The member.
        from: Located<Path>,
        /// Its new name. It does not fit if another member has it.
        to: Text,
    }

    /// A new place.
    pub(crate) struct MovePolicy {
        /// The member.
        from: Located<Path>,
        /// Where to; objects on the way are made. What the two paths begin with alike
        /// may have `*` in it, the rest may not. It does not fit if there is one already.
        to: Located<Path>,
        /// The member that it stands before; without it, or without that member, it is
        /// the last.
        before: Option<Text>,
    }

    /// A value.
    pub(crate) struct SetPolicy {
        /// The member; objects on the way are made.
        at: Located<Path>,
        /// A JSON template. Its paths begin at the object that the member is in, as it
        /// is by then.
        to: Place,
        /// The member that a new one stands before; without it, or without that member,
        /// it is the last.
        before: Option<Text>,
    }

    /// A value becomes `{"NAME": value}`.
    pub(crate) struct WrapPolicy {
        /// The value.
        at: Located<Path>,
        /// The name.
        r#in: Text,
    }

    /// An object becomes one of its members. It does not fit if it has none of that name.
    pub(crate) struct UnwrapPolicy {
        /// The object.
        at: Located<Path>,
        /// The member's name.
        member: Text,
    }

    /// Another form of values.
    pub(crate) struct ConvertAtPolicy {
        /// The values. Nulls stay; what cannot be converted does not fit.
        at: Vec<Located<Path>>,
        /// The conversions: `string`, `number`, `money`, `date old`.
        to: Place,
    }

    /// The case of members' names.
    pub(crate) struct CaseOfKeysPolicy {
        /// The objects. It does not fit if two members would have one name.
        at: Vec<Located<Path>>,
        /// The case.
        to: KeyCase,
        /// And of the objects in them?
        deep: bool = false,
    }

    /// How a name is written.
    pub(crate) choice KeyCase {
        /// `sold_at`
        Snake = "snake",
        /// `soldAt`
        Camel = "camel",
        /// `SoldAt`
        Pascal = "pascal",
        /// `sold-at`
        Kebab = "kebab",
    }

    /// What stays of an object.
    pub(crate) struct PickPolicy {
        /// The object.
        at: Located<Path>,
        /// The names of its members, whose order stays as it is.
        members: Vec<Text>,
    }
}
