use std::collections::{BTreeMap, BTreeSet};

use quorate_keys::{ChainCode, GroupKey, Secret};
use quorate_oblivious::{TransferId, extension, vole};
use quorate_session::{Abort, Outgoing, Wire};
use quorate_sharing::{Commitment, Curve, PartyIndex, Polynomial, PublicShares, Secp256k1};
use quorate_simulator::{Cast, Faults, Outcome, Outcomes, Rewrite, Simulation};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{Begin, Grow, Message, Pairs, PairsProtocol, Setup};

type C = Secp256k1;

const BYSTANDER: u16 = 1;
const CHEATER: u16 = 2;
const VICTIM: u16 = 3;

fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

/// A key, as a dealer makes it.
fn setup(cast: &Cast) -> Setup {
    let committee = cast.committee();
    let polynomial = Polynomial::<C>::random(committee.threshold(), &mut ChaCha20Rng::seed_from_u64(5));
    let commitment = Commitment::of(&polynomial);
    let key = PublicShares {
        group_key: GroupKey::from_bytes(C::ID, &C::encode(&commitment.constant())).unwrap(),
        chain_code: ChainCode::new([6; 32]),
        epoch: 0,
        committee: committee.clone(),
        verifying_shares: commitment.verifying_shares(committee.indices()),
    };
    Setup { key }
}

fn simulation(cast: &Cast, seed: u64) -> Simulation<'_, PairsProtocol> {
    Simulation::new(cast, cast.committee(), seed, &setup(cast), |_| ())
}

/// Lets the two multiply, and gives whether the shares are right.
fn multiply(sender: &Pairs, receiver: &Pairs, rng: &mut ChaCha20Rng) -> bool {
    let id = TransferId::new("test", &[1; 32], 0, sender.party(), receiver.party());
    let (theirs, own) = (&receiver.pairs[&sender.party()], &sender.pairs[&receiver.party()]);
    let (received, extension) = extension::receive(&theirs.receiving, &id, rng);
    let Ok(sent) = extension::send(&own.sending, &id, &extension) else { return false };
    let factors = Secret::new([C::random_scalar(rng), C::random_scalar(rng)]);
    let (shares, message) = vole::send::<C>(sent, &factors, rng);
    let factor = vole::factor::<C>(&received);
    let other = vole::receive::<C>(received, &message).unwrap();
    let products = factors.expose().iter().zip(shares.expose()).zip(other.expose());
    products.into_iter().all(|((scalar, share), other)| *share + other == *scalar * *factor)
}

#[test]
fn every_pair_multiplies_both_ways_and_has_a_seed_of_its_own() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let cast = Cast::new(2, 4, 3);
    let mut simulation = simulation(&cast, 3);
    simulation.faults(Faults { duplicate_per_mille: 100, drop_per_mille: 100 });
    let made = simulation.run().results();
    let mut seeds = BTreeSet::new();
    for (index, own) in &made {
        assert_eq!(own.public(), made[&party(1)].public());
        assert_eq!(own.party(), *index);
        assert!(own.peers().eq(made.keys().copied().filter(|peer| peer != index)));
        let stored = Pairs::from_wire(&own.to_wire().unwrap()).unwrap();
        assert!(!format!("{stored:?}").contains("zero"));
        for peer in own.peers() {
            assert!(multiply(&stored, &made[&peer], &mut rng), "{index} with {peer}");
            assert_eq!(own.pairs[&peer].zero.expose(), made[&peer].pairs[index].zero.expose());
            seeds.insert(*own.pairs[&peer].zero.expose());
        }
    }
    assert_eq!(seeds.len(), 6, "one for each pair");
    // Who is not meant can't multiply.
    let stranger = &made[&party(3)];
    let mixed = Pairs {
        public: stranger.public.clone(),
        party: party(1),
        pairs: BTreeMap::from([(party(2), clone(&stranger.pairs[&party(2)]))]),
    };
    assert!(!multiply(&mixed, &made[&party(2)], &mut rng));
}

fn clone(pair: &super::Pair) -> super::Pair {
    borsh::from_slice(&borsh::to_vec(pair).unwrap()).unwrap()
}

#[test]
fn the_largest_pairs_fit_into_their_cap() {
    let cast = Cast::new(2, 2, 1);
    let made = simulation(&cast, 1).run().results();
    let one = made[&party(1)].to_wire().unwrap().len();
    assert!(one * 99 < Pairs::MAX_BYTES, "{one} bytes a pair");
}

/// What becomes of all when one party changes what it says to another in a round.
fn with_cheat(
    round: u8,
    change: impl FnMut(&mut Outgoing<Message>) + Send + 'static,
) -> Outcomes<PairsProtocol> {
    with_cheat_in(1, round, change)
}

/// The same with randomness of this seed.
fn with_cheat_in(
    seed: u64,
    round: u8,
    mut change: impl FnMut(&mut Outgoing<Message>) + Send + 'static,
) -> Outcomes<PairsProtocol> {
    let cast = Cast::new(2, 3, 1);
    let mut simulation = simulation(&cast, seed);
    let rewrite: Rewrite<Message> = Box::new(move |now, send| {
        if now == round {
            change(send);
        }
    });
    simulation.cheat(party(CHEATER), &setup(&cast), (), rewrite);
    simulation.run()
}

/// The victim names the cheater, and can't prove it; nobody else names anybody, though it may have come to its end before. What the victim says.
fn named(outcomes: &Outcomes<PairsProtocol>) -> String {
    let Some(Outcome::Aborted(Abort::Witnessed { parties, reason, lasting })) =
        outcomes.0.get(&party(VICTIM))
    else {
        panic!("the victim names nobody: {outcomes:?}")
    };
    assert_eq!(*parties, [party(CHEATER)]);
    assert!(lasting.is_empty(), "there is no pair yet that could be given up");
    match &outcomes.0[&party(BYSTANDER)] {
        // By the victim, or by another that it has told.
        Outcome::Aborted(Abort::Withdrawn { by, over }) => {
            assert!([party(CHEATER), party(VICTIM)].contains(by) && !over.contains(&party(BYSTANDER)));
        }
        Outcome::Done(_) => {}
        _ => panic!("it was not told: {outcomes:?}"),
    }
    reason.clone()
}

fn to_victim(send: &mut Outgoing<Message>) -> &mut Message {
    send.direct.get_mut(&party(VICTIM)).unwrap()
}

fn begun(send: &mut Outgoing<Message>) -> &mut Begin {
    let Message::Begin(begin) = to_victim(send) else { panic!("another round") };
    begin
}

fn grown(send: &mut Outgoing<Message>) -> &mut Grow {
    let Message::Grow(grow) = to_victim(send) else { panic!("another round") };
    grow
}

/// The same, with one byte changed.
fn changed<T: borsh::BorshSerialize + borsh::BorshDeserialize>(value: &T, place: usize) -> T {
    let mut bytes = borsh::to_vec(value).unwrap();
    bytes[place] ^= 1;
    borsh::from_slice(&bytes).unwrap()
}

#[test]
fn malformed_base_transfers_name_their_author() {
    let changes: [fn(&mut Begin); 5] = [
        // No point; too few; no offer; the identity; no facing key.
        |begin| {
            begin.choices = borsh::from_slice(&[&128_u32.to_le_bytes()[..], &[0xFF; 8192]].concat()).unwrap();
        },
        |begin| begin.choices = borsh::from_slice(&[0; 4]).unwrap(),
        |begin| begin.offer = borsh::from_slice(&[0xFF; 32]).unwrap(),
        |begin| begin.offer = borsh::from_slice(&[0; 32]).unwrap(),
        |begin| begin.facing = [0xFF; 32],
    ];
    for change in changes {
        let outcomes = with_cheat(1, move |send| change(begun(send)));
        assert_eq!(named(&outcomes), format!("sent malformed base transfers to party {VICTIM}"));
    }
}

#[test]
fn corrections_that_fit_no_seeds_name_their_author() {
    // Of the first tree: the digest of the leaves' digests, after three sums of two blocks and one of 32 bytes.
    let place = 4 + 96 + 32;
    let outcomes = with_cheat(2, move |send| {
        let grow = grown(send);
        grow.corrections = changed(&grow.corrections, place);
    });
    assert_eq!(named(&outcomes), format!("sent corrections to party {VICTIM} that fit no seeds"));
    let outcomes = with_cheat(2, |send| grown(send).corrections = borsh::from_slice(&[0; 4]).unwrap());
    assert_eq!(named(&outcomes), format!("sent malformed base transfers to party {VICTIM}"));
}

/// One of two sums is wrong, of which the victim uses one. If it is that one, the victim notices. If not, the two have heard different things, and this
/// cheater, which acknowledges what it should have said, is found out before either has a pair. One that acknowledges what it has said would have its pair,
/// and know one of 128 choices (`DEVIATIONS.md`, section 6).
#[test]
fn a_wrong_guess_at_the_side_that_the_victim_uses_is_noticed_and_a_right_one_gives_no_pair_to_who_hides_it() {
    // Of the sixth tree, the second sum of the left.
    let place = 4 + 5 * 160 + 32;
    let fits_nothing = format!("sent corrections to party {VICTIM} that fit no seeds");
    let acknowledged = |to| format!("acknowledged something else to party {to} than what both have said");
    let mut noticed = BTreeSet::new();
    for seed in 0..6 {
        let outcomes = with_cheat_in(seed, 2, move |send| {
            let grow = grown(send);
            grow.corrections = changed(&grow.corrections, place);
        });
        let is_wrong = match &outcomes.0[&party(VICTIM)] {
            Outcome::Aborted(Abort::Witnessed { .. }) => {
                let said = named(&outcomes);
                assert!(said == fits_nothing || said == acknowledged(VICTIM), "{said}");
                said == fits_nothing
            }
            // By the cheater, or by the other that it has told.
            Outcome::Aborted(Abort::Withdrawn { .. }) => false,
            _ => panic!("it has a pair: {outcomes:?}"),
        };
        match &outcomes.0[&party(CHEATER)] {
            Outcome::Aborted(Abort::Withdrawn { .. }) => {}
            Outcome::Aborted(Abort::Witnessed { reason, .. }) => assert_eq!(*reason, acknowledged(CHEATER)),
            _ => panic!("it has a pair: {outcomes:?}"),
        }
        noticed.insert(is_wrong);
    }
    assert_eq!(noticed.len(), 2, "guesses of both kinds");
}

#[test]
fn a_seed_that_is_none_names_its_author() {
    let changes: [fn(&mut Vec<u8>); 2] = [|zero| zero[3] ^= 1, Vec::clear];
    for change in changes {
        let outcomes = with_cheat(2, move |send| change(&mut grown(send).zero));
        assert_eq!(named(&outcomes), format!("sent a seed to party {VICTIM} that can't be decrypted"));
    }
}

#[test]
fn acknowledging_something_else_names_its_author() {
    let outcomes = with_cheat(3, |send| *to_victim(send) = Message::Ready([1; 32]));
    let expected = format!("acknowledged something else to party {VICTIM} than what both have said");
    assert_eq!(named(&outcomes), expected);
}

#[test]
fn other_messages_than_a_round_has_convict_their_author() {
    for round in 1..=3 {
        let outcomes = with_cheat(round, move |send| {
            *to_victim(send) = match round {
                1 => Message::Ready([0; 32]),
                _ => Message::Begin(Box::new(Begin {
                    choices: borsh::from_slice(&[0; 4]).unwrap(),
                    offer: borsh::from_slice(&[0; 32]).unwrap(),
                    facing: [0; 32],
                })),
            };
        });
        let expected = format!("sent an unexpected message in round {round}");
        assert_eq!(outcomes.convicts(party(VICTIM), party(CHEATER)), expected);
    }
}

#[test]
fn a_key_of_others_is_refused() {
    let cast = Cast::new(2, 3, 1);
    let mut other = setup(&cast);
    other.key.committee = Cast::new(2, 3, 2).committee().clone();
    let mut stale = setup(&cast);
    stale.key.epoch = 1;
    for setup in [other, stale] {
        let context = simulation(&cast, 1).context(party(1)).clone();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let started = <PairsProtocol as quorate_session::Protocol>::start(context, setup, (), &mut rng);
        assert!(started.is_err());
    }
}
