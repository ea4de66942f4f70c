//! Identities written and read.

use proptest::prelude::*;

use super::*;

#[test]
fn identities_survive_the_way_between_filters() {
    let caller = Caller {
        sub: "northwind".into(),
        scopes: Scopes::read("user:email").unwrap(),
        provider: "idp".into(),
        credential: "jwt".into(),
        ..Caller::default()
    };
    for identity in [Identity::Anonymous, Identity::Known(Box::new(caller))] {
        assert_eq!(Identity::from_json(&identity.to_json()), Some(identity));
    }
    assert_eq!(Identity::Anonymous.to_json(), br#"{"v":1,"anonymous":true}"#);
}

#[test]
fn anything_else_is_no_identity() {
    for bad in [
        "",
        "{}",
        r#"{"v":2,"sub":"a"}"#,
        r#"{"v":1}"#,
        r#"{"v":1,"anonymous":true,"sub":"a"}"#,
        r#"{"v":1,"sub":"a","sub":"b"}"#,
        r#"{"v":1,"v":1,"sub":"a"}"#,
        r#"{"v":1,"sub":null}"#,
        r#"{"v":1,"sub":"a","scopes":["b",1]}"#,
        r#"{"v":1,"sub":"a","scopes":["b",]}"#,
        r#"{"v":1,"sub":"a","scopes":["b",],"provider":"p","credential":"c"}"#,
        r#"{"v":1,"sub":"a","scopes":["b" "c"],"provider":"p","credential":"c"}"#,
        r#"{"v":1,"sub":"a","scopes":[],"provider":"p","credential":"c"}}"#,
        r#"{"v":1,"sub":"a","scopes":[],"provider":"p","credential":"c","#,
        r#"{"v":1,"sub":"a","claims":[]}"#,
        r#"{"v":1,"sub":"a",}"#,
        r#"{"v":1,"sub":"a"}}"#,
        r#"{"v":1,"sub":"a"#,
        r#"{"v":1 "sub":"a"}"#,
        "{\"v\":1,\"sub\":\"a\nb\"}",
    ] {
        assert_eq!(Identity::from_json(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn what_is_written_is_one_form() {
    let caller = Caller {
        sub: "a \"b\"".into(),
        iss: Some("https://id.example.com".into()),
        client: Some("app".into()),
        scopes: Scopes::read("x y").unwrap(),
        provider: "idp".into(),
        credential: "jwt:1".into(),
        plan: Some("tiny".into()),
        claims: Map::from_iter([("team".to_owned(), Value::from(7))]),
    };
    let json = Identity::Known(Box::new(caller)).to_json();
    assert_eq!(
        String::from_utf8_lossy(&json),
        r#"{"v":1,"sub":"a \"b\"","iss":"https://id.example.com","client":"app","scopes":["x","y"],"provider":"idp","credential":"jwt:1","plan":"tiny","claims":{"team":7}}"#
    );
}

#[test]
fn claims_are_found_by_name() {
    let json = br#"{"v":1,"sub":"a","plan":"p","provider":"idp","claims":{"x":[1],"sub":"b","n":null,"d":1,"d":2}}"#;
    let Some(Seen::Known(caller)) = Seen::read(json) else { panic!("not read") };
    let claim = |name| caller.claim(name).unwrap().map(|v| v.to_string());
    assert_eq!(claim("sub").as_deref(), Some("\"a\""));
    assert_eq!(claim("plan").as_deref(), Some("\"p\""));
    assert_eq!(claim("provider").as_deref(), Some("\"idp\""));
    // One that stands twice makes all of them unreadable only where it is
    // asked for.
    assert_eq!(claim("x").as_deref(), Some("[1]"));
    for none in ["n", "client", "iss", "y"] {
        assert_eq!(claim(none), None, "{none}");
    }
    assert_eq!(caller.claim("d"), Err(Unreadable));
    assert_eq!(caller.written("x"), Ok(Some("[1]")));
    assert_eq!(caller.written("sub"), Ok(None), "the caller is `a`");
    assert_eq!(caller.carried(), None);
}

#[test]
fn blanks_and_unknown_members_are_passed_over() {
    let json = br#" { "new" : {"sub":["b"]} , "sub" : "a\u0062" , "scopes":[ ] , "v" : 1 } "#;
    let Some(Seen::Known(caller)) = Seen::read(json) else { panic!("not read") };
    assert_eq!((caller.sub.as_ref(), caller.scopes.len()), ("ab", 0));
}

proptest! {
    #[test]
    fn every_caller_survives(
        sub in ".{0,8}", iss in prop::option::of(".{0,8}"), plan in prop::option::of(".{0,8}"),
        scopes in "[ !#-\\[\\]-~]{0,20}", team in prop::option::of(".{0,5}"),
    ) {
        let claims = team.into_iter().map(|team| ("team".to_owned(), Value::from(team)));
        let caller = Caller {
            scopes: Scopes::read(&scopes).unwrap(), sub, iss, plan, claims: claims.collect(), ..Caller::default()
        };
        let identity = Identity::Known(Box::new(caller));
        let json = identity.to_json();
        // Any reader of JSON takes it, and it is read from any writer's form.
        let value: Value = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(Identity::from_json(&json), Some(identity.clone()));
        // What is read in its very form is what any reader reads.
        let text = std::str::from_utf8(&json).unwrap();
        let plain = !text.contains('\\') && !text.contains(r#","claims":"#);
        prop_assert_eq!(written::read(text).is_some(), plain);
        prop_assert!(!plain || written::read(text) == Seen::read_any(text));
        prop_assert_eq!(Identity::from_json(format!("{value:#}").as_bytes()), Some(identity));
    }

    #[test]
    fn another_form_is_read_as_any(
        cuts in prop::collection::vec(
            prop::sample::select(vec![
                "{\"v\":1,\"sub\":\"", "a", "\"", ",", ",\"iss\":\"", ",\"client\":\"x\"",
                ",\"scopes\":[", "\"b\"", "]", ",\"scopes\":[]", ",\"provider\":\"p\"",
                ",\"credential\":\"c\"", ",\"plan\":\"t\"", "}", " ", "\\",
                ",\"scopes\":[\"b\",\"c\"]", "a\",\"scopes\":[\"b\",]",
            ]),
            0..12,
        ),
    ) {
        let text: String = cuts.concat();
        let short = written::read(&text);
        prop_assert!(short.is_none() || short == Seen::read_any(&text), "{text}");
        let whole = format!("{{\"v\":1,\"sub\":\"{text}");
        let short = written::read(&whole);
        prop_assert!(short.is_none() || short == Seen::read_any(&whole), "{whole}");
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut text = br#"{"v":1,"sub":"#.to_vec();
        text.extend(bytes);
        let read = Identity::from_json(&text).is_some();
        if let Ok(text) = std::str::from_utf8(&text) {
            let short = written::read(text);
            prop_assert!(short.is_none() || short == Seen::read_any(text));
        }
        prop_assert!(!read || serde_json::from_slice::<Value>(&text).is_ok());
    }
}
