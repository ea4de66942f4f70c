//! What was seen before is held to what a first look says.

use proptest::prelude::*;

use super::*;
use crate::Headers;
use crate::config::{decode, parse_json};
use crate::fake::FakeHost;
use crate::rules::{Rules, Subject};

/// More sets than a sight keeps candidates of.
fn sets() -> Vec<Rules<usize>> {
    let sets = [
        r#"[{"paths":["/a/{x}","/a/**"]},{"methods":["GET"],"hosts":["a.example"]}]"#,
        r#"[{"paths":["/a/b"],"hosts":["*.example"]},{"paths":["/{x}/{y}"],"methods":["POST"]}]"#,
        r#"[{"paths":["/**"]}]"#,
    ];
    let set = |text: &str| {
        let matches: Vec<_> = decode(&parse_json(text.as_bytes()).unwrap()).unwrap();
        Rules::new(matches.into_iter().enumerate().map(|(i, m)| (m, i)).collect())
    };
    sets.map(set).into()
}

fn request(host: Option<&str>, method: Option<&str>, path: &str) -> Request<'static> {
    let headers = [(":authority", host), (":method", method), (":path", Some(path))];
    let there = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Request::new(Headers::new(there), true)
}

fn told(sighted: &Sighted<'_>, request: &Request<'_>, sets: &[Rules<usize>]) -> String {
    let proxy = FakeHost::default();
    let asked = Subject::of(request, sighted, &proxy);
    let found: Vec<Vec<_>> = sets
        .iter()
        .map(|set| {
            set.candidates(&asked)
                .map(|found| (found.index, *found.rule, found.captures(&sighted.target).len()))
                .collect()
        })
        .collect();
    let target = &sighted.target;
    let segments: Vec<_> = target.segments().map(|s| (s.raw(), s.decoded())).collect();
    let (path, query) = (target.canonical(), target.query());
    let flags = (target.is_changed(), target.is_asterisk());
    let host = (sighted.host(), &asked.host);
    format!("{host:?} {flags:?} {path:?} {query:?} {segments:?} {found:?}")
}

proptest! {
    #[test]
    fn a_later_look_says_what_the_first_one_did(
        requests in prop::collection::vec(
            (
                prop::sample::select(vec![
                    None, Some("a.example"), Some("A.example:80"), Some("b"), Some("a,b"),
                ]),
                prop::sample::select(vec![None, Some("GET"), Some("POST"), Some("GETa")]),
                prop::sample::select(vec![
                    "/a/b", "/a/b/", "/a//b", "/", "/a/%62", "/a/../b", "/a;b", "*", "", "a", "/a",
                    "/a/bGET",
                ]),
                prop::sample::select(vec!["", "?", "?x=1", "?x=%41", "?x=%00", "?a?b", "?/../c"]),
            ),
            0..200,
        ),
    ) {
        let (sets, sights) = (sets(), Sights::default());
        for (host, method, path, query) in requests {
            let request = request(host, method, &format!("{path}{query}"));
            let say = |seen: Result<Sighted<'_>, BadTarget>| {
                seen.map(|sighted| told(&sighted, &request, &sets))
            };
            prop_assert_eq!(say(sights.see(&request)), say(Sighted::new(&request)));
        }
    }
}

fn is_known(sights: &Sights, path: &str) -> bool {
    sights.see(&request(Some("a"), Some("GET"), path)).unwrap().sight.is_some()
}

#[test]
fn what_comes_again_is_known_from_the_third_time_on() {
    let sights = Sights::default();
    assert_eq!([(); 4].map(|()| is_known(&sights, "/a/b?x=1")), [false, false, true, true]);
    // The query is no part of it, and one that asks for a closer look gets it.
    assert!(is_known(&sights, "/a/b") && is_known(&sights, "/a/b?"));
    assert!(!is_known(&sights, "/a/b?x=%41") && !is_known(&sights, "/a/c"));
    // Nor is anything kept that is not as it came, or too long.
    for path in ["/a//b", "/a/%62", "*", &format!("/{}", "a".repeat(LONGEST_KEY))] {
        assert_eq!([(); 4].map(|()| is_known(&sights, path)), [false; 4], "{path}");
    }
}

/// HTTP/2 carries a method as it is written; some servers take `delete` for `DELETE`,
/// which a rule may deny.
#[test]
fn a_method_with_small_letters_is_refused() {
    let sights = Sights::default();
    let see = |method| sights.see(&request(Some("a"), Some(method), "/a")).map(|_| ());
    for method in ["delete", "Delete", "DELETe", "delete"] {
        assert_eq!(see(method), Err(BadTarget::SmallMethod), "{method}");
    }
    for method in ["DELETE", "M-SEARCH", "X1"] {
        assert_eq!(see(method), Ok(()), "{method}");
    }
}

#[test]
fn new_paths_drive_nothing_out() {
    let sights = Sights::default();
    let known = || is_known(&sights, "/a/b");
    assert_eq!([known(), known(), known()], [false, false, true]);
    for i in 0..10_000 {
        assert!(!is_known(&sights, &format!("/flood/{i}")));
    }
    assert!(known());
}

#[test]
fn a_text_is_made_once_for_each_path() {
    let sights = Sights::default();
    let mut made = 0;
    let mut text = |path: &str| {
        let request = request(Some("a"), Some("GET"), path);
        let text = sights.see(&request).unwrap().text(|| {
            made += 1;
            path.to_owned().into_bytes()
        });
        (String::from_utf8_lossy(&text).into_owned(), made)
    };
    for (path, expected) in [("/a", 1), ("/a", 2), ("/a", 3), ("/a", 3), ("/b", 4), ("/a?q", 5)] {
        assert_eq!(text(path), (path.to_owned(), expected));
    }
    assert_eq!(text("/a"), ("/a".to_owned(), 5));
}

/// Two keys with the same hash, and the same bytes, are two keys all the same.
#[test]
fn no_collision_makes_two_requests_one() {
    let sight = Sight::new(1, [b"a", b"GET", b"/x"], Some("a"));
    assert!(sight.is_of(1, [b"a", b"GET", b"/x"]));
    for key in [[&b"aG"[..], b"ET", b"/x"], [b"a", b"GET/", b"x"], [b"b", b"GET", b"/x"]] {
        assert!(!sight.is_of(1, key), "{key:?}");
    }
    for key in [[&b"a"[..], b"PUT", b"/x"], [b"a", b"GET", b"/y"], [b"a", b"GET", b"/x/"]] {
        assert!(!sight.is_of(1, key), "{key:?}");
    }
}
