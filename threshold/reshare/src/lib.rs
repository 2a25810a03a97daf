//! Resharing: who holds the shares of a key changes, and how many sign, and the key does not.
//!
//! # Protocol
//! Verifiable secret redistribution (Desmedt, Jajodia, "Redistributing Secret Shares to New Access Structures", 1997; Wong,
//! Wang, Wing, "Verifiable Secret Redistribution for Archive Systems", 2002), in the three rounds of [`quorate_dealing`].
//! Some holders of the old shares xᵢ, the *dealers*, each deal λᵢ·xᵢ, with λᵢ for just these dealers, by a fresh polynomial of the new
//! threshold. The new committee, the *receivers*, add up what they get. The constants of the dealers' commitments add up to the key, which all
//! check; if they don't, each is λᵢ·Xᵢ or its dealer is blamed. A receiver stores its share, pending, and proves that it knows it.
//! Dealers that leave sign that they have seen all that.
//!
//! Adding and removing parties, another threshold, and fresh shares for the same committee, are all the same. A party that
//! stays keeps its index.
//!
//! # One successor
//! The dealers are at least the old threshold, and *more than half of the old committee*. So two resharings of one epoch
//! have a dealer in common, and an honest one acknowledges at most one of them that leads to one number, unless it has proof that the other can never be
//! certified: see [`Refusal`]. Which it has acknowledged, its [`Keeper`] remembers. With
//! *f* dishonest parties the old committee of *n* needs 2·d − n > f for d dealers. An old share may be erased when the certificate of the new
//! epoch is there, and never before.
//!
//! A party that acknowledges last holds the others up if it vanishes then, or withholds its word: what they have stored may be certified, and may never
//! be. They do not choose: they *overtake* it, by a resharing of the same old epoch that leads to a higher number. All that was stored is kept until one is
//! certified that counts for more: of two certified epochs the higher one, of two of one number that of the smaller session. Each that is certified can sign,
//! for all its receivers have proven that they hold their shares, and a receiver drops its share for one that counts for more alone; so the one that counts
//! most is always complete, and whoever hears of it goes by it, whatever it has gone by before. A party lets a number be left out only when it is shown what all parties of
//! the resharing that took it have signed to begin it: otherwise one of them could use all numbers up.
//!
//! # Going back
//! A new committee can turn out to be of no use: machines that are lost together, or were never backed up. Those who have made it can
//! [keep](Keeper::certified_keeping) their shares until the next resharing, and deal them once more: of the epoch before, to a number beyond that of the epoch
//! that is given up, with no word from who holds that one. For all else it is a resharing as any other, and counts by its number. As long as shares are
//! kept, what a thief has of the epoch before is worth as much as before.
//!
//! # Security
//! Any t − 1 old and t′ − 1 new shares together say nothing about the key, if one dealer is honest: its polynomial hides
//! its part. Of a party that was corrupted before and another that is after, shares don't fit together. Refreshing shares is proactive
//! only if all holders erase the old ones, and if what else their scheme keeps, such as Paillier keys, is made anew too.
//!
//! DEVIATION: redistribution with multiplicative blinding ("JVSS": all parties open w·x and new parties divide by w) is
//! replaced: as published it gives shares of degree 2(t′ − 1), has one process see all secrets, and can't be made sound without what is done here.
//!
//! DEVIATION: a refresh with polynomials of constant zero, added to the old shares, is not offered: resharing to the same committee does
//! the same at the same cost.

mod keeper;
mod succession;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_dealing::{Dealing, Kept, Plan, Purpose};
use quorate_keys::Secret;
use quorate_session::{Agreement, SessionContext, SessionId, SetupError, Wire, setup_digest};
use quorate_sharing::{
    Committee, Curve, KeyShare, Member, PartyIndex, Polynomial, PublicShares, lagrange_at_zero,
};
use rand_core::CryptoRngCore;
use zeroize::Zeroize;

pub use keeper::{Hindrance, Keeper, Link, MOST_REMEMBERED, Pending, REMEMBERED_MS, Taken};
pub use quorate_dealing::{
    ACKNOWLEDGE, Certificate, CertificateError, Commit, Complaint, Fault, Known, Message, Open, Refusal,
    acknowledged_key, is_complaint,
};
pub use succession::{NoSuccessor, shows_share, succeeds};

/// Name in the protocol id.
const NAME: &str = "reshare";
/// Version in the protocol id.
const VERSION: u16 = 1;

/// How many epochs a resharing may leave out to overtake others: enough for all that get stuck, and too few to come near the end of numbers. Each that is left out
/// was begun by all its parties, if honest ones want to [see](Setup::is_sound) that.
pub const FARTHEST: u64 = 1 << 32;

/// Resharing on the curve `C`. The session's parties are the dealers and the receivers; its threshold is the new one, and
/// its epoch the one after the old one, or a later one, by at most [`FARTHEST`].
pub type Reshare<C> = Dealing<C, NewShares>;

/// New shares of a key that is there already.
#[derive(Debug, Clone, Copy)]
pub struct NewShares;

/// What all parties agree upon.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Setup {
    /// The session that made the key: under this name its holders know it through all epochs.
    pub origin: SessionId,
    /// The key as it is shared before. Its holders take part under the index that they have here.
    pub old: PublicShares,
    /// Whether that is not the epoch by which the parties go, but the one from which that was made: they deal the shares that they have
    /// [kept](Keeper::certified_keeping) of it.
    pub from_kept: bool,
    /// Who held its shares before those hold them who do there, or as many of them signed: the last committee that was another one.
    pub former: Option<Committee>,
    /// What it is for.
    pub occasion: Occasion,
    /// The holders that deal their shares, by ascending index. One that has lost its share can be a receiver all the same.
    pub dealers: Vec<PartyIndex>,
    /// The parties of the session that hold shares afterwards, by ascending index.
    pub receivers: Vec<PartyIndex>,
}

/// Why a key is shared anew, for those who are to find out whether that was done already, or is overtaken. Here it has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Occasion {
    /// The same for every attempt at the same.
    pub id: [u8; 32],
    /// When it came up, in unix milliseconds.
    pub asked_ms: u64,
}

impl Wire for Setup {
    const MAX_BYTES: usize = 16 * 1024;
}

impl Setup {
    /// Whether the parties of a session have agreed upon this, and it makes sense for them: so many dealers, of those who held the key
    /// before, that an honest one is among them.
    #[must_use]
    pub fn is_sound(&self, agreement: &Agreement) -> bool {
        let digest = self.to_wire().map(|encoded| setup_digest(&encoded));
        digest.is_ok_and(|digest| digest == agreement.proposal().setup) && plan(agreement, self).is_ok()
    }
}

/// What a party has of the key at its new epoch.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub enum Renewed {
    /// Its share.
    Share(KeyShare),
    /// It has dealt, and leaves.
    Parted(PublicShares),
}

impl Wire for Renewed {
    const MAX_BYTES: usize = 16 * 1024;
}

impl Renewed {
    fn share(self) -> Option<KeyShare> {
        match self {
            Self::Share(share) => Some(share),
            Self::Parted(_) => None,
        }
    }

    /// The public side, the same at every party.
    #[must_use]
    pub const fn public(&self) -> &PublicShares {
        match self {
            Self::Share(share) => share.public(),
            Self::Parted(public) => public,
        }
    }
}

impl<C: Curve> Purpose<C> for NewShares {
    const NAME: &'static str = NAME;
    const VERSION: u16 = VERSION;

    type Setup = Setup;
    /// The old share of a dealer; of no use from anybody else.
    type Secret = Option<KeyShare>;
    type Held = Renewed;

    fn plan(agreement: &Agreement, setup: &Setup) -> Result<Plan, SetupError> {
        if setup.old.group_key.curve() != C::ID {
            return Err(SetupError::because("the key is on another curve"));
        }
        plan(agreement, setup)
    }

    fn polynomial(
        plan: &Plan,
        context: &SessionContext,
        setup: &Setup,
        secret: Option<KeyShare>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Option<Polynomial<C>>, SetupError> {
        let me = context.me();
        let Some(old) = secret.filter(|_| plan.dealers().contains(&me)) else { return Ok(None) };
        if old.public() != &setup.old || old.index() != me {
            return Err(SetupError::because("this party's share is another one than is to be dealt"));
        }
        let weight = lagrange_at_zero::<C>(me, plan.dealers()).map_err(SetupError::because)?;
        let share = old.secret_share::<C>().map_err(SetupError::because)?;
        let mut constant = weight * share.expose();
        let polynomial = Polynomial::with_constant(&constant, plan.receivers().threshold(), rng);
        constant.zeroize();
        Ok(Some(polynomial))
    }

    fn held(public: PublicShares, share: Option<(PartyIndex, Secret<[u8; 32]>)>) -> Option<Renewed> {
        Some(match share {
            Some((party, secret)) => Renewed::Share(KeyShare::new(public, party, secret)),
            None => Renewed::Parted(public),
        })
    }
}

/// The fewest holders that can deal: the threshold, and more than half of all.
#[must_use]
pub fn fewest_dealers(old: &Committee) -> usize {
    old.threshold().count().max(old.len() / 2 + 1)
}

/// Who deals and who receives.
fn plan(agreement: &Agreement, setup: &Setup) -> Result<Plan, SetupError> {
    let Setup { old, dealers, receivers, .. } = setup;
    let refuse = |why: String| Err(SetupError(why));
    let ahead = agreement.epoch().saturating_sub(old.epoch);
    if ahead == 0 || ahead > FARTHEST {
        return refuse(format!("epoch {} does not follow epoch {}", agreement.epoch(), old.epoch));
    }
    for (who, parties) in [("dealers", dealers), ("receivers", receivers)] {
        if !parties.is_sorted_by(|one, other| one < other) {
            return refuse(format!("the {who} are not in ascending order"));
        }
    }
    for Member { index, identity } in agreement.committee().members() {
        match old.committee.index_of(identity) {
            Some(before) if before != *index => {
                return refuse(format!("party {before} does not keep its index, but is party {index}"));
            }
            None if dealers.contains(index) => return refuse(format!("party {index} has no share to deal")),
            _ if !dealers.contains(index) && !receivers.contains(index) => {
                return refuse(format!("party {index} neither deals nor receives"));
            }
            _ => {}
        }
    }
    let fewest = fewest_dealers(&old.committee);
    if dealers.len() < fewest {
        let holders = old.committee.len();
        return refuse(format!("{} of {holders} holders deal, and {fewest} must", dealers.len()));
    }
    let share = |dealer: &PartyIndex| {
        let is_there = agreement.committee().contains(*dealer);
        Some((*dealer, old.verifying_shares.get(dealer).filter(|_| is_there)?.clone()))
    };
    let Some(shares) = dealers.iter().map(share).collect() else {
        return refuse("a dealer is no party of the session".into());
    };
    let find = |index: &PartyIndex| agreement.committee().member(*index).copied();
    let Some(members) = receivers.iter().map(find).collect::<Option<Vec<_>>>() else {
        return refuse("a receiver is no party of the session".into());
    };
    let receivers = Committee::new(agreement.threshold(), members).map_err(SetupError::because)?;
    let kept = Kept { group_key: old.group_key, chain_code: old.chain_code, shares };
    Ok(Plan::of_a_kept_key(receivers, kept))
}
