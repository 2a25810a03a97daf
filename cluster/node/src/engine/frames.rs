//! The frames that nodes exchange: each goes where it belongs.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use quorate_keys::Identity;
use quorate_session::{SessionId, Wire};
use quorate_transport::{Incoming, SendError};
use tokio::sync::Semaphore;

use super::attempt::Answer;
use super::lingering::Known;
use super::run::Inbox;
use super::{Engine, lock};
use crate::frame::Frame;
use crate::metrics::count;

/// Frames of one peer, other than envelopes of running sessions, that may be worked on at a time.
const PEER_TASKS: usize = 256;

impl Engine {
    /// Takes frames from the transport until it is closed.
    pub(crate) async fn listen(self: Arc<Self>, mut incoming: Incoming) {
        let mut places: HashMap<Identity, Arc<Semaphore>> = HashMap::new();
        let mut dropped: HashMap<Identity, u64> = HashMap::new();
        // A peer that floods this node does not fill its log: the first, second, fourth, eighth… is told.
        let mut drop_frame = |engine: &Self, from: &Identity, reason: &dyn std::fmt::Display| {
            count(&engine.metrics.frames.dropped_receiving);
            let times = dropped.entry(*from).or_default();
            *times = times.saturating_add(1);
            if times.is_power_of_two() {
                tracing::warn!(peer = %engine.name(from), count = *times, "dropped a frame: {reason}");
            }
        };
        while let Some((from, bytes)) = incoming.next().await {
            count(&self.metrics.frames.received);
            let frame = match Frame::from_wire(&bytes) {
                Ok(frame) => frame,
                Err(error) => {
                    drop_frame(&self, &from, &error);
                    continue;
                }
            };
            let frame = match frame {
                Frame::Session { session, envelope } => match self.deliver(from, session, envelope) {
                    Ok(None) => continue,
                    // What a session that has ended has to say is worked out in a task.
                    Ok(Some(envelope)) => Frame::Session { session, envelope },
                    Err(reason) => {
                        drop_frame(&self, &from, &reason);
                        continue;
                    }
                },
                frame => frame,
            };
            let places = places.entry(from).or_insert_with(|| Arc::new(Semaphore::new(PEER_TASKS)));
            let Ok(place) = Arc::clone(places).try_acquire_owned() else {
                drop_frame(&self, &from, &"it sends more than this node can work on");
                continue;
            };
            let engine = Arc::clone(&self);
            tokio::spawn(async move {
                engine.take(from, frame).await;
                drop(place);
            });
        }
    }

    async fn take(self: &Arc<Self>, from: Identity, frame: Frame) {
        match frame {
            Frame::Invite(invite) => {
                self.hear_invited(&from, &invite);
                self.await_presignatures(&from, &invite.presignatures).await;
                let answer = self.invited(from, *invite);
                self.send(&from, &answer);
            }
            Frame::Start(start) => self.started(from, &start),
            Frame::Accept(acceptance) => {
                self.answer_by_digest(from, acceptance.proposal, Answer::Accepted(acceptance));
            }
            Frame::Decline(decline) => self.declined_by(from, decline),
            Frame::GivenUp(given_up) => {
                self.answer_by_digest(
                    from,
                    given_up.proposal,
                    Answer::GivenUp(given_up.silent, given_up.reason),
                );
            }
            Frame::Session { session, envelope } => self.answer_late(&from, session, &envelope),
            Frame::Signed(signed) => self.signed(from, signed).await,
            Frame::Evidence(evidence) => self.accused(from, *evidence).await,
            Frame::Certified(certified) => self.certified(from, *certified).await,
            Frame::Inquire(inquiry) => self.inquired(from, &inquiry).await,
            Frame::Renewed(link) => self.renewed(from, *link).await,
            Frame::Acknowledged(envelope) => self.acknowledged(from, *envelope).await,
            Frame::Refused(refusal) => self.refused(from, &refusal).await,
            Frame::PairsWait { wallet, session, active } => {
                self.pairs_elsewhere(from, (wallet, session), active, true).await;
            }
            Frame::PairsHeld { wallet, session, active } => {
                self.pairs_elsewhere(from, (wallet, session), active, false).await;
            }
            Frame::Withdrawn(proposal) => self.withdrawn(from, &proposal),
            Frame::AreYouThere(proposal) => self.send(&from, &Frame::Here(proposal)),
            Frame::Here(proposal) => self.answer_by_digest(from, proposal, Answer::Here),
            Frame::Census(census) => self.compared(&from, &census),
            Frame::Missing { bucket, have } => self.missing(&from, bucket, have),
            Frame::Seek(sought) => self.sought(&from, &sought),
            Frame::Presigned { proposal, publics } => {
                self.answer_by_digest(from, proposal, Answer::Presigned(publics));
            }
            Frame::AskSpendings { session, run } => self.asked_spendings(&from, Some(session), &run),
            Frame::Affords { session, affords, ask } => self.said_affords(from, session, affords, ask),
            Frame::LearnSpendings { run } => self.asked_spendings(&from, None, &run),
            Frame::Spendings { session, told, complete } => {
                self.told_spendings(from, session, told, complete).await;
            }
            Frame::SpendingsHeld { run, held } => self.spendings.held_by(from, run, &held),
            Frame::Standing { standing, ask } => self.stands(from, *standing, ask).await,
            Frame::Remembered(standing) => self.remembered(from, standing.map(|standing| *standing)).await,
            Frame::Countersigned { seq, countersignature } => self.countersigned(from, seq, countersignature),
            Frame::Changes { keys, ask } => self.told_changes_kept(&from, keys, ask),
            Frame::Changed(proof) => self.told_change(&from, &proof).await,
            Frame::ChangeHeard { key, kept } => self.heard_of_change(&from, &key, kept),
            Frame::Waits(request) => self.told_waiting(&from, &request).await,
            Frame::Words(words) => self.told_words(&from, &words),
            Frame::WaitsNoMore(key) => self.told_no_more(&from, &key).await,
            Frame::Presignatures(ids) => self.told_presignatures(&from, &ids),
            Frame::LacksPresignatures(ids) => self.lacks_presignatures(&from, &ids),
        }
    }

    /// Hands an envelope to its session; one that comes before the session is kept for a while, one that comes after its
    /// end is dropped. Gives back one for a session that has ended and still answers.
    ///
    /// # Errors
    /// Why the session does not take it.
    pub(super) fn deliver(
        &self,
        from: Identity,
        session: SessionId,
        envelope: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, &'static str> {
        let sessions = lock(&self.sessions);
        if let Some(inbox) = sessions.get(&session) {
            return inbox.deliver(from, envelope).map(|()| None);
        }
        let known = lock(&self.lingering).knows(&session);
        match known {
            Known::Lingers => Ok(Some(envelope)),
            Known::Over => Ok(None),
            Known::Nothing => {
                lock(&self.early).keep(from, session, envelope);
                Ok(None)
            }
        }
    }

    /// Whether a session runs here that has not come to its end.
    pub(super) fn is_running(&self, session: &SessionId) -> bool {
        lock(&self.sessions).get(session).is_some_and(Inbox::is_running)
    }

    /// Queues a frame for a peer. A frame that can't be queued is lost, as any frame can be.
    pub(super) fn send(&self, to: &Identity, frame: &Frame) {
        match frame.to_wire() {
            Ok(bytes) => self.send_bytes(to, bytes.into()),
            Err(error) => tracing::error!(%error, "a frame could not be encoded"),
        }
    }

    pub(super) fn send_bytes(&self, to: &Identity, bytes: Bytes) {
        match self.transport.send(to, bytes) {
            Ok(()) => count(&self.metrics.frames.sent),
            Err(SendError::Closed) => {}
            Err(error) => {
                count(&self.metrics.frames.dropped_sending);
                tracing::debug!(%error, "a frame was not sent");
            }
        }
    }

    /// Queues a frame for all other nodes of the cluster.
    pub(super) fn send_all(&self, frame: &Frame) {
        for peer in self.peers.all().iter().filter(|peer| peer.identity != self.me) {
            self.send(&peer.identity, frame);
        }
    }
}
