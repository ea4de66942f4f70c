//! A contract compiled: its pairs as they are sent and compared.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ct_codecs::{Base64, Decoder};
use postern_core::config::{At, Decode, Errors, Node, Problem, Span, Value};

use super::compare::{Body, Recorded};
use super::file::{AnswerPolicy, BodyPolicy, ContractConfig, Given, JsonPolicy, PairPolicy};
use super::json::{Expected, Json};
use super::lines::{Line, Lines, split};
use super::text::{Piece, Values, is_reserved};
use super::wire::Sent;
use crate::finding::Finding;
use crate::yaml;

/// The largest contract in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The most requests that one pair stands for.
const MAX_COMBINATIONS: usize = 1_000;

/// A contract that was read.
#[derive(Debug)]
pub struct Contract {
    /// The pairs, each combination of `each` by itself.
    pub pairs: Vec<Pair>,
    /// The document.
    pub(super) node: Node,
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The name, with its values where it stands for several requests.
    pub name: String,
    /// Its place among the contract's `pairs`.
    pub index: usize,
    /// The line in which it begins.
    pub line: usize,
    /// How long its answer may take.
    pub deadline: Duration,
    pub(super) shown: String,
    pub(super) request: Sent,
    pub(super) answer: Option<Recorded>,
    /// Headers that a record leaves out.
    pub(super) ignore: Vec<String>,
}

impl Contract {
    /// Reads a contract. `set` goes before its own values; `environment` is asked for
    /// those that it does not hold.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn read(
        file: &Path,
        set: &Values,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Contract, Vec<Finding>> {
        let whole = |message: String| vec![Finding::of_file(file, message)];
        let unreadable = |e: std::io::Error| whole(format!("cannot be read: {e}"));
        if std::fs::metadata(file).map_err(unreadable)?.len() > MAX_FILE {
            return Err(whole(format!("the file is larger than {MAX_FILE} bytes")));
        }
        let bytes = std::fs::read(file).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|_| whole("the file is not UTF-8".into()))?;
        Contract::parse(&text, set, environment).map_err(|e| Finding::all_of(file, &e))
    }

    /// The same from a text.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(
        text: &str,
        set: &Values,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Contract, Errors> {
        let node = yaml::parse(text)?;
        let mut errors = Errors::default();
        let pairs = ContractConfig::decode(At::root(&node), &mut errors)
            .map(|file| compile(file, &node, set, environment, &mut errors));
        match pairs {
            Some(pairs) if errors.is_empty() => Ok(Contract { pairs, node }),
            _ => Err(errors),
        }
    }
}

/// Notes a mistake about a part of the document.
fn at(node: Option<&Node>, path: String, message: String) -> Problem {
    Problem { path, span: node.map_or(Span::default(), |n| n.span), message }
}

fn compile(
    file: ContractConfig,
    node: &Node,
    set: &Values,
    environment: &dyn Fn(&str) -> Option<String>,
    errors: &mut Errors,
) -> Vec<Pair> {
    let mut values = Values::new();
    let written = node.get("values");
    for (name, given) in &file.values {
        let place = written.and_then(|v| v.get(name));
        let mut mistake = |message| errors.push(at(place, format!("values.{name}"), message));
        if is_reserved(name) {
            mistake(format!("`${{{name}}}` has a meaning of its own: choose another name"));
        }
        match given {
            Given::Text(text) => {
                values.insert(name.clone(), text.clone());
            }
            Given::Environment(_) if set.contains_key(name) => {}
            Given::Environment(variable) => match environment(variable) {
                Some(value) => {
                    values.insert(name.clone(), value);
                }
                None => mistake(format!("the environment variable `{variable}` is not set")),
            },
        }
    }
    values.extend(set.clone());
    let items = match node.get("pairs").map(|n| &n.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    let mut names = BTreeSet::new();
    let mut pairs = Vec::new();
    for (index, policy) in file.pairs.iter().enumerate() {
        let Some(policy) = &policy.0 else { continue };
        let place = items.get(index);
        let path = format!("pairs[{index}]");
        let name = policy.name.as_str();
        if !names.insert(name.to_owned()) {
            let message = format!("another pair is named `{name}`");
            errors.push(at(place.and_then(|p| p.get("name")), format!("{path}.name"), message));
        }
        let each = place.and_then(|p| p.get("each"));
        let combinations = match combinations(policy, &values) {
            Ok(combinations) => combinations,
            Err(message) => {
                errors.push(at(each, format!("{path}.each"), message));
                continue;
            }
        };
        let line = place.map_or(0, |p| p.span.start.line);
        for (shown, values) in combinations {
            let name = if shown.is_empty() { name.to_owned() } else { format!("{name} ({shown})") };
            let before = errors.problems().len();
            pairs.push(Pair {
                name,
                index,
                line,
                deadline: file.deadline.get(),
                shown: format!("{} {}", policy.request.method, policy.request.target.text),
                request: request(policy, &values, errors),
                answer: policy
                    .answer
                    .as_ref()
                    .map(|a| recorded(a, &file, place, &path, &values, errors)),
                ignore: ignored(&file, policy.answer.as_ref()),
            });
            // The others have the same mistakes.
            if errors.problems().len() > before {
                break;
            }
        }
    }
    pairs
}

/// Every combination of a pair's values, and how it is told from the others.
fn combinations(policy: &PairPolicy, values: &Values) -> Result<Vec<(String, Values)>, String> {
    let mut out = vec![(Vec::new(), values.clone())];
    for (name, each) in &policy.each {
        if is_reserved(name) {
            return Err(format!("`${{{name}}}` has a meaning of its own: choose another name"));
        }
        if each.is_empty() {
            return Err(format!("`{name}` has no values"));
        }
        if out.len() * each.len() > MAX_COMBINATIONS {
            return Err(format!("a pair stands for at most {MAX_COMBINATIONS} requests"));
        }
        let with = |(shown, values): &(Vec<String>, Values), value: &String| {
            let (mut shown, mut values) = (shown.clone(), values.clone());
            shown.push(format!("{name}={value}"));
            values.insert(name.clone(), value.clone());
            (shown, values)
        };
        out = out.iter().flat_map(|one| each.iter().map(move |value| with(one, value))).collect();
    }
    Ok(out.into_iter().map(|(shown, values)| (shown.join(", "), values)).collect())
}

fn request(policy: &PairPolicy, values: &Values, errors: &mut Errors) -> Sent {
    let policy = &policy.request;
    let target = policy.target.filled(values, errors);
    let is_word = |bytes: &[u8]| {
        !bytes.is_empty() && !bytes.iter().any(|b| b.is_ascii_whitespace() || b.is_ascii_control())
    };
    if target.as_deref().is_some_and(|target| !is_word(target)) {
        let message = "a target is not empty, and has no blanks";
        policy.target.error(errors, message.to_owned());
    }
    if !is_word(policy.method.as_bytes()) {
        policy.target.error(errors, "the method is empty, or has blanks".to_owned());
    }
    let lines = policy.headers.iter().filter_map(|line| {
        split(line, errors)?;
        line.filled(values, errors)
    });
    let lines: Vec<Vec<u8>> = lines.collect();
    let body = policy.body.as_ref().and_then(|body| body.filled(values, errors));
    Sent { method: policy.method.clone(), target: target.unwrap_or_default(), lines, body }
}

fn ignored(file: &ContractConfig, answer: Option<&AnswerPolicy>) -> Vec<String> {
    let own = answer.map(|a| a.ignore_headers.as_slice()).unwrap_or_default();
    file.ignore_headers.iter().chain(own).map(|name| name.as_str().to_owned()).collect()
}

fn recorded(
    policy: &AnswerPolicy,
    file: &ContractConfig,
    pair: Option<&Node>,
    path: &str,
    values: &Values,
    errors: &mut Errors,
) -> Recorded {
    let all = policy.headers.iter().filter_map(|line| Line::read(line, values, errors)).collect();
    let lines = Lines {
        all,
        ignore: ignored(file, Some(policy)),
        order: policy.order.unwrap_or(file.order),
        case: policy.case.unwrap_or(file.case),
    };
    let place = pair.and_then(|p| p.get("answer")).and_then(|a| a.get("body"));
    let mut mistake = |message| errors.push(at(place, format!("{path}.answer.body"), message));
    let body = match &policy.body {
        BodyPolicy::Any(_) => Body::Any,
        BodyPolicy::Base64(text) => match Base64::decode_to_vec(text, None) {
            Ok(bytes) => {
                Body::Bytes(Vec::from_iter((!bytes.is_empty()).then_some(Piece::Bytes(bytes))))
            }
            Err(_) => {
                mistake("expected Base64 (RFC 4648 §4)".to_owned());
                Body::Any
            }
        },
        BodyPolicy::Json(json) => match expected(json, values) {
            Ok(body) => body,
            Err(why) => {
                mistake(why);
                Body::Any
            }
        },
        BodyPolicy::Text(text) => Body::Bytes(text.pieces(values, errors)),
    };
    Recorded {
        status: u16::try_from(policy.status.get()).unwrap_or_default(),
        reason: policy.reason.clone(),
        headers: lines,
        body,
    }
}

fn expected(policy: &JsonPolicy, values: &Values) -> Result<Body, String> {
    let json = Json::read(policy.text.as_bytes())
        .map_err(|at| format!("the text is no JSON at byte {at}"))?;
    let pointer = |text: &str| {
        let steps = text.strip_prefix('/').ok_or_else(|| {
            format!("`{}` is no JSON Pointer: it begins with `/`", text.escape_debug())
        })?;
        Ok::<_, String>(
            steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
        )
    };
    let ignore = policy.ignore.iter().map(|p| pointer(p.as_str())).collect::<Result<_, _>>()?;
    Ok(Body::Json { expected: Expected::of(&json, values)?, ignore })
}
