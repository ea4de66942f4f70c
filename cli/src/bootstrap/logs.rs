//! What the logs may not hold.

use postern_core::config::At;

use super::Checker;

/// Headers that may hold a credential: keys stand in old paths, and a user with
/// a password before a host. What logs them writes it into the log.
const SPOKEN: [&str; 9] = [
    ":PATH",
    "X-ENVOY-ORIGINAL-PATH",
    ":AUTHORITY",
    "HOST",
    "AUTHORIZATION",
    "PROXY-AUTHORIZATION",
    "COOKIE",
    "REFERER",
    "X-API-KEY",
];

impl Checker<'_> {
    /// Envoy's own format writes the path as it came.
    pub(super) fn access_log(&mut self, at: At<'_>) {
        let formats = ["log_format", "format", "json_format", "typed_json_format"];
        if !formats.iter().any(|key| at.node().get(key).is_some()) {
            at.error(
                &mut self.errors,
                "missing key `log_format`: Envoy's own writes credentials that stand in paths",
            );
        }
    }

    /// A text may be a format.
    pub(super) fn spoken(&mut self, at: At<'_>, text: &str) {
        if let Some(found) = spoken(text) {
            let message = format!(
                "`{found}` may write a credential into the log, expected \
                 `%FILTER_STATE(wasm.postern.path:PLAIN)%` for the path; the host is in the record \
                 of legacy-compat"
            );
            at.error(&mut self.errors, message);
        }
    }
}

/// The first command of a log format that writes one of [`SPOKEN`]:
/// `%REQ(A?B):N%` writes A, or else B.
fn spoken(format: &str) -> Option<&str> {
    format.split('%').find(|command| {
        let Some((name, rest)) = command.split_once('(') else { return false };
        let arguments = rest.split(')').next().unwrap_or_default();
        match name {
            "PATH" => true,
            "REQ" | "REQ_WITHOUT_QUERY" => arguments.split('?').any(|header| {
                SPOKEN.iter().any(|spoken| spoken.eq_ignore_ascii_case(header.trim()))
            }),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_credentials_into_a_log() {
        for bad in [
            "%REQ(:PATH)%",
            "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% x\"",
            "%REQ(x-none?:path):64%",
            "%REQ_WITHOUT_QUERY(:PATH)%",
            "%PATH(WQ:ORIG)%",
            "%REQ(:authority)%",
            "%REQ(Authorization)%",
        ] {
            assert!(spoken(bad).is_some(), "{bad}");
        }
        for good in [
            "",
            "PATH",
            "%REQ(:METHOD)%",
            "%REQ(X-REQUEST-ID?X-PATH)%",
            "%FILTER_STATE(wasm.postern.path:PLAIN)%",
            "100 %",
        ] {
            assert_eq!(spoken(good), None, "{good}");
        }
    }
}
