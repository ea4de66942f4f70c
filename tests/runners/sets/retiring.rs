//! Who still calls what retires, as an operator sees it.

use std::time::Duration;

use postern_tests::gateway::wait_for;

use crate::Stage;

/// Gauges follow within a tick of 5 s.
const SOON: Duration = Duration::from_secs(20);

fn read(stage: &Stage, label: &str) -> Option<u64> {
    let lines = stage.gateway.prometheus().ok()?;
    let found = lines.iter().find_map(|line| line.strip_prefix(label)?.strip_prefix(' '));
    found?.parse().ok()
}

/// Of the cases: one without an identity and one with a bad token, from one address; and
/// two who are known.
pub(super) fn counted(stage: &Stage) -> Result<(), String> {
    let expect = |label: &str, good: &dyn Fn(u64) -> bool| {
        let found = wait_for(SOON, || read(stage, label).filter(|n| good(*n)));
        found.ok_or_else(|| format!("`{label}` is {:?}", read(stage, label)))
    };
    let requests = |rule: &str, fate: &str| {
        format!(
            r#"postern_retiring_requests{{plugin="legacy-compat",rule="{rule}",outcome="{fate}"}}"#
        )
    };
    expect(&requests("deprecated", "served"), &|n| n >= 4)?;
    expect(&requests("off-for-a-while", "brown_out"), &|n| n >= 1)?;
    expect(&requests("gone", "gone"), &|n| n >= 1)?;
    let gauge = |what: &str, rule: &str| {
        format!(r#"postern_retiring_{what}{{plugin="legacy-compat",rule="{rule}"}}"#)
    };
    expect(&gauge("clients", "deprecated"), &|n| n == 3)?;
    // 2025.
    expect(&gauge("last_use", "deprecated"), &|n| n > 1_735_689_600)?;
    expect(&gauge("clients", "off-for-a-while"), &|n| n == 0)?;
    expect(&gauge("last_use", "off-for-a-while"), &|n| n == 0)?;
    let line = "rule `deprecated` is to retire and is used: last at ";
    let said = wait_for(SOON, || {
        let log = stage.gateway.log("envoy");
        let lines = log.lines().filter(|l| l.contains(line)).count();
        (lines > 0).then_some(lines)
    });
    match said {
        Some(1) => Ok(()),
        other => Err(format!("the log says it {other:?} times")),
    }
}

pub(super) fn shadows(stage: &Stage) -> Result<(), String> {
    for what in ["changed", "same", "unfit"] {
        let label = format!(r#"postern_shadow_{what}{{plugin="legacy-compat"}}"#);
        let found = wait_for(SOON, || read(stage, &label).filter(|n| *n > 0));
        found.ok_or_else(|| format!("`{label}` is {:?}", read(stage, &label)))?;
    }
    Ok(())
}
