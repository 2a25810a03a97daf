//! What the protocols of threshold ECDSA have in common: the curves, who signs with which key, and how a presignature is tied to what it
//! signs.

mod holders;
mod presignature;
mod randomise;
mod suite;

pub use holders::{check_holders, check_key, check_members, key_digest};
pub use presignature::{Presignature, PresignatureId, PublicPart};
pub use randomise::{Randomised, Signing};
pub use suite::{Suite, x_coordinate};
