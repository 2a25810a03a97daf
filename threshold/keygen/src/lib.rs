//! Dealerless key generation for every curve and scheme.
