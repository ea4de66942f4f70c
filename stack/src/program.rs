//! What both programs do with their arguments.

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;

use crate::check::check;
use crate::server::serve;

/// A program of the stack.
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Where it listens unless told otherwise.
    pub listen: &'static str,
    /// The environment variable that tells it otherwise, as `--listen` does.
    pub variable: &'static str,
}

impl Program {
    /// Serves what `router` makes until a signal ends it, or checks one that serves. Exit codes:
    /// 0 ended by a signal, or well; 1 could not serve, or not well; 2 arguments not understood.
    pub fn run<E: std::fmt::Display>(
        &self,
        arguments: &[String],
        router: impl FnOnce() -> Result<Router, E>,
    ) -> ExitCode {
        if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
            println!("{}", self.usage());
            return ExitCode::SUCCESS;
        }
        if let [option, url] = arguments
            && option == "--check"
        {
            return match check(url) {
                Ok(()) => ExitCode::SUCCESS,
                Err(problem) => self.fail(1, &problem),
            };
        }
        let address = match self.address(arguments) {
            Ok(address) => address,
            Err(problem) => return self.fail(2, &format!("{problem}\n{}", self.usage())),
        };
        let router = match router() {
            Ok(router) => router,
            Err(error) => return self.fail(1, &error.to_string()),
        };
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return self.fail(1, &error.to_string()),
        };
        let served = runtime.block_on(serve(router, address));
        runtime.shutdown_background();
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => self.fail(1, &problem),
        }
    }

    fn address(&self, arguments: &[String]) -> Result<SocketAddr, String> {
        let given = match arguments {
            [] => None,
            [option] => match option.strip_prefix("--listen=") {
                Some(address) => Some(address.to_owned()),
                None if option == "--listen" => return Err("--listen needs an address".to_owned()),
                None => return Err(format!("argument `{option}` is not known")),
            },
            [option, address] if option == "--listen" => Some(address.clone()),
            [option, ..] => return Err(format!("arguments from `{option}` on are not understood")),
        };
        let text = given
            .or_else(|| std::env::var(self.variable).ok().filter(|text| !text.is_empty()))
            .unwrap_or_else(|| self.listen.to_owned());
        text.parse()
            .map_err(|_| format!("`{text}` is not an address with a port, as {}", self.listen))
    }

    fn usage(&self) -> String {
        format!(
            "{}: {}\n\nusage: {} [--listen ADDR]\n       {} --check URL\n\n\
             ADDR is an address with a port (port 0: any free one). Without the option, the\n\
             environment variable {} counts, then {}. --check asks a program that serves\n\
             whether it is well (http://host:port/__health), and ends with 0 if so.",
            self.name, self.about, self.name, self.name, self.variable, self.listen
        )
    }

    fn fail(&self, code: u8, problem: &str) -> ExitCode {
        eprintln!("{}: {problem}", self.name);
        ExitCode::from(code)
    }
}

/// The program's arguments without its name; what is not UTF-8 is not understood later on.
#[must_use]
pub fn arguments() -> Vec<String> {
    std::env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned()).collect()
}
