//! Who was caught once is done nothing with any more, in whatever session.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_dkls23::pairs::{Pairs, SharedPairs};
use quorate_dkls23::presign::{Message, Presign};
use quorate_session::{Abort, Action, Protocol, Session, SessionContext, Wire, setup_digest};
use quorate_sharing::{PartyIndex, Secp256k1};
use quorate_simulator::{Outcome, Rewrite, Simulation};

use crate::scene::{Scene, party, rng};

type C = Secp256k1;

const CHEATER: u16 = 2;
const VICTIM: u16 = 1;
const SIGNERS: [u16; 2] = [1, 2];

/// A session of both, which they have begun: what each has said in round 1.
struct Begun {
    sessions: BTreeMap<PartyIndex, Session<Presign<C>>>,
    said: BTreeMap<PartyIndex, Arc<[u8]>>,
}

fn contexts(scene: &Scene<C>, seed: u64) -> BTreeMap<PartyIndex, Arc<SessionContext>> {
    let digest = setup_digest(&scene.presign_setup(1).to_wire().unwrap());
    scene.cast.agree(&scene.cast.subset(&SIGNERS), Presign::<C>::ID, digest, 0, &mut rng(seed))
}

fn begin(scene: &Scene<C>, seed: u64) -> Begun {
    let mut begun = Begun { sessions: BTreeMap::new(), said: BTreeMap::new() };
    for (index, context) in contexts(scene, seed) {
        let keyring = scene.cast.keyring(index);
        let (setup, secret) = (scene.presign_setup(1), scene.secret(index));
        let mut session = Session::new(context, setup, secret, keyring, &mut rng(seed)).unwrap();
        let Some(Action::Send { bytes, .. }) = session.next_action() else { panic!("it says something") };
        begun.said.insert(index, bytes);
        begun.sessions.insert(index, session);
    }
    begun
}

fn cheat(scene: &Scene<C>, seed: u64) {
    let setup = scene.presign_setup(1);
    let mut simulation: Simulation<'_, Presign<C>> = scene.presigning(&SIGNERS, &setup, seed);
    let rewrite: Rewrite<Message> = Box::new(|round, send| {
        let Some(Message::Extensions(extensions)) = send.direct.get_mut(&party(VICTIM)) else {
            assert_eq!(round, 2);
            return;
        };
        let mut bytes = borsh::to_vec(&extensions[0]).unwrap();
        // The digest of all rows.
        *bytes.last_mut().unwrap() ^= 1;
        extensions[0] = borsh::from_slice(&bytes).unwrap();
    });
    simulation.cheat(party(CHEATER), &setup, scene.secret(party(CHEATER)), rewrite);
    let outcomes = simulation.run();
    let victim = &outcomes.0[&party(VICTIM)];
    assert!(
        matches!(victim, Outcome::Aborted(Abort::Witnessed { lasting, .. }) if *lasting == [party(CHEATER)]),
        "{outcomes:?}"
    );
}

#[test]
fn sessions_that_run_stop_before_anything_of_them_is_used() {
    let scene = Scene::<C>::new(2, 2, 1);
    let mut first = begin(&scene, 1);
    let mut second = begin(&scene, 2);
    let mut rng = rng(3);
    // The second one has come to its last round.
    let said = Arc::clone(&second.said[&party(VICTIM)]);
    let cheater = second.sessions.get_mut(&party(CHEATER)).unwrap();
    cheater.receive(party(VICTIM), &said, &mut rng);
    let Some(Action::Send { bytes: products, .. }) = cheater.next_action() else { panic!("products") };
    let said = Arc::clone(&second.said[&party(CHEATER)]);
    let victim = second.sessions.get_mut(&party(VICTIM)).unwrap();
    victim.receive(party(CHEATER), &said, &mut rng);
    assert!(matches!(victim.next_action(), Some(Action::Send { .. })));
    cheat(&scene, 5);
    // What it says is right, and comes too late.
    let said = Arc::clone(&first.said[&party(CHEATER)]);
    for (session, message) in [(&mut first, said), (&mut second, products)] {
        let victim = session.sessions.get_mut(&party(VICTIM)).unwrap();
        victim.receive(party(CHEATER), &message, &mut rng);
        match victim.next_action() {
            Some(Action::Abort(Abort::Witnessed { parties, reason, lasting })) => {
                // To be noted again, before anybody hears of it: the other session may not have come to that.
                assert_eq!((&parties, &lasting), (&vec![party(CHEATER)], &parties));
                assert!(reason.contains("was caught by party 1 in another session"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_session_starts_with_who_was_caught_also_after_a_restart() {
    let scene = Scene::<C>::new(2, 3, 1);
    cheat(&scene, 1);
    let pairs = &scene.pairs[&party(VICTIM)];
    let start = |signers: &[u16], pairs: &Arc<SharedPairs>| {
        let setup = scene.presign_setup(1);
        let digest = setup_digest(&setup.to_wire().unwrap());
        let mut rng = rng(9);
        let committee = scene.cast.subset(signers);
        let contexts = scene.cast.agree(&committee, Presign::<C>::ID, digest, 0, &mut rng);
        let mut secret = scene.secret(party(VICTIM));
        secret.pairs = Arc::clone(pairs);
        let started = Presign::<C>::start(Arc::clone(&contexts[&party(VICTIM)]), setup, secret, &mut rng);
        started.map(|_| ()).map_err(|refused| refused.to_string())
    };
    let refused = start(&[1, 2], pairs).unwrap_err();
    assert!(refused.contains("party 2 was caught cheating"), "{refused}");
    assert!(start(&[1, 2, 3], pairs).is_err());
    assert_eq!(start(&[1, 3], pairs), Ok(()), "with others all goes on");
    // As it was stored, and read with who was caught.
    let stored = Pairs::from_wire(&scene.stored_pairs(party(VICTIM)).to_wire().unwrap()).unwrap();
    let restarted = Arc::new(SharedPairs::new(stored, [party(CHEATER)]));
    assert!(start(&[1, 2], &restarted).unwrap_err().contains("was caught cheating"));
}
