//! Envelopes that arrive before their session: a faster member starts while the start is still on its way here.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use quorate_keys::Identity;
use quorate_session::SessionId;

/// Envelopes kept of one peer.
const PER_PEER: usize = 256;
/// Bytes kept of one peer.
const BYTES_PER_PEER: usize = 1024 * 1024;
/// How long one is kept.
const KEPT: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct EarlyFrames {
    peers: HashMap<Identity, VecDeque<Early>>,
}

struct Early {
    session: SessionId,
    arrived: Instant,
    envelope: Vec<u8>,
}

impl EarlyFrames {
    /// Keeps an envelope, in place of that peer's oldest ones when it sends too many.
    pub(super) fn keep(&mut self, from: Identity, session: SessionId, envelope: Vec<u8>) {
        let kept = self.peers.entry(from).or_default();
        kept.retain(|early| early.arrived.elapsed() < KEPT);
        kept.push_back(Early { session, arrived: Instant::now(), envelope });
        while kept.len() > PER_PEER
            || kept.iter().map(|early| early.envelope.len()).sum::<usize>() > BYTES_PER_PEER
        {
            kept.pop_front();
        }
    }

    /// Takes out the envelopes of a session.
    pub(super) fn take(&mut self, session: &SessionId) -> Vec<(Identity, Vec<u8>)> {
        let mut taken = Vec::new();
        for (peer, kept) in &mut self.peers {
            let (ours, others): (VecDeque<_>, _) =
                std::mem::take(kept).into_iter().partition(|early| early.session == *session);
            *kept = others;
            taken.extend(ours.into_iter().map(|early| (*peer, early.envelope)));
        }
        taken
    }
}
