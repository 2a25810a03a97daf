//! Whoever cheats at one point is convicted of just that by everybody, and nobody else is.

use borsh::BorshDeserialize;
use ff::Field;
use quorate_dealing::{Dealing, Plan, Purpose};
use quorate_keys::Secret;
use quorate_reshare::{Complaint, Message, NewShares, Renewed, Reshare, Setup};
use quorate_session::{
    Agreement, Envelope, Header, Kind, Outgoing, Part, Protocol, SessionContext, SetupError,
};
use quorate_sharing::{
    Curve, Disclosure, Ed25519, KeyShare, PartyIndex, Polynomial, PublicShares, Threshold,
};
use quorate_simulator::{Faults, Outcome, Outcomes, Simulation};
use rand_core::CryptoRngCore;

use crate::group::{Change, Shares, cast, key, party, public};
use crate::on_every_curve;

on_every_curve!(
    who_deals_something_else_than_its_share_is_convicted,
    who_deals_a_polynomial_of_another_degree_is_convicted,
    who_sends_a_wrong_share_is_convicted,
    who_acknowledges_without_its_share_is_convicted,
);

/// Four of five deal, one of them leaves, and two come.
pub(crate) const CHANGE: Change<'_> =
    Change { dealers: &[1, 2, 3, 4], receivers: &[2, 3, 4, 6, 7], signers: 3 };

/// Deals whatever it likes.
struct Constant;
/// Deals with a degree of its own.
struct Degree<const MORE: i16>;

macro_rules! deals {
    ($liar:ty, [$($generics:tt)*], $deal:expr) => {
        impl<C: Curve, $($generics)*> Purpose<C> for $liar {
            const NAME: &'static str = "reshare";
            const VERSION: u16 = 1;
            type Setup = Setup;
            type Secret = Option<KeyShare>;
            type Held = Renewed;

            fn plan(agreement: &Agreement, setup: &Setup) -> Result<Plan, SetupError> {
                <NewShares as Purpose<C>>::plan(agreement, setup)
            }

            fn polynomial(
                plan: &Plan,
                context: &SessionContext,
                setup: &Setup,
                secret: Option<KeyShare>,
                rng: &mut dyn CryptoRngCore,
            ) -> Result<Option<Polynomial<C>>, SetupError> {
                let honest =
                    <NewShares as Purpose<C>>::polynomial(plan, context, setup, secret, rng)?;
                Ok(honest.map(|honest: Polynomial<C>| $deal(honest, plan.receivers().threshold(), rng)))
            }

            fn held(public: PublicShares, share: Option<(PartyIndex, Secret<[u8; 32]>)>) -> Option<Renewed> {
                <NewShares as Purpose<C>>::held(public, share)
            }
        }
    };
}

deals!(Constant, [], |_, threshold, rng| Polynomial::random(threshold, rng));
deals!(Degree<MORE>, [const MORE: i16], |honest: Polynomial<C>, threshold: Threshold, rng| {
    // The right constant.
    let share = |index| honest.share(PartyIndex::new(index).unwrap());
    let indices: Vec<_> = (1..=threshold.get()).map(|index| PartyIndex::new(index).unwrap()).collect();
    let constant = indices.iter().fold(C::Scalar::ZERO, |sum, index| {
        let weight = quorate_sharing::lagrange_at_zero::<C>(*index, &indices).unwrap();
        sum + weight * share(index.get()).expose()
    });
    let degree = Threshold::new(threshold.get().saturating_add_signed(MORE)).unwrap();
    Polynomial::with_constant(&constant, degree, rng)
});

fn old<C: Curve>() -> Shares {
    key::<C>(&cast(), 3, &[1, 2, 3, 4, 5])
}

/// Runs the change with one party that runs another protocol.
fn with<C: Curve, L>(cheater: u16, seed: u64) -> Outcomes<Reshare<C>>
where
    L: Protocol<Setup = Setup, Secret = Option<KeyShare>, Output = Renewed> + 'static,
{
    let (cast, old) = (cast(), old::<C>());
    let mut simulation = CHANGE.simulation::<C>(&cast, &old, seed);
    let secret = CHANGE.secret(&old, party(cheater));
    simulation.replace::<L>(party(cheater), CHANGE.setup(&old), secret);
    simulation.run()
}

/// Runs the change with one party that says something else.
pub(crate) fn saying<C: Curve>(
    cheater: u16,
    seed: u64,
    say: impl FnMut(u8, &mut Outgoing<Message>) + Send + 'static,
) -> Outcomes<Reshare<C>> {
    let (cast, old) = (cast(), old::<C>());
    let mut simulation = CHANGE.simulation::<C>(&cast, &old, seed);
    cheat(&mut simulation, &old, cheater, say);
    simulation.run()
}

fn cheat<C: Curve>(
    simulation: &mut Simulation<'_, Reshare<C>>,
    old: &Shares,
    cheater: u16,
    say: impl FnMut(u8, &mut Outgoing<Message>) + Send + 'static,
) {
    let secret = CHANGE.secret(old, party(cheater));
    simulation.cheat(party(cheater), &CHANGE.setup(old), secret, Box::new(say));
}

fn convicted<C: Curve>(outcomes: &Outcomes<Reshare<C>>, cheater: u16, finding: &str) {
    assert_eq!(outcomes.all_convict(party(cheater)), finding);
}

/// One deals something else than its share.
pub(crate) fn with_constant<C: Curve>(cheater: u16, seed: u64) -> Outcomes<Reshare<C>> {
    with::<C, Dealing<C, Constant>>(cheater, seed)
}

fn who_deals_something_else_than_its_share_is_convicted<C: Curve>() {
    for (cheater, seed) in [(1, 0), (2, 1), (4, 2)] {
        let outcomes = with_constant::<C>(cheater, seed);
        convicted(&outcomes, cheater, "dealt something else than its share of the key");
    }
}

fn who_deals_a_polynomial_of_another_degree_is_convicted<C: Curve>() {
    let finding = "opened an invalid vector of coefficients";
    convicted(&with::<C, Dealing<C, Degree<1>>>(1, 0), 1, finding);
    convicted(&with::<C, Dealing<C, Degree<-1>>>(3, 1), 3, finding);
}

fn who_sends_a_wrong_share_is_convicted<C: Curve>() {
    for (cheater, victim) in [(1, 6), (1, 2), (3, 7)] {
        let outcomes = saying::<C>(cheater, 1, move |_, send| {
            if let Some(Message::Share(sealed)) = send.direct.get_mut(&party(victim)) {
                sealed[7] ^= 1;
            }
        });
        convicted(&outcomes, cheater, &format!("sent party {victim} a wrong share"));
    }
}

fn who_acknowledges_without_its_share_is_convicted<C: Curve>() {
    for cheater in [2, 6] {
        let wrong = C::scalar_to_bytes(&C::Scalar::from(99));
        let outcomes = saying::<C>(cheater, 1, move |_, send| {
            if let Some(Message::Known(known)) = &mut send.broadcast {
                known.response = wrong;
            }
        });
        convicted(&outcomes, cheater, "does not know the share that it acknowledged");
    }
}

/// A complaint with a delivery that nobody signed.
fn false_complaint(context: &SessionContext, accused: u16) -> Complaint {
    let header = Header {
        session: context.session(),
        epoch: context.agreement().epoch(),
        attempt: context.agreement().proposal().attempt,
        sender: party(accused),
        recipient: Some(context.me()),
        kind: Kind::Round,
        round: 2,
        echo: None,
    };
    let unsigned = (header, Part::Whole(vec![1]), Part::Whole(vec![2]), [0_u8; 64]);
    let envelope = Envelope::try_from_slice(&borsh::to_vec(&unsigned).unwrap()).unwrap();
    Complaint { accused: party(accused), envelope, disclosure: Disclosure::try_from_slice(&[1; 96]).unwrap() }
}

#[test]
fn a_complaint_about_nothing_convicts_its_author() {
    for (cheater, accused) in [(6, 1), (2, 3), (7, 6), (4, 4)] {
        let (cast, old) = (cast(), old::<Ed25519>());
        let mut simulation = CHANGE.simulation::<Ed25519>(&cast, &old, 1);
        let complaint = false_complaint(simulation.context(party(cheater)), accused);
        cheat(&mut simulation, &old, cheater, move |round, send| {
            if round == 3 {
                *send = Outgoing::broadcast(Message::Complaint(Box::new(complaint.clone())));
            }
        });
        convicted(&simulation.run(), cheater, "complained about a share that is right");
    }
}

#[test]
fn everybody_says_what_is_for_it_to_say() {
    type Say = fn(u8, &mut Outgoing<Message>);
    let opening: Say = |round, send| {
        if let (1, Some(Message::Commit(commit))) = (round, &mut send.broadcast) {
            commit.opening = [1; 32];
        }
    };
    let nothing: Say = |round, send| {
        if round == 2 {
            send.broadcast = Some(Message::Nothing);
        }
    };
    let no_shares: Say = |round, send| {
        if round == 2 {
            send.direct.remove(&party(6));
        }
    };
    let share_for_who_leaves: Say = |round, send| {
        if round == 2 {
            send.direct.insert(party(1), Message::Share(vec![0; 48]));
        }
    };
    let share_of_a_newcomer: Say = |round, send| {
        if round == 2 {
            send.direct.insert(party(2), Message::Share(vec![0; 48]));
        }
    };
    let ready: Say = |_, send| {
        if let Some(Message::Known(known)) = &send.broadcast {
            send.broadcast = Some(Message::Ready(known.key));
        }
    };
    let other_key: Say = |_, send| match &mut send.broadcast {
        Some(Message::Known(known)) => known.key = [1; 32],
        Some(Message::Ready(key)) => *key = [1; 32],
        _ => {}
    };
    let no_keys: Say = |_, send| {
        if let Some(Message::Commit(commit)) = &mut send.broadcast {
            commit.facing.pop();
        }
    };
    let bad_keys: Say = |_, send| {
        if let Some(Message::Commit(commit)) = &mut send.broadcast {
            commit.facing.iter_mut().for_each(|key| *key = [0xFF; 32]);
        }
    };
    let wrong_proof: Say = |_, send| {
        if let Some(Message::Open(open)) = &mut send.broadcast {
            open.response = [0; 32];
        }
    };
    let in_round = |round| format!("sent an unexpected message in round {round}");
    let rows = [
        ("a dealer opens nothing", 1, nothing, in_round(2)),
        ("a newcomer lacks its share", 3, no_shares, in_round(2)),
        ("who leaves is sent a share", 2, share_for_who_leaves, in_round(2)),
        ("a newcomer sends a share", 6, share_of_a_newcomer, in_round(2)),
        ("a receiver proves nothing", 7, ready, in_round(3)),
        (
            "a receiver acknowledges another key",
            3,
            other_key,
            "acknowledged another key than the one that was opened".into(),
        ),
        (
            "who leaves acknowledges another key",
            1,
            other_key,
            "acknowledged another key than the one that was opened".into(),
        ),
        ("a key too few", 1, no_keys, "sent invalid facing keys".into()),
        ("a newcomer's keys too few", 7, no_keys, "sent invalid facing keys".into()),
        ("no keys", 2, bad_keys, "sent invalid facing keys".into()),
        ("another commitment", 4, opening, "opened something else than it committed to".into()),
        ("a wrong proof", 3, wrong_proof, "does not know the polynomial that it opened".into()),
    ];
    for (what, cheater, say, finding) in rows {
        let outcomes = saying::<Ed25519>(cheater, 1, say);
        // Those who see it convict, and show it to all others; nobody has a result.
        let accusers = outcomes.0.keys().filter(|index| **index != party(cheater));
        let convicting = accusers.filter(|index| match &outcomes.0[index] {
            Outcome::Aborted(abort) => abort.is_proven(),
            _ => false,
        });
        let convicting: Vec<_> = convicting.copied().collect();
        assert!(!convicting.is_empty(), "{what}");
        for index in convicting {
            assert_eq!(outcomes.convicts(index, party(cheater)), finding, "{what}, before {index}");
        }
    }
}

#[test]
fn who_leaves_has_nothing_to_complain_about() {
    let (cast, old) = (cast(), old::<Ed25519>());
    let mut simulation = CHANGE.simulation::<Ed25519>(&cast, &old, 1);
    let complaint = false_complaint(simulation.context(party(1)), 2);
    cheat(&mut simulation, &old, 1, move |round, send| {
        if round == 3 {
            *send = Outgoing::broadcast(Message::Complaint(Box::new(complaint.clone())));
        }
    });
    convicted(&simulation.run(), 1, "sent an unexpected message in round 3");
}

#[test]
fn nobody_has_a_result_unless_everybody_has_stored_its_share() {
    let (cast, old) = (cast(), old::<Ed25519>());
    let expected = crate::group::secret::<Ed25519>(&old);
    for crashed in [1, 3, 6] {
        for after in 0..30 {
            let mut simulation = CHANGE.simulation::<Ed25519>(&cast, &old, after as u64);
            simulation.faults(Faults { duplicate_per_mille: 100, drop_per_mille: 100 });
            simulation.crash(party(crashed), after);
            let Outcomes(outcomes) = simulation.run();
            let done: Shares = outcomes
                .into_iter()
                .filter_map(|(index, outcome)| match outcome {
                    Outcome::Done(Renewed::Share(share)) => Some((index, share)),
                    _ => None,
                })
                .collect();
            if done.len() >= 3 {
                assert_eq!(crate::group::secret::<Ed25519>(&done), expected);
                assert_eq!(public(&done).epoch, 1);
            }
        }
    }
}
