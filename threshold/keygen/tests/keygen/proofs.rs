//! Openings that are not known to who opens them.

use std::sync::{Arc, Mutex};

use quorate_keygen::{Keygen, Message, Open};
use quorate_session::{Abort, SessionId};
use quorate_sharing::{
    Challenge, Commitment, Curve, KeyShare, PartyIndex, Polynomial, ProofNonce, Threshold,
};
use quorate_simulator::{Outcome, Outcomes};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::cast::{all_convict, five, party, run, simulation};
use crate::dealer::{Dealer, Script, challenge, opening_digest};
use crate::key::{is_private_key, rebuild};
use crate::on_every_curve;

on_every_curve!(
    a_wrong_proof_of_knowledge_convicts_its_dealer,
    an_answer_to_another_challenge_convicts_its_dealer,
    the_opening_of_another_party_cannot_be_repeated,
    a_rogue_key_needs_a_proof_that_nobody_can_make,
    several_unknown_polynomials_name_all_their_dealers,
    errors_that_cancel_make_the_key_of_the_sum,
    polynomials_that_only_their_sum_is_known_of_make_its_key,
    different_answers_for_some_split_no_key,
);

const UNKNOWN: &str = "does not know the polynomial that it opened";

fn polynomial<C: Curve>(seed: u64) -> Polynomial<C> {
    Polynomial::random(Threshold::new(3).unwrap(), &mut ChaCha20Rng::seed_from_u64(seed))
}

/// Changes what is opened in round 2, whatever was committed to.
fn answering<C: Curve>(change: impl Fn(&mut Open) + Send + 'static) -> Script<C> {
    Script::sending(move |_, send| {
        if let Some(Message::Open(open)) = &mut send.broadcast {
            change(open);
        }
    })
}

/// Adds to the answer.
fn off_by<C: Curve>(error: C::Scalar) -> Script<C> {
    answering(move |open| {
        let right = C::scalar_from_bytes(&open.response).unwrap();
        open.response = C::scalar_to_bytes(&(right + error));
    })
}

fn one<C: Curve>() -> C::Scalar {
    C::Scalar::from(1)
}

fn a_wrong_proof_of_knowledge_convicts_its_dealer<C: Curve>() {
    // A nonce that is no point.
    let changes: [fn(&mut Open); 4] = [
        |open| open.nonce.clear(),
        |open| {
            open.nonce.pop();
        },
        |open| open.nonce.push(0),
        |open| open.nonce.fill(0xFF),
    ];
    for change in changes {
        all_convict::<C>(2, UNKNOWN, || Script::opening(move |_, open| change(open)));
    }
    // An answer that is no scalar, one bit off at the low end of either byte order, or of nobody.
    let changes: [fn(&mut Open); 4] = [
        |open| open.response.fill(0xFF),
        |open| open.response[0] ^= 1,
        |open| open.response[31] ^= 1,
        |open| open.response.fill(0),
    ];
    for change in changes {
        all_convict::<C>(2, UNKNOWN, || answering(change));
    }
    all_convict::<C>(2, UNKNOWN, || off_by(one::<C>()));
    // A nonce that was not used.
    all_convict::<C>(2, UNKNOWN, || {
        Script::opening(|_, open| {
            open.nonce = ProofNonce::<C>::generate(&mut ChaCha20Rng::seed_from_u64(1)).point().to_vec();
        })
    });
}

/// The challenge is of this session and of the commitments of all, among them one's own.
fn an_answer_to_another_challenge_convicts_its_dealer<C: Curve>() {
    all_convict::<C>(2, UNKNOWN, || Script {
        challenge: Box::new(|_, _| Challenge::from_wide(&[1; 64])),
        ..Script::honest()
    });
    all_convict::<C>(2, UNKNOWN, || Script {
        challenge: Box::new(|_, commits| {
            let another: SessionId = borsh::from_slice(&[1; 32]).unwrap();
            challenge(&another, &commits)
        }),
        ..Script::honest()
    });
    for index in 1..=5 {
        all_convict::<C>(2, UNKNOWN, || Script {
            challenge: Box::new(move |context, mut commits| {
                commits.get_mut(&party(index)).unwrap().opening[0] ^= 1;
                challenge(&context.session(), &commits)
            }),
            ..Script::honest()
        });
        all_convict::<C>(2, UNKNOWN, || Script {
            challenge: Box::new(move |context, mut commits| {
                commits.remove(&party(index));
                challenge(&context.session(), &commits)
            }),
            ..Script::honest()
        });
    }
}

/// Party 4 repeats what party 2 commits to and opens, nonce and answer included.
fn the_opening_of_another_party_cannot_be_repeated<C: Curve>() {
    let nonce = || Some(ProofNonce::generate(&mut ChaCha20Rng::seed_from_u64(12)));
    for seed in 0..3 {
        let stolen = Arc::new(Mutex::new(None));
        let (noted, copied) = (Arc::clone(&stolen), Arc::clone(&stolen));
        let victim = Script::<C> {
            polynomial: Some(polynomial(11)),
            nonce: nonce(),
            ..Script::opening(move |context, open| {
                let digest = opening_digest(&context.session(), context.me(), open);
                *noted.lock().unwrap() = Some((digest, open.clone()));
            })
        };
        let thief = Script::<C> {
            polynomial: Some(polynomial(11)),
            nonce: nonce(),
            open: Box::new(move |_, open| *open = stolen.lock().unwrap().clone().unwrap().1),
            ..Script::sending(move |_, send| {
                if let Some(Message::Commit(commit)) = &mut send.broadcast {
                    commit.opening = copied.lock().unwrap().clone().unwrap().0;
                }
            })
        };
        let outcomes = run::<C>(seed, [(2, victim), (4, thief)]);
        for honest in [1, 3, 5] {
            let finding = outcomes.convicts(party(honest), party(4));
            assert_eq!(finding, "opened something else than it committed to");
        }
    }
}

/// A constant that takes away what another party contributed: C − A for a known C.
fn a_rogue_key_needs_a_proof_that_nobody_can_make<C: Curve>() {
    for seed in 0..3 {
        let victim = Script::<C> { polynomial: Some(polynomial(11)), ..Script::honest() };
        let rogue = Script::<C> {
            polynomial: Some(polynomial(12)),
            ..Script::opening(|_, open| {
                let theirs = Commitment::<C>::of(&polynomial(11)).to_bytes();
                shift::<C>(open, |constant| constant - point::<C>(&theirs));
            })
        };
        let outcomes = run::<C>(seed, [(2, victim), (4, rogue)]);
        for honest in [1, 3, 5] {
            assert_eq!(outcomes.convicts(party(honest), party(4)), UNKNOWN);
        }
    }
}

fn point<C: Curve>(bytes: &[u8]) -> C::Point {
    C::decode_uncleared(&bytes[..C::POINT_BYTES]).unwrap()
}

/// Changes the constant that is committed to.
fn shift<C: Curve>(open: &mut Open, change: impl Fn(C::Point) -> C::Point) {
    let constant = C::encode(&change(point::<C>(&open.coefficients)));
    open.coefficients[..C::POINT_BYTES].copy_from_slice(&constant);
}

fn several_unknown_polynomials_name_all_their_dealers<C: Curve>() {
    let outcomes = run::<C>(1, [(2, off_by(one::<C>())), (5, off_by(one::<C>()))]);
    let culprits = [1, 3, 4].map(|honest| match &outcomes.0[&party(honest)] {
        Outcome::Aborted(abort @ Abort::Proven { evidence }) => {
            assert!(evidence.iter().all(|piece| piece.judge::<Keygen<C>>().is_ok()));
            abort.culprits()
        }
        other => panic!("{other:?}"),
    });
    // Who is shown evidence against one, before it came to its own check, has that.
    let both = [2, 5].map(party);
    assert!(culprits.iter().any(|culprits| *culprits == both));
    assert!(culprits.iter().flatten().all(|culprit| both.contains(culprit)));
}

/// All have one key, and any three of them its private side.
fn makes_a_key<C: Curve>(outcomes: Outcomes<Keygen<C>>) {
    let shares: Vec<KeyShare> = outcomes.results().into_values().collect();
    let public = shares[0].public();
    assert!(shares.iter().all(|share| share.public() == public));
    for first in 0..5 {
        let signers: Vec<_> = shares.iter().cycle().skip(first).take(3).collect();
        assert!(is_private_key::<C>(&rebuild::<C>(&signers), public));
    }
}

/// Neither of the two has proven anything, and there is nothing to notice: their sum is known, and nothing else of them
/// is used.
fn errors_that_cancel_make_the_key_of_the_sum<C: Curve>() {
    for seed in 0..3 {
        makes_a_key(run::<C>(seed, [(2, off_by(one::<C>())), (3, off_by(-one::<C>()))]));
    }
}

/// One adds a point to its constant of which nobody knows the logarithm, the other takes it away. Any single share of
/// theirs is wrong; the sums are right.
fn polynomials_that_only_their_sum_is_known_of_make_its_key<C: Curve>() {
    let unknown = || point::<C>(&Commitment::<C>::of(&polynomial(20)).to_bytes());
    let plus = || Script::<C>::opening(move |_, open| shift::<C>(open, |constant| constant + unknown()));
    let minus = || Script::<C>::opening(move |_, open| shift::<C>(open, |constant| constant - unknown()));
    for seed in 0..3 {
        makes_a_key(run::<C>(seed, [(2, plus()), (3, minus())]));
    }
    // Alone, neither gets away with it.
    all_convict::<C>(2, UNKNOWN, plus);
    all_convict::<C>(2, UNKNOWN, minus);
}

/// The answer is not committed to. Who gives several answers, which cancel for each recipient, is found out by the
/// digests of round 2.
fn different_answers_for_some_split_no_key<C: Curve>() {
    for seed in 0..4 {
        let cast = five();
        let mut simulation = simulation::<C>(&cast, seed);
        for (cheater, error) in [(2, one::<C>()), (3, -one::<C>())] {
            simulation.replace::<Dealer<C>>(party(cheater), (), Script::honest());
            crate::equivocation::tell(&mut simulation, cheater, 2, move |to: PartyIndex, message| {
                if let Message::Open(open) = message
                    && to >= party(4)
                {
                    let right = C::scalar_from_bytes(&open.response).unwrap();
                    open.response = C::scalar_to_bytes(&(right + error));
                }
            });
        }
        let outcomes = simulation.run();
        for honest in [1, 4, 5].map(party) {
            match &outcomes.0[&honest] {
                Outcome::Aborted(abort @ Abort::Proven { .. }) => {
                    assert!(abort.culprits().iter().all(|culprit| [2, 3].map(party).contains(culprit)));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
