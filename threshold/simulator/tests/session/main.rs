//! The session machine against everything that peers, networks and disks can do to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod durability;
mod equivocation;
mod faults;
mod honest;
mod table;
mod toy;
mod unusable;
