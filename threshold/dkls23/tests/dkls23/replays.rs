//! Messages of another session, and session ids that were there before.
//!
//! No two sessions have one id: each holds fresh bytes of every party, and a promise to take part is used up by the session that it begins (see
//! `quorate_session::Accepted`). Here is what comes of it if a caller errs all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use quorate_dkls23::pairs::{self, PairsProtocol};
use quorate_dkls23::presign::{Message, Presign};
use quorate_session::{Abort, Envelope, MAX_STRIKES, Protocol, SessionContext, Wire, setup_digest};
use quorate_sharing::{Curve, PartyIndex, Secp256k1};
use quorate_simulator::Rewrite;

use crate::scene::{Scene, party, rng};
use crate::table::Table;

type C = Secp256k1;

const VICTIM: u16 = 1;
const PEER: u16 = 2;

fn scene() -> Scene<C> {
    Scene::new(2, 2, 1)
}

fn pairing(scene: &Scene<C>, seed: u64) -> Table<'_, PairsProtocol> {
    let setup = pairs::Setup { key: scene.key.clone() };
    Table::new(&scene.cast, scene.cast.committee(), seed, &setup, |_| ())
}

fn presigning(scene: &Scene<C>, seed: u64) -> Table<'_, Presign<C>> {
    let setup = scene.presign_setup(1);
    Table::new(&scene.cast, scene.cast.committee(), seed, &setup, |index| scene.secret(index))
}

fn contexts(scene: &Scene<C>) -> BTreeMap<PartyIndex, Arc<SessionContext>> {
    let digest = setup_digest(&scene.presign_setup(1).to_wire().unwrap());
    scene.cast.agree(scene.cast.committee(), Presign::<C>::ID, digest, 0, &mut rng(1))
}

/// A run of the session of these contexts.
fn run<'a>(
    scene: &'a Scene<C>,
    contexts: &BTreeMap<PartyIndex, Arc<SessionContext>>,
    seed: u64,
) -> Table<'a, Presign<C>> {
    Table::of(&scene.cast, contexts.clone(), seed, &scene.presign_setup(1), |index| scene.secret(index))
}

fn none_is_caught(scene: &Scene<C>) -> bool {
    !scene.pairs[&party(VICTIM)].is_caught(party(PEER)) && !scene.pairs[&party(PEER)].is_caught(party(VICTIM))
}

fn wire(envelope: &Envelope) -> Vec<u8> {
    envelope.to_wire().unwrap()
}

/// Messages of another session of the same two, with the same pairs: as they were, with the name of this session in them, and rightly signed for the
/// other one. Nothing comes of them but that they are counted.
fn are_not_taken_for_cheating<P: Protocol>(
    scene: &Scene<C>,
    begin: fn(&Scene<C>, u64) -> Table<'_, P>,
    round: u8,
) where
    P::Setup: Clone,
{
    let mut other = begin(scene, 1);
    other.reach(round);
    let theirs = other.take(PEER, VICTIM, round);
    let replay = |table: &Table<'_, P>, own: &Envelope| {
        let mut renamed = theirs.clone();
        renamed.header.session = own.header.session;
        let mut misnamed = own.clone();
        misnamed.header.session = theirs.header.session;
        let misnamed = table.seal(&misnamed, own.broadcast.clone(), own.direct.clone());
        [wire(&theirs), wire(&renamed), wire(&misnamed)]
    };
    let mut table = begin(scene, 2);
    table.reach(round);
    let own = table.take(PEER, VICTIM, round);
    for bytes in replay(&table, &own) {
        table.hand(PEER, VICTIM, &bytes);
    }
    assert!(table.aborts.is_empty(), "{} round {round}: {:?}", P::ID, table.aborts);
    table.hand(PEER, VICTIM, &wire(&own));
    table.deliver_all();
    assert!(table.all_done(), "{} round {round}: {:?}", P::ID, table.aborts);
    // Who sends nothing else is named at last, and for this session only.
    for bytes in replay(&table, &own) {
        let mut table = begin(scene, 2);
        table.reach(round);
        (0..=MAX_STRIKES).for_each(|_| table.hand(PEER, VICTIM, &bytes));
        let abort = &table.aborts[&party(VICTIM)];
        assert!(matches!(abort, Abort::Attributed { parties, .. } if *parties == [party(PEER)]), "{abort}");
    }
    assert!(none_is_caught(scene));
}

#[test]
fn messages_of_another_session_are_not_taken_for_cheating() {
    let scene = scene();
    for round in 1..=3 {
        are_not_taken_for_cheating(&scene, pairing, round);
    }
    for round in 1..=2 {
        are_not_taken_for_cheating(&scene, presigning, round);
    }
}

/// What was said in another session, said again in this one.
fn repeated<'a, P: Protocol>(
    scene: &'a Scene<C>,
    begin: fn(&'a Scene<C>, u64) -> Table<'a, P>,
    round: u8,
) -> Table<'a, P>
where
    P::Setup: Clone,
{
    let mut other = begin(scene, 1);
    other.reach(round);
    let Envelope { direct, .. } = other.take(PEER, VICTIM, round);
    let mut table = begin(scene, 2);
    table.reach(round);
    let sent = table.take(PEER, VICTIM, round);
    let said = table.seal(&sent, sent.broadcast.clone(), direct);
    table.hand(PEER, VICTIM, &wire(&said));
    table.deliver_all();
    table
}

#[test]
fn base_transfers_and_seeds_of_another_session_name_their_author_for_this_one() {
    let scene = scene();
    let fits_nothing = format!("sent corrections to party {VICTIM} that fit no seeds");
    let acknowledged = format!("acknowledged something else to party {VICTIM} than what both have said");
    for (round, told) in [(1, &fits_nothing), (2, &fits_nothing), (3, &acknowledged)] {
        let table = repeated(&scene, pairing, round);
        assert_eq!(table.named(VICTIM, PEER), (told.clone(), false), "round {round}");
    }
}

/// Transfers and multiplications name what they are made for.
#[test]
fn transfers_and_multiplications_of_another_session_are_not_taken_for_cheating() {
    let scene = scene();
    for round in 1..=2 {
        let table = repeated(&scene, presigning, round);
        let told = format!("sent party {VICTIM} what is of other seeds or another session");
        assert_eq!(table.named(VICTIM, PEER), (told, false), "round {round}");
        assert!(none_is_caught(&scene), "round {round}");
    }
    // Nor are they refused from then on.
    let mut table = presigning(&scene, 3);
    table.deliver_all();
    assert!(table.all_done(), "{:?}", table.aborts);
}

#[test]
fn commitments_of_another_session_can_not_be_opened() {
    let scene = Scene::<C>::new(3, 3, 1);
    let (setup, signers) = (scene.presign_setup(1), [1, 2, 3]);
    let before = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&before);
    let mut simulation = scene.presigning(&signers, &setup, 1);
    let listen: Rewrite<Message> =
        Box::new(move |_, send| heard.lock().unwrap().extend(send.broadcast.clone()));
    simulation.cheat(party(PEER), &setup, scene.secret(party(PEER)), listen);
    assert_eq!(simulation.run().results().len(), 3);
    let mut said = std::mem::take(&mut *before.lock().unwrap()).into_iter();
    let mut simulation = scene.presigning(&signers, &setup, 2);
    let repeat: Rewrite<Message> = Box::new(move |_, send| send.broadcast = said.next());
    simulation.cheat(party(PEER), &setup, scene.secret(party(PEER)), repeat);
    let finding = simulation.run().all_convict(party(PEER));
    assert_eq!(finding, "opened another nonce or key than it had committed to");
}

/// Its peer, for whom the first is still there, refuses the second.
#[test]
fn a_second_session_of_one_id_convicts_who_began_it() {
    let scene = scene();
    let contexts = contexts(&scene);
    for round in 1..=2 {
        let (mut first, mut second) = (run(&scene, &contexts, 2), run(&scene, &contexts, 3));
        first.reach(round);
        second.reach(round);
        let (sent, again) = (first.take(PEER, VICTIM, round), second.take(PEER, VICTIM, round));
        assert_eq!(sent.header.session, again.header.session);
        first.hand(PEER, VICTIM, &wire(&sent));
        if round == 2 {
            // It has its presignatures, and hears nothing of that session any more.
            assert!(first.done.contains(&party(VICTIM)));
            first.hand(PEER, VICTIM, &wire(&again));
            assert!(first.aborts.is_empty());
            continue;
        }
        first.hand(PEER, VICTIM, &wire(&again));
        let told = format!("sent contradicting messages in round {round}");
        assert_eq!(first.named(VICTIM, PEER), (told, true));
    }
    assert!(none_is_caught(&scene));
}

/// Of the corrections of a multiplication, those of the key share, as scalars: it is the same in both runs of one session.
fn of_the_key(sent: &Envelope) -> Vec<<C as Curve>::Scalar> {
    let message = Message::from_wire(sent.direct.whole().unwrap()).unwrap();
    let Message::Products(products) = message else { panic!("another round") };
    let bytes = borsh::to_vec(&products[0].multiplication).unwrap();
    let corrections = bytes[16 + 4..].chunks_exact(96).take(512);
    corrections.map(|three| C::scalar_from_bytes(three[32..64].try_into().unwrap()).unwrap()).collect()
}

/// As if the victim had been put back to where it began a session: the caller must prevent that. Whoever repeats to it what was said gets nothing twice
/// that hides a secret, and the victim refuses what was said to another run.
#[test]
fn in_another_run_of_its_session_a_transcript_is_of_no_use_and_refused() {
    let scene = scene();
    let contexts = contexts(&scene);
    let (mut first, mut again) = (run(&scene, &contexts, 2), run(&scene, &contexts, 3));
    let said = [first.take(VICTIM, PEER, 1), again.take(VICTIM, PEER, 1)];
    assert!(said[0].broadcast != said[1].broadcast && said[0].direct != said[1].direct);
    first.hand(VICTIM, PEER, &wire(&said[0]));
    // The same transfers to both.
    let transfers = wire(&first.take(PEER, VICTIM, 1));
    first.hand(PEER, VICTIM, &transfers);
    again.hand(PEER, VICTIM, &transfers);
    let [own, other] = [&mut first, &mut again].map(|table| of_the_key(&table.take(VICTIM, PEER, 2)));
    // What hides the key share is another in each transfer; were it the same, so would be the sums.
    let differences: BTreeSet<_> =
        own.iter().zip(&other).map(|(own, other)| C::scalar_to_bytes(&(*own - other))).collect();
    assert_eq!(differences.len(), 512);
    assert!(!differences.contains(&[0; 32]));
    // What its peer has multiplied with the choices of the first run comes with a digest of what was said in that.
    let products = wire(&first.take(PEER, VICTIM, 2));
    again.hand(PEER, VICTIM, &products);
    assert!(again.done.is_empty() && again.aborts.is_empty());
    again.expire(VICTIM);
    let abort = &again.aborts[&party(VICTIM)];
    assert!(
        abort.to_string().contains("did not show the broadcasts of which they signed another"),
        "{abort}"
    );
    // In its own run it is right.
    first.hand(PEER, VICTIM, &products);
    assert!(first.done.contains(&party(VICTIM)) && none_is_caught(&scene));
}

#[test]
fn what_is_handed_over_several_times_is_heard_once() {
    let scene = scene();
    let mut table = presigning(&scene, 1);
    for round in 1..=2 {
        table.reach(round);
        let sent = wire(&table.take(PEER, VICTIM, round));
        (0..3).for_each(|_| table.hand(PEER, VICTIM, &sent));
    }
    table.deliver_all();
    assert!(table.all_done() && none_is_caught(&scene), "{:?}", table.aborts);
}
