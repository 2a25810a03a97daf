//! What is public of a session: the signers' keys, and what they broadcast, decoded. Signers and judges share it.

use std::collections::BTreeMap;
use std::sync::Arc;

use group::Group;
use quorate_ecdsa::Suite;
use quorate_keys::{Identity, Transcript};
use quorate_paillier::proofs::{aff_g, dec, elog, enc_elg};
use quorate_paillier::{Ciphertext, Keys, PublicKeys, SecretKeys};
use quorate_session::{Agreement, SessionId, SetupError};
use quorate_sharing::{PartyIndex, lagrange_at_zero};

use super::message::{Encrypted, Encryption, Pair, Product, Products, Sums};
use super::setup::PresignSetup;
use crate::auxiliary::AuxiliaryError;

/// The signers of one session.
pub(crate) struct Parties<C: Suite> {
    session: SessionId,
    order: Vec<PartyIndex>,
    identities: BTreeMap<PartyIndex, Identity>,
    keys: BTreeMap<PartyIndex, Arc<PublicKeys>>,
    /// λᵢ·Xᵢ: each signer's part of the key, as these signers add them up.
    shares: BTreeMap<PartyIndex, C::Point>,
    /// X.
    pub(crate) key: C::Point,
    /// How many presignatures.
    pub(crate) count: usize,
}

/// This party among them, and its secrets that outlive a round.
pub(crate) struct Signer<'a, C: Suite> {
    pub(crate) parties: &'a Parties<C>,
    pub(crate) me: PartyIndex,
    pub(crate) keys: &'a SecretKeys,
    /// λᵢ·xᵢ.
    pub(crate) share: &'a C::Scalar,
}

/// Round 1 of one presignature.
pub(crate) struct First<C: Suite> {
    pub(crate) ciphertexts: [Ciphertext; 2],
    /// Y.
    pub(crate) base: C::Point,
    /// A and B.
    pub(crate) commitments: [[C::Point; 2]; 2],
}

/// Round 2 of one presignature. Products for others stay encoded until they are needed.
pub(crate) struct Second<C: Suite> {
    pub(crate) gamma: C::Point,
    pub(crate) proof: Vec<u8>,
    pub(crate) pairs: BTreeMap<PartyIndex, [Pair; 2]>,
}

/// A product, decoded.
pub(crate) struct Multiplied {
    /// D.
    pub(crate) product: Ciphertext,
    /// F.
    pub(crate) summand: Ciphertext,
}

/// Round 3 of one presignature.
pub(crate) struct Third<C: Suite> {
    pub(crate) delta: C::Scalar,
    pub(crate) k_point: C::Point,
    pub(crate) proof: Vec<u8>,
    pub(crate) chi_point: C::Point,
}

impl<C: Suite> Parties<C> {
    /// Of the setup alone, as a judge knows them.
    pub(crate) fn of_setup(agreement: &Agreement, setup: &PresignSetup) -> Result<Self, SetupError> {
        Self::new(agreement, setup, |party| setup.auxiliary.decode(party).map(Arc::new))
    }

    /// With the keys that are ready, of the same auxiliary information as the setup's.
    pub(crate) fn new(
        agreement: &Agreement,
        setup: &PresignSetup,
        keys_of: impl Fn(&Identity) -> Result<Arc<PublicKeys>, AuxiliaryError>,
    ) -> Result<Self, SetupError> {
        let order: Vec<_> = agreement.committee().indices().collect();
        let mut keys = BTreeMap::new();
        let mut shares = BTreeMap::new();
        let mut identities = BTreeMap::new();
        for member in agreement.committee().members() {
            let encoded = setup.key.verifying_shares.get(&member.index);
            let share = encoded.and_then(|share| C::decode(share));
            let share = share.ok_or_else(|| {
                SetupError::because(format!("no verifying share of party {}", member.index))
            })?;
            let factor = lagrange_at_zero::<C>(member.index, &order).map_err(SetupError::because)?;
            shares.insert(member.index, share * factor);
            keys.insert(member.index, keys_of(&member.identity).map_err(SetupError::because)?);
            identities.insert(member.index, member.identity);
        }
        let key = C::decode(setup.key.group_key.as_bytes())
            .ok_or_else(|| SetupError::because("the key is no point"))?;
        if shares.values().sum::<C::Point>() != key {
            return Err(SetupError::because("the verifying shares of these signers don't add up to the key"));
        }
        let count = usize::from(setup.count);
        Ok(Self { session: agreement.session(), order, identities, keys, shares, key, count })
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = PartyIndex> + '_ {
        self.order.iter().copied()
    }

    pub(crate) fn others(&self, party: PartyIndex) -> impl Iterator<Item = PartyIndex> + '_ {
        self.indices().filter(move |other| *other != party)
    }

    pub(crate) const fn session(&self) -> SessionId {
        self.session
    }

    /// The keys of a signer.
    pub(crate) fn keys(&self, party: PartyIndex) -> Option<&PublicKeys> {
        self.keys.get(&party).map(Arc::as_ref)
    }

    /// Who a signer is.
    pub(crate) fn identity(&self, party: PartyIndex) -> Option<&Identity> {
        self.identities.get(&party)
    }

    /// A signer's part of the key.
    pub(crate) fn share(&self, party: PartyIndex) -> Option<C::Point> {
        self.shares.get(&party).copied()
    }

    /// The context of a proof about one presignature. A proof that everybody sees has no verifier.
    pub(crate) fn context(
        &self,
        item: usize,
        prover: PartyIndex,
        verifier: Option<PartyIndex>,
        purpose: &[u8],
    ) -> Transcript {
        let name = |party: &PartyIndex| self.identities.get(party).map_or(&[][..], |name| name.as_bytes());
        Transcript::new(b"quorate/cggmp21/presign/proof/v1")
            .field("session", self.session.as_bytes())
            .field("presignature", &(item as u64).to_le_bytes())
            .field("prover", name(&prover))
            .field("verifier", verifier.as_ref().map_or(&[], name))
            .field("purpose", purpose)
    }

    /// Round 1 as `party` sent it; nothing unless all of it is well formed.
    pub(crate) fn first(&self, party: PartyIndex, sent: &[Encrypted]) -> Option<Vec<First<C>>> {
        let key = self.keys(party)?.encryption();
        let one = |sent: &Encrypted| {
            let [a1, a2] = &sent.k_commitment;
            let [b1, b2] = &sent.gamma_commitment;
            Some(First {
                ciphertexts: [key.ciphertext(&sent.k).ok()?, key.ciphertext(&sent.gamma).ok()?],
                base: point::<C>(&sent.base)?,
                commitments: [[C::decode(a1)?, C::decode(a2)?], [C::decode(b1)?, C::decode(b2)?]],
            })
        };
        (sent.len() == self.count).then(|| sent.iter().map(one).collect())?
    }

    /// Round 2 as `party` sent it; nothing unless it is well formed, but for the ciphertexts.
    pub(crate) fn second(&self, party: PartyIndex, sent: &[Products]) -> Option<Vec<Second<C>>> {
        // What is longer than it must be might keep evidence from fitting into a message.
        let width = |party, bytes: &[u8]| {
            self.keys(party).is_some_and(|keys| bytes.len() == keys.encryption().ciphertext_bytes())
        };
        let one = |sent: &Products| {
            let complete = sent.pairs.keys().copied().eq(self.others(party))
                && sent.proof.len() == elog::bytes::<C>()
                && sent.pairs.iter().all(|(other, pairs)| {
                    let fits = |pair: &Pair| width(*other, &pair.product) && width(party, &pair.summand);
                    pairs.iter().all(fits)
                });
            Some(Second {
                gamma: point::<C>(&sent.gamma).filter(|_| complete)?,
                proof: sent.proof.clone(),
                pairs: sent.pairs.clone(),
            })
        };
        (sent.len() == self.count).then(|| sent.iter().map(one).collect())?
    }

    /// A product that `sender` made for `receiver`.
    pub(crate) fn multiplied(
        &self,
        second: &Second<C>,
        sender: PartyIndex,
        receiver: PartyIndex,
        product: Product,
    ) -> Option<Multiplied> {
        let pair = second.pairs.get(&receiver)?.get(product.place())?;
        Some(Multiplied {
            product: self.keys(receiver)?.encryption().ciphertext(&pair.product).ok()?,
            summand: self.keys(sender)?.encryption().ciphertext(&pair.summand).ok()?,
        })
    }

    /// Round 3 as a party sent it; nothing unless all of it is well formed.
    pub(crate) fn third(&self, sent: &[Sums]) -> Option<Vec<Third<C>>> {
        let one = |sent: &Sums| {
            (sent.proof.len() == elog::bytes::<C>()).then_some(())?;
            Some(Third {
                delta: C::scalar_from_bytes(&sent.delta)?,
                k_point: C::decode(&sent.k_point)?,
                proof: sent.proof.clone(),
                chi_point: C::decode(&sent.chi_point)?,
            })
        };
        (sent.len() == self.count).then(|| sent.iter().map(one).collect())?
    }

    /// X of a product: what its sender multiplied by.
    pub(crate) fn factor(
        &self,
        second: &Second<C>,
        sender: PartyIndex,
        product: Product,
    ) -> Option<C::Point> {
        match product {
            Product::Nonce => Some(second.gamma),
            Product::Key => self.share(sender),
        }
    }
}

/// A point that is not the identity.
fn point<C: Suite>(bytes: &[u8]) -> Option<C::Point> {
    C::decode(bytes).filter(|point| !C::is_identity(point))
}

impl<C: Suite> First<C> {
    /// What Π^enc-elg proves.
    pub(crate) fn statement(&self, which: Encryption) -> enc_elg::Statement<'_, C> {
        let [k, gamma] = &self.ciphertexts;
        let [a, b] = self.commitments;
        let (ciphertext, [left, right]) = match which {
            Encryption::K => (k, a),
            Encryption::Gamma => (gamma, b),
        };
        enc_elg::Statement { ciphertext, base: self.base, left, right }
    }

    /// K.
    pub(crate) const fn k(&self) -> &Ciphertext {
        let [k, _] = &self.ciphertexts;
        k
    }

    /// What Π^elog of round 2 proves.
    pub(crate) fn gamma_statement(&self, gamma: C::Point) -> elog::Statement<C> {
        let [_, [left, right]] = self.commitments;
        let generator = C::Point::generator();
        elog::Statement { left, right, base: self.base, power: gamma, generator }
    }

    /// What Π^elog of round 3 proves.
    pub(crate) fn k_statement(&self, k_point: C::Point, nonce: C::Point) -> elog::Statement<C> {
        let [[left, right], _] = self.commitments;
        elog::Statement { left, right, base: self.base, power: k_point, generator: nonce }
    }

    /// What Π^aff-g proves of a product with this K.
    pub(crate) fn product_statement<'a>(
        &'a self,
        multiplied: &'a Multiplied,
        point: C::Point,
    ) -> aff_g::Statement<'a, C> {
        let Multiplied { product, summand } = multiplied;
        aff_g::Statement { factor: self.k(), product, summand, point }
    }
}

/// Everything that was broadcast of one presignature, by signer.
pub(crate) struct Board<'a, C: Suite> {
    pub(crate) first: BTreeMap<PartyIndex, &'a First<C>>,
    pub(crate) second: BTreeMap<PartyIndex, &'a Second<C>>,
    pub(crate) third: BTreeMap<PartyIndex, &'a Third<C>>,
}

/// Who made it impossible to say what a sum consists of.
pub(crate) struct Unreadable(pub(crate) PartyIndex);

impl<C: Suite> Board<'_, C> {
    /// Γ.
    pub(crate) fn nonce(&self) -> C::Point {
        self.second.values().map(|second| second.gamma).sum()
    }

    /// The sum that is wrong, if one is.
    pub(crate) fn wrong_sum(&self, key: C::Point) -> Option<Product> {
        let delta: C::Scalar = self.third.values().map(|third| third.delta).sum();
        let k_points: C::Point = self.third.values().map(|third| third.k_point).sum();
        let chi_points: C::Point = self.third.values().map(|third| third.chi_point).sum();
        if C::mul_base(&delta) != k_points {
            return Some(Product::Nonce);
        }
        (key * delta != chi_points).then_some(Product::Key)
    }

    /// What Π^dec proves of a signer's part of a sum.
    pub(crate) fn sum_statement(
        &self,
        parties: &Parties<C>,
        keys: &dyn Keys,
        prover: PartyIndex,
        product: Product,
    ) -> Result<Option<dec::Statement<'_, C>>, Unreadable> {
        let key = keys.encryption();
        let mut sum = key.zero();
        for other in parties.others(prover) {
            let multiplied = |sender, receiver| {
                let second = self.second.get(&sender)?;
                parties.multiplied(second, sender, receiver, product)
            };
            let received = multiplied(other, prover).ok_or(Unreadable(other))?;
            let made = multiplied(prover, other).ok_or(Unreadable(prover))?;
            sum = key.add(&sum, &key.add(&received.product, &key.negate(&made.summand)));
        }
        let parts = || {
            let (first, third) = (self.first.get(&prover)?, self.third.get(&prover)?);
            let point = parties.factor(self.second.get(&prover)?, prover, product)?;
            let (image, generator) = match product {
                Product::Nonce => (C::mul_base(&third.delta), C::Point::generator()),
                Product::Key => (third.chi_point, self.nonce()),
            };
            let others = parties.count_others();
            Some(dec::Statement::shifted(keys, first.k(), &sum, others, [point, image, generator]))
        };
        Ok(parts())
    }
}

impl<C: Suite> Parties<C> {
    fn count_others(&self) -> usize {
        self.order.len().saturating_sub(1)
    }
}
