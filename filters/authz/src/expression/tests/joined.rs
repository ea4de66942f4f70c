//! The proxy makes one value, with commas, of many a header that is repeated. A test that
//! is not true of the whole, but of a part, cannot be told: wherever the header stands.

use super::*;

/// `H` is the header `x`, `G` the header `y`.
fn says(x: &str, y: &str, text: &str) -> Result<bool, Why> {
    let headers: &[(&str, &[u8])] = &[("x", x.as_bytes()), ("y", y.as_bytes())];
    let text = text.replace('H', "request.headers['x']").replace('G', "request.headers['y']");
    Request { headers, ..PLAIN }.says(&text)
}

#[test]
fn a_part_of_a_joined_header_is_not_passed_over() {
    for test in [
        "H == 'bad'",
        "'bad' == H",
        "H in ['worse', 'bad']",
        "H.startsWith('ba')",
        "H.endsWith('ad')",
        "H.matches('^b[a]d$')",
        "H <= 'bad'",
        "'baddest' > H",
        // Where the header does not stand by itself.
        "'bad' in [H]",
        "'bad' in ['other', H]",
        "['bad'] == [H]",
        "[['bad', 1]] == [[H, 1]]",
        "[H].exists(h, h == 'bad')",
        "[H, 'p'].exists(h, h.matches('^bad$'))",
        "![H].all(h, h != 'bad')",
        "(true ? H : 'p') == 'bad'",
        "string(H) == 'bad'",
        "'a ' + H + '!' == 'a bad!'",
        "'bad day'.startsWith(H)",
        "'too bad'.endsWith(H)",
        "'a bad day'.contains(H)",
    ] {
        let not = format!("!({test})");
        assert_eq!(says("bad", "", test), Ok(true), "{test}");
        assert_eq!(says("good", "", test), Ok(false), "{test}");
        assert_eq!(says("good, fine", "", test), Ok(false), "{test}");
        for joined in ["good,bad, fine", "x, bad,y"] {
            assert_eq!(says(joined, "", test), Err(Why::Ambiguous), "{joined}: {test}");
            assert_eq!(says(joined, "", &not), Err(Why::Ambiguous), "{joined}: {not}");
        }
        // One that was sent twice.
        assert_eq!(says("bad, bad", "", test), Ok(true), "{test}");
        assert_eq!(says("bad, bad", "", &not), Ok(false), "{not}");
    }
    assert_eq!(says("bad, fine", "", "H != 'bad'"), Err(Why::Ambiguous));
    assert_eq!(says("good, fine", "", "H != 'bad'"), Ok(true));
    assert_eq!(says("bad", "", "H != 'bad'"), Ok(false));
}

#[test]
fn what_is_true_of_the_whole_is_true() {
    assert_eq!(says("bad, fine", "", "H == 'bad, fine'"), Ok(true));
    assert_eq!(says("bad, fine", "", "H.startsWith('bad')"), Ok(true));
    assert_eq!(says("x, bad", "", "H.contains('bad')"), Ok(true));
    assert_eq!(says("x, bad", "", "H == 'bad' || true"), Ok(true));
    assert_eq!(says("x, bad", "", "H == H"), Ok(true));
    assert_eq!(says("x, bad", "", "[H, 1] == [H, 1]"), Ok(true));
    assert_eq!(says("x, bad", "", "size(H) == 6"), Ok(true));
}

#[test]
fn two_headers_are_compared_part_by_part() {
    for test in ["H == G", "G == H", "H in [G]", "H in ['z', G]", "!(H != G)", "[H] == [G]"] {
        for (x, y, expected) in [
            ("a", "a", Ok(true)),
            ("a", "b", Ok(false)),
            ("a,b", "a,b", Ok(true)),
            ("a", "b,a", Err(Why::Ambiguous)),
            ("b,a", "a", Err(Why::Ambiguous)),
            ("a,b", "b,c", Err(Why::Ambiguous)),
            ("a,b", "b, a", Err(Why::Ambiguous)),
            ("a,b", "c,d", Ok(false)),
            ("a,a", "a", Ok(true)),
        ] {
            assert_eq!(says(x, y, test), expected, "{x} | {y}: {test}");
        }
    }
    assert_eq!(says("abc,x", "z, ab", "H.startsWith(G)"), Err(Why::Ambiguous));
    assert_eq!(says("abc,x", "z, abd", "H.startsWith(G)"), Ok(false));
}

/// What decides makes up for what cannot be told.
#[test]
fn another_item_decides() {
    assert_eq!(says("a,b", "b", "'b' in [H, G]"), Ok(true));
    assert_eq!(says("a,b", "b", "'b' in [G, H]"), Ok(true));
    assert_eq!(says("a,b", "c", "'b' in [H, G]"), Err(Why::Ambiguous));
    assert_eq!(says("a,b", "c", "['b', 'd'] == [H, G]"), Ok(false));
    assert_eq!(says("a,b", "c", "['b', 'c'] == [H, G]"), Err(Why::Ambiguous));
}

#[test]
fn what_is_looked_up_by_a_joined_header_cannot_be_told() {
    for text in [
        "request.query[H] == 'a b'",
        "H in request.query",
        "request.headers[H] == 'a'",
        "H in request.headers",
        "identity.claims[H] == 'blue'",
    ] {
        assert_eq!(says("z,q", "", text), Err(Why::Unsure), "{text}");
    }
    assert_eq!(says("z, team", "", "H in identity.claims"), Err(Why::Ambiguous));
    assert_eq!(says("z, y", "", "H in identity.claims"), Ok(false));
    assert_eq!(says("7, 8", "", "int(H) == 7"), Err(Why::Ambiguous));
    assert_eq!(says("7, 8", "", "double(H) == 7.0"), Err(Why::Ambiguous));
}

/// Whoever sends many commas makes no work without end, nor does it help to be let in.
#[test]
fn many_parts_take_too_long() {
    let many = "a,".repeat(20_000);
    for text in [
        "H == 'b'",
        "H != 'b'",
        "H == G",
        "'x' + H + H == ''",
        "'b' in [H]",
        "H.startsWith(G)",
        "H.endsWith(G)",
        "H.contains(G)",
    ] {
        assert_eq!(says(&many, &many.replace('a', "c"), text), Err(Why::TooLong), "{text}");
    }
    assert_eq!(says(&many, "", "has(request.headers.x) && 'x' in request.headers"), Ok(true));
    let some = format!("{}a", "a,".repeat(200));
    for text in ["H == G", "H.startsWith(G)", "H.endsWith(G)", "H.contains(G)"] {
        assert_eq!(says(&some, &some.replace('a', "c,d"), text), Err(Why::TooLong), "{text}");
    }
}

/// Blanks around a part are none of it; what merely looks like one is.
#[test]
fn parts_lose_blanks_and_nothing_else() {
    assert_eq!(says("a\t, a", "", "H == 'a'"), Ok(true));
    for other in ["a\u{a0},a", "a,\u{2028}a", "a\u{3000},a"] {
        assert_eq!(says(other, "", "H == 'a'"), Err(Why::Ambiguous), "{other:?}");
    }
}
