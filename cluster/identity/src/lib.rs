//! Who is who: sealed key files and the peers file.
//!
//! Nodes and clients read the same files, and neither needs the other for that.
//!
//! - [`key_file`]: the key of a node, an initiator or an authorizer, sealed under a passphrase.
//! - [`peers`]: the peers file: which cluster this is, and who its nodes are.
//! - [`envelope`]: a secret sealed under a passphrase, as in key files and in front of a node's store.
//! - [`files`]: files that are whole or not there at all, and private where they hold secrets.

pub mod envelope;
pub mod files;
pub mod key_file;
pub mod peers;
