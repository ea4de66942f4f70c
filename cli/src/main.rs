//! `postern`: checks and applies policies. Exit status: 0 good, 1 findings,
//! 2 wrong usage.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use postern_cli::apply::{Target, apply, check};
use postern_cli::finding::Finding;
use postern_cli::policy::Kind;

/// The tool for Postern's policies.
#[derive(Parser)]
#[command(name = "postern", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks policy files; names every mistake with file, line, column and path.
    Check {
        /// Policy files, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Prints the JSON Schema of a filter's policy.
    Schema {
        /// `auth`, `authz`, `rate-limit` or `legacy-compat`.
        filter: String,
    },
    /// Prints the reference of a filter's policy, in Markdown.
    Reference {
        /// `auth`, `authz`, `rate-limit` or `legacy-compat`.
        filter: String,
    },
    /// Checks policies, renders them for Envoy and renames them into place.
    Apply {
        /// Policy files, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// The folder that Envoy watches.
        #[arg(long)]
        to: PathBuf,
        /// The folder with the modules, `<filter>.wasm`.
        #[arg(long, default_value = "target/modules")]
        modules: PathBuf,
        /// The path under which Envoy sees the folder of `--to`, if it differs.
        #[arg(long)]
        seen_as: Option<PathBuf>,
        /// Render this plugin only; all are checked all the same.
        #[arg(long)]
        only: Option<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(lines) => {
            for line in lines {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(findings) => {
            for finding in &findings {
                eprintln!("{finding}");
            }
            ExitCode::from(1)
        }
    }
}

fn run(command: Command) -> Result<Vec<String>, Vec<Finding>> {
    let environment = |name: &str| std::env::var(name).ok();
    match command {
        Command::Check { paths } => {
            let checked = check(&paths, &environment)?;
            Ok(checked.iter().map(|c| format!("{}: good", c.policy.file.display())).collect())
        }
        Command::Schema { filter } => {
            Ok(vec![format!("{:#}", postern_cli::schema::of(kind_named(&filter)?))])
        }
        Command::Reference { filter } => Ok(vec![postern_cli::reference::of(kind_named(&filter)?)]),
        Command::Apply { paths, to, modules, seen_as, only } => {
            let mut checked = check(&paths, &environment)?;
            if let Some(only) = only {
                checked.retain(|c| c.policy.plugin == only);
                if checked.is_empty() {
                    return Err(vec![Finding::of_file(&to, format!("no policy names `{only}`"))]);
                }
            }
            let done = apply(&checked, &Target { to, modules, seen_as }).map_err(|f| vec![f])?;
            let line = |a: &postern_cli::apply::Applied| {
                let what = if a.changed { "written" } else { "unchanged" };
                format!("{}: {what}, version {}", a.plugin, a.version)
            };
            Ok(done.iter().map(line).collect())
        }
    }
}

fn kind_named(name: &str) -> Result<Kind, Vec<Finding>> {
    let unknown = || {
        let message = "expected `auth`, `authz`, `rate-limit` or `legacy-compat`";
        vec![Finding::of_file(Path::new(name), message)]
    };
    Kind::ALL.into_iter().find(|k| k.name() == name).ok_or_else(unknown)
}
