//! What a request presents: no credential, one, or more than may be.

use postern_core::{Headers, Target, bytes};

use crate::carrier::Found;
use crate::cookies;
use crate::provider::Place;
use crate::signature::{INPUT, SIGNATURE};

/// What a request presents.
#[derive(Debug)]
pub(crate) enum Presented<'a> {
    /// Credentials, each in another place, not yet looked into.
    These(Vec<Found<'a>>),
    /// More than one copy in one place: which one counts is anybody's guess.
    Several(&'static str),
}

/// Where this policy's providers look.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// `Authorization` schemes in lower case.
    schemes: Vec<String>,
    /// Headers of their own, in lower case.
    headers: Vec<String>,
    /// Query parameters.
    parameters: Vec<String>,
    /// Cookies.
    cookies: Vec<String>,
    /// Do signatures of requests count?
    signatures: bool,
}

/// More than one credential, wherever they stand.
pub(crate) const MORE_THAN_ONE: &str = "the request has more than one credential";

impl Places {
    /// All of these.
    pub(crate) fn of<'p>(all: impl Iterator<Item = &'p Place>) -> Self {
        let mut places = Places::default();
        let add = |list: &mut Vec<String>, name: Option<&str>| {
            let new = name.filter(|name| list.iter().all(|known| known != name));
            list.extend(new.map(str::to_owned));
        };
        for place in all {
            places.signatures |= matches!(place, Place::Signature);
            for carrier in place.carriers() {
                add(&mut places.schemes, carrier.scheme());
                add(&mut places.headers, carrier.header());
                add(&mut places.parameters, carrier.query());
                add(&mut places.cookies, carrier.cookie());
            }
        }
        places
    }

    /// Looks into every place at once; each header is looked at once.
    pub(crate) fn look<'a>(
        &'a self,
        headers: &'a Headers<'_>,
        target: &Target<'a>,
    ) -> Presented<'a> {
        let mut found = Vec::with_capacity(1);
        if target.query().is_some()
            && let Err(why) = self.look_into_query(target, &mut found)
        {
            return Presented::Several(why);
        }
        for (name, value) in headers.fields() {
            let next = if name == b"authorization" {
                match self.authorization(value) {
                    Some(found) => found,
                    None => return Presented::Several(MORE_THAN_ONE),
                }
            } else if let Some(name) = self.headers.iter().find(|own| own.as_bytes() == name) {
                if value.contains(&b',') {
                    return Presented::Several(MORE_THAN_ONE);
                }
                Found::Header { name, value }
            } else if self.signatures && (name == INPUT.as_bytes() || name == SIGNATURE.as_bytes())
            {
                if found.iter().any(|found| matches!(found, Found::Signature)) {
                    continue;
                }
                Found::Signature
            } else if name == b"cookie" && !self.cookies.is_empty() {
                for (name, value) in cookies::pairs(value) {
                    let own = self.cookies.iter().find(|own| own.as_bytes() == name);
                    found.extend(own.map(|name| Found::Cookie { name, value }));
                }
                continue;
            } else {
                continue;
            };
            found.push(next);
        }
        if found.len() > 1 && has_twins(&found) {
            return Presented::Several(MORE_THAN_ONE);
        }
        Presented::These(found)
    }

    fn look_into_query<'a>(
        &'a self,
        target: &Target<'a>,
        found: &mut Vec<Found<'a>>,
    ) -> Result<(), &'static str> {
        // RFC 6750 §2.3: a way of sending a token that leaves it in logs.
        let token = "access_token";
        if self.parameters.iter().all(|own| own != token)
            && target.query_values(token).next().is_some()
        {
            return Err("a token in the query is not accepted");
        }
        for name in &self.parameters {
            found.extend(target.query_values(name).map(|value| Found::Query { name, value }));
        }
        Ok(())
    }

    /// The proxy joins repeated `Authorization` headers with commas, which
    /// stand in none of the supported credentials: `None`.
    fn authorization<'a>(&'a self, value: &'a [u8]) -> Option<Found<'a>> {
        let joined = || value.split(|b| *b == b',').map(<[u8]>::trim_ascii_start);
        let several = bytes::find(value, b',').is_some();
        if several && joined().any(|part| self.scheme(part).is_some()) {
            return None;
        }
        Some(match self.scheme(value) {
            Some((scheme, rest)) => Found::Authorization { scheme, rest },
            None => Found::Unsupported,
        })
    }

    /// The scheme in lower case, if a provider reads it, and what follows it.
    fn scheme<'a>(&'a self, value: &'a [u8]) -> Option<(&'a str, &'a [u8])> {
        // One goes as far as there are signs of a token.
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        self.schemes.iter().find_map(|own| {
            let (scheme, rest) = value.split_at_checked(own.len())?;
            let is_it = scheme.eq_ignore_ascii_case(own.as_bytes());
            (is_it && !rest.first().is_some_and(is_token)).then_some((own.as_str(), rest))
        })
    }
}

/// Do two stand in the same place?
fn has_twins(found: &[Found<'_>]) -> bool {
    let place = |found: &Found<'_>| match found {
        Found::Authorization { .. } | Found::Unsupported => (0, String::new()),
        Found::Header { name, .. } => (1, (*name).to_owned()),
        Found::Query { name, .. } => (2, (*name).to_owned()),
        Found::Cookie { name, .. } => (3, (*name).to_owned()),
        Found::Signature => (4, String::new()),
    };
    let mut places: Vec<_> = found.iter().map(place).collect();
    places.sort_unstable();
    places.windows(2).any(|pair| pair.first() == pair.last())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(headers: &[(&str, &[u8])], path: &str) -> String {
        let places = Places {
            schemes: vec!["bearer".to_owned(), "basic".to_owned()],
            headers: vec!["x-api-key".to_owned()],
            parameters: vec!["api_key".to_owned()],
            cookies: vec!["session".to_owned()],
            signatures: true,
        };
        let headers = Headers::new(headers.iter().map(|(n, v)| (*n, *v)));
        let target = Target::parse(Some(path.as_bytes())).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found = match places.look(&headers, &target) {
            Presented::Several(why) => return format!("400 {why}"),
            Presented::These(found) => found,
        };
        let words = found.iter().map(|found| match found {
            Found::Unsupported => "unsupported".to_owned(),
            Found::Authorization { scheme, rest } => format!("{scheme}|{}", text(rest)),
            Found::Header { name, value } => format!("{name}:{}", text(value)),
            Found::Query { name, value } => format!("?{name}={}", text(value)),
            Found::Cookie { name, value } => format!("{name}={}", text(value)),
            Found::Signature => "signature".to_owned(),
        });
        let words: Vec<String> = words.collect();
        if words.is_empty() { "nothing".to_owned() } else { words.join(" + ") }
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
        check(&[("cookie", "session=a; session=b")], TWO);
        check(&[("cookie", "session=a"), ("cookie", "session=a")], TWO);
        assert_eq!(look(&[], "/?api_key=a&api%5fkey=a"), TWO);
        check(&[("x-api-key", "k"), ("x-api-key", "k")], TWO);
        check(&[("x-api-key", "k,k")], TWO);
    }

    #[test]
    fn credentials_in_different_places_are_all_found() {
        check(&[("authorization", "Bearer a"), ("x-api-key", "k")], "bearer| a + x-api-key:k");
        check(&[("x-api-key", "k"), ("authorization", "Digest a")], "x-api-key:k + unsupported");
        check(&[("cookie", "a=b; session=c; d=e")], "session=c");
        check(&[("cookie", "Session=c; xsession=d")], "nothing");
        let cookie = [("cookie", &b"session=c"[..])];
        assert_eq!(look(&cookie, "/?api%5Fkey=a%2b"), "?api_key=a%2b + session=c");
        assert_eq!(look(&[], "/?API_KEY=a"), "nothing");
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
