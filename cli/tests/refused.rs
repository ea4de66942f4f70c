//! `apply --wait` and an Envoy that refuses: what was there is back in its place.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

/// In seconds.
const PATIENCE: &str = "20";
const FIRST: &str = "filter: rate-limit\nlimits: [{id: a, match: {}, quota: 1, window: 1s}]\n";
const SECOND: &str = "filter: rate-limit\nlimits: [{id: a, match: {}, quota: 2, window: 1s}]\n";

/// An admin interface that says the next of these counts to each question, and
/// the last one ever after: taken, refused, read.
fn admin(counts: Vec<[u64; 3]>) -> String {
    silent_at(0..0, usize::MAX, counts)
}

/// The same, which answers none of these questions, and so many in all.
fn silent_at(silent: Range<usize>, answers: usize, counts: Vec<[u64; 3]>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (asked, stream) in listener.incoming().take(answers).enumerate() {
            if silent.contains(&asked) {
                continue;
            }
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut part = [0; 512];
            while !request.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut part).unwrap();
                request.extend(part.iter().take(read));
            }
            let [taken, refused, read] = counts.get(asked).or(counts.last()).unwrap();
            let prefix = "extension_config_discovery.http_filter.limits.";
            let body = format!(
                "{prefix}config_reload: {taken}\n{prefix}update_rejected: {refused}\n\
                 {prefix}update_attempt: {read}\n"
            );
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}");
            stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
        }
    });
    address
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("modules")).unwrap();
        Folder(folder)
    }

    /// `postern apply` of this policy, with a module of this content.
    fn apply(&self, policy: &str, module: &str, wait: Option<&str>) -> Output {
        fs::write(self.0.join("limits.yaml"), policy).unwrap();
        fs::write(self.0.join("modules/rate-limit.wasm"), module).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(&self.0).args(["apply", "limits.yaml", "--modules", "modules"]);
        command.args(["--to", "to"]);
        command.args(wait.iter().flat_map(|address| ["--wait", address, "--patience", PATIENCE]));
        command.output().unwrap()
    }

    fn rendered(&self) -> String {
        fs::read_to_string(self.0.join("to/limits.json")).unwrap()
    }

    /// Each module that is there, and whether the rendered file names it.
    fn modules(&self) -> Vec<bool> {
        let rendered = self.rendered();
        let entries = fs::read_dir(self.0.join("to/modules")).unwrap();
        entries
            .map(|entry| rendered.contains(entry.unwrap().file_name().to_str().unwrap()))
            .collect()
    }
}

const WHY: &str = "Envoy's log has the reason; it may lie in Envoy's environment: a variable that \
                   is set here and not there";

#[test]
fn a_refused_policy_gives_place_to_the_former_one() {
    let folder = Folder::new("refused");
    assert!(folder.apply(FIRST, "one", None).status.success());
    let first = folder.rendered();
    let address = admin(vec![[1, 0, 1], [1, 1, 2], [1, 1, 2], [1, 1, 3]]);
    let refused = folder.apply(SECOND, "two", Some(&address));
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    let expected = format!(
        "refused by Envoy, the last good one serves on; the former file is back in its place. {WHY}"
    );
    assert!(said.contains(&expected), "{said}");
    assert_eq!(folder.rendered(), first);
    // With the module that it names, and that one alone.
    assert_eq!(folder.modules(), [true]);
    // Again it is written, and refused; it is no policy that "did not change".
    let address = admin(vec![[1, 1, 3], [1, 2, 4], [1, 2, 4], [1, 2, 5]]);
    assert_eq!(folder.apply(SECOND, "two", Some(&address)).status.code(), Some(1));
    let address = admin(vec![[1, 2, 5], [2, 2, 6]]);
    let taken = folder.apply(SECOND, "two", Some(&address));
    let said = String::from_utf8(taken.stdout).unwrap();
    assert!(said.ends_with(": Envoy took it\n"), "{said}");
    assert_ne!(folder.rendered(), first);
    assert_eq!(folder.modules(), [true]);
}

/// It compiles a new module: nobody is answered meanwhile.
#[test]
fn an_envoy_that_is_silent_for_a_while_is_asked_again() {
    let folder = Folder::new("silent-for-a-while");
    assert!(folder.apply(FIRST, "one", None).status.success());
    let first = folder.rendered();
    let counts = |end: &[[u64; 3]]| [&[[1, 0, 1], [0; 3], [0; 3], [0; 3]], end].concat();
    let address = silent_at(1..4, usize::MAX, counts(&[[1, 1, 2], [1, 1, 2], [1, 1, 3]]));
    let refused = folder.apply(SECOND, "two", Some(&address));
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("the former file is back in its place"), "{said}");
    assert_eq!(folder.rendered(), first);
    let address = silent_at(0..3, usize::MAX, vec![[0; 3], [0; 3], [0; 3], [1, 1, 3], [2, 1, 4]]);
    let taken = folder.apply(SECOND, "two", Some(&address));
    let said = String::from_utf8(taken.stdout).unwrap();
    assert!(said.ends_with(": Envoy took it\n"), "{said}");
}

#[test]
fn where_nothing_was_before_it_stays_and_that_is_said() {
    let folder = Folder::new("refused-at-first");
    let address = admin(vec![[0, 0, 0], [0, 1, 1]]);
    let refused = folder.apply(FIRST, "one", Some(&address));
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    let expected = format!(
        "refused by Envoy; there was no file before it, and an Envoy that starts with this one \
         answers 500 to every request. {WHY}"
    );
    assert!(said.contains(&expected), "{said}");
    assert_eq!(folder.modules(), [true]);
}

#[test]
fn what_was_written_before_envoy_fell_silent_is_said() {
    let folder = Folder::new("silent");
    let address = silent_at(0..0, 1, vec![[0, 0, 0]]);
    let silent = folder.apply(FIRST, "one", Some(&address));
    assert_eq!(silent.status.code(), Some(1));
    let rendered: serde_json::Value = serde_json::from_str(&folder.rendered()).unwrap();
    let said = String::from_utf8(silent.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let [first, second] = lines.as_slice() else { panic!("{said}") };
    let expected = format!("to: Envoy's admin interface at `{address}` does not answer: ");
    assert!(first.starts_with(&expected), "{said}");
    let (_, version) = second.split_once("version ").unwrap();
    let version = version.split(';').next().unwrap();
    assert!(rendered.to_string().contains(version), "{rendered}");
    let expected =
        format!("to/limits.json: written, version {version}; not known whether Envoy took it");
    assert_eq!(*second, expected);
}
