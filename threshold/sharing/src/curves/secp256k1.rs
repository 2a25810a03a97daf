//! secp256k1 on k256.

use super::weierstrass::weierstrass;

/// secp256k1 of SEC 2, cofactor 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secp256k1;

weierstrass!(Secp256k1, k256::Secp256k1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Curve;

    #[test]
    fn an_x_that_is_not_reduced_is_refused() {
        // x = p + 1.
        let mut unreduced = [0xFF; 33];
        unreduced[0] = 2;
        unreduced[29..].copy_from_slice(&[0xFF, 0xFF, 0xFC, 0x30]);
        unreduced[28] = 0xFE;
        assert_eq!(Secp256k1::decode(&unreduced), None);
    }
}
