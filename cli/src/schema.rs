//! JSON Schema (draft 2020-12) for the policy files, so that editors complete
//! and check them.

use postern_core::config::schema::{Field, Schema};
use serde_json::{Map, Value, json};

use crate::policy::Kind;

/// The schema of one filter's policy file.
#[must_use]
pub fn of(kind: Kind) -> Value {
    let mut definitions = Map::new();
    let mut root = object_of(&with_filter_key(kind), &mut definitions);
    if let Some(members) = root.as_object_mut() {
        members.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        members.insert("title".to_owned(), format!("Postern policy: {}", kind.name()).into());
        members.insert("$defs".to_owned(), Value::Object(definitions));
    }
    root
}

/// The policy's own keys, and `filter`, which the tool takes out.
struct Root {
    doc: String,
    fields: Vec<Field>,
}

fn with_filter_key(kind: Kind) -> Root {
    let (doc, mut fields) = match kind.schema() {
        Schema::Object { doc, fields, .. } => (doc(), fields()),
        _ => (String::new(), Vec::new()),
    };
    fields.push(Field {
        name: "filter",
        doc: "The filter that this policy is for, when the file's name does not say it.".to_owned(),
        schema: Schema::Choice {
            name: "Filter",
            words: Kind::ALL.iter().map(|k| (k.name(), String::new())).collect(),
        },
        required: false,
        default: Some("the file's name"),
    });
    Root { doc, fields }
}

fn object_of(root: &Root, definitions: &mut Map<String, Value>) -> Value {
    let mut out = fields(&root.fields, false, definitions);
    describe(&mut out, &root.doc);
    out
}

fn describe(schema: &mut Value, doc: &str) {
    if let Some(members) = schema.as_object_mut()
        && !doc.is_empty()
    {
        members.insert("description".to_owned(), doc.into());
    }
}

fn fields(list: &[Field], one_of: bool, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for field in list {
        let mut schema = shape(&field.schema, definitions);
        describe(&mut schema, &field.doc);
        properties.insert(field.name.to_owned(), schema);
    }
    let required: Vec<&str> = list.iter().filter(|f| f.required).map(|f| f.name).collect();
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
    }
    out
}

/// A type's schema; objects stand among the definitions once, so that types may
/// contain themselves.
fn shape(schema: &Schema, definitions: &mut Map<String, Value>) -> Value {
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
            let shapes: Vec<Value> = shapes.iter().map(|s| shape(s, definitions)).collect();
            json!({"anyOf": shapes})
        }
        Schema::List(item) => json!({"type": "array", "items": shape(item, definitions)}),
        Schema::Map(value) => {
            json!({"type": "object", "additionalProperties": shape(value, definitions)})
        }
        Schema::Object { name, doc, fields: list, one_of } => {
            if !definitions.contains_key(*name) {
                definitions.insert((*name).to_owned(), Value::Null);
                let mut defined = fields(&list(), *one_of, definitions);
                describe(&mut defined, &doc());
                definitions.insert((*name).to_owned(), defined);
            }
            json!({"$ref": format!("#/$defs/{name}")})
        }
    }
}
