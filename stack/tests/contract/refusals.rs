//! What the upstream says where it cannot serve, byte for byte.

use crate::http::{NORTHWIND, QUILLHAVEN, ask, get, upstream};

const UNKNOWN: &str = "00000000-0000-0000-0000-000000000000";

#[tokio::test]
async fn unknown_code() {
    // Plugins compare the description with their own copy of it.
    let expected = r#"{"error":404,"description":"No sale belonging to the current user found with that code"}"#;
    let upstream = upstream();
    let known = "d2b5a1c0-7f3e-4a68-9c11-3f0a5b7e9c42";
    for (caller, code) in [(NORTHWIND, UNKNOWN), (QUILLHAVEN, known)] {
        let answer =
            get(&upstream, &format!("/v3/market/author/sale?code={code}"), &[caller]).await;
        assert_eq!((answer.status, answer.text()), (404, expected), "{code}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn errors() {
    let upstream = upstream();
    let purchase = format!("/v3/market/buyer/purchase?code={UNKNOWN}");
    let download = format!("/v3/market/buyer/download?purchase_code={UNKNOWN}");
    for (method, target, status, description) in [
        ("GET", "/v3/market/author/sale", 400, "parameter `code` is missing"),
        ("GET", "/v3/market/author/sales?page=0", 400, "page `0` is not a number from 1"),
        ("GET", "/v3/market/author/sales?page=x", 400, "page `x` is not a number from 1"),
        ("GET", "/v3/market/catalog/item?id=", 400, "parameter `id` is missing"),
        ("GET", "/v3/market/catalog/item?id=x", 400, "item id `x` is not a whole number"),
        ("GET", "/v3/market/catalog/item?id=1", 404, "no item has the id 1"),
        ("GET", "/v3/market/buyer/download?purchase_code=", 400, "parameter `item_id` is missing"),
        (
            "GET",
            purchase.as_str(),
            404,
            "No purchase belonging to the current user found with that code",
        ),
        (
            "GET",
            download.as_str(),
            404,
            "No purchase belonging to the current user found with that code",
        ),
        (
            "GET",
            "/v3/market/buyer/download?item_id=4615",
            404,
            "No purchase of that item belonging to the current user found",
        ),
        (
            "GET",
            "/v3/market/buyer/list-purchases?filter_by=x",
            400,
            "filter_by: `x` is not known, expected `wordpress-themes` or `wordpress-plugins`",
        ),
        ("GET", "/v1/market/popular:nowhere.json", 404, "no site is called `nowhere`"),
        ("GET", "/v1/market/user:nobody.json", 404, "no user is called `nobody`"),
        ("GET", "/v1/market/nothing.json", 404, "no set is called `nothing`"),
        ("GET", "/v1/market/private/user/x.json", 404, "no private set is called `x.json`"),
        ("GET", "/v1/market/%ff.json", 400, "the path is not UTF-8"),
        ("GET", "/nothing", 404, "no resource at /nothing"),
        ("POST", "/whoami", 405, "POST is not supported at /whoami"),
        ("GET", "/token", 405, "GET is not supported at /token"),
    ] {
        let answer = ask(&upstream, method, target, &[NORTHWIND], "").await;
        let expected = format!("{{\"error\":{status},\"description\":\"{description}\"}}");
        assert_eq!(
            (answer.status, answer.text()),
            (status, expected.as_str()),
            "{method} {target}"
        );
        assert_eq!(answer.header("content-type"), "application/json", "{target}");
    }
}

#[tokio::test]
async fn private_rows_need_a_caller() {
    let upstream = upstream();
    for target in [
        "/whoami",
        "/v1/market/private/user/account.json",
        "/v1/market/private/user/username.json",
        "/v1/market/private/user/email.json",
        "/v1/market/private/user/earnings-and-sales-by-month.json",
        "/v3/market/author/sales",
        "/v3/market/author/sale?code=x",
        "/v3/market/buyer/list-purchases",
        "/v3/market/buyer/purchase?code=x",
        "/v3/market/buyer/download?item_id=4615",
        "/v3/market/user/statement",
        "/v2/market/buyer/list-purchases",
        "/v2/market/buyer/download?item_id=4615",
    ] {
        let answer = get(&upstream, target, &[("x-postern-subject", "")]).await;
        let expected = r#"{"error":401,"description":"the gateway named no caller"}"#;
        assert_eq!((answer.status, answer.text()), (401, expected), "{target}");
    }
}
