//! The demo's rate-limit service: limits of a file, counts in Redis.

use std::process::ExitCode;

use postern_stack::program::{Program, arguments};
use postern_stack::rls::{Settings, router};

fn main() -> ExitCode {
    let program = Program {
        name: "postern-rls",
        about: "the demo's rate-limit service (gRPC, envoy.service.ratelimit.v3) over Redis;\n\
                POSTERN_RLS_LIMITS is its file of limits, POSTERN_RLS_REDIS the host:port of\n\
                Redis (127.0.0.1:6379), POSTERN_RLS_REPORT how it tells what is left:\n\
                `statuses` or `headers`",
        listen: "127.0.0.1:18082",
        variable: "POSTERN_RLS_LISTEN",
    };
    program.run(&arguments(), || router(Settings::from_environment()?))
}
