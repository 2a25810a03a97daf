//! What nodes say to each other as bytes, for fuzzing: a node itself never shows it.

use quorate_keygen::Refusal;
use quorate_keys::{Secret, Signature, SigningIdentity};
use quorate_session::{SessionId, Wire, WireError};

use crate::frame::{Decline, Frame, GivenUp, Reason, Signed, Sought};
use crate::wallets::Census;

/// Reads a frame as a node does, and encodes it again.
///
/// # Errors
/// The node's reason to drop the frame.
pub fn reencode_frame(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    Frame::from_wire(bytes)?.to_wire()
}

/// Some frames, to start from.
#[must_use]
pub fn frames() -> Vec<Vec<u8>> {
    let identity = SigningIdentity::from_seed(&Secret::new([1; 32]));
    let me = identity.identity();
    let Ok(session) = borsh::from_slice::<SessionId>(&[7; 32]) else { return Vec::new() };
    let signed = Signed {
        request_id: "a request".into(),
        fingerprint: [2; 32],
        signatures: vec![Signature::from_bytes([3; 64])],
        committee: vec![me],
        attempt: 4,
    };
    let refused = Reason::Refused { code: "forbidden".into(), message: "no".into() };
    let frames = [
        Frame::Decline(Decline { proposal: [5; 32], reason: refused }),
        Frame::Decline(Decline { proposal: [5; 32], reason: Reason::Done(Box::new(Some(signed.clone()))) }),
        Frame::Session { session, envelope: b"an envelope".to_vec() },
        Frame::Signed(signed),
        Frame::GivenUp(GivenUp { proposal: [6; 32], silent: vec![me], reason: "silence".into() }),
        Frame::Inquire(session),
        Frame::Refused(Refusal::promise(session, &identity)),
        Frame::Withdrawn([8; 32]),
        Frame::AreYouThere([9; 32]),
        Frame::Census(Census::default()),
        Frame::Missing { bucket: 7, have: vec![session] },
        Frame::Seek(Sought::Name("wallet".into())),
    ];
    frames.iter().filter_map(|frame| frame.to_wire().ok()).collect()
}
