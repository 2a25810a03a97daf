//! Auxiliary information.
