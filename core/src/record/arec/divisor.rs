//! Numbers that much is divided by.

/// Division by a number that stays the same, by two multiplications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Divisor {
    by: u64,
    inverse: u64,
}

impl Divisor {
    /// `by` is at least 1.
    pub(super) fn new(by: u64) -> Divisor {
        let by = by.max(1);
        let inverse = u64::MAX.checked_div(by).unwrap_or(u64::MAX);
        Divisor { by, inverse }
    }

    /// The quotient and the remainder.
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the upper half of a product of two u64"
    )]
    pub(super) fn divide(self, number: u64) -> (u64, u64) {
        // 2^64 = inverse x by + r with 1 <= r <= by, so that number x inverse / 2^64 falls short of
        // number / by by number x r / (by x 2^64), which is less than 1: the whole part is the
        // quotient or one less.
        let product = u128::from(number).wrapping_mul(u128::from(self.inverse));
        let quotient = product.wrapping_shr(64) as u64;
        let rest = number.wrapping_sub(quotient.wrapping_mul(self.by));
        if rest < self.by {
            (quotient, rest)
        } else {
            (quotient.wrapping_add(1), rest.wrapping_sub(self.by))
        }
    }
}
