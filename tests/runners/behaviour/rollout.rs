//! Candidates, on two workers and under load: the scenes of the drill, but for
//! their times.

use postern_tests::drill::Scene;
use postern_tests::drill::load::Callers;

use crate::Stage;

fn play(stage: &Stage, scene: Scene) -> Result<(), String> {
    let report = scene.play(&stage.gateway, &Callers::new()?)?;
    if report.held_at_any_pace() { Ok(()) } else { Err(report.to_string()) }
}

pub(super) fn enforced(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::Enforced)
}

pub(super) fn cohort(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::Cohort)
}

pub(super) fn shadow(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::Shadow)
}

pub(super) fn flood(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::Flood)
}

pub(super) fn kill_switch(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::KillSwitch)
}
