//! Facts of the specification (cel-spec, langdef), in words of our own.

use super::*;

#[test]
fn literals_are_what_they_say() {
    hold(&[
        "true",
        "!false",
        "null == null",
        "0x1F == 31 && 0XfF == 255",
        "-9223372036854775808 < 9223372036854775807",
        "-0x8000000000000000 == -9223372036854775808",
        "1.5 == 15e-1 && .5 == 0.5 && 1e3 == 1000.0 && 1E+2 == 100.0",
        r#"'a' == "a" && 'a"b' == "a\"b" && "it's" == 'it\'s'"#,
        r#"'\x41\u00e9\U0001F600\101\n' == 'Aé😀A\n'"#,
        r"r'a\d' == 'a\\d' && R'\' == '\\'",
        "[1, 2, 3,] == [1, 2, 3] && [] == []",
        "true // to the end of the line",
        "true // to the end of the line\n && true",
    ]);
}

#[test]
fn operators_bind_as_in_the_specification() {
    hold(&[
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "10 - 4 - 3 == 3",
        "100 / 10 / 5 == 2",
        "7 % 4 * 2 == 6",
        "-2 * 3 == -6 && - - 2 == 2 && 1 - -1 == 2",
        "!true == false",
        "!!true",
        "true || false && false",
        "(true || false) && true",
        "1 < 2 == true",
        "1 + 1 in [2]",
        "!('x' in ['a'])",
        "false ? false : true",
        "true ? true : false ? false : false",
        "(false ? 1 : true ? 2 : 3) == 2",
        "false || true ? true : false",
    ]);
}

#[test]
fn numbers_are_of_64_bits() {
    hold(&[
        "-7 / 2 == -3 && -7 % 2 == -1 && 7 % -2 == 1",
        "1 == 1.0 && 1 < 1.5 && 2 > 1.5 && -1 > -1.5 && 1 != 1.5",
        // Where an int has more digits than a double.
        "9007199254740993 != 9007199254740992.0",
        "9007199254740993 > 9007199254740992.0",
        "9223372036854775807 < 9223372036854775808.0",
        "-9223372036854775808 >= -9223372036854775808.0",
        "0.0 / 0.0 != 0.0 / 0.0",
        "!(0.0 / 0.0 < 1) && !(0.0 / 0.0 >= 1)",
        "1.0 / 0.0 > 9223372036854775807 && -1.0 / 0.0 < -9223372036854775808",
        "0.0 == -0.0",
    ]);
    fail(
        Why::TooLarge,
        &[
            "9223372036854775807 + 1 > 0",
            "-9223372036854775808 - 1 < 0",
            "9223372036854775807 * 2 > 0",
            "-9223372036854775808 / -1 > 0",
            "-9223372036854775808 % -1 == 0",
            "-(-9223372036854775808) > 0",
        ],
    );
    fail(Why::ByZero, &["1 / 0 == 1", "1 % 0 == 1"]);
}

#[test]
fn texts_are_compared_by_their_characters() {
    hold(&[
        "'a' < 'b' && 'a' < 'aa' && 'Z' < 'a' && 'z' < 'é' && '￿' < '😀'",
        "'a' + 'b' == 'ab'",
        "size('') == 0 && size('é😀') == 2 && 'abc'.size() == 3",
        "'abc'.startsWith('a') && 'abc'.startsWith('') && !'abc'.startsWith('b')",
        "'abc'.endsWith('c') && !'abc'.endsWith('b')",
        "'abc'.contains('b') && 'abc'.contains('') && !'abc'.contains('d')",
        "false < true && !(true < true) && true <= true",
    ]);
}

#[test]
fn lists_hold_and_are_asked() {
    hold(&[
        "1 in [1, 2] && !(3 in [1, 2]) && 'a' in ['a'] && !('a' in [])",
        "1 in [1.0, 2.0] && [1] in [[1], [2]] && [1, 'a'] == [1.0, 'a', ]",
        "[1, 'a', true][1] == 'a' && ['a', 'b'][1] == 'b'",
        "size([1, 2]) == 2 && [].size() == 0",
        "[1, 2] != [2, 1] && [1] != [1, 2] && [[1]] == [[1]]",
        "[1, 2, 3].all(n, n > 0) && ![1, 2, 3].all(n, n > 1)",
        "[1, 2, 3].exists(n, n == 2) && ![1, 2, 3].exists(n, n > 3)",
        "[].all(n, false) && ![].exists(n, true)",
        "[[1, 2], [3]].all(l, l.exists(n, n % 2 == 1))",
        "[1, 2].all(n, [1, 2].exists(m, m == n))",
        // Items of one macro are of no concern to the next.
        "[1].all(n, n == 1) && [2].all(n, n == 2)",
    ]);
    fail(Why::Missing, &["[1][1] == 1", "[1][-1] == 1", "[][0] == 1"]);
}

#[test]
fn what_decides_makes_up_for_what_fails() {
    hold(&[
        "1 / 0 == 1 || true",
        "true || 1 / 0 == 1",
        "!(1 / 0 == 1 && false)",
        "!(false && 1 / 0 == 1)",
        "[0, 1].exists(n, 1 / n == 1)",
        "![0, 2].all(n, 4 / n == 1)",
        "false ? 1 / 0 == 1 : true",
    ]);
    fail(
        Why::ByZero,
        &[
            "1 / 0 == 1 || false",
            "false || 1 / 0 == 1",
            "1 / 0 == 1 && true",
            "[0, 1].exists(n, 1 / n == 2)",
            "[0, 1].all(n, 1 / n == 1)",
            "1 / 0 == 1 ? true : true",
            "!(1 / 0 == 1)",
        ],
    );
}

#[test]
fn kinds_are_turned_into_each_other() {
    hold(&[
        "int('-12') == -12 && int(1.9) == 1 && int(-1.9) == -1 && int(3) == 3",
        "double('1.5') == 1.5 && double(1) == 1.0",
        "string(12) == '12' && string(true) == 'true'",
        "string('a') == 'a'",
    ]);
    fail(Why::OtherKind, &["int('') == 0", "int('1.5') == 1", "int('+1') == 1", "int(' 1') == 1"]);
    fail(
        Why::OtherKind,
        &[
            "double('a') == 0.0",
            "double('') == 0.0",
            "double(' 1') == 1.0",
            "double('1 ') == 1.0",
            "double('1.') == 1.0",
            "double('+1') == 1.0",
        ],
    );
    fail(
        Why::TooLarge,
        &["int('9223372036854775808') > 0", "int(1e300) > 0", "int(0.0 / 0.0) > 0"],
    );
    fail(
        Why::OtherKind,
        &["double('infinity') > 0.0", "double('nan') > 0.0", "double('1e999') > 0.0"],
    );
    fail(Why::OtherKind, &["string(identity.claims.rate) == '0.5'"]);
}

#[test]
fn patterns_match_anywhere_in_a_text() {
    hold(&[
        "'hello'.matches('ell') && !'hello'.matches('^ell')",
        "'hello'.matches('^h.*o$') && 'hello'.matches('')",
        r"'a-2026'.matches(r'^[a-z]-\d{4}$') && !'a-26'.matches(r'^[a-z]-\d{4}$')",
        "'ABC'.matches('(?i)^abc$') && !'ABC'.matches('^abc$')",
        "'é'.matches('^.$') && 'a\\nb'.matches('a.b') == false",
        "request.path.matches('^/v[0-9]+/market/user/[^/]+$')",
        "request.headers['x-team'].matches('^(blue|red)$')",
        "identity.claims.tags.exists(t, t.matches('^a$'))",
    ]);
    let evaluated = |text: &str| PLAIN.evaluate(&parse(text).unwrap());
    assert_eq!(evaluated("identity.claims.level.matches('7')"), Err(Why::OtherKind));
    assert_eq!(evaluated("request.headers['x-none'].matches('7')"), Err(Why::Missing));
}

/// The time of a match grows with the text and with the pattern.
#[test]
fn patterns_are_paid_for() {
    let says = |pattern: &str, length: usize| {
        let text = "a".repeat(length);
        let headers: &[(&str, &[u8])] = &[("x", text.as_bytes())];
        let request = Request { headers, ..PLAIN };
        request.evaluate(&parse(&format!("request.headers['x'].matches('{pattern}')")).unwrap())
    };
    assert_eq!(says("^a+$", 1_200), Ok(true));
    assert_eq!(says("^a+$", 1_300), Err(Why::TooLong));
    assert_eq!(says("(?:a?){10}a{10}$", 300), Ok(true));
    assert_eq!(says("(?:a?){10}a{10}$", 350), Err(Why::TooLong));
}
