//! Instructions that no native test runs say what a plain reading says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use postern_module::Module;

#[test]
fn sixteen_bytes_at_a_time_say_what_each_byte_says() {
    let wasm = postern_tests::compile::filter("postern-lanes", &[]).unwrap();
    let mut module = Module::load(&wasm, "lanes", &[]).unwrap();
    assert!(module.configure("").unwrap(), "{:?}", module.proxy().log);
}
