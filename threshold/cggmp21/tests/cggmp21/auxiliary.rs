//! Auxiliary information: what comes out, and every way to cheat.

use quorate_cggmp21::auxiliary::{
    Auxiliary, AuxiliaryProtocol, Message, Open, Primes, PublicAuxiliary, Setup,
};
use quorate_paillier::{Sizes, test_keys};
use quorate_session::{Abort, Outgoing, Wire};
use quorate_sharing::PartyIndex;
use quorate_simulator::{Cast, Faults, Outcome, Outcomes, Rewrite, Simulation};

use crate::scene::party;

const CHEATER: u16 = 2;
const VICTIM: u16 = 3;

fn setup() -> Setup {
    Setup { sizes: Sizes::TEST.id() }
}

fn primes(index: PartyIndex) -> Primes {
    let [p, q] = test_keys::primes(Sizes::TEST, usize::from(index.get()) - 1);
    Primes::new(&p, &q)
}

fn simulation(cast: &Cast, seed: u64) -> Simulation<'_, AuxiliaryProtocol> {
    Simulation::new(cast, cast.committee(), seed, &setup(), primes)
}

fn with_cheat(
    round: u8,
    mut change: impl FnMut(&mut Outgoing<Message>) + Send + 'static,
) -> Outcomes<AuxiliaryProtocol> {
    let cast = Cast::new(2, 3, 1);
    let mut simulation = simulation(&cast, 1);
    let rewrite: Rewrite<Message> = Box::new(move |now, send| {
        if now == round {
            change(send);
        }
    });
    simulation.cheat(party(CHEATER), &setup(), primes(party(CHEATER)), rewrite);
    simulation.run()
}

fn opened(send: &mut Outgoing<Message>) -> &mut Open {
    match &mut send.broadcast {
        Some(Message::Open(open)) => open,
        _ => panic!("nothing opened"),
    }
}

#[test]
fn everybody_has_the_same_keys_of_all_and_its_own_secrets() {
    let cast = Cast::new(2, 4, 3);
    let mut simulation = simulation(&cast, 3);
    simulation.faults(Faults { duplicate_per_mille: 100, drop_per_mille: 100 });
    let results = simulation.run().results();
    let public = results[&party(1)].public();
    assert_eq!(public.keys.len(), 4);
    for (index, auxiliary) in &results {
        assert_eq!(auxiliary.public(), public);
        assert_eq!(*auxiliary.identity(), cast.identity(*index).identity());
        let stored = Auxiliary::from_wire(&auxiliary.to_wire().unwrap()).unwrap();
        assert_eq!(stored.public(), public);
        assert!(!format!("{auxiliary:?}").contains("lambda"));
    }
    let stored = PublicAuxiliary::from_wire(&public.to_wire().unwrap()).unwrap();
    assert_eq!(stored.digest(), public.digest());
}

#[test]
fn opening_something_else_convicts_its_author() {
    let changes: [fn(&mut Open); 5] = [
        |open| open.keys.number[5] ^= 1,
        |open| open.keys.s[5] ^= 1,
        |open| open.keys.t[5] ^= 1,
        |open| open.contribution[0] ^= 1,
        |open| open.blinding[0] ^= 1,
    ];
    for change in changes {
        let finding = with_cheat(2, move |send| change(opened(send))).all_convict(party(CHEATER));
        assert_eq!(finding, "opened something else than it committed to");
    }
}

#[test]
fn a_proof_that_is_wrong_for_one_party_convicts_its_author_before_all() {
    type Change = (u8, fn(&mut Message), &'static str);
    let changes: [Change; 3] = [
        (
            2,
            |message| {
                let Message::RingPedersen(proof) = message else { panic!("no proof") };
                proof[77] ^= 1;
            },
            "that its s is a power of its t",
        ),
        (
            3,
            |message| {
                let Message::Modulus(proofs) = message else { panic!("no proofs") };
                proofs.modulus[777] ^= 1;
            },
            "that its modulus is a product of two primes",
        ),
        (
            3,
            |message| {
                let Message::Modulus(proofs) = message else { panic!("no proofs") };
                proofs.factors[77] ^= 1;
            },
            "that the factors of its modulus are long",
        ),
    ];
    for (round, change, what) in changes {
        let outcomes = with_cheat(round, move |send| change(send.direct.get_mut(&party(VICTIM)).unwrap()));
        let finding = outcomes.all_convict(party(CHEATER));
        assert_eq!(finding, format!("did not prove to party {VICTIM} {what}"));
    }
}

#[test]
fn acknowledging_something_else_convicts_its_author() {
    let finding = with_cheat(4, |send| send.broadcast = Some(Message::Ready([1; 32])));
    let finding = finding.all_convict(party(CHEATER));
    assert_eq!(finding, "acknowledged other auxiliary information than what was opened");
}

#[test]
fn other_messages_than_a_round_has_convict_their_author() {
    for round in 1..=4 {
        let finding = with_cheat(round, move |send| {
            send.broadcast =
                Some(if round == 1 { Message::Ready([0; 32]) } else { Message::Commit([0; 32]) });
        });
        let expected = format!("sent an unexpected message in round {round}");
        assert_eq!(finding.all_convict(party(CHEATER)), expected);
    }
    for round in [2, 3] {
        let finding = with_cheat(round, |send| {
            let message = || Message::RingPedersen(vec![]);
            send.direct = [1, VICTIM].into_iter().map(|to| (party(to), message())).collect();
            send.broadcast = None;
        });
        let expected = format!("sent an unexpected message in round {round}");
        assert_eq!(finding.all_convict(party(CHEATER)), expected);
    }
}

/// A party that commits to keys that are none, so that the opening is right.
#[test]
fn keys_that_are_none_convict_their_author() {
    let changes: [fn(&mut Open); 7] = [
        |open| open.keys.number[0] &= !1,
        |open| open.keys.number.truncate(175),
        |open| open.keys.number.push(0),
        |open| open.keys.s.fill(0),
        |open| open.keys.t = open.keys.s.clone(),
        |open| open.keys.s.fill(0xFF),
        |open| open.keys.t.truncate(175),
    ];
    for change in changes {
        let outcomes = crate::committed::with_committed(change);
        let finding = outcomes.all_convict(party(CHEATER));
        assert_eq!(finding, "opened a modulus or parameters that are none");
    }
}

/// Who has another's modulus has it from another's disk: nobody can say which of the two.
#[test]
fn a_modulus_that_two_parties_have_is_refused() {
    let cast = Cast::new(2, 3, 1);
    let mut simulation =
        Simulation::<AuxiliaryProtocol>::new(&cast, cast.committee(), 1, &setup(), |index| {
            primes(if index == party(3) { party(1) } else { index })
        });
    simulation.faults(Faults::default());
    for outcome in simulation.run().0.into_values() {
        assert!(matches!(outcome, Outcome::Aborted(Abort::Unattributed { .. })), "{outcome:?}");
    }
}

#[test]
fn lengths_that_this_release_does_not_know_are_refused() {
    assert!(Sizes::from_id(2).is_none());
    let cast = Cast::new(2, 2, 1);
    let unknown = Setup { sizes: 9 };
    let refused = std::panic::catch_unwind(|| {
        let simulation = Simulation::<AuxiliaryProtocol>::new(&cast, cast.committee(), 1, &unknown, primes);
        drop(simulation);
    });
    assert!(refused.is_err());
}
