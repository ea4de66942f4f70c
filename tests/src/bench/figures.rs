//! Figures out of slices: quartiles, additions, ratios.

/// Median and quartiles of a number of values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quartiles {
    /// A quarter of the values lies below.
    pub q1: f64,
    /// Half of them.
    pub median: f64,
    /// Three quarters.
    pub q3: f64,
}

impl Quartiles {
    /// Of values in any order; between two of them it is interpolated.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * sorted.len().saturating_sub(1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            let value = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
            value(below) + (value(above) - value(below)) * place.fract()
        };
        Quartiles { q1: at(0.25), median: at(0.5), q3: at(0.75) }
    }

    /// The distance of the quartiles, as a part of the median.
    #[must_use]
    pub fn spread(&self) -> f64 {
        (self.q3 - self.q1) / self.median
    }
}

/// The median of some rounds' figures over that of others, and how far it may be off: see
/// [`interval`].
#[must_use]
pub fn ratio(of: &[f64], to: &[f64], starts: &[usize]) -> (f64, [f64; 2]) {
    let drawn = |rounds: &[usize]| median(of, rounds) / median(to, rounds);
    let all: Vec<usize> = (0..of.len().min(to.len())).collect();
    (drawn(&all), interval(starts, drawn))
}

/// The median of the rounds' ratios, and how far it may be off: a round that was slow for
/// both counts as any other.
#[must_use]
pub fn paired_ratio(of: &[f64], to: &[f64], starts: &[usize]) -> (f64, [f64; 2]) {
    let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| of / to).collect();
    let drawn = |rounds: &[usize]| median(&ratios, rounds);
    let all: Vec<usize> = (0..ratios.len()).collect();
    (drawn(&all), interval(starts, drawn))
}

fn median(values: &[f64], rounds: &[usize]) -> f64 {
    let drawn: Vec<f64> = rounds.iter().filter_map(|at| values.get(*at).copied()).collect();
    Quartiles::of(&drawn).median
}

/// What a variant adds to the bare Envoy, round by round: whatever else the
/// machine did in a round has touched both.
#[must_use]
pub fn additions(costs: &[f64], bare: &[f64]) -> Vec<f64> {
    costs.iter().zip(bare).map(|(cost, bare)| cost - bare).collect()
}

/// How far a figure of the rounds may be off: 95 of 100 values of `of` when starts, and
/// rounds within them, are drawn anew with repetition (a bootstrap by clusters; Efron and
/// Tibshirani, An Introduction to the Bootstrap, §8 and §13). `starts` tells how many rounds
/// each start saw, in order. What a start adds for as long as it lives is in it so.
#[must_use]
pub fn interval(starts: &[usize], of: impl Fn(&[usize]) -> f64) -> [f64; 2] {
    let mut first = 0;
    let clusters: Vec<_> = starts
        .iter()
        .map(|rounds| {
            first += rounds;
            first - rounds..first
        })
        .filter(|rounds| !rounds.is_empty())
        .collect();
    let mut drawn = Draw(0x9E37_79B9_7F4A_7C15);
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let mut rounds = Vec::new();
            for _ in &clusters {
                let Some(cluster) = clusters.get(drawn.below(clusters.len())) else { continue };
                for _ in cluster.clone() {
                    rounds.push(cluster.start + drawn.below(cluster.len()));
                }
            }
            of(&rounds)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    [at(RESAMPLES / 40), at(RESAMPLES - 1 - RESAMPLES / 40)]
}

const RESAMPLES: usize = 1_000;

/// The same draws in each run: the figures alone differ (Marsaglia's xorshift64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % end.max(1)
    }
}

/// The order of a round: each variant comes first, last and in between, and
/// behind each neighbour as often as before it.
#[must_use]
pub fn order(variants: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..variants).collect();
    order.rotate_left(round / 2 % variants.max(1));
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_those_of_the_textbook() {
        let of = |values: &[f64]| {
            let q = Quartiles::of(values);
            [q.q1, q.median, q.q3]
        };
        assert_eq!(of(&[3.0, 1.0, 2.0, 5.0, 4.0]), [2.0, 3.0, 4.0]);
        assert_eq!(of(&[4.0, 3.0, 2.0, 1.0]), [1.75, 2.5, 3.25]);
        assert_eq!(of(&[7.0]), [7.0, 7.0, 7.0]);
        assert_eq!(of(&[-1.0, -3.0]), [-2.5, -2.0, -1.5]);
        assert!(Quartiles::of(&[]).median.is_nan());
        assert_eq!(Quartiles::of(&[9.0, 10.0, 11.0]).spread(), 0.1);
    }

    #[test]
    fn a_slow_round_is_no_addition() {
        let bare = [50.0, 90.0, 52.0];
        let ours = [80.0, 121.0, 82.0];
        assert_eq!(additions(&ours, &bare), [30.0, 31.0, 30.0]);
        // A round that was not finished counts for nobody.
        assert_eq!(additions(&ours[..2], &bare), [30.0, 31.0]);
    }

    #[test]
    fn a_round_that_was_slow_for_both_changes_no_paired_ratio() {
        let of = [2.0, 40.0, 3.0];
        let to = [1.0, 20.0, 3.0];
        assert_eq!(paired_ratio(&of, &to, &[3]), (2.0, [1.0, 2.0]));
        assert_eq!(ratio(&of, &to, &[3]).0, 1.0);
        // Rounds of one alone say nothing.
        assert_eq!(paired_ratio(&of, &to[..1], &[1]), (2.0, [2.0, 2.0]));
        assert!(paired_ratio(&of, &[], &[]).0.is_nan());
    }

    #[test]
    fn what_differs_from_start_to_start_makes_a_figure_unsure() {
        let median_of = |values: Vec<f64>| {
            move |rounds: &[usize]| {
                Quartiles::of(&rounds.iter().map(|at| values[*at]).collect::<Vec<_>>()).median
            }
        };
        assert_eq!(interval(&[4], median_of(vec![2.0; 4])), [2.0, 2.0]);
        // Rounds alike within a start, starts not: nobody knows which is typical.
        let two = vec![1.0, 1.0, 1.0, 3.0, 3.0, 3.0];
        assert_eq!(interval(&[3, 3], median_of(two.clone())), [1.0, 3.0]);
        // Of many starts the median is known better.
        let many: Vec<f64> = (0..40).map(f64::from).collect();
        let [low, high] = interval(&[1; 40], median_of(many));
        assert!((9.0..19.0).contains(&low) && (20.0..31.0).contains(&high), "{low} {high}");
        assert!(interval(&[], median_of(two)).iter().all(|end| end.is_nan()));
    }

    #[test]
    fn each_variant_has_each_place_equally_often() {
        for place in 0..3 {
            for variant in 0..3 {
                let there = (0..6).filter(|round| order(3, *round)[place] == variant).count();
                assert_eq!(there, 2, "variant {variant} at place {place}");
            }
        }
        assert_eq!(order(3, 0), [0, 1, 2]);
        assert_eq!(order(3, 3), [0, 2, 1]);
    }
}
