//! The demo's upstream: the marketplace API that the gateway stands before.

use std::process::ExitCode;

use postern_stack::program::{Program, arguments};
use postern_stack::upstream::{Recorder, router};

fn main() -> ExitCode {
    let arguments = arguments();
    let program = Program {
        name: "postern-upstream",
        about: "the demo's upstream, a marketplace API over test data",
        listen: "127.0.0.1:18080",
        variable: "POSTERN_UPSTREAM_LISTEN",
    };
    program.run(&arguments, || router(&Recorder::default()))
}
