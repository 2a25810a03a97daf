//! Each check of presigning, and one party that cheats at just that point.

use std::sync::{Arc, Mutex};

use quorate_dkls23::pairs::{Pairs, SharedPairs};
use quorate_dkls23::presign::{Message, Opening, Presign, PresignSetup, Product};
use quorate_keys::Transcript;
use quorate_session::{Abort, Envelope, Outgoing, Part, Wire};
use quorate_sharing::{Curve, Secp256k1};
use quorate_simulator::{Outcome, Outcomes, Rewrite};

use crate::scene::{Scene, party};

type C = Secp256k1;

const CHEATER: u16 = 2;
const VICTIM: u16 = 3;
const SIGNERS: [u16; 3] = [1, 2, 3];
/// The round of commitments and transfers, and that of openings and products.
const EXTEND: u8 = 1;
const MULTIPLY: u8 = 2;

fn scene() -> Scene<C> {
    Scene::new(3, 3, 1)
}

/// What becomes of all when one party changes what it says in a round.
fn with_cheat(
    scene: &Scene<C>,
    round: u8,
    mut change: impl FnMut(&mut Outgoing<Message>) + Send + 'static,
) -> Outcomes<Presign<C>> {
    let setup: PresignSetup = scene.presign_setup(2);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 1);
    let rewrite: Rewrite<Message> = Box::new(move |now, send| {
        if now == round {
            change(send);
        }
    });
    simulation.cheat(party(CHEATER), &setup, scene.secret(party(CHEATER)), rewrite);
    simulation.run()
}

/// The victim names the cheater, and can't prove it; nobody else names anybody, though it may have come to its end before. Gives what it says, and whether
/// it lasts.
fn named(outcomes: &Outcomes<Presign<C>>) -> (String, bool) {
    let Some(Outcome::Aborted(Abort::Witnessed { parties, reason, lasting })) =
        outcomes.0.get(&party(VICTIM))
    else {
        panic!("the victim names nobody: {outcomes:?}")
    };
    assert_eq!(*parties, [party(CHEATER)]);
    for other in [1, CHEATER] {
        match outcomes.0.get(&party(other)) {
            // From the victim, or from another that it has told.
            Some(Outcome::Aborted(Abort::Withdrawn { by, over })) => {
                let told = over.as_slice() == [party(CHEATER)] && *by == party(VICTIM);
                assert!(told || over.as_slice() == [party(VICTIM)], "{outcomes:?}");
            }
            Some(Outcome::Done(_)) => {}
            _ => panic!("party {other} was not told: {outcomes:?}"),
        }
    }
    assert!(lasting.is_empty() || *lasting == [party(CHEATER)]);
    (reason.clone(), !lasting.is_empty())
}

fn to_victim(send: &mut Outgoing<Message>) -> &mut Message {
    send.direct.get_mut(&party(VICTIM)).unwrap()
}

/// The second extension, as bytes.
fn extension(send: &mut Outgoing<Message>, change: impl FnOnce(&mut Vec<u8>)) {
    let Message::Extensions(extensions) = to_victim(send) else { panic!("another round") };
    let mut bytes = borsh::to_vec(&extensions[1]).unwrap();
    change(&mut bytes);
    extensions[1] = borsh::from_slice(&bytes).unwrap();
}

fn product(send: &mut Outgoing<Message>) -> &mut Product {
    let Message::Products(products) = to_victim(send) else { panic!("another round") };
    &mut products[1]
}

fn multiplication(send: &mut Outgoing<Message>, change: impl FnOnce(&mut Vec<u8>)) {
    let product = product(send);
    let mut bytes = borsh::to_vec(&product.multiplication).unwrap();
    change(&mut bytes);
    product.multiplication = borsh::from_slice(&bytes).unwrap();
}

#[test]
fn transfers_that_fit_no_choices_are_a_reason_never_to_use_the_pair_again() {
    // Behind name, salt and count: corrections of 80 bytes for each of 32 trees, the hash of the choices, the digest.
    const CORRECTIONS: usize = 32 + 16 + 4;
    const CHOICES: usize = CORRECTIONS + 32 * 80;
    let changes: [fn(&mut Vec<u8>); 4] = [
        // A guess at every tree: that it lacks no seed in it is not likely of all.
        |bytes| (0..32).for_each(|tree| bytes[CORRECTIONS + tree * 80] ^= 1),
        |bytes| bytes[CHOICES] ^= 1,
        |bytes| bytes[CHOICES + 16] ^= 1,
        |bytes| bytes[32] ^= 1,
    ];
    for change in changes {
        let scene = scene();
        let outcomes = with_cheat(&scene, EXTEND, move |send| extension(send, change));
        let told = format!("sent transfers or a multiplication to party {VICTIM} that fit no secrets");
        assert_eq!(named(&outcomes), (told, true));
        assert!(scene.pairs[&party(VICTIM)].is_caught(party(CHEATER)));
        assert!(!scene.pairs[&party(VICTIM)].is_caught(party(1)));
        assert!(!scene.pairs[&party(1)].is_caught(party(CHEATER)), "it saw nothing of it");
    }
}

#[test]
fn a_multiplication_of_different_scalars_is_a_reason_never_to_use_the_pair_again() {
    let changes: [fn(&mut Vec<u8>); 3] = [
        // The second half of what is random; a correction of many transfers, lower than it was; what the check compares.
        |bytes| bytes[8] ^= 1,
        |bytes| (0..512).for_each(|place| bytes[20 + place * 96] &= 0x7F),
        |bytes| bytes[20 + 512 * 96 + 31] ^= 1,
    ];
    for change in changes {
        let scene = scene();
        let outcomes = with_cheat(&scene, MULTIPLY, move |send| multiplication(send, change));
        let told = format!("sent transfers or a multiplication to party {VICTIM} that fit no secrets");
        assert_eq!(named(&outcomes), (told, true));
        assert!(scene.pairs[&party(VICTIM)].is_caught(party(CHEATER)));
    }
}

#[test]
fn transfers_of_other_seeds_or_another_session_are_no_reason_to_give_up_the_pair() {
    let scene = scene();
    // What it sent in a session before.
    let setup = scene.presign_setup(2);
    let before = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&before);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 7);
    let listen: Rewrite<Message> = Box::new(move |round, send| {
        if round == EXTEND {
            *heard.lock().unwrap() = Some(to_victim(send).clone());
        }
    });
    simulation.cheat(party(CHEATER), &setup, scene.secret(party(CHEATER)), listen);
    assert_eq!(simulation.run().results().len(), 3);
    let replayed = before.lock().unwrap().take().unwrap();
    let told = format!("sent party {VICTIM} what is of other seeds or another session");
    let outcomes = with_cheat(&scene, EXTEND, move |send| *to_victim(send) = replayed.clone());
    assert_eq!(named(&outcomes), (told.clone(), false));
    // The name of other seeds.
    let outcomes = with_cheat(&scene, EXTEND, |send| extension(send, |bytes| bytes[0] ^= 1));
    assert_eq!(named(&outcomes), (told, false));
    assert!(!scene.pairs[&party(VICTIM)].is_caught(party(CHEATER)));
    assert_eq!(scene.presign(&SIGNERS, 1, 9).len(), 3, "all go on");
}

#[test]
fn who_multiplies_something_else_than_it_opens_is_named() {
    let raise = |bytes: &mut [u8; 33]| {
        let point = C::decode(bytes).unwrap() + C::mul_base(&<C as Curve>::Scalar::ONE);
        *bytes = C::encode(&point).try_into().unwrap();
    };
    for half in 0..2 {
        let scene = scene();
        let outcomes = with_cheat(&scene, MULTIPLY, move |send| raise(&mut product(send).checks[half]));
        let told = format!("multiplied something else with party {VICTIM} than it has opened");
        assert_eq!(named(&outcomes), (told, false));
        assert!(!scene.pairs[&party(VICTIM)].is_caught(party(CHEATER)));
    }
}

#[test]
fn openings_of_other_commitments_convict_their_author() {
    let changes: [fn(&mut Opening); 3] = [
        |opening| opening.salt[0] ^= 1,
        |opening| opening.nonce = C::encode(&C::mul_base(&5_u64.into())).try_into().unwrap(),
        |opening| opening.key = C::encode(&C::mul_base(&5_u64.into())).try_into().unwrap(),
    ];
    for change in changes {
        let outcomes = with_cheat(&scene(), MULTIPLY, move |send| {
            let Some(Message::Openings(openings)) = &mut send.broadcast else { panic!("another round") };
            change(&mut openings[1]);
        });
        assert_eq!(
            outcomes.all_convict(party(CHEATER)),
            "opened another nonce or key than it had committed to"
        );
    }
}

/// What it opens is what it has committed to, and no point, or none that an honest party has.
#[test]
fn openings_of_what_is_no_point_convict_their_author() {
    let scene = scene();
    let session = scene.presigning(&SIGNERS, &scene.presign_setup(2), 1).context(party(1)).session();
    let no_points = [[0; 33], [4; 33], [0xFF; 33], std::array::from_fn(|at| if at == 0 { 2 } else { 0xFF })];
    for bad in no_points {
        let changes: [fn(&mut Opening, _); 2] =
            [|opening, bad| opening.nonce = bad, |opening, bad| opening.key = bad];
        for change in changes {
            let good = C::encode(&C::mul_base(&5_u64.into())).try_into().unwrap();
            let mut opening = Opening { nonce: good, key: good, salt: [7; 32] };
            change(&mut opening, bad);
            let commitment = Transcript::new(b"quorate/dkls23/commitment/v1")
                .field("session", session.as_bytes())
                .field("party", &CHEATER.to_le_bytes())
                .field("place", &1_u64.to_le_bytes())
                .field("nonce", &opening.nonce)
                .field("key", &opening.key)
                .field("salt", &opening.salt)
                .digest();
            let setup = scene.presign_setup(2);
            let mut simulation = scene.presigning(&SIGNERS, &setup, 1);
            let rewrite: Rewrite<Message> = Box::new(move |_, send| match &mut send.broadcast {
                Some(Message::Commitments(commitments)) => commitments[1] = commitment,
                Some(Message::Openings(openings)) => openings[1] = opening.clone(),
                _ => {}
            });
            simulation.cheat(party(CHEATER), &setup, scene.secret(party(CHEATER)), rewrite);
            let finding = simulation.run().all_convict(party(CHEATER));
            assert_eq!(finding, "sent a malformed message in round 2");
        }
    }
}

#[test]
fn commitments_that_differ_convict_their_author() {
    let scene = scene();
    let setup = scene.presign_setup(1);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 1);
    simulation.tamper(
        party(CHEATER),
        Box::new(|to, envelope, keyring| {
            if envelope.header.round != EXTEND || to != party(VICTIM) {
                return vec![envelope.to_wire().unwrap()];
            }
            let other = Message::Commitments(vec![[9; 32]]).to_wire().unwrap();
            let Envelope { header, direct, .. } = envelope;
            let other = Envelope::seal(header, Part::Whole(other), direct, &*keyring.signer);
            vec![other.to_wire().unwrap()]
        }),
    );
    let outcomes = simulation.run();
    for honest in [1, VICTIM] {
        let finding = outcomes.convicts(party(honest), party(CHEATER));
        assert_eq!(finding, "sent contradicting messages in round 1");
    }
}

#[test]
fn what_can_not_be_read_convicts_its_author() {
    let malformed = |round, change: fn(&mut Outgoing<Message>)| {
        let outcomes = with_cheat(&scene(), round, change);
        let finding = outcomes.convicts(party(VICTIM), party(CHEATER));
        assert_eq!(finding, format!("sent a malformed message in round {round}"));
    };
    fn commitments(send: &mut Outgoing<Message>) -> &mut Vec<[u8; 32]> {
        let Some(Message::Commitments(commitments)) = &mut send.broadcast else { panic!("another round") };
        commitments
    }
    malformed(EXTEND, |send| commitments(send).clear());
    malformed(EXTEND, |send| commitments(send).push([1; 32]));
    malformed(EXTEND, |send| {
        let Message::Extensions(extensions) = to_victim(send) else { panic!("another round") };
        extensions.truncate(1);
    });
    malformed(MULTIPLY, |send| product(send).difference = [0xFF; 32]);
    malformed(MULTIPLY, |send| product(send).checks[0] = [4; 33]);
    malformed(MULTIPLY, |send| product(send).checks[1] = [0xFF; 33]);
    malformed(MULTIPLY, |send| {
        let Message::Products(products) = to_victim(send) else { panic!("another round") };
        products.truncate(1);
    });
    malformed(MULTIPLY, |send| {
        let Message::Products(products) = to_victim(send) else { panic!("another round") };
        products.push(products[0].clone());
    });
}

#[test]
fn transfers_and_multiplications_of_another_size_name_their_author() {
    let scene = scene();
    let outcomes = with_cheat(&scene, EXTEND, |send| {
        extension(send, |bytes| {
            // One tree less.
            bytes[48] -= 1;
            bytes.drain(52..132);
        });
    });
    assert_eq!(named(&outcomes), ("sent a malformed message in round 1".into(), false));
    let shortened: fn(&mut Vec<u8>) = |bytes| {
        // One transfer less.
        bytes[16..20].copy_from_slice(&511_u32.to_le_bytes());
        bytes.drain(20..116);
    };
    let no_scalar: fn(&mut Vec<u8>) = |bytes| bytes[20..52].fill(0xFF);
    for change in [shortened, no_scalar] {
        let outcomes = with_cheat(&scene, MULTIPLY, move |send| multiplication(send, change));
        assert_eq!(named(&outcomes), ("sent a malformed message in round 2".into(), false));
    }
    assert!(!scene.pairs[&party(VICTIM)].is_caught(party(CHEATER)));
}

#[test]
fn other_messages_than_a_round_has_convict_their_author() {
    type Change = fn(&mut Outgoing<Message>);
    let changes: [(u8, Change); 4] = [
        (EXTEND, |send| send.broadcast = Some(Message::Openings(vec![]))),
        (EXTEND, |send| *to_victim(send) = Message::Products(vec![])),
        (MULTIPLY, |send| send.broadcast = Some(Message::Commitments(vec![]))),
        (MULTIPLY, |send| *to_victim(send) = Message::Extensions(vec![])),
    ];
    for (round, change) in changes {
        let outcomes = with_cheat(&scene(), round, change);
        let finding = outcomes.convicts(party(VICTIM), party(CHEATER));
        assert_eq!(finding, format!("sent an unexpected message in round {round}"));
    }
}

/// With another share of zero than agreed, consistently: all that is checked of a pair is right, and only the sum is not.
#[test]
fn a_wrong_share_of_the_key_is_noticed_by_all_and_names_nobody() {
    let scene = scene();
    let setup = scene.presign_setup(1);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 1);
    let mut secret = scene.secret(party(CHEATER));
    // Its seed for shares of zero with the last of them: the end of the encoding.
    let mut bytes = scene.stored_pairs(party(CHEATER)).to_wire().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    secret.pairs = Arc::new(SharedPairs::new(Pairs::from_wire(&bytes).unwrap(), []));
    simulation.cheat(party(CHEATER), &setup, secret, Box::new(|_, _| ()));
    let outcomes = simulation.run();
    for honest in [1, VICTIM] {
        let outcome = &outcomes.0[&party(honest)];
        assert!(matches!(outcome, Outcome::Aborted(Abort::Unattributed { .. })), "{outcomes:?}");
    }
}

/// ψ is bound to nothing: with a wrong one all goes well, but no signature comes of it.
#[test]
fn a_wrong_difference_makes_no_signature() {
    use quorate_dkls23::sign::{self, Sign};
    let scene = scene();
    let setup = scene.sign_setup(1, &[crate::scene::task([7; 32], "m")]);
    let mut simulation = scene.signing(&SIGNERS, &setup, 1);
    let rewrite: Rewrite<sign::Message> = Box::new(|round, send| {
        if round == MULTIPLY {
            let Some(sign::Message::Presign(Message::Products(products))) =
                send.direct.get_mut(&party(VICTIM))
            else {
                panic!("another round")
            };
            products[0].difference = [3; 32];
        }
    });
    simulation.cheat(party(CHEATER), &setup, scene.secret(party(CHEATER)), rewrite);
    let outcomes: Outcomes<Sign<C>> = simulation.run();
    let outcome = &outcomes.0[&party(1)];
    assert!(matches!(outcome, Outcome::Aborted(Abort::Unattributed { .. })), "{outcomes:?}");
}
