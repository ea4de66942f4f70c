//! `cargo xtask compose`: the demo in containers, as docker-compose.yml has it.

mod engine;
mod images;
mod project;
mod test;

use std::env;

use crate::settings::Settings;
use crate::{Result, build, tour};

use engine::Engine;
use project::Project;

pub use test::run as test;

/// Renders what the containers share with the host.
///
/// # Errors
/// What cannot be built or written, or the policy that is wrong.
pub fn render(settings: &Settings, fleet: bool) -> Result<()> {
    let project = demo(settings, fleet)?;
    build::modules(settings)?;
    let programs = build::programs(settings)?;
    project.render(&programs)?;
    let env = settings.shown(&project.env_file()).to_string();
    say!("rendered; start it with `docker compose --env-file {env} up --detach`");
    Ok(())
}

/// Renders, starts the containers and waits until a request has passed.
///
/// # Errors
/// What keeps them from running. They are left as they are, to be looked at.
pub fn up(settings: &Settings, fleet: bool) -> Result<()> {
    let engine = Engine::running()?;
    let mut project = demo(settings, fleet)?;
    build::modules(settings)?;
    let programs = build::programs(settings)?;
    if images::stand_ins_wanted() {
        project.images = images::stand_ins(settings, &engine, &programs)?;
    }
    project.render(&programs)?;
    project.up(&engine)?;
    say!("\n{}", tour::text(&project.seen_by_clients()));
    say!("running in containers; stop them with `cargo xtask compose down`");
    Ok(())
}

/// Removes the containers and their network.
///
/// # Errors
/// What they cannot be removed for.
pub fn down(settings: &Settings) -> Result<()> {
    // Of the second gateway too, where there is one.
    demo(settings, true)?.down(&Engine::running()?)
}

/// The containers that a person runs; `fleet`: two gateways, and who counts for both.
fn demo(settings: &Settings, fleet: bool) -> Result<Project> {
    let name = env::var("COMPOSE_PROJECT_NAME").ok().filter(|name| !name.is_empty());
    let folder = env::var_os("POSTERN_COMPOSE_DIR").filter(|folder| !folder.is_empty());
    let folder = folder.map_or("target/compose".into(), std::path::PathBuf::from);
    let name = name.as_deref().unwrap_or("postern");
    let mut project = Project::new(settings, &settings.root.join(folder), name);
    if fleet {
        let port = crate::settings::port;
        project.fleet =
            Some([port("POSTERN_GATEWAY_B_PORT", 10001)?, port("POSTERN_ADMIN_B_PORT", 9902)?]);
    }
    Ok(project)
}
