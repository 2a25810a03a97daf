//! The node: authority, proposer, sessions, store and API.
