//! How a variant becomes the bootstrap of an Envoy.

use std::fs;
use std::path::{Path, PathBuf};

use postern_cli::apply::{Target, apply};
use postern_cli::policy::Policy;
use postern_finish::Names;
use postern_finish::profile::{Mounted, finish_chain};
use postern_stack::environment::variable;
use serde_json::json;

use crate::bench::variant::Mount::{Crossings, Edits, Empty, JwtAuthn, Ours, Shell, Stock};
use crate::bench::variant::{MANY, Modules, Rules, Variant};
use crate::compile;
use crate::corpus::workspace;

impl Variant {
    /// The bootstrap, listening on `gateway` and `admin`, with all files of the
    /// run in `folder`.
    ///
    /// # Errors
    /// A file that cannot be read, a policy that is not good.
    pub fn bootstrap(
        &self,
        built: &Built,
        folder: &Path,
        [admin, gateway]: [u16; 2],
        upstream: u16,
    ) -> Result<String, String> {
        let mut filters = String::new();
        for (at, mount) in self.mounts.iter().enumerate() {
            filters += &match mount {
                Ours(plugin) => ours(plugin, self.rules, self.modules(built), folder)?,
                Stock(name) => stock(name, "")?,
                JwtAuthn { cache: true } => stock("jwt-authn", JWT_CACHE)?,
                JwtAuthn { cache: false } => stock("jwt-authn", "")?,
                Empty => wasm(&format!("empty-{at}"), "{}", &built.empty),
                Shell => wasm(&format!("shell-{at}"), "{}", &built.shell),
                Edits => {
                    let module = self.modules(built).join("legacy-compat.wasm");
                    wasm("legacy-compat", &edits(), &module)
                }
                Crossings(plugin) => wasm(plugin, plugin, &built.crossings),
            };
        }
        let indented: Vec<String> =
            filters.lines().map(|line| format!("          {line}")).collect();
        Ok(read("envoy.yaml")?
            .replace("$FILTERS", &indented.join("\n"))
            .replace("$ADMIN", &admin.to_string())
            .replace("$GATEWAY", &gateway.to_string())
            .replace("$UPSTREAM", &upstream.to_string())
            .replace("$FOLDER", &folder.to_string_lossy()))
    }
}

impl Variant {
    fn modules<'a>(&self, built: &'a Built) -> &'a Path {
        match self.modules {
            Modules::Here => &built.modules,
            Modules::Other => &built.other,
        }
    }
}

/// A rule as an old API has them, for answers under `/json`.
fn edits() -> String {
    json!({
        "max_body": 2_000_000,
        "date_formats": {"old": "%a %b %d %H:%M:%S %z %Y"},
        "rules": [{
            "name": "edited",
            "match": {"paths": ["/json/{size}"]},
            "answers": [{
                "when": {"status": [200]},
                "edit": {
                    "convert": [
                        {"members": ["amount"], "to": "money"},
                        {"members": ["sold_at"], "to": "date old"},
                    ],
                    "scalars": "string",
                },
            }],
        }],
    })
    .to_string()
}

/// As large as that of ours; it is 100 unless set, fewer than there are callers.
const JWT_CACHE: &str = "jwt_cache_config: {jwt_cache_size: 10000}";

/// The modules.
#[derive(Clone, Debug)]
pub struct Built {
    /// The folder of the four filters.
    pub modules: PathBuf,
    /// The same of another build.
    pub other: PathBuf,
    /// The filter that does nothing, straight on the SDK.
    pub empty: PathBuf,
    /// The one through `filters/host`.
    pub shell: PathBuf,
    /// The one that makes the calls of each of the four and nothing else.
    pub crossings: PathBuf,
}

impl Built {
    /// The four filters as `cargo xtask` has built them; builds the empty ones
    /// into `folder`.
    ///
    /// # Errors
    /// What the compiler printed.
    pub fn new(modules: PathBuf, other: PathBuf, folder: &Path) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let [empty, shell, crossings] =
            ["empty.wasm", "shell.wasm", "crossings.wasm"].map(|name| folder.join(name));
        let built = Built { modules, other, empty, shell, crossings };
        write(&built.crossings, &compile::filter("postern-crossings", &[])?)?;
        write(&built.empty, &compile::filter("postern-empty", &[])?)?;
        let shell = Mounted {
            name: "shell".to_owned(),
            wasm: compile::filter("postern-empty", &["shell"])?,
            policy: "{}".to_owned(),
        };
        let finished = finish_chain(vec![shell], Names::Left).map_err(|e| e.to_string())?;
        for module in &finished.modules {
            write(&built.shell, module)?;
        }
        Ok(built)
    }
}

fn write(to: &Path, module: &[u8]) -> Result<(), String> {
    fs::write(to, module).map_err(|e| format!("{}: {e}", to.display()))
}

/// Renders the demo's policy as `postern apply` does, and mounts it as the
/// demo's bootstrap does.
fn ours(plugin: &str, rules: Rules, modules: &Path, folder: &Path) -> Result<String, String> {
    let file = workspace().join("envoy/filters").join(format!("{plugin}.yaml"));
    let mut text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    if plugin == "rate-limit" {
        text = unhindered(&text)?;
    }
    if rules == Rules::Many {
        text += &more_rules(plugin);
    }
    let checked = Policy::parse(&file, plugin, &text).and_then(|policy| policy.check(&variable));
    let checked = checked.map_err(|findings| format!("{findings:?}"))?;
    let to = folder.join("filters");
    let target = Target { to: to.clone(), modules: modules.to_owned(), seen_as: None };
    apply(&[checked], &target).map_err(|finding| format!("{finding:?}"))?;
    let rendered = to.join(format!("{plugin}.json"));
    let item = json!({
        "name": plugin,
        "config_discovery": {
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
            "config_source": {"path_config_source": {"path": rendered.to_string_lossy()}},
        },
    });
    Ok(format!("- {item}\n"))
}

/// Rules to be appended to a policy of the demo, whose last member are its rules; the load
/// meets none of them.
fn more_rules(plugin: &str) -> String {
    let rule = |i: usize| match plugin {
        "authz" => format!(
            "  - {{name: more-{i}, match: {{methods: [GET], paths: ['/s{}/r{}/{{id}}/a{i}']}}, \
             subject: {{any_scope: ['s{}:read']}}}}\n",
            i / 100,
            i / 10,
            i / 100
        ),
        _ => format!(
            "  - {{name: more-{i}, match: {{hosts: [old.example], \
             paths: ['/api/{{user}}/{{key}}/set{i}:{{id}}.json']}}, \
             request: {{path: '/v3/set{i}', query: {{id: '{{id}}'}}}}}}\n"
        ),
    };
    match plugin {
        "authz" | "legacy-compat" => (0..MANY).map(rule).collect(),
        _ => String::new(),
    }
}

/// The demo's limits with a quota that the load does not reach: each request is
/// counted, none refused. The plan `load` would not be counted at all.
fn unhindered(policy: &str) -> Result<String, String> {
    let small = "    quota: 100\n    window: 60s\n    burst: 100\n";
    let huge = "    quota: 1000000000\n    window: 60s\n    burst: 1000000000\n";
    let changed = policy.replace(small, huge);
    if changed == policy {
        return Err("rate-limit.yaml: the bench does not find the quota of `current`".to_owned());
    }
    Ok(changed)
}

fn stock(name: &str, cache: &str) -> Result<String, String> {
    Ok(read(&format!("stock/{name}.yaml"))?
        .replace("$CACHE", cache)
        .replace("$JWKS", &workspace().join("stack/keys/jwks.json").to_string_lossy())
        .replace("$STOCK", &folder().join("stock").to_string_lossy()))
}

/// A VM of its own, as each of the four filters has.
fn wasm(name: &str, configuration: &str, module: &Path) -> String {
    let item = json!({
        "name": name,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": name,
                "failure_policy": "FAIL_RELOAD",
                "allow_on_headers_stop_iteration": true,
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration,
                },
                "vm_config": {
                    "vm_id": name,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module.to_string_lossy()}},
                },
            },
        },
    });
    format!("- {item}\n")
}

fn folder() -> PathBuf {
    workspace().join("tests/bench")
}

fn read(name: &str) -> Result<String, String> {
    let file = folder().join(name);
    fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))
}
