//! One request through the configured chain, offline: each filter's verdict,
//! rule, reason and edits. Credentials are not shown.

mod hidden;
pub mod request;

use postern_core::HeaderEdit;
use serde_json::{Map, Value, json};

use crate::chain::{Account, Chain, HeaderList, Message, World};
use crate::edge::{Rejected, Sent, admit};

use hidden::{Hidden, printable};

/// What became of a request.
#[derive(Debug)]
pub struct Explanation {
    request: (String, String, String),
    /// A client's certificate was given, which nobody looked at.
    certificate: bool,
    /// The proxy itself refuses it.
    rejected: Option<Rejected>,
    /// The plugins to which everybody is anonymous here.
    blind: Vec<String>,
    /// The filters that saw it, in order.
    filters: Vec<Account>,
    /// What the upstream gets; `None`: it is not reached.
    upstream: Option<Message>,
    /// What the client gets: of a refusal, or of the upstream's answer if one
    /// was given.
    response: Option<Message>,
    /// What is not shown.
    hidden: Hidden,
}

/// The upstream's answer to whatever is asked.
#[derive(Clone, Debug, Default)]
pub struct Answering(pub Option<Message>);

impl World for Answering {
    fn upstream(&mut self, _request: &Message) -> Message {
        self.0.clone().unwrap_or_else(|| Message {
            headers: vec![(":status".to_owned(), b"200".to_vec())],
            body: None,
        })
    }
}

/// Takes a request through the chain.
pub fn explain(chain: &Chain, sent: &Sent, mut world: Answering) -> Explanation {
    let text = |bytes: &[u8]| printable(bytes);
    let host = sent.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(b"host"));
    let host = host.map_or_else(String::new, |(_, value)| text(value));
    let path = sent.path.split(|b| *b == b'?').next().unwrap_or_default();
    let request = (text(&sent.method), host, text(path));
    let hidden = Hidden::new(chain.credential_places());
    let message = match admit(sent) {
        Ok(message) => message,
        Err(rejected) => {
            return Explanation {
                request,
                certificate: sent.certificate,
                rejected: Some(rejected),
                blind: Vec::new(),
                filters: Vec::new(),
                upstream: None,
                response: None,
                hidden,
            };
        }
    };
    let done = chain.send(message, &[("source.address", sent.client.clone().into())], &mut world);
    let (method, host, path) = request;
    // As the log shows it: keys stand in old paths.
    let logged = done.published.iter().find(|(key, _)| key == "path");
    let path = logged.map_or(path, |(_, value)| text(value));
    let answered = world.0.is_some() || done.upstream.is_none();
    let seen = done.filters.iter().position(|f| f.answered).map_or(done.filters.len(), |at| at + 1);
    Explanation {
        request: (method, host, path),
        certificate: sent.certificate,
        rejected: None,
        blind: chain.blind().to_owned(),
        filters: done.filters.into_iter().take(seen).collect(),
        upstream: done.upstream,
        response: answered.then_some(done.response),
        hidden,
    }
}

impl Explanation {
    /// Each filter's decision record, by plugin.
    pub fn records(&self) -> impl Iterator<Item = (&str, Value)> {
        self.filters.iter().filter_map(|f| Some((f.plugin.as_str(), record(f)?)))
    }

    /// The status of a refusal by the proxy or a filter.
    #[must_use]
    pub fn refused(&self) -> Option<u16> {
        match (&self.rejected, &self.response) {
            (Some(rejected), _) => Some(rejected.status),
            (None, Some(response)) if self.upstream.is_none() => status(response),
            _ => None,
        }
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (method, host, path) = &self.request;
        json!({
            "request": {"method": method, "host": host, "path": path},
            "certificate_not_looked_at": self.certificate,
            "judged_as_anonymous": self.blind,
            "rejected_by_proxy": self.rejected.map(|r| r.status),
            "filters": self.filters.iter().map(|f| self.filter_json(f)).collect::<Value>(),
            "upstream": self.upstream.as_ref().map(|m| json!({
                "method": pseudo(m, ":method"),
                "host": pseudo(m, ":authority"),
                "path": self.path(m),
                "headers": self.headers_json(&m.headers),
            })),
            "response": self.response.as_ref().map(|m| json!({
                "status": status(m),
                "headers": self.headers_json(&m.headers),
                "body": m.body.as_deref().map(printable),
            })),
        })
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let (method, host, path) = &self.request;
        let mut out = format!("{method} {host}{path}\n");
        if self.certificate {
            out.push_str("the client's certificate is not looked at: offline there is no TLS\n");
        }
        if let Some(rejected) = self.rejected {
            out.push_str(&format!(
                "the proxy answers {}: no filter sees the request\n",
                rejected.status
            ));
            return out;
        }
        let width = self.filters.iter().map(|f| f.plugin.len()).max().unwrap_or(0);
        for filter in &self.filters {
            let record = record(filter).unwrap_or_default();
            let member =
                |name: &str| record.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
            let mode = member("mode");
            let mode = if ["-", "enforce"].contains(&mode.as_str()) {
                String::new()
            } else {
                format!(" [{mode}]")
            };
            out.push_str(&format!(
                "\n{:width$}  {}  rule {}  ({}{}){mode}{}\n",
                filter.plugin,
                member("decision"),
                member("rule"),
                member("code"),
                unsure(&record),
                beside(&record),
            ));
            if self.blind.contains(&filter.plugin) {
                out.push_str(&format!(
                    "{:width$}    identity is from `jwt_authn`, which `explain` does not run: judged \
                     as anonymous\n",
                    ""
                ));
            }
            if member("code") == "keys_unavailable" {
                out.push_str(&format!(
                    "{:width$}    offline nothing is fetched: give the key that is missing by `jwks` \
                     or `pem`, beside the fetched ones\n",
                    ""
                ));
            }
            for edit in &filter.request_edits {
                out.push_str(&format!("{:width$}    request   {}\n", "", self.edit_text(edit)));
            }
            if self.response.is_some() {
                for edit in &filter.response_edits {
                    out.push_str(&format!("{:width$}    response  {}\n", "", self.edit_text(edit)));
                }
            }
        }
        if let Some(upstream) = &self.upstream {
            let (method, path) = (pseudo(upstream, ":method"), self.path(upstream));
            out.push_str(&format!("\nto the upstream: {method} {path}\n"));
            for (name, value) in self.shown(&upstream.headers) {
                out.push_str(&format!("  {name}: {value}\n"));
            }
        }
        if let Some(response) = &self.response {
            out.push_str(&format!("\nto the client: {}\n", status(response).unwrap_or_default()));
            for (name, value) in self.shown(&response.headers) {
                out.push_str(&format!("  {name}: {value}\n"));
            }
            if let Some(body) = &response.body {
                out.push_str(&format!("\n  {}\n", printable(body)));
            }
        }
        out
    }
}

/// What is shown of it.
impl Explanation {
    fn filter_json(&self, filter: &Account) -> Value {
        let mut out = Map::new();
        out.insert("plugin".to_owned(), filter.plugin.clone().into());
        if let Some(Value::Object(record)) = record(filter) {
            out.extend(record);
        }
        let edits = |list: &[HeaderEdit]| list.iter().map(|e| self.edit_json(e)).collect::<Value>();
        out.insert("answered".to_owned(), filter.answered.into());
        out.insert("request_edits".to_owned(), edits(&filter.request_edits));
        out.insert("response_edits".to_owned(), edits(&filter.response_edits));
        out.insert("counted".to_owned(), filter.counted.clone().into());
        Value::Object(out)
    }

    fn edit_json(&self, edit: &HeaderEdit) -> Value {
        let shown = |name, value| self.hidden.value(name, value);
        match edit {
            HeaderEdit::Set(name, value) => json!({"set": name, "value": shown(name, value)}),
            HeaderEdit::Append(name, value) => json!({"append": name, "value": shown(name, value)}),
            HeaderEdit::Remove(name) => json!({"remove": name}),
        }
    }

    fn edit_text(&self, edit: &HeaderEdit) -> String {
        let shown = |name, value| self.hidden.value(name, value);
        match edit {
            HeaderEdit::Set(name, value) => format!("set {name}: {}", shown(name, value)),
            HeaderEdit::Append(name, value) => format!("append {name}: {}", shown(name, value)),
            HeaderEdit::Remove(name) => format!("remove {name}"),
        }
    }

    fn shown<'h>(&self, headers: &'h HeaderList) -> impl Iterator<Item = (&'h str, String)> {
        let fields = headers.iter().filter(|(name, _)| !name.starts_with(':'));
        fields.map(|(name, value)| (name.as_str(), self.hidden.value(name, value)))
    }

    fn headers_json(&self, headers: &HeaderList) -> Value {
        self.shown(headers).map(|(name, value)| json!([name, value])).collect()
    }

    fn path(&self, message: &Message) -> String {
        message.header(":path").map(|path| self.hidden.value(":path", path)).unwrap_or_default()
    }
}

/// What the other one of the current rules and a candidate would have decided:
/// ` [shadow: deny sale (no_scopes)]`.
fn beside(record: &Value) -> String {
    let told = |(name, word): (&str, &str)| {
        let other = record.get(name)?;
        let member = |name: &str| Some(printable(other.get(name)?.as_str()?.as_bytes()));
        let rule = member("rule").filter(|rule| rule != "-").map(|rule| format!(" {rule}"));
        let (decision, code) = (member("decision")?, member("code")?);
        let taken_back = other.get("taken_back").is_some();
        let word = if taken_back { "taken back" } else { word };
        let (rule, unsure) = (rule.unwrap_or_default(), unsure(other));
        Some(format!(" [{word}: {decision}{rule} ({code}{unsure})]"))
    };
    let members = [("candidate", "shadow"), ("current", "current")];
    members.into_iter().find_map(told).unwrap_or_default()
}

/// What could not be evaluated.
fn unsure(record: &Value) -> String {
    let text = record.get("unsure").and_then(Value::as_str);
    text.map_or(String::new(), |text| format!(": {}", printable(text.as_bytes())))
}

fn record(filter: &Account) -> Option<Value> {
    serde_json::from_slice(filter.record.as_deref()?).ok()
}

fn pseudo(message: &Message, name: &str) -> String {
    message.header(name).map(printable).unwrap_or_default()
}

fn status(message: &Message) -> Option<u16> {
    std::str::from_utf8(message.header(":status")?).ok()?.parse().ok()
}
