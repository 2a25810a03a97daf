//! What a dealing is for: who deals, who receives, and what the key has to be.

use std::collections::BTreeMap;

use quorate_keys::{ChainCode, GroupKey, Secret, Transcript};
use quorate_session::{Agreement, SessionContext, SetupError, Wire};
use quorate_sharing::{Committee, Curve, PartyIndex, Polynomial, PublicShares, lagrange_at_zero};
use rand_core::CryptoRngCore;

/// A use of the three rounds: key generation, or resharing.
pub trait Purpose<C: Curve>: Send + Sync + 'static {
    /// Name in the protocol id, and in the domains of all hashes.
    const NAME: &'static str;
    /// Version in the protocol id.
    const VERSION: u16;

    /// What all parties agree upon beside the committee.
    type Setup: Wire + Send + Sync;
    /// What this party deals from.
    type Secret: Send;
    /// What a party has in the end.
    type Held: Send;

    /// Who does what.
    ///
    /// # Errors
    /// What the parties agreed upon makes no sense.
    fn plan(agreement: &Agreement, setup: &Self::Setup) -> Result<Plan, SetupError>;

    /// What this party deals; nothing if it is no dealer. Constant time in the secret.
    ///
    /// # Errors
    /// The secret does not fit the plan.
    fn polynomial(
        plan: &Plan,
        context: &SessionContext,
        setup: &Self::Setup,
        secret: Self::Secret,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Option<Polynomial<C>>, SetupError>;

    /// What this party keeps of the key: its share, if it received one. Nothing if that does not fit the purpose.
    fn held(public: PublicShares, share: Option<(PartyIndex, Secret<[u8; 32]>)>) -> Option<Self::Held>;
}

/// Who deals and who receives in one session. Every party of the session does one of them, or both.
#[derive(Debug, Clone)]
pub struct Plan {
    dealers: Vec<PartyIndex>,
    receivers: Committee,
    kept: Option<Kept>,
}

/// A key that is there already.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The key.
    pub group_key: GroupKey,
    /// What its children are derived with.
    pub chain_code: ChainCode,
    /// The dealers' shares times the generator, in standard encoding.
    pub shares: BTreeMap<PartyIndex, Vec<u8>>,
}

impl Kept {
    /// What the constant of a dealer has to be, times the generator: its share, weighed for just these dealers. All of them
    /// add up to the key.
    pub(crate) fn constant<C: Curve>(&self, dealer: PartyIndex) -> Option<C::Point> {
        let dealers: Vec<_> = self.shares.keys().copied().collect();
        let weight = lagrange_at_zero::<C>(dealer, &dealers).ok()?;
        let share = C::decode(self.shares.get(&dealer)?)?;
        Some(C::multi_exponentiate_vartime(&[(weight, share)]))
    }
}

impl Plan {
    /// All parties of the session deal and receive, and the key is new.
    #[must_use]
    pub fn of_a_new_key(agreement: &Agreement) -> Self {
        let committee = agreement.committee();
        Self { dealers: committee.indices().collect(), receivers: committee.clone(), kept: None }
    }

    /// Those whose shares of the key are there deal, and the receivers hold the same key afterwards.
    #[must_use]
    pub fn of_a_kept_key(receivers: Committee, kept: Kept) -> Self {
        Self { dealers: kept.shares.keys().copied().collect(), receivers, kept: Some(kept) }
    }

    /// Who deals, by index.
    #[must_use]
    pub fn dealers(&self) -> &[PartyIndex] {
        &self.dealers
    }

    /// Who holds shares afterwards, with the threshold that they have then.
    #[must_use]
    pub const fn receivers(&self) -> &Committee {
        &self.receivers
    }

    /// The key, if it is there already.
    #[must_use]
    pub const fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    pub(crate) fn deals(&self, party: PartyIndex) -> bool {
        self.dealers.contains(&party)
    }

    pub(crate) fn receives(&self, party: PartyIndex) -> bool {
        self.receivers.contains(party)
    }

    /// Whether this party shows that it knows its share when it acknowledges: where the key is new, nobody has yet anything to
    /// lose by its absence.
    pub(crate) fn proves_share(&self, party: PartyIndex) -> bool {
        self.kept.is_some() && self.receives(party)
    }

    /// Whether one of these two sends the other a share.
    pub(crate) fn faces(&self, one: PartyIndex, other: PartyIndex) -> bool {
        (self.deals(one) && self.receives(other)) || (self.receives(one) && self.deals(other))
    }

    /// The parties with which this one exchanges shares, in one direction or both, by index.
    pub(crate) fn faced_by(&self, party: PartyIndex) -> Vec<PartyIndex> {
        let dealers = self.dealers.iter().copied().filter(|_| self.receives(party));
        let receivers = self.receivers.indices().filter(|_| self.deals(party));
        let mut faced: Vec<_> = dealers.chain(receivers).filter(|peer| *peer != party).collect();
        faced.sort_unstable();
        faced.dedup();
        faced
    }
}

/// The start of a hash of one purpose.
pub(crate) fn transcript<C: Curve, P: Purpose<C>>(what: &str) -> Transcript {
    Transcript::new(format!("quorate/{}/{what}/v1", P::NAME).as_bytes())
}
