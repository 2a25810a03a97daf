//! Multiplication and exponentiation modulo large odd integers, on AWS-LC.
//!
//! A [`Modulus`] holds what Montgomery multiplication needs to know of it; an [`Element`] is a residue in Montgomery form. Everything
//! else about large integers (sums, division, greatest common divisors) is somewhere else: this crate exists because one
//! exponentiation modulo a Paillier key takes milliseconds, and AWS-LC's takes half the time of any other.
//!
//! # Security
//! [`Modulus::new`], [`Modulus::mul`], [`Modulus::square`], [`Modulus::pow`], conversions and a [`Product`] take a time that
//! depends on the lengths of their inputs only; [`Modulus::pow_vartime`] says so in its name. The length of a modulus is
//! public. Elements are overwritten when they are dropped, and AWS-LC overwrites all memory that it frees.
//!
//! The only crate of the workspace that may call C.

mod element;
mod modulus;
mod native;
mod product;

pub use element::Element;
pub use modulus::{InvalidModulus, MAX_BITS, Modulus, NotReduced};
pub use product::Product;
