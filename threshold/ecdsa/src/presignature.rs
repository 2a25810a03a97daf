//! Presignatures have names.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::Transcript;
use quorate_session::SessionId;

/// The name of a presignature: a digest of the session that made it and its place there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PresignatureId(pub [u8; 32]);

impl PresignatureId {
    /// The name of what a session makes in a place.
    #[must_use]
    pub fn new(session: &SessionId, place: usize) -> Self {
        let name = Transcript::new(b"quorate/ecdsa/presignature/v1")
            .field("session", session.as_bytes())
            .field("place", &(place as u64).to_le_bytes());
        Self(name.digest())
    }
}

impl fmt::Debug for PresignatureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for PresignatureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
