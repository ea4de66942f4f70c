//! A contract made of requests: their answers as a gateway gives them.

use std::time::Duration;

use ct_codecs::{Base64, Encoder};
use postern_core::config::{Key, Node, Span, Value};

use super::pairs::{Contract, Pair};
use super::wire::{Answer, Gateway};
use crate::written;

/// Sends the requests that have no `answer` and returns the contract with what came
/// back in their place, as YAML. Its comments are lost, its values are not filled in.
///
/// # Errors
/// The pairs that got no answer, or different ones where they stand for several
/// requests.
pub fn record(
    contract: &Contract,
    gateway: &Gateway,
    deadline: Option<Duration>,
) -> Result<String, Vec<String>> {
    let mut node = contract.node.clone();
    let mut wrong = Vec::new();
    let mut recorded: Vec<(usize, Node)> = Vec::new();
    for pair in contract.pairs.iter().filter(|pair| pair.answer.is_none()) {
        match gateway.send(&pair.request, deadline.unwrap_or(pair.deadline)) {
            Err(why) => wrong.push(format!("{}: no answer: {why}", pair.name)),
            Ok(Answer { cut: Some(why), .. }) => {
                wrong.push(format!("{}: the body is cut: {why}", pair.name));
            }
            Ok(answer) => {
                let answer = node_of(&answer, pair);
                match recorded.iter().find(|(index, _)| *index == pair.index) {
                    None => recorded.push((pair.index, answer)),
                    Some((_, first)) if *first == answer => {}
                    Some(_) => wrong.push(format!(
                        "{}: another answer than the first of this pair: make it a pair of its own",
                        pair.name
                    )),
                }
            }
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    for (index, answer) in recorded {
        if let Some(Node { value: Value::Map(pair), .. }) = item(&mut node, index) {
            pair.push((key("answer"), answer));
        }
    }
    Ok(written::yaml(&node))
}

fn item(node: &mut Node, index: usize) -> Option<&mut Node> {
    let Value::Map(entries) = &mut node.value else { return None };
    let (_, pairs) = entries.iter_mut().find(|(key, _)| key.text == "pairs")?;
    match &mut pairs.value {
        Value::List(items) => items.get_mut(index),
        _ => None,
    }
}

fn key(name: &str) -> Key {
    Key { span: Span::default(), text: name.to_owned() }
}

fn text(text: &str) -> Node {
    // What stands for itself has to go on doing so.
    Node::unplaced(Value::Text(text.replace("${", "$${")))
}

fn node_of(answer: &Answer, pair: &Pair) -> Node {
    let is_ignored = |name: &str| {
        pair.ignore.iter().any(|ignored| match ignored.strip_suffix('*') {
            Some(start) => name.to_ascii_lowercase().starts_with(&start.to_ascii_lowercase()),
            None => ignored.eq_ignore_ascii_case(name),
        })
    };
    let headers = answer.headers.iter().filter(|(name, _)| !is_ignored(name));
    let headers = headers
        .map(|(name, value)| text(&format!("{name}: {}", String::from_utf8_lossy(value))))
        .collect();
    let body = match std::str::from_utf8(&answer.body) {
        Ok(body) => (key("text"), text(body)),
        Err(_) => {
            let encoded = Base64::encode_to_string(&answer.body).unwrap_or_default();
            (key("base64"), Node::unplaced(Value::Text(encoded)))
        }
    };
    Node::unplaced(Value::Map(vec![
        (key("status"), Node::unplaced(Value::Int(answer.status.into()))),
        (
            key("reason"),
            Node::unplaced(Value::Text(String::from_utf8_lossy(&answer.reason).into_owned())),
        ),
        (key("headers"), Node::unplaced(Value::List(headers))),
        (key("body"), Node::unplaced(Value::Map(vec![body]))),
    ]))
}
