//! Holm's adjustment: several questions asked at once, one level for all of them together.

/// The adjusted p-values, in the order of the given ones.
///
/// Holm (1979), "A simple sequentially rejective multiple test procedure": the smallest of m p-values is multiplied by m,
/// the next by m - 1 and so on; none falls below one before it, and none exceeds 1. Then the chance of even one false
/// finding stays within the level, however the tests depend on each other. As statsmodels' `multipletests(method="holm")`.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 0.0f64;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max((p_values.len() - rank) as f64 * p_values[i]).min(1.0);
        adjusted[i] = least;
    }
    adjusted
}

/// At which level each question is decided by [`holm`]: it is proven just when its own p-value is at most this.
///
/// The m-th part of `alpha` for the smallest p-value, the (m - 1)-th for the next and so on, up to the first that is too large for
/// its part: with that all others are decided at the same level. The interval of that level belongs to the decision.
pub fn holm_levels(p_values: &[f64], alpha: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut levels = vec![alpha; p_values.len()];
    let mut left = p_values.len();
    let mut open = false;
    for i in order {
        levels[i] = alpha / left as f64;
        open |= p_values[i] > levels[i];
        left -= usize::from(!open);
    }
    levels
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_question_needs_no_adjustment() {
        assert_eq!(holm(&[0.03]), [0.03]);
        assert_eq!(holm(&[]), [0.0; 0]);
        assert_eq!(holm(&[0.5, 0.01, 0.03]), [0.5, 0.03, 0.06]);
    }

    proptest! {
        #[test]
        fn each_question_is_decided_at_its_own_level(p_values in prop::collection::vec(0.0f64..0.2, 1..12)) {
            let levels = holm_levels(&p_values, 0.05);
            for ((p, holm), level) in p_values.iter().zip(holm(&p_values)).zip(levels) {
                prop_assume!((holm - 0.05).abs() > 1e-12);
                prop_assert_eq!(*p <= level, holm <= 0.05);
                prop_assert!(level <= 0.05);
            }
        }

        #[test]
        fn never_smaller_and_in_the_same_order(p_values in prop::collection::vec(0.0f64..=1.0, 0..12)) {
            let adjusted = holm(&p_values);
            for (i, (p, holm)) in p_values.iter().zip(&adjusted).enumerate() {
                prop_assert!(p <= holm && *holm <= 1.0);
                // Never larger than what Bonferroni asks for.
                prop_assert!(*holm <= p * p_values.len() as f64 || *holm == *p);
                for (q, other) in p_values.iter().zip(&adjusted).skip(i) {
                    prop_assert!((p <= q) || (holm >= other));
                }
            }
        }
    }
}
