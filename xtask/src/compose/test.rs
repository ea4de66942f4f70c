//! `cargo xtask test compose`: the corpus against the containers.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use super::engine::Engine;
use super::images;
use super::project::Project;
use crate::settings::{Ports, Settings};
use crate::{Result, build, test};

/// Starts the containers under a name and on ports of their own, runs the tests
/// and removes all of it. The last line is `N passed, N failed`.
///
/// # Errors
/// There is no engine, the containers do not come up, or a test failed.
pub fn run(settings: &Settings) -> Result<()> {
    // First of all: without one, nothing that takes minutes should begin.
    let engine = Engine::running_or_started(settings)?;
    let modules = build::modules(settings)?;
    let programs = build::programs(settings)?;
    let mut containers = Containers { project: prepared(settings)?, engine: &engine };
    // A run that was killed may have left some.
    containers.project.down(&engine)?;
    containers.project.images = images::choose(settings, &engine, &containers.project, &programs)?;
    containers.project.render(&programs)?;
    containers.project.up(&engine)?;

    say!("\n=== corpus, in containers");
    let mut cargo = build::cargo_command(settings);
    cargo.args(["test", "--package", "postern-tests", "--test", "compose"]);
    cargo.envs(containers.project.environment()?);
    cargo.env("POSTERN_MODULES", &modules);
    cargo.env("POSTERN_BIN_DIR", &programs);
    let tally = test::step(&mut cargo);
    let fleet = match &tally {
        Ok(_) => fleet(settings, &engine, &mut containers.project).map(Some),
        Err(_) => Ok(None),
    };
    drop(containers);
    drop(engine);
    let mut tally = tally?;
    if let Some(fleet) = fleet? {
        tally.add(&fleet);
    }
    tally.told()
}

/// Two gateways in the place of one.
fn fleet(settings: &Settings, engine: &Engine, project: &mut Project) -> Result<test::Tally> {
    let programs = build::programs(settings)?;
    project.down(engine)?;
    let Ports { gateway, admin, .. } = free_ports()?;
    project.fleet = Some([gateway, admin]);
    project.render(&programs)?;
    project.up(engine)?;
    say!("\n=== two gateways, in containers");
    let mut cargo = build::cargo_command(settings);
    cargo.args(["test", "--package", "postern-tests", "--test", "compose"]);
    cargo.envs(project.environment()?);
    test::step(&mut cargo)
}

/// Containers that are removed when dropped.
struct Containers<'a> {
    project: Project,
    engine: &'a Engine,
}

impl Drop for Containers<'_> {
    fn drop(&mut self) {
        say!("removing the containers");
        if let Err(e) = self.project.down(self.engine) {
            eprintln!("error: the containers are not removed: {e}");
        }
    }
}

/// A folder with a copy of the policies that tests may change, and free ports.
fn prepared(settings: &Settings) -> Result<Project> {
    let folder = settings.root.join("target/compose-test");
    let failed = |e: std::io::Error| format!("`{}`: {e}", folder.display());
    match fs::remove_dir_all(&folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let policies = folder.join("policies");
    fs::create_dir_all(&policies).map_err(failed)?;
    for entry in fs::read_dir(settings.root.join("envoy/filters")).map_err(failed)?.flatten() {
        fs::copy(entry.path(), policies.join(entry.file_name())).map_err(failed)?;
    }
    let settings = Settings { policies, ports: free_ports()?, ..settings.clone() };
    Ok(Project::new(&settings, &folder, &name(&settings.root)))
}

/// One name for each workspace: it finds what it left behind, and no other does.
fn name(root: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    format!("postern-test-{:08x}", hasher.finish() >> 32)
}

fn free_ports() -> Result<Ports> {
    let mut held = Vec::new();
    let mut free = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let port = listener.local_addr().map_err(|e| e.to_string())?.port();
        // Held until all are found, so that none comes twice.
        held.push(listener);
        Ok::<_, String>(port)
    };
    Ok(Ports { gateway: free()?, tls: free()?, admin: free()?, upstream: free()?, idp: free()? })
}
