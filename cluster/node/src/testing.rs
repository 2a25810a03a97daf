//! What nodes say to each other, and what is inside their backups, as bytes, for fuzzing: a node itself never shows it.

use std::path::Path;

use quorate_keygen::Refusal;
use quorate_keys::{Secret, Signature, SigningIdentity};
use quorate_request::ClusterId;
use quorate_session::{
    Accepted, Agreement, IdentityVerifier, Proposal, Proposing, ProtocolId, SessionId, SignedProposal, Wire,
    WireError,
};
use quorate_sharing::{Committee, Member, PartyIndex, Threshold};
use rand_core::OsRng;

use crate::backup::{BackupError, file};
use crate::frame::{Decline, Frame, GivenUp, Reason, Signed, Sought};
use crate::wallets::{Census, Has, Inquiry};

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
    let Some(agreement) = agreement(&identity) else { return Vec::new() };
    let signed = Signed {
        request_id: "a request".into(),
        fingerprint: [2; 32],
        signatures: vec![Signature::from_bytes([3; 64])],
        committee: vec![me],
        attempt: 4,
    };
    let refused = Reason::Refused { code: "forbidden".into(), message: "no".into() };
    let cluster = ClusterId::from_bytes([1; 32]);
    let done = Reason::Done(Box::new(Some(signed.clone())));
    let frames = [
        Frame::Decline(Decline::new([5; 32], refused, Some((&cluster, &[2; 32])), &identity)),
        Frame::Decline(Decline::new([5; 32], done, None, &identity)),
        Frame::Session { session, envelope: b"an envelope".to_vec() },
        Frame::Signed(signed),
        Frame::GivenUp(GivenUp { proposal: [6; 32], silent: vec![me], reason: "silence".into() }),
        Frame::Inquire(Box::new(Inquiry { agreement, setup: None })),
        Frame::Refused(Refusal::promise(session, &identity)),
        Frame::Withdrawn([8; 32]),
        Frame::AreYouThere([9; 32]),
        Frame::Census(Census::default()),
        Frame::Missing { bucket: 7, have: vec![Has { wallet: session, epoch: 0, generation: session }] },
        Frame::Seek(Sought::Name("wallet".into())),
        Frame::Seek(Sought::Session(session)),
    ];
    frames.iter().filter_map(|frame| frame.to_wire().ok()).collect()
}

/// Reads what is inside a backup to its end, as a restore does; how many rows it has.
///
/// # Errors
/// What a restore says.
pub fn read_backup(content: &[u8]) -> Result<u64, BackupError> {
    let mut reader = file::Reader::of(Path::new("backup.age"), content)?;
    while reader.next()?.is_some() {}
    Ok(reader.rows())
}

/// Some of that, to start from.
#[must_use]
pub fn backups() -> Vec<Vec<u8>> {
    file::samples()
}

/// What two parties agree upon.
fn agreement(proposer: &SigningIdentity) -> Option<Agreement> {
    let other = SigningIdentity::from_seed(&Secret::new([2; 32]));
    let parties = [(1, proposer), (2, &other)];
    let members = parties.iter().map(|(index, identity)| {
        Some(Member { index: PartyIndex::new(*index).ok()?, identity: identity.identity() })
    });
    let committee = Committee::new(Threshold::new(2).ok()?, members.collect::<Option<_>>()?).ok()?;
    let proposal = Proposal {
        cluster: [1; 32],
        request: [2; 32],
        operation: "keygen".into(),
        protocol: ProtocolId::new("keygen", "ed25519", 1),
        setup: [3; 32],
        epoch: 0,
        committee,
        proposer: proposer.identity(),
        attempt: 1,
        expires: 0,
    };
    let signed = SignedProposal::sign(proposal.clone(), proposer).ok()?;
    let mut proposing = Proposing::new(&proposal).ok()?;
    let mut start = None;
    for (_, party) in parties {
        let (me, signed) = (party.identity(), signed.clone());
        let (_, accepted) = Accepted::accept(signed, &me, party, &IdentityVerifier, &mut OsRng).ok()?;
        start = proposing.accept(accepted, &IdentityVerifier).ok()?;
    }
    start?.agreement(&proposal).ok()
}
