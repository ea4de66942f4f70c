//! What is kept in shared data, and what an answer says of its age.

use super::super::state::{State, max_age};

#[test]
fn records_survive_the_wire_and_others_do_not() {
    let state = State::example();
    assert_eq!(State::decode(&state.encode()), Some(state.clone()));
    let none = State { max_age: None, etag: Vec::new(), ..state };
    assert_eq!(State::decode(&none.encode()), Some(none.clone()));
    for cut in 0..none.encode().len() {
        assert_eq!(State::decode(&none.encode()[..cut]), None, "{cut}");
    }
    let mut other = none.encode();
    other[0] = 9;
    assert_eq!(State::decode(&other), None);
}

#[test]
fn cache_control_is_read_as_it_is_written() {
    let of = |values: &[&str]| {
        let headers: Vec<_> =
            values.iter().map(|v| ("Cache-Control".to_owned(), v.as_bytes().to_vec())).collect();
        max_age(&headers)
    };
    assert_eq!(of(&[]), None);
    assert_eq!(of(&["public", "max-age=3"]), Some(3000));
    assert_eq!(of(&["max-age=3, max-age=9"]), Some(3000));
    assert_eq!(of(&["max-age=3, No-Cache"]), Some(0));
    assert_eq!(of(&["s-maxage=3"]), None);
    assert_eq!(of(&["max-age="]), None);
    assert_eq!(of(&["max-age=-1"]), None);
    assert_eq!(of(&["max-age=99999999999999999999"]), Some(u64::MAX - 1));
}
