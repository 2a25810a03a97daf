//! The session machine against everything that peers, networks and disks can do to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod agreement;
mod disputes;
mod durability;
mod equivocation;
mod evidence;
mod faults;
mod fuzz;
mod honest;
mod local;
mod table;
mod toy;
mod unusable;
