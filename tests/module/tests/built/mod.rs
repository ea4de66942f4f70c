//! The modules as they are built, and what is shown to them.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::{Path, PathBuf};

use postern_module::{Headers, Module};

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A filter's module.
pub fn module(name: &str) -> Vec<u8> {
    let modules = std::env::var_os("POSTERN_MODULES")
        .map_or_else(|| workspace().join("target/modules"), PathBuf::from);
    let file = modules.join(format!("{name}.wasm"));
    std::fs::read(&file)
        .unwrap_or_else(|e| panic!("{}: {e}; run `cargo xtask build`", file.display()))
}

/// The same, mounted under the filter's name.
pub fn load(name: &str, environment: &[(&str, &str)]) -> Module {
    Module::load(&module(name), name, environment).unwrap()
}

/// The same, with a policy.
pub fn configured(name: &str, environment: &[(&str, &str)], policy: &str) -> Module {
    let mut module = load(name, environment);
    assert!(module.configure(policy).unwrap(), "{:?}", module.proxy().log);
    module
}

pub fn headers(list: &[(&str, &str)]) -> Headers {
    list.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect()
}
