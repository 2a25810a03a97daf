//! Openings that are not what was committed to, are no coefficients, or are not known to who opens them.

use std::sync::{Arc, Mutex};

use ff::Field;
use quorate_keygen::{Message, Open};
use quorate_session::{Abort, SessionContext};
use quorate_sharing::{Commitment, Curve, KnowledgeProof, Polynomial, Threshold, lagrange_at_zero};
use quorate_simulator::Outcome;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::cast::{all_convict, five, party, run, simulation};
use crate::dealer::{Dealer, Script, proof_binding};
use crate::drive::contexts;
use crate::on_every_curve;

on_every_curve!(
    what_is_opened_must_be_what_was_committed_to,
    a_vector_of_another_length_convicts_its_dealer,
    a_constant_of_zero_convicts_its_dealer,
    coefficients_that_are_no_points_convict_their_dealer,
    a_wrong_proof_of_knowledge_convicts_its_dealer,
    the_dealing_of_another_party_cannot_be_replayed,
    a_rogue_key_needs_a_proof_that_nobody_can_make,
    several_unknown_polynomials_name_all_their_dealers,
    a_sum_of_zero_is_nobodys_key,
);

fn threshold(signers: u16) -> Threshold {
    Threshold::new(signers).unwrap()
}

/// A commitment to a polynomial that the dealer knows, with a proof that holds.
fn deal<C: Curve>(context: &SessionContext, polynomial: &Polynomial<C>) -> Open {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let commitment = Commitment::of(polynomial);
    let binding = proof_binding(&context.session(), context.me());
    let proof = KnowledgeProof::prove(&binding, polynomial, &commitment, &mut rng);
    Open { coefficients: commitment.to_bytes(), chain_code: [3; 32], proof: proof.to_bytes() }
}

fn what_is_opened_must_be_what_was_committed_to<C: Curve>() {
    let changes: [fn(&mut Open); 4] = [
        |open| open.coefficients[5] ^= 1,
        |open| open.coefficients.extend([0; 33]),
        |open| open.chain_code[0] ^= 1,
        |open| open.proof[40] ^= 1,
    ];
    for change in changes {
        all_convict::<C>(2, "opened something else than it committed to", || {
            Script::sending(move |_, send| {
                if let Some(Message::Open(open)) = &mut send.broadcast {
                    change(open);
                }
            })
        });
    }
    // A whole other dealing, valid in itself.
    all_convict::<C>(2, "opened something else than it committed to", || {
        let other = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&other);
        Script {
            open: Box::new(move |context, _| {
                let polynomial = Polynomial::<C>::random(threshold(3), &mut ChaCha20Rng::seed_from_u64(1));
                *noted.lock().unwrap() = Some(deal(context, &polynomial));
            }),
            ..Script::sending(move |_, send| {
                if let Some(Message::Open(open)) = &mut send.broadcast {
                    *open = other.lock().unwrap().take().unwrap();
                }
            })
        }
    });
}

const INVALID: &str = "opened an invalid vector of coefficients";

/// The vector that is longer than the threshold, with shares and a proof that fit it.
fn a_vector_of_another_length_convicts_its_dealer<C: Curve>() {
    for signers in [2, 4] {
        all_convict::<C>(2, INVALID, || {
            let polynomial =
                move || Polynomial::<C>::random(threshold(signers), &mut ChaCha20Rng::seed_from_u64(7));
            Script {
                polynomial: Some(polynomial()),
                ..Script::opening(move |context, open| *open = deal(context, &polynomial()))
            }
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

const UNKNOWN: &str = "does not know the polynomial that it opened";

fn a_wrong_proof_of_knowledge_convicts_its_dealer<C: Curve>() {
    let changes: [fn(&mut Open); 6] = [
        |open| open.proof.clear(),
        |open| {
            open.proof.pop();
        },
        |open| open.proof.push(0),
        |open| open.proof.fill(0xFF),
        // The response, one bit off, at the low end of either byte order.
        |open| *open.proof.last_mut().unwrap() ^= 1,
        |open| {
            let response = open.proof.len() - 32;
            open.proof[response] ^= 1;
        },
    ];
    for change in changes {
        all_convict::<C>(2, UNKNOWN, || Script::opening(move |_, open| change(open)));
    }
    // A proof for another session.
    all_convict::<C>(2, UNKNOWN, || {
        let polynomial = || Polynomial::<C>::random(threshold(3), &mut ChaCha20Rng::seed_from_u64(7));
        Script {
            polynomial: Some(polynomial()),
            ..Script::opening(move |_, open| {
                let commitment = Commitment::of(&polynomial());
                let mut rng = ChaCha20Rng::seed_from_u64(8);
                let proof = KnowledgeProof::prove(b"elsewhere", &polynomial(), &commitment, &mut rng);
                open.proof = proof.to_bytes();
            })
        }
    });
}

/// Party 2 knows what party 4 will open before it must commit, and opens the same.
fn the_dealing_of_another_party_cannot_be_replayed<C: Curve>() {
    let polynomial = || Polynomial::<C>::random(threshold(3), &mut ChaCha20Rng::seed_from_u64(11));
    for seed in 0..3 {
        let stolen = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&stolen);
        let victim = Script::<C> {
            polynomial: Some(polynomial()),
            ..Script::opening(move |_, open| *noted.lock().unwrap() = Some(open.clone()))
        };
        let thief = Script::<C> {
            polynomial: Some(polynomial()),
            ..Script::opening(move |_, open| *open = stolen.lock().unwrap().clone().unwrap())
        };
        let outcomes = run::<C>(seed, [(2, victim), (4, thief)]);
        for honest in [1, 3, 5] {
            assert_eq!(outcomes.convicts(party(honest), party(4)), UNKNOWN);
        }
    }
}

/// A constant that takes away what another party contributed: C − A for a known C.
fn a_rogue_key_needs_a_proof_that_nobody_can_make<C: Curve>() {
    let honest = || Polynomial::<C>::random(threshold(3), &mut ChaCha20Rng::seed_from_u64(11));
    let mine = || Polynomial::<C>::random(threshold(3), &mut ChaCha20Rng::seed_from_u64(12));
    for seed in 0..3 {
        let victim = Script::<C> { polynomial: Some(honest()), ..Script::honest() };
        let rogue = Script::<C> {
            polynomial: Some(mine()),
            ..Script::opening(move |context, open| {
                let point = |bytes: &[u8]| C::decode_uncleared(&bytes[..C::POINT_BYTES]).unwrap();
                let theirs = Commitment::of(&honest()).to_bytes();
                let ours = Commitment::of(&mine()).to_bytes();
                let constant = C::encode(&(point(&ours) - point(&theirs)));
                open.coefficients[..C::POINT_BYTES].copy_from_slice(&constant);
                let commitment = Commitment::from_bytes(&open.coefficients, threshold(3)).unwrap();
                let binding = proof_binding(&context.session(), context.me());
                let mut rng = ChaCha20Rng::seed_from_u64(13);
                open.proof = KnowledgeProof::prove(&binding, &mine(), &commitment, &mut rng).to_bytes();
            })
        };
        let outcomes = run::<C>(seed, [(2, victim), (4, rogue)]);
        for honest in [1, 3, 5] {
            assert_eq!(outcomes.convicts(party(honest), party(4)), UNKNOWN);
        }
    }
}

fn several_unknown_polynomials_name_all_their_dealers<C: Curve>() {
    let wrong = || Script::<C>::opening(|_, open| *open.proof.last_mut().unwrap() ^= 1);
    let outcomes = run::<C>(1, [(2, wrong()), (5, wrong())]);
    let culprits = [1, 3, 4].map(|honest| match &outcomes.0[&party(honest)] {
        Outcome::Aborted(abort @ Abort::Proven { .. }) => abort.culprits(),
        other => panic!("{other:?}"),
    });
    // Who is shown evidence against one, before it came to its own check, has that.
    let both = [2, 5].map(party);
    assert!(culprits.iter().any(|culprits| *culprits == both));
    assert!(culprits.iter().flatten().all(|culprit| both.contains(culprit)));
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
