//! The bench with very small numbers: that it runs, checks what it compares and
//! prints what it should. No figure of it is judged.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use postern_tests::corpus::workspace;
use serde_json::Value;

/// One bench at a time: a port that one finds free, another may have taken by the time that
/// its Envoy listens, and Envoys share a port without a word.
static ONE: Mutex<()> = Mutex::new(());

fn bench(words: &[&str]) -> Output {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern-bench"));
    command.args(words).output().unwrap()
}

#[test]
fn a_small_run_compares_all_variants() {
    let file: PathBuf = workspace().join("target/test-runs/bench.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let _ = fs::remove_file(&file);
    let small = ["--rounds", "2", "--starts", "2", "--requests", "40", "--warm-up", "40", "--json"];
    let output = bench(&[&small[..], &[file.to_str().unwrap()]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");

    let names = ["bare", "bare again", "empty", "stock+cache", "ours", "stock, cold", "ours, cold"];
    let json: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let variants = json["variants"].as_array().unwrap();
    let written: Vec<&str> = variants.iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(written, names);
    for (variant, name) in variants.iter().zip(names) {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name:<18} "))), "{text}");
        assert_eq!(variant["rounds_us"].as_array().unwrap().len(), 2);
        assert!(variant["cost_us"]["median"].as_f64().unwrap() > 0.0);
        assert_eq!(variant["addition_us"].is_null(), name == "bare");
    }
    let last: Vec<&str> = text.lines().rev().take(2).collect();
    for (line, name) in last.iter().zip(["cold", "warm"]) {
        let ratio = line.strip_prefix(&format!("ratio {name}: ")).unwrap();
        assert!(ratio.parse::<f64>().is_ok(), "{line}");
        assert!(json["ratios"][name].is_number());
    }
    for start in ["2 rounds of 40 requests", "machine: ", "noise: "] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{text}");
    }
}

/// HAProxy and a gateway in Node.js: that they do what ours do, and are measured.
#[test]
fn a_small_run_compares_other_programs() {
    let small =
        ["--peers", "--rounds", "1", "--starts", "1", "--requests", "40", "--warm-up", "40"];
    let output = bench(&small);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    for name in ["ours, many rules", "HAProxy, bare", "HAProxy", "Node.js"] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name:<18} "))), "{text}");
    }
    assert!(text.contains("\nall of a request over Node.js's: "), "{text}");
}

/// One part of the whole bench, and what it says of its goal.
#[test]
fn a_part_is_measured_alone() {
    let output = bench(&["--part", "edits"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    for start in ["4 kB ", "32 kB ", "a kilobyte of 900 over one of 32: "] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{text}");
    }
}

#[test]
fn wrong_usage_is_told() {
    for words in
        [&["--rounds"][..], &["--rounds", "0"], &["--requests", "1"], &["--part", "b"], &["quick"]]
    {
        let output = bench(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("usage: "));
    }
}
