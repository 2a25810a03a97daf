//! Parties and thresholds that there are not: zero, twice, out of range, strangers, and more signers than there are.

use std::sync::Arc;

use quorate_dkls23::pairs::{self, Pairs, PairsProtocol, SharedPairs};
use quorate_dkls23::presign::{Presign, PresignSecret, PresignSetup};
use quorate_dkls23::sign::{Online, OnlineSetup, Sign, SignSetup};
use quorate_dkls23::{Presignature, Presignatures};
use quorate_session::{Envelope, Header, Protocol, Wire, setup_digest};
use quorate_sharing::{
    Committee, CommitteeError, MAX_PARTIES, Member, PartyIndex, PublicShares, Secp256k1, Threshold,
};
use quorate_simulator::{Cast, Simulation};

use crate::scene::{Scene, made, party, rng, task};
use crate::table::Table;

type C = Secp256k1;

/// What is no index.
const NONE: [u16; 4] = [0, MAX_PARTIES + 1, 256, u16::MAX];

fn scene() -> Scene<C> {
    Scene::new(2, 3, 1)
}

/// Where these bytes stand, for the last time.
fn place(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).rposition(|window| window == part).unwrap()
}

/// The same bytes, with another number in a place.
fn with(bytes: &[u8], at: usize, number: u16) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + 2].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn refuse<T: Wire>(what: &str, bytes: &[u8], at: usize, numbers: impl IntoIterator<Item = u16>) {
    for number in numbers {
        let changed = with(bytes, at, number);
        assert!(changed == bytes || T::from_wire(&changed).is_err(), "{what} {number} at {at}");
    }
}

/// The key of a setup: its holders, their threshold, and whose the verifying shares are.
fn refuse_keys<T: Wire>(what: &str, setup: &T, key: &PublicShares) {
    let bytes = setup.to_wire().unwrap();
    assert!(T::from_wire(&bytes).is_ok());
    let holders = u16::try_from(key.committee.len()).unwrap();
    let committee = borsh::to_vec(&key.committee).unwrap();
    let start = place(&bytes, &committee);
    refuse::<T>(what, &bytes, start, [0, 1, holders + 1, MAX_PARTIES, MAX_PARTIES + 1, u16::MAX]);
    let shares = borsh::to_vec(&key.verifying_shares).unwrap();
    let lists = [(start + 6, committee.len() - 6), (place(&bytes, &shares) + 4, shares.len() - 4)];
    for (start, length) in lists {
        for at in (start..start + length).step_by(length / usize::from(holders)) {
            // Nobody, any of the others a second time, and one that is not in the other list.
            refuse::<T>(what, &bytes, at, NONE.into_iter().chain(1..=holders + 1));
        }
    }
}

#[test]
fn no_setup_with_such_parties_or_thresholds_is_read() {
    let scene = scene();
    let key = &scene.key;
    let tasks = [task([1; 32], "m")];
    let made = scene.presign(&[1, 2], 1, 1).remove(&party(1)).unwrap();
    let online = scene.online_setup(1, &tasks, &made);
    let sign = scene.sign_setup(1, &tasks);
    refuse_keys::<pairs::Setup>("pairs", &pairs::Setup { key: key.clone() }, key);
    refuse_keys::<PresignSetup>("presign", &scene.presign_setup(1), key);
    refuse_keys::<SignSetup>("sign", &sign, key);
    refuse_keys::<OnlineSetup>("online", &online, key);
    let aggregator = 1 + borsh::object_length(key).unwrap();
    refuse::<SignSetup>("aggregator", &sign.to_wire().unwrap(), aggregator + 64, NONE);
    let bytes = online.to_wire().unwrap();
    refuse::<OnlineSetup>("aggregator", &bytes, aggregator, NONE);
    // The signers of a presignature: nobody, and one of them twice.
    let signers = place(&bytes, &borsh::to_vec(&made[0].public().signers).unwrap());
    refuse::<OnlineSetup>("signer", &bytes, signers + 4, NONE.into_iter().chain([2]));
    refuse::<OnlineSetup>("signer", &bytes, signers + 6, NONE.into_iter().chain([1]));
}

#[test]
fn nothing_stored_with_such_parties_is_read() {
    let scene = scene();
    let bytes = scene.stored_pairs(party(1)).to_wire().unwrap();
    // Behind session and key, whose they are; behind their number, two pairs.
    let (own, first) = (1 + 64, 1 + 64 + 2 + 4);
    let second = first + (bytes.len() - first) / 2;
    assert_eq!((with(&bytes, first, 2), with(&bytes, second, 3)), (bytes.clone(), bytes.clone()));
    refuse::<Pairs>("party", &bytes, own, NONE);
    refuse::<Pairs>("peer", &bytes, first, NONE.into_iter().chain([3, 4]));
    refuse::<Pairs>("peer", &bytes, second, NONE.into_iter().chain([2, 1]));
    let presignature = scene.presign(&[1, 2], 1, 1).remove(&party(1)).unwrap().remove(0);
    let bytes = presignature.to_wire().unwrap();
    let signers = place(&bytes, &borsh::to_vec(&presignature.public().signers).unwrap());
    refuse::<Presignature>("signer", &bytes, signers + 4, NONE.into_iter().chain([2, 3]));
    refuse::<Presignature>("signer", &bytes, signers + 6, NONE.into_iter().chain([1]));
    refuse::<Presignature>("party", &bytes, signers + 8, NONE);
}

/// Starts party 1 of this committee, and says why it does not.
fn refusal<P: Protocol>(cast: &Cast, committee: &Committee, setup: P::Setup, secret: P::Secret) -> String {
    let digest = setup_digest(&setup.to_wire().unwrap());
    let mut rng = rng(1);
    let contexts = cast.agree(committee, P::ID, digest, 0, &mut rng);
    match P::start(Arc::clone(&contexts[&party(1)]), setup, secret, &mut rng) {
        Ok(_) => panic!("it starts"),
        Err(refused) => refused.to_string(),
    }
}

/// Why each protocol does not start among these.
fn refusals(scene: &Scene<C>, cast: &Cast, committee: &Committee) -> [String; 4] {
    let tasks = [task([1; 32], "m")];
    let signers: Vec<_> = scene.key.committee.indices().map(PartyIndex::get).collect();
    let made = scene.presign(&signers, 1, 1).remove(&party(1)).unwrap();
    let online = scene.online_setup(1, &tasks, &made);
    let secret = || scene.secret(party(1));
    let pairs = pairs::Setup { key: scene.key.clone() };
    [
        refusal::<PairsProtocol>(cast, committee, pairs, ()),
        refusal::<Presign<C>>(cast, committee, scene.presign_setup(1), secret()),
        refusal::<Sign<C>>(cast, committee, scene.sign_setup(1, &tasks), secret()),
        refusal::<Online<C>>(cast, committee, online, Presignatures(made)),
    ]
}

fn refused(scene: &Scene<C>, cast: &Cast, committee: &Committee, signing: &str) {
    for refused in refusals(scene, cast, committee) {
        assert!(refused.contains(signing), "{refused}");
    }
}

fn committee(threshold: u16, members: &[Member]) -> Committee {
    Committee::new(Threshold::new(threshold).unwrap(), members.to_vec()).unwrap()
}

#[test]
fn fewer_signers_than_the_threshold_do_not_start() {
    let scene = Scene::<C>::new(3, 3, 1);
    let members = scene.cast.committee().members();
    let few = scene.cast.committee().subset(&[party(1), party(2)]);
    let needed = scene.cast.committee().threshold();
    assert_eq!(few, Err(CommitteeError::TooFew { members: 2, threshold: needed }));
    // Nor when they say that fewer are enough, whether they are or not.
    let told = "the key needs 3 signers, the session says 2";
    refused(&scene, &scene.cast, &committee(2, &members[..2]), told);
    refused(&scene, &scene.cast, &committee(2, members), told);
    let scene = Scene::<C>::new(2, 3, 1);
    let told = "the key needs 2 signers, the session says 3";
    refused(&scene, &scene.cast, &committee(3, scene.cast.committee().members()), told);
}

#[test]
fn strangers_and_holders_in_the_place_of_others_do_not_start() {
    let scene = scene();
    let cast = Cast::new(2, 4, 1);
    let all = cast.committee().members();
    assert_eq!(scene.cast.committee().members(), &all[..3]);
    refused(&scene, &cast, &cast.subset(&[1, 2, 4]), "party 4 holds no share of the key");
    refused(&scene, &cast, cast.committee(), "party 4 holds no share of the key");
    let mut swapped = all[..3].to_vec();
    swapped[1].identity = all[2].identity;
    swapped[2].identity = all[1].identity;
    refused(&scene, &cast, &committee(2, &swapped), "party 2 holds no share of the key");
    // Twice, and there is no such committee.
    let twice = vec![all[0], Member { index: party(1), ..all[1] }];
    let twice = Committee::new(cast.committee().threshold(), twice);
    assert_eq!(twice, Err(CommitteeError::RepeatedIndex(party(1))));
    assert_eq!(
        cast.committee().subset(&[party(1), party(2), party(2)]),
        Err(CommitteeError::RepeatedIndex(party(2)))
    );
}

#[test]
fn those_who_were_there_sign_without_who_was_not() {
    let scene = scene();
    let mut pairs = scene.pairs_of(&[1, 2]);
    let public = pairs[&party(1)].public().clone();
    let secret = |index| {
        let pairs = Arc::new(SharedPairs::new(pairs.remove(&index).unwrap(), []));
        PresignSecret { share: scene.share(index), pairs }
    };
    let setup = SignSetup { pairs: public, ..scene.sign_setup(2, &[task([1; 32], "m/0/1")]) };
    let committee = scene.cast.subset(&[1, 2]);
    let signing = Simulation::<Sign<C>>::new(&scene.cast, &committee, 1, &setup, secret);
    let [signed] = &made(signing.run().results(), party(2))[..] else { panic!("one signature") };
    assert_eq!(signed.public_key.verify(&[1; 32], &signed.signature), Ok(()));
}

#[test]
fn there_is_nothing_to_begin_without_a_pair() {
    let scene = scene();
    // That with party 2 alone.
    let made = scene.pairs_of(&[1, 2]).remove(&party(1)).unwrap();
    let public = made.public().clone();
    let pairs = Arc::new(SharedPairs::new(made, []));
    let secret = || PresignSecret { share: scene.share(party(1)), pairs: Arc::clone(&pairs) };
    let holders = scene.cast.committee();
    let setup = PresignSetup { pairs: public.clone(), ..scene.presign_setup(1) };
    let refused = refusal::<Presign<C>>(&scene.cast, holders, setup, secret());
    assert!(refused.contains("there is no pair with party 3"), "{refused}");
    let setup = SignSetup { pairs: public, ..scene.sign_setup(1, &[task([1; 32], "m")]) };
    let refused = refusal::<Sign<C>>(&scene.cast, holders, setup, secret());
    assert!(refused.contains("there is no pair with party 3"), "{refused}");
}

/// Envelopes that name as sender or recipient who is not, or not the one that hands them over: they are counted and nothing else.
#[test]
fn messages_of_such_parties_are_not_heard() {
    let scene = scene();
    let setup = scene.presign_setup(1);
    let begin = || {
        Table::<Presign<C>>::new(&scene.cast, scene.cast.committee(), 1, &setup, |index| scene.secret(index))
    };
    let genuine = begin().take(2, 1, 1);
    let bytes = genuine.to_wire().unwrap();
    // Behind version, session, epoch and attempt; and for whom, behind one byte.
    let (sender, recipient) = (1 + 32 + 8 + 4, 1 + 32 + 8 + 4 + 2 + 1);
    assert_eq!((with(&bytes, sender, 2), with(&bytes, recipient, 1)), (bytes.clone(), bytes.clone()));
    for at in [sender, recipient] {
        let mut table = begin();
        for number in [0, MAX_PARTIES + 1, u16::MAX, MAX_PARTIES, 3] {
            table.hand(2, 1, &with(&bytes, at, number));
        }
        table.deliver_all();
        assert!(table.all_done(), "{:?}", table.aborts);
    }
    // Rightly signed, but for another; and of one that is no signer.
    let mut table = begin();
    let signer = scene.cast.keyring(party(2)).signer;
    let Envelope { header, broadcast, direct, .. } = genuine;
    let sealed =
        |header| Envelope::seal(header, broadcast.clone(), direct.clone(), &*signer).to_wire().unwrap();
    table.hand(2, 1, &sealed(Header { recipient: Some(party(3)), ..header }));
    let of_a_stranger = sealed(Header { sender: party(MAX_PARTIES), ..header });
    for from in [2, MAX_PARTIES] {
        table.hand(from, 1, &of_a_stranger);
    }
    table.deliver_all();
    assert!(table.all_done(), "{:?}", table.aborts);
}
