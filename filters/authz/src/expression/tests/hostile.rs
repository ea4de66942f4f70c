//! What is written to do harm: it is refused, or it ends soon.

use super::*;

#[test]
fn depth_is_bounded_before_anything_calls_itself_too_often() {
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let levels = format!("expected at most {MAX_NESTING} levels in each other");
    for (open, inner, close) in [
        ("(", "true", ")"),
        ("[", "1", "]"),
        ("int(", "1", ")"),
        ("true ? true : ", "true", ""),
        ("identity.claims[", "'a'", "]"),
        ("has(", "path.name", ")"),
    ] {
        for depth in [MAX_NESTING, 100, 10_000] {
            let text = nested(open, inner, close, depth);
            let mistake = parse(&text).unwrap_err();
            let expected = if text.len() > MAX_LENGTH {
                mistake.contains("bytes, but found")
            } else {
                mistake.ends_with(&levels)
            };
            assert!(expected, "{open} {depth}: {mistake}");
        }
    }
    let each = |depth: usize| {
        (0..depth).fold("true".to_owned(), |inner, i| format!("[1].all(x{i}, {inner})"))
    };
    assert!(parse(&each(MAX_NESTING - 2)).is_ok());
    assert!(parse(&each(MAX_NESTING)).unwrap_err().ends_with(&levels));
    assert!(parse(&nested("(", "true", ")", MAX_NESTING - 1)).is_ok());
    let mistake = parse(&nested("(", "true", ")", MAX_NESTING)).unwrap_err();
    assert_eq!(mistake, format!("column {}: {levels}", MAX_NESTING + 1));

    let operators = format!("expected at most {MAX_DEPTH} operators upon each other");
    for text in [
        nested("!", "true", "", 500),
        nested("- ", "1", "", 500) + "== 1",
        nested("1 + ", "1", "", 500) + "== 1",
        format!("identity.claims{}", ".a".repeat(500)),
        format!("identity.claims{}", "['a']".repeat(200)),
    ] {
        let mistake = parse(&text).unwrap_err();
        assert!(mistake.ends_with(&operators), "{text}: {mistake}");
    }
    assert!(parse(&nested("!", "true", "", MAX_DEPTH - 1)).is_ok());
    let mistake = parse(&nested("!", "true", "", MAX_DEPTH)).unwrap_err();
    assert_eq!(mistake, format!("column 1: {operators}"));
    // Many conditions beside each other are no depth.
    hold(&[&vec!["true"; 200].join(" && "), &vec!["false || true"; 100].join(" || ")]);
}

#[test]
fn length_is_bounded() {
    let text = format!("'{}' != ''", "a".repeat(MAX_LENGTH));
    let found = text.len();
    assert_eq!(
        parse(&text).unwrap_err(),
        format!("expected at most {MAX_LENGTH} bytes, but found {found}")
    );
    let fits = format!("'{}' != ''", "a".repeat(MAX_LENGTH - 8));
    assert_eq!(PLAIN.says(&fits), Ok(true));
}

#[test]
fn what_takes_too_long_comes_to_no_value() {
    let list = vec!["1"; 30].join(", ");
    let each = |depth: usize| {
        (0..depth).fold("true".to_owned(), |inner, i| format!("[{list}].all(x{i}, {inner})"))
    };
    assert_eq!(PLAIN.says(&each(2)), Ok(true));
    assert_eq!(PLAIN.says(&each(4)), Err(Why::TooLong));
    // Nothing makes up for it.
    assert_eq!(PLAIN.says(&format!("{} || true", each(4))), Err(Why::TooLong));
    assert_eq!(PLAIN.says(&format!("true || {}", each(4))), Ok(true));

    let long = "a".repeat(60_000);
    let headers: &[(&str, &[u8])] = &[("x-long", long.as_bytes())];
    let request = Request { headers, ..PLAIN };
    let once = "request.headers['x-long'].contains('b')";
    assert_eq!(request.says(once), Ok(false));
    let often = format!("[{list}].exists(n, {once})");
    assert_eq!(request.says(&often), Err(Why::TooLong));
    let grown = format!("size({}) > 0", vec!["request.headers['x-long']"; 20].join(" + "));
    assert_eq!(request.says(&grown), Err(Why::TooLong));
    let held = format!("[request.headers['x-long']].all(t, [{list}].all(n, t == t))");
    assert_eq!(request.says(&held), Err(Why::TooLong));
}

#[test]
fn many_claims_cost_what_they_are() {
    let items = vec!["\"a\""; 20_000].join(",");
    let identity = format!(r#"{{"v":1,"sub":"a","claims":{{"tags":[{items}]}}}}"#);
    let request = Request { identity: identity.as_bytes(), ..PLAIN };
    assert_eq!(request.says("'a' in identity.claims.tags"), Ok(true));
    assert_eq!(request.says("'b' in identity.claims.tags"), Err(Why::TooLong));
    assert_eq!(request.says("identity.claims.tags == identity.claims.tags"), Err(Why::TooLong));
}

/// Whoever sends a long text chooses that a condition is too long to be evaluated; naming
/// the part that is takes no more than twice as long again.
#[test]
fn naming_what_takes_too_long_takes_a_bounded_time() {
    let long = "a".repeat(1_100);
    let headers: &[(&str, &[u8])] = &[("x", long.as_bytes())];
    let request = Request { headers, ..PLAIN };
    let one = "request.headers['x'].matches('^a+b')";
    let named = |parts: usize| {
        let expression = parse(&vec![one; parts].join(" || ")).unwrap();
        let steps = Cell::new(naming::MAX_STEPS_TO_NAME);
        let why = request.seen_by(|scope| expression.unsure_within(scope, &steps));
        (why, naming::MAX_STEPS_TO_NAME - steps.get())
    };
    let (why, taken) = named(1);
    assert_eq!(why, None);
    assert!((5_000..MAX_STEPS).contains(&taken), "{taken}");
    for parts in [2, 4, 20] {
        let (why, taken) = named(parts);
        let too_long = format!("{}", Why::TooLong);
        let why = why.unwrap();
        assert!(why.ends_with(&too_long), "{parts}: {why}");
        assert!(taken <= 2 * MAX_STEPS, "{parts}: {taken}");
    }
    // All of them are spent: no further part is looked at.
    assert_eq!(named(20).1, 2 * MAX_STEPS);
}
