//! Dealers in a resharing whose polynomial is not the one that they are to deal.

use quorate_dealing::{Plan, Purpose};
use quorate_keys::Secret;
use quorate_reshare::{NewShares, Renewed, Setup};
use quorate_session::{Agreement, SessionContext, SetupError};
use quorate_sharing::{Curve, KeyShare, PartyIndex, Polynomial, PublicShares, Threshold};
use rand_core::CryptoRngCore;

/// With another constant than its share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnotherConstant;
/// With one coefficient more than the threshold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TooLong;

macro_rules! resharing {
    ($liar:ty, $deals:expr) => {
        impl<C: Curve> Purpose<C> for $liar {
            const NAME: &'static str = <NewShares as Purpose<C>>::NAME;
            const VERSION: u16 = <NewShares as Purpose<C>>::VERSION;

            type Setup = Setup;
            type Secret = Option<KeyShare>;
            type Held = Renewed;

            fn plan(agreement: &Agreement, setup: &Setup) -> Result<Plan, SetupError> {
                <NewShares as Purpose<C>>::plan(agreement, setup)
            }

            fn polynomial(
                plan: &Plan,
                context: &SessionContext,
                setup: &Setup,
                secret: Option<KeyShare>,
                rng: &mut dyn CryptoRngCore,
            ) -> Result<Option<Polynomial<C>>, SetupError> {
                let honest = <NewShares as Purpose<C>>::polynomial(plan, context, setup, secret, rng)?;
                Ok(honest.map(|_| $deals(plan.receivers().threshold(), rng)))
            }

            fn held(public: PublicShares, share: Option<(PartyIndex, Secret<[u8; 32]>)>) -> Option<Renewed> {
                <NewShares as Purpose<C>>::held(public, share)
            }
        }
    };
}

resharing!(AnotherConstant, Polynomial::random);
resharing!(TooLong, |threshold: Threshold, rng: &mut dyn CryptoRngCore| {
    let longer = Threshold::new(threshold.get().saturating_add(1)).expect("a threshold below 100");
    Polynomial::random(longer, rng)
});

/// A purpose whose messages are those of a resharing.
pub(crate) trait Resharing {}

impl Resharing for NewShares {}
impl Resharing for AnotherConstant {}
impl Resharing for TooLong {}
