//! P-256 on the crate of that name.

use super::weierstrass::weierstrass;

/// P-256 of FIPS 186-5, which SEC 2 calls secp256r1, cofactor 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct P256;

weierstrass!(P256, p256::NistP256);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Curve;

    #[test]
    fn an_x_that_is_not_reduced_is_refused() {
        // x = 5, which is on the curve, and x = p + 5.
        let mut reduced = [0; 33];
        (reduced[0], reduced[32]) = (2, 5);
        assert!(P256::decode(&reduced).is_some());
        let mut unreduced = [0; 33];
        unreduced[1..5].fill(0xFF);
        (unreduced[0], unreduced[8], unreduced[20], unreduced[32]) = (2, 1, 1, 4);
        assert_eq!(P256::decode(&unreduced), None);
    }
}
