//! Guesses at what a peer hides: right ones pass, and the first that is wrong is the last.

use std::sync::Arc;

use quorate_dkls23::pairs::{Pairs, SharedPairs};
use quorate_dkls23::presign::PresignSecret;
use quorate_dkls23::sign::{Sign, SignSetup};
use quorate_session::{Abort, Protocol, Wire, setup_digest};
use quorate_sharing::Secp256k1;
use quorate_simulator::{Outcome, Simulation, judges};

use crate::scene::{Scene, party, rng, task};

type C = Secp256k1;

const VICTIM: u16 = 1;
const CHEATER: u16 = 2;
const TREES: usize = 32;
const LEAVES: usize = 16;

/// Stored pairs of one peer: behind version, session, key, party, number and peer, the seeds that lack one in each tree (a name, which one, all), those
/// that lack none (a name, all), and 32 bytes.
const PUNCTURED: usize = 1 + 32 + 32 + 2 + 4 + 2;
const MISSING: usize = PUNCTURED + 32;
const WHOLE: usize = MISSING + TREES + TREES * LEAVES * 16 + 32;

fn stored(scene: &Scene<C>, index: u16) -> Vec<u8> {
    let bytes = scene.stored_pairs(party(index)).to_wire().unwrap();
    assert_eq!(bytes.len(), WHOLE + TREES * LEAVES * 16 + 32);
    bytes
}

fn shared(bytes: &[u8]) -> Arc<SharedPairs> {
    Arc::new(SharedPairs::new(Pairs::from_wire(bytes).unwrap(), []))
}

/// As the cheater uses them: with another seed in some of the trees. All that it makes of them is right but for who has the seed that was there.
fn guessing(own: &[u8], guesses: &[(usize, usize)]) -> Arc<SharedPairs> {
    let mut bytes = own.to_vec();
    for (tree, leaf) in guesses {
        bytes[WHOLE + (tree * LEAVES + leaf) * 16] ^= 1;
    }
    shared(&bytes)
}

fn signing<'a>(
    scene: &'a Scene<C>,
    setup: &SignSetup,
    victim: &Arc<SharedPairs>,
    cheater: &Arc<SharedPairs>,
) -> Simulation<'a, Sign<C>> {
    Simulation::new(&scene.cast, scene.cast.committee(), 1, setup, |index| {
        let pairs = Arc::clone(if index == party(VICTIM) { victim } else { cheater });
        PresignSecret { share: scene.share(index), pairs }
    })
}

#[test]
fn a_guess_at_the_seed_that_is_missing_passes_if_it_is_right_and_is_banned_for_good_if_not() {
    let scene = Scene::<C>::new(2, 2, 1);
    let setup = scene.sign_setup(VICTIM, &[task([7; 32], "m")]);
    let (own, theirs) = (stored(&scene, CHEATER), stored(&scene, VICTIM));
    let missing = |tree: usize| usize::from(theirs[MISSING + tree]);
    let told = format!("sent transfers or a multiplication to party {VICTIM} that fit no secrets");
    // Of one tree; and of a second beside one that was guessed right.
    let of_two = |leaf| vec![(9, missing(9)), (30, leaf)];
    let guesses = (0..LEAVES).flat_map(|leaf| [vec![(9, leaf)], of_two(leaf)]);
    let mut passed = 0;
    for guesses in guesses {
        let (victim, cheater) = (shared(&theirs), guessing(&own, &guesses));
        let is_right = guesses.iter().all(|(tree, leaf)| *leaf == missing(*tree));
        let mut outcomes = signing(&scene, &setup, &victim, &cheater).run();
        assert_eq!(victim.is_caught(party(CHEATER)), !is_right, "{guesses:?}");
        assert!(!cheater.is_caught(party(VICTIM)));
        if is_right {
            let made = crate::scene::made(outcomes.results(), party(VICTIM));
            judges::agree(&made[0].public_key, &[7; 32], &made[0].signature);
            passed += 1;
            continue;
        }
        let Some(Outcome::Aborted(Abort::Witnessed { parties, reason, lasting })) =
            outcomes.0.remove(&party(VICTIM))
        else {
            panic!("the victim names nobody: {outcomes:?}")
        };
        assert_eq!((&*parties, &*lasting), (&[party(CHEATER)][..], &[party(CHEATER)][..]));
        assert_eq!(reason, told);
        assert!(
            matches!(&outcomes.0[&party(CHEATER)], Outcome::Aborted(Abort::Withdrawn { over, .. }) if *over == parties),
            "{outcomes:?}"
        );
    }
    assert_eq!(passed, 2, "one of 16");
}

#[test]
fn after_a_wrong_guess_there_is_no_other_not_even_a_right_one() {
    let scene = Scene::<C>::new(2, 2, 1);
    let setup = scene.sign_setup(VICTIM, &[task([7; 32], "m")]);
    let (own, theirs) = (stored(&scene, CHEATER), stored(&scene, VICTIM));
    let missing = usize::from(theirs[MISSING]);
    let victim = shared(&theirs);
    let right = guessing(&own, &[(0, missing)]);
    assert_eq!(signing(&scene, &setup, &victim, &right).run().results().len(), 2);
    let wrong = guessing(&own, &[(0, (missing + 1) % LEAVES)]);
    let outcomes = signing(&scene, &setup, &victim, &wrong).run();
    assert!(matches!(outcomes.0[&party(VICTIM)], Outcome::Aborted(Abort::Witnessed { .. })), "{outcomes:?}");
    let digest = setup_digest(&setup.to_wire().unwrap());
    let rng = &mut rng(2);
    let contexts = scene.cast.agree(scene.cast.committee(), Sign::<C>::ID, digest, 0, rng);
    let secret = PresignSecret { share: scene.share(party(VICTIM)), pairs: victim };
    let Err(refused) = Sign::<C>::start(Arc::clone(&contexts[&party(VICTIM)]), setup, secret, rng) else {
        panic!("it starts")
    };
    assert!(refused.to_string().contains("party 2 was caught cheating"), "{refused}");
}
