//! JSON Schema (draft 2020-12) for the policy files, so that editors complete
//! and check them.

use postern_core::config::schema::{Field, Schema};
use serde_json::{Map, Value, json};

use crate::keys::{self, Document};
use crate::policy::Kind;

/// The schema of one filter's policy file.
#[must_use]
pub fn of(kind: Kind) -> Value {
    whole(kind, &keys::document(kind), &format!("Postern policy: {}", kind.name()))
}

/// The schema of a file that a policy of `authz` includes.
#[must_use]
pub fn included() -> Value {
    whole(Kind::Authz, &keys::included(), "Postern policy: included by authz")
}

/// The schema of a contract.
#[must_use]
pub fn contract() -> Value {
    // No key of it is one that `authz` alone has.
    whole(Kind::LegacyCompat, &keys::contract(), "Postern contract")
}

fn whole(kind: Kind, document: &Document, title: &str) -> Value {
    let mut definitions = Map::new();
    let mut root = fields(kind, &document.fields, false, &mut definitions);
    describe(&mut root, &document.doc);
    if let Some(members) = root.as_object_mut() {
        members.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        members.insert("title".to_owned(), title.into());
        members.insert("$defs".to_owned(), Value::Object(definitions));
    }
    root
}

fn describe(schema: &mut Value, doc: &str) {
    if let Some(members) = schema.as_object_mut()
        && !doc.is_empty()
    {
        members.insert("description".to_owned(), doc.into());
    }
}

fn fields(kind: Kind, list: &[Field], one_of: bool, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for field in list {
        let mut schema = shape(kind, &field.schema, definitions);
        describe(&mut schema, &field.doc);
        properties.insert(field.name.to_owned(), schema);
    }
    let (replaceable, required): (Vec<&Field>, Vec<&Field>) =
        list.iter().filter(|f| f.required).partition(|f| keys::is_replaceable(f, list));
    let required: Vec<&str> = required.into_iter().map(|f| f.name).collect();
    let mut out = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let Some(members) = out.as_object_mut() {
        if one_of {
            members.insert("minProperties".to_owned(), 1.into());
            members.insert("maxProperties".to_owned(), 1.into());
        } else if !required.is_empty() {
            members.insert("required".to_owned(), required.into());
        }
        if let Some(field) = replaceable.first() {
            let either = json!([{"required": [field.name]}, {"required": ["include"]}]);
            members.insert("anyOf".to_owned(), either);
        }
    }
    out
}

/// A type's schema; objects stand among the definitions once, so that types may
/// contain themselves.
fn shape(kind: Kind, schema: &Schema, definitions: &mut Map<String, Value>) -> Value {
    match schema {
        Schema::Any => json!({}),
        Schema::Bool => json!({"type": "boolean"}),
        Schema::Count { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Schema::Number => json!({"type": "number"}),
        Schema::Text { pattern: None, .. } => json!({"type": "string"}),
        Schema::Text { pattern: Some(pattern), .. } => {
            json!({"type": "string", "pattern": pattern})
        }
        Schema::Choice { words, .. } => {
            json!({"enum": words.iter().map(|(word, _)| *word).collect::<Vec<_>>()})
        }
        Schema::AnyOf(shapes) => {
            let shapes: Vec<Value> = shapes.iter().map(|s| shape(kind, s, definitions)).collect();
            json!({"anyOf": shapes})
        }
        Schema::List(item) => json!({"type": "array", "items": shape(kind, item, definitions)}),
        Schema::Map(value) => {
            json!({"type": "object", "additionalProperties": shape(kind, value, definitions)})
        }
        Schema::Object { name, doc, fields: list, one_of } => {
            if !definitions.contains_key(*name) {
                definitions.insert((*name).to_owned(), Value::Null);
                let list = keys::with_include(kind, list());
                let mut defined = fields(kind, &list, *one_of, definitions);
                describe(&mut defined, &doc());
                definitions.insert((*name).to_owned(), defined);
            }
            json!({"$ref": format!("#/$defs/{name}")})
        }
    }
}
