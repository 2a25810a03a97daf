//! The wrapper for secret values.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

/// A secret: redacted when printed, zeroized when dropped, and neither copied, cloned nor compared with `==`.
///
/// ```compile_fail,E0599
/// let secret = quorate_keys::Secret::new([7_u8; 32]);
/// let copy = secret.clone();
/// ```
///
/// ```compile_fail,E0369
/// let (one, other) = (quorate_keys::Secret::new(1_u8), quorate_keys::Secret::new(1_u8));
/// assert!(one == other);
/// ```
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value. Copies that the caller made before are the caller's to erase.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, to be read on the spot.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value, to be changed in place.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Compares secret bytes in constant time; only their length can leak.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> Choice {
        self.0.as_ref().ct_eq(other.0.as_ref())
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new(b"correct horse".to_vec());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(format!("{:?}", Some(&secret)), "Some([redacted])");
    }

    #[test]
    fn a_dropped_secret_is_erased() {
        struct Witness<'a>(&'a std::cell::Cell<bool>);
        impl Zeroize for Witness<'_> {
            fn zeroize(&mut self) {
                self.0.set(true);
            }
        }
        let erased = std::cell::Cell::new(false);
        drop(Secret::new(Witness(&erased)));
        assert!(erased.get());
    }

    #[test]
    fn equality_is_that_of_the_bytes() {
        let left = Secret::new([1_u8; 32]);
        assert!(bool::from(left.ct_eq(&Secret::new([1; 32]))));
        assert!(!bool::from(left.ct_eq(&Secret::new([2; 32]))));
    }
}
