//! Presigning.
