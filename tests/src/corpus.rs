//! Reads the case files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use postern_cli::yaml;
use postern_core::config::decode;

use crate::case::{Case, CaseFile};

/// The folder `tests` of the workspace.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    folder().parent().unwrap_or_else(|| folder())
}

/// Every case of `tests/cases/*.yaml`, files in order of their names.
///
/// # Errors
/// Every mistake in every file, a line each with its place.
pub fn load() -> Result<Vec<Case>, String> {
    cases_of(&folder().join("cases"))
}

/// Cases that have policies of their own.
#[derive(Debug)]
pub struct Set {
    /// The name of its folder.
    pub name: String,
    /// A folder with the policies that take the place of the demo's.
    pub policies: PathBuf,
    /// The cases.
    pub cases: Vec<Case>,
}

/// Every folder of `tests/cases`, in order of their names.
///
/// # Errors
/// Every mistake in every file, a line each with its place.
pub fn sets() -> Result<Vec<Set>, String> {
    let folder = folder().join("cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(&folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let set = |folder: PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let cases = cases_of(&folder).map_err(|e| format!("{name}: {e}"))?;
        Ok(Set { name, policies: folder.join("policies"), cases })
    };
    folders.into_iter().map(set).collect()
}

fn cases_of(folder: &Path) -> Result<Vec<Case>, String> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    let mut mistakes = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        match parse(&text) {
            Ok(found) => cases.extend(found),
            Err(list) => mistakes.extend(list.iter().map(|m| {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                format!("{name}:{m}")
            })),
        }
    }
    let mut names: BTreeMap<&str, u32> = BTreeMap::new();
    for case in &cases {
        *names.entry(case.name.as_str()).or_default() += 1;
    }
    mistakes.extend(
        names.iter().filter(|(_, n)| **n > 1).map(|(name, _)| format!("`{name}` names two cases")),
    );
    if cases.is_empty() && mistakes.is_empty() {
        mistakes.push(format!("{}: no cases", folder.display()));
    }
    if mistakes.is_empty() { Ok(cases) } else { Err(mistakes.join("\n")) }
}

/// Parses one file's text.
///
/// # Errors
/// Every mistake as `line:column: path: message`.
pub fn parse(text: &str) -> Result<Vec<Case>, Vec<String>> {
    let parsed = yaml::parse(text).and_then(|node| decode::<CaseFile>(&node));
    parsed.map(|file| file.cases).map_err(|errors| {
        errors
            .problems()
            .iter()
            .map(|p| format!("{}:{}: {p}", p.span.start.line, p.span.start.column))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::case::json;

    #[test]
    fn the_corpus_is_well_formed() {
        let cases = load().unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert!(cases.len() > 100, "only {} cases", cases.len());
        let sets = sets().unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(
            names,
            ["alone", "candidate", "compat", "limits", "retiring", "rules", "trusted"]
        );
    }

    /// With what was decided, by which rule, and why.
    #[test]
    fn each_reason_of_authz_has_a_case_for_both_runners() {
        let sets = sets().unwrap().into_iter().flat_map(|set| set.cases);
        let cases: Vec<Case> = load().unwrap().into_iter().chain(sets).collect();
        let both = cases.iter().filter(|case| case.only.is_none());
        let shown: BTreeSet<String> = both
            .flat_map(|case| case.expect.decisions.values())
            .filter(|record| {
                ["decision", "rule", "code"].iter().all(|key| record.contains_key(*key))
            })
            .filter_map(|record| json(&record["code"]).as_str().map(str::to_owned))
            .collect();
        for reason in postern_authz::Reason::ALL {
            assert!(shown.contains(reason.code()), "no case shows `{}`", reason.code());
        }
    }

    /// `decision`, `rule` and `code` of `authz`.
    fn judged(case: &Case) -> bool {
        let record = case.expect.decisions.get("authz");
        record.is_some_and(|record| {
            ["decision", "rule", "code"].iter().all(|key| record.contains_key(*key))
        })
    }

    /// The attacks on what is authorized (`cases/README.md`).
    const ON_AUTHORIZATION: std::ops::RangeInclusive<u64> = 15..=28;

    #[test]
    fn each_case_of_authz_says_what_was_decided_by_which_rule_and_why() {
        let of_sets = sets()
            .unwrap()
            .into_iter()
            .filter(|set| ["candidate", "rules", "trusted"].contains(&set.name.as_str()));
        let about_rules = of_sets.flat_map(|set| set.cases);
        let attacks = load().unwrap().into_iter().filter(|case| {
            case.expect.status.get() < 400
                && case.attacks.iter().any(|number| ON_AUTHORIZATION.contains(&number.get()))
        });
        let silent: Vec<String> = about_rules
            .chain(attacks)
            .filter(|case| !judged(case))
            .map(|case| case.name.as_str().to_owned())
            .collect();
        assert_eq!(silent, [""; 0], "each says decision, rule and code of authz");
    }

    #[test]
    fn each_attack_on_what_is_authorized_is_tried_on_envoy() {
        let sets = sets().unwrap().into_iter().flat_map(|set| set.cases);
        let on_envoy = load().unwrap().into_iter().chain(sets).filter(Case::is_for_envoy);
        let tried: BTreeSet<u64> =
            on_envoy.flat_map(|case| case.attacks).map(|number| number.get()).collect();
        let missing: Vec<u64> = ON_AUTHORIZATION.filter(|number| !tried.contains(number)).collect();
        assert_eq!(missing, [0; 0], "attacks without a case on Envoy");
    }

    #[test]
    fn unknown_keys_are_refused_with_their_place() {
        let text = "cases:\n- name: a\n  request: {pth: /}\n  expect: {status: 20}\n";
        assert_eq!(
            parse(text).unwrap_err(),
            [
                "3:13: cases[0].request: unknown key `pth`, did you mean `path`?",
                "4:20: cases[0].expect.status: expected a whole number from 100 to 599, but found 20",
            ]
        );
    }
}
