//! Signatures, from presigning on.

use quorate_cggmp21::sign::{Message, Sign, SignSetup};
use quorate_cggmp21::{Presignature, Presignatures, Suite};
use quorate_keys::{Scheme, Signature, ecdsa};
use quorate_session::{Outgoing, Output, Wire};
use quorate_sharing::{Curve, P256, Secp256k1};
use quorate_simulator::{Faults, Outcomes, Rewrite};

use crate::judges;
use crate::scene::{Scene, party};

const CHEATER: u16 = 3;
const AGGREGATOR: u16 = 1;
const SIGNERS: [u16; 3] = [1, 3, 4];

fn any_signers_sign<C: Suite>(threshold: u16, total: u16, signers: &[u16]) {
    let scene = Scene::<C>::new(threshold, total, 1);
    let tasks = [([7; 32], "m"), ([0xFF; 32], "m/1/2")];
    let made = scene.sign(signers, &tasks, 2);
    for (made, (digest, _)) in made.iter().zip(tasks) {
        assert_eq!(made.public_key.verify(&digest, &made.signature), Ok(()));
        assert_eq!(made.public_key.scheme(), C::SCHEME);
        assert!(ecdsa::recovery_id(&made.public_key, &digest, &made.signature).unwrap() < 2);
        assert_eq!(ecdsa::low_s(C::SCHEME, &made.signature), Some(made.signature));
        judges::agree(&made.public_key, &digest, &made.signature);
    }
    assert_eq!(made[0].public_key, scene.key.group_key.public_key(C::SCHEME).unwrap());
    assert_ne!(made[0].public_key, made[1].public_key);
}

#[test]
fn two_of_two_sign() {
    any_signers_sign::<Secp256k1>(2, 2, &[1, 2]);
}

#[test]
fn three_of_five_sign_whoever_they_are() {
    any_signers_sign::<Secp256k1>(3, 5, &[1, 4, 5]);
}

#[test]
fn more_than_the_threshold_may_sign() {
    any_signers_sign::<Secp256k1>(2, 4, &[2, 3, 4]);
}

#[test]
fn signatures_on_p256_verify_too() {
    any_signers_sign::<P256>(2, 3, &[1, 3]);
}

/// Lets party 3 rewrite its shares of two signatures.
fn with_cheat<C: Suite>(
    mut change: impl FnMut(&mut Outgoing<Message>) + Send + 'static,
) -> Outcomes<Sign<C>> {
    let scene = Scene::<C>::new(3, 5, 1);
    let mut presignatures = scene.presign(&SIGNERS, 2, 1);
    let tasks = [([7; 32], "m"), ([8; 32], "m/3")];
    let setup = scene.sign_setup(AGGREGATOR, &presignatures[&party(AGGREGATOR)], &tasks);
    let copies = presignatures[&party(CHEATER)].iter().map(copy).collect();
    let mut simulation = scene.signing(&SIGNERS, &setup, std::mem::take(&mut presignatures), 1);
    let rewrite: Rewrite<Message> = Box::new(move |_, send| change(send));
    simulation.cheat(party(CHEATER), &setup, Presignatures(copies), rewrite);
    simulation.run()
}

/// What only a test may do.
pub(crate) fn copy(presignature: &Presignature) -> Presignature {
    Presignature::from_wire(&presignature.to_wire().unwrap()).unwrap()
}

fn shares(send: &mut Outgoing<Message>) -> &mut Vec<[u8; 32]> {
    let message = send.direct.get_mut(&party(AGGREGATOR)).expect("shares for the aggregator");
    let Message::Shares(shares) = message;
    shares
}

/// Its sender has ended, and the aggregator has said nothing that it could repeat: so it asks.
#[test]
fn a_share_that_is_lost_is_asked_for() {
    let scene = Scene::<Secp256k1>::new(2, 3, 1);
    for seed in 0..8 {
        let presignatures = scene.presign(&[1, 2], 1, seed);
        let setup = scene.sign_setup(1, &presignatures[&party(1)], &[([7; 32], "m")]);
        let mut signing = scene.signing(&[1, 2], &setup, presignatures, seed);
        signing.faults(Faults { duplicate_per_mille: 100, drop_per_mille: 500 });
        let outputs = signing.run().results();
        assert!(matches!(&outputs[&party(1)], Output::Signatures(made) if made.len() == 1));
    }
}

#[test]
fn a_wrong_share_convicts_its_author() {
    for place in 0..2 {
        let outcomes = with_cheat::<Secp256k1>(move |send| {
            let share = &mut shares(send)[place];
            let raised = Secp256k1::scalar_from_bytes(share).unwrap() + <Secp256k1 as Curve>::Scalar::ONE;
            *share = Secp256k1::scalar_to_bytes(&raised);
        });
        let finding = outcomes.convicts(party(AGGREGATOR), party(CHEATER));
        assert_eq!(finding, "sent a wrong signature share");
    }
}

#[test]
fn shares_that_are_none_convict_their_author() {
    let changes: [fn(&mut Vec<[u8; 32]>); 3] =
        [|shares| shares[0] = [0xFF; 32], |shares| shares.truncate(1), |shares| shares.push([1; 32])];
    for change in changes {
        let outcomes = with_cheat::<P256>(move |send| change(shares(send)));
        let finding = outcomes.convicts(party(AGGREGATOR), party(CHEATER));
        assert_eq!(finding, "sent signature shares that are no scalars, or too few or many");
    }
    let outcomes = with_cheat::<P256>(|send| {
        send.broadcast = Some(Message::Shares(vec![]));
    });
    let finding = outcomes.convicts(party(AGGREGATOR), party(CHEATER));
    assert_eq!(finding, "sent an unexpected message in round 1");
}

/// With R known beforehand, whoever may ask for the signature of one digest gets that of another: from the nonce c·R and the digest
/// m·x(c·R)/x(R). With a nonce that is randomised after the digest is known, what comes back fits neither.
#[test]
fn the_forgery_with_a_nonce_that_is_known_beforehand_fails() {
    type Scalar = <Secp256k1 as Curve>::Scalar;
    let x = |point: &<Secp256k1 as Curve>::Point| {
        let mut wide = [0; 64];
        wide[32..].copy_from_slice(&Secp256k1::encode(point)[1..]);
        Secp256k1::scalar_from_wide(&wide)
    };
    let wanted = [0x42; 32];
    let target = Secp256k1::scalar_from_bytes(&wanted).unwrap();
    let c = Scalar::from(12_345_u64);
    // What to ask for, and what is made of the answer.
    let ask = |nonce: &<Secp256k1 as Curve>::Point| {
        Secp256k1::scalar_to_bytes(&(target * x(nonce) * x(&(*nonce * c)).invert().unwrap()))
    };
    let forge = |nonce: &<Secp256k1 as Curve>::Point, signature: &Signature| {
        let s = Secp256k1::scalar_from_bytes(signature.as_bytes()[32..].try_into().unwrap()).unwrap();
        let r = x(&(*nonce * c));
        let s = s * r * x(nonce).invert().unwrap() * c.invert().unwrap();
        let bytes = [Secp256k1::scalar_to_bytes(&r), Secp256k1::scalar_to_bytes(&s)].concat();
        ecdsa::low_s(Scheme::EcdsaSecp256k1, &Signature::from_bytes(bytes.try_into().unwrap())).unwrap()
    };
    // Against a signer that tells its nonce beforehand and signs whatever digest it is asked to, it works.
    let (key, k) = (Scalar::from(77_u64), Scalar::from(99_u64));
    let nonce = Secp256k1::mul_base(&k);
    let asked = Secp256k1::scalar_from_bytes(&ask(&nonce)).unwrap();
    let s = k.invert().unwrap() * (asked + x(&nonce) * key);
    let bytes = [Secp256k1::scalar_to_bytes(&x(&nonce)), Secp256k1::scalar_to_bytes(&s)].concat();
    let public = quorate_keys::GroupKey::from_bytes(
        quorate_keys::Curve::Secp256k1,
        &Secp256k1::encode(&Secp256k1::mul_base(&key)),
    );
    let public = public.unwrap().public_key(Scheme::EcdsaSecp256k1).unwrap();
    let forged = forge(&nonce, &Signature::from_bytes(bytes.try_into().unwrap()));
    assert_eq!(public.verify(&wanted, &forged), Ok(()), "the forgery is real");

    let scene = Scene::<Secp256k1>::new(2, 2, 1);
    let presignatures = scene.presign(&[1, 2], 1, 1);
    let nonce = Secp256k1::decode(&presignatures[&party(1)][0].public().nonce).unwrap();
    let asked = ask(&nonce);
    let setup = scene.sign_setup(1, &presignatures[&party(1)], &[(asked, "m")]);
    let mut outputs = scene.signing(&[1, 2], &setup, presignatures, 1).run().results();
    let Some(Output::Signatures(made)) = outputs.remove(&party(1)) else { panic!("none") };
    assert_eq!(made[0].public_key.verify(&asked, &made[0].signature), Ok(()));
    let forged = forge(&nonce, &made[0].signature);
    assert!(made[0].public_key.verify(&wanted, &forged).is_err());
    let r = Secp256k1::scalar_to_bytes(&x(&nonce));
    assert_ne!(made[0].signature.as_bytes()[..32], r, "the nonce is another one");
}

#[test]
fn the_nonce_depends_on_session_digest_and_key() {
    let scene = Scene::<Secp256k1>::new(2, 2, 1);
    let presignatures = scene.presign(&[1, 2], 1, 1);
    let mut seen = std::collections::BTreeSet::new();
    for (digest, path, seed) in [([1; 32], "m", 1), ([2; 32], "m", 1), ([1; 32], "m/1", 1), ([1; 32], "m", 2)]
    {
        let copies = presignatures.iter().map(|(index, all)| (*index, all.iter().map(copy).collect()));
        let setup = scene.sign_setup(1, &presignatures[&party(1)], &[(digest, path)]);
        let mut outputs = scene.signing(&[1, 2], &setup, copies.collect(), seed).run().results();
        let Some(Output::Signatures(made)) = outputs.remove(&party(1)) else { panic!("none") };
        assert!(seen.insert(made[0].signature.as_bytes()[..32].to_vec()), "a nonce twice");
    }
}

/// Setups that don't fit what is stored: the signer does not start.
#[test]
fn presignatures_that_do_not_fit_are_refused() {
    let scene = Scene::<Secp256k1>::new(2, 3, 1);
    let mut all = scene.presign(&[1, 2], 2, 1);
    let mine = all.remove(&party(1)).unwrap();
    let theirs = all.remove(&party(2)).unwrap();
    let setup = scene.sign_setup(1, &mine, &[([1; 32], "m"), ([2; 32], "m")]);
    let copies = |all: &[Presignature]| all.iter().map(copy).collect::<Vec<_>>();
    let refuse = |signers: &[u16], setup: &SignSetup, presignatures: Vec<Presignature>, expected: &str| {
        let refused = start(&scene, signers, setup, presignatures);
        assert!(refused.contains(expected), "{refused}");
    };
    let swapped: Vec<_> = copies(&mine).into_iter().rev().collect();
    refuse(&[1, 2], &setup, swapped, "not the one that is stored here");
    refuse(&[1, 2], &setup, copies(&mine[..1]), "not one presignature for each signature");
    refuse(&[1, 2], &setup, copies(&theirs), "another party's");
    refuse(&[1, 3], &setup, copies(&mine), "of other signers");
    // A damaged one would make its honest owner look like a cheater.
    let bytes = mine[0].to_wire().unwrap();
    // The checksum, χ̃ and k̃.
    for from_the_end in [1, 33, 96] {
        let mut bytes = bytes.clone();
        let place = bytes.len() - from_the_end;
        bytes[place] ^= 1;
        let damaged = vec![Presignature::from_wire(&bytes).unwrap(), copy(&mine[1])];
        refuse(&[1, 2], &setup, damaged, "is damaged");
    }
    let mut twice = setup.clone();
    twice.tasks[1].presignature = twice.tasks[0].presignature.clone();
    refuse(&[1, 2], &twice, vec![copy(&mine[0]), copy(&mine[0])], "would give the key away");
    let mut none = setup.clone();
    none.tasks.clear();
    refuse(&[1, 2], &none, vec![], "0 signatures");
    let mut stranger = setup.clone();
    stranger.aggregator = party(3);
    refuse(&[1, 2], &stranger, copies(&mine), "not among the signers");
    let mut epoch = setup.clone();
    epoch.key.epoch = 1;
    refuse(&[1, 2], &epoch, copies(&mine), "of epoch 1");
    let mut other = setup;
    other.key.chain_code = quorate_keys::ChainCode::new([9; 32]);
    refuse(&[1, 2], &other, copies(&mine), "another key or epoch");
}

/// Starts party 1 and says why it does not.
fn start(
    scene: &Scene<Secp256k1>,
    signers: &[u16],
    setup: &SignSetup,
    presignatures: Vec<Presignature>,
) -> String {
    use quorate_session::Protocol;
    let digest = quorate_session::setup_digest(&setup.to_wire().unwrap());
    let mut rng = crate::scene::rng(1);
    let committee = scene.cast.subset(signers);
    let contexts = scene.cast.agree(&committee, Sign::<Secp256k1>::ID, digest, 0, &mut rng);
    let context = std::sync::Arc::clone(&contexts[&party(1)]);
    let started = Sign::<Secp256k1>::start(context, setup.clone(), Presignatures(presignatures), &mut rng);
    match started {
        Ok(_) => panic!("it starts"),
        Err(refused) => refused.to_string(),
    }
}
