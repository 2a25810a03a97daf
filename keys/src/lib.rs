//! Public keys, signatures, schemes, verification, derivation and identities of Quorate.
