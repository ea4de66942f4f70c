//! The sample data that outside checks count on.

use std::collections::BTreeMap;

use postern_stack::data::Data;

use crate::http::{get, upstream};
use crate::shape::is_date;

const CODE: &str = "d2b5a1c0-7f3e-4a68-9c11-3f0a5b7e9c42";

#[test]
fn authors_and_the_buyer() {
    let data = Data::embedded().unwrap();
    assert!(data.about.starts_with("TEST DATA."));
    for name in ["northwind", "bluefin", "emberline"] {
        let account = data.user(name).unwrap();
        assert_eq!(account.earnings_by_month.len(), 12, "{name}");
        assert!(account.earnings_by_month.iter().all(|month| is_date(&month.month)), "{name}");
        assert!(!account.statement.is_empty(), "{name}");
        assert!(account.statement.iter().all(|entry| is_date(&entry.date)), "{name}");
        assert!(data.sales.iter().any(|sale| sale.author == name), "{name}");
    }
    let known = data.sales.iter().find(|sale| sale.code == CODE).unwrap();
    assert_eq!((known.author.as_str(), known.buyer.as_str()), ("northwind", "quillhaven"));
    assert!(data.sales.iter().all(|sale| !sale.code.starts_with("00000000")));
    assert!(data.sales.iter().all(|sale| is_date(&sale.sold_at) && data.item_sold(sale).is_some()));
    assert_eq!(data.user("northwind").unwrap().id, 1_234_567);
}

#[test]
fn items_over_three_sites() {
    let data = Data::embedded().unwrap();
    let mut sites = BTreeMap::<&str, u32>::new();
    for item in &data.items {
        *sites.entry(&item.summary.site).or_default() += 1;
        assert!(is_date(&item.summary.published_at) && is_date(&item.updated_at));
        assert!(data.user(&item.summary.author_username).is_some());
    }
    assert_eq!(
        sites,
        BTreeMap::from([("audiojungle", 10), ("codecanyon", 14), ("themeforest", 16)])
    );
    let mut ids: Vec<u64> = data.items.iter().map(|item| item.summary.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (4600..4640).collect::<Vec<u64>>());
}

#[test]
fn odd_values_occur() {
    let items = Data::embedded().unwrap().items;
    assert!(items.iter().any(|item| !item.summary.name.is_ascii()), "names outside ASCII");
    assert!(items.iter().any(|item| item.description.len() > 10_000), "a long text");
    assert!(items.iter().any(|item| item.summary.thumbnail.is_none()), "a null");
    assert!(items.iter().any(|item| item.tags.is_empty() && item.attributes.is_empty()), "no list");
}

#[test]
fn api_keys() {
    let keys = Data::embedded().unwrap().api_keys;
    let keys: Vec<_> = keys.iter().map(|it| (it.subject.as_str(), it.key.as_str())).collect();
    assert_eq!(
        keys,
        [
            ("northwind", "pk_demo_northwind_0123456789abcdef0123456789"),
            ("quillhaven", "pk_demo_quillhaven_0123456789abcdef012345678"),
        ]
    );
}

/// As a float it would become 9007199254740992.
#[tokio::test]
async fn an_integer_over_two_to_the_53() {
    let answer = get(&upstream(), "/v3/market/catalog/item?id=4618", &[]).await;
    let expected = r#"{"name":"asset-id","label":"Asset","value":9007199254740993}"#;
    assert!(answer.text().contains(expected), "{}", answer.text());
}
