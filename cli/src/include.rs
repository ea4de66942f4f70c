//! Policies of several files: `include: [a.yaml, b.yaml]` of an authz policy, and of its
//! candidate. Their rules come in the order of the files, and then the policy's own;
//! names of sets and rules are unique among all of them, in the candidate apart from the
//! current ones. The filter gets one policy.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use postern_core::config::{Errors, Key, Node, Problem, Span, Value};

use crate::finding::Finding;
use crate::policy::text_of;
use crate::yaml;

/// The most files that one policy takes in, and its candidate.
pub(crate) const MAX_FILES: usize = 64;

/// Where a candidate stands in a policy.
const CANDIDATE: &str = "candidate";

/// Which parts of a merged policy stand in which file.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    current: Parts,
    candidate: Parts,
}

/// Those of one list of rules; the policy's own file is the first. Empty: it includes
/// none.
#[derive(Clone, Debug, Default)]
struct Parts(Vec<Part>);

#[derive(Clone, Debug)]
struct Part {
    file: PathBuf,
    rules: Range<usize>,
    sets: BTreeSet<(String, String)>,
}

impl Origins {
    /// The mistakes of the merged document, each in the file where it stands.
    /// Without included files, all are `file`'s.
    #[must_use]
    pub fn findings(&self, file: &Path, errors: &Errors) -> Vec<Finding> {
        let mut files: Vec<(&Path, Errors)> = vec![(file, Errors::default())];
        let current = self.current.0.iter().skip(1);
        for part in current.chain(self.candidate.0.iter().skip(1)) {
            if files.iter().all(|(known, _)| *known != part.file) {
                files.push((&part.file, Errors::default()));
            }
        }
        for problem in errors.problems() {
            let (at, problem) = self.placed(file, problem);
            if let Some((_, own)) = files.iter_mut().find(|(known, _)| *known == at) {
                own.push(problem);
            }
        }
        files.iter().flat_map(|(file, errors)| Finding::all_of(file, errors)).collect()
    }

    /// The file of a mistake, and what it says there.
    fn placed<'o>(&'o self, file: &'o Path, problem: &Problem) -> (&'o Path, Problem) {
        let Problem { path, span, message } = problem;
        let candidate = path.strip_prefix(CANDIDATE).and_then(|rest| rest.strip_prefix('.'));
        let (parts, path) = match candidate {
            Some(rest) => (&self.candidate, rest),
            // The policy's own, or what is said of the candidate as a whole.
            None => (&self.current, path.as_str()),
        };
        let at = parts.of(path).unwrap_or(0);
        let (path, message) = (parts.local(path, at), parts.local(message, at));
        let path = match candidate {
            Some(_) if at == 0 => format!("{CANDIDATE}.{path}"),
            _ => path,
        };
        let file = parts.0.get(at).map_or(file, |part| part.file.as_path());
        (file, Problem { path, message, span: *span })
    }
}

impl Parts {
    /// The part in which a path of the merged policy stands.
    fn of(&self, path: &str) -> Option<usize> {
        if let Some(rule) = rule_index(path) {
            return self.0.iter().position(|part| part.rules.contains(&rule));
        }
        let mut steps = path.strip_prefix("sets.")?.splitn(2, '.');
        let (kind, rest) = (steps.next()?, steps.next()?);
        // Names may have dots, and what follows one begins with `.` or `[`.
        let is = |name: &str| {
            rest.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with(['.', '[']))
        };
        let has = |part: &Part| part.sets.iter().any(|(k, name)| k == kind && is(name));
        self.0.iter().position(has)
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
            let part = rule.and_then(|r| self.0.iter().position(|p| p.rules.contains(&r)));
            match rule.zip(part.and_then(|i| Some((i, self.0.get(i)?)))) {
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

/// Takes the keys `include` out, of the policy and of its candidate, and what they name
/// in.
///
/// # Errors
/// What keeps a file from being taken in.
pub fn resolve(file: &Path, node: &mut Node) -> Result<Origins, Vec<Finding>> {
    let mut findings = Vec::new();
    let current = resolve_in(Place { file, within: "" }, node, &mut findings);
    let own = match &mut node.value {
        Value::Map(entries) => entries.iter_mut().find(|(key, _)| key.text == CANDIDATE),
        _ => None,
    };
    let within = Place { file, within: CANDIDATE };
    let candidate = own.map(|(_, node)| resolve_in(within, node, &mut findings));
    if findings.is_empty() {
        Ok(Origins { current, candidate: candidate.unwrap_or_default() })
    } else {
        Err(findings)
    }
}

/// A mapping that may include files: of which file, and where in it.
#[derive(Clone, Copy)]
struct Place<'p> {
    file: &'p Path,
    within: &'static str,
}

impl Place<'_> {
    fn finding(self, span: Span, key: &str, message: impl Into<String>) -> Finding {
        let path: Vec<&str> = [self.within, key].into_iter().filter(|s| !s.is_empty()).collect();
        Finding { span, path: path.join("."), ..Finding::of_file(self.file, message) }
    }
}

fn resolve_in(place: Place<'_>, node: &mut Node, findings: &mut Vec<Finding>) -> Parts {
    let Value::Map(entries) = &mut node.value else { return Parts::default() };
    let Some(at) = entries.iter().position(|(key, _)| key.text == "include") else {
        return Parts::default();
    };
    let (_, list) = entries.remove(at);
    let names = names_of(place, &list, findings);
    let mut merged = Merged::default();
    let mut seen = BTreeSet::new();
    // The policy itself is the first part, so that what has no other place is its.
    let mut parts = vec![Part { file: place.file.to_owned(), rules: 0..0, sets: BTreeSet::new() }];
    for (name, span) in names {
        if name.contains(['*', '?']) {
            let message = format!("`{name}`: patterns are not followed, name each file");
            findings.push(place.finding(span, "include", message));
            continue;
        }
        if !is_beside(Path::new(name)) {
            let message = format!("`{name}`: {EXPECTED}");
            findings.push(place.finding(span, "include", message));
            continue;
        }
        let path = place.file.parent().unwrap_or(Path::new("")).join(name);
        if !seen.insert(path.clone()) {
            let message = format!("`{name}` is included already");
            findings.push(place.finding(span, "include", message));
            continue;
        }
        let included = Place { file: &path, within: "" };
        let part = read(&path, place, span).and_then(|node| merged.add(included, node));
        match part {
            Ok(part) => parts.push(part),
            Err(mut found) => findings.append(&mut found),
        }
    }
    let own = Node { span: node.span, value: Value::Map(take_both(entries)) };
    match merged.add(place, own) {
        Ok(part) => {
            if let Some(first) = parts.first_mut() {
                *first = part;
            }
        }
        Err(mut found) => findings.append(&mut found),
    }
    entries.extend(merged.entries(node.span));
    Parts(parts)
}

const EXPECTED: &str = "expected a list of files beside this one, such as `authz/sales.yaml`";

/// Beside the policy, or in a folder there: whoever checks a policy of somebody else shows
/// that one no file of his own.
fn is_beside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn names_of<'n>(
    place: Place<'_>,
    list: &'n Node,
    findings: &mut Vec<Finding>,
) -> Vec<(&'n str, Span)> {
    let items = match &list.value {
        Value::List(items) if (1..=MAX_FILES).contains(&items.len()) => items.as_slice(),
        _ => {
            let message = format!("{EXPECTED}, at most {MAX_FILES}");
            findings.push(place.finding(list.span, "include", message));
            &[]
        }
    };
    let mut names = Vec::new();
    for item in items {
        match text_of(item).filter(|name| !name.is_empty()) {
            Some(name) => names.push((name, item.span)),
            None => findings.push(place.finding(item.span, "include", EXPECTED)),
        }
    }
    names
}

fn read(path: &Path, from: Place<'_>, span: Span) -> Result<Node, Vec<Finding>> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        let message = format!("`{}` cannot be read: {e}", path.display());
        vec![from.finding(span, "include", message)]
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
    fn add(&mut self, place: Place<'_>, node: Node) -> Result<Part, Vec<Finding>> {
        let mut findings = Vec::new();
        let start = self.rules.len();
        let mut names = BTreeSet::new();
        let span = node.span;
        let Value::Map(entries) = node.value else {
            let message = "expected a mapping with `sets` and `rules`";
            return Err(vec![place.finding(span, "", message)]);
        };
        for (key, node) in entries {
            match (key.text.as_str(), node.value) {
                ("rules", Value::List(items)) => self.rules.extend(items),
                ("sets", Value::Map(kinds)) => {
                    for (kind, sets) in kinds {
                        self.add_sets(place, kind, sets, &mut names, &mut findings);
                    }
                }
                ("rules", _) => findings.push(place.finding(node.span, "rules", "expected a list")),
                ("sets", _) => {
                    findings.push(place.finding(node.span, "sets", "expected a mapping"));
                }
                (other, _) => {
                    let other: String =
                        other.chars().filter(|c| !c.is_control()).take(40).collect();
                    let message =
                        format!("unknown key `{other}`, an included file has `sets` and `rules`");
                    findings.push(place.finding(key.span, "", message));
                }
            }
        }
        if findings.is_empty() {
            let file = place.file.to_owned();
            Ok(Part { file, rules: start..self.rules.len(), sets: names })
        } else {
            Err(findings)
        }
    }

    fn add_sets(
        &mut self,
        place: Place<'_>,
        kind: Key,
        sets: Node,
        names: &mut BTreeSet<(String, String)>,
        findings: &mut Vec<Finding>,
    ) {
        let path = format!("sets.{}", kind.text);
        let Value::Map(entries) = sets.value else {
            findings.push(place.finding(sets.span, &path, "expected a mapping"));
            return;
        };
        for (key, _) in &entries {
            let named = (kind.text.clone(), key.text.clone());
            if let Some((_, first)) =
                self.named.iter().find(|(n, f)| *n == named && f != place.file)
            {
                let message =
                    format!("`{}` is the name of a set of {} already", key.text, first.display());
                findings.push(place.finding(key.span, &path, message));
            }
            self.named.push((named.clone(), place.file.to_owned()));
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
