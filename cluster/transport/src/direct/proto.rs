//! The messages and service of `proto/peer.proto`.
//!
//! The code is generated, checked in, and compared with the schema by `tests/generated.rs`, so that no
//! user needs a protocol buffer compiler.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::unwrap_used,
    clippy::needless_pass_by_value
)]

include!("generated/quorate.transport.v1.rs");
