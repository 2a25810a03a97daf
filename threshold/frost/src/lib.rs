//! FROST signing for Ed25519 and BIP-340 on the Zcash Foundation crates.
