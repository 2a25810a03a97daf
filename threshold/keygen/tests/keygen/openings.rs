//! Openings that are not what was committed to, or are no coefficients.

use std::sync::{Arc, Mutex};

use ff::Field;
use quorate_keygen::{Message, Open};
use quorate_session::Abort;
use quorate_sharing::{Commitment, Curve, Polynomial, ProofNonce, Threshold, lagrange_at_zero};
use quorate_simulator::Outcome;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::cast::{all_convict, five, party, simulation};
use crate::dealer::{Dealer, Script, challenge};
use crate::drive::contexts;
use crate::on_every_curve;

on_every_curve!(
    what_is_opened_must_be_what_was_committed_to,
    a_vector_of_another_length_convicts_its_dealer,
    a_constant_of_zero_convicts_its_dealer,
    coefficients_that_are_no_points_convict_their_dealer,
    a_sum_of_zero_is_nobodys_key,
);

fn threshold(signers: u16) -> Threshold {
    Threshold::new(signers).unwrap()
}

/// A commitment to a polynomial that the dealer knows, and the point of a nonce.
fn deal<C: Curve>(polynomial: &Polynomial<C>) -> Open {
    let nonce = ProofNonce::<C>::generate(&mut ChaCha20Rng::seed_from_u64(9)).point().to_vec();
    let coefficients = Commitment::of(polynomial).to_bytes();
    Open { coefficients, chain_code: [3; 32], nonce, response: [0; 32] }
}

const ANOTHER: &str = "opened something else than it committed to";

fn what_is_opened_must_be_what_was_committed_to<C: Curve>() {
    let changes: [fn(&mut Open); 5] = [
        |open| open.coefficients[5] ^= 1,
        |open| open.coefficients.extend([0; 33]),
        |open| open.chain_code[0] ^= 1,
        |open| open.nonce[5] ^= 1,
        |open| open.nonce.clear(),
    ];
    for change in changes {
        all_convict::<C>(2, ANOTHER, || {
            Script::sending(move |_, send| {
                if let Some(Message::Open(open)) = &mut send.broadcast {
                    change(open);
                }
            })
        });
    }
    // Another nonce, with an answer that fits it.
    all_convict::<C>(2, ANOTHER, || {
        let polynomial = || Polynomial::<C>::random(threshold(3), &mut ChaCha20Rng::seed_from_u64(1));
        let nonce = || ProofNonce::<C>::generate(&mut ChaCha20Rng::seed_from_u64(2));
        let answer = Arc::new(Mutex::new([0; 32]));
        let noted = Arc::clone(&answer);
        Script {
            polynomial: Some(polynomial()),
            challenge: Box::new(move |context, commits| {
                let challenge = challenge(&context.session(), &commits);
                *noted.lock().unwrap() = nonce().prove(&challenge, &polynomial());
                challenge
            }),
            ..Script::sending(move |_, send| {
                if let Some(Message::Open(open)) = &mut send.broadcast {
                    open.nonce = nonce().point().to_vec();
                    open.response = *answer.lock().unwrap();
                }
            })
        }
    });
    // A whole other dealing, valid in itself.
    all_convict::<C>(2, ANOTHER, || {
        Script::sending(|_, send| {
            if let Some(Message::Open(open)) = &mut send.broadcast {
                *open = deal(&Polynomial::<C>::random(threshold(3), &mut ChaCha20Rng::seed_from_u64(1)));
            }
        })
    });
}

const INVALID: &str = "opened an invalid vector of coefficients";

/// The vector that is longer than the threshold, with shares and an answer that fit it.
fn a_vector_of_another_length_convicts_its_dealer<C: Curve>() {
    for signers in [2, 4] {
        all_convict::<C>(2, INVALID, || {
            let polynomial = Polynomial::random(threshold(signers), &mut ChaCha20Rng::seed_from_u64(7));
            Script { polynomial: Some(polynomial), ..Script::honest() }
        });
    }
    all_convict::<C>(2, INVALID, || Script::opening(|_, open| open.coefficients.clear()));
    all_convict::<C>(2, INVALID, || {
        Script::opening(|_, open| {
            open.coefficients.pop();
        })
    });
}

fn a_constant_of_zero_convicts_its_dealer<C: Curve>() {
    all_convict::<C>(2, INVALID, || {
        let polynomial =
            Polynomial::with_constant(&C::Scalar::ZERO, threshold(3), &mut ChaCha20Rng::seed_from_u64(5));
        Script { polynomial: Some(polynomial), ..Script::honest() }
    });
}

fn coefficients_that_are_no_points_convict_their_dealer<C: Curve>() {
    for position in 0..3 {
        all_convict::<C>(2, INVALID, || {
            Script::opening(move |_, open| {
                open.coefficients[position * C::POINT_BYTES..][..C::POINT_BYTES].fill(0xFF);
            })
        });
    }
}

/// Only who knows what all others dealt can choose its constant so. It can be proven of nobody.
fn a_sum_of_zero_is_nobodys_key<C: Curve>() {
    let cast = five();
    let known = |index: u64| Polynomial::<C>::random(threshold(3), &mut ChaCha20Rng::seed_from_u64(index));
    // Party 1 is honest and the first to draw from the randomness of the simulation.
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    contexts::<C>(&cast, 0, &mut rng);
    let honest = Polynomial::<C>::random(threshold(3), &mut rng);
    let parties = [1, 2, 3].map(party);
    let constant = |polynomial: &Polynomial<C>| {
        let terms =
            parties.map(|index| lagrange_at_zero::<C>(index, &parties).unwrap() * polynomial.evaluate(index));
        terms.into_iter().fold(C::Scalar::ZERO, |sum, term| sum + term)
    };
    let others = [honest, known(2), known(3), known(4)].map(|polynomial| constant(&polynomial));
    let rest = others.into_iter().fold(C::Scalar::ZERO, |rest, constant| rest - constant);
    let mut simulation = simulation::<C>(&cast, 1);
    for index in 2..=4 {
        let script = Script { polynomial: Some(known(index.into())), ..Script::honest() };
        simulation.replace::<Dealer<C>>(party(index), (), script);
    }
    let last = Polynomial::with_constant(&rest, threshold(3), &mut ChaCha20Rng::seed_from_u64(5));
    simulation.replace::<Dealer<C>>(party(5), (), Script { polynomial: Some(last), ..Script::honest() });
    match &simulation.run().0[&party(1)] {
        Outcome::Aborted(Abort::Unattributed { reason }) => assert!(reason.contains("identity")),
        other => panic!("{other:?}"),
    }
}
