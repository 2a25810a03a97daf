//! From the stored share of a wallet to the key packages of the crates: derived, then tweaked, each once.

use frost_core::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_core::{Identifier, VerifyingKey};
use quorate_keys::{GroupKey, derive};
use quorate_session::SetupError;
use quorate_sharing::{Curve, KeyShare, PartyIndex};

use crate::setup::{Setup, Task, refuse};
use crate::suite::Suite;

/// What the path of a task adds: nothing, or a scalar to the shares and its point to all public sides.
struct Derivation<C: Curve> {
    tweak: Option<(C::Scalar, C::Point)>,
    group_key: GroupKey,
}

impl<C: Curve> Derivation<C> {
    fn of(setup: &Setup, task: &Task) -> Result<Self, SetupError> {
        let key = &setup.key;
        if task.path.is_empty() {
            return Ok(Self { tweak: None, group_key: key.group_key });
        }
        let derived = derive(&key.group_key, &key.chain_code, &task.path).map_err(refuse)?;
        let tweak = C::scalar_from_bytes(&derived.tweak).ok_or_else(|| refuse("a tweak of another curve"))?;
        Ok(Self { tweak: Some((tweak, C::mul_base(&tweak))), group_key: derived.key })
    }

    fn scalar(&self, share: &C::Scalar) -> C::Scalar {
        self.tweak.map_or(*share, |(tweak, _)| *share + tweak)
    }

    fn point(&self, public: C::Point) -> C::Point {
        self.tweak.map_or(public, |(_, tweak)| public + tweak)
    }

    /// A group key is of prime order by construction, so its decoding needs no check of that.
    fn group_key(&self) -> Result<C::Point, SetupError> {
        C::decode_uncleared(self.group_key.as_bytes()).ok_or_else(|| refuse("the group key is no point"))
    }
}

pub(crate) fn identifier<S: Suite>(index: PartyIndex) -> Result<Identifier<S::Ciphersuite>, SetupError> {
    Identifier::try_from(index.get()).map_err(refuse)
}

/// The key package with which the holder of `share` signs a task.
///
/// # Errors
/// When the share does not fit what is public of it, or there is no such derived key.
pub(crate) fn key_package<S: Suite>(
    setup: &Setup,
    task: &Task,
    share: &KeyShare,
) -> Result<KeyPackage<S::Ciphersuite>, SetupError> {
    // Fails on a share that was stored wrongly: it would make this party a cheater.
    let secret = share.secret_share::<S::Curve>().map_err(refuse)?;
    let derivation = Derivation::<S::Curve>::of(setup, task)?;
    // Just found to be the share times the generator: of prime order.
    let verifying_share = setup
        .key
        .verifying_shares
        .get(&share.index())
        .and_then(|bytes| S::Curve::decode_uncleared(bytes))
        .ok_or_else(|| refuse("the verifying share is no point"))?;
    let package = KeyPackage::new(
        identifier::<S>(share.index())?,
        SigningShare::new(derivation.scalar(secret.expose())),
        VerifyingShare::new(derivation.point(verifying_share)),
        VerifyingKey::new(derivation.group_key()?),
        setup.key.committee.threshold().get(),
    );
    Ok(S::finish_key(package, task.tweak.as_ref()))
}

/// The verifying shares of `signers`, and the key, as [`key_package`] has them.
///
/// # Errors
/// When a verifying share is no point of the group, or there is no such derived key.
pub(crate) fn public_package<S: Suite>(
    setup: &Setup,
    task: &Task,
    signers: impl Iterator<Item = PartyIndex>,
) -> Result<PublicKeyPackage<S::Ciphersuite>, SetupError> {
    let derivation = Derivation::<S::Curve>::of(setup, task)?;
    let shares = signers.map(|index| {
        let point = setup.key.verifying_shares.get(&index).and_then(|bytes| S::Curve::decode(bytes));
        let point =
            point.ok_or_else(|| refuse(format!("the verifying share of party {index} is no point")))?;
        Ok((identifier::<S>(index)?, VerifyingShare::new(derivation.point(point))))
    });
    let shares = shares.collect::<Result<_, SetupError>>()?;
    let key = VerifyingKey::new(derivation.group_key()?);
    let package = PublicKeyPackage::new(shares, key, Some(setup.key.committee.threshold().get()));
    Ok(S::finish_public(package, task.tweak.as_ref()))
}
