//! Keys of policy files that no filter gets, since the tool takes them out: `filter` and
//! `include`. The schema and the reference have them all the same.

use postern_core::config::Decode;
use postern_core::config::schema::{Field, Schema};

use crate::contract::file::ContractConfig;
use crate::include::MAX_FILES;
use crate::policy::Kind;

const FILE: Schema =
    Schema::Text { expected: "a path from this file's folder", pattern: Some("^[^/]") };

/// A type as its file has it: its name, its documentation, its keys.
pub(crate) struct Document {
    /// The type's name.
    pub name: &'static str,
    /// Its documentation.
    pub doc: String,
    /// The keys.
    pub fields: Vec<Field>,
}

/// The policy file of a filter as a whole.
pub(crate) fn document(kind: Kind) -> Document {
    let (name, doc, mut fields) = match kind.schema() {
        Schema::Object { name, doc, fields, .. } => (name, doc(), with_include(kind, fields())),
        _ => ("", String::new(), Vec::new()),
    };
    fields.push(Field {
        name: "filter",
        doc: "The filter that this policy is for; left out: the one that the file is named after."
            .to_owned(),
        schema: Schema::Choice {
            name: "Filter",
            words: Kind::ALL.iter().map(|k| (k.name(), concern(*k).to_owned())).collect(),
        },
        required: false,
        default: None,
    });
    Document { name, doc, fields }
}

fn concern(kind: Kind) -> &'static str {
    match kind {
        Kind::Auth => "Who is calling?",
        Kind::Authz => "May they?",
        Kind::RateLimit => "How often?",
        Kind::LegacyCompat => "What old clients send and expect.",
    }
}

/// A file that a policy of `authz` includes; it may have each of these.
pub(crate) fn included() -> Document {
    let keys = document(Kind::Authz).fields.into_iter();
    let fields = keys
        .filter(|field| matches!(field.name, "sets" | "rules"))
        .map(|field| Field { required: false, ..field });
    let doc = "A part of a policy, for its key `include`.".to_owned();
    Document { name: "Included", doc, fields: fields.collect() }
}

/// A contract's file.
pub(crate) fn contract() -> Document {
    match ContractConfig::schema() {
        Schema::Object { name, doc, fields, .. } => Document { name, doc: doc(), fields: fields() },
        _ => Document { name: "", doc: String::new(), fields: Vec::new() },
    }
}

/// The keys of a type, with `include` if it has what may stand in another file.
pub(crate) fn with_include(kind: Kind, mut fields: Vec<Field>) -> Vec<Field> {
    let has = |name: &str| fields.iter().any(|field| field.name == name);
    if kind == Kind::Authz && has("sets") && has("rules") {
        fields.push(Field {
            name: "include",
            doc: format!(
                "Files with `sets` and `rules` alone, at most {MAX_FILES}, in this file's folder or \
                 below; no patterns, and they include none themselves. Their rules come first, in \
                 the order of the files. With it `rules` may be left out."
            ),
            schema: Schema::List(Box::new(FILE)),
            required: false,
            default: None,
        });
    }
    fields
}

/// May `include` stand in its place?
pub(crate) fn is_replaceable(field: &Field, among: &[Field]) -> bool {
    field.name == "rules" && among.iter().any(|other| other.name == "include")
}
