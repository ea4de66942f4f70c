//! Work that leads to more work at once.

use postern_core::Work;

/// So often a failed question may lead to another at once.
const MAX_TURNS: usize = 8;

/// Does a piece of work by `turn`, then what that says follows from it, and so on.
/// Returns what is left undone, if it does not end soon.
pub(crate) fn follow(work: Work, mut turn: impl FnMut(Work) -> Work) -> Work {
    let mut work = work;
    for _ in 0..MAX_TURNS {
        if work.is_nothing() {
            break;
        }
        work = turn(work);
    }
    work
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waking(key: u64) -> Work {
        Work { wake: vec![key], ..Work::default() }
    }

    #[test]
    fn work_that_ends_leaves_nothing() {
        let mut woken = Vec::new();
        let left = follow(waking(7), |work| {
            let next = work.wake.iter().filter_map(|key| key.checked_sub(1)).collect();
            woken.extend(work.wake);
            Work { wake: next, ..Work::default() }
        });
        assert_eq!(woken, [7, 6, 5, 4, 3, 2, 1, 0]);
        assert!(left.is_nothing(), "{left:?}");
    }

    #[test]
    fn what_does_not_end_is_left_whole() {
        let mut woken = Vec::new();
        let left = follow(waking(0), |work| {
            let next = work.wake.iter().map(|key| key + 1).collect();
            woken.extend(work.wake);
            Work { wake: next, count: vec![3], ..Work::default() }
        });
        assert_eq!(woken, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((left.wake, left.count), (vec![8], vec![3]));
        let mut turns = 0;
        follow(Work::default(), |work| {
            turns += 1;
            work
        });
        assert_eq!(turns, 0, "there is nothing to do");
    }
}
