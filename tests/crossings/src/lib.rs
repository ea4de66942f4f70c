//! Stand-ins for the four filters, for the bench: each makes the calls to the
//! proxy that its filter makes for a plain request, with the bytes that it would
//! hand over, and computes nothing. What a request costs with them is what is left
//! when all that the filters compute is free. `tests/module/tests/crossings.rs` holds both
//! to one list of calls.

#[cfg(target_family = "wasm")]
mod proxy;
#[cfg(target_family = "wasm")]
mod role;
