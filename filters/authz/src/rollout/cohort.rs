//! For whom a candidate counts.

use postern_core::digest::sha256;
use siphasher::sip::SipHasher13;

use super::policy::Percent;

/// A share of the callers: the same ones on each worker, after each restart and
/// each reload, and with a larger share the same ones and more.
#[derive(Debug)]
pub(crate) struct Cohort {
    key: [u8; 16],
    share: Percent,
}

impl Cohort {
    /// Another seed chooses other callers.
    pub(crate) fn new(seed: &str, share: Percent) -> Self {
        let digest = sha256(format!("postern cohort\0{seed}").as_bytes());
        Cohort { key: digest.first_chunk().copied().unwrap_or_default(), share }
    }

    /// Is this caller one of them?
    pub(crate) fn has(&self, caller: &[u8]) -> bool {
        let hash = SipHasher13::new_with_key(&self.key).hash(caller);
        // Where on the way from 0 to a million the hash lies.
        let place = (u128::from(hash) * 1_000_000) >> 64;
        place < u128::from(self.share.millionths())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(seed: &str, share: Percent) -> Vec<u32> {
        let cohort = Cohort::new(seed, share);
        (0..10_000).filter(|n: &u32| cohort.has(format!("caller-{n}").as_bytes())).collect()
    }

    #[test]
    fn a_cohort_is_about_its_share_and_the_same_each_time() {
        let one = members("", Percent::whole(1));
        assert_eq!(one.len(), 109);
        assert_eq!(one, members("", Percent::whole(1)));
        // What is written here holds across versions: a caller must not flap
        // because the gateway was brought up to date.
        assert_eq!(one.first_chunk(), Some(&[20, 79, 273, 352]));
    }

    #[test]
    fn a_larger_share_keeps_who_was_in() {
        let (one, ten) = (members("", Percent::whole(1)), members("", Percent::whole(10)));
        assert!(one.iter().all(|n| ten.contains(n)));
        assert!((900..1_100).contains(&ten.len()), "{}", ten.len());
    }

    #[test]
    fn another_seed_chooses_others() {
        let (a, b) = (members("a", Percent::whole(10)), members("b", Percent::whole(10)));
        let both = a.iter().filter(|n| b.contains(n)).count();
        assert!((50..150).contains(&both), "{both} of {} are in both", a.len());
    }

    #[test]
    fn all_are_all() {
        assert_eq!(members("", Percent::whole(100)).len(), 10_000);
    }
}
