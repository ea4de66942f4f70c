//! The demo's policy with a candidate.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::client::PATIENCE;
use crate::drill::load::PRIVATE;
use crate::gateway::{Gateway, wait_for};

/// Where Envoy counts the policies that it took.
const DISCOVERY: &str = "extension_config_discovery.http_filter";

/// A candidate of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// The current rules.
    Same,
    /// Only those for everybody: every private request is refused.
    NothingPrivate,
    /// The current rules, and rules that deny what the attackers of the drill ask,
    /// which the current ones do not allow either.
    OtherwiseToAttackers,
    /// The current rules, and one that denies half of the callers what is private.
    NotHalfOfThem,
}

impl Candidate {
    /// What it has before the current rules.
    fn own_rules(self) -> String {
        let paths = PRIVATE.join(", ");
        match self {
            Candidate::Same | Candidate::NothingPrivate => String::new(),
            Candidate::OtherwiseToAttackers => format!(
                "
  - name: no-such-version
    effect: deny
    match: {{paths: [/v9/**]}}
    subject: anyone
  - name: not-them
    effect: deny
    match: {{paths: [{paths}]}}
    subject: identified
    when: identity.subject.startsWith('mallory-')
"
            ),
            Candidate::NotHalfOfThem => format!(
                "
  - name: not-the-even
    effect: deny
    match: {{paths: [{paths}]}}
    subject: identified
    when: \"['0', '2', '4', '6', '8'].exists(n, identity.subject.endsWith(n))\"
"
            ),
        }
    }

    fn keeps(self, rule: &str) -> bool {
        self != Candidate::NothingPrivate || rule.contains("subject: anyone")
    }
}

/// Rules of a large policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// Under some hundred segments, with a capture here and there.
    Paths,
    /// Each with a pattern of its own, all in one place.
    Patterns,
}

impl Many {
    fn path(self, n: usize) -> String {
        match (self, n % 3) {
            (Many::Patterns, _) => format!("/large/{{id}}.t{n}"),
            (Many::Paths, 0) => format!("/large/s{}/r{}/a{n}", n / 100, n / 10),
            (Many::Paths, 1) => format!("/large/s{}/r{}/{{id}}/a{n}", n / 100, n / 10),
            (Many::Paths, _) => format!("/large/s{}/r{}/{{id}}/a{n}/**", n / 100, n / 10),
        }
    }
}

/// The limit of an address, until it is as it was: once dropped.
#[derive(Debug)]
pub struct Addresses<'g> {
    gateway: &'g Gateway,
    file: PathBuf,
    original: String,
}

/// Attackers and callers have one address here, and what is drilled is not its limit:
/// lets all of them come as far as `auth`.
///
/// # Errors
/// When the demo's policy has changed, or is not taken.
pub fn without_addresses(gateway: &Gateway) -> Result<Addresses<'_>, String> {
    const LIMIT: &str = "\n    burst: 6000\n";
    let file = gateway.policies.join("rate-limit-address.yaml");
    let original = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    if original.matches(LIMIT).count() != 1 {
        return Err(format!("{}: the drill does not find the limit", file.display()));
    }
    let exempt = "overrides: [{callers: {addresses: [127.0.0.1]}, limit: unlimited}]";
    let policy = original.replace(LIMIT, &format!("{LIMIT}    {exempt}\n"));
    let taken = || gateway.stat(&format!("{DISCOVERY}.rate-limit-address.config_reload"));
    let before = taken()?;
    let addresses = Addresses { gateway, file, original };
    addresses.put(&policy)?;
    wait_for(PATIENCE, || taken().ok().filter(|now| *now > before))
        .ok_or("the limit of addresses is not lifted")?;
    Ok(addresses)
}

impl Addresses<'_> {
    fn put(&self, policy: &str) -> Result<(), String> {
        fs::write(&self.file, policy).map_err(|e| format!("{}: {e}", self.file.display()))?;
        self.gateway.apply()
    }
}

impl Drop for Addresses<'_> {
    fn drop(&mut self) {
        if let Err(e) = self.put(&self.original) {
            eprintln!("{}: {e}", self.file.display());
        }
    }
}

/// The policy of `authz`, with candidates; as it was, once dropped.
#[derive(Debug)]
pub struct Rollout<'g> {
    gateway: &'g Gateway,
    file: PathBuf,
    original: String,
    /// What a candidate is put beside.
    base: String,
}

impl<'g> Rollout<'g> {
    /// Of the demo, which has none.
    ///
    /// # Errors
    /// When its policy cannot be read.
    pub fn of(gateway: &'g Gateway) -> Result<Self, String> {
        let file = gateway.policies.join("authz.yaml");
        let original = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok(Rollout { gateway, file, base: original.clone(), original })
    }

    /// With this rule counted, from now on.
    ///
    /// # Errors
    /// When it is not there.
    pub fn counting(mut self, rule: &str) -> Result<Self, String> {
        let name = format!("\n  - name: {rule}\n");
        if self.original.matches(&name).count() != 1 {
            return Err(format!("no rule `{rule}`"));
        }
        self.base = self.base.replace(&name, &format!("{name}    counted: true\n"));
        Ok(self)
    }

    /// Saves it with a candidate, of which `how` says the rest (lines of YAML),
    /// and applies it; when the save began and the command had ended.
    ///
    /// # Errors
    /// What `postern apply` says.
    pub fn save(&self, candidate: Candidate, how: &str) -> Result<[Instant; 2], String> {
        self.put(&with_candidate(&self.base, candidate, how)?)
    }

    /// The same with the current rules as the candidate, and another name for the
    /// rule `whoami` of both: its own and this.
    ///
    /// # Errors
    /// What `postern apply` says.
    pub fn save_renamed(&self, name: &str, how: &str) -> Result<[Instant; 2], String> {
        self.put(&with_candidate(&self.renamed(name)?, Candidate::Same, how)?)
    }

    /// So renamed, without a candidate, and with so many further rules behind its own.
    ///
    /// # Errors
    /// What `postern apply` says.
    pub fn save_large(&self, name: &str, rules: usize) -> Result<[Instant; 2], String> {
        self.save_many(name, rules, Many::Paths)
    }

    /// The same with further rules of a kind.
    ///
    /// # Errors
    /// What `postern apply` says.
    pub fn save_many(&self, name: &str, rules: usize, many: Many) -> Result<[Instant; 2], String> {
        self.put(&with_many(self.renamed(name)?, rules, many))
    }

    /// So many further rules, and a candidate beside them.
    ///
    /// # Errors
    /// What `postern apply` says.
    pub fn save_large_with(
        &self,
        rules: usize,
        candidate: Candidate,
        how: &str,
    ) -> Result<[Instant; 2], String> {
        let text = with_many(self.original.clone(), rules, Many::Paths);
        self.put(&with_candidate(&text, candidate, how)?)
    }

    /// As the demo has it.
    ///
    /// # Errors
    /// What `postern apply` says.
    pub fn save_original(&self) -> Result<[Instant; 2], String> {
        self.put(&self.original)
    }

    fn renamed(&self, name: &str) -> Result<String, String> {
        let old = "\n  - name: whoami\n";
        if self.original.matches(old).count() != 1 {
            return Err("no rule `whoami`".to_owned());
        }
        Ok(self.original.replace(old, &format!("\n  - name: whoami-{name}\n")))
    }

    fn put(&self, text: &str) -> Result<[Instant; 2], String> {
        let begun = Instant::now();
        fs::write(&self.file, text).map_err(|e| format!("{}: {e}", self.file.display()))?;
        self.gateway.apply()?;
        Ok([begun, Instant::now()])
    }
}

fn with_many(mut policy: String, rules: usize, many: Many) -> String {
    for n in 0..rules {
        policy += &format!(
            "  - name: large-{n}\n    match: {{methods: [GET], paths: ['{}']}}\n    \
             subject: {{any_scope: [large:read]}}\n",
            many.path(n)
        );
    }
    policy
}

fn with_candidate(policy: &str, candidate: Candidate, how: &str) -> Result<String, String> {
    let (_, rules) = policy.split_once("\nrules:\n").ok_or("no `rules`")?;
    let mut items = rules.split("\n  - name: ");
    let mut text = items.next().unwrap_or_default().to_owned() + &candidate.own_rules();
    for item in items.filter(|item| candidate.keeps(item)) {
        text += &format!("\n  - name: {item}");
    }
    let indented = |text: &str| -> String { text.lines().map(|l| format!("  {l}\n")).collect() };
    Ok(format!("{policy}\ncandidate:\n{}  rules:\n{}", indented(how), indented(&text)))
}

impl Drop for Rollout<'_> {
    fn drop(&mut self) {
        if let Err(e) = self.put(&self.original) {
            eprintln!("{}: {e}", self.file.display());
        }
    }
}
