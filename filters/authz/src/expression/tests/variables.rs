use super::*;

#[test]
fn the_request_is_seen_as_the_rules_see_it() {
    hold(&[
        "request.method == 'GET'",
        "request.host == 'api.example.com'",
        "request.path == '/v3/market/user/alice b'",
        "request.size == 0",
        "path.name == 'alice b' && has(path.name)",
        "request.headers['x-team'] == 'blue' && request.headers['X-Team'] == 'blue'",
        "'x-team' in request.headers && !('x-other' in request.headers)",
        "request.headers['x-same'] == 'a'",
        "request.headers['x-' + 'team'] == 'blue'",
        "request.query.q == 'a b' && request.query['empty'] == ''",
        "int(request.query.limit) <= 10",
        "request.query.same == '1'",
        "has(request.query.q) && !has(request.query.other)",
        // There, whatever they say.
        "has(request.query.twice) && 'x-twice' in request.headers",
    ]);
    fail(Why::Missing, &["request.headers['x-other'] == ''", "request.query.other == ''"]);
    fail(Why::Ambiguous, &["request.headers['x-twice'] == 'a'", "request.query.twice == 'x'"]);
    // Some servers take a semicolon for the end of a parameter.
    let unsure = ["request.query.cut == '1'", "request.query.apart == '2'"];
    fail(Why::Unsure, &unsure);
    fail(Why::Unsure, &["has(request.query.apart)", "!('apart' in request.query)"]);
    fail(Why::NotText, &["request.headers['x-bytes'] == 'a'"]);
}

#[test]
fn the_caller_is_seen_as_its_identity_says() {
    hold(&[
        "!identity.anonymous",
        "identity.subject == path.name",
        "identity.issuer == 'https://id.example.com' && identity.client == 'app'",
        "identity.provider == 'idp' && identity.plan == 'gold'",
        "identity.credential == 'api_key:k1' && identity.credential_kind == 'api_key'",
        "'read:x' in identity.scopes && size(identity.scopes) == 2",
        "identity.scopes.exists(s, s.startsWith('write:'))",
        "identity.scopes[0] == 'read:x'",
    ]);
}

#[test]
fn claims_are_of_any_kind() {
    hold(&[
        "identity.claims.team == 'blue' && identity.claims['team'] == 'blue'",
        "identity.claims.team == request.headers['x-team']",
        "identity.claims.level >= 7 && identity.claims.level + 1 == 8",
        "identity.claims.level > 6.5 && identity.claims.rate < 1",
        "identity.claims.admin",
        "identity.claims.none == null && has(identity.claims.none)",
        "has(identity.claims.team) && !has(identity.claims.other)",
        "'team' in identity.claims && !('other' in identity.claims)",
        "'a' in identity.claims.tags && true in identity.claims.tags && null in identity.claims.tags",
        "size(identity.claims.tags) == 4 && identity.claims.tags[1] == 1",
        "identity.claims.deep.a[0].b == 'c' && identity.claims.deep['a'][0]['b'] == 'c'",
        "identity.claims.deep == identity.claims.deep",
        "identity.claims.deep != identity.claims.tags",
        "identity.claims.tags.exists(t, t == 'a')",
        // Values of two kinds are not the same, and that is all.
        "identity.claims.team != 7 && identity.claims.level != '7'",
        "identity.claims.big == 9223372036854775807",
        "identity.claims.exact == 9007199254740993",
        "identity.claims.exact != 9007199254740992.0",
    ]);
    fail(
        Why::Missing,
        &[
            "identity.claims.other == 1",
            "identity.claims.tags[4] == 1",
            "has(identity.claims.other.deeper)",
            "identity.claims['other'] == 1",
        ],
    );
    fail(
        Why::OtherKind,
        &[
            "identity.claims.team",
            "identity.claims.team > 7",
            "identity.claims.team + 1 == 8",
            "identity.claims.team.deeper == 1",
            "has(identity.claims.team.deeper)",
            "identity.claims.team[0] == 'b'",
            "identity.claims.deep[0] == 1",
            "identity.claims.tags['a'] == 1",
            "identity.claims.level.startsWith('7')",
            "identity.claims.level.all(n, true)",
            "'a' in identity.claims.level",
            "-identity.claims.team == 1",
            "!identity.claims.level",
            "size(identity.claims.level) == 1",
            "int(identity.claims.tags) == 1",
        ],
    );
    // It would be the same as its neighbours.
    fail(Why::TooLarge, &["identity.claims.huge == 1", "identity.claims.huge > 0"]);
}

#[test]
fn nobody_has_no_subject() {
    let nobody = Request { identity: br#"{"v":1,"anonymous":true}"#, ..PLAIN };
    assert_eq!(nobody.says("identity.anonymous"), Ok(true));
    assert_eq!(nobody.says("has(identity.subject) || has(identity.claims)"), Ok(false));
    for text in [
        "identity.subject == ''",
        "identity.scopes == []",
        "identity.claims.a == 1",
        "identity.plan == ''",
        "has(identity.claims.a)",
    ] {
        assert_eq!(nobody.says(text), Err(Why::Missing), "{text}");
    }
    let poor = Request { identity: br#"{"v":1,"sub":"a"}"#, ..PLAIN };
    assert_eq!(poor.says("identity.claims.a == 1"), Err(Why::Missing));
    assert_eq!(poor.says("has(identity.claims.a) || has(identity.plan)"), Ok(false));
    assert_eq!(poor.says("identity.scopes == [] && identity.provider == ''"), Ok(true));
}

#[test]
fn a_size_is_what_the_request_says() {
    for (lengths, end, expected) in [
        (&[][..], true, Ok(true)),
        (&[], false, Err(Why::Missing)),
        (&["0"], false, Ok(true)),
        (&["12"], false, Ok(false)),
        (&["-1"], false, Err(Why::OtherKind)),
        (&[""], false, Err(Why::OtherKind)),
        (&["0", "1"], true, Err(Why::Ambiguous)),
        (&["99999999999999999999"], true, Err(Why::TooLarge)),
    ] {
        let headers: Vec<_> = lengths.iter().map(|l| ("content-length", l.as_bytes())).collect();
        let request = Request { headers: &headers, end_of_stream: end, ..PLAIN };
        assert_eq!(request.says("request.size == 0"), expected, "{lengths:?} {end}");
    }
}
