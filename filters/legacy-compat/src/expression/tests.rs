#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::facts::RefusalFacts;

const BODY: &str = r#"{
    "id": 90071992547409930000, "price_cents": 1905, "price": "8.4", "half": -2.5, "ok": true,
    "name": "A \"Theme\"", "description": null, "sold_at": "2016-03-07T12:00:00+11:00",
    "odd.key": [{"deep": "d"}], "tags": ["a", 1, true], "state": "LIVE", "empty": "",
    "twice": 1, "twice": 2
}"#;

fn names() -> Names {
    let format = DateFormat::parse("%Y/%m/%d").unwrap_or_else(|e| panic!("{e}"));
    let seconds = DateFormat::parse("%s").unwrap_or_else(|e| panic!("{e}"));
    let words = BTreeMap::from([("LIVE".to_owned(), "on sale".to_owned())]);
    Names {
        date_formats: [("old", format), ("seconds", seconds)]
            .map(|(name, format)| (name.to_owned(), Rc::new(format)))
            .into(),
        words: [("states".to_owned(), Rc::new(words))].into(),
    }
}

fn facts() -> Facts {
    let refusal = r#"{"status": 403, "code": "no_rule", "title": "Forbidden", "by": "authz"}"#;
    Facts {
        status: 403,
        captures: vec![("name".to_owned(), "north wind".to_owned())],
        refusal: RefusalFacts::from_state(refusal.as_bytes()),
        instance: None,
    }
}

/// An expression's value as JSON; `-` if it is left out, else what it wants.
fn value(text: &str) -> String {
    let document = Document::read(BODY.as_bytes()).unwrap();
    let expression = Expression::parse(text, &names()).unwrap_or_else(|e| panic!("{text}: {e}"));
    let scope = Scope { document: &document, current: document.root(), facts: &facts() };
    match expression.evaluate(scope) {
        Ok(item) => {
            let mut out = String::new();
            if item.write(&document, &mut out) { out } else { "-".to_owned() }
        }
        Err(Mismatch { expression, wanted }) => format!("`{expression}` wants {wanted}"),
    }
}

fn error(text: &str) -> String {
    Expression::parse(text, &names()).map(|_| "it is taken".to_owned()).unwrap_or_else(|e| e)
}

#[test]
fn values_come_from_where_the_path_leads() {
    for (text, expected) in [
        ("id", "90071992547409930000"),
        ("name", r#""A \"Theme\"""#),
        ("'odd.key'.0.deep", "\"d\""),
        ("$root.'odd.key'.0.deep", "\"d\""),
        ("tags.1", "1"),
        ("twice", "2"),
        ("$capture.name", "\"north wind\""),
        ("$status", "403"),
        ("$refusal.code", "\"no_rule\""),
        ("$refusal.by", "\"authz\""),
        ("description", "null"),
        ("description ?? name", r#""A \"Theme\"""#),
        ("nothing ?? description", "null"),
        ("nothing ?? empty ?? name", "\"\""),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
    let document = Document::read(BODY.as_bytes()).unwrap();
    let whole = Expression::parse(".", &names()).unwrap();
    let scope = Scope { document: &document, current: document.root(), facts: &facts() };
    assert!(std::ptr::eq(whole.node(scope).unwrap(), document.root()));
}

#[test]
fn what_is_not_there_is_told() {
    for (text, expected) in [
        ("nothing", "`nothing` wants a value"),
        ("tags.3", "`tags.3` wants a value"),
        ("tags.first", "`tags.first` wants a value"),
        ("name.deep", "`name.deep` wants a value"),
        ("$refusal.instance", "`$refusal.instance` wants a value"),
        ("$capture.other | lower", "`$capture.other | lower` wants a value"),
        ("nothing | optional", "-"),
        ("description | optional", "-"),
        ("nothing | required", "`nothing | required` wants a value"),
        ("description | string | required", "`description | string | required` wants a value"),
        ("nothing | or 'none' | required", "\"none\""),
        ("nothing | or 'none'", "\"none\""),
        ("nothing | money | or 'none'", "\"none\""),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn conversions_keep_digits_and_refuse_what_does_not_fit() {
    for (text, expected) in [
        ("id | string", "\"90071992547409930000\""),
        ("ok | string", "\"true\""),
        ("price | number", "8.4"),
        ("price | money", "\"8.40\""),
        ("price_cents | cents", "\"19.05\""),
        ("half | round", "-3"),
        ("state | words states", "\"on sale\""),
        ("price | words states", "\"8.4\""),
        ("state | lower", "\"live\""),
        ("name | replace 'Theme' T", r#""A \"T\"""#),
        ("tags | join ', '", "\"a, 1, true\""),
        ("sold_at | date old", "\"2016/03/07\""),
        ("sold_at | date old | date seconds old", "\"1457308800\""),
        ("name | date seconds old", "`name | date seconds old` wants a date"),
        ("name | number", "`name | number` wants a number"),
        ("tags | money", "`tags | money` wants a scalar"),
        ("name | date old", "`name | date old` wants a date"),
        ("name | join ','", "`name | join ','` wants a list"),
        ("'odd.key' | join ','", "`'odd.key' | join ','` wants a scalar"),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_expression() {
    for (text, expected) in [
        ("", "expected one path on each side of `??` and before `|` in `{}`"),
        ("a b", "expected one path on each side of `??` and before `|` in `{a b}`"),
        ("a ??", "expected one path on each side of `??` and before `|` in `{a ??}`"),
        ("a..b", "the path `a..b` has an empty step"),
        ("'a", "a quoted text has no closing `'`"),
        ("a.'b", "a quoted text has no closing `'`"),
        ("a & b", "`&` cannot stand in an expression"),
        ("a |", "expected a conversion after `|`"),
        ("a | lower ?? b", "`??` stands between paths only"),
        ("a | string x", "the conversion `string` takes no argument"),
        ("a | join", "the conversion `join` takes one argument"),
        ("a | date new", "unknown date format `new`"),
        ("a | date old new", "unknown date format `new`"),
        (
            "a | date",
            "the conversion `date` takes a date format, and the one that dates come in unless it \
             is ISO 8601",
        ),
        ("a | words none", "unknown word map `none`"),
        (
            "a | replace '' b",
            "the conversion `replace` takes a text, not empty, and its replacement",
        ),
        (
            "a | upper",
            "unknown conversion `upper`, expected `string`, `number`, `money`, `cents`, `round`, \
             `lower`, `date`, `words`, `replace`, `join`, `or`, `optional` or `required`",
        ),
        (
            "$refusal.cause",
            "`cause` is no member of a refusal, expected `code`, `title`, `detail`, `instance` or `by`",
        ),
        (
            "$body.a",
            "`$body.a` is no source, expected a path, `$root`, `$capture.name`, `$query.name`, \
             `$header.name`, `$cookie.name`, `$refusal.field` or `$status`",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn an_expression_says_what_it_needs() {
    let parse = |text| Expression::parse(text, &names()).unwrap();
    let both = parse("$capture.name ?? $capture.site | lower");
    assert_eq!(both.captures().collect::<Vec<_>>(), ["name", "site"]);
    assert!(!both.reads_body() && !both.is_path());
    assert!(parse("a ?? $root.b").is_path() && parse("$status ?? b").reads_body());
    assert!(!parse("a | lower").is_path());
}
