//! What one party keeps of one key from epoch to epoch, and what it may acknowledge: so that a key is neither lost nor forked.
//!
//! Everything here is to be durable before anything that follows from it leaves the party: an acknowledgement, a promise, and
//! above all that an old share is erased.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_dealing::{Certificate, Refusal};
use quorate_session::{Agreement, Envelope, SessionId, Wire};
use quorate_sharing::{KeyShare, PublicShares};

use crate::{NoSuccessor, Renewed, Setup, succeeds};

/// One epoch that follows another, as anybody can check who knows that one.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Link {
    /// What the parties had agreed upon, with the epoch before.
    pub setup: Setup,
    /// The epoch.
    pub public: PublicShares,
    /// That all parties have stored it.
    pub certificate: Certificate,
}

impl Wire for Link {
    const MAX_BYTES: usize = 128 * 1024;
}

impl Link {
    /// The resharing that made it.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.certificate.session()
    }

    /// Checks that the epoch follows the one in its setup.
    ///
    /// # Errors
    /// Why it does not.
    pub fn verify(&self) -> Result<(), NoSuccessor> {
        succeeds(&self.certificate, &self.setup, &self.public)
    }
}

/// What this party acknowledged, and does not know yet to be certified.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Pending {
    /// What the parties agreed upon.
    pub agreement: Agreement,
    /// And beside the committee.
    pub setup: Setup,
    /// This party's signed acknowledgement.
    pub acknowledgement: Envelope,
    /// What it has stored.
    pub renewed: Renewed,
    /// Proof that no certificate can exist, unless its author lies: then the certificate counts.
    pub set_aside: Option<Refusal>,
}

impl Pending {
    /// The resharing.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.agreement.session()
    }
}

/// Why a resharing is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Hindrance {
    /// This party goes by another epoch.
    #[error("this party goes by epoch {ours}, and what is reshared is epoch {theirs}")]
    OtherEpoch {
        /// This party's.
        ours: u64,
        /// The one that is reshared.
        theirs: u64,
    },
    /// It is the same epoch, shared otherwise.
    #[error("this party knows the epoch that is reshared as another one")]
    OtherShares,
    /// It has acknowledged a resharing of this epoch, and does not know what became of that.
    #[error(
        "this party has acknowledged resharing {session} of this epoch, and does not know yet what became of it"
    )]
    Locked {
        /// That one.
        session: SessionId,
    },
    /// It has promised never to.
    #[error("this party has refused this resharing")]
    Refused,
}

/// Why a certified epoch is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotTaken {
    /// It does not follow the epoch before it.
    #[error(transparent)]
    NoSuccessor(#[from] NoSuccessor),
    /// Epochs in between are missing: they have to come first.
    #[error("epoch {ours} is followed by {theirs} only through others, which this party lacks")]
    Gap {
        /// This party's epoch.
        ours: u64,
        /// The epoch that comes before the one that was shown.
        theirs: u64,
    },
    /// It follows another history of this key than this party's.
    #[error("it follows another history of this key")]
    OtherHistory,
}

/// What a certified epoch is to this party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Nothing new.
    Known,
    /// It goes by it from now on. The share of the epoch before is erased.
    Activated,
    /// It goes by it in place of another one of the same number: a party has signed both a refusal and an acknowledgement,
    /// and convicted itself. Of two that are certified the one of the smaller session counts, everywhere.
    Replaced,
}

/// What one party keeps of one key.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Keeper {
    public: PublicShares,
    share: Option<KeyShare>,
    link: Option<Link>,
    pending: Vec<Pending>,
    refused: BTreeSet<SessionId>,
}

impl Wire for Keeper {
    const MAX_BYTES: usize = 1024 * 1024;
}

impl Keeper {
    /// Of a key as it was made, or as this party learned of it.
    #[must_use]
    pub const fn new(public: PublicShares, share: Option<KeyShare>) -> Self {
        Self { public, share, link: None, pending: Vec::new(), refused: BTreeSet::new() }
    }

    /// The epoch that this party goes by.
    #[must_use]
    pub const fn public(&self) -> &PublicShares {
        &self.public
    }

    /// Its share of that, if it holds one.
    #[must_use]
    pub const fn share(&self) -> Option<&KeyShare> {
        self.share.as_ref()
    }

    /// What shows that this epoch follows the one before; nothing for the first.
    #[must_use]
    pub const fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// What it has acknowledged of a resharing.
    #[must_use]
    pub fn pending(&self, session: &SessionId) -> Option<&Pending> {
        self.pending.iter().find(|pending| pending.session() == *session)
    }

    /// What it has acknowledged of this epoch, and asks others about.
    pub fn waiting(&self) -> impl Iterator<Item = &Pending> {
        let open = |pending: &&Pending| pending.set_aside.is_none() && pending.setup.old == self.public;
        self.pending.iter().filter(open)
    }

    /// Whether a resharing may be acknowledged.
    ///
    /// # Errors
    /// What hinders.
    pub fn may_acknowledge(&self, session: &SessionId, setup: &Setup) -> Result<(), Hindrance> {
        let (ours, theirs) = (self.public.epoch, setup.old.epoch);
        if ours != theirs {
            return Err(Hindrance::OtherEpoch { ours, theirs });
        }
        if setup.old != self.public {
            return Err(Hindrance::OtherShares);
        }
        if self.refused.contains(session) {
            return Err(Hindrance::Refused);
        }
        // One that was set aside is not acknowledged again either.
        match self.waiting().next().or_else(|| self.pending(session)) {
            Some(other) => Err(Hindrance::Locked { session: other.session() }),
            None => Ok(()),
        }
    }

    /// Keeps what is about to be acknowledged.
    ///
    /// # Errors
    /// What hinders: nothing was kept.
    pub fn acknowledge(&mut self, pending: Pending) -> Result<(), Hindrance> {
        self.may_acknowledge(&pending.session(), &pending.setup)?;
        self.pending.push(pending);
        Ok(())
    }

    /// Promises never to acknowledge a resharing. Whether it may: if it has not, and the resharing is of the epoch that this
    /// party goes by. Of earlier ones it has forgotten what it acknowledged, and tells what came of them; of later ones it
    /// would forget the promise.
    pub fn refuse(&mut self, agreement: &Agreement) -> bool {
        let session = agreement.session();
        let may =
            self.public.epoch.checked_add(1) == Some(agreement.epoch()) && self.pending(&session).is_none();
        if may {
            self.refused.insert(session);
        }
        may
    }

    /// Takes a party's refusal of a resharing: nobody waits for it any more. Whether that is news. What was stored stays, in
    /// case that the refusal was a lie.
    pub fn set_aside(&mut self, refusal: &Refusal) -> bool {
        let session = refusal.session();
        let Some(pending) = self.pending.iter_mut().find(|pending| pending.session() == session) else {
            return false;
        };
        let genuine = pending.set_aside.is_none() && refusal.author(&pending.agreement).is_some();
        if genuine {
            pending.set_aside = Some(refusal.clone());
        }
        genuine
    }

    /// Takes a certified epoch. From then on this party goes by it, with its share if it has one; the old share is erased.
    ///
    /// # Errors
    /// Why it is not taken: nothing has changed.
    pub fn certified(&mut self, link: Link) -> Result<Taken, NotTaken> {
        let (ours, before) = (self.public.epoch, link.setup.old.epoch);
        if link.public.epoch < ours || link.public == self.public {
            return Ok(Taken::Known);
        }
        link.verify()?;
        let taken = match &self.link {
            _ if before > ours => return Err(NotTaken::Gap { ours, theirs: before }),
            _ if before == ours && link.setup.old == self.public => Taken::Activated,
            Some(mine) if mine.setup.old == link.setup.old => {
                if mine.session() < link.session() {
                    return Ok(Taken::Known);
                }
                Taken::Replaced
            }
            _ => return Err(NotTaken::OtherHistory),
        };
        let session = link.session();
        let place = self.pending.iter().position(|pending| pending.session() == session);
        self.share = match place.map(|place| self.pending.swap_remove(place).renewed) {
            Some(Renewed::Share(share)) => Some(share),
            Some(Renewed::Parted(_)) | None => None,
        };
        // What was acknowledged beside it can still be certified, if somebody lies.
        self.pending.retain(|pending| pending.setup.old == link.setup.old);
        self.refused.clear();
        self.public = link.public.clone();
        self.link = Some(link);
        Ok(taken)
    }
}
