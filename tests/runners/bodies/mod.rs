//! `legacy-compat` alone in an Envoy of its own, whose upstream does as it is told: trailers
//! that the proxy hands on, and the memory that held answers take.

mod memory;
mod trailers;
mod upstream;

use std::net::{Ipv4Addr, SocketAddr};

use postern_tests::bootstrap::{Wasm, bootstrap, cluster};
use postern_tests::corpus::workspace;
use postern_tests::envoy::{Envoy, free_ports};
use serde_json::{Value, json};

/// A test of bodies.
pub type Test = fn(&Held) -> Result<(), String>;

/// All of them.
pub const ALL: &[(&str, Test)] = &[
    ("trailers_of_an_answer_come_without_digests_of_the_old_body", trailers::of_answers),
    ("trailers_of_a_request_go_on_without_digests_of_the_old_body", trailers::of_requests),
    ("answers_that_are_held_take_no_more_than_may_be_held", memory::held),
    ("answers_that_are_too_large_take_no_more_either", memory::too_large),
    ("nothing_trapped", nothing_trapped),
];

/// The largest body that is rewritten.
const CAP: usize = 256 << 10;
/// What Envoy holds of an answer whose client does not read, and what of it is read at once.
const BUFFERS: [usize; 2] = [CAP + (64 << 10), 32 << 10];

/// The gateway.
pub struct Held {
    envoy: Envoy,
    to: SocketAddr,
    upstream: upstream::Upstream,
}

impl Held {
    /// Starts both.
    pub fn start() -> Result<Self, String> {
        let upstream = upstream::start().map_err(|e| e.to_string())?;
        let [admin, gateway] = free_ports()?;
        let policy = json!({
            "max_body": CAP,
            "rules": [
                {"name": "edited", "match": {"paths": ["/edited/**"]},
                 "request": {"body": {"from": "json", "edit": {"scalars": "string"}, "on_mismatch": "original"}},
                 "answers": [{"edit": {"scalars": "string"}}]},
            ],
        });
        let policy = policy.to_string();
        let [held, read] = BUFFERS;
        let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let trailing = json!({"enable_trailers": true});
        let more = json!({
            "per_connection_buffer_limit_bytes": read,
            "typed_extension_protocol_options": {options: {
                "@type": format!("type.googleapis.com/{options}"),
                "explicit_http_config": {"http_protocol_options": trailing},
            }},
        });
        let clusters = [cluster("upstream", upstream.port(), &more)];
        let wasm = Wasm { name: "legacy-compat", policy: &policy, variables: &[] };
        let mut config = bootstrap([admin, gateway], wasm, Vec::new(), &clusters);
        let listener = &mut config["static_resources"]["listeners"][0];
        listener["per_connection_buffer_limit_bytes"] = json!(held);
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        manager["http_protocol_options"] = trailing;
        manager["stream_idle_timeout"] = json!("60s");
        manager["http_filters"][0]["typed_config"]["config"]["allow_on_headers_stop_iteration"] =
            Value::Bool(true);
        let folder = workspace().join("target/test-runs/bodies");
        let envoy = Envoy::start(&folder, &config.to_string(), admin)?;
        Ok(Held { envoy, to: SocketAddr::from((Ipv4Addr::LOCALHOST, gateway)), upstream })
    }

    /// One number of Envoy's statistics.
    fn stat(&self, name: &str) -> Result<u64, String> {
        let all = self.envoy.stats(name)?;
        Ok(all.iter().find(|(n, _)| n == name).map_or(0, |(_, value)| *value))
    }
}

fn nothing_trapped(on: &Held) -> Result<(), String> {
    let traps = on.envoy.stats("vm_reload")?;
    let traps: Vec<_> = traps.into_iter().filter(|(_, count)| *count > 0).collect();
    if traps.is_empty() { Ok(()) } else { Err(format!("{traps:?}\n{}", on.envoy.printed())) }
}
