#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use quorate_keys::{ChainCode, GroupKey};
use quorate_paillier::{Natural, SecretKeys, Sizes, test_keys};
use quorate_session::Agreement;
use quorate_sharing::{Commitment, Curve, Polynomial, PublicShares, Secp256k1};
use quorate_simulator::Cast;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::auxiliary::{Auxiliary, EncodedKeys, PublicAuxiliary};
use crate::presign::message::Products;
use crate::presign::parties::{First, Second, Third};
use crate::presign::setup::PresignSetup;
use crate::presign::{NonceStock, first, second, third};

type C = Secp256k1;

fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

/// All signers of one presignature in one place, up to round 3, and one of them is not honest.
struct Scene {
    parties: Parties<C>,
    keys: BTreeMap<PartyIndex, SecretKeys>,
    shares: BTreeMap<PartyIndex, <C as Curve>::Scalar>,
    own: BTreeMap<PartyIndex, Own<C>>,
    made: BTreeMap<PartyIndex, OwnProducts>,
    first: BTreeMap<PartyIndex, First<C>>,
    second: BTreeMap<PartyIndex, Second<C>>,
    third: BTreeMap<PartyIndex, Third<C>>,
}

impl Scene {
    /// `falsify` changes what party 2 sends of one product in round 2, which party 3 takes for right.
    fn new(product: Product, falsify: impl Fn(&Parties<C>, &mut Products)) -> Self {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let cast = Cast::new(3, 3, 1);
        let committee = cast.committee();
        let polynomial = Polynomial::<C>::random(committee.threshold(), &mut rng);
        let commitment = Commitment::of(&polynomial);
        let key = PublicShares {
            group_key: GroupKey::from_bytes(C::ID, &C::encode(&commitment.constant())).unwrap(),
            chain_code: ChainCode::new([1; 32]),
            epoch: 0,
            committee: committee.clone(),
            verifying_shares: commitment.verifying_shares(committee.indices()),
        };
        let keys: BTreeMap<_, _> =
            committee.indices().map(|index| (index, test_keys::small(usize::from(index.get())))).collect();
        let encoded = committee
            .members()
            .iter()
            .map(|member| (member.identity, EncodedKeys::of(keys[&member.index].public())));
        let auxiliary = PublicAuxiliary { sizes: Sizes::TEST.id(), epoch: 0, keys: encoded.collect() };
        let setup = PresignSetup { key, auxiliary, count: 1 };
        let id = quorate_session::ProtocolId::new("test", "test", 1);
        let contexts = cast.agree(committee, id, [0; 32], 0, &mut rng);
        let agreement: &Agreement = contexts[&party(1)].agreement();
        let parties = Parties::<C>::of_setup(agreement, &setup).unwrap();
        let indices: Vec<_> = committee.indices().collect();
        let shares: BTreeMap<_, _> = indices
            .iter()
            .map(|index| {
                let factor = quorate_sharing::lagrange_at_zero::<C>(*index, &indices).unwrap();
                (*index, polynomial.evaluate(*index) * factor)
            })
            .collect();
        let mut own = BTreeMap::new();
        let mut first = BTreeMap::new();
        // All nonces are made ahead: just as many as are used.
        let mut stocks = BTreeMap::new();
        for member in committee.members() {
            let index = member.index;
            let mine = Auxiliary::new(setup.auxiliary.clone(), member.identity, &keys[&index]);
            let peers = committee.members().iter().filter(|other| other.index != index);
            let peers = peers.map(|other| &other.identity);
            let stock = NonceStock::prepare(&mine, peers, 1, &mut rng).unwrap();
            stocks.insert(index, stock.open(&mine, &parties, index));
        }
        for index in &indices {
            let stock = stocks.get_mut(index).unwrap();
            let (mut mine, sent, _) = first::begin(&parties, *index, &keys[index], stock, &mut rng).unwrap();
            first.insert(*index, parties.first(*index, &sent).unwrap().remove(0));
            own.insert(*index, mine.remove(0));
        }
        let (mut made, mut second) = (BTreeMap::new(), BTreeMap::new());
        for index in &indices {
            let others = parties.others(*index).map(|other| {
                let sent = own[&other].encrypted(&keys[&other]);
                (other, parties.first(other, &[sent]).unwrap())
            });
            let others = others.collect();
            let mine = std::slice::from_ref(&own[index]);
            let stock = stocks.get_mut(index).unwrap();
            let (keys, share) = (&keys[index], &shares[index]);
            let signer = Signer { parties: &parties, me: *index, keys, share };
            let multiplied = second::multiply(&signer, mine, &others, stock, &mut rng);
            let (products, mut sent, _) = multiplied.unwrap();
            assert!(stock.is_used_up());
            if *index == party(2) {
                falsify(&parties, &mut sent[0]);
            }
            second.insert(*index, parties.second(*index, &sent).unwrap().remove(0));
            made.insert(*index, products);
        }
        let nonce = second.values().map(|second| second.gamma).sum();
        let mut third = BTreeMap::new();
        for index in &indices {
            let received = parties.others(*index).map(|other| {
                let products = Product::BOTH.map(|product| {
                    parties.multiplied(&second[&other], other, *index, product).unwrap().product
                });
                (other, second::Received { products: vec![products], claims: Vec::new() })
            });
            let signer = Signer { parties: &parties, me: *index, keys: &keys[index], share: &shares[index] };
            let decrypted = second::decrypt(&signer, &received.collect(), &mut rng);
            let decrypted = decrypted.unwrap_or_else(|_| panic!("no claims")).unwrap();
            let others = parties.others(*index);
            let sums = third::add_up(0, &own[index], &shares[index], &decrypted[0], others, &made[index]);
            let sums = sums.unwrap();
            let context = parties.context(0, *index, None, b"k");
            let sent = third::publish(&context, &own[index], &sums, nonce, &mut rng);
            third.insert(*index, parties.third(&[sent]).unwrap().remove(0));
        }
        let scene = Self { parties, keys, shares, own, made, first, second, third };
        assert_eq!(scene.board().wrong_sum(scene.parties.key), Some(product));
        scene
    }

    fn board(&self) -> Board<'_, C> {
        fn all<T>(map: &BTreeMap<PartyIndex, T>) -> BTreeMap<PartyIndex, &T> {
            map.iter().map(|(party, value)| (*party, value)).collect()
        }
        Board { first: all(&self.first), second: all(&self.second), third: all(&self.third) }
    }

    /// What `verifier` finds of what `prover` shows it.
    fn verdict(&self, product: Product, prover: u16, verifier: u16) -> Result<(), Blame<Fault>> {
        let (prover, verifier) = (party(prover), party(verifier));
        let sum = Sum { item: 0, product };
        let board = self.board();
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let (keys, share) = (&self.keys[&prover], &self.shares[&prover]);
        let (own, made) = (&self.own[&prover], &self.made[&prover]);
        let signer = Signer { parties: &self.parties, me: prover, keys, share };
        let shown = prove(&signer, sum, own, made, &board, &mut rng);
        let shown = shown.unwrap_or_else(|_| panic!("readable")).unwrap();
        let keys = &self.keys[&verifier];
        check(&self.parties, (prover, verifier), keys, sum, &board, &shown[&verifier])
    }
}

/// Two parties who agree to it make a sum wrong, of which each by itself can show its part: but not the product that one made for the other.
#[test]
fn of_two_who_make_a_sum_wrong_together_one_is_found_by_all_others() {
    for product in Product::BOTH {
        let scene = Scene::new(product, |parties, sent| {
            let pair = &mut sent.pairs.get_mut(&party(3)).unwrap()[product.place()];
            let key = parties.keys(party(3)).unwrap().encryption();
            let right = key.ciphertext(&pair.product).unwrap();
            pair.product = key.bytes(&key.add(&right, &key.plain(&Natural::from_u64(1))));
        });
        let sum = Sum { item: 0, product };
        let fault = Fault::WrongProduct { sum, receiver: party(3), verifier: party(1) };
        assert_eq!(scene.verdict(product, 2, 1), Err(Blame::new(party(2), fault)));
        // Who was given a false product and took it says what it holds.
        assert_eq!(scene.verdict(product, 3, 1), Ok(()));
        assert_eq!(scene.verdict(product, 1, 2), Ok(()));
        assert_eq!(scene.verdict(product, 1, 3), Ok(()));
    }
}

/// The numbers in a product may be as large, or as negative, as Π^aff-g lets pass: who was given it can still prove its sum.
#[test]
fn the_longest_numbers_that_proofs_let_pass_keep_nobody_from_proving_its_sum() {
    let sizes = Sizes::TEST;
    for negative in [false, true] {
        let product = Product::Nonce;
        let scene = Scene::new(product, |parties, sent| {
            let pair = &mut sent.pairs.get_mut(&party(3)).unwrap()[product.place()];
            let key = parties.keys(party(3)).unwrap().encryption();
            let right = key.ciphertext(&pair.product).unwrap();
            let mut longest = vec![0; (sizes.mask() + sizes.slack() + 1) / 8 + 1];
            *longest.last_mut().unwrap() = 1 << ((sizes.mask() + sizes.slack() + 1) % 8);
            let longest = key.plain(&Natural::from_le_bytes(&longest));
            let added = if negative { key.negate(&longest) } else { longest };
            pair.product = key.bytes(&key.add(&right, &added));
        });
        // Positive or negative, its recipient's δ is what it decrypts to.
        assert_eq!(scene.verdict(product, 3, 1), Ok(()), "negative: {negative}");
        assert!(scene.verdict(product, 2, 1).is_err());
    }
}
