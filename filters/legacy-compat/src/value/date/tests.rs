#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(iso: &str, expected: &str) {
    let old = DateFormat::parse("%a %b %d %H:%M:%S %z %Y").unwrap();
    assert_eq!(parse_date(iso).map(|d| old.write(d)).as_deref(), Some(expected), "{iso}");
}

#[test]
fn old_form() {
    check("2016-03-07T12:00:00Z", "Mon Mar 07 12:00:00 +0000 2016");
    check("2009-06-01T00:00:00+10:00", "Mon Jun 01 00:00:00 +1000 2009");
    check("2009-06-01 00:00:00-0330", "Mon Jun 01 00:00:00 -0330 2009");
    check("2016-02-29T23:59:60.123456Z", "Mon Feb 29 23:59:60 +0000 2016");
    check("2000-01-01", "Sat Jan 01 00:00:00 +0000 2000");
    check("1900-03-01T01:02:03", "Thu Mar 01 01:02:03 +0000 1900");
    check("0000-01-01", "Sat Jan 01 00:00:00 +0000 0000");
    check("9999-12-31t23:59:59z", "Fri Dec 31 23:59:59 +0000 9999");
}

#[test]
fn all_fields() {
    let all = DateFormat::parse("%A %B %e %m %y %% x").unwrap();
    assert_eq!(all.write(parse_date("2016-03-07").unwrap()), "Monday March  7 03 16 % x");
}

#[test]
fn what_is_no_date() {
    for bad in [
        "",
        "2016",
        "2016-13-01",
        "2016-00-01",
        "2015-02-29",
        "2016-03-07T24:00:00Z",
        "2016-03-07T12:60:00Z",
        "2016-03-07T12:00:61Z",
        "2016-03-07T12:00",
        "2016-03-07T12:00:00.Z",
        "2016-03-07T12:00:00+1",
        "2016-03-07T12:00:00+24:00",
        "2016-03-07T12:00:00Zz",
        "2016-03-07X12:00:00Z",
        "20é6-03-07",
        "-016-03-07",
        "+016-03-07",
    ] {
        assert_eq!(parse_date(bad), None, "{bad}");
    }
}

#[test]
fn bad_formats_are_named() {
    for (bad, expected) in [
        ("", "expected a date format such as `%a %b %d %H:%M:%S %z %Y`"),
        ("ISO", "expected a date format such as `%a %b %d %H:%M:%S %z %Y`"),
        ("%Y-%Q", "`%Q` is no field of a date"),
        ("%Y%", "a date format ends with a lone `%`"),
        ("%Y\n", "a date format has no control characters"),
        ("%:Y", "`%:` is followed by `z`"),
    ] {
        assert_eq!(DateFormat::parse(bad).unwrap_err(), expected);
    }
}

#[test]
fn other_forms_are_read() {
    let iso = DateFormat::parse("%Y-%m-%dT%H:%M:%S%:z").unwrap();
    let read = |format: &str, text: &str| {
        let date = DateFormat::parse(format).unwrap().read(text);
        date.map_or("-".to_owned(), |date| iso.write(date))
    };
    let old = "%a %b %d %H:%M:%S %z %Y";
    for (format, text, expected) in [
        (old, "Mon Jun 01 00:00:00 +1000 2009", "2009-06-01T00:00:00+10:00"),
        (old, "mon JUN 01 00:00:00 Z 2009", "2009-06-01T00:00:00+00:00"),
        (old, "Mon Jun 31 00:00:00 +1000 2009", "-"),
        (old, "Mon Jun 01 00:00:00 +1000 2009 ", "-"),
        (old, "Mon Jun 01 00:00:00", "-"),
        (old, "Mon J\u{fc}n 01 00:00:00 +1000 2009", "-"),
        ("%A, %e %B %Y", "Monday,  7 March 2016", "2016-03-07T00:00:00+00:00"),
        ("%A, %e %B %Y", "Monday, 17 March 2016", "2016-03-17T00:00:00+00:00"),
        ("%d/%m/%y", "07/03/16", "2016-03-07T00:00:00+00:00"),
        ("%d/%m/%y", "07/03/69", "1969-03-07T00:00:00+00:00"),
        ("%d/%m/%y", "07/13/16", "-"),
        ("%s", "1457352000", "2016-03-07T12:00:00+00:00"),
        ("%s", "-1", "1969-12-31T23:59:59+00:00"),
        ("%s", "253402300799", "9999-12-31T23:59:59+00:00"),
        ("%s", "253402300800", "-"),
        ("%s", "-99999999999", "-"),
        ("%s", "", "-"),
        ("%Y%z", "2016", "-"),
    ] {
        assert_eq!(read(format, text), expected, "{format}: {text}");
    }
    let seconds = DateFormat::parse("%s").unwrap();
    let east = parse_date("2016-03-07T12:00:00+10:00").unwrap();
    assert_eq!(seconds.write(east), "1457316000");
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(seconds in 0i64..253_402_300_800, offset in -1439i32..1440) {
        let date = Date { offset_minutes: offset, ..Date::of_epoch(seconds).unwrap() };
        for format in ["%a %b %d %H:%M:%S %z %Y", "%A %B %e %Y %H%M%S%:z"] {
            let format = DateFormat::parse(format).unwrap();
            prop_assert_eq!(format.read(&format.write(date)), Some(date));
        }
        let utc = Date::of_epoch(seconds).unwrap();
        prop_assert_eq!(utc.epoch(), seconds);
        prop_assert_eq!(date.epoch(), seconds - i64::from(offset) * 60);
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,30}", like in "[A-Za-zé]{3} [A-Z][a-z]{2} [0-9 :+é-]{0,24}") {
        for format in ["%a %b %d %H:%M:%S %z %Y", "%s", "%A%e%B%y"] {
            let format = DateFormat::parse(format).unwrap();
            format.read(&text);
            format.read(&like);
        }
    }

    #[test]
    fn the_weekday_goes_on_by_one_each_day(days in 0u32..3_000_000) {
        // Days counted up from Saturday, 1 January 0000.
        let (mut year, mut month, mut day) = (0, 1, days);
        let leap = |y: u32| y.is_multiple_of(4) && !y.is_multiple_of(100) || y.is_multiple_of(400);
        while day >= 365 + u32::from(leap(year)) {
            day -= 365 + u32::from(leap(year));
            year += 1;
        }
        while day >= days_in(year, month) {
            day -= days_in(year, month);
            month += 1;
        }
        let date = parse_date(&format!("{year:04}-{month:02}-{:02}", day + 1)).unwrap();
        prop_assert_eq!(date.weekday(), usize::try_from((days + 6) % 7).unwrap());
    }

    #[test]
    fn never_panics(text in "\\PC{0,24}", like in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:.+Zé-]{0,16}") {
        parse_date(&text);
        parse_date(&like);
    }
}
