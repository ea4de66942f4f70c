//! Policy files: one filter each, as operators write them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use postern_auth::Auth;
use postern_authz::Authz;
use postern_core::Filter;
use postern_core::config::schema::Schema;
use postern_core::config::{Errors, Node, Problem, Value, parse_json};
use postern_core::filter::Environment;
use postern_legacy_compat::LegacyCompat;
use postern_rate_limit::RateLimit;

use crate::finding::Finding;
use crate::include::{self, Origins};
use crate::{limits, requirements, slips, source, yaml};

/// The largest policy file in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// States that filters publish beside their records, as `postern.<name>`.
const RESERVED: [&str; 3] = ["identity", "path", "refusal"];

/// One of the four filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who is calling?
    Auth,
    /// May they?
    Authz,
    /// How often?
    RateLimit,
    /// What old clients send and expect.
    LegacyCompat,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Auth, Kind::Authz, Kind::RateLimit, Kind::LegacyCompat];

    /// The module's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Auth => Auth::NAME,
            Kind::Authz => Authz::NAME,
            Kind::RateLimit => RateLimit::NAME,
            Kind::LegacyCompat => LegacyCompat::NAME,
        }
    }

    /// Does Envoy have to stop iteration at headers for it?
    #[must_use]
    pub fn holds_bodies(self) -> bool {
        match self {
            Kind::Auth => Auth::HOLDS_BODIES,
            Kind::Authz => Authz::HOLDS_BODIES,
            Kind::RateLimit => RateLimit::HOLDS_BODIES,
            Kind::LegacyCompat => LegacyCompat::HOLDS_BODIES,
        }
    }

    /// The shape of its policy.
    #[must_use]
    pub fn schema(self) -> Schema {
        match self {
            Kind::Auth => Auth::schema(),
            Kind::Authz => Authz::schema(),
            Kind::RateLimit => RateLimit::schema(),
            Kind::LegacyCompat => LegacyCompat::schema(),
        }
    }

    fn configure(self, policy: &Node, environment: &Environment<'_>) -> Result<(), Errors> {
        match self {
            Kind::Auth => Auth::configure(policy, environment).map(drop),
            Kind::Authz => Authz::configure(policy, environment).map(drop),
            Kind::RateLimit => RateLimit::configure(policy, environment).map(drop),
            Kind::LegacyCompat => LegacyCompat::configure(policy, environment).map(drop),
        }
    }
}

/// A policy file that was read.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The file.
    pub file: PathBuf,
    /// The plugin's name: the file's stem.
    pub plugin: String,
    /// The filter it is for.
    pub kind: Kind,
    /// The policy without the keys `filter` and `include`, what it includes in
    /// place.
    pub node: Node,
    /// Which parts of it stand in which included file.
    pub origins: Origins,
}

/// A policy that its filter takes.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The policy.
    pub policy: Policy,
    /// The environment variables that it reads, sorted.
    pub environment: Vec<String>,
    /// What it says in vain.
    pub warnings: Vec<Finding>,
}

impl Policy {
    /// Where its first provider stands that knows callers by their certificate.
    pub(crate) fn certificates(&self) -> Option<String> {
        let Value::Map(providers) = &self.node.get("providers")?.value else { return None };
        let found = providers.iter().find(|(_, node)| node.get("certificate").is_some())?;
        let file = self.file.file_name().unwrap_or_default().to_string_lossy();
        (self.kind == Kind::Auth).then(|| format!("`providers.{}` of `{file}`", found.0.text))
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// What keeps it from being read.
    pub fn read(file: &Path) -> Result<Policy, Vec<Finding>> {
        Policy::of_file(file, document(file)?)
    }

    /// The policy that was read from a file.
    pub(crate) fn of_file(file: &Path, document: Node) -> Result<Policy, Vec<Finding>> {
        let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        Policy::new(file, stem, document)
    }

    /// Parses a policy's text; `plugin` is the name that it is mounted under.
    ///
    /// # Errors
    /// What keeps it from being read.
    pub fn parse(file: &Path, plugin: &str, text: &str) -> Result<Policy, Vec<Finding>> {
        Policy::new(file, plugin, yaml::parse(text).map_err(|e| Finding::all_of(file, &e))?)
    }

    fn new(file: &Path, plugin: &str, mut node: Node) -> Result<Policy, Vec<Finding>> {
        let kind = take_kind(&mut node, plugin).map_err(|e| Finding::all_of(file, &e))?;
        let good = !plugin.is_empty()
            && plugin.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !good {
            let message = "the file's name names the plugin: expected `a-z`, `0-9` and `-`";
            return Err(vec![Finding::of_file(file, message)]);
        }
        if RESERVED.contains(&plugin) {
            let message =
                format!("`{plugin}` cannot name a plugin: filters share a state of that name");
            return Err(vec![Finding::of_file(file, message)]);
        }
        let origins = match kind {
            Kind::Authz => include::resolve(file, &mut node)?,
            Kind::Auth | Kind::RateLimit | Kind::LegacyCompat => Origins::default(),
        };
        Ok(Policy { file: file.to_owned(), plugin: plugin.to_owned(), kind, node, origins })
    }

    /// Has the filter itself compile the policy.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn check(self, environment: &Environment<'_>) -> Result<Checked, Vec<Finding>> {
        let asked = RefCell::new(BTreeSet::new());
        let recording = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            environment(name)
        };
        self.kind.configure(&self.node, &recording).map_err(|e| self.findings(&e))?;
        let warnings = self.review()?;
        // As the filter gets it: depth counts anew where an alias was.
        parse_json(self.node.to_json().as_bytes())
            .map_err(|_| vec![Finding::of_file(&self.file, "the policy is nested too deeply")])?;
        let environment = asked.into_inner().into_iter().collect();
        Ok(Checked { environment, warnings, policy: self })
    }

    /// The mistakes of the policy, each in the file where it stands.
    #[must_use]
    pub fn findings(&self, errors: &Errors) -> Vec<Finding> {
        self.origins.findings(&self.file, errors)
    }

    /// What it says in vain.
    fn review(&self) -> Result<Vec<Finding>, Vec<Finding>> {
        let mut slips = slips::slips(&self.node);
        let in_vain = match self.kind {
            Kind::Auth => requirements::in_vain(&self.node),
            Kind::RateLimit => limits::in_vain(&self.node),
            Kind::Authz | Kind::LegacyCompat => Errors::default(),
        };
        in_vain.problems().iter().for_each(|p| slips.push(p.clone()));
        if self.kind != Kind::Authz {
            return Ok(self.findings(&slips));
        }
        let review = postern_authz::review::review(&self.node).map_err(|e| self.findings(&e))?;
        let errors = self.findings(&review.errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let doubtful = source::doubtful(&self.node);
        for problem in review.warnings.problems().iter().chain(doubtful.problems()) {
            slips.push(problem.clone());
        }
        Ok(self.findings(&slips))
    }
}

impl Checked {
    /// The text that the filter gets: one line of JSON.
    #[must_use]
    pub fn rendered(&self) -> String {
        self.policy.node.to_json()
    }
}

/// Reads a policy file and returns its document alone.
///
/// # Errors
/// What keeps it from being read.
pub fn load(file: &Path) -> Result<Node, Vec<Finding>> {
    Policy::read(file).map(|policy| policy.node)
}

/// What stands in a file, whether a policy or a bootstrap.
pub(crate) fn document(file: &Path) -> Result<Node, Vec<Finding>> {
    let whole = |message: String| vec![Finding::of_file(file, message)];
    let size = std::fs::metadata(file).map_err(|e| whole(unreadable(&e)))?.len();
    if size > MAX_FILE {
        return Err(whole(format!("the file is larger than {MAX_FILE} bytes")));
    }
    let bytes = std::fs::read(file).map_err(|e| whole(unreadable(&e)))?;
    let text = String::from_utf8(bytes).map_err(|_| whole("the file is not UTF-8".to_owned()))?;
    yaml::parse(&text).map_err(|e| Finding::all_of(file, &e))
}

/// The policy files of a folder, or the file itself; sorted by name.
///
/// # Errors
/// When there is none.
pub fn files_of(path: &Path) -> Result<Vec<PathBuf>, Vec<Finding>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries =
        std::fs::read_dir(path).map_err(|e| vec![Finding::of_file(path, unreadable(&e))])?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| {
            let hidden = file.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
            let extension = file.extension().and_then(|e| e.to_str());
            !hidden && matches!(extension, Some("yaml" | "yml" | "json"))
        })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(vec![Finding::of_file(path, "no policy file (`*.yaml`) in this folder")]);
    }
    Ok(files)
}

/// The text of a node, if it is one.
pub(crate) fn text_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn unreadable(error: &std::io::Error) -> String {
    format!("cannot be read: {error}")
}

/// Takes the key `filter` out; without it the plugin's name names the filter.
fn take_kind(node: &mut Node, plugin: &str) -> Result<Kind, Errors> {
    let span = node.span;
    let mut errors = Errors::default();
    let Value::Map(entries) = &mut node.value else {
        let message = format!("expected a mapping, but found {}", node.kind());
        errors.push(Problem { path: String::new(), span, message });
        return Err(errors);
    };
    let is_part = entries.iter().all(|(k, _)| matches!(k.text.as_str(), "rules" | "sets"));
    let named = entries.iter().position(|(k, _)| k.text == "filter").map(|at| entries.remove(at).1);
    let (name, path, span) = match &named {
        Some(Node { value: Value::Text(name), span }) => (name.as_str(), "filter", *span),
        Some(other) => ("", "filter", other.span),
        None => (plugin, "", span),
    };
    Kind::ALL.into_iter().find(|k| k.name() == name).ok_or_else(|| {
        let expected = "expected `auth`, `authz`, `rate-limit` or `legacy-compat`";
        let message = match named {
            Some(_) => expected.to_owned(),
            None => {
                let part = if is_part {
                    "; is it an included file? Then check the policy that includes it"
                } else {
                    ""
                };
                format!("`{plugin}` is no filter: name one by the key `filter`, {expected}{part}")
            }
        };
        errors.push(Problem { path: path.to_owned(), span, message });
        errors
    })
}
