//! A protocol without mathematics that uses everything a session offers.
//!
//! 1. *Commit*, broadcast, echoed.
//! 2. *Open*, broadcast and confirmed, with a *share* for each party beside it. A wrong share is complained about.
//! 3. *Ready*, broadcast, after a checkpoint; or a *complaint*.
//! 4. *Receipt*, the last message, to the archivist (the last of the committee) alone, by all but the first.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::Transcript;
use quorate_session::{
    Agreement, Blame, Consistency, Envelope, Expected, Failure, Inbox, Kind, NotProven, Outgoing, Protocol,
    ProtocolId, Received, Record, SessionContext, SetupError, Step, Wire,
};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

pub(crate) const COMMIT: u8 = 1;
pub(crate) const OPEN: u8 = 2;
pub(crate) const READY: u8 = 3;
pub(crate) const RECEIPT: u8 = 4;

#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Message {
    Commit([u8; 32]),
    /// The value, which was committed to, and a remark, which was not.
    Open(u64, Vec<u8>),
    Share(u64),
    Ready(u64),
    Complaint(PartyIndex, Box<Envelope>),
    Receipt(u64),
}

impl Wire for Message {
    const MAX_BYTES: usize = 4096;
}

#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Fault {
    Unexpected(u8),
    Opening,
    BadShare(PartyIndex),
    FalseComplaint,
    WrongSum,
}

impl Wire for Fault {
    const MAX_BYTES: usize = 8;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(round) => write!(f, "sent an unexpected message in round {round}"),
            Self::Opening => f.write_str("opened something else"),
            Self::BadShare(party) => write!(f, "sent party {party} a wrong share"),
            Self::FalseComplaint => f.write_str("complained without reason"),
            Self::WrongSum => f.write_str("added up wrongly"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Setup(pub(crate) u64);

impl Wire for Setup {
    const MAX_BYTES: usize = 16;
}

pub(crate) enum Toy {
    Committing(State),
    Opening(State, BTreeMap<PartyIndex, [u8; 32]>),
    Readying(State, u64),
    Archiving(State, u64),
}

pub(crate) struct State {
    context: Arc<SessionContext>,
    bonus: u64,
    value: u64,
}

pub(crate) enum Contribution {
    Commit([u8; 32]),
    Open(u64, u64, Arc<Envelope>),
    Nothing,
}

pub(crate) fn commitment(value: u64) -> [u8; 32] {
    Transcript::new(b"toy").field("value", &value.to_le_bytes()).digest()
}

/// What everybody computes.
pub(crate) fn sum(setup: &Setup, values: impl Iterator<Item = u64>) -> u64 {
    values.fold(setup.0, u64::wrapping_add)
}

pub(crate) fn share(value: u64, to: PartyIndex) -> u64 {
    value.wrapping_add(u64::from(to.get()))
}

fn first(agreement: &Agreement) -> PartyIndex {
    agreement.committee().indices().next().unwrap()
}

fn archivist(agreement: &Agreement) -> PartyIndex {
    agreement.committee().indices().last().unwrap()
}

fn complaint_holds(
    agreement: &Agreement,
    complainer: PartyIndex,
    accused: PartyIndex,
    envelope: &Envelope,
) -> bool {
    let header = &envelope.header;
    let in_place = header.sender == accused
        && header.recipient == Some(complainer)
        && header.kind == Kind::Round
        && header.round == OPEN;
    if !in_place || !envelope.is_signed_in(agreement, &quorate_session::IdentityVerifier) {
        return false;
    }
    let decode = |body: Option<&[u8]>| Message::from_wire(body?).ok();
    match (decode(envelope.broadcast.whole()), decode(envelope.direct.whole())) {
        (Some(Message::Open(value, _)), Some(Message::Share(shared))) => shared != share(value, complainer),
        _ => false,
    }
}

impl Protocol for Toy {
    const ID: ProtocolId = ProtocolId::new("toy", "none", 1);
    type Setup = Setup;
    type Secret = u64;
    type Message = Message;
    type Accepted = Contribution;
    type Fault = Fault;
    type Checkpoint = u64;
    type Output = u64;

    fn start(
        context: Arc<SessionContext>,
        setup: Setup,
        value: u64,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        let send = Outgoing::broadcast(Message::Commit(commitment(value)));
        let state = Self::Committing(State { context, bonus: setup.0, value });
        Ok(Step::Next { state, send, checkpoint: None })
    }

    fn expects(&self) -> Expected {
        let (state, consistency) = match self {
            Self::Committing(state) => (state, Consistency::Echoed),
            Self::Opening(state, _) => (state, Consistency::Confirmed),
            Self::Readying(state, _) | Self::Archiving(state, _) => (state, Consistency::Unchecked),
        };
        let mut from = state.context.others();
        if matches!(self, Self::Archiving(..)) {
            from.retain(|party| *party != first(state.context.agreement()));
        }
        Expected { from, consistency }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution, Blame<Fault>> {
        let blame = |fault| Err(Blame::new(from, fault));
        let Received { broadcast, direct, envelope } = received;
        match (self, broadcast, direct) {
            (Self::Committing(_), Some(Message::Commit(commit)), None) => Ok(Contribution::Commit(commit)),
            (Self::Opening(_, commits), Some(Message::Open(value, _)), Some(Message::Share(share))) => {
                if commitment(value) == commits[&from] {
                    Ok(Contribution::Open(value, share, envelope))
                } else {
                    blame(Fault::Opening)
                }
            }
            (Self::Readying(_, sum), Some(Message::Ready(theirs)), None) => {
                if *sum == theirs {
                    Ok(Contribution::Nothing)
                } else {
                    blame(Fault::WrongSum)
                }
            }
            (Self::Readying(state, _), Some(Message::Complaint(accused, shown)), None) => {
                if complaint_holds(state.context.agreement(), from, accused, &shown) {
                    Err(Blame::new(accused, Fault::BadShare(from)))
                } else {
                    blame(Fault::FalseComplaint)
                }
            }
            (Self::Archiving(..), None, Some(Message::Receipt(_))) => Ok(Contribution::Nothing),
            (Self::Committing(_), ..) => blame(Fault::Unexpected(COMMIT)),
            (Self::Opening(..), ..) => blame(Fault::Unexpected(OPEN)),
            (Self::Readying(..), ..) => blame(Fault::Unexpected(READY)),
            (Self::Archiving(..), ..) => blame(Fault::Unexpected(RECEIPT)),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution>,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        match self {
            Self::Committing(state) => {
                let commits = inbox.into_iter().filter_map(|(party, contribution)| match contribution {
                    Contribution::Commit(commit) => Some((party, commit)),
                    _ => None,
                });
                let commits = commits.collect();
                let shares = state.context.others().into_iter();
                let direct = shares.map(|to| (to, Message::Share(share(state.value, to)))).collect();
                let send = Outgoing { broadcast: Some(Message::Open(state.value, Vec::new())), direct };
                Ok(Step::Next { state: Self::Opening(state, commits), send, checkpoint: None })
            }
            Self::Opening(state, _) => state.add_up(inbox),
            Self::Readying(state, sum) => {
                let archivist = archivist(state.context.agreement());
                if state.context.me() == archivist {
                    let state = Self::Archiving(state, sum);
                    return Ok(Step::Next { state, send: Outgoing::nothing(), checkpoint: None });
                }
                let send = if state.context.me() == first(state.context.agreement()) {
                    Outgoing::nothing()
                } else {
                    Outgoing::direct(archivist, Message::Receipt(sum))
                };
                Ok(Step::Done { output: sum, send, checkpoint: None })
            }
            Self::Archiving(_, sum) => {
                Ok(Step::Done { output: sum, send: Outgoing::nothing(), checkpoint: None })
            }
        }
    }

    fn judge(
        agreement: &Agreement,
        setup: &Setup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        if judge(agreement, setup, accused, fault, record).unwrap_or(false) {
            Ok(())
        } else {
            Err(NotProven::because("the record does not show it"))
        }
    }
}

impl State {
    fn add_up(self, inbox: Inbox<Contribution>) -> Result<Step<Toy>, Failure<Fault>> {
        let me = self.context.me();
        let mut values = vec![self.value];
        for (party, contribution) in inbox {
            let Contribution::Open(value, shared, envelope) = contribution else {
                return Err(Failure::Local("another round".into()));
            };
            if shared != share(value, me) {
                let complaint = Message::Complaint(party, Box::new(Envelope::clone(&envelope)));
                let blame = vec![Blame::new(party, Fault::BadShare(me))];
                return Ok(Step::Accuse { send: Outgoing::broadcast(complaint), blame });
            }
            values.push(value);
        }
        let sum = sum(&Setup(self.bonus), values.into_iter());
        let send = Outgoing::broadcast(Message::Ready(sum));
        Ok(Step::Next { state: Toy::Readying(self, sum), send, checkpoint: Some(sum) })
    }
}

fn judge(
    agreement: &Agreement,
    setup: &Setup,
    accused: PartyIndex,
    fault: &Fault,
    record: &Record,
) -> Option<bool> {
    Some(match fault {
        Fault::Unexpected(round) => {
            let parts = record.parts::<Message>(*round, accused)?;
            (COMMIT..=RECEIPT).contains(round)
                && !matches!(
                    (*round, parts),
                    (COMMIT, (Some(Message::Commit(_)), None))
                        | (OPEN, (Some(Message::Open(..)), Some(Message::Share(_))))
                        | (READY, (Some(Message::Ready(_) | Message::Complaint(..)), None))
                        | (RECEIPT, (None, Some(Message::Receipt(_))))
                )
        }
        Fault::Opening => match (record.broadcast(COMMIT, accused)?, record.broadcast(OPEN, accused)?) {
            (Message::Commit(commit), Message::Open(value, _)) => commitment(value) != commit,
            _ => false,
        },
        Fault::BadShare(complainer) => match record.broadcast(READY, *complainer)? {
            Message::Complaint(whom, shown) => {
                whom == accused && complaint_holds(agreement, *complainer, accused, &shown)
            }
            _ => false,
        },
        Fault::FalseComplaint => match record.broadcast(READY, accused)? {
            Message::Complaint(whom, shown) => !complaint_holds(agreement, accused, whom, &shown),
            _ => false,
        },
        Fault::WrongSum => {
            let Message::Ready(theirs) = record.broadcast(READY, accused)? else { return None };
            let value = |party| match record.broadcast(OPEN, party)? {
                Message::Open(value, _) => Some(value),
                _ => None,
            };
            let values: Option<Vec<u64>> = agreement.committee().indices().map(value).collect();
            record.confirms(agreement, accused, OPEN) && sum(setup, values?.into_iter()) != theirs
        }
    })
}
