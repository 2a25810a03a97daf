//! What replaces what, in memory and on disk.

use super::*;
use crate::store::{KdfParams, Passphrase};
use quorate_cggmp21::auxiliary::EncodedKeys;
use quorate_keys::SigningIdentity;

struct Scene {
    auxiliaries: Auxiliaries,
    _folder: tempfile::TempDir,
}

fn node(number: u8) -> Identity {
    SigningIdentity::from_seed(&Secret::new([number; 32])).identity()
}

fn nodes(numbers: &[u8]) -> BTreeSet<Identity> {
    numbers.iter().copied().map(node).collect()
}

fn session(number: u8) -> SessionId {
    borsh::from_slice(&[number; 32]).unwrap()
}

/// The encoding of what a session makes, with numbers that are no keys: nothing here computes with them.
fn made(parties: &[u8], epoch: u64) -> Auxiliary {
    let keys = || EncodedKeys { number: vec![5; 384], s: vec![6; 384], t: vec![7; 384] };
    let keys = nodes(parties).into_iter().map(|party| (party, keys())).collect();
    let public = PublicAuxiliary { sizes: 1, epoch, keys };
    let secret = (vec![1_u8; 192], vec![2_u8; 192], vec![3_u8; 384]);
    borsh::from_slice(&borsh::to_vec(&(public, node(1), secret)).unwrap()).unwrap()
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let passphrase = Passphrase::new(b"open sesame".to_vec()).unwrap();
        let store = Store::create(&folder.path().join("node.db"), &passphrase, KdfParams::FLOOR).unwrap();
        Self { auxiliaries: Auxiliaries::load(store.into()).unwrap(), _folder: folder }
    }

    async fn store(&self, number: u8, parties: &[u8], epoch: u64) {
        self.auxiliaries.store_pending(session(number), made(parties, epoch), None).await.unwrap();
        // Of two that are made in one millisecond, neither is the later one.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }

    async fn activate(&self, number: u8) -> SessionId {
        self.auxiliaries.activate(session(number)).await.unwrap().session
    }

    fn covering(&self, parties: &[u8]) -> Option<SessionId> {
        self.auxiliaries.covering(&nodes(parties)).map(|known| known.session)
    }

    /// As it is after a restart.
    fn reload(&mut self) {
        self.auxiliaries = Auxiliaries::load(Arc::clone(&self.auxiliaries.store)).unwrap();
    }
}

#[tokio::test]
async fn it_is_used_when_all_have_it_and_erases_what_it_replaces() {
    let mut scene = Scene::new();
    scene.store(1, &[1, 2, 3], 0).await;
    assert_eq!(scene.covering(&[1, 2]), None, "it is pending");
    assert!(scene.auxiliaries.is_pending(&session(1)));
    // Whoever is told that all have it takes part under it, and so does who has heard nothing yet.
    assert!(scene.auxiliaries.secret(&session(1)).is_ok());
    assert_eq!(scene.activate(1).await, session(1));
    assert_eq!(scene.covering(&[1, 2]), Some(session(1)));
    scene.store(2, &[1, 2, 3], 1).await;
    assert_eq!(scene.covering(&[1, 2]), Some(session(1)), "until all have the next");
    scene.activate(2).await;
    for _ in 0..2 {
        assert_eq!(scene.covering(&[1, 2, 3]), Some(session(2)));
        assert!(scene.auxiliaries.find(&session(1)).is_none());
        assert!(matches!(scene.auxiliaries.secret(&session(1)), Err(AuxiliaryFault::Absent)));
        assert_eq!(scene.auxiliaries.secret(&session(2)).unwrap().public().epoch, 1);
        assert_eq!((scene.auxiliaries.count(), scene.auxiliaries.count_active()), (1, 1));
        scene.reload();
    }
}

#[tokio::test]
async fn sessions_share_what_is_ready_until_it_is_replaced() {
    let scene = Scene::new();
    scene.store(1, &[1, 2], 0).await;
    let [one, two] = [(); 2].map(|()| scene.auxiliaries.secret(&session(1)).unwrap());
    assert!(Arc::ptr_eq(&one, &two));
    scene.store(2, &[1, 2], 0).await;
    assert!(matches!(scene.auxiliaries.secret(&session(1)), Err(AuxiliaryFault::Absent)));
    assert!(!lock(&scene.auxiliaries.ready).contains_key(&session(1)));
}

#[tokio::test]
async fn what_is_late_replaces_nothing_that_is_newer() {
    let scene = Scene::new();
    // The first is stored, another one of the same group too, and only then all have the first.
    scene.store(1, &[1, 2], 4).await;
    scene.activate(1).await;
    scene.store(2, &[1, 2], 3).await;
    assert_eq!(scene.activate(2).await, session(1));
    assert_eq!(scene.covering(&[1, 2]), Some(session(1)));
    assert_eq!(scene.auxiliaries.latest_epoch(&nodes(&[1, 2])), Some(4));
    assert_eq!(scene.auxiliaries.latest_epoch(&nodes(&[1, 3])), None);
    // Of one epoch, the session decides: the same at each node, whichever it hears of first.
    for order in [[7, 8], [8, 7]] {
        let scene = Scene::new();
        for number in order {
            scene.store(number, &[1, 2], 0).await;
            scene.activate(number).await;
        }
        assert_eq!(scene.covering(&[1, 2]), Some(session(8)), "{order:?}");
    }
}

#[tokio::test]
async fn of_several_groups_the_one_made_last_is_used() {
    let mut scene = Scene::new();
    scene.store(1, &[1, 2, 3], 5).await;
    scene.activate(1).await;
    scene.store(2, &[1, 2], 0).await;
    scene.activate(2).await;
    for _ in 0..2 {
        assert_eq!(scene.covering(&[1, 2]), Some(session(2)));
        assert_eq!(scene.covering(&[1, 3]), Some(session(1)));
        assert_eq!(scene.covering(&[1, 4]), None);
        let active = scene.auxiliaries.active(&nodes(&[1, 2, 3]));
        assert_eq!(active.map(|known| known.session), Some(session(1)));
        scene.reload();
    }
}

#[tokio::test]
async fn one_that_waits_is_enough_of_a_group_and_a_client_is_answered_by_what_is_active() {
    let scene = Scene::new();
    let request = [9; 32];
    scene.store(1, &[1, 2], 0).await;
    let made = made(&[1, 2], 1);
    scene.auxiliaries.store_pending(session(2), made, Some(request)).await.unwrap();
    assert_eq!(scene.auxiliaries.count(), 1);
    assert!(!scene.auxiliaries.was_made_for(&request), "not until all have it");
    assert!(matches!(scene.auxiliaries.activate(session(1)).await, Err(AuxiliaryFault::Absent)));
    scene.activate(2).await;
    assert!(scene.auxiliaries.was_made_for(&request));
}

#[tokio::test]
async fn what_cannot_be_read_is_left_out_and_made_anew() {
    let mut scene = Scene::new();
    scene.store(1, &[1, 2], 0).await;
    scene.activate(1).await;
    let nonsense = Secret::new(vec![1, 2, 3]);
    let batch = Batch::new().put(Table::Auxiliary, [2; 32], 0, nonsense);
    scene.auxiliaries.store.commit(batch).await.unwrap();
    scene.reload();
    assert_eq!(scene.auxiliaries.count(), 1);
    assert_eq!(scene.covering(&[1, 2]), Some(session(1)));
    assert!(matches!(scene.auxiliaries.secret(&session(2)), Err(AuxiliaryFault::Unreadable(_))));
}
