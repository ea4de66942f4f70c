//! Each kind of step, and what it does not take.

use super::*;

const UNFIT: &str = "it does not fit";

fn done(steps: &str, text: &str) -> String {
    let edit = edit(&format!(r#"{{"steps":[{steps}]}}"#)).unwrap();
    match applied(&edit, text) {
        Ok(text) => text,
        Err(Unedited::OtherShape) => UNFIT.to_owned(),
        Err(Unedited::TooLarge) => "it is too large".to_owned(),
    }
}

#[track_caller]
fn step(steps: &str, from: &str, to: &str) {
    assert_eq!(done(steps, from), to, "{steps}");
}

#[test]
fn rename() {
    let items = r#"{"rename":{"from":"items.*.name","to":"item"}}"#;
    step(
        items,
        r#"{ "items" : [ {"id":1.0 , "name" : "x" }, {"nome":1}, 7 ], "name":2 }"#,
        r#"{ "items" : [ {"id":1.0 , "item" : "x" }, {"nome":1}, 7 ], "name":2 }"#,
    );
    step(items, r#"{"items":[{"name":1,"item":2}]}"#, UNFIT);
    step(items, r#"{"items":{"a":{"name":1}},"x":3}"#, r#"{"items":{"a":{"item":1}},"x":3}"#);
    let a = r#"{"rename":{"from":"a","to":"b\"é"}}"#;
    step(a, r#"{"\u0061":1,"a":2}"#, r#"{"b\"é":1,"b\"é":2}"#);
    step(a, "[1]", "[1]");
    step(r#"{"rename":{"from":"a","to":"a"}}"#, r#"{"\u0061":1}"#, r#"{"\u0061":1}"#);
}

#[test]
fn a_member_moves_with_its_blanks() {
    let down = r#"{"move":{"from":"price","to":"cost.amount"}}"#;
    step(down, r#"{"price": 1.50 ,"id":1}"#, r#"{"id":1,"cost":{"amount": 1.50 }}"#);
    step(down, r#"{"price":1,"cost":{"x":0}}"#, r#"{"cost":{"x":0,"amount":1}}"#);
    step(down, r#"{"price":1,"cost":2}"#, UNFIT);
    step(down, r#"{"price":1,"cost":{"amount":2}}"#, UNFIT);
    step(down, r#"{"price":1,"price":2}"#, UNFIT);
    step(down, r#"{"id":1}"#, r#"{"id":1}"#);
    let each = r#"{"move":{"from":"items.*.sale.at","to":"items.*.sold_at","before":"id"}}"#;
    step(
        each,
        r#"{"items":[{"sale":{"at":1},"id":2},{"id":3},{"sale":{"at":4}}]}"#,
        r#"{"items":[{"sale":{},"sold_at":1,"id":2},{"id":3},{"sale":{},"sold_at":4}]}"#,
    );
}

#[test]
fn remove() {
    let both = r#"{"remove":["a","items.*.b","list.1"]}"#;
    step(
        both,
        r#"{ "a":1, "x" : 2 ,"a":3,"items":[{"b":1},{"c":1,"b":2}],"list":[0,1,2] }"#,
        r#"{ "x" : 2 ,"items":[{},{"c":1}],"list":[0,2] }"#,
    );
    step(both, r#"{"a":{}}"#, "{}");
    step(both, r#"{"list":[0]}"#, r#"{"list":[0]}"#);
}

#[test]
fn set_and_default() {
    let version = r#"{"set":{"at":"meta.version","to":"v1","before":"x"}}"#;
    step(version, r#"{"a":1}"#, r#"{"a":1,"meta":{"version":"v1"}}"#);
    step(version, r#"{"meta":{"x":1}}"#, r#"{"meta":{"version":"v1","x":1}}"#);
    step(version, r#"{"meta":{ "version" : 1.0 }}"#, r#"{"meta":{ "version" : "v1" }}"#);
    step(version, r#"{"meta":[]}"#, UNFIT);
    let template = r#"{"set":{"at":"items.*.label","to":"{name} ({id})"}}"#;
    step(
        template,
        r#"{"items":[{"id":1.0,"name":"é\n"},{"id":2,"name":"b"}]}"#,
        "{\"items\":[{\"id\":1.0,\"name\":\"é\\n\",\"label\":\"é\\n (1.0)\"},{\"id\":2,\"name\":\"b\",\"label\":\"b (2)\"}]}",
    );
    step(template, r#"{"items":[{"id":1}]}"#, UNFIT);
    step(template, r#"{"items":[7]}"#, UNFIT);
    let default = r#"{"default":{"at":"a","to":null}}"#;
    step(default, "{}", r#"{"a":null}"#);
    step(default, r#"{"a":0}"#, r#"{"a":0}"#);
    // It sees what the steps before it made.
    let twice = r#"{"rename":{"from":"a","to":"b"}},{"set":{"at":"c","to":{"was":"{b}"}}}"#;
    step(twice, r#"{"a":[1, 2]}"#, r#"{"b":[1, 2],"c":{"was":[1, 2]}}"#);
}

#[test]
fn envelopes() {
    let wrap = r#"{"wrap":{"at":".","in":"vitals"}}"#;
    step(wrap, " [ 1 ]\n", " {\"vitals\":[ 1 ]}\n");
    let unwrap = r#"{"unwrap":{"at":".","member":"data"}}"#;
    step(unwrap, " {\"meta\":1,\"data\" : { \"a\" : 1 } }\n", " { \"a\" : 1 }\n");
    step(unwrap, r#"{"a":1}"#, UNFIT);
    step(unwrap, "[1]", UNFIT);
    step(r#"{"wrap":{"at":"a.*","in":"v"}}"#, r#"{"a":[1,"x"]}"#, r#"{"a":[{"v":1},{"v":"x"}]}"#);
}

#[test]
fn convert() {
    let text = r#"{"convert":{"at":["id","items.*.id"],"to":"string"}}"#;
    step(
        text,
        r#"{"id":9007199254740993,"items":[{"id":1.0},{"id":"x"},{"id":null}]}"#,
        r#"{"id":"9007199254740993","items":[{"id":"1.0"},{"id":"x"},{"id":null}]}"#,
    );
    step(text, r#"{"id":[]}"#, UNFIT);
    let number = r#"{"convert":{"at":["a"],"to":"number"}}"#;
    step(number, r#"{"a":"1.50"}"#, r#"{"a":1.50}"#);
    step(number, r#"{"a":"soon"}"#, UNFIT);
    let date = r#"{"convert":{"at":["a"],"to":"date old"}}"#;
    step(date, r#"{"a":"2016-03-07T12:00:00Z"}"#, r#"{"a":"Mon Mar 07 12:00:00 +0000 2016"}"#);
    let set = r#"{"set":{"at":"a","to":12}},{"convert":{"at":["a"],"to":"money"}}"#;
    step(set, "{}", r#"{"a":"12.00"}"#);
}

#[test]
fn nulls_case_and_pick() {
    step(
        r#"{"drop_null":["*","a.b","list.*"]}"#,
        r#"{"x":null,"a":{"b":null,"c":null},"list":[null,1,null]}"#,
        r#"{"a":{"c":null},"list":[1]}"#,
    );
    let case = r#"{"case":{"at":["."],"to":"snake","deep":true}}"#;
    step(
        case,
        r#"{"soldAt":1,"aList":[{"itemName":2}], "plain" :{"\u0041b":3}}"#,
        r#"{"sold_at":1,"a_list":[{"item_name":2}], "plain" :{"ab":3}}"#,
    );
    step(case, r#"{"soldAt":1,"sold_at":2}"#, UNFIT);
    step(
        r#"{"case":{"at":["a"],"to":"camel"}}"#,
        r#"{"a":{"x_y":{"z_z":1}}}"#,
        r#"{"a":{"xY":{"z_z":1}}}"#,
    );
    step(
        r#"{"pick":{"at":"items.*","members":["name","id"]}}"#,
        r#"{"items":[ {"id": 1, "x":2,"name" :"n"},{"y":1},5 ]}"#,
        r#"{"items":[ {"id": 1,"name" :"n"},{},5 ]}"#,
    );
}

#[test]
fn steps_come_before_the_values() {
    let both = r#"{"steps":[{"rename":{"from":"amount","to":"total"}},{"set":{"at":"n","to":null}}],
                   "convert":[{"members":["total"],"to":"money"}],"scalars":"string","nulls":"empty"}"#;
    let edit = edit(both).unwrap();
    assert_eq!(
        applied(&edit, r#"{"amount":1.5,"x":true}"#).unwrap(),
        r#"{"total":"1.50","x":"true","n":""}"#
    );
}

#[test]
fn what_is_written_anew_has_a_bound() {
    let set = edit(r#"{"steps":[{"set":{"at":"items.*.a","to":"0123456789"}}]}"#).unwrap();
    let text = format!("{{\"items\":[{}]}}", vec!["{}"; 100].join(","));
    let document = Document::read(text.as_bytes()).unwrap();
    let within = |room| set.apply(&document, &Facts::default(), room).map(|_| ());
    // Each takes twelve bytes and the three of its name.
    assert_eq!(within(1_500), Ok(()));
    assert_eq!(within(1_499), Err(Unedited::TooLarge));
}

#[test]
fn mistakes_are_named() {
    let wrong = r#"{"steps":[{"rename":{"from":"a.*","to":"b"}},{"move":{"from":"a","to":"a.b"}},
        {"move":{"from":"a.b","to":"a"}},{"move":{"from":"a.*.b","to":"c"}},{"remove":["."]},
        {"drop_null":["."]},{"set":{"at":"a","to":"{$root.b}"}},{"set":{"at":"a","to":"{$capture.x}"}},
        {"convert":{"at":["a..b"],"to":"mony"}},{"renam":{}},{"unwrap":{"at":"'a","member":"b"}}]}"#;
    assert_eq!(
        edit(wrong).unwrap_err(),
        "steps[8].convert.at[0]: the path `a..b` has an empty step, expected a path such as \
         `items.*.price`, or `.` for the whole body\n\
         steps[9]: unknown key `renam`, did you mean `rename`?\n\
         steps[10].unwrap.at: a quoted name has no closing `'`\n\
         steps[0].rename.from: expected a path that ends with a name\n\
         steps[1].move.to: a value cannot be moved into itself: that is `wrap`\n\
         steps[2].move.to: a value cannot take the place of what it is in: that is `unwrap`\n\
         steps[3].move.from: behind what both paths begin with there can be no `*`\n\
         steps[4].remove[0]: expected a path that ends with a name\n\
         steps[5].drop_null[0]: expected a path to members or items\n\
         steps[6].set.to: `$root` has no place in an edit: paths begin at the object\n\
         steps[7].set.to: a dialect knows no captures: the case belongs into a rule"
    );
    let many = vec![r#"{"remove":["a"]}"#; 65].join(",");
    assert_eq!(
        edit(&format!(r#"{{"steps":[{many}]}}"#)).unwrap_err(),
        "steps[64]: expected at most 64 steps"
    );
    let deep = vec!["a"; 17].join(".");
    assert_eq!(
        edit(&format!(r#"{{"steps":[{{"remove":["{deep}"]}}]}}"#)).unwrap_err(),
        "steps[0].remove[0]: expected a path of at most 16 steps"
    );
}
