//! The demo's identity provider: mints whatever token a test needs.

use std::process::ExitCode;

use postern_stack::idp::router;
use postern_stack::keys::Keys;
use postern_stack::program::{Program, arguments};

fn main() -> ExitCode {
    let arguments = arguments();
    if arguments == ["--print-jwks"] {
        return print_jwks();
    }
    let program = Program {
        name: "postern-idp",
        about: "the demo's identity provider, with test keys (--print-jwks shows the public ones)",
        listen: "127.0.0.1:18081",
        variable: "POSTERN_IDP_LISTEN",
    };
    program.run(&arguments, router)
}

fn print_jwks() -> ExitCode {
    match Keys::embedded() {
        Ok(keys) => {
            println!("{:#}", keys.jwks());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("postern-idp: {error}");
            ExitCode::FAILURE
        }
    }
}
