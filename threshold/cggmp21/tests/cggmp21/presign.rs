//! Presigning: every way to cheat convicts the cheater, and nobody else.

use std::sync::Arc;

use quorate_cggmp21::Suite;
use quorate_cggmp21::presign::{
    Contribution, Fault, Message, NonceStock, Presign, PresignSecret, PresignSetup, Sums,
};
use quorate_session::{
    Abort, Agreement, Blame, Expected, Failure, Inbox, NotProven, Outgoing, Protocol, ProtocolId, Received,
    Record, SessionContext, SetupError, Step,
};
use quorate_sharing::{Curve, P256, PartyIndex, Secp256k1};
use quorate_simulator::{Faults, Outcome, Outcomes, Rewrite};
use rand_core::CryptoRngCore;

use crate::scene::{Scene, opened, party};

const CHEATER: u16 = 3;
const VICTIM: u16 = 1;
pub(crate) const SIGNERS: [u16; 3] = [1, 3, 4];

/// Lets party 3 rewrite its messages of one round.
fn with_cheat<C: Suite>(
    round: u8,
    mut change: impl FnMut(&mut Outgoing<Message>) + Send + 'static,
) -> Outcomes<Presign<C>> {
    let scene = Scene::<C>::new(3, 5, 1);
    let setup = scene.presign_setup(&SIGNERS, 2);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 1);
    let rewrite: Rewrite<Message> = Box::new(move |now, send| {
        if now == round {
            change(send);
        }
    });
    simulation.cheat(party(CHEATER), &setup, scene.secret(party(CHEATER)), rewrite);
    simulation.run()
}

/// Flips the lowest bit of a byte.
fn spoil(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

fn broadcast(send: &mut Outgoing<Message>) -> &mut Message {
    send.broadcast.as_mut().expect("a broadcast")
}

/// The direct message to the victim.
fn to_victim(send: &mut Outgoing<Message>) -> &mut Message {
    send.direct.get_mut(&party(VICTIM)).expect("a message to the victim")
}

#[test]
fn the_network_may_lose_repeat_and_reorder() {
    let scene = Scene::<Secp256k1>::new(2, 3, 5);
    let setup = scene.presign_setup(&[1, 3], 1);
    for seed in 0..3 {
        let mut simulation = scene.presigning(&[1, 3], &setup, seed);
        simulation.faults(Faults { duplicate_per_mille: 200, drop_per_mille: 200 });
        let made = opened(simulation.run().results());
        assert_eq!(made[&party(1)][0].public(), made[&party(3)][0].public());
    }
}

#[test]
fn nonces_that_were_made_ahead_make_presignatures_that_sign() {
    let scene = Scene::<Secp256k1>::new(2, 3, 7);
    let setup = scene.presign_setup(&[1, 3], 2);
    let committee = scene.cast.subset(&[1, 3]);
    let simulation = quorate_simulator::Simulation::<Presign<Secp256k1>>::new(
        &scene.cast,
        &committee,
        1,
        &setup,
        |index| {
            let mut secret = scene.secret(index);
            let peers = committee.members().iter().filter(|member| member.index != index);
            // Enough for one of the two: the other's are made when they are needed.
            let peers = peers.map(|member| &member.identity);
            let mut rng = crate::scene::rng(u64::from(index.get()));
            secret.stock = NonceStock::prepare(&secret.auxiliary, peers, 1, &mut rng).unwrap();
            secret
        },
    );
    let presignatures = opened(simulation.run().results());
    let tasks = [([1; 32], "m"), ([2; 32], "m")];
    let setup = scene.sign_setup(1, &presignatures[&party(1)], &tasks);
    let mut outputs = scene.signing(&[1, 3], &setup, presignatures, 1).run().results();
    let Some(quorate_session::Output::Signatures(made)) = outputs.remove(&party(1)) else { panic!("none") };
    for (made, (digest, _)) in made.iter().zip(tasks) {
        assert_eq!(made.public_key.verify(&digest, &made.signature), Ok(()));
    }
}

#[test]
fn a_stock_of_nonces_for_other_keys_is_left_alone() {
    let scene = Scene::<Secp256k1>::new(2, 3, 8);
    let setup = scene.presign_setup(&[1, 2], 1);
    let committee = scene.cast.subset(&[1, 2]);
    let stranger = scene.secret(party(3));
    let made = quorate_simulator::Simulation::<Presign<Secp256k1>>::new(
        &scene.cast,
        &committee,
        1,
        &setup,
        |index| {
            let mut secret = scene.secret(index);
            let peers = committee.members().iter().map(|member| &member.identity);
            let mut rng = crate::scene::rng(1);
            secret.stock = NonceStock::prepare(&stranger.auxiliary, peers, 1, &mut rng).unwrap();
            secret
        },
    );
    let made = opened(made.run().results());
    assert_eq!(made[&party(1)][0].public(), made[&party(2)][0].public());
}

#[test]
fn presignatures_of_one_session_are_named_and_randomised_apart() {
    let made = Scene::<P256>::new(2, 2, 6).presign(&[1, 2], 3, 1);
    let [one, two] = [1, 2].map(|index| &made[&party(index)]);
    for (place, presignature) in one.iter().enumerate() {
        assert_eq!(presignature.public(), two[place].public());
        assert_eq!(presignature.party(), party(1));
        for other in &one[place + 1..] {
            assert_ne!(presignature.public().id, other.public().id);
            assert_ne!(presignature.public().nonce, other.public().nonce);
        }
    }
}

#[test]
fn a_ciphertext_that_is_not_what_was_committed_to_convicts_its_author() {
    for which in 0..2 {
        let outcomes = with_cheat::<Secp256k1>(1, move |send| {
            let Message::Encrypted(all) = broadcast(send) else { panic!("no ciphertexts") };
            let last = all.last_mut().unwrap();
            // Some other ciphertext: that of the other number.
            if which == 0 {
                last.k = last.gamma.clone();
            } else {
                last.gamma = last.k.clone();
            };
        });
        let finding = outcomes.all_convict(party(CHEATER));
        assert!(finding.ends_with("what it had encrypted"), "{finding}");
    }
}

#[test]
fn a_proof_that_is_wrong_for_one_party_convicts_its_author_before_all() {
    for (round, finding) in [(1, "what it had encrypted"), (2, "what it had multiplied by")] {
        for place in 0..2 {
            let outcomes = with_cheat::<Secp256k1>(round, move |send| match to_victim(send) {
                Message::EncryptionProofs(all) | Message::ProductProofs(all) => {
                    spoil(&mut all.last_mut().unwrap()[place]);
                }
                _ => panic!("no proofs"),
            });
            let found = outcomes.all_convict(party(CHEATER));
            assert_eq!(found, format!("did not prove to party {VICTIM} {finding}"));
        }
    }
}

/// The nonce in a response is the one thing that no other equation binds: it shows only when N-th powers are compared, all of a prover's
/// together first.
#[test]
fn a_response_with_another_nonce_convicts_its_author() {
    // Bytes of a modulus: the nonces come last.
    let width = quorate_paillier::Sizes::TEST.modulus() / 8;
    for (round, from_the_end, finding) in [
        (1, width, "what it had encrypted"),
        (2, width, "what it had multiplied by"),
        (2, 2 * width, "what it had multiplied by"),
    ] {
        for place in 0..2 {
            let outcomes = with_cheat::<Secp256k1>(round, move |send| match to_victim(send) {
                Message::EncryptionProofs(all) | Message::ProductProofs(all) => {
                    let proof = &mut all.last_mut().unwrap()[place];
                    let at = proof.len() - from_the_end;
                    proof[at] ^= 2;
                }
                _ => panic!("no proofs"),
            });
            let found = outcomes.all_convict(party(CHEATER));
            assert_eq!(found, format!("did not prove to party {VICTIM} {finding}"));
        }
    }
}

/// What all claim about one N is verified together: each of two who lie there is named, and nobody else.
#[test]
fn two_who_lie_about_the_same_modulus_are_both_convicted() {
    let width = quorate_paillier::Sizes::TEST.modulus() / 8;
    let scene = Scene::<Secp256k1>::new(3, 5, 1);
    let setup = scene.presign_setup(&SIGNERS, 2);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 1);
    let cheaters = [(3, 0), (4, 1)];
    for (cheater, item) in cheaters {
        let rewrite: Rewrite<Message> = Box::new(move |round, send| {
            if round != 2 {
                return;
            }
            let Message::ProductProofs(all) = to_victim(send) else { panic!("no proofs") };
            // The root of the claim about the victim's N is the last but one.
            let proof = &mut all[item][1];
            let at = proof.len() - 2 * width;
            proof[at] ^= 2;
        });
        simulation.cheat(party(cheater), &setup, scene.secret(party(cheater)), rewrite);
    }
    let outcomes = simulation.run();
    let Some(Outcome::Aborted(Abort::Proven { evidence })) = outcomes.0.get(&party(VICTIM)) else {
        panic!("{outcomes:?}")
    };
    let mut convicted: Vec<_> =
        evidence.iter().map(|evidence| evidence.judge::<Presign<Secp256k1>>().unwrap().party).collect();
    convicted.sort_unstable();
    assert_eq!(convicted, cheaters.map(|(cheater, _)| party(cheater)));
}

#[test]
fn a_product_that_is_not_what_was_proven_convicts_its_author() {
    for product in 0..2 {
        for of_receiver in [true, false] {
            let outcomes = with_cheat::<Secp256k1>(2, move |send| {
                let Message::Products(all) = broadcast(send) else { panic!("no products") };
                let [first, second] = &mut all[..] else { panic!("not two presignatures") };
                let pair = |products: &mut quorate_cggmp21::presign::Products| {
                    products.pairs.get_mut(&party(VICTIM)).unwrap()[product].clone()
                };
                let (one, mut other) = (pair(first), pair(second));
                if of_receiver {
                    other.product = one.product;
                } else {
                    other.summand = one.summand;
                };
                second.pairs.get_mut(&party(VICTIM)).unwrap()[product] = other;
            });
            let finding = outcomes.all_convict(party(CHEATER));
            assert_eq!(finding, format!("did not prove to party {VICTIM} what it had multiplied by"));
        }
    }
}

#[test]
fn another_exponent_than_the_committed_one_convicts_its_author() {
    let point = |factor: u64| Secp256k1::encode(&Secp256k1::mul_base(&factor.into()));
    let gamma = with_cheat::<Secp256k1>(2, move |send| {
        let Message::Products(all) = broadcast(send) else { panic!("no products") };
        all[1].gamma = point(5);
    });
    let finding = gamma.all_convict(party(CHEATER));
    assert_eq!(finding, "used another exponent in round 2 than it had committed to");
    let k = with_cheat::<Secp256k1>(3, move |send| {
        let Message::Sums(all) = broadcast(send) else { panic!("no sums") };
        all[1].k_point = point(5);
    });
    let finding = k.all_convict(party(CHEATER));
    assert_eq!(finding, "used another exponent in round 3 than it had committed to");
}

#[test]
fn what_is_no_ciphertext_point_or_scalar_convicts_its_author() {
    type Change = fn(&mut Outgoing<Message>);
    fn encrypted(send: &mut Outgoing<Message>) -> &mut Vec<quorate_cggmp21::presign::Encrypted> {
        let Message::Encrypted(all) = broadcast(send) else { panic!("no ciphertexts") };
        all
    }
    fn products(send: &mut Outgoing<Message>) -> &mut Vec<quorate_cggmp21::presign::Products> {
        let Message::Products(all) = broadcast(send) else { panic!("no products") };
        all
    }
    fn sums(send: &mut Outgoing<Message>) -> &mut Vec<Sums> {
        let Message::Sums(all) = broadcast(send) else { panic!("no sums") };
        all
    }
    let changes: [(u8, Change); 17] = [
        (1, |send| encrypted(send)[1].k.fill(0)),
        (1, |send| encrypted(send)[1].gamma.fill(0xFF)),
        (1, |send| encrypted(send)[0].k.truncate(351)),
        (1, |send| encrypted(send)[0].base = vec![0; 33]),
        (1, |send| encrypted(send)[0].k_commitment[0] = vec![5; 33]),
        (1, |send| encrypted(send)[0].gamma_commitment[1].clear()),
        (1, |send| drop(encrypted(send).pop())),
        (1, |send| encrypted(send).clear()),
        (2, |send| products(send)[0].gamma = vec![0; 33]),
        (2, |send| drop(products(send)[0].pairs.remove(&party(4)))),
        (2, |send| products(send)[1].pairs.get_mut(&party(VICTIM)).unwrap()[0].product.fill(0)),
        (2, |send| products(send)[1].pairs.get_mut(&party(4)).unwrap()[1].summand.fill(0xFF)),
        (2, |send| products(send).clear()),
        (3, |send| sums(send)[0].delta = [0xFF; 32]),
        (3, |send| sums(send)[0].k_point = vec![9; 33]),
        (3, |send| sums(send)[1].chi_point.clear()),
        (3, |send| drop(sums(send).pop())),
    ];
    for (round, change) in changes {
        let finding = with_cheat::<Secp256k1>(round, change).all_convict(party(CHEATER));
        let expected =
            format!("sent no ciphertexts, points or scalars in round {round}, or not as many as needed");
        assert_eq!(finding, expected);
    }
    // Too few proofs, for one party only.
    for round in [1, 2] {
        let outcomes = with_cheat::<Secp256k1>(round, |send| match to_victim(send) {
            Message::EncryptionProofs(all) | Message::ProductProofs(all) => drop(all.pop()),
            _ => panic!("no proofs"),
        });
        assert!(outcomes.all_convict(party(CHEATER)).contains("not as many as needed"));
    }
}

#[test]
fn other_messages_than_a_round_has_convict_their_author() {
    for round in 1..=3 {
        let swapped = with_cheat::<Secp256k1>(round, move |send| {
            *broadcast(send) = if round == 3 { Message::Encrypted(vec![]) } else { Message::Sums(vec![]) };
        });
        let expected = format!("sent an unexpected message in round {round}");
        assert_eq!(swapped.all_convict(party(CHEATER)), expected);
    }
    for round in [1, 2] {
        let silent = with_cheat::<Secp256k1>(round, |send| send.direct.clear());
        let expected = format!("sent an unexpected message in round {round}");
        assert_eq!(silent.all_convict(party(CHEATER)), expected);
    }
}

/// A party whose sums are wrong, and who shows something all the same when they are traced.
pub(crate) enum Liar<C: Suite> {
    Honest(Presign<C>, Lie),
    Lying,
}

/// What it does to its sums.
pub(crate) type Lie = fn(&mut Sums);

impl<C: Suite> Liar<C> {
    fn wrap(step: Step<Presign<C>>, lie: Lie, context: &SessionContext) -> Step<Self> {
        match step {
            Step::Next { state, mut send, .. } => {
                if let Some(Message::Sums(sums)) = &mut send.broadcast {
                    lie(&mut sums[1]);
                }
                Step::Next { state: Self::Honest(state, lie), send, checkpoint: None }
            }
            // Its own sums are right in its own eyes.
            Step::Done { .. } => {
                let shown = quorate_cggmp21::presign::Identification {
                    sum: vec![7; 100],
                    products: std::collections::BTreeMap::new(),
                };
                let message = || Message::Identification(Box::new(shown.clone()));
                let direct = context.others().into_iter().map(|to| (to, message())).collect();
                Step::Next {
                    state: Self::Lying,
                    send: Outgoing { broadcast: None, direct },
                    checkpoint: None,
                }
            }
            Step::Accuse { send, blame } => Step::Accuse { send, blame },
        }
    }
}

thread_local! {
    static CONTEXT: std::cell::RefCell<Option<Arc<SessionContext>>> = const { std::cell::RefCell::new(None) };
}

impl<C: Suite> Protocol for Liar<C> {
    const ID: ProtocolId = Presign::<C>::ID;
    type Setup = PresignSetup;
    type Secret = (PresignSecret, Lie);
    type Message = Message;
    type Accepted = Contribution<C>;
    type Fault = Fault;
    type Checkpoint = ();
    type Output = quorate_cggmp21::Presignatures;

    fn start(
        context: Arc<SessionContext>,
        setup: PresignSetup,
        (secret, lie): (PresignSecret, Lie),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        CONTEXT.set(Some(Arc::clone(&context)));
        Ok(Self::wrap(Presign::start(Arc::clone(&context), setup, secret, rng)?, lie, &context))
    }

    fn expects(&self) -> Expected {
        match self {
            Self::Honest(inner, _) => inner.expects(),
            Self::Lying => {
                Expected { from: vec![party(VICTIM)], consistency: quorate_session::Consistency::Unchecked }
            }
        }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution<C>, Blame<Fault>> {
        match (self, received.direct.clone()) {
            (Self::Honest(inner, _), _) => inner.accept(from, received),
            (Self::Lying, Some(Message::Identification(shown))) => Ok(Contribution::Identification(shown)),
            (Self::Lying, _) => panic!("nothing to identify"),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        let context = CONTEXT.with_borrow(|context| context.clone().unwrap());
        match self {
            Self::Honest(inner, lie) => Ok(Self::wrap(inner.advance(inbox, rng)?, lie, &context)),
            Self::Lying => Err(Failure::Local("found out".into())),
        }
    }

    fn judge(
        agreement: &Agreement,
        setup: &PresignSetup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        Presign::<C>::judge(agreement, setup, accused, fault, record)
    }
}

fn with_lie<C: Suite>(lie: Lie) -> Outcomes<Presign<C>> {
    let scene = Scene::<C>::new(3, 5, 1);
    let setup = scene.presign_setup(&SIGNERS, 2);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 1);
    simulation.replace::<Liar<C>>(party(CHEATER), setup.clone(), (scene.secret(party(CHEATER)), lie));
    simulation.run()
}

#[test]
fn a_wrong_part_of_the_nonce_convicts_its_author() {
    fn lie(sums: &mut Sums) {
        sums.delta = Secp256k1::scalar_to_bytes(&5_u64.into());
    }
    let outcomes = with_lie::<Secp256k1>(lie);
    for honest in [1, 4] {
        let finding = outcomes.convicts(party(honest), party(CHEATER));
        assert_eq!(finding, "said a wrong part of the nonce");
    }
}

#[test]
fn a_wrong_part_of_the_product_of_nonce_and_key_convicts_its_author() {
    fn lie(sums: &mut Sums) {
        sums.chi_point = P256::encode(&P256::mul_base(&5_u64.into()));
    }
    let outcomes = with_lie::<P256>(lie);
    for honest in [1, 4] {
        let finding = outcomes.convicts(party(honest), party(CHEATER));
        assert_eq!(finding, "used a wrong part of the product of nonce and key");
    }
}

/// A conviction that does not fit into a message is none: the longest evidence of the largest sessions does.
#[test]
fn evidence_fits_into_a_message_whatever_the_size_of_the_session() {
    use quorate_paillier::Sizes;
    use quorate_session::{Evidence, Wire};
    for signers in 2..=quorate_cggmp21::MAX_SIGNERS {
        let limit = PresignSetup::limit(signers);
        let bytes = PresignSetup::evidence(Sizes::STANDARD, signers, limit);
        assert!(bytes <= Evidence::MAX_BYTES, "{signers} signers, {limit} presignatures: {bytes} bytes");
    }
    assert_eq!([2, 3, 5, 7, 16].map(PresignSetup::limit), [32, 32, 12, 6, 1]);
    // The formula against what is really sent.
    let outcomes = with_lie::<Secp256k1>(|sums| sums.delta = Secp256k1::scalar_to_bytes(&5_u64.into()));
    let bytes = outcomes.evidence(party(VICTIM)).to_wire().unwrap().len();
    let most = PresignSetup::evidence(Sizes::TEST, SIGNERS.len(), 2);
    assert!((most / 4..=most).contains(&bytes), "{bytes} of {most}");
}

/// Padding must not make a message too long to be shown.
#[test]
fn parts_that_are_longer_than_they_must_be_convict_their_author() {
    type Change = (u8, fn(&mut Message));
    let changes: [Change; 4] = [
        (2, |message| {
            let Message::Products(all) = message else { panic!("no products") };
            all[1].proof.resize(200_000, 0);
        }),
        (2, |message| {
            let Message::Products(all) = message else { panic!("no products") };
            all[1].pairs.get_mut(&party(4)).unwrap()[0].product.resize(200_000, 0);
        }),
        (2, |message| {
            let Message::Products(all) = message else { panic!("no products") };
            all[1].pairs.get_mut(&party(4)).unwrap()[1].summand.resize(200_000, 0);
        }),
        (3, |message| {
            let Message::Sums(all) = message else { panic!("no sums") };
            all[0].proof.resize(200_000, 0);
        }),
    ];
    for (round, change) in changes {
        let outcomes = with_cheat::<Secp256k1>(round, move |send| {
            change(broadcast(send));
            for direct in send.direct.values_mut() {
                let Message::ProductProofs(all) = direct else { panic!("no proofs") };
                all[0][0].resize(200_000, 0);
            }
        });
        assert!(outcomes.all_convict(party(CHEATER)).contains("not as many as needed"));
    }
}

#[test]
fn who_spoils_a_sum_and_falls_silent_is_named_without_proof() {
    let outcomes = with_cheat::<Secp256k1>(3, |send| {
        let Message::Sums(all) = broadcast(send) else { panic!("no sums") };
        all[0].delta = [1; 32];
    });
    for honest in [1, 4] {
        let Some(Outcome::Aborted(Abort::Attributed { parties, .. })) = outcomes.0.get(&party(honest)) else {
            panic!("{outcomes:?}")
        };
        assert_eq!(*parties, [party(CHEATER)]);
    }
}

/// Two sets of ciphertexts, each with its right proofs: only the echo shows that they are two.
#[test]
fn a_signer_that_encrypts_something_else_for_one_party_is_convicted_by_all() {
    use quorate_session::{Envelope, Kind, Part, Wire};
    let scene = Scene::<Secp256k1>::new(3, 5, 1);
    let setup = scene.presign_setup(&SIGNERS, 1);
    for (seed, victim) in [(1, 1), (2, 4)] {
        let mut simulation = scene.presigning(&SIGNERS, &setup, seed);
        let context = Arc::clone(simulation.context(party(CHEATER)));
        let mut rng = crate::scene::rng(99);
        let other =
            Presign::<Secp256k1>::start(context, setup.clone(), scene.secret(party(CHEATER)), &mut rng);
        let Step::Next { send, .. } = other.unwrap() else { panic!("round 1") };
        let part = |message: &Message| Part::Whole(message.to_wire().unwrap());
        let broadcast = part(&send.broadcast.unwrap());
        let direct = part(&send.direct[&party(victim)]);
        let tamper = move |to, mut envelope: Envelope, keyring: &quorate_session::Keyring| {
            let header = &envelope.header;
            if (header.kind, header.round, to) == (Kind::Round, 1, party(victim)) {
                let (broadcast, direct) = (broadcast.clone(), direct.clone());
                envelope = Envelope::seal(header.clone(), broadcast, direct, &*keyring.signer);
            }
            vec![envelope.to_wire().unwrap()]
        };
        simulation.tamper(party(CHEATER), Box::new(tamper));
        let finding = simulation.run().all_convict(party(CHEATER));
        assert_eq!(finding, "sent contradicting messages in round 1");
    }
}

/// The same ciphertexts, the same keys, the same verifier: only the session is another one.
#[test]
fn proofs_of_another_session_convict_who_replays_them() {
    let scene = Scene::<Secp256k1>::new(3, 5, 1);
    let setup = scene.presign_setup(&SIGNERS, 1);
    let recorded = Arc::new(std::sync::Mutex::new(None));
    let run = |seed, rewrite: Rewrite<Message>| {
        let mut simulation = scene.presigning(&SIGNERS, &setup, seed);
        simulation.cheat(party(CHEATER), &setup, scene.secret(party(CHEATER)), rewrite);
        simulation.run()
    };
    let record = Arc::clone(&recorded);
    let honest = run(
        1,
        Box::new(move |round, send| {
            if round == 1 {
                *record.lock().unwrap() = Some((send.broadcast.clone(), send.direct.clone()));
            }
        }),
    );
    assert_eq!(honest.results().len(), SIGNERS.len());
    let replayed = run(
        2,
        Box::new(move |round, send| {
            if round == 1 {
                (send.broadcast, send.direct) = recorded.lock().unwrap().take().unwrap();
            }
        }),
    );
    let finding = replayed.convicts(party(VICTIM), party(CHEATER));
    assert_eq!(finding, format!("did not prove to party {VICTIM} what it had encrypted"));
    let finding = replayed.convicts(party(4), party(CHEATER));
    assert!(finding.ends_with("what it had encrypted"), "{finding}");
}

#[test]
fn a_product_without_a_proof_convicts_its_author() {
    let outcomes = with_cheat::<Secp256k1>(2, |send| drop(send.direct.remove(&party(VICTIM))));
    assert_eq!(outcomes.all_convict(party(CHEATER)), "sent an unexpected message in round 2");
    for place in 0..2 {
        let outcomes = with_cheat::<Secp256k1>(2, move |send| {
            let Message::ProductProofs(all) = to_victim(send) else { panic!("no proofs") };
            all[1][place].clear();
        });
        let found = outcomes.all_convict(party(CHEATER));
        assert_eq!(found, format!("did not prove to party {VICTIM} what it had multiplied by"));
    }
}
