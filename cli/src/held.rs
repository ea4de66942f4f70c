//! `postern contract`: the commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use postern_cli::contract::wire::Gateway;
use postern_cli::contract::{self, Contract, Values};
use postern_cli::finding::Finding;
use postern_core::config::parse_duration;

use crate::Failure;

#[derive(Subcommand)]
pub(crate) enum ContractCommand {
    /// Sends each request and compares the answer with the recorded one; exit status 1
    /// where one differs.
    Verify {
        /// The contracts.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        to: Exchanges,
        /// Print what became of each pair as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sends each request that has no answer yet and prints the contract, in YAML, with
    /// what came back.
    Record {
        /// The contract.
        file: PathBuf,
        #[command(flatten)]
        to: Exchanges,
    },
}

/// How requests of contracts are sent.
#[derive(clap::Args)]
pub(crate) struct Exchanges {
    /// `http://HOST:PORT` or `https://HOST:PORT`.
    #[arg(long, value_name = "URL")]
    gateway: String,
    /// The certificates (PEM) that the gateway's goes back to, for `https`.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// What a placeholder stands for, in place of the contract's own value.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// How long an answer may take, in place of the contract's own: `14s`.
    #[arg(long, value_name = "DURATION")]
    deadline: Option<String>,
}

impl Exchanges {
    fn values(&self) -> Result<Values, Failure> {
        let one = |text: &String| {
            let (name, value) = text.split_once('=').ok_or_else(|| {
                Failure::Usage(format!("expected NAME=VALUE behind `--set`, but found `{text}`"))
            })?;
            Ok((name.to_owned(), value.to_owned()))
        };
        self.set.iter().map(one).collect()
    }

    fn gateway(&self) -> Result<Gateway, Failure> {
        Gateway::new(&self.gateway, self.ca.as_deref()).map_err(Failure::Usage)
    }

    fn deadline(&self) -> Result<Option<Duration>, Failure> {
        let parse = |text: &String| {
            parse_duration(text).filter(|d| !d.is_zero()).ok_or_else(|| {
                let expected = "expected a duration over zero such as `500ms` or `14s`";
                Failure::Usage(format!("{expected} behind `--deadline`, but found `{text}`"))
            })
        };
        self.deadline.as_ref().map(parse).transpose()
    }
}

/// Runs it.
pub(crate) fn run(command: ContractCommand) -> Result<String, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    match command {
        ContractCommand::Verify { files, to, json } => {
            let (values, gateway, deadline) = (to.values()?, to.gateway()?, to.deadline()?);
            // A mistake in the last is no reason to have sent those of the first.
            let read = |file| Contract::read(file, &values, &environment);
            let contracts: Vec<Contract> =
                files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
            let mut kept = true;
            let mut text = String::new();
            let mut all = Vec::new();
            for (file, one) in files.iter().zip(&contracts) {
                let verdicts = contract::verify(&one.pairs, &gateway, deadline);
                kept &= verdicts.iter().all(|verdict| verdict.differences.is_empty());
                let file = file.display().to_string();
                text.push_str(&contract::report(&file, &verdicts));
                if let serde_json::Value::Array(some) = contract::report_json(&file, &verdicts) {
                    all.extend(some);
                }
            }
            let text = if json { format!("{:#}", serde_json::Value::Array(all)) } else { text };
            if kept { Ok(text) } else { Err(Failure::Warned(text, None)) }
        }
        ContractCommand::Record { file, to } => {
            let (values, gateway, deadline) = (to.values()?, to.gateway()?, to.deadline()?);
            let read = Contract::read(&file, &values, &environment)?;
            contract::record(&read, &gateway, deadline).map_err(|wrong| {
                wrong.into_iter().map(|why| Finding::of_file(&file, why)).collect::<Vec<_>>().into()
            })
        }
    }
}
