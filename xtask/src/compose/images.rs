//! Which images the containers are made of: the official ones, or stand-ins out
//! of this machine's files where none can be pulled.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::engine::Engine;
use super::project::Project;
use crate::settings::Settings;
use crate::{Result, command, envoy};

/// How long a pull may take before stand-ins are made instead.
const PULLED: Duration = Duration::from_secs(180);

/// How long stand-ins may take.
const MADE: Duration = Duration::from_secs(180);

/// Images instead of those that docker-compose.yml names.
#[derive(Clone, Debug, Default)]
pub struct Images(Vec<(String, String)>);

impl Images {
    /// `ENVOY_IMAGE` and `STACK_IMAGE`.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().cloned()
    }

    /// Is there nothing to build?
    pub fn given(&self) -> bool {
        !self.0.is_empty() || named("STACK_IMAGE")
    }
}

/// Was `POSTERN_STANDIN=1` set?
pub fn stand_ins_wanted() -> bool {
    env::var("POSTERN_STANDIN").is_ok_and(|value| value == "1")
}

/// The official images where they can be had, else stand-ins.
///
/// # Errors
/// Neither can be had.
pub fn choose(
    settings: &Settings,
    engine: &Engine,
    project: &Project,
    programs: &Path,
) -> Result<Images> {
    if stand_ins_wanted() {
        return stand_ins(settings, engine, programs);
    }
    if named("ENVOY_IMAGE") {
        return Ok(Images::default());
    }
    say!("pulling Envoy's image");
    let pull = project.compose(engine, &["pull", "envoy"]);
    let why = match pull.and_then(|mut pull| command::within(PULLED, &mut pull)) {
        Ok(output) if output.status.success() => return Ok(Images::default()),
        Ok(output) => command::printed(&output),
        Err(e) => e,
    };
    crate::machine::go_on()?;
    let last = why.lines().last().unwrap_or_default();
    say!("it cannot be pulled: {last}\nmaking stand-ins out of this machine's files");
    stand_ins(settings, engine, programs)
}

/// Makes both stand-ins.
///
/// # Errors
/// What the script printed.
pub fn stand_ins(settings: &Settings, engine: &Engine, programs: &Path) -> Result<Images> {
    let mut script = Command::new(settings.root.join("stack/stand-in.sh"));
    script.arg(envoy::find(settings)?).arg(programs);
    engine.point(&mut script);
    let output = command::within(MADE, &mut script)?;
    if !output.status.success() {
        return Err(format!("no stand-ins: {}", command::printed(&output)));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let images: Vec<_> = pairs.map(|(name, image)| (name.to_owned(), image.to_owned())).collect();
    for (name, image) in &images {
        say!("  {name}={image}");
    }
    Ok(Images(images))
}

fn named(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}
