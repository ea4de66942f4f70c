//! The contract's table, row by row: what is answered to whom it belongs to.

use std::io::Read as _;

use crate::http::{EMBERLINE, NORTHWIND, QUILLHAVEN, get, upstream};
use crate::shape::shape;

const CODE: &str = "d2b5a1c0-7f3e-4a68-9c11-3f0a5b7e9c42";

/// What every item says of itself, wherever it stands.
const ITEM: &str = "id:int,name:text,url:url,site:text,author_username:text,thumbnail:url,\
     number_of_sales:int,rating:float,price_cents:int,published_at:date,category:text";
const THEME: &str =
    "wordpress_theme_metadata:{theme_name:text,author_name:text,version:text,description:text}";

#[tokio::test]
async fn members_order_and_kinds() {
    let upstream = upstream();
    let details = "description:text,tags:[text],attributes:[{name:text,label:text,value:[text]}\
         |{name:text,label:text,value:int}|{name:text,label:text,value:text}],updated_at:date,\
         live_preview_url:url";
    // Old clients are told more of a match than the contract names.
    let matched = "id:int,name:text,site:text,url:url,price_cents:int,author_username:text,\
         thumbnail:url,number_of_sales:int,rating:float,published_at:date,category:text,\
         description:text";
    let purchase = format!("item:{{{ITEM},{THEME}}},code:text,license:text,sold_at:date");
    let rows = [
        (
            NORTHWIND,
            "/v1/market/user:northwind.json".to_owned(),
            "{user:{username:text,country:text,location:text,image:url,sales:int,followers:int}}"
                .to_owned(),
        ),
        (
            NORTHWIND,
            "/v1/market/popular:themeforest.json".to_owned(),
            format!(
                "{{popular:{{items_last_week:[{{{ITEM}}}],items_last_three_months:[{{{ITEM}}}],\
                authors_last_month:[{{username:text,url:url,sales:int,image:url}}]}}}}"
            ),
        ),
        (
            NORTHWIND,
            "/v1/market/new-files-from-user:bluefin,codecanyon.json".to_owned(),
            format!("{{new-files-from-user:[{{{ITEM}}}]}}"),
        ),
        (
            NORTHWIND,
            "/v1/discovery/search/search/item?term=magazine&site=themeforest&category=wordpress"
                .to_owned(),
            format!("{{took:int,matches:[{{{matched}}}],total_hits:int}}"),
        ),
        // A parameter without a value is none.
        (
            NORTHWIND,
            "/v1/discovery/search/search/item?term=magazine&site=&category=".to_owned(),
            format!("{{took:int,matches:[{{{matched}}}],total_hits:int}}"),
        ),
        (
            NORTHWIND,
            "/v1/market/private/user/account.json".to_owned(),
            "{account:{image:url,firstname:text,surname:text,available_earnings:float,\
             total_deposits:float,balance:float,country:text}}"
                .to_owned(),
        ),
        (
            NORTHWIND,
            "/v1/market/private/user/earnings-and-sales-by-month.json".to_owned(),
            "{earnings-and-sales-by-month:[{month:date,sales:int,earnings:float}]}".to_owned(),
        ),
        (
            NORTHWIND,
            "/v3/market/catalog/item?id=4615".to_owned(),
            format!("{{{ITEM},{details},{THEME}}}"),
        ),
        (
            NORTHWIND,
            "/v3/market/author/sales?page=1".to_owned(),
            "[{amount:float,sold_at:date,license:text,item:{id:int,name:text}}]".to_owned(),
        ),
        (
            NORTHWIND,
            format!("/v3/market/author/sale?code={CODE}"),
            format!(
                "{{amount:float,sold_at:date,license:text,buyer:text,purchase_count:int,item:{{{ITEM}}}}}"
            ),
        ),
        (
            QUILLHAVEN,
            "/v3/market/buyer/list-purchases?filter_by=wordpress-themes".to_owned(),
            format!("{{results:[{{{purchase}}}]}}"),
        ),
        (QUILLHAVEN, format!("/v3/market/buyer/purchase?code={CODE}"), format!("{{{purchase}}}")),
        (
            EMBERLINE,
            "/v3/market/user/statement?page=1".to_owned(),
            "{count:int,results:[{type:text,amount:float,detail:text,date:date}]}".to_owned(),
        ),
    ];
    for (caller, target, expected) in rows {
        let answer = get(&upstream, &target, &[caller]).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("content-type"), "application/json", "{target}");
        assert_eq!(shape(&answer.json()), expected, "{target}");
    }
}

#[tokio::test]
async fn bytes() {
    let upstream = upstream();
    let download = r#"{"download_url":"https://downloads.example.net/4615/package.zip","wordpress_theme":null}"#;
    let scopes = ("x-postern-scopes", "user:email sale:history");
    let by_code = format!("/v3/market/buyer/download?purchase_code={CODE}");
    for (target, caller, expected) in [
        (
            "/whoami",
            NORTHWIND,
            r#"{"clientId":null,"userId":1234567,"scopes":["user:email","sale:history"],"ttl":315360000}"#,
        ),
        ("/v1/market/total-items.json", NORTHWIND, r#"{"total-items":{"total_items":"40"}}"#),
        ("/v1/market/private/user/username.json", NORTHWIND, r#"{"username":"northwind"}"#),
        ("/v1/market/private/user/email.json", NORTHWIND, r#"{"email":"northwind@example.com"}"#),
        ("/v3/market/buyer/download?item_id=4615", QUILLHAVEN, download),
        (by_code.as_str(), QUILLHAVEN, download),
        // Paths may come encoded.
        (
            "/v1/market/user%3A%C5%9Bwit.json",
            NORTHWIND,
            "{\"user\":{\"username\":\"świt\",\"country\":\"Poland\",\"location\":\"Łódź\",\"image\":\
             \"https://files.example.net/users/1234571/image.png\",\"sales\":0,\"followers\":1}}",
        ),
        ("/v3/market/author/sales?page=9", NORTHWIND, "[]"),
    ] {
        let answer = get(&upstream, target, &[caller, scopes]).await;
        assert_eq!((answer.status, answer.text()), (200, expected), "{target}");
    }
}

#[tokio::test]
async fn public_rows_need_nobody() {
    let upstream = upstream();
    for target in [
        "/v1/market/total-items.json",
        "/v1/market/popular:audiojungle.json",
        "/v1/market/user:northwind.json",
        "/v1/market/new-files-from-user:northwind,themeforest.json",
        "/v1/discovery/search/search/item",
        "/v3/market/catalog/item?id=4600",
        "/v2/market/catalog/item?id=4600",
    ] {
        assert_eq!(get(&upstream, target, &[]).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn old_siblings_answer_the_same() {
    let upstream = upstream();
    for row in ["catalog/item?id=4618", "buyer/list-purchases", "buyer/download?item_id=4602"] {
        let new = get(&upstream, &format!("/v3/market/{row}"), &[QUILLHAVEN]).await;
        let old = get(&upstream, &format!("/v2/market/{row}"), &[QUILLHAVEN]).await;
        assert_eq!((new.status, old.status), (200, 200), "{row}");
        assert_eq!(new.text(), old.text(), "{row}");
    }
}

#[tokio::test]
async fn pages() {
    let upstream = upstream();
    let mut sizes = Vec::new();
    for target in [
        "/v3/market/author/sales",
        "/v3/market/author/sales?page=",
        "/v3/market/author/sales?page=2",
    ] {
        sizes.push(get(&upstream, target, &[NORTHWIND]).await.json().as_array().unwrap().len());
    }
    assert_eq!(sizes, [20, 20, 10]);
    let last = get(&upstream, "/v3/market/user/statement?page=4", &[NORTHWIND]).await.json();
    assert_eq!((&last["count"], last["results"].as_array().unwrap().len()), (&63.into(), 3));
}

#[tokio::test]
async fn lists_filtered() {
    let upstream = upstream();
    let ids = async |target: &str, list: &str| -> Vec<u64> {
        let answer = get(&upstream, target, &[QUILLHAVEN]).await.json();
        let id = |entry: &serde_json::Value| entry["item"].get("id").or(entry.get("id"))?.as_u64();
        answer[list].as_array().unwrap().iter().map(|entry| id(entry).unwrap()).collect()
    };
    let bought = "/v3/market/buyer/list-purchases";
    assert_eq!(ids(bought, "results").await, [4634, 4618, 4602, 4615, 4603]);
    assert_eq!(ids(&format!("{bought}?filter_by=wordpress-themes"), "results").await, [4615]);
    // The newest first.
    let files = "/v1/market/new-files-from-user:emberline,codecanyon.json";
    assert_eq!(ids(files, "new-files-from-user").await, [4622, 4628, 4616]);
    let found = "/v1/discovery/search/search/item?site=codecanyon&term=";
    let one = ids(&format!("{found}booking"), "matches").await;
    let other = ids(&format!("{found}chat%20widget"), "matches").await;
    let mut both = [one.clone(), other.clone()].concat();
    both.sort_unstable();
    assert!(!one.is_empty() && !other.is_empty());
    assert_eq!(ids(&format!("{found}booking%7Cchat%20widget"), "matches").await, both);
}

#[tokio::test]
async fn head_and_gzip() {
    let upstream = upstream();
    let target = "/v3/market/catalog/item?id=4603";
    let plain = get(&upstream, target, &[]).await;
    let head = crate::http::ask(&upstream, "HEAD", target, &[], "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), plain.body.len().to_string());
    let packed = get(&upstream, target, &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.header("vary"), "accept-encoding");
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&*packed.body).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.text());
    let held = get(&upstream, target, &[("if-none-match", plain.header("etag"))]).await;
    assert_eq!((held.status, held.body.len()), (304, 0));
}
