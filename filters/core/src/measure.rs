//! What the examples measure with.

/// The middle of some figures: the machine does other things too.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Bytes of this process that are in memory; 0 where that is not known.
#[must_use]
pub fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|n| n.parse::<usize>().ok());
    pages.unwrap_or(0).saturating_mul(4096)
}

/// As many of them as there are, drawn as traffic is: the second most frequent is half
/// as frequent as the first, the third a third (Zipf). The same in each run.
pub fn ranked<T: Clone>(all: &[T]) -> Vec<T> {
    let weight = |rank: usize| 1.0 / (rank as f64 + 1.0);
    let whole: f64 = (0..all.len()).map(weight).sum();
    let mut state = 1u64;
    let mut draw = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut left = (state >> 11) as f64 / (1u64 << 53) as f64 * whole;
        let mut drawn = all.last();
        for (rank, one) in all.iter().enumerate() {
            if left <= weight(rank) {
                drawn = Some(one);
                break;
            }
            left -= weight(rank);
        }
        drawn.cloned()
    };
    (0..all.len()).filter_map(|_| draw()).collect()
}

/// Three spreads of requests, and what they are called: of ten kinds, of all kinds as
/// often as their rank says, and of all kinds evenly.
pub fn spreads<T: Clone>(all: Vec<T>) -> [(&'static str, Vec<T>); 3] {
    let ten = all.iter().take(10).cycle().take(all.len()).cloned().collect();
    let ranked = ranked(&all);
    [
        ("of ten kinds", ten),
        ("of a thousand kinds, as often as their rank says", ranked),
        ("of a thousand kinds, evenly", all),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_drawn_most() {
        let all: Vec<usize> = (0..1_000).collect();
        let ranked = ranked(&all);
        let often = |one: usize| ranked.iter().filter(|own| **own == one).count();
        assert_eq!(ranked.len(), 1_000);
        // A harmonic sum of a thousand is 7.49: the first is 134 of a thousand.
        assert!((110..160).contains(&often(0)), "{}", often(0));
        assert!((50..85).contains(&often(1)), "{}", often(1));
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
    }
}
