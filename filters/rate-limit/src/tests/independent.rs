//! What clients are told, read by a parser of structured fields that others wrote: the
//! crate `sfv`. (What the other dialects are read by: tests/runners/dialects.)

use proptest::prelude::*;
use sfv::{BareItem, Dictionary, Item, List, ListEntry, Parser};

use super::*;

fn fields(dialect: &str, quota: u32, spent: u32, window: u32) -> Vec<(String, String)> {
    let filter = rate_limit(&format!(
        r#"{{"limits": [
            {{"id": "a-1", "match": {{}}, "algorithm": "fixed_window", "quota": {quota}, "window": "{window}s"}},
            {{"id": "b.c", "match": {{}}, "also": true, "algorithm": "fixed_window", "windows": ["2000000/m", {{"quota": 9, "window": "1d", "name": "daily"}}]}}
        ], "dialects": [{{"match": {{}}, "dialect": "{dialect}", "show": "all"}}]}}"#
    ));
    let host = FakeHost::at(START);
    for _ in 0..spent {
        send(&filter, &host, &[], 200);
    }
    let seen = send(&filter, &host, &[], 200);
    let split = |field: String| {
        let (name, value) = field.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    seen.fields.into_iter().filter(|field| !field.starts_with("retry-after")).map(split).collect()
}

fn items(text: &str) -> Vec<Item> {
    let list = Parser::new(text).parse::<List>().unwrap();
    let item = |entry: ListEntry| match entry {
        ListEntry::Item(item) => item,
        ListEntry::InnerList(_) => panic!("an inner list: {text}"),
    };
    list.into_iter().map(item).collect()
}

fn whole(item: &BareItem) -> i64 {
    item.as_integer().unwrap().into()
}

fn parameters(item: &Item) -> Vec<(&str, i64)> {
    item.params.iter().map(|(name, value)| (name.as_str(), whole(value))).collect()
}

fn name(item: &Item) -> &str {
    item.bare_item.as_string().unwrap().as_str()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_ietf_draft(quota in 1..9_000_000u32, spent in 0..12u32, window in 1..86_400u32) {
        let said = fields("ietf", quota, spent, window);
        let [(policy, policies), (left, lefts)] = said.as_slice() else { panic!("{said:?}") };
        prop_assert_eq!((policy.as_str(), left.as_str()), ("ratelimit-policy", "ratelimit"));
        let policies = items(policies);
        let expected = [
            ("a-1", quota.into(), window.into()),
            ("b.c.1m", 2_000_000, 60),
            ("daily", 9, 86_400),
        ];
        let found: Vec<_> = policies.iter().map(|item| (name(item), parameters(item))).collect();
        prop_assert_eq!(found, expected.map(|(name, q, w)| (name, vec![("q", q), ("w", w)])));
        // What is refused by one of them is counted in none.
        let passed = (spent + 1).min(quota).min(9);
        let ends = |window: u64| {
            let into = START.as_secs() % window;
            i64::try_from(window - into).unwrap()
        };
        let found: Vec<_> = items(lefts).iter().map(|i| (name(i).to_owned(), parameters(i).into_iter().map(|(n, v)| (n.to_owned(), v)).collect::<Vec<_>>())).collect();
        let expected = [("a-1", i64::from(quota), u64::from(window)), ("b.c.1m", 2_000_000, 60), ("daily", 9, 86_400)];
        let expected = expected.map(|(name, quota, window)| {
            let left = quota - i64::from(passed);
            (name.to_owned(), vec![("r".to_owned(), left), ("t".to_owned(), ends(window))])
        });
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn draft_7_and_draft_3(quota in 1..8u32, spent in 0..12u32, window in 1..86_400u32) {
        let passed = (spent + 1).min(quota);
        let left = i64::from(quota - passed);
        let reset = i64::from(window) - i64::try_from(START.as_secs() % u64::from(window)).unwrap();
        let expected = (i64::from(quota), left, reset);
        let policies = [(i64::from(quota), i64::from(window)), (2_000_000, 60), (9, 86_400)];
        let windows = |items: &[Item]| -> Vec<(i64, i64)> {
            items.iter().map(|i| (whole(&i.bare_item), whole(i.params.get("w").unwrap()))).collect()
        };
        let said = fields("draft_7", quota, spent, window);
        prop_assert_eq!(said[0].0.as_str(), "ratelimit-policy");
        prop_assert_eq!(windows(&items(&said[0].1)), policies);
        let left = Parser::new(&said[1].1).parse::<Dictionary>().unwrap();
        let member = |name: &str| match left.get(name).unwrap() {
            ListEntry::Item(item) => whole(&item.bare_item),
            ListEntry::InnerList(_) => panic!("an inner list"),
        };
        prop_assert_eq!((member("limit"), member("remaining"), member("reset")), expected);
        let said = fields("draft_3", quota, spent, window);
        let three = items(&said[0].1);
        let (first, behind) = three.split_first().unwrap();
        prop_assert_eq!(windows(behind), policies);
        let names: Vec<_> =
            behind.iter().map(|i| i.params.get("name").unwrap().as_string().unwrap().as_str()).collect();
        prop_assert_eq!(names, ["a-1", "b.c.1m", "daily"]);
        let number = |text: &str| whole(&Parser::new(text).parse::<Item>().unwrap().bare_item);
        let found = (whole(&first.bare_item), number(&said[1].1), number(&said[2].1));
        prop_assert_eq!(found, expected);
    }
}
