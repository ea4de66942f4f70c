//! How values are shown for debugging that may hold a credential: without it.
//! What is printed in a panic, a log or a failed test goes further than anybody
//! thinks.

use std::fmt::{Debug, Formatter, Result};

use crate::headers::Headers;
use crate::host::SignatureCheck;
use crate::step::{Answer, Ask, HeaderEdit, Name};
use crate::target::{Segment, Target};

impl Debug for Headers<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl Debug for HeaderEdit {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut shown = |kind: &str, name: &Name, value: &[u8]| {
            f.debug_tuple(kind).field(name).field(&Bytes(value.len())).finish()
        };
        match self {
            HeaderEdit::Set(name, value) => shown("Set", name, value),
            HeaderEdit::Append(name, value) => shown("Append", name, value),
            HeaderEdit::Remove(name) => f.debug_tuple("Remove").field(name).finish(),
        }
    }
}

impl Debug for Ask {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Ask { cluster, headers, body, deadline } = self;
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_ref()).collect();
        f.debug_struct("Ask")
            .field("cluster", cluster)
            .field("headers", &names)
            .field("body", &Bytes(body.len()))
            .field("deadline", deadline)
            .finish()
    }
}

impl Debug for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Answer::Response { status, headers, body } => {
                let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
                f.debug_struct("Response")
                    .field("status", status)
                    .field("headers", &names)
                    .field("body", &Bytes(body.len()))
                    .finish()
            }
            Answer::Unavailable => f.write_str("Unavailable"),
        }
    }
}

/// Message and signature together are a token.
impl Debug for SignatureCheck<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let SignatureCheck { algorithm, public_key, signature, message } = self;
        f.debug_struct("SignatureCheck")
            .field("algorithm", algorithm)
            .field("public_key", &Bytes(public_key.len()))
            .field("signature", &Bytes(signature.len()))
            .field("message", &Bytes(message.len()))
            .finish()
    }
}

/// Old clients write keys into paths, and others into the query.
impl Debug for Target<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let query = self.query().map(|query| Bytes(query.len()));
        f.debug_struct("Target")
            .field("segments", &self.segments().collect::<Vec<_>>())
            .field("query", &query)
            .finish_non_exhaustive()
    }
}

impl Debug for Segment<'_, '_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        Bytes(self.raw().len()).fmt(f)
    }
}

/// So many bytes.
struct Bytes(usize);

impl Debug for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} bytes", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Outcome, Request, SignatureAlgorithm, Step, Task, Work};

    const SECRET: &str = "s3cret-token";

    /// The secret is in it, but not to be seen.
    #[track_caller]
    fn shows(value: impl Debug, expected: &str) {
        let shown = format!("{value:?}");
        assert_eq!(shown, expected);
        let bytes = format!("{:?}", SECRET.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        for form in [shown, format!("{value:#?}").replace(['\n', ' '], "")] {
            assert!(!form.contains(SECRET) && !form.contains(bytes), "{form}");
            assert!(!form.contains(&bytes.replace(' ', "")), "{form}");
        }
    }

    fn secret() -> Vec<u8> {
        SECRET.as_bytes().to_vec()
    }

    #[test]
    fn what_may_hold_a_credential_is_shown_without_it() {
        let headers = || Headers::new([("authorization", secret()), (":path", secret())]);
        shows(headers(), r#"["authorization", ":path"]"#);
        shows(
            Request::new(headers(), true),
            r#"Request { headers: ["authorization", ":path"], end_of_stream: true }"#,
        );
        let edits = [
            HeaderEdit::set("authorization", secret()),
            HeaderEdit::append("cookie", secret()),
            HeaderEdit::remove("x-api-key"),
        ];
        shows(
            &edits,
            r#"[Set("authorization", 12 bytes), Append("cookie", 12 bytes), Remove("x-api-key")]"#,
        );
        let ask = Ask {
            cluster: "idp".to_owned(),
            headers: vec![(":path".into(), secret()), ("authorization".into(), secret())],
            body: secret(),
            deadline: Duration::from_secs(1),
        };
        let shown = r#"Ask { cluster: "idp", headers: [":path", "authorization"], body: 12 bytes, deadline: 1s }"#;
        shows(&ask, shown);
        shows(Step::Ask(Box::new(ask.clone())), &format!("Ask({shown})"));
        let outcome = format!("{:?}", Outcome::edit(edits.to_vec()));
        assert!(outcome.contains(r#"Append("cookie", 12 bytes)"#) && !outcome.contains(SECRET));
        let task = Task { id: 7, ask };
        shows(&task, &format!("Task {{ id: 7, ask: {shown} }}"));
        let work = format!("{:?}", Work { ask: vec![task], ..Work::default() });
        assert!(work.contains(shown) && !work.contains(SECRET), "{work}");
        let answer = Answer::Response {
            status: 200,
            headers: vec![("set-cookie".to_owned(), secret())],
            body: secret().into(),
        };
        shows(answer, r#"Response { status: 200, headers: ["set-cookie"], body: 12 bytes }"#);
        let check = SignatureCheck {
            algorithm: SignatureAlgorithm::Es256,
            public_key: b"key",
            signature: SECRET.as_bytes(),
            message: SECRET.as_bytes(),
        };
        let shown = "SignatureCheck { algorithm: Es256, public_key: 3 bytes, signature: 12 bytes, message: 12 bytes }";
        shows(check, shown);
        let path = format!("/v3/{SECRET}/a?key={SECRET}");
        shows(
            Target::parse(Some(path.as_bytes())).unwrap(),
            "Target { segments: [2 bytes, 12 bytes, 1 bytes], query: Some(16 bytes), .. }",
        );
    }
}
