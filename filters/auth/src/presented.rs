//! What a request presents: no credential, one, or more than may be.

use postern_core::{Headers, Target};

use crate::carrier::Found;

/// What a request presents.
#[derive(Debug)]
pub(crate) enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// One credential, not yet looked into.
    One(Found<'a>),
    /// `Authorization` with a scheme that no provider reads.
    Unsupported,
    /// More than one way or copy: which one counts is anybody's guess.
    Several(&'static str),
}

/// Where this policy's providers look.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// `Authorization` schemes in lower case.
    pub(crate) schemes: Vec<String>,
    /// Headers of their own, in lower case.
    pub(crate) headers: Vec<String>,
}

impl Places {
    /// Looks into every place at once; each header is looked at once.
    pub(crate) fn look<'a>(&self, headers: &'a Headers<'a>, target: &Target<'_>) -> Presented<'a> {
        // RFC 6750 §2.3: a way of sending a token that is not offered here,
        // and that leaves it in logs.
        if target.query_values("access_token").next().is_some() {
            return Presented::Several("a token in the query is not accepted");
        }
        let mut found: Option<Found<'a>> = None;
        let mut unsupported = false;
        for (name, value) in headers.iter() {
            let next = if name == "authorization" {
                match self.authorization(value) {
                    Presented::One(found) => Some(found),
                    Presented::Unsupported => {
                        if unsupported || found.is_some() {
                            return Presented::Several(MORE_THAN_ONE);
                        }
                        unsupported = true;
                        None
                    }
                    several => return several,
                }
            } else if self.headers.iter().any(|own| own == name) {
                if value.contains(&b',') {
                    return Presented::Several(MORE_THAN_ONE);
                }
                Some(Found::Header { name, value })
            } else {
                None
            };
            if let Some(next) = next {
                if found.is_some() || unsupported {
                    return Presented::Several(MORE_THAN_ONE);
                }
                found = Some(next);
            }
        }
        match found {
            Some(found) => Presented::One(found),
            None if unsupported => Presented::Unsupported,
            None => Presented::Nothing,
        }
    }

    /// The proxy joins repeated `Authorization` headers with commas, which
    /// stand in none of the supported credentials.
    fn authorization<'a>(&self, value: &'a [u8]) -> Presented<'a> {
        let joined = value.split(|b| *b == b',').map(<[u8]>::trim_ascii_start);
        let several = value.contains(&b',');
        if several && joined.into_iter().any(|part| self.scheme(part).is_some()) {
            return Presented::Several(MORE_THAN_ONE);
        }
        match self.scheme(value) {
            Some((scheme, rest)) => Presented::One(Found::Authorization { scheme, rest }),
            None => Presented::Unsupported,
        }
    }

    /// The scheme in lower case, if a provider reads it, and what follows it.
    fn scheme<'a>(&self, value: &'a [u8]) -> Option<(String, &'a [u8])> {
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        let length = value.iter().take_while(|b| is_token(b)).count();
        let (scheme, rest) = value.split_at_checked(length)?;
        let known = self.schemes.iter().find(|own| own.as_bytes().eq_ignore_ascii_case(scheme))?;
        Some((known.clone(), rest))
    }
}

const MORE_THAN_ONE: &str = "the request has more than one credential";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(headers: &[(&str, &[u8])], path: &str) -> String {
        let places = Places {
            schemes: vec!["bearer".to_owned(), "basic".to_owned()],
            headers: vec!["x-api-key".to_owned()],
        };
        let headers = Headers::new(headers.iter().map(|(n, v)| (*n, *v)));
        let target = Target::parse(Some(path.as_bytes())).unwrap();
        match places.look(&headers, &target) {
            Presented::Nothing => "nothing".to_owned(),
            Presented::Unsupported => "unsupported".to_owned(),
            Presented::Several(why) => format!("400 {why}"),
            Presented::One(Found::Authorization { scheme, rest }) => {
                format!("{scheme}|{}", String::from_utf8_lossy(rest))
            }
            Presented::One(Found::Header { name, value }) => {
                format!("{name}:{}", String::from_utf8_lossy(value))
            }
        }
    }

    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: &str) {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        assert_eq!(look(&headers, "/a?b=c"), expected, "{headers:?}");
    }

    const TWO: &str = "400 the request has more than one credential";

    #[test]
    fn one_credential_is_found_where_it_stands() {
        check(&[], "nothing");
        check(&[("x-other", "a")], "nothing");
        check(&[("authorization", "bEaReR abc")], "bearer| abc");
        check(&[("authorization", "Bearer  abc")], "bearer|  abc");
        check(&[("authorization", "Bearer\tabc")], "bearer|\tabc");
        check(&[("authorization", "Bearer")], "bearer|");
        check(&[("X-Api-Key", "k")], "x-api-key:k");
        check(&[("authorization", "Digest a=\"b\", c=\"d\"")], "unsupported");
        check(&[("authorization", "Bearerabc")], "unsupported");
        check(&[("authorization", "")], "unsupported");
        check(&[("authorization", "\u{ff}")], "unsupported");
    }

    #[test]
    fn several_credentials_are_refused() {
        for joined in [
            "Bearer a,Bearer b",
            "Bearer a, b",
            "Bearer a,",
            "Basic a,Bearer b",
            "Digest a, bearer b",
            ",Bearer a",
        ] {
            check(&[("authorization", joined)], TWO);
        }
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer b")], TWO);
        check(&[("authorization", "Bearer a"), ("authorization", "Digest b")], TWO);
        check(&[("authorization", "Digest b"), ("authorization", "Bearer a")], TWO);
        check(&[("authorization", "Digest b"), ("authorization", "Digest c")], TWO);
        check(&[("authorization", "Bearer a"), ("x-api-key", "k")], TWO);
        check(&[("x-api-key", "k"), ("authorization", "Digest a")], TWO);
        check(&[("x-api-key", "k"), ("x-api-key", "k")], TWO);
        check(&[("x-api-key", "k,k")], TWO);
    }

    #[test]
    fn a_token_in_the_query_is_refused_by_any_spelling_of_its_name() {
        let refused = "400 a token in the query is not accepted";
        for path in ["/?access_token=a", "/?x=1&access%5Ftoken", "/?access_token=&access_token="] {
            assert_eq!(look(&[], path), refused, "{path}");
            assert_eq!(look(&[("authorization", b"Bearer a")], path), refused, "{path}");
        }
        assert_eq!(look(&[], "/access_token=a?my_access_token=b"), "nothing");
    }

    proptest! {
        #[test]
        fn no_bytes_are_found_twice_or_panic(
            values in prop::collection::vec(
                prop::collection::vec(any::<u8>(), 0..40).prop_map(|mut bytes| {
                    if bytes.len() % 2 == 0 { bytes.splice(0..0, *b"Bearer "); }
                    bytes
                }),
                0..4,
            ),
        ) {
            let headers: Vec<_> = values.iter().map(|v| ("authorization", v.as_slice())).collect();
            let seen = look(&headers, "/");
            prop_assert_eq!(values.is_empty(), seen == "nothing");
            prop_assert!(values.len() < 2 || seen == TWO);
        }
    }
}
