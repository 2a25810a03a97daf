//! A wallet's key as one party keeps it: what is public of it, and the party's share.

use std::collections::BTreeMap;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use ff::Field as _;
use quorate_keys::{ChainCode, GroupKey, Secret, Transcript};

use crate::committee::Committee;
use crate::curve::Curve;
use crate::party::{PartyIndex, invalid_data};
use crate::polynomial::lagrange_at_zero;
use crate::share::SecretShare;

/// The public side of a shared key, the same at every party.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
pub struct PublicShares {
    /// The key.
    pub group_key: GroupKey,
    /// What its children are derived with.
    pub chain_code: ChainCode,
    /// The generation of the shares: 0 at key generation, more after each resharing.
    pub epoch: u64,
    /// Who holds shares, and how many sign.
    pub committee: Committee,
    /// Each party's share times the generator, in standard encoding.
    pub verifying_shares: BTreeMap<PartyIndex, Vec<u8>>,
}

/// One party's share of a key, with the public side. The share is erased on drop.
#[derive(Debug)]
pub struct KeyShare {
    public: PublicShares,
    index: PartyIndex,
    /// In a place of its own: moving the key share leaves no copy of it behind.
    secret: Box<Secret<[u8; 32]>>,
}

/// Why a key share cannot be used. It was stored or restored wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyShareError {
    /// The verifying shares are not one for each member of the committee.
    #[error("the verifying shares are not one for each member of the committee")]
    Incomplete,
    /// The share is of a party outside the committee.
    #[error("party {0} is not in the committee of the key")]
    NotAMember(PartyIndex),
    /// The key is on another curve.
    #[error("the key is on {found}, not on {expected}")]
    Curve {
        /// The curve asked for.
        expected: quorate_keys::Curve,
        /// The curve of the key.
        found: quorate_keys::Curve,
    },
    /// The secret is no scalar of the curve, or not the one behind the party's verifying share.
    #[error("the share of party {0} does not fit its verifying share: restore it from a backup")]
    Mismatch(PartyIndex),
}

impl PublicShares {
    /// Checks that there is one verifying share for each member.
    fn check(self) -> Result<Self, KeyShareError> {
        let complete = self.committee.indices().eq(self.verifying_shares.keys().copied());
        if complete { Ok(self) } else { Err(KeyShareError::Incomplete) }
    }

    /// Whether the public sides of the shares are of one polynomial, with as many coefficients as must sign and the key at zero.
    ///
    /// The key and the shares of the first parties, one fewer than must sign, fix the polynomial. Each further share has to lead to the
    /// key together with those. All these equations are checked at once, weighed by a hash of everything: one product of as
    /// many powers as there are shares.
    #[must_use]
    pub fn interpolates<C: Curve>(&self) -> bool {
        if self.group_key.curve() != C::ID {
            return false;
        }
        let all: Vec<_> = self.committee.indices().collect();
        let fixed = self.committee.threshold().count().saturating_sub(1);
        let Some((first, further)) = all.split_at_checked(fixed) else { return false };
        let start = Transcript::new(b"quorate/one-polynomial/v1")
            .field("key", self.group_key.as_bytes())
            .field("threshold", &self.committee.threshold().get().to_le_bytes());
        let transcript = self.verifying_shares.iter().fold(start, |transcript, (party, share)| {
            transcript.field("party", &party.get().to_le_bytes()).field("share", share)
        });
        let mut powers = BTreeMap::<PartyIndex, C::Scalar>::new();
        let mut power_of_key = C::Scalar::ZERO;
        for party in further {
            let hash = transcript.clone().field("equation", &party.get().to_le_bytes()).wide();
            let weight = C::scalar_from_wide(&hash);
            power_of_key -= weight;
            let together = [first, &[*party]].concat();
            for one in &together {
                let Ok(coefficient) = lagrange_at_zero::<C>(*one, &together) else { return false };
                *powers.entry(*one).or_insert(C::Scalar::ZERO) += weight * coefficient;
            }
        }
        let share = |(party, power): (PartyIndex, C::Scalar)| {
            Some((power, C::decode(self.verifying_shares.get(&party)?)?))
        };
        let key = C::decode(self.group_key.as_bytes()).map(|key| (power_of_key, key));
        let terms: Option<Vec<_>> = powers.into_iter().map(share).chain([key]).collect();
        !further.is_empty()
            && terms.is_some_and(|terms| C::is_identity(&C::multi_exponentiate_vartime(&terms)))
    }
}

impl KeyShare {
    /// The share `secret` (a canonical scalar) of party `index`.
    #[must_use]
    pub fn new(public: PublicShares, index: PartyIndex, secret: Secret<[u8; 32]>) -> Self {
        Self { public, index, secret: Box::new(secret) }
    }

    /// The public side.
    #[must_use]
    pub const fn public(&self) -> &PublicShares {
        &self.public
    }

    /// The party that holds the share.
    #[must_use]
    pub const fn index(&self) -> PartyIndex {
        self.index
    }

    /// The share on curve `C`, checked against the party's verifying share. Constant time in the share.
    ///
    /// # Errors
    /// When the key is on another curve, or the share is not what the public side says: a wrong share that signs would
    /// make this party look like a cheater.
    pub fn secret_share<C: Curve>(&self) -> Result<SecretShare<C>, KeyShareError> {
        let found = self.public.group_key.curve();
        if found != C::ID {
            return Err(KeyShareError::Curve { expected: C::ID, found });
        }
        let mismatch = KeyShareError::Mismatch(self.index);
        let expected = self.public.verifying_shares.get(&self.index);
        let expected = expected.ok_or(KeyShareError::NotAMember(self.index))?;
        let share = SecretShare::<C>::from_bytes(self.index, self.secret.expose()).map_err(|_| mismatch)?;
        if C::encode(&share.public()) == *expected { Ok(share) } else { Err(mismatch) }
    }
}

impl BorshDeserialize for PublicShares {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let shares = Self {
            group_key: GroupKey::deserialize_reader(reader)?,
            chain_code: ChainCode::deserialize_reader(reader)?,
            epoch: u64::deserialize_reader(reader)?,
            committee: Committee::deserialize_reader(reader)?,
            verifying_shares: BTreeMap::deserialize_reader(reader)?,
        };
        shares.check().map_err(invalid_data)
    }
}

/// The encoding holds the secret: it goes into an encrypted record and nowhere else.
impl BorshSerialize for KeyShare {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.public.serialize(writer)?;
        self.index.serialize(writer)?;
        writer.write_all(self.secret.expose())
    }
}

impl BorshDeserialize for KeyShare {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let public = PublicShares::deserialize_reader(reader)?;
        let index = PartyIndex::deserialize_reader(reader)?;
        if !public.committee.contains(index) {
            return Err(invalid_data(KeyShareError::NotAMember(index)));
        }
        let mut secret = Box::new(Secret::new([0; 32]));
        reader.read_exact(secret.expose_mut())?;
        Ok(Self { public, index, secret })
    }
}

#[cfg(test)]
mod tests {
    use ff::Field;
    use quorate_keys::SigningIdentity;

    use super::*;
    use crate::testing::{on_every_curve, party, rng, threshold};
    use crate::{Commitment, Ed25519, Member, Polynomial, Secp256k1, Threshold};

    on_every_curve!(
        a_key_share_reads_what_it_writes,
        a_share_that_does_not_fit_is_refused,
        wrong_encodings_are_refused,
        verifying_shares_have_one_encoding,
        shares_are_of_one_polynomial_of_the_key,
    );

    fn key<C: Curve>() -> (Polynomial<C>, PublicShares) {
        key_of(2, &[1, 2, 3])
    }

    fn key_of<C: Curve>(signers: u16, indices: &[u16]) -> (Polynomial<C>, PublicShares) {
        let mut rng = rng(1);
        let members = indices
            .iter()
            .map(|i| Member { index: party(*i), identity: SigningIdentity::generate(&mut rng).identity() });
        let committee = Committee::new(threshold(signers), members.collect()).unwrap();
        let polynomial = Polynomial::<C>::random(threshold(signers), &mut rng);
        let commitment = Commitment::of(&polynomial);
        let public = PublicShares {
            group_key: GroupKey::from_bytes(C::ID, &C::encode(&commitment.constant())).unwrap(),
            chain_code: ChainCode::new([7; 32]),
            epoch: 0,
            verifying_shares: commitment.verifying_shares(committee.indices()),
            committee,
        };
        (polynomial, public)
    }

    fn a_key_share_reads_what_it_writes<C: Curve>() {
        let (polynomial, public) = key::<C>();
        let share = KeyShare::new(public.clone(), party(2), polynomial.share(party(2)).to_bytes());
        let again = KeyShare::try_from_slice(&borsh::to_vec(&share).unwrap()).unwrap();
        assert_eq!((again.public(), again.index()), (&public, party(2)));
        assert_eq!(*again.secret_share::<C>().unwrap().expose(), polynomial.evaluate(party(2)));
        let secret = again.secret.expose();
        assert!(!format!("{again:?}").contains(&format!("{secret:?}")));
    }

    fn a_share_that_does_not_fit_is_refused<C: Curve>() {
        let (polynomial, public) = key::<C>();
        let of = |index, bytes| {
            KeyShare::new(public.clone(), party(index), bytes).secret_share::<C>().unwrap_err()
        };
        let right = polynomial.evaluate(party(2));
        assert_eq!(of(3, polynomial.share(party(2)).to_bytes()), KeyShareError::Mismatch(party(3)));
        let wrong = Secret::new(C::scalar_to_bytes(&(right + C::Scalar::ONE)));
        assert_eq!(of(2, wrong), KeyShareError::Mismatch(party(2)));
        assert_eq!(of(2, Secret::new([0xFF; 32])), KeyShareError::Mismatch(party(2)));
        assert_eq!(of(9, polynomial.share(party(9)).to_bytes()), KeyShareError::NotAMember(party(9)));
    }

    fn shares_are_of_one_polynomial_of_the_key<C: Curve>() {
        for (signers, indices) in
            [(2, &[1, 2][..]), (2, &[1, 2, 3]), (3, &[2, 5, 9, 14, 77]), (5, &[2, 5, 9, 14, 77])]
        {
            let (polynomial, public) = key_of::<C>(signers, indices);
            assert!(public.interpolates::<C>());
            let other = C::encode(&polynomial.share(party(99)).public());
            for index in indices {
                let mut wrong = public.clone();
                wrong.verifying_shares.insert(party(*index), other.clone());
                assert!(!wrong.interpolates::<C>(), "{signers} of {indices:?}, {index}");
                wrong.verifying_shares.insert(party(*index), vec![9; 33]);
                assert!(!wrong.interpolates::<C>());
            }
            let of_another = GroupKey::from_bytes(C::ID, &other).unwrap();
            assert!(!PublicShares { group_key: of_another, ..public.clone() }.interpolates::<C>());
            // One too few, of a polynomial of a higher degree.
            let (_, higher) = key_of::<C>(signers, indices);
            if let Some(fewer) = Threshold::new(signers - 1).ok().filter(|_| signers > 2) {
                let members = higher.committee.members().to_vec();
                let committee = Committee::new(fewer, members).unwrap();
                assert!(!PublicShares { committee, ..higher }.interpolates::<C>());
            }
        }
        let (_, public) = key::<C>();
        let elsewhere = if C::ID == Ed25519::ID {
            PublicShares::interpolates::<Secp256k1>
        } else {
            PublicShares::interpolates::<Ed25519>
        };
        assert!(!elsewhere(&public));
    }

    #[test]
    fn a_share_on_another_curve_is_refused() {
        let (polynomial, public) = key::<Ed25519>();
        let share = KeyShare::new(public, party(1), polynomial.share(party(1)).to_bytes());
        let (expected, found) = (Secp256k1::ID, Ed25519::ID);
        assert_eq!(share.secret_share::<Secp256k1>().unwrap_err(), KeyShareError::Curve { expected, found });
    }

    fn wrong_encodings_are_refused<C: Curve>() {
        let (polynomial, public) = key::<C>();
        let secret = || polynomial.share(party(2)).to_bytes();
        let read = |share: &KeyShare| KeyShare::try_from_slice(&borsh::to_vec(share).unwrap());
        assert!(read(&KeyShare::new(public.clone(), party(4), secret())).is_err());
        let mut missing = public.clone();
        missing.verifying_shares.remove(&party(3));
        assert!(read(&KeyShare::new(missing, party(2), secret())).is_err());
        let mut surplus = public.clone();
        surplus.verifying_shares.insert(party(4), vec![0; C::POINT_BYTES]);
        assert!(read(&KeyShare::new(surplus, party(2), secret())).is_err());
        let bytes = borsh::to_vec(&KeyShare::new(public, party(2), secret())).unwrap();
        assert!(KeyShare::try_from_slice(&bytes[..bytes.len() - 1]).is_err());
    }

    fn verifying_shares_have_one_encoding<C: Curve>() {
        let (_, public) = key::<C>();
        let read = |shares: &[(PartyIndex, Vec<u8>)]| {
            let PublicShares { group_key, chain_code, epoch, committee, .. } = &public;
            PublicShares::try_from_slice(
                &borsh::to_vec(&(group_key, chain_code, epoch, committee, shares)).unwrap(),
            )
        };
        let shares: Vec<_> = public.verifying_shares.clone().into_iter().collect();
        assert_eq!(read(&shares).unwrap(), public);
        for (one, other) in [(0, 1), (1, 2), (0, 2)] {
            let mut swapped = shares.clone();
            swapped.swap(one, other);
            assert!(read(&swapped).is_err());
        }
        for at in 0..shares.len() {
            let mut doubled = shares.clone();
            doubled.insert(at, shares[at].clone());
            assert!(read(&doubled).is_err());
            // Of two that differ, one would win.
            doubled[at].1[5] ^= 1;
            assert!(read(&doubled).is_err());
        }
    }
}
