//! What happens when parties signed different digests of one round's broadcasts.
//!
//! Whoever notices shows everybody, signed, what it holds: the round's broadcasts and what others stated about them, as
//! digests under their authors' signatures. Everybody answers in kind. Either two signatures of one author contradict
//! each other, or a party's statement does not fit what the party itself shows. Both convict, and honest parties do
//! neither.

use std::collections::BTreeSet;
use std::sync::Arc;

use quorate_sharing::PartyIndex;

use super::Session;
use crate::envelope::{Envelope, Header, Kind, Part};
use crate::evidence::Claim;
use crate::protocol::{Consistency, Protocol};
use crate::record::Originals;
use crate::wire::Wire;

impl<P: Protocol> Session<P> {
    /// `party` signed another digest of the broadcasts of `round` than this party.
    pub(super) fn differ(&mut self, party: PartyIndex, round: u8) {
        if self.is_over() {
            return;
        }
        let [first, second] =
            [self.record.find(Kind::Confirmation, round, party), self.next_envelope(round, party)];
        if let (Some(first), Some(second)) = (first.cloned(), second.cloned()) {
            // It confirmed the right one: no need to ask.
            return self.compare(&first, &second);
        }
        self.differing.insert(party);
        self.open_dispute(round);
        self.examine_disputes(round);
    }

    fn next_envelope(&self, round: u8, party: PartyIndex) -> Option<&Arc<Envelope>> {
        self.record.envelope(round.checked_add(1)?, party)
    }

    /// Shows everybody what this party holds of `round`, once.
    fn open_dispute(&mut self, round: u8) {
        let me = self.context.me();
        if !self.echoes.contains_key(&round) || self.record.find(Kind::Dispute, round, me).is_some() {
            return;
        }
        let originals = Originals::new(&self.record, self.context.agreement(), round, me);
        let Ok(body) = originals.to_wire() else { return };
        let header = self.header(Kind::Dispute, round, None);
        if let Some(sealed) = self.seal_for_all(header, Part::Whole(body)) {
            self.notify(sealed);
        }
    }

    pub(super) fn receive_dispute(&mut self, envelope: &Arc<Envelope>) {
        let Header { round, sender, .. } = envelope.header;
        if self.is_over() {
            return self.open_dispute(round);
        }
        let closed = self.echoes.contains_key(&round);
        // Others may have closed the current round before us.
        let closing = round == self.round && self.expected.consistency != Consistency::Unchecked;
        if !(closed || closing) || !self.record.insert(Arc::clone(envelope)) {
            return self.strike(sender);
        }
        let originals = Originals::shown_in(envelope, self.context.agreement());
        let is_usable = originals.is_some();
        if let Some(originals) = originals {
            self.shown.insert((round, sender), originals.into_all());
        }
        // It is an answer all the same: who signed a false digest is convicted by what it shows, whatever that is.
        self.examine_disputes(round);
        if !is_usable {
            self.strike(sender);
        }
    }

    /// Looks for lies in what is here of a dispute about `round`, and takes part in it.
    pub(super) fn examine_disputes(&mut self, round: u8) {
        let Some(ours) = self.echoes.get(&round).copied() else { return };
        let peers = self.context.others();
        let disputing: BTreeSet<_> = peers
            .into_iter()
            .filter(|peer| self.record.find(Kind::Dispute, round, *peer).is_some())
            .collect();
        for peer in &disputing {
            if let Some((held, shown)) = self.contradiction(round, *peer) {
                return self.convict_equivocation(&held, &shown);
            }
        }
        for peer in &disputing {
            if self.record.statements(*peer, round).any(|statement| statement.header.echo != Some(ours)) {
                return self.convict(*peer, Claim::FalseEcho { round });
            }
        }
        if !disputing.is_empty() {
            self.open_dispute(round);
        }
    }

    /// Something that `peer` shows, signed, against something signed by the same author that is here. Each is compared
    /// once, when both are here: what is here is never replaced.
    fn contradiction(&mut self, round: u8, peer: PartyIndex) -> Option<(Arc<Envelope>, Envelope)> {
        let shown = self.shown.get_mut(&(round, peer))?;
        let mut found = None;
        shown.retain(|shown| {
            let Header { kind, round, sender, .. } = shown.header;
            let Some(held) = self.record.find(kind, round, sender) else { return true };
            let genuine = found.is_none()
                && held.contradicts(shown)
                && shown.is_signed_in(self.context.agreement(), &*self.keyring.verifier);
            if genuine {
                found = Some((Arc::clone(held), shown.clone()));
            }
            false
        });
        found
    }
}
