//! CGGMP21, beside `cggmp24`.

pub(crate) mod ours;
mod primes;
pub(crate) mod theirs;
