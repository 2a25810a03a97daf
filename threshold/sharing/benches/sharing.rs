//! What a key generation pays for sharing: each step on its own, and all steps of all parties in one thread.
//!
//! `cargo bench -p quorate-sharing`

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quorate_sharing::{
    Challenge, Channel, Commitment, Curve, Ed25519, FacingKeys, KnowledgeProof, P256, PartyIndex, Polynomial,
    ProofNonce, Secp256k1, SecretShare, Threshold,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const CONTEXT: &[u8] = b"benchmark";

struct Dealer<C: Curve> {
    me: PartyIndex,
    polynomial: Polynomial<C>,
    coefficients: Vec<u8>,
    nonce: Vec<u8>,
    response: [u8; 32],
    facing: FacingKeys,
}

fn parties(total: u16) -> Vec<PartyIndex> {
    (1..=total).map(|index| PartyIndex::new(index).unwrap()).collect()
}

fn deal<C: Curve>(
    me: PartyIndex,
    parties: &[PartyIndex],
    threshold: Threshold,
    rng: &mut ChaCha20Rng,
) -> Dealer<C> {
    let polynomial = Polynomial::random(threshold, rng);
    let coefficients = Commitment::of(&polynomial).to_bytes();
    let nonce = ProofNonce::generate(rng);
    let point = nonce.point().to_vec();
    let response = nonce.prove(&challenge(), &polynomial);
    let peers: Vec<_> = parties.iter().copied().filter(|peer| *peer != me).collect();
    let facing = FacingKeys::generate(me, &peers, rng);
    Dealer { me, polynomial, coefficients, nonce: point, response, facing }
}

/// In place of a hash of what all dealers committed to.
fn challenge<C: Curve>() -> Challenge<C> {
    Challenge::from_wide(&[7; 64])
}

/// The channels of one party to all others, by index.
fn channels<C: Curve>(dealers: &[Dealer<C>], me: &Dealer<C>) -> Vec<(PartyIndex, Channel)> {
    let others = dealers.iter().filter(|dealer| dealer.me != me.me);
    let open = |peer: &Dealer<C>| {
        let (_, public) = peer.facing.public().into_iter().find(|(index, _)| *index == me.me).unwrap();
        (peer.me, me.facing.channel(peer.me, &public).unwrap())
    };
    others.map(open).collect()
}

/// What all dealers published.
fn decode<C: Curve>(dealers: &[Dealer<C>], threshold: Threshold) -> Vec<(Commitment<C>, KnowledgeProof<C>)> {
    let decode = |dealer: &Dealer<C>| {
        let commitment = Commitment::from_bytes(&dealer.coefficients, threshold).unwrap();
        (commitment, KnowledgeProof::from_bytes(&dealer.nonce, &dealer.response).unwrap())
    };
    dealers.iter().map(decode).collect()
}

/// The sum of all commitments, with one proof that it is known.
fn add_up<C: Curve>(decoded: &[(Commitment<C>, KnowledgeProof<C>)]) -> Commitment<C> {
    let sum = Commitment::sum(decoded.iter().map(|(commitment, _)| commitment)).unwrap();
    assert!(KnowledgeProof::sum(decoded.iter().map(|(_, proof)| proof)).verify(&challenge(), &sum));
    sum
}

/// All parties' work: deal, seal, open, decode, verify proofs and shares, make verifying shares.
fn whole_group<C: Curve>(threshold: Threshold, total: u16, rng: &mut ChaCha20Rng) -> Vec<u8> {
    let parties = parties(total);
    let dealers: Vec<_> = parties.iter().map(|me| deal::<C>(*me, &parties, threshold, rng)).collect();
    let channels: Vec<_> = dealers.iter().map(|me| channels(&dealers, me)).collect();
    let mut deliveries = Vec::new();
    for (dealer, channels) in dealers.iter().zip(&channels) {
        for (peer, channel) in channels {
            let share = dealer.polynomial.share(*peer).to_bytes();
            deliveries.push((dealer.me, *peer, channel.seal(CONTEXT, dealer.me, *peer, share.expose())));
        }
    }
    let mut group_key = Vec::new();
    for (me, channels) in dealers.iter().zip(&channels) {
        let sum = add_up(&decode(&dealers, threshold));
        let mut share = me.polynomial.share(me.me);
        for (from, to, sealed) in deliveries.iter().filter(|(_, to, _)| *to == me.me) {
            let (_, channel) = channels.iter().find(|(peer, _)| peer == from).unwrap();
            let plaintext = channel.open(CONTEXT, *from, *to, sealed).unwrap();
            share = share.add(&SecretShare::from_bytes(*to, plaintext.expose()).unwrap()).unwrap();
        }
        assert!(share.verify(&sum));
        black_box(sum.verifying_shares(parties.iter().copied()));
        group_key = C::encode(&sum.constant());
    }
    group_key
}

fn on<C: Curve>(criterion: &mut Criterion) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for (signers, total) in [(3, 5), (5, 9), (7, 11), (10, 15)] {
        let threshold = Threshold::new(signers).unwrap();
        let parties = parties(total);
        let dealers: Vec<_> =
            parties.iter().map(|me| deal::<C>(*me, &parties, threshold, &mut rng)).collect();
        let me = PartyIndex::new(1).unwrap();
        let decoded = decode(&dealers, threshold);
        let mut group = criterion.benchmark_group(format!("{} {signers}-of-{total}", C::NAME));
        group.bench_function("deal, one party", |bencher| {
            bencher.iter(|| deal::<C>(me, &parties, threshold, &mut rng));
        });
        group.bench_function("channels, one party", |bencher| {
            bencher.iter(|| channels(&dealers, dealers.first().unwrap()));
        });
        group.bench_function("decode, one party", |bencher| bencher.iter(|| decode(&dealers, threshold)));
        group.bench_function("add up and verify proofs, one party", |bencher| {
            bencher.iter(|| add_up(&decoded));
        });
        group.bench_function("verify the share, one party", |bencher| {
            let sum = add_up(&decoded);
            let share = || {
                let shares = dealers.iter().map(|dealer| dealer.polynomial.share(me));
                shares.reduce(|sum, share| sum.add(&share).unwrap()).unwrap()
            };
            bencher.iter_batched(share, |share| assert!(share.verify(&sum)), BatchSize::SmallInput);
        });
        group.sample_size(20);
        group.bench_function("whole group, one thread", |bencher| {
            bencher.iter(|| whole_group::<C>(threshold, total, &mut rng));
        });
        group.finish();
    }
}

fn sharing(criterion: &mut Criterion) {
    on::<Ed25519>(criterion);
    on::<Secp256k1>(criterion);
    on::<P256>(criterion);
}

criterion_group!(benches, sharing);
criterion_main!(benches);
