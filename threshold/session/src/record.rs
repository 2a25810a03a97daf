//! The signed envelopes of a session: what its messages say, and what is shown to others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::Transcript;
use quorate_sharing::PartyIndex;

use crate::agreement::Agreement;
use crate::envelope::{Envelope, Header, Kind, Part};
use crate::keyring::EnvelopeVerifier;
use crate::protocol::PartOf;
use crate::wire::Wire;

/// Signed envelopes of one session, at most one per sender, kind and round.
#[derive(Debug, Clone, Default)]
pub struct Record(BTreeMap<(Kind, u8, PartyIndex), Arc<Envelope>>);

impl Record {
    /// Keeps an envelope whose signature was checked; `false` if its place is taken.
    pub(crate) fn insert(&mut self, envelope: Arc<Envelope>) -> bool {
        let header = &envelope.header;
        let key = (header.kind, header.round, header.sender);
        if self.0.contains_key(&key) {
            return false;
        }
        self.0.insert(key, envelope);
        true
    }

    pub(crate) fn find(&self, kind: Kind, round: u8, sender: PartyIndex) -> Option<&Arc<Envelope>> {
        self.0.get(&(kind, round, sender))
    }

    /// Keeps the digests of messages and confirmations, and which disputes `me` has opened: so much is shown of a session
    /// that is over.
    pub(crate) fn strip(&mut self, me: PartyIndex) {
        self.0.retain(|(kind, _, sender), envelope| {
            let keep = match kind {
                Kind::Round | Kind::Confirmation => true,
                Kind::Dispute => *sender == me,
                Kind::Evidence | Kind::Withdrawal => false,
            };
            if keep {
                *envelope = Arc::new(envelope.without_parts());
            }
            keep
        });
    }

    /// About how many bytes of memory the envelopes take.
    pub(crate) fn size(&self) -> usize {
        let of = |part: &Part| part.whole().map_or(0, <[u8]>::len);
        let sizes = self
            .0
            .values()
            .flat_map(|envelope| [size_of::<Envelope>(), of(&envelope.broadcast), of(&envelope.direct)]);
        sizes.fold(0, usize::saturating_add)
    }

    /// The envelope that `party` sent in `round`.
    #[must_use]
    pub fn envelope(&self, round: u8, party: PartyIndex) -> Option<&Arc<Envelope>> {
        self.find(Kind::Round, round, party)
    }

    /// The broadcast of `party` in `round`.
    #[must_use]
    pub fn broadcast<M: Wire>(&self, round: u8, party: PartyIndex) -> Option<M> {
        M::from_wire(self.envelope(round, party)?.broadcast.whole()?).ok()
    }

    /// The direct message of `round` from one party to another.
    #[must_use]
    pub fn direct<M: Wire>(&self, round: u8, from: PartyIndex, to: PartyIndex) -> Option<M> {
        let envelope = self.envelope(round, from)?;
        (envelope.header.recipient == Some(to)).then_some(())?;
        M::from_wire(envelope.direct.whole()?).ok()
    }

    /// Both parts of what `party` sent in `round`; nothing if one can't be decoded, or only its digest is here.
    #[must_use]
    pub fn parts<M: Wire>(&self, round: u8, party: PartyIndex) -> Option<(Option<M>, Option<M>)> {
        let envelope = self.envelope(round, party)?;
        let decode = |part: &Part| match part {
            Part::Absent => Some(None),
            Part::Whole(body) => M::from_wire(body).ok().map(Some),
            Part::Digest(_) => None,
        };
        Some((decode(&envelope.broadcast)?, decode(&envelope.direct)?))
    }

    /// Digest of the broadcasts of all parties in a round.
    #[must_use]
    pub fn echo(&self, agreement: &Agreement, round: u8) -> Option<[u8; 32]> {
        let mut transcript = Transcript::new(b"quorate/echo/v1")
            .field("session", agreement.session().as_bytes())
            .field("round", &[round]);
        for party in agreement.committee().indices() {
            let commitment = self.envelope(round, party)?.broadcast.commitment();
            transcript = transcript
                .field("party", &party.get().to_le_bytes())
                .field("broadcast", commitment.as_ref().map_or(&[], <[u8; 32]>::as_slice));
        }
        Some(transcript.digest())
    }

    /// What `party` signed as the digest of the round's broadcasts, in a confirmation and in its next message.
    pub(crate) fn statements(&self, party: PartyIndex, round: u8) -> impl Iterator<Item = &Arc<Envelope>> {
        let next = round.checked_add(1).and_then(|next| self.envelope(next, party));
        self.find(Kind::Confirmation, round, party).into_iter().chain(next)
    }

    /// The digest of the round's broadcasts that `party` signed, in a confirmation or in its next message.
    #[must_use]
    pub fn signed_echo(&self, party: PartyIndex, round: u8) -> Option<[u8; 32]> {
        self.statements(party, round).next()?.header.echo
    }

    /// Whether `party` signed that it saw just the broadcasts of `round` that stand in this record.
    #[must_use]
    pub fn confirms(&self, agreement: &Agreement, party: PartyIndex, round: u8) -> bool {
        let echo = self.echo(agreement, round);
        echo.is_some() && echo == self.signed_echo(party, round)
    }

    /// All messages and confirmations, with the direct parts of everybody but `accused`, and all that is not needed, replaced by their
    /// digests.
    pub(crate) fn against(&self, accused: PartyIndex, needs: &dyn Fn(PartOf) -> bool) -> Vec<Envelope> {
        self.0
            .values()
            .filter(|envelope| matches!(envelope.header.kind, Kind::Round | Kind::Confirmation))
            .map(|envelope| {
                let Header { sender, round, .. } = envelope.header;
                let needed = |direct| needs(PartOf { round, sender, direct });
                match (needed(false), sender == accused && needed(true)) {
                    (true, true) => Envelope::clone(envelope),
                    (true, false) => envelope.without_direct(),
                    (false, true) => envelope.without_broadcast(),
                    (false, false) => envelope.without_parts(),
                }
            })
            .collect()
    }
}

/// What one party shows of a round when digests differ: digests with signatures, no contents.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Originals {
    /// The round's broadcasts as the party received them, its own included.
    broadcasts: Vec<Envelope>,
    /// What others told the party of these broadcasts.
    statements: Vec<Envelope>,
}

impl Wire for Originals {
    const MAX_BYTES: usize = 128 * 1024;
}

impl Originals {
    /// What the party `me` holds.
    pub(crate) fn new(record: &Record, agreement: &Agreement, round: u8, me: PartyIndex) -> Self {
        let parties = agreement.committee().indices();
        let broadcasts = parties.clone().filter_map(|party| record.envelope(round, party));
        let others = parties.filter(|party| *party != me);
        let statements = others.flat_map(|party| record.statements(party, round));
        Self {
            broadcasts: broadcasts.map(|envelope| envelope.without_parts()).collect(),
            statements: statements.map(|envelope| envelope.without_parts()).collect(),
        }
    }

    /// What a dispute shows, if it is what an honest party would show: of each member at most its broadcast of the round
    /// and, of others than the disputing party, its statements about the round. So nobody can show more forgeries than
    /// there are places, and make others verify them.
    pub(crate) fn shown_in(dispute: &Envelope, agreement: &Agreement) -> Option<Self> {
        let originals = Self::from_wire(dispute.broadcast.whole()?).ok()?;
        let Header { round, sender: author, .. } = dispute.header;
        let mut places = BTreeSet::new();
        let mut is_new = |header: &Header| {
            agreement.committee().contains(header.sender)
                && places.insert((header.kind, header.round, header.sender))
        };
        let broadcasts = originals
            .broadcasts
            .iter()
            .map(|envelope| &envelope.header)
            .all(|header| header.kind == Kind::Round && header.round == round && is_new(header));
        let statements =
            originals.statements.iter().map(|envelope| &envelope.header).all(|header| {
                header.sender != author && header.echoed_round() == Some(round) && is_new(header)
            });
        (broadcasts && statements).then_some(originals)
    }

    /// All of them.
    pub(crate) fn into_all(self) -> Vec<Envelope> {
        let Self { mut broadcasts, statements } = self;
        broadcasts.extend(statements);
        broadcasts
    }

    /// The digest of a full set of broadcasts of one round of this session, rightly signed. [`Record::echo`] looks at
    /// nothing of another kind or round.
    pub(crate) fn echo(
        &self,
        agreement: &Agreement,
        round: u8,
        verifier: &dyn EnvelopeVerifier,
    ) -> Option<[u8; 32]> {
        let mut record = Record::default();
        for original in &self.broadcasts {
            let fits =
                record.insert(Arc::new(original.clone())) && original.is_signed_in(agreement, verifier);
            fits.then_some(())?;
        }
        record.echo(agreement, round)
    }
}

#[cfg(test)]
mod tests {
    use quorate_keys::{Secret, SigningIdentity};
    use quorate_sharing::{Committee, Member, Threshold};

    use super::*;
    use crate::agreement::Proposal;
    use crate::protocol::ProtocolId;

    fn p(index: u16) -> PartyIndex {
        PartyIndex::new(index).unwrap()
    }

    fn key(index: u8) -> SigningIdentity {
        SigningIdentity::from_seed(&Secret::new([index; 32]))
    }

    fn agreement() -> Agreement {
        let member = |index: u8| Member { index: p(index.into()), identity: key(index).identity() };
        let proposal = Proposal {
            cluster: [0; 32],
            request: [0; 32],
            operation: "sign".into(),
            protocol: ProtocolId::new("none", "none", 1),
            setup: [0; 32],
            epoch: 0,
            committee: Committee::new(Threshold::new(2).unwrap(), vec![member(1), member(2)]).unwrap(),
            proposer: key(1).identity(),
            attempt: 0,
            expires: 0,
        };
        let fresh = vec![(p(1), [1_u8; 32]), (p(2), [2; 32])];
        Agreement::try_from_slice(&borsh::to_vec(&(proposal, fresh)).unwrap()).unwrap()
    }

    fn sent(from: u16, to: Option<u16>, round: u8, echo: Option<[u8; 32]>) -> Arc<Envelope> {
        let header = Header {
            session: agreement().session(),
            epoch: 0,
            attempt: 0,
            sender: p(from),
            recipient: to.map(p),
            kind: Kind::Round,
            round,
            echo,
        };
        let body = || Part::Whole(().to_wire().unwrap());
        Arc::new(Envelope::seal(header, body(), body(), &key(1)))
    }

    #[test]
    fn a_direct_message_is_to_its_recipient_alone() {
        let mut record = Record::default();
        assert!(record.insert(sent(1, Some(2), 1, None)));
        assert_eq!(record.direct::<()>(1, p(1), p(2)), Some(()));
        assert_eq!(record.direct::<()>(1, p(1), p(3)), None);
    }

    #[test]
    fn what_is_not_all_here_is_confirmed_by_nobody() {
        let agreement = agreement();
        let mut record = Record::default();
        assert!(!record.confirms(&agreement, p(2), 1), "nothing said of nothing");
        assert!(record.insert(sent(1, None, 1, None)) && record.insert(sent(2, None, 2, None)));
        assert!(!record.confirms(&agreement, p(2), 1), "no digest of half a round");
        assert!(record.insert(sent(2, None, 1, None)));
        assert!(!record.confirms(&agreement, p(2), 1), "no digest of a whole one");
        let echo = record.echo(&agreement, 1);
        assert!(echo.is_some() && record.insert(sent(1, None, 2, echo)));
        assert!(record.confirms(&agreement, p(1), 1));
    }
}
