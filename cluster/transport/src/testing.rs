//! What the unit tests of this crate share.

use quorate_keys::{Identity, Secret, SigningIdentity};

/// The `n`th identity of the tests, the same in every run.
pub(crate) fn signer(n: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([n; 32]))
}

/// The first `count` identities of the tests.
pub(crate) fn identities(count: u8) -> Vec<Identity> {
    (1..=count).map(|n| signer(n).identity()).collect()
}
