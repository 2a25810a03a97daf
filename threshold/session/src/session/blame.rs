//! How a session ends badly, and whose fault it is.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_sharing::{MAX_PARTIES, PartyIndex};

use super::{Action, MAX_STRIKES, Phase, Session};
use crate::abort::Abort;
use crate::envelope::{Envelope, Kind, Part};
use crate::evidence::{Claim, Evidence};
use crate::protocol::{Blame, Protocol};
use crate::wire::Wire;

/// Over whom a party has ended the session.
#[derive(BorshSerialize, BorshDeserialize)]
struct Withdrawal(Vec<PartyIndex>);

impl Wire for Withdrawal {
    const MAX_BYTES: usize = 4 + 2 * MAX_PARTIES as usize;
}

impl<P: Protocol> Session<P> {
    /// Counts an unusable message.
    pub(super) fn strike(&mut self, party: PartyIndex) {
        let strikes = self.strikes.entry(party).or_default();
        *strikes = strikes.saturating_add(1);
        if *strikes > MAX_STRIKES {
            self.attribute(party, format!("sent more than {MAX_STRIKES} unusable messages"));
        }
    }

    /// Ends the session over something that only this party saw.
    pub(super) fn attribute(&mut self, party: PartyIndex, reason: String) {
        if !self.is_over() {
            self.abort(Abort::Attributed { parties: vec![party], reason });
        }
    }

    pub(super) fn convict_all(&mut self, blame: Vec<Blame<P::Fault>>) {
        let claims = blame.into_iter().map(|Blame { party, fault }| {
            let summary = fault.to_string();
            let fault = fault.to_wire().map_err(|error| error.to_string());
            fault.map(|fault| (party, Claim::Fault { summary, fault }))
        });
        match claims.collect::<Result<Vec<_>, _>>() {
            Ok(claims) => self.convict_claims(claims),
            Err(reason) => self.abort(Abort::Local { reason }),
        }
    }

    pub(super) fn convict(&mut self, party: PartyIndex, claim: Claim) {
        self.convict_claims(vec![(party, claim)]);
    }

    /// The signed digests are proof enough, however large the messages are.
    pub(super) fn convict_equivocation(&mut self, first: &Envelope, second: &Envelope) {
        let party = first.header.sender;
        let [first, second] = [first, second].map(|envelope| Box::new(envelope.without_parts()));
        self.convict(party, Claim::Equivocation { first, second });
    }

    /// Aborts with evidence, as far as a judge would accept it; the rest is only attributed.
    fn convict_claims(&mut self, claims: Vec<(PartyIndex, Claim)>) {
        let Some(reason) = claims.first().map(|(_, claim)| claim.to_string()) else {
            return self.abort(Abort::Local { reason: "the protocol blames nobody for its failure".into() });
        };
        let mut proven = Vec::new();
        let mut parties = Vec::new();
        let mut lasting = Vec::new();
        for (party, claim) in claims {
            let agreement = self.context.agreement();
            let fault = match &claim {
                Claim::Fault { fault, .. } => P::Fault::from_wire(fault).ok(),
                _ => None,
            };
            let needs = |part| fault.as_ref().is_none_or(|fault| P::needs(party, fault, part));
            let evidence = Evidence::new(P::ID, agreement, &self.setup, party, claim, &self.record, &needs);
            if evidence.judge::<P>().is_ok() && evidence.to_wire().is_ok() {
                proven.push(evidence);
            } else {
                parties.push(party);
                if fault.as_ref().is_some_and(P::is_lasting) {
                    lasting.push(party);
                }
            }
        }
        if !lasting.is_empty() {
            // What lasts is not lost beside a proof of something else.
            self.withdraw(parties, reason, lasting);
        } else if !proven.is_empty() {
            self.abort_with(proven);
        } else if P::PAIRWISE {
            self.withdraw(parties, reason, lasting);
        } else {
            self.abort(Abort::Attributed { parties, reason });
        }
    }

    /// Ends the session over what only this party saw, and tells everybody over whom: a peer that has seen nothing of it must not take this party for
    /// silent. The caller hears of it first.
    fn withdraw(&mut self, parties: Vec<PartyIndex>, reason: String, lasting: Vec<PartyIndex>) {
        if !self.ended {
            let over = parties.clone();
            self.abort(Abort::Witnessed { parties, reason, lasting });
            self.tell_withdrawal(over);
        }
    }

    fn tell_withdrawal(&mut self, mut over: Vec<PartyIndex>) {
        over.sort_unstable();
        over.dedup();
        if let Ok(body) = Withdrawal(over).to_wire()
            && let Some(sealed) =
                self.seal_for_all(self.header(Kind::Withdrawal, self.round, None), Part::Whole(body))
        {
            self.notify(sealed);
        }
    }

    /// Takes a peer's word that the session is over, and of nothing else; and passes it on, as the peer may have told only some.
    pub(super) fn receive_withdrawal(&mut self, envelope: &Envelope) {
        let by = envelope.header.sender;
        let withdrawal = envelope.broadcast.whole().and_then(|body| Withdrawal::from_wire(body).ok());
        let others = |Withdrawal(over): &Withdrawal| {
            let is_other = |party: &PartyIndex| *party != by && self.context.committee().contains(*party);
            P::PAIRWISE
                && !over.is_empty()
                && over.is_sorted_by(|left, right| left < right)
                && over.iter().all(is_other)
        };
        match withdrawal.filter(others) {
            Some(Withdrawal(over)) => {
                self.abort(Abort::Withdrawn { by, over });
                self.tell_withdrawal(vec![by]);
            }
            None => self.strike(by),
        }
    }

    /// Aborts, and shows everybody why: a peer to whom nobody lied must not take this party for silent.
    fn abort_with(&mut self, evidence: Vec<Evidence>) {
        // Only a party whose accusation was too large to send gets here after its end: it is silent from then on.
        if self.ended {
            return;
        }
        for piece in &evidence {
            let Ok(body) = piece.to_wire() else { continue };
            let header = self.header(Kind::Evidence, self.round, None);
            if let Some(sealed) = self.seal_for_all(header, Part::Whole(body)) {
                self.notify(sealed);
            }
        }
        self.abort(Abort::Proven { evidence });
    }

    /// Takes evidence from a peer, which counts if this party's own judgement agrees.
    pub(super) fn receive_evidence(&mut self, envelope: &Envelope) {
        let sender = envelope.header.sender;
        if !self.accusers.insert(sender) {
            return self.strike(sender);
        }
        let evidence = envelope.broadcast.whole().and_then(|body| Evidence::from_wire(body).ok());
        let evidence = evidence.filter(|evidence| {
            evidence.agreement == *self.context.agreement() && evidence.judge::<P>().is_ok()
        });
        match evidence {
            Some(evidence) => self.abort_with(vec![evidence]),
            None => self.strike(sender),
        }
    }

    /// Ends the session, unless it has ended. Messages that wait for a checkpoint never leave.
    pub(super) fn abort(&mut self, abort: Abort) {
        if self.ended {
            return;
        }
        self.end();
        self.phase = Phase::Finished;
        self.held = None;
        self.differing.clear();
        self.actions.push_back(Action::Abort(abort));
    }
}
