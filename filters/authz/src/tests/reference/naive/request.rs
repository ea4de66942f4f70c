//! What a request says.

use serde_json::Value;

use super::template::bound;
use super::{
    Asked, No, Says, Unknown, Yes, all, any, header, list, query, says, tested_header, text,
};

/// One of `exact`, `prefix`, of one value.
fn tested(test: &Value, value: &str) -> bool {
    list(test, "exact").contains(&value)
        || list(test, "prefix").iter().any(|p| value.starts_with(p))
}

pub(super) fn request(m: &Value, asked: &Asked) -> Says {
    let mut parts = Vec::new();
    let hosts = list(m, "hosts");
    parts.push(says(hosts.is_empty() || hosts.iter().any(|h| host_is(h, asked.host))));
    let methods = list(m, "methods");
    let method_is = |m: &&str| *m == asked.method || (*m == "GET" && asked.method == "HEAD");
    parts.push(says(methods.is_empty() || methods.iter().any(method_is)));
    let paths = list(m, "paths");
    parts.push(says(paths.is_empty() || paths.iter().any(|t| bound(t, &asked.path).is_some())));
    let own = |test: &Value| {
        let name = text(&test["name"]);
        match test["present"].as_bool() {
            Some(present) => says(header(asked, name).is_empty() != present),
            None => tested_header(asked, name, |value| tested(test, value)).unwrap_or(No),
        }
    };
    parts.extend(m["headers"].as_array().into_iter().flatten().map(own));
    if let Some(tests) = m["any_header"].as_array() {
        parts.push(any(&tests.iter().map(own).collect::<Vec<_>>()));
    }
    for test in m["query"].as_array().into_iter().flatten() {
        let pairs = query(&asked.path);
        let values: Vec<&str> = pairs
            .iter()
            .filter(|(n, _)| n == text(&test["name"]))
            .map(|(_, v)| v.as_str())
            .collect();
        let good = values.iter().filter(|value| tested(test, value)).count();
        parts.push(match test["present"].as_bool() {
            Some(present) => says(values.is_empty() != present),
            None if good == 0 => No,
            None if good == values.len() => Yes,
            None => Unknown,
        });
    }
    let types = list(m, "content_types");
    if !types.is_empty() {
        parts.push(match header(asked, "content-type").as_slice() {
            [] => No,
            ["application/json" | "application/json; charset=utf-8"] => {
                says(types.contains(&"application/json"))
            }
            ["image/png"] => says(types.contains(&"image/*") || types.contains(&"image/png")),
            _ => Unknown,
        });
    }
    if let Some(size) = m["body_size"].as_object() {
        let length = match header(asked, "content-length").as_slice() {
            [] if asked.whole => Some(0),
            [one] => one.parse::<u64>().ok(),
            _ => None,
        };
        parts.push(match length {
            None => Unknown,
            Some(n) => {
                let bound = |key: &str| size.get(key).and_then(Value::as_u64);
                says(
                    bound("at_least").is_none_or(|least| n >= least)
                        && bound("at_most").is_none_or(|most| n <= most),
                )
            }
        });
    }
    if let Some(windows) = m["times"].as_array() {
        parts.push(says(windows.iter().any(|w| in_window(w, asked.now))));
    }
    let routes = list(m, "routes");
    if !routes.is_empty() {
        parts.push(asked.route.map_or(Unknown, |route| says(routes.contains(&route))));
    }
    let blocks = list(m, "client_addresses");
    if !blocks.is_empty() {
        parts.push(match asked.address {
            Some(address) if !address.starts_with('/') => {
                says(blocks.iter().any(|block| in_block(block, address)))
            }
            _ => Unknown,
        });
    }
    all(&parts)
}

fn host_is(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(below) => host.ends_with(below) && host.len() > below.len() + 1,
        None => pattern == host,
    }
}

fn in_block(block: &str, address: &str) -> bool {
    let (base, length) = block.split_once('/').unwrap_or((block, "32"));
    if base.contains(':') {
        // The only such block is `2001:db8::/32`.
        return address.starts_with("[2001:db8:");
    }
    let Some((ip, _)) = address.split_once(':').filter(|(ip, _)| ip.contains('.')) else {
        return false;
    };
    let bits = |text: &str| -> String {
        text.split('.').map(|n| format!("{:08b}", n.parse::<u8>().unwrap())).collect()
    };
    let length: usize = length.parse().unwrap();
    bits(ip).get(..length) == bits(base).get(..length)
}

/// Minute by minute: does a window that begins today or began yesterday contain
/// this one?
fn in_window(window: &Value, now: u64) -> bool {
    let clock = |key: &str| {
        let (h, m) = text(&window[key]).split_once(':').unwrap();
        h.parse::<u64>().unwrap() * 60 + m.parse::<u64>().unwrap()
    };
    let minute = now / 60;
    let (day, minute) = (minute / 1440, minute % 1440);
    let is_on = |day: u64| {
        // The day 0 was a Thursday.
        let name = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][(day % 7) as usize];
        window["days"].is_null() || list(window, "days").contains(&name)
    };
    if window["from"].is_null() {
        return is_on(day);
    }
    let (from, to) = (clock("from"), clock("to"));
    if from < to {
        is_on(day) && (from..to).contains(&minute)
    } else {
        (is_on(day) && minute >= from) || (is_on(day - 1) && minute < to)
    }
}
