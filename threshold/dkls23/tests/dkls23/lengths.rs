//! Messages that are cut off, too long, or of other parts than they should have: of every round, their author is named, nobody else, and no pair is given
//! up over them.

use borsh::BorshDeserialize;
use quorate_dkls23::pairs::{self, Pairs, PairsProtocol};
use quorate_dkls23::presign::{self, Opening, Presign, PresignSetup, Product};
use quorate_dkls23::sign::{self, Online, OnlineSetup, Share, Sign, SignSetup};
use quorate_dkls23::{MAX_SIGNATURES, Presignature};
use quorate_oblivious::extension::Extension;
use quorate_session::{Envelope, Header, Part, Protocol, Wire};
use quorate_sharing::Secp256k1;

use crate::scene::{Scene, party, task};
use crate::table::Table;

type C = Secp256k1;

/// Of shares, the victim is the aggregator.
const VICTIM: u16 = 1;
const CHEATER: u16 = 2;
const SIGNERS: [u16; 3] = [1, 2, 3];
/// Presignatures, or signatures, of one session.
const COUNT: u16 = 2;

/// Which part of a message the cheater changes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Broadcast,
    Direct,
}
use Place::{Broadcast, Direct};

fn scene() -> Scene<C> {
    Scene::new(3, 3, 1)
}

/// Of two alone: pairs take long to make.
fn holders() -> Scene<C> {
    Scene::new(2, 2, 1)
}

fn pairing(scene: &Scene<C>) -> Table<'_, PairsProtocol> {
    let setup = pairs::Setup { key: scene.key.clone() };
    Table::new(&scene.cast, scene.cast.committee(), 1, &setup, |_| ())
}

fn presigning(scene: &Scene<C>) -> Table<'_, Presign<C>> {
    let setup = scene.presign_setup(COUNT);
    Table::new(&scene.cast, &scene.cast.subset(&SIGNERS), 1, &setup, |index| scene.secret(index))
}

fn signing(scene: &Scene<C>) -> Table<'_, Sign<C>> {
    let setup = scene.sign_setup(VICTIM, &[task([7; 32], "m"), task([8; 32], "m/1")]);
    Table::new(&scene.cast, &scene.cast.subset(&SIGNERS), 1, &setup, |index| scene.secret(index))
}

fn online(scene: &Scene<C>) -> Table<'_, Online<C>> {
    let mut made = scene.presign(&SIGNERS, COUNT, 1);
    let tasks = [task([7; 32], "m"), task([8; 32], "m/1")];
    let setup = scene.online_setup(VICTIM, &tasks, &made[&party(VICTIM)]);
    Table::new(&scene.cast, &scene.cast.subset(&SIGNERS), 1, &setup, |index| {
        quorate_dkls23::Presignatures(made.remove(&index).unwrap())
    })
}

/// What comes of it when the cheater sends its victim, instead of its message of a round, what is made of it.
fn instead<P: Protocol>(
    mut table: Table<'_, P>,
    round: u8,
    make: impl FnOnce(&Table<'_, P>, &Envelope) -> Envelope,
) -> (String, bool)
where
    P::Setup: Clone,
{
    table.reach(round);
    let sent = table.take(CHEATER, VICTIM, round);
    let made = make(&table, &sent).to_wire().unwrap();
    table.hand(CHEATER, VICTIM, &made);
    table.deliver_all();
    table.named(VICTIM, CHEATER)
}

/// The same with one part changed.
fn with_part<P: Protocol>(
    table: Table<'_, P>,
    round: u8,
    place: Place,
    change: impl FnOnce(&[u8]) -> Vec<u8>,
) -> (String, bool)
where
    P::Setup: Clone,
{
    instead(table, round, |table, sent| {
        let (mut broadcast, mut direct) = (sent.broadcast.clone(), sent.direct.clone());
        let part = if place == Broadcast { &mut broadcast } else { &mut direct };
        *part = Part::Whole(change(part.whole().unwrap()));
        table.seal(sent, broadcast, direct)
    })
}

/// What is shorter or longer than a message of at most so many bytes, or of another version.
fn resized(message: &[u8], most: usize) -> Vec<Vec<u8>> {
    let length = message.len();
    let cuts = [0, 1, 2, 3, 6, 7, 8, 40, length / 2, length.saturating_sub(33), length - 32, length - 1];
    let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < length).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut all: Vec<_> = cuts.into_iter().map(|cut| message[..cut].to_vec()).collect();
    for longer in [length + 1, most, most + 1] {
        let mut message = message.to_vec();
        message.resize(longer, 0);
        all.push(message);
    }
    let mut of_another_version = message.to_vec();
    of_another_version[0] = 2;
    all.push(of_another_version);
    all
}

/// Every such size of a part of a round's message.
fn sizes<P: Protocol>(scene: &Scene<C>, begin: fn(&Scene<C>) -> Table<'_, P>, round: u8, place: Place)
where
    P::Setup: Clone,
{
    let mut table = begin(scene);
    table.reach(round);
    let sent = table.take(CHEATER, VICTIM, round);
    let part = if place == Broadcast { sent.broadcast } else { sent.direct };
    for changed in resized(part.whole().unwrap(), P::Message::MAX_BYTES) {
        let length = changed.len();
        let said = with_part(begin(scene), round, place, |_| changed);
        let expected = format!("sent an undecodable message in round {round}");
        assert_eq!(said, (expected, true), "{} {place:?} of {length} bytes", P::ID);
    }
    none_is_caught(scene);
}

fn none_is_caught(scene: &Scene<C>) {
    for (own, pairs) in &scene.pairs {
        assert!(SIGNERS.iter().all(|peer| !pairs.is_caught(party(*peer))), "by party {own}");
    }
}

#[test]
fn base_transfers_of_another_size_convict_their_author() {
    sizes(&holders(), pairing, 1, Direct);
}

#[test]
fn corrections_of_another_size_convict_their_author() {
    sizes(&holders(), pairing, 2, Direct);
}

#[test]
fn acknowledgements_of_another_size_convict_their_author() {
    sizes(&holders(), pairing, 3, Direct);
}

#[test]
fn commitments_and_transfers_of_another_size_convict_their_author() {
    let scene = scene();
    for place in [Broadcast, Direct] {
        sizes(&scene, presigning, 1, place);
        sizes(&scene, signing, 1, place);
    }
}

#[test]
fn openings_and_products_of_another_size_convict_their_author() {
    let scene = scene();
    for place in [Broadcast, Direct] {
        sizes(&scene, presigning, 2, place);
        sizes(&scene, signing, 2, place);
    }
}

#[test]
fn shares_of_another_size_convict_their_author() {
    let scene = scene();
    sizes(&scene, signing, 3, Direct);
    sizes(&scene, online, 1, Direct);
}

/// Without one of its parts, with one that the round does not have, or for nobody in particular, which would be no evidence.
fn parts<P: Protocol>(
    scene: &Scene<C>,
    begin: fn(&Scene<C>) -> Table<'_, P>,
    round: u8,
    unaddressed: impl Fn(&Scene<C>, &Envelope) -> Envelope,
) where
    P::Setup: Clone,
{
    let expected = (format!("sent an unexpected message in round {round}"), true);
    let said = instead(begin(scene), round, |table, sent| table.seal(sent, Part::Absent, Part::Absent));
    assert_eq!(said, expected, "{} without any part", P::ID);
    let said =
        instead(begin(scene), round, |table, sent| table.seal(sent, sent.direct.clone(), Part::Absent));
    assert_eq!(said, expected, "{} without its direct part", P::ID);
    let said = instead(begin(scene), round, |table, sent| {
        let other = if sent.broadcast == Part::Absent { &sent.direct } else { &Part::Absent };
        table.seal(sent, other.clone(), sent.direct.clone())
    });
    assert_eq!(said, expected, "{} with another broadcast, or none", P::ID);
    let said = instead(begin(scene), round, |_, sent| unaddressed(scene, sent));
    assert_eq!(said, expected, "{} to nobody", P::ID);
}

#[test]
fn messages_of_other_parts_than_a_round_has_convict_their_author() {
    let (scene, holders) = (scene(), holders());
    let unaddressed = |scene: &Scene<C>, sent: &Envelope| {
        let header = Header { recipient: None, ..sent.header.clone() };
        let signer = scene.cast.keyring(party(CHEATER)).signer;
        Envelope::seal(header, sent.broadcast.clone(), sent.direct.clone(), &*signer)
    };
    for round in 1..=3 {
        parts(&holders, pairing, round, unaddressed);
    }
    for round in 1..=2 {
        parts(&scene, presigning, round, unaddressed);
        parts(&scene, signing, round, unaddressed);
    }
    parts(&scene, signing, 3, unaddressed);
    parts(&scene, online, 1, unaddressed);
    none_is_caught(&scene);
}

/// So many of the same, as they are sent behind this kind of message.
fn items<T: borsh::BorshSerialize>(kind: &[u8], item: &T, count: usize) -> Vec<u8> {
    let mut bytes = [kind, &u32::try_from(count).unwrap().to_le_bytes()].concat();
    let item = borsh::to_vec(item).unwrap();
    (0..count).for_each(|_| bytes.extend(&item));
    bytes
}

/// The first item of a message that begins with this kind and their number.
fn first<T: BorshDeserialize>(kind: &[u8], message: &[u8]) -> T {
    T::deserialize(&mut message.strip_prefix(kind).unwrap().split_at(4).1).unwrap()
}

/// Another number of items than there are signatures: none, one less, one more, more than a session makes, and as many as a message holds.
fn counts<P: Protocol, T: borsh::BorshSerialize + BorshDeserialize>(
    scene: &Scene<C>,
    begin: fn(&Scene<C>) -> Table<'_, P>,
    (round, place): (u8, Place),
    kind: &[u8],
    expected: &str,
) where
    P::Setup: Clone,
{
    for wanted in [0, COUNT - 1, COUNT + 1, MAX_SIGNATURES as u16 + 1, u16::MAX] {
        let said = with_part(begin(scene), round, place, |message| {
            let item: T = first(kind, message);
            let fit = (P::Message::MAX_BYTES - kind.len() - 4) / borsh::object_length(&item).unwrap();
            items(kind, &item, usize::from(wanted).min(fit))
        });
        assert_eq!(said, (expected.into(), true), "{} {place:?}, {wanted} in round {round}", P::ID);
    }
    none_is_caught(scene);
}

const COMMITMENTS: [u8; 2] = [1, 0];
const EXTENSIONS: [u8; 2] = [1, 1];
const OPENINGS: [u8; 2] = [1, 2];
const PRODUCTS: [u8; 2] = [1, 3];

#[test]
fn another_number_of_items_than_of_signatures_convicts_its_author() {
    let scene = scene();
    let malformed = ["sent a malformed message in round 1", "sent a malformed message in round 2"];
    let opened = "opened another nonce or key than it had committed to";
    counts::<_, [u8; 32]>(&scene, presigning, (1, Broadcast), &COMMITMENTS, malformed[0]);
    counts::<_, Extension>(&scene, presigning, (1, Direct), &EXTENSIONS, malformed[0]);
    counts::<_, Opening>(&scene, presigning, (2, Broadcast), &OPENINGS, opened);
    counts::<_, Product>(&scene, presigning, (2, Direct), &PRODUCTS, malformed[1]);
    let shares = "sent signature shares that are no scalars, or too few or many";
    counts::<_, Share>(&scene, signing, (3, Direct), &[1, 1], shares);
    counts::<_, Share>(&scene, online, (1, Direct), &[1, 1], shares);
}

/// Numbers of items that are not those which follow.
#[test]
fn numbers_that_promise_something_else_convict_their_author() {
    let (scene, holders) = (scene(), holders());
    for promised in [0, 1, 3, u32::MAX] {
        let change = |message: &[u8]| {
            let mut message = message.to_vec();
            message[2..6].copy_from_slice(&promised.to_le_bytes());
            message
        };
        let said = |round| (format!("sent an undecodable message in round {round}"), true);
        for place in [Broadcast, Direct] {
            for round in [1, 2] {
                assert_eq!(with_part(presigning(&scene), round, place, change), said(round), "{promised}");
            }
        }
        assert_eq!(with_part(online(&scene), 1, Direct, change), said(1), "{promised}");
        for round in [1, 2] {
            assert_eq!(with_part(pairing(&holders), round, Direct, change), said(round), "{promised}");
        }
    }
    none_is_caught(&scene);
}

/// What makes up a list inside of a message, in another number. Only the victim looks that deep, and can't show it.
#[test]
fn lists_of_another_length_inside_of_items_name_their_author() {
    let (scene, holders) = (scene(), holders());
    // Where the number of items stands, how many there are, and of how many bytes each is.
    let relist = |(at, count, bytes): (usize, usize, usize), wanted: usize| {
        move |message: &[u8]| {
            let (before, rest) = message.split_at(at);
            let (number, rest) = rest.split_at(4);
            assert_eq!(number, u32::try_from(count).unwrap().to_le_bytes());
            let (list, behind) = rest.split_at(count * bytes);
            let number = u32::try_from(wanted).unwrap().to_le_bytes();
            let list: Vec<u8> = list.iter().copied().cycle().take(wanted * bytes).collect();
            [before, &number, &list, behind].concat()
        }
    };
    // The last ones fill the message. Of an extension, behind name and salt; of a multiplication, behind a salt.
    let transfers = (2 + 4 + 32 + 16, 32, 80);
    let multiplication = (2 + 4 + 16, 512, 96);
    for wanted in [0, 31, 33, 10_000] {
        let said = with_part(presigning(&scene), 1, Direct, relist(transfers, wanted));
        assert_eq!(said, ("sent a malformed message in round 1".into(), false), "{wanted} trees");
    }
    for wanted in [0, 511, 513, 8_000] {
        let said = with_part(presigning(&scene), 2, Direct, relist(multiplication, wanted));
        assert_eq!(said, ("sent a malformed message in round 2".into(), false), "{wanted} transfers");
    }
    let malformed = (format!("sent malformed base transfers to party {VICTIM}"), false);
    for wanted in [0, 127, 129, 142] {
        let said = with_part(pairing(&holders), 1, Direct, relist((2, 128, 64), wanted));
        assert_eq!(said, malformed, "{wanted} base transfers");
    }
    for wanted in [0, 31, 33, 56] {
        let said = with_part(pairing(&holders), 2, Direct, relist((2, 32, 160), wanted));
        assert_eq!(said, malformed, "{wanted} trees");
    }
    let undecryptable = (format!("sent a seed to party {VICTIM} that can't be decrypted"), false);
    let sealed = 2 + 4 + 32 * 160;
    for wanted in [0, 31, 33, 4_000] {
        let said = with_part(pairing(&holders), 2, Direct, |message| {
            let count = message.len() - sealed - 4;
            relist((sealed, count, 1), wanted)(message)
        });
        assert_eq!(said, undecryptable, "a seed of {wanted} bytes");
    }
    none_is_caught(&scene);
}

/// No prefix of an encoding is one, nor is one with something behind it, nor one over its cap.
fn has_one_length<T: Wire>(what: &str, value: &T) {
    let bytes = value.to_wire().unwrap();
    let length = bytes.len();
    // All of them near both ends, and where numbers and lists begin; of long ones, some between.
    let step = if length < 4096 { 1 } else { 61 };
    let lengths = (0..length).filter(|at| *at < 300 || length - at < 300 || at.is_multiple_of(step));
    for cut in lengths {
        assert!(T::from_wire(&bytes[..cut]).is_err(), "{what}: {cut} of {length} bytes");
    }
    for longer in [length + 1, T::MAX_BYTES, T::MAX_BYTES + 1] {
        let mut bytes = bytes.clone();
        bytes.resize(longer.max(length + 1), 0);
        assert!(T::from_wire(&bytes).is_err(), "{what}: {longer} bytes instead of {length}");
    }
    assert!(T::from_wire(&bytes).is_ok(), "{what}");
}

#[test]
fn whatever_is_sent_agreed_upon_or_stored_has_one_length() {
    let (scene, holders) = (scene(), holders());
    fn said<P: Protocol>(mut table: Table<'_, P>, round: u8) -> Vec<P::Message>
    where
        P::Setup: Clone,
    {
        table.reach(round);
        let Envelope { broadcast, direct, .. } = table.take(CHEATER, VICTIM, round);
        [broadcast, direct]
            .iter()
            .filter_map(Part::whole)
            .map(|part| Wire::from_wire(part).unwrap())
            .collect()
    }
    for round in 1..=3 {
        let messages: Vec<pairs::Message> = said(pairing(&holders), round);
        messages.iter().for_each(|message| has_one_length("of pairs", message));
        let messages: Vec<sign::Message> = said(signing(&scene), round);
        messages.iter().for_each(|message| has_one_length("of signing", message));
    }
    for round in 1..=2 {
        let messages: Vec<presign::Message> = said(presigning(&scene), round);
        messages.iter().for_each(|message| has_one_length("of presigning", message));
    }
    let pairs: Pairs = scene.stored_pairs(party(1));
    has_one_length("pairs", &pairs);
    let presignatures = scene.presign(&SIGNERS, 1, 1).remove(&party(1)).unwrap();
    has_one_length::<Presignature>("a presignature", &presignatures[0]);
    let tasks = [task([1; 32], "m/1/2")];
    has_one_length::<pairs::Setup>("setup", &pairs::Setup { key: scene.key.clone() });
    has_one_length::<PresignSetup>("setup", &scene.presign_setup(3));
    has_one_length::<SignSetup>("setup", &scene.sign_setup(1, &tasks));
    has_one_length::<OnlineSetup>("setup", &scene.online_setup(1, &tasks, &presignatures));
}

/// What a party sends to one peer in a round: the part for all and the part for that peer, without the envelope around them.
fn said_to_one<P: Protocol>(table: &mut Table<'_, P>, round: u8) -> [usize; 2]
where
    P::Setup: Clone,
{
    table.reach(round);
    let sent = table.take(CHEATER, VICTIM, round);
    let envelope = sent.to_wire().unwrap();
    table.hand(CHEATER, VICTIM, &envelope);
    let lengths = [&sent.broadcast, &sent.direct].map(|part| part.whole().map_or(0, <[u8]>::len));
    let around = envelope.len() - lengths.iter().sum::<usize>();
    assert!((100..=200).contains(&around), "an envelope of {around} bytes");
    lengths
}

/// The last section of `DEVIATIONS.md` has these as a table.
#[test]
fn messages_of_one_signature_are_as_long_as_documented() {
    // What names a run or a version may come and go; nothing else.
    let is_about = |is: usize, pinned: usize| if pinned == 0 { is == 0 } else { is.abs_diff(pinned) <= 64 };
    let check = |what, round: u8, is: [usize; 2], pinned: [usize; 2]| {
        let as_pinned = is_about(is[0], pinned[0]) && is_about(is[1], pinned[1]);
        assert!(as_pinned, "{what}, round {round}: {is:?} bytes to all and to one, not about {pinned:?}");
    };
    let scene = holders();
    let mut making = pairing(&scene);
    for (round, pinned) in [(1, [0, 8_262]), (2, [0, 5_178]), (3, [0, 34])] {
        check("pairs", round, said_to_one(&mut making, round), pinned);
    }
    making.deliver_all();
    assert!(making.all_done());

    let setup = scene.sign_setup(VICTIM, &[task([7; 32], "m")]);
    let mut one: Table<'_, Sign<C>> =
        Table::new(&scene.cast, scene.cast.committee(), 1, &setup, |index| scene.secret(index));
    for (round, pinned) in [(1, [39, 2_667]), (2, [105, 49_373]), (3, [0, 70])] {
        check("signing", round, said_to_one(&mut one, round), pinned);
    }
    one.deliver_all();
    assert!(one.all_done());
}
