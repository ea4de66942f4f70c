//! What a JSON text is made of: its members in their order, and their kinds.

use serde_json::Value;

/// `{"id":7,"on":"2016-01-01T00:00:00Z","tags":["a","b"]}` has the shape `{id:int,on:date,tags:[text]}`.
/// Elements of several shapes stand beside each other: `[int|text]`.
pub fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if number.is_f64() => "float".to_owned(),
        Value::Number(_) => "int".to_owned(),
        Value::String(text) if is_date(text) => "date".to_owned(),
        Value::String(text) if text.starts_with("https://") => "url".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Array(elements) => {
            let mut shapes: Vec<String> = elements.iter().map(shape).collect();
            shapes.sort();
            shapes.dedup();
            format!("[{}]", shapes.join("|"))
        }
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}:{}", shape(value))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// ISO 8601 in UTC, to the second.
pub fn is_date(text: &str) -> bool {
    let digits = text.replace(|c: char| c.is_ascii_digit(), "9");
    digits == "9999-99-99T99:99:99Z"
}
