//! Lists of API keys.

use super::*;

#[test]
fn a_list_of_api_keys_serves_beside_those_of_the_policy() {
    let key = |id: &str, secret: &str| json!({"id": id, "sha256": sha256(secret), "subject": id});
    let site = Site::of(&json!({"api_key": {
        "from": [{"authorization": "Bearer"}],
        "keys": [key("own", "own-secret")],
        "remote": {"cluster": "idp", "uri": "https://id.example.com/list", "max_bytes": 4096},
    }}));
    let list = |keys: &[Value]| json!({ "keys": keys }).to_string();
    // In slices: it begins, is read, is put into the table.
    let load = |body: &str| {
        for _ in 0..3 {
            site.tick();
        }
        site.answer("/list", 200, body);
        for _ in 0..3 {
            site.tick();
        }
    };
    assert_eq!(site.first("own-secret"), Came::Admitted, "it needs no list");
    assert_eq!(site.first("secret-1"), Came::Waits);
    load(&list(&[key("one", "secret-1"), key("two", "secret-2")]));
    assert!(site.woken.get());
    assert_eq!(site.first("secret-1"), Came::Admitted);
    assert_eq!(site.first("secret-3"), refused(401, "unknown_api_key"), "no request fetches");
    assert!(site.is_quiet());
    site.pass(600 * SECOND);
    load(&list(&[key("two", "secret-2"), key("three", "secret-3")]));
    assert_eq!(site.first("secret-1"), refused(401, "unknown_api_key"));
    assert_eq!(site.first("secret-2"), Came::Admitted);
    assert_eq!(site.first("secret-3"), Came::Admitted);
    // An empty list is no reason to lock everybody out.
    site.pass(600 * SECOND);
    load(&list(&[]));
    assert_eq!(site.first("secret-2"), Came::Admitted);
    assert_eq!(site.first("secret-4"), refused(401, "unknown_api_key"));
    // Since an hour nobody can say what else is in it.
    site.pass(3600 * SECOND);
    assert_eq!(site.first("secret-2"), Came::Admitted);
    assert_eq!(site.first("secret-4"), unavailable(1));
    site.pass(86_400 * SECOND);
    assert_eq!(site.first("secret-2"), Came::Waits);
    assert_eq!(site.first("own-secret"), Came::Admitted);
}
