//! The demo's upstream, identity provider and rate-limit service, as routers that a program serves or a test calls.
//! What they answer is laid down in `stack/README.md`.

mod broken_body;
mod check;
pub mod data;
pub mod environment;
pub mod idp;
pub mod keys;
pub mod mint;
mod oauth;
pub mod program;
mod reply;
pub mod rls;
mod server;
pub mod tokens;
pub mod upstream;
