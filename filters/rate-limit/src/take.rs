//! One request and all limits that count it: in all of them, or in none.

use std::borrow::Cow;

use postern_core::{Host, StoreError};

use crate::allowance::{Allowance, Left, Spent};
use crate::policy::{Limit, Mode, Windows};
use crate::table::{Bucket, Hash, Look, Table, Tag, clock};

/// A limit that counts a request.
#[derive(Debug)]
pub(crate) struct Counted<'p> {
    /// Its place in the policy.
    pub(crate) index: usize,
    pub(crate) limit: &'p Limit,
    pub(crate) windows: &'p Windows,
    pub(crate) allowance: Cow<'p, Allowance>,
    pub(crate) hash: Hash,
    pub(crate) tag: Tag,
    pub(crate) cost: u64,
    /// The rule by whose answers the cost is corrected.
    pub(crate) rule: Option<usize>,
    /// What came of it. `None`: not asked.
    pub(crate) spent: Option<Spent>,
}

impl Counted<'_> {
    pub(crate) fn bucket(&self) -> Bucket<'_> {
        Bucket { hash: self.hash, tag: self.tag, allowance: &self.allowance }
    }

    /// Where a request stands that this limit alone counts, in one window, and lets pass, if
    /// no answer corrects what it costs.
    pub(crate) fn passed(&self) -> Option<Left> {
        let spent = self.spent.as_ref().filter(|spent| spent.admitted)?;
        self.allowance.only_left(spent).filter(|_| self.rule.is_none())
    }

    fn enforces(&self) -> bool {
        self.limit.mode == Mode::Enforce
    }
}

/// The shared data cannot be read or written.
#[derive(Debug)]
pub(crate) struct Unavailable;

/// Counts a request; may it pass? And how many other callers had to be forgotten?
pub(crate) fn take(
    table: &Table,
    host: &dyn Host,
    counted: &mut [Counted<'_>],
) -> Result<(bool, usize), Unavailable> {
    let mut forgotten = 0usize;
    let enforced = counted.iter().filter(|c| c.enforces()).count();
    let admitted = if enforced > 1 {
        together(table, host, counted, &mut forgotten)?
    } else {
        match counted.iter_mut().find(|c| c.enforces()) {
            Some(one) => alone(table, host, one, &mut forgotten).ok_or(Unavailable)?,
            None => true,
        }
    };
    if admitted {
        for shadow in counted.iter_mut().filter(|c| !c.enforces()) {
            // What refuses nothing refuses nothing when it cannot count either.
            alone(table, host, shadow, &mut forgotten);
        }
    }
    Ok((admitted, forgotten))
}

/// Counts a request in one limit alone. `None`: the shared data cannot be read or written.
pub(crate) fn alone(
    table: &Table,
    host: &dyn Host,
    counted: &mut Counted<'_>,
    forgotten: &mut usize,
) -> Option<bool> {
    let (spent, others) = table.spend(host, &counted.bucket(), counted.cost)?;
    *forgotten = forgotten.saturating_add(others);
    let admitted = spent.admitted;
    counted.spent = Some(spent);
    Some(admitted)
}

/// Looks at all of them before anything is written. Then one after the other is: if
/// another worker came between and nothing is left any more, what was taken is given
/// back.
fn together(
    table: &Table,
    host: &dyn Host,
    counted: &mut [Counted<'_>],
    forgotten: &mut usize,
) -> Result<bool, Unavailable> {
    let now = clock(host);
    let mut looks: Vec<(usize, Look)> = Vec::with_capacity(counted.len());
    for (i, one) in counted.iter().enumerate().filter(|(_, one)| one.enforces()) {
        let look = table.look(host, &one.bucket(), one.cost, now).ok_or(Unavailable)?;
        looks.push((i, look));
    }
    let admitted = looks.iter().all(|(_, look)| look.spent.admitted);
    let mut taken: Vec<usize> = Vec::with_capacity(looks.len());
    for (i, mut look) in looks {
        let Some(one) = counted.get_mut(i) else { continue };
        if !admitted {
            one.spent = Some(look.spent.not_taken(&one.allowance, one.cost));
            continue;
        }
        let passed = match look.write(host, &one.bucket()) {
            Ok(others) => {
                *forgotten = forgotten.saturating_add(others);
                one.spent = Some(look.spent);
                Some(true)
            }
            Err(StoreError::Conflict) => alone(table, host, one, forgotten),
            Err(StoreError::Unavailable) => None,
        };
        if passed != Some(true) {
            give_back(table, host, counted, &taken);
            return passed.ok_or(Unavailable);
        }
        taken.push(i);
    }
    Ok(admitted)
}

/// Other limits refuse the request: gives back what was taken of it.
#[cold]
pub(crate) fn undo(table: &Table, host: &dyn Host, counted: &mut [Counted<'_>]) {
    let taken = |one: &Counted<'_>| one.spent.as_ref().is_some_and(|spent| spent.admitted);
    let all: Vec<usize> =
        counted.iter().enumerate().filter(|(_, one)| taken(one)).map(|(i, _)| i).collect();
    give_back(table, host, counted, &all);
}

fn give_back(table: &Table, host: &dyn Host, counted: &mut [Counted<'_>], taken: &[usize]) {
    for i in taken {
        let Some(one) = counted.get_mut(*i) else { continue };
        let Some(charged) = one.spent.take() else { continue };
        let given = table.give(host, &one.bucket(), one.cost, &charged);
        one.spent = given.map(|(spent, _)| spent);
    }
}
