//! `envoy/envoy.yaml` for this run. The file is stock YAML that serves in a
//! container; a value whose line ends in `# = TEMPLATE` becomes TEMPLATE with its
//! `${VARIABLES}` filled in.

use std::fs;
use std::path::PathBuf;

use crate::Result;
use crate::settings::Settings;

/// The mark between a line and its template.
const MARK: &str = "# = ";

/// Renders the bootstrap, which is checked by then, into the run folder.
///
/// # Errors
/// A file that cannot be read or written, a mark that makes no sense.
pub fn render(settings: &Settings) -> Result<PathBuf> {
    let source = settings.root.join("envoy/envoy.yaml");
    let text = fs::read_to_string(&source)
        .map_err(|e| format!("`{}` cannot be read: {e}", source.display()))?;
    let loopback = || "127.0.0.1".to_owned();
    let mut variables = vec![
        ("POSTERN_BIND", loopback()),
        ("POSTERN_UPSTREAM_HOST", loopback()),
        ("POSTERN_IDP_HOST", loopback()),
        // Nobody is there unless somebody starts one.
        ("POSTERN_RLS_HOST", loopback()),
        ("POSTERN_RLS_PORT", "18082".to_owned()),
        ("POSTERN_CONFIG_DIR", settings.rendered().to_string_lossy().into_owned()),
        ("POSTERN_TLS_DIR", settings.tls().to_string_lossy().into_owned()),
        ("POSTERN_LOG_DIR", settings.run.to_string_lossy().into_owned()),
    ];
    variables.extend(settings.ports.named().map(|(name, port)| (name, port.to_string())));
    let rendered =
        fill(&text, &variables).map_err(|e| format!("{}:{e}", settings.shown(&source)))?;
    let file = settings.run.join("envoy.yaml");
    fs::write(&file, rendered)
        .map_err(|e| format!("`{}` cannot be written: {e}", file.display()))?;
    Ok(file)
}

fn fill(text: &str, variables: &[(&str, String)]) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    for (number, line) in (1..).zip(text.lines()) {
        let marked = line.split_once(MARK).filter(|(before, _)| !before.trim_start().is_empty());
        match marked {
            Some((before, template)) if !before.trim_start().starts_with('#') => {
                let (key, _) = before
                    .split_once(": ")
                    .ok_or_else(|| format!("{number}: expected `key: value` before `{MARK}`"))?;
                out.push_str(key);
                out.push_str(": ");
                out.push_str(&value(template, variables).map_err(|e| format!("{number}: {e}"))?);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    Ok(out)
}

fn value(template: &str, variables: &[(&str, String)]) -> Result<String> {
    let mut parts = template.trim_end().split("${");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').ok_or("expected `}` after `${`")?;
        let found = variables.iter().find(|(known, _)| *known == name);
        let (_, value) = found.ok_or_else(|| format!("unknown variable `{name}`"))?;
        out.push_str(value);
        out.push_str(rest);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String> {
        fill(text, &[("A_B", "7".to_owned()), ("DIR", "/d".to_owned())])
    }

    #[test]
    fn marked_values_are_replaced_and_nothing_else() {
        let text = "# = ${A_B}\na: 1  # = ${A_B}\n  b: /x  # = ${DIR}/y.${A_B}\nc: 2  # no\n";
        let wanted = "# = ${A_B}\na: 7\n  b: /d/y.7\nc: 2  # no\n";
        assert_eq!(filled(text).unwrap(), wanted);
    }

    #[test]
    fn a_mark_that_makes_no_sense_is_named_with_its_line() {
        assert_eq!(filled("a:\nb: 1  # = ${NO}\n").unwrap_err(), "2: unknown variable `NO`");
        assert_eq!(filled("a: 1  # = ${DIR").unwrap_err(), "1: expected `}` after `${`");
        assert_eq!(filled("- 1  # = 2").unwrap_err(), "1: expected `key: value` before `# = `");
    }

    #[test]
    fn the_bootstrap_of_this_workspace_can_be_filled() {
        let text = include_str!("../../envoy/envoy.yaml");
        let names = [
            "POSTERN_BIND",
            "POSTERN_UPSTREAM_HOST",
            "POSTERN_IDP_HOST",
            "POSTERN_RLS_HOST",
            "POSTERN_RLS_PORT",
            "POSTERN_CONFIG_DIR",
            "POSTERN_TLS_DIR",
            "POSTERN_LOG_DIR",
            "POSTERN_GATEWAY_PORT",
            "POSTERN_TLS_PORT",
            "POSTERN_ADMIN_PORT",
            "POSTERN_UPSTREAM_PORT",
            "POSTERN_IDP_PORT",
        ];
        let filled = fill(text, &names.map(|name| (name, "filled".to_owned()))).unwrap();
        for left in ["/etc/postern", "/var/log", "0.0.0.0"] {
            assert!(
                !filled.lines().any(|l| !l.trim().starts_with('#') && l.contains(left)),
                "{left}"
            );
        }
    }
}
