//! Policies of several files: `include: [a.yaml, b.yaml]` of an authz policy.
//! Their rules come in the order of the files, and then the policy's own; names
//! of sets and rules are unique among all of them. The filter gets one policy.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use postern_core::config::{Errors, Key, Node, Problem, Span, Value};

use crate::finding::Finding;
use crate::policy::text_of;
use crate::yaml;

/// The most files that one policy takes in.
const MAX_FILES: usize = 64;

/// Which parts of a merged policy stand in which file.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    file: PathBuf,
    rules: Range<usize>,
    sets: BTreeSet<(String, String)>,
}

impl Origins {
    /// The included files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().map(|part| part.file.as_path()).skip(1)
    }

    /// The mistakes of the merged document, each in the file where it stands.
    /// Without included files, all are `file`'s.
    #[must_use]
    pub fn findings(&self, file: &Path, errors: &Errors) -> Vec<Finding> {
        if self.parts.is_empty() {
            return Finding::all_of(file, errors);
        }
        let mut own: Vec<Errors> = self.parts.iter().map(|_| Errors::default()).collect();
        for problem in errors.problems() {
            let at = self.of(&problem.path).unwrap_or(0);
            // A candidate stands in the policy's own file, and counts for itself.
            let is_own = problem.path.starts_with("candidate");
            let local = |text: &str| if is_own { text.to_owned() } else { self.local(text, at) };
            let (path, message) = (local(&problem.path), local(&problem.message));
            if let Some(errors) = own.get_mut(at) {
                errors.push(Problem { path, message, span: problem.span });
            }
        }
        let parts = self.parts.iter().zip(&own);
        parts.flat_map(|(part, errors)| Finding::all_of(&part.file, errors)).collect()
    }

    /// The part in which a path of the merged policy stands.
    fn of(&self, path: &str) -> Option<usize> {
        if let Some(rule) = rule_index(path) {
            return self.parts.iter().position(|part| part.rules.contains(&rule));
        }
        let mut steps = path.strip_prefix("sets.")?.splitn(2, '.');
        let (kind, rest) = (steps.next()?, steps.next()?);
        // Names may have dots, and what follows one begins with `.` or `[`.
        let is = |name: &str| {
            rest.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with(['.', '[']))
        };
        let has = |part: &Part| part.sets.iter().any(|(k, name)| k == kind && is(name));
        self.parts.iter().position(has)
    }

    /// Indices of the merged policy as those of the file; of another file's
    /// rules, which.
    fn local(&self, text: &str, at: usize) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("rules[") {
            out.push_str(before);
            let digits = after.split(']').next().unwrap_or_default();
            let rule = digits.parse().ok();
            let part = rule.and_then(|r| self.parts.iter().position(|p| p.rules.contains(&r)));
            match rule.zip(part.and_then(|i| Some((i, self.parts.get(i)?)))) {
                Some((rule, (i, part))) => {
                    out.push_str(&format!("rules[{}]", rule - part.rules.start));
                    if i != at {
                        out.push_str(&format!(" of {}", part.file.display()));
                    }
                }
                None => out.push_str(&format!("rules[{digits}]")),
            }
            rest = after.split_once(']').map_or("", |(_, rest)| rest);
        }
        out + rest
    }
}

fn rule_index(path: &str) -> Option<usize> {
    path.strip_prefix("rules[")?.split(']').next()?.parse().ok()
}

/// Takes the key `include` out and what it names in.
///
/// # Errors
/// What keeps a file from being taken in.
pub fn resolve(file: &Path, node: &mut Node) -> Result<Origins, Vec<Finding>> {
    let Value::Map(entries) = &mut node.value else { return Ok(Origins::default()) };
    let Some(at) = entries.iter().position(|(key, _)| key.text == "include") else {
        return Ok(Origins::default());
    };
    let (_, list) = entries.remove(at);
    let mut findings = Vec::new();
    let names = names_of(file, &list, &mut findings);
    let mut merged = Merged::default();
    let mut seen = BTreeSet::new();
    // The policy itself is the first part, so that what has no other place is its.
    let mut parts = vec![Part { file: file.to_owned(), rules: 0..0, sets: BTreeSet::new() }];
    for (name, span) in names {
        let path = file.parent().unwrap_or(Path::new("")).join(name);
        if !seen.insert(path.clone()) {
            findings.push(at_include(file, span, format!("`{name}` is included already")));
            continue;
        }
        match read(&path, file, span) {
            Ok(included) => match merged.add(&path, included) {
                Ok(part) => parts.push(part),
                Err(mut found) => findings.append(&mut found),
            },
            Err(mut found) => findings.append(&mut found),
        }
    }
    let own = Node { span: node.span, value: Value::Map(take_both(entries)) };
    match merged.add(file, own) {
        Ok(part) => {
            if let Some(first) = parts.first_mut() {
                *first = part;
            }
        }
        Err(mut found) => findings.append(&mut found),
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    entries.extend(merged.entries(node.span));
    Ok(Origins { parts })
}

fn names_of<'n>(file: &Path, list: &'n Node, findings: &mut Vec<Finding>) -> Vec<(&'n str, Span)> {
    const EXPECTED: &str = "expected a list of files beside this one, such as `authz/sales.yaml`";
    let items = match &list.value {
        Value::List(items) if (1..=MAX_FILES).contains(&items.len()) => items.as_slice(),
        _ => {
            findings.push(at_include(file, list.span, format!("{EXPECTED}, at most {MAX_FILES}")));
            &[]
        }
    };
    let mut names = Vec::new();
    for item in items {
        match text_of(item).filter(|name| !name.is_empty()) {
            Some(name) => names.push((name, item.span)),
            None => findings.push(at_include(file, item.span, EXPECTED)),
        }
    }
    names
}

fn at_include(file: &Path, span: Span, message: impl Into<String>) -> Finding {
    Finding { span, path: "include".to_owned(), ..Finding::of_file(file, message) }
}

fn read(path: &Path, from: &Path, span: Span) -> Result<Node, Vec<Finding>> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        vec![at_include(from, span, format!("`{}` cannot be read: {e}", path.display()))]
    })?;
    yaml::parse(&text).map_err(|e| Finding::all_of(path, &e))
}

/// The entries `sets` and `rules`, taken out.
fn take_both(entries: &mut Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    let (both, rest) = std::mem::take(entries).into_iter().partition(|(k, _)| is_shared(&k.text));
    *entries = rest;
    both
}

fn is_shared(key: &str) -> bool {
    matches!(key, "sets" | "rules")
}

/// What was taken in so far.
#[derive(Default)]
struct Merged {
    rules: Vec<Node>,
    sets: Vec<(Key, Node)>,
    named: Vec<((String, String), PathBuf)>,
}

impl Merged {
    fn add(&mut self, file: &Path, node: Node) -> Result<Part, Vec<Finding>> {
        let mut findings = Vec::new();
        let whole = |span, path: &str, message: String| Finding {
            span,
            path: path.to_owned(),
            ..Finding::of_file(file, message)
        };
        let start = self.rules.len();
        let mut names = BTreeSet::new();
        let span = node.span;
        let Value::Map(entries) = node.value else {
            return Err(vec![whole(span, "", "expected a mapping with `sets` and `rules`".into())]);
        };
        for (key, node) in entries {
            match (key.text.as_str(), node.value) {
                ("rules", Value::List(items)) => self.rules.extend(items),
                ("sets", Value::Map(kinds)) => {
                    for (kind, sets) in kinds {
                        self.add_sets(file, kind, sets, &mut names, &mut findings);
                    }
                }
                ("rules", _) => findings.push(whole(node.span, "rules", "expected a list".into())),
                ("sets", _) => findings.push(whole(node.span, "sets", "expected a mapping".into())),
                (other, _) => {
                    let other: String =
                        other.chars().filter(|c| !c.is_control()).take(40).collect();
                    let message =
                        format!("unknown key `{other}`, an included file has `sets` and `rules`");
                    findings.push(whole(key.span, "", message));
                }
            }
        }
        if findings.is_empty() {
            Ok(Part { file: file.to_owned(), rules: start..self.rules.len(), sets: names })
        } else {
            Err(findings)
        }
    }

    fn add_sets(
        &mut self,
        file: &Path,
        kind: Key,
        sets: Node,
        names: &mut BTreeSet<(String, String)>,
        findings: &mut Vec<Finding>,
    ) {
        let Value::Map(entries) = sets.value else {
            let path = format!("sets.{}", kind.text);
            findings.push(Finding {
                span: sets.span,
                path,
                ..Finding::of_file(file, "expected a mapping")
            });
            return;
        };
        for (key, _) in &entries {
            let named = (kind.text.clone(), key.text.clone());
            if let Some((_, first)) = self.named.iter().find(|(n, f)| *n == named && f != file) {
                let message =
                    format!("`{}` is the name of a set of {} already", key.text, first.display());
                findings.push(Finding {
                    span: key.span,
                    path: format!("sets.{}", kind.text),
                    ..Finding::of_file(file, message)
                });
            }
            self.named.push((named.clone(), file.to_owned()));
            names.insert(named);
        }
        let same = self.sets.iter_mut().find(|(own, _)| own.text == kind.text);
        match same.map(|(_, node)| &mut node.value) {
            Some(Value::Map(own)) => own.extend(entries),
            _ => self.sets.push((kind, Node { span: sets.span, value: Value::Map(entries) })),
        }
    }

    fn entries(self, span: Span) -> Vec<(Key, Node)> {
        let entry = |text: &str, value| (Key { span, text: text.to_owned() }, Node { span, value });
        let sets = (!self.sets.is_empty()).then(|| entry("sets", Value::Map(self.sets)));
        sets.into_iter().chain([entry("rules", Value::List(self.rules))]).collect()
    }
}
