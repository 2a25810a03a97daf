//! The word of a party that it ends a session over another one: it ends the session for all, and convicts nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_dkls23::presign::{Message, Presign};
use quorate_session::{
    Abort, Action, Envelope, Header, Kind, MAX_STRIKES, Part, Protocol, Session, Wire, setup_digest,
};
use quorate_sharing::{PartyIndex, Secp256k1};
use quorate_simulator::{Outcome, Rewrite};

use crate::scene::{Scene, party, rng};

type C = Secp256k1;

const SIGNERS: [u16; 3] = [1, 2, 3];

/// Sessions in round 1, of which nothing has been delivered.
struct Table {
    scene: Scene<C>,
    sessions: BTreeMap<PartyIndex, Session<Presign<C>>>,
}

impl Table {
    fn new() -> Self {
        let scene = Scene::<C>::new(3, 3, 1);
        let setup = scene.presign_setup(1);
        let mut rng = rng(1);
        let digest = setup_digest(&setup.to_wire().unwrap());
        let contexts = scene.cast.agree(scene.cast.committee(), Presign::<C>::ID, digest, 0, &mut rng);
        let sessions = contexts.into_iter().map(|(index, context)| {
            let (keyring, secret) = (scene.cast.keyring(index), scene.secret(index));
            let mut session = Session::new(context, setup.clone(), secret, keyring, &mut rng).unwrap();
            while session.next_action().is_some() {}
            (index, session)
        });
        let sessions = sessions.collect();
        Self { scene, sessions }
    }

    /// What a party says that it ends the session over.
    fn withdrawal(&self, from: u16, body: &[u8]) -> Vec<u8> {
        let agreement = self.sessions[&party(from)].context().agreement().clone();
        let header = Header {
            session: agreement.session(),
            epoch: agreement.epoch(),
            attempt: agreement.proposal().attempt,
            sender: party(from),
            recipient: None,
            kind: Kind::Withdrawal,
            round: 1,
            echo: None,
        };
        let signer = self.scene.cast.keyring(party(from)).signer;
        Envelope::seal(header, Part::Whole(body.to_vec()), Part::Absent, &*signer).to_wire().unwrap()
    }

    fn receive(&mut self, to: u16, from: u16, bytes: &[u8]) -> Vec<Action<Presign<C>>> {
        let session = self.sessions.get_mut(&party(to)).unwrap();
        session.receive(party(from), bytes, &mut rng(2));
        std::iter::from_fn(|| session.next_action()).collect()
    }
}

/// Encoded as it travels.
fn over(parties: &[u16]) -> Vec<u8> {
    let parties: Vec<_> = parties.iter().copied().map(party).collect();
    [vec![quorate_session::WIRE_VERSION], borsh::to_vec(&parties).unwrap()].concat()
}

#[test]
fn who_is_told_alone_tells_the_others() {
    let mut table = Table::new();
    let told = table.withdrawal(2, &over(&[3]));
    let mut actions = table.receive(1, 2, &told).into_iter();
    let Some(Action::Abort(Abort::Withdrawn { by, over })) = actions.next() else { panic!("it goes on") };
    assert_eq!((by, over), (party(2), vec![party(3)]));
    // After it has said so to its caller, and to all: party 3 ends as well, and blames neither for silence.
    let passed: Vec<_> = actions.collect();
    let to = |wanted: u16| {
        passed.iter().find_map(|action| match action {
            Action::Send { to, bytes } if *to == party(wanted) => Some(Arc::clone(bytes)),
            _ => None,
        })
    };
    assert!(passed.len() == 2 && to(2).is_some(), "{passed:?}");
    let actions = table.receive(3, 1, &to(3).unwrap());
    let Some(Action::Abort(Abort::Withdrawn { by, over })) = actions.first() else { panic!("it goes on") };
    assert_eq!((*by, over.as_slice()), (party(1), &[party(2)][..]));
    // Once is enough.
    assert!(table.receive(1, 2, &told).is_empty());
}

#[test]
fn what_is_no_withdrawal_ends_nothing_but_its_authors_patience() {
    // Over nobody, itself, a stranger, twice the same, in no order; nothing that can be read.
    let bodies = [
        over(&[]),
        over(&[2]),
        over(&[4]),
        over(&[3, 3]),
        over(&[3, 1]),
        vec![],
        vec![7; 40],
        vec![0xFF; 1000],
    ];
    assert_eq!(bodies.len(), MAX_STRIKES as usize);
    let mut table = Table::new();
    for body in &bodies {
        let told = table.withdrawal(2, body);
        assert!(table.receive(1, 2, &told).is_empty(), "{body:?}");
    }
    let told = table.withdrawal(2, &over(&[]));
    let actions = table.receive(1, 2, &told);
    let Some(Action::Abort(Abort::Attributed { parties, .. })) = actions.first() else {
        panic!("{actions:?}")
    };
    assert_eq!(*parties, [party(2)]);
}

/// One cheats, another has a message from another session under way: only the first is given up for good.
#[test]
fn who_did_less_is_not_given_up_with_who_was_caught() {
    let scene = Scene::<C>::new(3, 3, 1);
    let setup = scene.presign_setup(1);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 1);
    for (cheater, place) in [(1, 0), (2, 2659)] {
        // The name of the run, or the last byte of the digest of all rows.
        let rewrite: Rewrite<Message> = Box::new(move |round, send| {
            if let Some(Message::Extensions(extensions)) = send.direct.get_mut(&party(3)) {
                assert_eq!(round, 1);
                let mut bytes = borsh::to_vec(&extensions[0]).unwrap();
                bytes[place] ^= 1;
                extensions[0] = borsh::from_slice(&bytes).unwrap();
            }
        });
        simulation.cheat(party(cheater), &setup, scene.secret(party(cheater)), rewrite);
    }
    let outcomes = simulation.run();
    let Some(Outcome::Aborted(Abort::Witnessed { parties, lasting, .. })) = outcomes.0.get(&party(3)) else {
        panic!("{outcomes:?}")
    };
    assert_eq!((parties.as_slice(), lasting.as_slice()), (&[party(1), party(2)][..], &[party(2)][..]));
    let pairs = &scene.pairs[&party(3)];
    assert!(pairs.is_caught(party(2)) && !pairs.is_caught(party(1)));
}
