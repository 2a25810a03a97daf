//! Committees, polynomials, Feldman commitments and verifiably encrypted shares.
