//! The tour: commands that work pasted as they are.

use std::path::Path;

use crate::settings::Settings;
use crate::tls;

/// The tour for this run's ports.
pub fn text(settings: &Settings) -> String {
    let gateway = format!("127.0.0.1:{}", settings.ports.gateway);
    let idp = format!("127.0.0.1:{}", settings.ports.idp);
    let upstream = format!("127.0.0.1:{}", settings.ports.upstream);
    let https = format!("127.0.0.1:{}", settings.ports.tls);
    let file = |name: &str| quoted(settings, &settings.tls().join(name));
    let [ca, client, key] = [tls::CA, tls::PARTNER, tls::PARTNER_KEY].map(file);
    let admin = format!("127.0.0.1:{}", settings.ports.admin);
    format!(
        r#"The tour, to be pasted:

  # anyone may read what is public
  curl -i http://{gateway}/v1/market/user:northwind.json

  # a token, and who it says you are
  mint() {{ curl -s http://{idp}/mint -H 'content-type: application/json' -d "$1" | sed 's/.*"access_token":"\([^"]*\)".*/\1/'; }}
  curl -i http://{gateway}/whoami -H "authorization: Bearer $(mint '{{"sub":"northwind"}}')"

  # a personal token: opaque, the gateway asks the identity provider about it
  curl -i http://{gateway}/whoami -H 'authorization: Bearer pt_demo_northwind_5b1f0c9e7d3a48269f'

  # no credentials, then a scope too few
  curl -i http://{gateway}/v3/market/author/sales
  curl -i http://{gateway}/v3/market/author/sales -H "authorization: Bearer $(mint '{{"sub":"northwind","scopes":["user:email"]}}')"

  # five a minute is the plan tiny, the sixth is too many
  T=$(mint '{{"sub":"bluefin","claims":{{"plan":"tiny"}}}}'); for i in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{{http_code}}\n' http://{gateway}/whoami -H "authorization: Bearer $T"; done

  # an old client: the key in the path, the old envelope back
  curl -i http://{gateway}/api/v3/northwind/pk_demo_northwind_0123456789abcdef0123456789/vitals.json -H 'host: marketplace.example.com'

  # what the upstream saw of it
  curl -s http://{upstream}/__requests

  # over TLS, with HTTP/2; then as a partner, known by a client certificate
  curl -i --cacert {ca} https://{https}/v1/market/user:northwind.json
  curl -i --cacert {ca} --cert {client} --key {key} https://{https}/whoami

  # the issuer signs with a new key, which works at once
  curl -s -X POST http://{idp}/__rotate -H 'content-type: application/json' -d '{{"alg":"ES256"}}'
  curl -i http://{gateway}/whoami -H "authorization: Bearer $(mint '{{"sub":"northwind","alg":"ES256"}}')"

  # the counters of each filter
  curl -s 'http://{admin}/stats/prometheus?filter=postern'
"#
    )
}

/// A path for a shell in the workspace. A run folder has no quotes in its name.
fn quoted(settings: &Settings, path: &Path) -> String {
    let path = settings.shown(path).to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    if path.bytes().all(plain) { path } else { format!("'{path}'") }
}
