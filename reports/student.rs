//! Student's t distribution, as far as intervals need it.

use crate::normal_quantile;

/// From so many degrees of freedom on the expansion is exact to the last digits, and the sum would be long.
const MANY: u64 = 400;

/// The value that a t-distributed variable exceeds in neither direction with probability `level`.
///
/// Up to 400 degrees of freedom the finite sums of Abramowitz and Stegun (1964), 26.7.3 and 26.7.4, solved for the angle;
/// beyond, their expansion 26.7.5. Relative error below 1e-11 for levels from 0.5 to 0.999.
///
/// None without degrees of freedom, or when the level does not lie between 0 and 1.
pub(crate) fn student_quantile(level: f64, degrees: u64) -> Option<f64> {
    if degrees == 0 || !(level > 0.0 && level < 1.0) {
        return None;
    }
    if degrees > MANY {
        return Some(expansion(-normal_quantile((1.0 - level) / 2.0)?, degrees as f64));
    }
    let (mut low, mut high) = (0.0, std::f64::consts::FRAC_PI_2);
    // Each step halves the interval: it ends when there is no number between its ends.
    let mut angle = (low + high) / 2.0;
    while low < angle && angle < high {
        *(if within(angle, degrees) < level { &mut low } else { &mut high }) = angle;
        angle = (low + high) / 2.0;
    }
    Some((degrees as f64).sqrt() * libm::tan(angle))
}

/// The probability that the variable lies within ±√degrees · tan(angle).
fn within(angle: f64, degrees: u64) -> f64 {
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let odd = degrees % 2 == 1;
    let mut term = if odd { cos } else { 1.0 };
    let mut sum = if degrees == 1 { 0.0 } else { term };
    let mut k = if odd { 2.0 } else { 1.0 };
    while k + 2.0 < degrees as f64 {
        term *= cos * cos * k / (k + 1.0);
        sum += term;
        k += 2.0;
    }
    if odd { (angle + sin * sum) / std::f64::consts::FRAC_PI_2 } else { sin * sum }
}

fn expansion(z: f64, n: f64) -> f64 {
    let z2 = z * z;
    let g1 = z * (z2 + 1.0) / 4.0;
    let g2 = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
    let g3 = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
    let g4 = z * ((((79.0 * z2 + 776.0) * z2 + 1482.0) * z2 - 1920.0) * z2 - 945.0) / 92160.0;
    z + (g1 + (g2 + (g3 + g4 / n) / n) / n) / n
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_asked_has_no_value() {
        for (level, degrees) in [(0.95, 0), (0.0, 3), (1.0, 3), (f64::NAN, 3)] {
            assert_eq!(student_quantile(level, degrees), None);
        }
    }

    proptest! {
        #[test]
        fn more_degrees_of_freedom_bring_it_nearer_to_the_normal_one(level in 0.5f64..0.999, degrees in 1u64..2000) {
            let of = |degrees| student_quantile(level, degrees).unwrap();
            prop_assert!(of(degrees) > of(degrees + 1), "{} {}", of(degrees), of(degrees + 1));
            prop_assert!(of(degrees) > -normal_quantile((1.0 - level) / 2.0).unwrap());
        }
    }
}
