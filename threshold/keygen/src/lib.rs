//! Dealerless key generation for every curve and scheme.
//!
//! # Protocol
//! Feldman verifiable secret sharing by every party (Pedersen's distributed key generation), in the three rounds of
//! [`quorate_dealing`]: all deal a random secret to all, and the key is the sum. Every party contributes to the chain
//! code.
//!
//! # Security
//! Secret for any t − 1 corrupted parties; the key is uniform unless a party aborts after it has seen all openings
//! (rushing abort), which names it and costs it the session.

pub use quorate_dealing::{
    ACKNOWLEDGE, Certificate, CertificateError, Commit, Complaint, Fault, Message, Open, Refusal,
    acknowledged_key, is_complaint,
};

use quorate_dealing::{Dealing, Plan, Purpose};
use quorate_keys::Secret;
use quorate_session::{Agreement, SessionContext, SetupError};
use quorate_sharing::{Curve, KeyShare, PartyIndex, Polynomial, PublicShares};
use rand_core::CryptoRngCore;

/// Name in the protocol id.
const NAME: &str = "keygen";
/// Version in the protocol id.
const VERSION: u16 = 1;

/// Dealerless key generation on the curve `C`.
pub type Keygen<C> = Dealing<C, NewKey>;

/// A new key, of which every party has a share.
#[derive(Debug, Clone, Copy)]
pub struct NewKey;

impl<C: Curve> Purpose<C> for NewKey {
    const NAME: &'static str = NAME;
    const VERSION: u16 = VERSION;

    type Setup = ();
    type Secret = ();
    type Held = KeyShare;

    fn plan(agreement: &Agreement, (): &()) -> Result<Plan, SetupError> {
        Ok(Plan::of_a_new_key(agreement))
    }

    fn polynomial(
        plan: &Plan,
        _: &SessionContext,
        (): &(),
        (): (),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Option<Polynomial<C>>, SetupError> {
        Ok(Some(Polynomial::random(plan.receivers().threshold(), rng)))
    }

    fn held(public: PublicShares, share: Option<(PartyIndex, Secret<[u8; 32]>)>) -> Option<KeyShare> {
        share.map(|(party, secret)| KeyShare::new(public, party, secret))
    }
}

/// Checks that every party of a key generation acknowledged just this key, and that they are who holds its shares.
///
/// # Errors
/// See [`Certificate::acknowledges`]; [`CertificateError::OtherKey`] for another committee.
pub fn certifies(certificate: &Certificate, public: &PublicShares) -> Result<(), CertificateError> {
    certificate.acknowledges((NAME, VERSION), public)?;
    match public.committee == *certificate.agreement().committee() {
        true => Ok(()),
        false => Err(CertificateError::OtherKey),
    }
}
