//! TLS 1.3 with certificate authorities: files in PEM, whom a client trusts and what it shows, and why a connection failed.
//!
//! Nodes know each other by their identities and need none of this; it is for what they serve to others, and for the servers that
//! they and clients use.

mod client;
mod pem;

pub use client::{Authorities, AuthoritiesError, ClientCertificate, nobody, reason};
pub use pem::{PemError, authorities, certificates, private_key};
