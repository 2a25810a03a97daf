use super::*;

use quorate_audit::{EntryHash, Head, Timestamp};
use rand_core::OsRng;

use crate::store::{KdfParams, Passphrase};

const SCOPE: Scope = Scope([5; 32]);

struct Node {
    identity: SigningIdentity,
    standings: Standings,
    store: Arc<Store>,
    _folder: tempfile::TempDir,
}

fn head(owner: &SigningIdentity, seq: u64, hash: u8, time: u64) -> SignedHead {
    let time = Timestamp::from_millis(1_800_000_000_000 + time).unwrap();
    let head = Head { scope: SCOPE, owner: owner.identity(), seq, hash: EntryHash([hash; 32]), time };
    SignedHead::sign(head, owner).unwrap()
}

fn node() -> Node {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = Passphrase::new(b"open sesame".to_vec()).unwrap();
    let store = Store::create(&folder.path().join("node.db"), &passphrase, KdfParams::FLOOR).unwrap();
    let (identity, store) = (SigningIdentity::generate(&mut OsRng), Arc::new(store));
    let standings = load(&identity, &store, 10);
    Node { identity, standings, store, _folder: folder }
}

fn load(identity: &SigningIdentity, store: &Arc<Store>, seq: u64) -> Standings {
    Standings::load(Arc::clone(store), head(identity, seq, 1, 0), false, &mut OsRng).unwrap()
}

#[test]
fn a_peer_that_goes_on_is_known_and_one_that_goes_back_is_found_out() {
    let (node, peer) = (node(), SigningIdentity::generate(&mut OsRng));
    let standing = |life, sequence, head| Standing::sign(life, [7; 16], (90, 9), sequence, head, &peer);
    let see = |standing: &Standing| node.standings.see(&peer.identity(), standing);
    let first = standing(0, 100, head(&peer, 10, 1, 0));
    assert_eq!(see(&first), Ok(Seen::Further));
    assert_eq!(see(&first), Ok(Seen::Further));
    let known = standing(0, 120, head(&peer, 20, 2, 10));
    assert_eq!(see(&known), Ok(Seen::Further));
    assert_eq!(see(&first), Ok(Seen::Late));
    for (bad, why) in [
        (standing(0, 120, head(&peer, 15, 3, 20)), "cut"),
        (standing(0, 120, head(&peer, 20, 3, 20)), "two histories"),
    ] {
        let Ok(Seen::Behind(before, said)) = see(&bad) else { panic!("{why}") };
        assert_eq!(*before, known);
        assert!(said.contains(why), "{said}");
    }
    // It was overtaken on the way.
    assert_eq!(see(&standing(0, 119, head(&peer, 20, 2, 20))), Ok(Seen::Late));
    // Another run goes on from there, or from an older copy, however far it has come since.
    let run = |began, sequence| {
        let head = head(&peer, 21, 4, 30);
        Standing::sign(0, [8; 16], began, sequence, head, &peer)
    };
    for began in [(119, 20), (120, 19)] {
        let Ok(Seen::Behind(before, said)) = see(&run(began, 5000)) else { panic!("{began:?}") };
        assert_eq!((*before, said), (known.clone(), "it was started on an older copy of its files"));
    }
    let known = run((120, 20), 121);
    assert_eq!(see(&known), Ok(Seen::Further));
    assert_eq!(see(&standing(0, 130, head(&peer, 22, 5, 40))), Ok(Seen::Late));
    // Now it knows itself.
    let anew = standing(1, 50, head(&peer, 12, 3, 30));
    assert_eq!(see(&anew), Ok(Seen::Restored(Box::new(known.clone()))));
    assert_eq!(see(&standing(1, 51, head(&peer, 13, 3, 31))), Ok(Seen::Further));
    assert!(matches!(see(&known), Ok(Seen::Behind(..))));

    let other = SigningIdentity::generate(&mut OsRng);
    assert!(node.standings.see(&other.identity(), &anew).is_err());
    let mut elsewhere = head(&peer, 14, 3, 40).head;
    elsewhere.scope = Scope([6; 32]);
    assert!(see(&standing(1, 60, SignedHead::sign(elsewhere, &peer).unwrap())).is_err());
    let mut forged = anew;
    forged.life = 9;
    assert!(see(&forged).is_err());
    (forged.life, forged.sequence) = (1, 5000);
    assert!(see(&forged).is_err());
}

#[tokio::test]
async fn what_is_known_of_peers_is_kept() {
    let (node, peer) = (node(), SigningIdentity::generate(&mut OsRng));
    let standing = Standing::sign(3, [7; 16], (90, 9), 100, head(&peer, 10, 1, 0), &peer);
    assert_eq!(node.standings.see(&peer.identity(), &standing), Ok(Seen::Further));
    node.standings.keep(&peer.identity()).await.unwrap();
    let again = load(&node.identity, &node.store, 11);
    assert_eq!(again.known(&peer.identity()), Some(standing));
}

#[tokio::test]
async fn a_node_that_is_shown_what_it_has_lost_begins_another_life() {
    let node = node();
    let [peer, other] = [(); 2].map(|()| SigningIdentity::generate(&mut OsRng).identity());
    let began = node.store.sequence();
    let remembered = |life, run, sequence, seq| {
        let head = head(&node.identity, seq, 1, 0);
        Standing::sign(life, [run; 16], (0, 0), sequence, head, &node.identity)
    };
    let created = SystemTime::now();
    assert_eq!(node.standings.unconfirmed([peer, other].into_iter()).len(), 2);
    // What it has not lost, nothing at all, and its own word of this run.
    assert_eq!(node.standings.shown(peer, Some(&remembered(0, 9, began, 10))), Ok(None));
    assert_eq!(node.standings.shown(peer, None), Ok(None));
    let mine = node.standings.mine(head(&node.identity, 500, 1, 0), &node.identity);
    assert_eq!(node.standings.shown(peer, Some(&mine)), Ok(None));
    assert_eq!(node.standings.unconfirmed([peer, other].into_iter()), [other]);
    // Somebody else's word.
    let forged = Standing { sequence: 5000, ..remembered(0, 9, 1, 1) };
    assert!(node.standings.shown(other, Some(&forged)).is_err());
    assert!(!node.standings.is_restored(2, 3600) && node.standings.knows_requests_of(created));

    let lost = remembered(0, 9, began + 1, 10);
    assert_eq!(node.standings.shown(other, Some(&lost)), Ok(Some(lost.clone())));
    assert_eq!(node.standings.life(), 1);
    assert!(node.standings.is_restored(2, 3600) && !node.standings.knows_requests_of(created));
    assert!(node.standings.knows_requests_of(SystemTime::now() + Duration::from_secs(1)));
    // Once is enough.
    assert_eq!(node.standings.shown(peer, Some(&lost)), Ok(None));
    assert!(node.standings.learned_from(peer) && !node.standings.learned_from(peer));
    assert!(node.standings.is_restored(2, 3600));
    node.standings.keep_life().await.unwrap();

    let again = load(&node.identity, &node.store, 10);
    assert_eq!((again.life(), again.is_restored(2, 3600)), (1, true));
    assert!(!again.knows_requests_of(created));
    again.learned_from(other);
    assert!(!again.is_restored(2, 3600));
    // A log that was put back alone counts as much.
    assert!(again.shown(peer, Some(&remembered(1, 9, 0, 11))).unwrap().is_some());
    assert_eq!(again.life(), 2);
}
