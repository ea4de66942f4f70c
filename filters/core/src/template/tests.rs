use super::*;

#[track_caller]
fn check(template: &str, path: &str, expected: Option<&[(&str, &str)]>) {
    let template = Template::parse(template).unwrap();
    let target = Target::parse(Some(path.as_bytes())).unwrap();
    assert_eq!(template.matches(&target), expected.is_some());
    if let Some(expected) = expected {
        let captures = template.captures(&target);
        let found: Vec<(&str, &str)> =
            captures.iter().map(|c| (c.name, std::str::from_utf8(&c.raw).unwrap())).collect();
        assert_eq!(found, expected);
        for capture in &captures {
            let (name, text) = (capture.name, capture.decoded.as_slice());
            assert_eq!(template.capture(&target, name).as_deref(), Some(text));
            assert_eq!(template.capture_is(&target, name, text), Some(true));
            let others = [text.get(1..), text.split_last().map(|(_, rest)| rest)];
            let others = others.into_iter().flatten().map(<[u8]>::to_vec);
            for other in others.chain([[text, b"x"].concat(), [text, b"/"].concat()]) {
                assert_eq!(template.capture_is(&target, name, &other), Some(false), "{other:?}");
            }
        }
        assert_eq!(template.capture(&target, "none"), None);
        assert_eq!(template.capture_is(&target, "none", b""), None);
    }
}

#[test]
fn literals_and_captures() {
    check("/", "/", Some(&[]));
    check("/", "/a", None);
    check("/whoami", "/whoami", Some(&[]));
    check("/whoami", "/whoami/", None);
    check("/user/{name}", "/user/", None);
    check(
        "/market/user:{name}.json",
        "/market/user:north.wind.json",
        Some(&[("name", "north.wind")]),
    );
    check("/market/user:{name}.json", "/market/user:.json", None);
    check("/a/*/c", "/a/b/c", Some(&[]));
    check("/a/%2F", "/a/%252F", Some(&[]));
    check("/a b", "/a%20b", Some(&[]));
}

#[test]
fn several_captures_in_a_segment() {
    let search = "/search:{site?},{category?},{term}.json";
    check(
        search,
        "/search:a,b,c,d.json",
        Some(&[("site", "a"), ("category", "b"), ("term", "c,d")]),
    );
    check(
        search,
        "/search:,,x%7Cy.json",
        Some(&[("site", ""), ("category", ""), ("term", "x%7Cy")]),
    );
    check(
        search,
        "/search:%41,%20,x.json.json",
        Some(&[("site", "%41"), ("category", "%20"), ("term", "x.json")]),
    );
    check(search, "/search:a.json", None);
}

#[test]
fn typed_captures() {
    check("/api/{v:edge|v1|v2}/x", "/api/edge/x", Some(&[("v", "edge")]));
    check("/api/{v:edge|v1|v2}/x", "/api/v3/x", None);
    check("/item:{id:int}.json", "/item:4615.json", Some(&[("id", "4615")]));
    check("/item:{id:int}.json", "/item:x.json", None);
}

#[test]
fn tails() {
    check("/a/**", "/a", Some(&[]));
    check("/a/**", "/a/b/c/", Some(&[]));
    check("/a/**", "/b", None);
    check("/**", "/", Some(&[]));
    check("/**", "*", None);
    check("/a/{rest:**}", "/a/b/c%20d", Some(&[("rest", "b/c%20d")]));
}

#[test]
fn wider_templates_cover_narrower_ones() {
    for (wide, narrow, expected) in [
        ("/**", "/", true),
        ("/**", "/a/{x}/**", true),
        ("/a/**", "/a", true),
        ("/a/**", "/**", false),
        ("/a/{x}", "/a/b", true),
        ("/a/{x}", "/a/{y}", true),
        ("/a/{x}", "/a/{y:int}.json", true),
        ("/a/{x}", "/a/", false),
        ("/a/{x}", "/a/{y?}", false),
        ("/a/{x?}", "/a/{y?}", true),
        ("/a/*", "/a/**", false),
        ("/a/{x}.json", "/a/b.json", true),
        ("/a/{x}.json", "/a/{y}.json", true),
        ("/a/{x}.json", "/a/{y}", false),
        ("/a/{x:b|c}", "/a/b", true),
        ("/a/{x:b|c}", "/a/d", false),
        ("/a/b", "/a/{x}", false),
    ] {
        let parse = |text| Template::parse(text).unwrap();
        assert_eq!(parse(wide).covers(&parse(narrow)), expected, "{wide} {narrow}");
    }
}

#[test]
fn captures_are_masked() {
    let masked = |template: &str, path: &str, hidden: &[&str]| {
        let template = Template::parse(template).unwrap();
        let target = Target::parse(Some(path.as_bytes())).unwrap();
        assert!(template.matches(&target));
        String::from_utf8(template.masked(&target, |n| hidden.contains(&n), b"***")).unwrap()
    };
    let private = "/api/{user}/{key}/{set}:{arg}.json";
    assert_eq!(masked(private, "/api/u%20v/k%2C1/a:b.json?x", &["key"]), "/api/u%20v/***/a:b.json");
    assert_eq!(
        masked(private, "/api/u/k/a%3Ab:b.json", &["key", "arg"]),
        "/api/u/***/a%3A***.json"
    );
    assert_eq!(masked(private, "/api/u/k/a:b.json", &[]), "/api/u/k/a:b.json");
    assert_eq!(masked("/a/{rest:**}", "/a/b/c", &["rest"]), "/a/***");
    assert_eq!(masked("/a/{rest:**}", "/a", &["rest"]), "/a");
    assert_eq!(masked("/a/{rest:**}", "/a/b/c/", &[]), "/a/b/c/");
}

#[test]
fn bad_templates_are_named() {
    for (text, expected) in [
        ("a", "a path template begins with `/`"),
        ("/a//b", "a template has no empty segment but the last"),
        ("/**/a", "`**` stands at the end of a template only"),
        ("/{a}{b}", "two captures need a literal between them"),
        ("/{a}/{a}", "the capture `a` stands in the template twice"),
        ("/{a", "`{a` has no `}`"),
        ("/{A}", "`{A}` is no capture: a name is of `a-z`, `0-9` and `_`"),
        ("/a*", "`*` cannot stand in a path template"),
        ("/a}", "`}` cannot stand in a path template"),
        ("/a?b", "`?` cannot stand in a path template"),
        ("/../a", "a template has no `.` or `..` segment"),
        ("/{a:x||y}", "`{a:x||y}` has an empty alternative"),
    ] {
        assert_eq!(Template::parse(text).unwrap_err(), expected, "{text}");
    }
}

/// A path that stands for itself is taken apart when somebody asks, and then it has the
/// same parts.
#[test]
fn a_known_path_has_the_parts_that_a_look_finds() {
    let paths = ["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/d.json"];
    let templates =
        ["/", "/{x}", "/a/{y?}", "/a/{x}/{y:**}", "/a/**", "/{z:**}", "/a/b/c/{w}.json"];
    for path in paths {
        let parsed = Target::parse(Some(path.as_bytes())).unwrap();
        let known = Target::known(path.as_bytes(), None);
        assert_eq!(known, parsed);
        for template in templates {
            let template = Template::parse(template).unwrap();
            assert_eq!(template.matches(&known), template.matches(&parsed), "{path}");
            if !template.matches(&parsed) {
                continue;
            }
            assert_eq!(template.captures(&known), template.captures(&parsed), "{path}");
            let masked = |target| template.masked(target, |name| name == "y", b"*");
            assert_eq!(masked(&known), masked(&parsed), "{path}");
            for name in ["x", "y", "z", "w", "none"] {
                let capture = template.capture(&parsed, name);
                assert_eq!(template.capture(&known, name), capture, "{path} {name}");
                for text in [&b"b"[..], b"", b"b/", b"c/d.json", b"d", b"a/b"] {
                    let is = template.capture_is(&known, name, text);
                    assert_eq!(is, template.capture_is(&parsed, name, text), "{path} {name}");
                    assert_eq!(is, capture.as_deref().map(|own| own == text), "{path} {name}");
                }
            }
        }
    }
}
