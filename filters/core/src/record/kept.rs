//! Records on their way out: most come again, and are written once.

use std::cell::OnceCell;
use std::ops::Deref;
use std::rc::Rc;

use super::{Detail, Record, push_member};

/// A record on its way out.
#[derive(Clone, Debug)]
pub enum Recorded {
    /// Made for this event.
    New(Record),
    /// The same as before.
    Kept(Rc<KeptRecord>),
    /// The same as before but for one more member, its last.
    More(Box<More>),
}

/// A record that is kept, and what it says besides.
#[derive(Clone, Debug)]
pub struct More {
    kept: Rc<KeptRecord>,
    name: &'static str,
    detail: Detail,
    /// All of it, if anybody asks.
    whole: OnceCell<Record>,
}

impl More {
    fn record(&self) -> &Record {
        self.whole.get_or_init(|| self.kept.record.clone().with(self.name, self.detail.clone()))
    }

    fn to_json(&self, version: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let kept = self.kept.json(version);
        out.extend_from_slice(kept.strip_suffix(b"}").unwrap_or(kept));
        push_member(&mut out, self.name, &self.detail);
        out.push(b'}');
        out
    }
}

/// A record that its filter keeps, because it comes again: written once.
#[derive(Debug)]
pub struct KeptRecord {
    record: Record,
    /// A filter has one version.
    json: OnceCell<Box<[u8]>>,
}

impl KeptRecord {
    /// To be kept.
    #[must_use]
    pub fn new(record: Record) -> Self {
        KeptRecord { record, json: OnceCell::new() }
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The same, with one more member that differs from time to time.
    #[must_use]
    pub fn and(self: &Rc<Self>, name: &'static str, value: impl Into<Detail>) -> Recorded {
        let (kept, detail) = (Rc::clone(self), value.into());
        Recorded::More(Box::new(More { kept, name, detail, whole: OnceCell::new() }))
    }

    fn json(&self, version: &str) -> &[u8] {
        self.json.get_or_init(|| self.record.to_json(version).into())
    }
}

impl Recorded {
    /// The record, to be changed.
    #[must_use]
    pub fn into_record(self) -> Record {
        match self {
            Recorded::New(record) => record,
            Recorded::Kept(kept) => kept.record.clone(),
            Recorded::More(more) => more.record().clone(),
        }
    }

    /// The same, with one more member.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl Into<Detail>) -> Self {
        self.into_record().with(name, value).into()
    }

    /// Shows [`Record::to_json`]; `version` is that of the filter.
    pub fn show<T>(&self, version: &str, show: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Recorded::New(record) => show(&record.to_json(version)),
            Recorded::Kept(kept) => show(kept.json(version)),
            Recorded::More(more) => show(&more.to_json(version)),
        }
    }
}

impl From<Record> for Recorded {
    fn from(record: Record) -> Self {
        Recorded::New(record)
    }
}

impl Deref for Recorded {
    type Target = Record;

    fn deref(&self) -> &Record {
        match self {
            Recorded::New(record) => record,
            Recorded::Kept(kept) => &kept.record,
            Recorded::More(more) => more.record(),
        }
    }
}

impl PartialEq for Recorded {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<Record> for Recorded {
    fn eq(&self, other: &Record) -> bool {
        **self == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Decision;

    #[test]
    fn a_record_that_is_kept_says_the_same() {
        let record = Record::new(Decision::Allow, "r", "allowed").with("n", "x");
        let kept = Rc::new(KeptRecord::new(record.clone()));
        for _ in 0..2 {
            let recorded = Recorded::Kept(Rc::clone(&kept));
            assert_eq!(recorded.show("v", <[u8]>::to_vec), record.to_json("v"));
            assert_eq!(recorded, record);
            let changed = recorded.with("m", "y");
            assert_eq!(changed, record.clone().with("m", "y"));
            let json = changed.show("v", <[u8]>::to_vec);
            assert_eq!(json, record.clone().with("m", "y").to_json("v"));
        }
    }

    #[test]
    fn one_more_member_is_written_behind_what_is_kept() {
        let record = Record::new(Decision::Allow, "r", "allowed").with("n", "x");
        let kept = Rc::new(KeptRecord::new(record.clone()));
        for number in [0, 17, u64::MAX] {
            let recorded = kept.and("remaining", number);
            let whole = record.clone().with("remaining", number);
            assert_eq!(recorded, whole);
            assert_eq!(recorded.show("v", <[u8]>::to_vec), whole.to_json("v"));
            assert_eq!(recorded.into_record(), whole);
        }
        let text = kept.and("m", "a \"b\"").with("o", 1u64);
        assert_eq!(text, record.with("m", "a \"b\"").with("o", 1u64));
    }
}
