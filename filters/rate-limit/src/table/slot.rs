//! The bytes of a slot: entries of callers, and for each limit of which some had
//! to be forgotten, what the most used of those had used.
//!
//! An entry: a byte with the number of its cells (and the bit [`REST`]), the
//! caller's hash, the limit's tag, the cells.

use std::cmp::Reverse;

use crate::allowance::{Cells, WINDOWS};
use crate::rate::Cell;

/// The hash of a caller's key, under a secret of this host.
pub(crate) type Hash = [u8; 16];

/// Which limit, under which plan or override: callers of one tag have the same windows,
/// with quotas of their own where claims say them.
pub(crate) type Tag = [u8; 4];

/// Callers in a slot; and as many limits of which some were forgotten.
pub(crate) const WAYS: usize = 16;

/// Marks what was forgotten.
const REST: u8 = 0x80;

const HEAD: usize = 21;

/// One entry in the bytes of a slot.
#[derive(Clone, Copy)]
struct Entry<'a> {
    /// Where its cells begin.
    at: usize,
    is_rest: bool,
    hash: &'a Hash,
    tag: &'a Tag,
    cells: &'a [[u8; Cell::SIZE]],
}

impl Entry<'_> {
    fn cells(&self) -> Option<Cells> {
        let (first, more) = self.cells.split_first()?;
        let mut rest = Vec::new();
        for cell in more {
            rest.push(Cell::from_bytes(cell)?);
        }
        Some(Cells { first: Cell::from_bytes(first)?, more: rest })
    }
}

/// Ends at what it does not know.
fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut at = 0usize;
    std::iter::from_fn(move || {
        let (head, rest) = bytes.get(at..)?.split_first_chunk::<HEAD>()?;
        let (count, names) = head.split_first()?;
        let (hash, tag) = names.split_first_chunk::<16>()?;
        let cells = usize::from(count & !REST);
        let size = cells.checked_mul(Cell::SIZE)?;
        if cells == 0 || cells > WINDOWS {
            return None;
        }
        let (cells, _) = rest.get(..size)?.as_chunks::<{ Cell::SIZE }>();
        let begin = at.checked_add(HEAD)?;
        at = begin.checked_add(size)?;
        let is_rest = count & REST != 0;
        Some(Entry { at: begin, is_rest, hash, tag: tag.first_chunk()?, cells })
    })
}

/// A caller's state.
pub(super) fn find(bytes: &[u8], hash: &Hash) -> Option<Cells> {
    entries(bytes).find(|e| !e.is_rest && e.hash == hash)?.cells()
}

/// What was used at most by those of a limit that were forgotten here.
pub(super) fn rest(bytes: &[u8], tag: &Tag) -> Option<Cells> {
    entries(bytes).find(|e| e.is_rest && e.tag == tag)?.cells()
}

/// How many callers are in use in it.
pub(super) fn in_use(bytes: &[u8], now: u64) -> usize {
    let used = |e: &Entry<'_>| !e.is_rest && e.cells().is_some_and(|cells| !cells.is_idle(now));
    entries(bytes).filter(used).count()
}

/// Writes a caller's state, and says how many others had to be forgotten for it.
pub(super) fn write(bytes: &mut Vec<u8>, hash: &Hash, tag: &Tag, cells: &Cells, now: u64) -> usize {
    let own = entries(bytes).find(|e| !e.is_rest && e.hash == hash);
    if let Some(entry) = own.filter(|e| e.cells.len() == cells.len()) {
        let (at, size) = (entry.at, entry.cells.len().saturating_mul(Cell::SIZE));
        let place = bytes.get_mut(at..at.saturating_add(size)).unwrap_or_default();
        for (to, cell) in place.chunks_exact_mut(Cell::SIZE).zip(cells.iter()) {
            to.copy_from_slice(&cell.to_bytes());
        }
        return 0;
    }
    let mut slot = Slot::read(bytes, hash, now);
    let forgotten = slot.make_room(*tag, now);
    slot.callers.push((*hash, *tag, cells.clone()));
    *bytes = slot.to_bytes();
    forgotten
}

/// A slot that is written anew.
struct Slot {
    callers: Vec<(Hash, Tag, Cells)>,
    rests: Vec<(Tag, Cells)>,
}

impl Slot {
    /// All that is still used but for one caller.
    fn read(bytes: &[u8], but: &Hash, now: u64) -> Self {
        let mut slot = Slot { callers: Vec::with_capacity(WAYS), rests: Vec::new() };
        for entry in entries(bytes) {
            match entry.cells() {
                Some(cells) if cells.is_idle(now) => {}
                Some(cells) if entry.is_rest => slot.rests.push((*entry.tag, cells)),
                Some(cells) if entry.hash != but => {
                    slot.callers.push((*entry.hash, *entry.tag, cells));
                }
                Some(_) | None => {}
            }
        }
        slot
    }

    /// Forgets the least used until there is room for one more.
    fn make_room(&mut self, own: Tag, now: u64) -> usize {
        let mut forgotten = 0usize;
        while self.callers.len() >= WAYS {
            let least = self.least(&own, now);
            let (_, tag, cells) = self.callers.swap_remove(least);
            self.note(tag, cells, now);
            forgotten = forgotten.saturating_add(1);
        }
        forgotten
    }

    /// Who goes: of the limit that has the most callers here, the one of which the
    /// smallest share is used. So callers of one limit, however many, do not push out
    /// those of another.
    fn least(&self, own: &Tag, now: u64) -> usize {
        let of = |tag: &Tag| {
            let callers = self.callers.iter().filter(|(_, other, _)| other == tag).count();
            callers.saturating_add(usize::from(tag == own))
        };
        let all = self.callers.iter().enumerate();
        let least = all.min_by_key(|(_, (_, tag, cells))| (Reverse(of(tag)), cells.share(now)));
        least.map_or(0, |(i, _)| i)
    }

    fn note(&mut self, tag: Tag, cells: Cells, now: u64) {
        if let Some((_, rest)) = self.rests.iter_mut().find(|(own, _)| *own == tag) {
            *rest = rest.clone().fuller(cells, now);
            return;
        }
        if self.rests.len() >= WAYS {
            let shares = self.rests.iter().map(|(_, cells)| cells.share(now));
            let least = shares.enumerate().min_by_key(|(_, share)| *share);
            self.rests.swap_remove(least.map_or(0, |(i, _)| i));
        }
        self.rests.push((tag, cells));
    }

    fn to_bytes(&self) -> Vec<u8> {
        let entries = self.callers.len().saturating_add(self.rests.len());
        let entry = HEAD.saturating_add(Cell::SIZE);
        let mut out = Vec::with_capacity(entries.saturating_mul(entry));
        for (hash, tag, cells) in &self.callers {
            push(&mut out, 0, hash, tag, cells);
        }
        for (tag, cells) in &self.rests {
            push(&mut out, REST, &[0; 16], tag, cells);
        }
        out
    }
}

fn push(out: &mut Vec<u8>, mark: u8, hash: &Hash, tag: &Tag, cells: &Cells) {
    out.push(mark | u8::try_from(cells.len()).unwrap_or(0));
    out.extend_from_slice(hash);
    out.extend_from_slice(tag);
    for cell in cells.iter() {
        out.extend_from_slice(&cell.to_bytes());
    }
}
