//! What one party keeps of one key from epoch to epoch, and what it may acknowledge: so that a key is neither lost nor forked.
//!
//! Everything here is to be durable before anything that follows from it leaves the party: an acknowledgement, a promise, and
//! above all that an old share is erased.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_dealing::{Certificate, Refusal};
use quorate_session::{Agreement, Envelope, SessionId, Wire};
use quorate_sharing::{KeyShare, PublicShares};

use crate::{NoSuccessor, Renewed, Setup, succeeds};

/// One epoch that follows another, as anybody can check who knows the key.
///
/// It stands for itself: all who hold shares at this epoch have shown that they know them, and they are shares of the key. So nobody
/// needs the epochs in between who finds himself more than one behind.
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

    /// Checks that the epoch follows the one in its setup, and stands for itself.
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
    /// It is another key, or the same epoch shared otherwise.
    #[error("this party knows what is reshared as another key, or its epoch as another one")]
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

/// What a certified epoch is to this party.
#[derive(Debug)]
#[must_use = "a share that is dropped is lost"]
pub enum Taken {
    /// Nothing new.
    Known,
    /// It goes by it from now on, with this share if it has one. Any other is to be erased, but not before all this is stored.
    ///
    /// The epoch can be of the same number as the one before: then a party has signed both a refusal and an acknowledgement, and convicted
    /// itself. Of two that are certified the one of the smaller session counts, everywhere.
    Activated(Option<KeyShare>),
}

/// What one party keeps of one key, beside its share of the epoch by which it goes.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Keeper {
    origin: SessionId,
    public: PublicShares,
    link: Option<Link>,
    pending: Vec<Pending>,
    refused: BTreeSet<SessionId>,
}

impl Wire for Keeper {
    const MAX_BYTES: usize = 1024 * 1024;
}

impl Keeper {
    /// Of a key as it was made, or as this party learned of it. `origin`: as in [`Setup`].
    #[must_use]
    pub const fn new(origin: SessionId, public: PublicShares) -> Self {
        Self { origin, public, link: None, pending: Vec::new(), refused: BTreeSet::new() }
    }

    /// The epoch that this party goes by.
    #[must_use]
    pub const fn public(&self) -> &PublicShares {
        &self.public
    }

    /// What shows that this epoch rightly follows; nothing for the first.
    #[must_use]
    pub const fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// What it has acknowledged, the latest last.
    #[must_use]
    pub fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// What it has acknowledged of a resharing.
    #[must_use]
    pub fn pending_of(&self, session: &SessionId) -> Option<&Pending> {
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
        if setup.origin != self.origin {
            return Err(Hindrance::OtherShares);
        }
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
        match self.waiting().next().or_else(|| self.pending_of(session)) {
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

    /// Whether it may be promised never to acknowledge a resharing: if this party has not, and the resharing is of the epoch that it goes
    /// by. Of earlier ones it has forgotten what it acknowledged, and tells what came of them; of later ones it would forget the promise.
    #[must_use]
    pub fn may_refuse(&self, agreement: &Agreement) -> bool {
        self.public.epoch.checked_add(1) == Some(agreement.epoch())
            && self.pending_of(&agreement.session()).is_none()
    }

    /// Promises never to acknowledge a resharing, if [that may be](Self::may_refuse), and remembers it. Who can't come back to a session of
    /// which it has kept nothing need not remember.
    #[must_use]
    pub fn refuse(&mut self, agreement: &Agreement) -> bool {
        let may = self.may_refuse(agreement);
        if may {
            self.refused.insert(agreement.session());
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

    /// Takes a certified epoch: the higher one counts, however many are in between.
    ///
    /// # Errors
    /// Why it is none: nothing has changed.
    pub fn certified(&mut self, link: Link) -> Result<Taken, NoSuccessor> {
        let key = (link.setup.origin, link.public.group_key, link.public.chain_code);
        if key != (self.origin, self.public.group_key, self.public.chain_code) {
            return Err(NoSuccessor::OtherKey);
        }
        let counts = match link.public.epoch.cmp(&self.public.epoch) {
            Ordering::Less => false,
            Ordering::Equal => self.link.as_ref().is_some_and(|mine| link.session() < mine.session()),
            Ordering::Greater => true,
        };
        if !counts {
            return Ok(Taken::Known);
        }
        link.verify()?;
        let session = link.session();
        let place = self.pending.iter().position(|pending| pending.session() == session);
        let share = match place.map(|place| self.pending.swap_remove(place).renewed) {
            Some(Renewed::Share(share)) => Some(share),
            Some(Renewed::Parted(_)) | None => None,
        };
        // What was acknowledged beside it can still be certified, if somebody lies.
        self.pending.retain(|pending| pending.agreement.epoch() == link.public.epoch);
        self.refused.clear();
        self.public = link.public.clone();
        self.link = Some(link);
        Ok(Taken::Activated(share))
    }
}
