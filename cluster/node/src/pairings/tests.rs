//! What replaces what, and who was caught, in memory and on disk.

use super::*;
use crate::clock::now_millis;
use crate::store::tests::damage::flip;
use crate::store::{KdfParams, Passphrase};
use quorate_keys::SigningIdentity;

struct Scene {
    pairings: Pairings,
    folder: tempfile::TempDir,
}

fn session(number: u8) -> SessionId {
    borsh::from_slice(&[number; 32]).unwrap()
}

fn party(number: u16) -> PartyIndex {
    PartyIndex::new(number).unwrap()
}

fn node(number: u8) -> Identity {
    SigningIdentity::from_seed(&Secret::new([number; 32])).identity()
}

const WALLET: u8 = 100;

/// The encoding of what a session makes for party 1 with party 2, with seeds that are none: nothing here computes with them.
fn made(number: u8) -> Pairs {
    made_with(number, &[2])
}

/// The same with these.
fn made_with(number: u8, peers: &[u16]) -> Pairs {
    let mut encoded = [[number; 32], [0; 32]].concat();
    encoded.extend(borsh::to_vec(&(party(1), u32::try_from(peers.len()).unwrap())).unwrap());
    let (trees, leaves) = (32, 32 * 16 * 16);
    for peer in peers {
        encoded.extend(borsh::to_vec(&party(*peer)).unwrap());
        encoded.resize(encoded.len() + (32 + trees + leaves) + (32 + leaves) + 32, 0);
    }
    borsh::from_slice(&encoded).unwrap()
}

fn word(number: u8, created: u64, pardons: u64) -> Renewal {
    Renewal { request: [number; 32], created, pardons }
}

fn passphrase() -> Passphrase {
    Passphrase::new(b"open sesame".to_vec()).unwrap()
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("node.db"), &passphrase(), KdfParams::FLOOR).unwrap();
        Self { pairings: Pairings::load(store.into()).unwrap(), folder }
    }

    async fn store(&self, number: u8, renewal: Option<Renewal>) -> Result<(), PairsFault> {
        self.pairings
            .store_waiting(session(WALLET), session(number), number.into(), renewal, made(number), 2)
            .await
    }

    /// The same of party 1 with these, of four holders.
    async fn store_with(&self, number: u8, peers: &[u16]) -> Result<(), PairsFault> {
        let made = made_with(number, peers);
        self.pairings.store_waiting(session(WALLET), session(number), number.into(), None, made, 4).await
    }

    /// The sets with which these can sign with party 1, of most parties.
    fn active_for(&self, peers: &[u16]) -> Option<SessionId> {
        self.pairings.active_for(&session(WALLET), &peers.iter().copied().chain([1]).map(party).collect())
    }

    async fn activate(&self, number: u8) {
        self.pairings.activate(session(WALLET), session(number)).await.unwrap();
    }

    /// What it does when all say that these are active for them.
    async fn erase_before(&self, number: u8) {
        self.pairings.erase_before(session(WALLET), session(number)).await.unwrap();
    }

    fn sets(&self) -> usize {
        self.pairings.store.keys(Table::Pairs, "").unwrap().len() - 1
    }

    async fn catch(&self, number: u8) -> Result<(), PairsFault> {
        self.pairings.catch(session(WALLET), session(number), &[party(2)], "a test says so").await
    }

    fn active(&self) -> Option<SessionId> {
        self.pairings.active(&session(WALLET))
    }

    fn waiting(&self) -> Vec<SessionId> {
        self.pairings.unsettled().into_iter().filter(|set| !set.active).map(|set| set.session).collect()
    }

    fn secret(&self, number: u8) -> Result<Arc<SharedPairs>, PairsFault> {
        self.pairings.secret(&session(WALLET), &session(number))
    }

    fn caught(&self, number: u8) -> Option<(PartyIndex, bool)> {
        let parties = [party(1), party(2)].into_iter();
        self.pairings.caught_among(&session(WALLET), &session(number), parties)
    }

    /// As it is after a restart, and `meanwhile` somebody has had the file.
    async fn restart(self, meanwhile: impl FnOnce(&std::path::Path)) -> Self {
        let Self { pairings, folder } = self;
        pairings.store.close().await;
        drop(pairings);
        let path = folder.path().join("node.db");
        meanwhile(&path);
        let store = Store::open(&path, &passphrase()).unwrap();
        Self { pairings: Pairings::load(store.into()).unwrap(), folder }
    }
}

#[tokio::test]
async fn what_is_before_active_pairs_is_erased_when_they_are_active_for_all() {
    let scene = Scene::new();
    for number in 1..=3 {
        scene.store(number, None).await.unwrap();
    }
    assert_eq!((scene.active(), scene.waiting()), (None, vec![session(1), session(2), session(3)]));
    scene.activate(1).await;
    scene.activate(2).await;
    let scene = scene.restart(|_| {}).await;
    assert_eq!((scene.active(), scene.waiting(), scene.sets()), (Some(session(2)), vec![session(3)], 3));
    scene.secret(1).unwrap();
    scene.erase_before(2).await;
    let scene = scene.restart(|_| {}).await;
    assert_eq!((scene.active(), scene.waiting(), scene.sets()), (Some(session(2)), vec![session(3)], 2));
    assert!(!scene.pairings.has(&session(WALLET), &session(1)));
    assert!(matches!(scene.secret(1), Err(PairsFault::Absent)));
    // It is too late for what came before, and in time for what came after.
    let (wallet, late) = (session(WALLET), scene.pairings.activate(session(WALLET), session(1)).await);
    assert!(matches!(late, Err(PairsFault::Absent)));
    assert!(scene.pairings.erase_before(wallet, session(3)).await.is_err(), "they wait");
    scene.activate(3).await;
    let late = scene.pairings.activate(wallet, session(2)).await;
    assert!(matches!(late, Err(PairsFault::Replaced)));
    assert_eq!((scene.active(), scene.waiting()), (Some(session(3)), vec![]));
    scene.erase_before(3).await;
    assert_eq!((scene.secret(3).unwrap().public().session, scene.sets()), ([3; 32], 1));
    assert!(scene.pairings.unsettled().is_empty());
}

#[tokio::test]
async fn a_row_of_runs_that_broke_off_costs_nothing_that_was_active() {
    let scene = Scene::new();
    for number in 1..=2 {
        scene.store(number, Some(word(number, number.into(), 0))).await.unwrap();
        scene.activate(number).await;
    }
    let late = u8::try_from(WAITING).unwrap() + 5;
    for number in 3..=late {
        scene.store(number, Some(word(number, u64::from(number), 0))).await.unwrap();
    }
    let scene = scene.restart(|_| {}).await;
    assert_eq!(scene.waiting().len(), WAITING);
    assert_eq!((scene.active(), scene.waiting().last()), (Some(session(2)), Some(&session(late))));
    assert_eq!(scene.sets(), 2 + WAITING);
    scene.secret(1).unwrap();
}

#[tokio::test]
async fn active_pairs_are_replaced_for_a_clients_later_word_alone() {
    let scene = Scene::new();
    scene.store(1, None).await.unwrap();
    scene.activate(1).await;
    assert!(matches!(scene.store(2, None).await, Err(PairsFault::Replaced)));
    scene.store(2, Some(word(2, 1000, 0))).await.unwrap();
    scene.activate(2).await;
    let scene = scene.restart(|_| {}).await;
    // The same word again, one that was signed at the same time or earlier, and none.
    for renewal in [Some(word(2, 1000, 0)), Some(word(3, 1000, 0)), Some(word(4, 999, 0)), None] {
        assert!(matches!(scene.store(3, renewal).await, Err(PairsFault::Replaced)), "{renewal:?}");
    }
    scene.store(3, Some(word(3, 1001, 0))).await.unwrap();
    assert_eq!(scene.active(), Some(session(2)));
}

#[tokio::test]
async fn pairs_of_some_holders_stay_until_there_are_some_of_more() {
    let scene = Scene::new();
    for (number, peers) in [(1, &[2, 3][..]), (2, &[3, 4])] {
        scene.store_with(number, peers).await.unwrap();
        scene.activate(number).await;
    }
    // What is there is not made again, nor for fewer.
    for peers in [&[2, 3][..], &[4], &[3]] {
        assert!(matches!(scene.store_with(3, peers).await, Err(PairsFault::Replaced)), "{peers:?}");
    }
    let scene = scene.restart(|path| flip(path, Table::Pairs, session(WALLET).as_bytes())).await;
    assert_eq!(scene.waiting(), [session(1), session(2)], "who has made them is known without the list");
    scene.activate(1).await;
    scene.activate(2).await;
    let found = [&[2][..], &[4], &[3], &[2, 4]].map(|peers| scene.active_for(peers));
    assert_eq!(found, [Some(session(1)), Some(session(2)), Some(session(2)), None]);
    assert!(scene.pairings.unsettled().is_empty(), "neither replaces the other");
    // One of an earlier run takes the place of both, although it comes late.
    scene.store_with(0, &[2, 3, 4]).await.unwrap();
    assert_eq!((scene.waiting(), scene.active()), (vec![session(0)], Some(session(2))));
    scene.activate(0).await;
    let scene = scene.restart(|_| {}).await;
    assert_eq!([&[2][..], &[4], &[2, 4]].map(|peers| scene.active_for(peers)), [Some(session(0)); 3]);
    let [asked] = &scene.pairings.unsettled()[..] else { panic!("one") };
    assert_eq!((asked.session, asked.parties.len()), (session(0), 4));
    // Those are of use until it is active for all.
    scene.secret(1).unwrap();
    assert!(matches!(scene.pairings.activate(session(WALLET), session(1)).await, Err(PairsFault::Replaced)));
    scene.erase_before(0).await;
    assert_eq!((scene.sets(), scene.active()), (1, Some(session(0))));
}

#[tokio::test]
async fn groups_that_come_and_go_fill_no_disk_and_cost_no_set_of_all() {
    let scene = Scene::new();
    scene.store_with(0, &[2, 3, 4]).await.unwrap();
    scene.activate(0).await;
    let of = |peer: u8| made_with(peer, &[peer.into()]);
    // Of more holders than those, as if there were.
    let last = u8::try_from(WITHOUT_SOME).unwrap() + 9;
    for peer in 5..=last {
        let stored =
            scene.pairings.store_waiting(session(WALLET), session(peer), peer.into(), None, of(peer), 4);
        stored.await.unwrap();
        scene.activate(peer).await;
    }
    assert_eq!(scene.sets(), 1 + WITHOUT_SOME);
    assert_eq!(scene.active_for(&[2, 3]), Some(session(0)));
    assert_eq!([5, last].map(|peer| scene.active_for(&[peer.into()])), [None, Some(session(last))]);
}

#[tokio::test]
async fn who_was_caught_is_taken_back_in_pairs_for_a_word_that_came_later() {
    let scene = Scene::new();
    scene.store(1, None).await.unwrap();
    scene.activate(1).await;
    let before = now_millis();
    scene.catch(1).await.unwrap();
    let banned = Some((party(2), true));
    assert_eq!(scene.caught(1), banned);
    assert!(scene.secret(1).unwrap().is_caught(party(2)), "also by those that load them later");
    // Somebody asked for new pairs before this was known.
    let scene = scene.restart(|_| {}).await;
    scene.store(2, Some(word(2, 1, before))).await.unwrap();
    scene.activate(2).await;
    scene.erase_before(2).await;
    let scene = scene.restart(|_| {}).await;
    assert_eq!((scene.caught(2), scene.pairings.caught().len()), (banned, 1));
    assert!(scene.secret(2).unwrap().is_caught(party(2)));
    // Afterwards: in these alone, whoever uses them first.
    scene.store(3, Some(word(3, 2, now_millis() + 1))).await.unwrap();
    let early = scene.secret(3).unwrap();
    assert!(!early.is_caught(party(2)));
    assert_eq!((scene.caught(2), scene.caught(3), scene.pairings.caught().len()), (banned, None, 1));
    scene.activate(3).await;
    assert_eq!((scene.caught(2), scene.caught(3), scene.pairings.caught().len()), (banned, None, 0));
    let scene = scene.restart(|_| {}).await;
    assert_eq!((scene.caught(2), scene.caught(3)), (banned, None));
    scene.erase_before(3).await;
    assert!(scene.pairings.store.keys(Table::Caught, "").unwrap().is_empty());
    assert!(!scene.secret(3).unwrap().is_caught(party(2)));
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    scene.catch(3).await.unwrap();
    assert_eq!(scene.caught(3), banned);
}

#[tokio::test]
async fn sessions_share_pairs_and_hear_of_who_was_caught() {
    let scene = Scene::new();
    scene.store(1, None).await.unwrap();
    let (first, second) = (scene.secret(1).unwrap(), scene.secret(1).unwrap());
    assert!(Arc::ptr_eq(&first, &second));
    assert!(!first.is_caught(party(2)));
    scene.store(2, None).await.unwrap();
    let other = scene.secret(2).unwrap();
    scene.catch(1).await.unwrap();
    assert!(first.is_caught(party(2)) && other.is_caught(party(2)), "in whatever pairs");
    // Erased ones are kept by nobody but those who use them.
    scene.activate(2).await;
    scene.erase_before(2).await;
    assert_eq!(Arc::strong_count(&first), 2, "these two");
}

#[tokio::test]
async fn a_full_disk_delays_what_is_noted_and_hides_it_meanwhile() {
    let scene = Scene::new();
    scene.store(1, None).await.unwrap();
    let shared = scene.secret(1).unwrap();
    scene.pairings.store.fill_disk(true);
    assert!(matches!(scene.catch(1).await, Err(PairsFault::Store(StoreError::DiskFull { .. }))));
    assert!(scene.pairings.save().await.is_err());
    assert!(shared.is_caught(party(2)));
    assert_eq!((scene.caught(1), scene.pairings.caught().len()), (Some((party(2), false)), 0));
    scene.pairings.store.fill_disk(false);
    scene.pairings.save().await.unwrap();
    assert_eq!((scene.caught(1), scene.pairings.caught().len()), (Some((party(2), true)), 1));
    let scene = scene.restart(|_| {}).await;
    assert_eq!(scene.caught(1), Some((party(2), true)));
}

#[tokio::test]
async fn damaged_records_cost_pairs_and_no_ban() {
    let scene = Scene::new();
    scene.store(1, None).await.unwrap();
    scene.activate(1).await;
    scene.catch(1).await.unwrap();
    // Without the list, what is there waits: the other holders know that it is active.
    let scene = scene.restart(|path| flip(path, Table::Pairs, session(WALLET).as_bytes())).await;
    assert_eq!((scene.active(), scene.waiting()), (None, vec![session(1)]));
    scene.activate(1).await;
    assert_eq!(scene.active(), Some(session(1)));
    let scene = scene
        .restart(|path| {
            flip(path, Table::Pairs, &row(&session(WALLET), &session(1)));
            flip(path, Table::Caught, &party_row(&session(WALLET), party(2)));
        })
        .await;
    assert_eq!(scene.caught(1), Some((party(2), true)));
    // That they are damaged is found out when they are needed.
    assert!(matches!(scene.secret(1), Err(PairsFault::Store(StoreError::DamagedRecord { .. }))));
    assert_eq!((scene.active(), scene.pairings.has(&session(WALLET), &session(1))), (None, false));
    scene.store(2, None).await.unwrap();
    scene.activate(2).await;
    assert_eq!(scene.active(), Some(session(2)));
}

#[tokio::test]
async fn it_takes_the_words_of_all_other_holders() {
    let scene = Scene::new();
    for number in 1..=2 {
        scene.store(number, None).await.unwrap();
    }
    scene.activate(1).await;
    let others = BTreeSet::from([node(2), node(3)]);
    let vouch = |of: u8, by: u8, active: bool| {
        scene.pairings.vouch(&session(WALLET), &session(of), (node(by), active), &others)
    };
    assert_eq!(vouch(2, 2, false), Settled::Open, "one of two");
    assert_eq!(vouch(2, 2, false), Settled::Open, "the same again");
    assert_eq!(vouch(2, 4, true), Settled::Open, "no holder");
    assert_eq!(vouch(3, 3, true), Settled::Open, "other pairs, which are not here");
    assert_eq!(vouch(2, 3, true), Settled::Held);
    scene.activate(2).await;
    let [asked] = &scene.pairings.unsettled()[..] else { panic!("the active ones alone") };
    assert_eq!((asked.session, asked.active, &asked.said), (session(2), true, &BTreeSet::from([node(3)])));
    assert_eq!(vouch(2, 3, true), Settled::Open);
    assert_eq!(vouch(2, 2, true), Settled::Active);
    scene.erase_before(2).await;
    assert!(scene.pairings.unsettled().is_empty());
}

#[tokio::test]
async fn nobody_says_that_it_has_what_it_can_not_read() {
    let scene = Scene::new();
    scene.store(1, None).await.unwrap();
    let holds = |scene: &Scene| scene.pairings.holds(&session(WALLET), &session(1));
    assert_eq!(holds(&scene), Some(false));
    let scene = scene.restart(|_| {}).await;
    assert_eq!(holds(&scene), Some(false));
    scene.activate(1).await;
    assert_eq!(holds(&scene), Some(true));
    let row = row(&session(WALLET), &session(1));
    let scene = scene.restart(|path| flip(path, Table::Pairs, &row)).await;
    assert_eq!(holds(&scene), None);
    assert_eq!(scene.active(), None);
}

#[test]
fn no_number_is_out_of_reach() {
    let number = next_number(None);
    assert!(is_due(number) && number <= now_millis());
    assert!(!is_due(now_millis() + 2 * SKEW));
    // Whatever was accepted, the next is.
    let latest = now_millis() + SKEW - 1000;
    assert!(is_due(latest) && is_due(next_number(Some(latest))));
    assert!(next_number(Some(5)) > 5);
}
