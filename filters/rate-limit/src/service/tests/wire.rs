//! Bytes that another implementation made (`envoy-data-plane` 2.2.0 from PyPI, out of
//! Envoy's own files).

use super::super::message::{Code, Descriptor, Limit, Request, Response, Status, Unit};
use super::super::protobuf::{Malformed, frame, unframe};

const REQUEST: &str = "0a07706f737465726e12330a100a056c696d6974120763757272656e740a150a077375626a\
    656374120a6ec3b672746877696e641204086410021a020803121d0a0e0a056c696d697412056461696c79120608d0\
    860310041a0308ac0218ac02";

const RESPONSE: &str = "0802121c0801120d1a0763757272656e74086410021829220708111080e59a7712100802120608\
    d086031004220408ffa205120208011a220a11582d526174654c696d69742d4c696d6974120d3130302c203130303b\
    773d36301a0a0a05782d7261771a01ff";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.as_chunks::<2>().0.iter().map(pair).collect()
}

#[test]
fn a_question_is_what_others_write() {
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let request = Request {
        domain: "postern".to_owned(),
        descriptors: vec![
            Descriptor {
                entries: vec![entry("limit", "current"), entry("subject", "nörthwind")],
                limit: Some((100, Unit::Minute)),
                hits: 3,
            },
            Descriptor {
                entries: vec![entry("limit", "daily")],
                limit: Some((50_000, Unit::Day)),
                hits: 300,
            },
        ],
    };
    assert_eq!(request.encode(), bytes(REQUEST));
}

#[test]
fn an_answer_is_read_as_others_wrote_it() {
    let limit = |requests, unit| Some(Limit { requests, unit: Some(unit) });
    let expected = Response {
        overall: Code::OverLimit,
        statuses: vec![
            Status {
                code: Code::Ok,
                limit: limit(100, Unit::Minute),
                remaining: 41,
                reset: Some(17_250),
            },
            Status {
                code: Code::OverLimit,
                limit: limit(50_000, Unit::Day),
                remaining: 0,
                reset: Some(86_399_000),
            },
            Status { code: Code::Ok, ..Status::default() },
        ],
        headers: vec![
            ("x-ratelimit-limit".to_owned(), b"100, 100;w=60".to_vec()),
            ("x-raw".to_owned(), b"\xff".to_vec()),
        ],
    };
    assert_eq!(Response::decode(&bytes(RESPONSE)), Ok(expected));
}

#[test]
fn what_is_cut_short_is_no_answer() {
    let whole = bytes(RESPONSE);
    assert_eq!(unframe(&frame(&whole)), Ok(whole.as_slice()));
    for cut in 1..frame(&whole).len() {
        assert_eq!(unframe(&frame(&whole)[..cut]), Err(Malformed), "{cut} bytes");
    }
    // Between two of its fields a message may end.
    let cuts = (0..whole.len()).filter(|cut| Response::decode(&whole[..*cut]).is_ok());
    assert_eq!(cuts.collect::<Vec<_>>(), [0, 2, 32, 50, 54, 90]);
}

#[test]
fn numbers_as_protobuf_has_them() {
    let overall = |message: &[u8]| Response::decode(message).map(|response| response.overall);
    // The last of several; of another type none; longer than it has to be; 64 bits.
    assert_eq!(overall(&[8, 1, 8, 2]), Ok(Code::OverLimit));
    assert_eq!(overall(&[8, 1, 10, 0]), Ok(Code::Ok));
    assert_eq!(overall(&[8, 0x82, 0x80, 0]), Ok(Code::OverLimit));
    assert_eq!(overall(&[8, 9]), Ok(Code::Unknown));
    assert_eq!(
        overall(&[8, 1, 0x58, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        Ok(Code::Ok)
    );
    // Eleven bytes; no end; field 0; a group.
    for bad in [
        &[8, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0][..],
        &[8, 0x81],
        &[0, 1],
        &[11, 12],
    ] {
        assert_eq!(overall(bad), Err(Malformed), "{bad:?}");
    }
    // A duration before now is none.
    let negative = [&[0x12, 13, 0x22, 11, 8][..], &[0xff; 9], &[1]].concat();
    let read = Response::decode(&negative).unwrap();
    assert_eq!(read.statuses[0].reset, Some(0));
}

#[test]
fn more_statuses_than_anybody_asked_for_are_no_answer() {
    let many = |n: usize| Response::decode(&[0x12, 0].repeat(n)).map(|r| r.statuses.len());
    assert_eq!(many(128), Ok(128));
    assert_eq!(many(129), Err(Malformed));
}
