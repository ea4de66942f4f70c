use super::*;

#[track_caller]
fn refused(expected: &[(&str, &str)]) {
    for (text, message) in expected {
        assert_eq!(parse(text).unwrap_err(), *message, "{text}");
    }
}

#[test]
fn words_that_have_no_meaning() {
    refused(&[
        ("", "column 1: expected a value, but found the end"),
        ("  ", "column 3: expected a value, but found the end"),
        ("true &&", "column 8: expected a value, but found the end"),
        ("true true", "column 6: expected an operator or the end, but found `true`"),
        ("(true", "column 6: expected `)`, but found the end"),
        ("true)", "column 5: expected an operator or the end, but found `)`"),
        ("[1, 2", "column 6: expected `]`, but found the end"),
        ("[,] == []", "column 2: expected a value, but found `,`"),
        ("1 = 1", "column 3: expected `==`"),
        ("true & true", "column 6: expected `&&`"),
        ("true | true", "column 6: expected `||`"),
        ("true ? true", "column 12: expected `:`, but found the end"),
        ("é == 1", "column 1: `é` has no meaning here"),
        ("'é' == 'é' @", "column 12: `@` has no meaning here"),
        ("'abc", "column 1: expected a closing quote"),
        ("'a\nb'", "line 1, column 1: expected a closing quote"),
        ("true &&\n  'a' @", "line 2, column 7: `@` has no meaning here"),
        (r"'\q' == ''", r"column 1: expected an escape such as `\n`, `\'` or `\u00e9`"),
        (r"'\ud800' == ''", r"column 1: expected an escape such as `\n`, `\'` or `\u00e9`"),
        (r"'\x4' == ''", r"column 1: expected an escape such as `\n`, `\'` or `\u00e9`"),
        (r"'\400' == ''", r"column 1: expected an escape such as `\n`, `\'` or `\u00e9`"),
        ("'''a''' == 'a'", "column 1: texts in three quotes are not supported: use one, and `\\n`"),
        ("b'a' == b'a'", "column 1: bytes are not supported: use a string"),
        (
            "{'a': 1} == {}",
            "column 1: maps that are written out are not supported: compare with `==` and `||`",
        ),
        ("1u == 1u", "column 1: unsigned numbers are not supported: use an int"),
        ("1a == 1", "column 1: expected an operator after the number"),
        ("0x == 1", "column 1: expected a digit after `0x`"),
        ("1e == 1", "column 1: expected a digit in the exponent"),
        ("1e999 == 1", "column 1: expected a number that fits into 64 bits"),
        ("18446744073709551616 == 1", "column 1: expected a number that fits into 64 bits"),
        ("9223372036854775808 == 1", "column 1: expected a number that fits into 64 bits"),
        ("identity..plan == ''", "column 10: expected a name, but found `.`"),
        ("identity.5 == ''", "column 1: expected a field of it, such as `identity.subject`"),
        ("size('a',) == 1", "column 10: expected a value, but found `)`"),
    ]);
}

#[test]
fn names_that_nothing_has() {
    refused(&[
        ("foo", "column 1: unknown variable `foo`: expected `request`, `identity` or `path`"),
        (
            "true && requst.method == ''",
            "column 9: unknown variable `requst`: did you mean `request`?",
        ),
        (
            "request.verb == ''",
            "column 9: `request` has no field `verb`: expected `method`, `host`, `path`, `size`, \
             `headers` or `query`",
        ),
        (
            "request.header['a'] == ''",
            "column 9: `request` has no field `header`: did you mean `headers`?",
        ),
        (
            "identity.scope == ''",
            "column 10: `identity` has no field `scope`: did you mean `scopes`?",
        ),
        (
            "identity.name == ''",
            "column 10: `identity` has no field `name`: expected `anonymous`, `subject`, \
             `issuer`, `client`, `provider`, `credential`, `credential_kind`, `plan`, `scopes` or \
             `claims`",
        ),
        ("path.id == ''", "column 6: the rule's `paths` have no `{id}`"),
        ("request == 1", "column 1: expected a field of it, such as `request.method`"),
        ("has(identity)", "column 5: expected a field of it, such as `identity.subject`"),
        ("path", "column 1: expected a field of it, such as `path.name`"),
        ("request['method'] == ''", "column 1: expected a field of it, such as `request.method`"),
        ("matches('a', 'b')", "column 1: `matches` is called on a value: `value.matches(…)`"),
        ("'a'.matchs('b')", "column 5: unknown function `matchs`: did you mean `matches`?"),
        (
            "'a'.startswith('b')",
            "column 5: unknown function `startswith`: did you mean `startsWith`?",
        ),
        ("'a'.lower() == 'a'", "column 5: unknown function `lower`"),
        (
            "startsWith('a', 'b')",
            "column 1: `startsWith` is called on a value: `value.startsWith(…)`",
        ),
        ("'1'.int() == 1", "column 5: `int` is called on nothing: `int(value)`"),
        (
            "[1].all(n, m == 1)",
            "column 12: unknown variable `m`: expected `request`, `identity` or `path`",
        ),
        (
            "[1].all(n, true) && n == 1",
            "column 21: unknown variable `n`: expected `request`, `identity` or `path`",
        ),
        ("[1].all(path, true)", "column 9: expected a new name for an item, but found `path`"),
        ("[1].all(true, true)", "column 9: expected a new name for an item, but found `true`"),
        (
            "[1].all(n, [2].all(n, true))",
            "column 20: expected a new name for an item, but found `n`",
        ),
        ("[1].all(1, true)", "column 9: expected a name, but found a number"),
        ("[1].all(n)", "column 10: expected `,`, but found `)`"),
        ("has(true)", "column 1: expected a field, such as `has(identity.plan)`"),
        ("has(request.headers)", "column 1: expected a field, such as `has(identity.plan)`"),
        ("has(request.headers['a'])", "column 1: expected a field, such as `has(identity.plan)`"),
        ("has(identity.claims['a'])", "column 1: expected a field, such as `has(identity.plan)`"),
        ("has(!identity.claims.a)", "column 1: expected a field, such as `has(identity.plan)`"),
        ("request.headers['a b'] == ''", "column 17: expected the name of a header"),
        ("':path' in request.headers", "column 1: expected the name of a header"),
    ]);
}

/// What those write who know other languages.
#[test]
fn what_is_called_otherwise_elsewhere() {
    refused(&[
        (
            "headers['a'] == ''",
            "column 1: unknown variable `headers`: did you mean `request.headers`?",
        ),
        (
            "true && method == ''",
            "column 9: unknown variable `method`: did you mean `request.method`?",
        ),
        (
            "claims.team == ''",
            "column 1: unknown variable `claims`: did you mean `identity.claims`?",
        ),
        (
            "subject == 'a'",
            "column 1: unknown variable `subject`: did you mean `identity.subject`?",
        ),
        ("true and true", "column 6: `and` has no meaning here: use `&&`"),
        ("(true or true)", "column 7: `or` has no meaning here: use `||`"),
        ("[1].all(n, n > 0 AND n < 9)", "column 18: `AND` has no meaning here: use `&&`"),
        ("not identity.anonymous", "column 1: `not` has no meaning here: use `!`"),
        ("true && not(identity.anonymous)", "column 9: `not` has no meaning here: use `!`"),
        ("now() > 1", "column 1: `now` is not supported: use `times` of the rule's `match`"),
        ("request.path = '/a'", "column 14: expected `==`"),
    ]);
}

/// What the language has and this part of it has not: what there is instead.
#[test]
fn what_is_not_supported_names_what_is() {
    refused(&[
        (
            "request.time < timestamp('2026-01-01T00:00:00Z')",
            "column 9: `request.time` is not supported: use `times` of the rule's `match`",
        ),
        (
            "timestamp('2026-01-01T00:00:00Z') == 1",
            "column 1: `timestamp` is not supported: use `times` of the rule's `match`",
        ),
        (
            "duration('1h') == 1",
            "column 1: `duration` is not supported: use `times` of the rule's `match`",
        ),
        (
            "'a'.getHours() == 1",
            "column 5: `getHours` is not supported: use `times` of the rule's `match`",
        ),
        ("[1].map(n, n) == [1]", "column 5: `map` is not supported: use `exists` or `all`"),
        ("[1].filter(n, n > 1)", "column 5: `filter` is not supported: use `exists` or `all`"),
        (
            "[1].exists_one(n, n > 1)",
            "column 5: `exists_one` is not supported: use `exists` or `all`",
        ),
        ("uint(1) == 1", "column 1: `uint` is not supported: use `int`"),
        ("bytes('a') == 'a'", "column 1: `bytes` is not supported: use a string"),
        (
            "bool('true')",
            "column 1: `bool` is not supported: use a comparison, such as `== 'true'`",
        ),
        (
            "type(1) == int",
            "column 1: `type` is not supported: use a comparison: values of another kind are not \
             the same",
        ),
    ]);
}

#[test]
fn patterns_that_cannot_be_read() {
    let written = "expected a pattern that is written out, such as `matches('^[a-z]+$')`";
    refused(&[
        ("'a'.matches()", &format!("column 13: {written}")),
        ("'a'.matches(identity.plan)", &format!("column 13: {written}")),
        ("'a'.matches('a' + 'b')", &format!("column 13: {written}")),
        ("'a'.matches('a', 'b')", &format!("column 13: {written}")),
        ("1.matches('a')", "column 3: `matches`: expected a string, but found int"),
        ("[1].matches('a')", "column 5: `matches`: expected a string, but found list(int)"),
        ("request.size.matches('a')", "column 14: `matches`: expected a string, but found int"),
        (
            "'a'.matches('[')",
            "column 13: expected a regular expression: found unclosed character class",
        ),
        (
            "'a'.matches('(a|b){1000}')",
            "column 13: expected a regular expression: compiled regex exceeded size limit",
        ),
    ]);
}

#[test]
fn kinds_that_do_not_fit() {
    refused(&[
        ("1", "column 1: expected a condition to be a bool, but found int"),
        ("identity.subject", "column 1: expected a condition to be a bool, but found string"),
        ("true && 1", "column 9: expected each side of `&&` to be a bool, but found int"),
        ("'a' || true", "column 1: expected each side of `||` to be a bool, but found string"),
        (
            "1 ? true : false",
            "column 1: expected what stands before `?` to be a bool, but found int",
        ),
        (
            "true ? 1 : 'a'",
            "column 6: expected one type on both sides of `:`, but found int and string",
        ),
        ("1 == 'a'", "column 3: `==` has no meaning for int and string"),
        ("identity.subject != 7", "column 18: `!=` has no meaning for string and int"),
        ("identity.subject == null", "column 18: `==` has no meaning for string and null"),
        ("request.size < '10'", "column 14: `<` has no meaning for int and string"),
        ("null < null", "column 6: `<` has no meaning for null and null"),
        ("[1] < [2]", "column 5: `<` has no meaning for list(int) and list(int)"),
        ("[1] == ['a']", "column 5: `==` has no meaning for list(int) and list(string)"),
        ("1 in ['a']", "column 3: `in` has no meaning for int and list(string)"),
        ("1 in 'a'", "column 3: `in` has no meaning for int and string"),
        ("1 in request.headers", "column 3: `in` has no meaning for int and headers"),
        ("1 + 'a' == 'a'", "column 3: `+` has no meaning for int and string"),
        ("1 + 1.0 == 2", "column 3: `+` has no meaning for int and double"),
        ("1.0 % 1.0 == 0.0", "column 5: `%` has no meaning for double and double"),
        ("[1] + [2] == [1, 2]", "column 5: `+` has no meaning for list(int) and list(int)"),
        ("!1", "column 1: `!` has no meaning for int"),
        ("-'a' == 'a'", "column 1: `-` has no meaning for string"),
        ("'a'[0] == 'a'", "column 4: string has no items"),
        ("[1]['a'] == 1", "column 4: list(int) has no items by string"),
        ("identity.claims[0] == 1", "column 16: map has no items by int"),
        ("identity.subject.length == 1", "column 18: string has no field `length`"),
        (
            "'a'.startsWith(1)",
            "column 5: `startsWith`: expected a string, called on a string, but found string, int",
        ),
        ("size(1) == 1", "column 1: `size`: expected one string, list or map, but found int"),
        ("size() == 1", "column 1: `size`: expected one string, list or map, but found nothing"),
        ("int([]) == 1", "column 1: `int`: expected one string or number, but found list(dyn)"),
        (
            "string(1.5) == ''",
            "column 1: `string`: expected one string, int or bool, but found double",
        ),
        ("'a'.all(c, true)", "column 5: expected a list, but found string"),
        (
            "[1].all(n, n)",
            "column 12: expected what is asked of an item to be a bool, but found int",
        ),
        ("['a'].all(s, s > 1)", "column 16: `>` has no meaning for string and int"),
        (
            "request.headers == request.headers",
            "column 17: `==` has no meaning for headers and headers",
        ),
        ("[request.query] == []", "column 1: parameters cannot be an item"),
        (
            "size(request.query) == 1",
            "column 1: `size`: expected one string, list or map, but found parameters",
        ),
    ]);
}

#[test]
fn a_message_shows_a_name_cut_and_on_one_line() {
    let long = "a".repeat(100);
    let cut = "a".repeat(64);
    assert_eq!(
        parse(&long).unwrap_err(),
        format!("column 1: unknown variable `{cut}`: expected `request`, `identity` or `path`")
    );
}
