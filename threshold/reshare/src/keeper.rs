//! What one party keeps of one key from epoch to epoch, and what it may acknowledge: so that a key is neither lost nor forked.
//!
//! Everything here is to be durable before anything that follows from it leaves the party: an acknowledgement, a promise, and
//! above all that an old share is erased.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_dealing::{Certificate, Refusal};
use quorate_session::{Agreement, Envelope, SessionId, Start, Wire};
use quorate_sharing::{Committee, KeyShare, PublicShares};

use crate::{NoSuccessor, Occasion, Renewed, Setup, succeeds};

/// How long a party remembers what has led to other holders, in milliseconds: longer than anybody's word for it is good.
pub const REMEMBERED_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// And how many times.
pub const MOST_REMEMBERED: usize = 1024;

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

    /// Who held the shares before those hold them who do now, or as many of them signed: nobody if that never changed.
    #[must_use]
    pub fn former(&self) -> Option<&Committee> {
        if self.changes() { Some(&self.setup.old.committee) } else { self.setup.former.as_ref() }
    }

    /// Whether others hold shares than before, or another number of them sign.
    #[must_use]
    pub fn changes(&self) -> bool {
        let of = |committee: &Committee| {
            let members = committee.members().iter();
            (committee.threshold(), members.map(|member| member.identity).collect::<BTreeSet<_>>())
        };
        of(&self.public.committee) != of(&self.setup.old.committee)
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
    /// What all parties have signed to begin it, to be shown to who was none of them: why a later one has to lead further.
    pub start: Start,
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
    /// It has acknowledged a resharing that leads as far, and does not know what became of that.
    #[error(
        "this party has acknowledged resharing {session} to epoch {epoch}, and does not know yet what became of it"
    )]
    Locked {
        /// That one.
        session: SessionId,
        /// Where it leads to: one that leads further can be acknowledged.
        epoch: u64,
    },
    /// It gives up the epoch that this party goes by, and leads no further than that.
    #[error("this party goes by epoch {ours}, and what is dealt of kept shares leads to epoch {theirs}")]
    NoFurther {
        /// This party's.
        ours: u64,
        /// Where it leads to.
        theirs: u64,
    },
}

/// What a certified epoch is to this party.
#[derive(Debug)]
#[must_use = "a share that is dropped is lost"]
pub enum Taken {
    /// Nothing new.
    Known,
    /// It goes by it from now on, with this share if it has one. Any other is to be erased, but not before all this is stored.
    ///
    /// The epoch can be of the same number as the one before: one resharing has overtaken another, which was certified all the same, and
    /// somebody had gone on from there; or a party has signed both a refusal and an acknowledgement, and convicted itself. Of two that are
    /// certified the one of the smaller session counts, everywhere.
    Activated(Option<KeyShare>),
}

/// What one party keeps of one key, beside its share of the epoch by which it goes.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Keeper {
    origin: SessionId,
    public: PublicShares,
    link: Option<Link>,
    pending: Vec<Pending>,
    /// Of the epoch from which the present one was made.
    kept: Option<KeyShare>,
    /// What has led to other holders, or another number of signers, up to the present epoch: the latest last.
    done: Vec<Occasion>,
    /// Whether it may have acknowledged what it does not know any more.
    forgot: bool,
}

impl Wire for Keeper {
    /// Some thousand resharings in doubt.
    const MAX_BYTES: usize = 8 * 1024 * 1024;
}

impl Keeper {
    /// Of a key as it was made, or as this party learned of it. `origin`: as in [`Setup`].
    #[must_use]
    pub const fn new(origin: SessionId, public: PublicShares) -> Self {
        Self { origin, public, link: None, pending: Vec::new(), kept: None, done: Vec::new(), forgot: false }
    }

    /// Of a party that has lost what it kept of a key beside its share: of no resharing it can promise any more that it has not acknowledged it.
    #[must_use]
    pub fn anew(origin: SessionId, public: PublicShares) -> Self {
        Self { forgot: true, ..Self::new(origin, public) }
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

    /// Whether this has led to other holders, or another number of signers, as far as this party took part or was told: to the present epoch, or to
    /// one before, which was left for another since. Remembered for [`REMEMBERED_MS`], of the last [`MOST_REMEMBERED`].
    #[must_use]
    pub fn has_led_to_others(&self, occasion: &[u8; 32]) -> bool {
        self.done.iter().any(|done| done.id == *occasion)
    }

    /// What has led to the present holders and number of signers, as far as that is known.
    #[must_use]
    pub fn last_change(&self) -> Option<&Occasion> {
        self.done.last()
    }

    /// The share that it has kept of the epoch from which the present one was made.
    #[must_use]
    pub const fn kept(&self) -> Option<&KeyShare> {
        self.kept.as_ref()
    }

    /// Gives the kept share away: it is no longer kept.
    #[must_use = "a share that is dropped is lost"]
    pub const fn take_kept(&mut self) -> Option<KeyShare> {
        self.kept.take()
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

    /// What it has acknowledged and can still come to count here, and it asks others about.
    pub fn waiting(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter().filter(|pending| pending.set_aside.is_none())
    }

    /// Whether a resharing may be acknowledged: of the epoch that this party goes by, or of the one before if it says so; further than all that it waits for.
    ///
    /// # Errors
    /// What hinders.
    pub fn may_acknowledge(&self, agreement: &Agreement, setup: &Setup) -> Result<(), Hindrance> {
        let session = agreement.session();
        if setup.origin != self.origin {
            return Err(Hindrance::OtherShares);
        }
        let old = if setup.from_kept {
            &self.link.as_ref().ok_or(Hindrance::OtherShares)?.setup.old
        } else {
            &self.public
        };
        let (ours, theirs) = (old.epoch, setup.old.epoch);
        if ours != theirs {
            return Err(Hindrance::OtherEpoch { ours, theirs });
        }
        if setup.old != *old {
            return Err(Hindrance::OtherShares);
        }
        let (ours, theirs) = (self.public.epoch, agreement.epoch());
        if theirs <= ours {
            return Err(Hindrance::NoFurther { ours, theirs });
        }
        let as_far = self.waiting().find(|other| other.agreement.epoch() >= agreement.epoch());
        // One that was set aside is not acknowledged again either.
        match as_far.or_else(|| self.pending_of(&session)) {
            Some(other) => {
                Err(Hindrance::Locked { session: other.session(), epoch: other.agreement.epoch() })
            }
            None => Ok(()),
        }
    }

    /// Keeps what is about to be acknowledged.
    ///
    /// # Errors
    /// What hinders: nothing was kept.
    pub fn acknowledge(&mut self, pending: Pending) -> Result<(), Hindrance> {
        self.may_acknowledge(&pending.agreement, &pending.setup)?;
        self.pending.push(pending);
        Ok(())
    }

    /// Whether it may be promised never to acknowledge a resharing, once its session neither runs here nor can begin: if this party has not, and what
    /// it leads to would count for more than the epoch that the party goes by. Of all others it has forgotten what it acknowledged, and tells where it
    /// is. The promise need not be remembered: a session of which nothing was kept can't be taken up again.
    #[must_use]
    pub fn may_refuse(&self, agreement: &Agreement) -> bool {
        !self.forgot
            && self.would_count(agreement.epoch(), &agreement.session())
            && self.pending_of(&agreement.session()).is_none()
    }

    /// Whether what a resharing leads to would count for more than the epoch that this party goes by, if it were certified: the higher
    /// number, or of the same number the smaller session.
    fn would_count(&self, epoch: u64, session: &SessionId) -> bool {
        match epoch.cmp(&self.public.epoch) {
            Ordering::Less => false,
            Ordering::Equal => self.link.as_ref().is_some_and(|mine| *session < mine.session()),
            Ordering::Greater => true,
        }
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

    /// Takes a certified epoch: the one that counts for more, however many are in between. Nothing is kept of those before.
    ///
    /// # Errors
    /// Why it is none: nothing has changed.
    pub fn certified(&mut self, link: Link) -> Result<Taken, NoSuccessor> {
        let Some(Left { share, .. }) = self.take(link)? else { return Ok(Taken::Known) };
        self.kept = None;
        Ok(Taken::Activated(share))
    }

    /// The same, and keeps the share that this party has of the epoch from which this one was made. `share`: that of the epoch by which it goes.
    ///
    /// # Errors
    /// As [`certified`](Self::certified).
    pub fn certified_keeping(
        &mut self,
        link: Link,
        share: impl FnOnce() -> Option<KeyShare>,
    ) -> Result<Taken, NoSuccessor> {
        let before = link.setup.old.clone();
        let Some(left) = self.take(link)? else { return Ok(Taken::Known) };
        // Also one of which this party has not heard that it was certified.
        let pending = left.pending.into_iter().filter_map(|pending| pending.renewed.share());
        let mut all = self.kept.take().into_iter().chain(pending).chain(share());
        self.kept = all.find(|share| *share.public() == before);
        Ok(Taken::Activated(left.share))
    }

    /// Goes by a certified epoch, if it counts for more.
    fn take(&mut self, link: Link) -> Result<Option<Left>, NoSuccessor> {
        let key = (link.setup.origin, link.public.group_key, link.public.chain_code);
        if key != (self.origin, self.public.group_key, self.public.chain_code) {
            return Err(NoSuccessor::OtherKey);
        }
        let session = link.session();
        if !self.would_count(link.public.epoch, &session) {
            return Ok(None);
        }
        link.verify()?;
        let place = self.pending.iter().position(|pending| pending.session() == session);
        let share = place.and_then(|place| self.pending.swap_remove(place).renewed.share());
        if link.changes() {
            let occasion = link.setup.occasion;
            self.done.retain(|done| done.asked_ms.saturating_add(REMEMBERED_MS) >= occasion.asked_ms);
            let too_many = (self.done.len() + 1).saturating_sub(MOST_REMEMBERED);
            self.done.drain(..too_many);
            self.done.push(occasion);
        }
        self.public = link.public.clone();
        self.link = Some(link);
        // What would count if it were certified, too, stays. All else never will.
        let pending = std::mem::take(&mut self.pending);
        let (counting, pending) = pending
            .into_iter()
            .partition(|pending| self.would_count(pending.agreement.epoch(), &pending.session()));
        self.pending = counting;
        Ok(Some(Left { share, pending }))
    }
}

/// What a party has when it goes by another epoch.
struct Left {
    /// Its share of that.
    share: Option<KeyShare>,
    /// What it had acknowledged, and will never come to count.
    pending: Vec<Pending>,
}
