//! The Gaussian error linear unit (Hendrycks, Gimpel: Gaussian error linear units, 2016): x Φ(x), where Φ is the
//! distribution function of the normal distribution, not one of its approximations by tanh.

use super::super::numeric::exp;

/// x Φ(x), to about 1e-7 of x.
///
/// Φ by formula 7.1.26 of Abramowitz and Stegun's Handbook of mathematical functions: the error function to 1.5e-7 by one
/// exponential, which is the density as well.
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    x * distribution(x).0
}

/// d/dx x Φ(x) = Φ(x) + x φ(x).
#[inline(always)]
pub(super) fn gelu_slope(x: f32) -> f32 {
    let (distribution, bell) = distribution(x);
    distribution + x * bell * 0.398_942_3
}

/// Φ(x), and exp(-x²/2).
#[inline(always)]
fn distribution(x: f32) -> (f32, f32) {
    let size = x.abs();
    let bell = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * size);
    let p = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    let half_error_function = 0.5 - 0.5 * p * bell;
    (0.5 + half_error_function.copysign(x), bell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_tables() {
        // From tables of Φ to ten digits.
        for (x, phi) in [
            (0.0, 0.5),
            (0.1, 0.539_827_837_3),
            (0.5, 0.691_462_461_3),
            (1.0, 0.841_344_746_1),
            (1.5, 0.933_192_798_7),
            (2.0, 0.977_249_868_1),
            (3.0, 0.998_650_102_0),
            (4.0, 0.999_968_328_8),
        ] {
            for (x, phi) in [(x, phi), (-x, 1.0 - phi)] {
                assert!((f64::from(gelu(x as f32)) - x * phi).abs() < 4e-7, "{x}");
            }
        }
        assert_eq!((gelu(1e9), gelu(-1e9)), (1e9, 0.0));
    }

    #[test]
    fn the_slope_agrees_with_finite_differences() {
        for i in -600..600 {
            let x = i as f32 / 100.0;
            let numeric = f64::from(gelu(x + 0.01) - gelu(x - 0.01)) / f64::from((x + 0.01) - (x - 0.01));
            assert!((numeric - f64::from(gelu_slope(x))).abs() < 2e-4, "{x}");
        }
    }
}
