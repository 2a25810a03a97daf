//! Windows hold whatever the order of things: by simulation.

use super::*;

use std::collections::BTreeSet;

use quorate_keys::SigningIdentity;
use quorate_request::ErrorCode;
use rand_core::{OsRng, RngCore, SeedableRng};

use crate::clock::seconds;
use crate::store::{KdfParams, Passphrase};

const PLACE: &str = "chain:1";
const LENGTH: u64 = 3600;

fn store() -> (Arc<Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = Passphrase::new(b"open sesame".to_vec()).unwrap();
    let store = Store::create(&folder.path().join("node.db"), &passphrase, KdfParams::FLOOR).unwrap();
    (Arc::new(store), folder)
}

fn spending(number: usize, units: u128) -> Spending {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let now = seconds(SystemTime::now());
    Spending {
        key,
        wallet: "w".parse().unwrap(),
        spends: vec![Spend { place: Place::coin(PLACE), units }],
        request: number.to_be_bytes().to_vec().into(),
        between: (now - 60, now + 3600),
    }
}

/// A rule that allows so much in an hour.
fn at_most(limit: u128, units: u128) -> impl Fn(&dyn SpendingBefore) -> Result<Option<String>, ErrorBody> {
    move |before| {
        let since = seconds(SystemTime::now()) - LENGTH;
        match before.spent(&|_| true, &Place::coin(PLACE), since) {
            spent if spent + units <= limit => Ok(Some("rule".into())),
            spent => Err(ErrorBody::new(ErrorCode::PolicyDenied, format!("{spent} are spent"))),
        }
    }
}

#[test]
fn what_is_reserved_may_be_released_and_what_is_settled_stays() {
    let (store, _folder) = store();
    let spendings = Arc::new(Spendings::load(Arc::clone(&store), Some(LENGTH)).unwrap());
    let reserve = |number, units| spendings.reserve(spending(number, units), at_most(10, units));
    let (_, first) = reserve(1, 6).unwrap();
    assert!(first.limited);
    assert!(matches!(reserve(2, 5), Err(Unaffordable::Held(_))));
    // Another attempt at the same request spends nothing more, and holds it, too.
    let (_, again) = reserve(1, 6).unwrap();
    drop(first);
    assert!(matches!(reserve(2, 5), Err(Unaffordable::Held(_))));
    let (_, at) = spendings.settling(Batch::new(), &again);
    spendings.settled(&again, at, true);
    drop(again);
    assert!(matches!(reserve(2, 5), Err(Unaffordable::Denied(_))));
    let (_, small) = reserve(2, 4).unwrap();
    drop(small);
    assert!(reserve(3, 4).is_ok());
    assert_eq!(spendings.count(), 1);
}

#[tokio::test]
async fn what_is_settled_outlives_a_restart_until_no_window_reaches_back_to_it() {
    let (store, _folder) = store();
    let spendings = Arc::new(Spendings::load(Arc::clone(&store), Some(LENGTH)).unwrap());
    let (_, reserved) = spendings.reserve(spending(1, 10), at_most(10, 10)).unwrap();
    let (batch, at) = spendings.settling(Batch::new(), &reserved);
    store.commit(batch).await.unwrap();
    spendings.settled(&reserved, at, true);

    let again = Arc::new(Spendings::load(Arc::clone(&store), Some(LENGTH)).unwrap());
    assert!(matches!(again.reserve(spending(2, 1), at_most(10, 1)), Err(Unaffordable::Denied(_))));
    let horizon = LENGTH + 2 * MARGIN;
    let later = |seconds| SystemTime::now() + std::time::Duration::from_secs(seconds);
    assert_eq!(again.forget(later(horizon - 5)).await.unwrap(), 0);
    assert_eq!(again.forget(later(horizon + 5)).await.unwrap(), 1);
    assert!(again.reserve(spending(2, 1), at_most(10, 1)).is_ok());
    assert_eq!(Spendings::load(store, Some(LENGTH)).unwrap().count(), 0);
}

#[tokio::test]
async fn a_row_that_cant_be_read_makes_a_node_incomplete() {
    let (store, _folder) = store();
    let batch = Batch::new().put(Table::Spendings, [7; 32], 0, Secret::new(vec![1, 2, 3]));
    store.commit(batch).await.unwrap();
    assert!(Spendings::load(Arc::clone(&store), Some(LENGTH)).unwrap().is_incomplete());
    assert!(!Spendings::load(store, None).unwrap().is_incomplete());
}

#[test]
fn a_request_that_was_signed_anew_counts_when_it_was_used_last() {
    let (store, _folder) = store();
    let spendings = Arc::new(Spendings::load(store, Some(LENGTH)).unwrap());
    // No window counts it any more, but it is not forgotten.
    let old = seconds(SystemTime::now()) - LENGTH - 100;
    let mut early = spending(1, 10);
    early.between = (old, old + 20);
    spendings.count_settled(&mut vec![(early.clone(), old)]);
    // Whoever says so of the old signature is not believed…
    assert!(spendings.recall(&early.key, Some(old + 60)).is_none());
    spendings.count_settled(&mut vec![(early.clone(), old + 60)]);
    assert_eq!(spendings.lock().entries[&early.key].settled, Some(old + 20));
    assert!(spendings.reserve(spending(2, 1), at_most(10, 1)).is_ok());
    // … and with the new one it counts again.
    spendings.count_settled(&mut vec![(spending(1, 10), seconds(SystemTime::now()))]);
    assert!(matches!(spendings.reserve(spending(2, 1), at_most(10, 1)), Err(Unaffordable::Denied(_))));
    assert_eq!(spendings.count(), 1);
}

#[test]
fn what_was_settled_long_ago_counts_while_it_is_about_to_be_spent_again() {
    let (store, _folder) = store();
    let spendings = Arc::new(Spendings::load(Arc::clone(&store), Some(LENGTH)).unwrap());
    let other = Arc::new(Spendings::load(store, Some(LENGTH)).unwrap());
    let old = seconds(SystemTime::now()) - LENGTH - 100;
    let mut early = spending(1, 10);
    early.between = (old, old + 20);
    for node in [&spendings, &other] {
        node.count_settled(&mut vec![(early.clone(), old)]);
    }
    let (_, again) = spendings.reserve(spending(1, 10), at_most(10, 10)).unwrap();
    assert!(matches!(spendings.reserve(spending(2, 1), at_most(10, 1)), Err(Unaffordable::Held(_))));
    // Others are told so, and count it, too.
    let peer = SigningIdentity::generate(&mut OsRng).identity();
    let (told, _) = spendings.unknown_to(&peer, &[1; 16]);
    assert!(matches!(told.as_slice(), [Told { settled: Some(_), reserved: true, .. }]));
    let heard = [other.recall(&early.key, None).unwrap()];
    let weighed = other.weigh(spending(2, 1).key, &heard, at_most(10, 1));
    assert!(matches!(weighed, Err(Unaffordable::Held(_))));
    drop(again);
    assert!(spendings.reserve(spending(2, 1), at_most(10, 1)).is_ok());
}

#[tokio::test]
async fn what_others_say_later_outlives_a_restart_and_never_goes_back() {
    let (store, _folder) = store();
    let spendings = Arc::new(Spendings::load(Arc::clone(&store), Some(LENGTH)).unwrap());
    let now = seconds(SystemTime::now());
    for (at, settled) in [(now - 40, now - 40), (now - 10, now - 10), (now - 30, now - 10)] {
        let mut told = vec![(spending(1, 10), at)];
        spendings.count_settled(&mut told);
        assert!(spendings.keep(&told).await);
        assert_eq!(spendings.held(), [(spending(1, 10).key, settled)]);
        assert_eq!(Spendings::load(Arc::clone(&store), Some(LENGTH)).unwrap().held(), spendings.held());
    }
}

#[test]
fn peers_are_told_what_they_are_not_known_to_have() {
    let (store, _folder) = store();
    let spendings = Arc::new(Spendings::load(store, Some(LENGTH)).unwrap());
    let now = SystemTime::now();
    let peer = SigningIdentity::generate(&mut OsRng).identity();
    let (run, other_run) = ([1; 16], [2; 16]);
    let (_, reserved) = spendings.reserve(spending(1, 1), at_most(10, 1)).unwrap();
    let (told, complete) = spendings.unknown_to(&peer, &run);
    assert!(matches!(told.as_slice(), [Told { settled: None, reserved: true, .. }]) && complete);
    assert_eq!(spendings.due_for(&peer, now), []);
    spendings.settled(&reserved, seconds(now), true);
    drop(reserved);
    assert_eq!(spendings.due_for(&peer, now).len(), 1);
    // Not twice at once, but again when nothing was heard.
    assert_eq!(spendings.due_for(&peer, now), []);
    let later = now + std::time::Duration::from_secs(told::TELL_AGAIN);
    assert_eq!(spendings.due_for(&peer, later).len(), 1);
    let held = [(spending(1, 1).key, seconds(now))];
    assert_eq!((spendings.newly_kept().as_slice(), spendings.newly_kept().len()), (held.as_slice(), 0));
    // Having it as of an earlier time is not having it.
    spendings.held_by(peer, run, &[(spending(1, 1).key, seconds(now) - 1)]);
    assert_eq!(spendings.unknown_to(&peer, &run).0.len(), 1);
    spendings.held_by(peer, run, &held);
    assert!(spendings.unknown_to(&peer, &run).0.is_empty());
    // It has come back with nothing, and what it has said before comes late.
    assert_eq!(spendings.unknown_to(&peer, &other_run).0.len(), 1);
    spendings.held_by(peer, other_run, &[]);
    spendings.held_by(peer, run, &held);
    assert_eq!(spendings.unknown_to(&peer, &other_run).0.len(), 1);
    assert_eq!(spendings.due_for(&peer, later).len(), 1);
}

/// What one member of a committee has done for a request.
enum Progress {
    Waiting,
    Accepted(Reserved),
    /// Whom it has heard, and what they had reserved.
    Hearing(Reserved, BTreeSet<usize>, Vec<Spending>),
    Settled,
    Over,
}

struct Session {
    /// That of the request: some are tried several times.
    number: usize,
    members: Vec<usize>,
    progress: Vec<Progress>,
    failed: bool,
}

struct Cluster {
    store: Arc<Store>,
    nodes: Vec<Arc<Spendings>>,
    identities: Vec<Identity>,
    /// Those of the nodes as they run.
    runs: Vec<[u8; 16]>,
    limit: u128,
    hears: bool,
}

impl Cluster {
    /// One step of one member, if it can take one.
    fn step(&mut self, session: &mut Session, who: usize, partner: usize) {
        let node = session.members[who];
        let all_accepted = !session.progress.iter().any(|member| matches!(member, Progress::Waiting));
        let progress = std::mem::replace(&mut session.progress[who], Progress::Over);
        let next = match progress {
            _ if session.failed => Progress::Over,
            Progress::Waiting => {
                match self.nodes[node].reserve(spending(session.number, 1), at_most(self.limit, 1)) {
                    Ok((_, reserved)) => Progress::Accepted(reserved),
                    Err(_) => {
                        session.failed = true;
                        Progress::Over
                    }
                }
            }
            Progress::Accepted(reserved) if all_accepted => {
                Progress::Hearing(reserved, BTreeSet::from([node]), Vec::new())
            }
            Progress::Hearing(reserved, mut heard, mut reservations)
                if self.hears && heard.len() < session.members.len() =>
            {
                let partner = session.members[partner];
                if heard.insert(partner) {
                    reservations.extend(self.tell(partner, node));
                }
                Progress::Hearing(reserved, heard, reservations)
            }
            Progress::Hearing(reserved, _, reservations) => {
                let key = spending(session.number, 1).key;
                if self.nodes[node].weigh(key, &reservations, at_most(self.limit, 1)).is_ok() {
                    let (_, at) = self.nodes[node].settling(Batch::new(), &reserved);
                    self.nodes[node].settled(&reserved, at, true);
                    Progress::Settled
                } else {
                    session.failed = true;
                    Progress::Over
                }
            }
            progress => progress,
        };
        session.progress[who] = next;
    }

    /// One node tells another what that one has not said it has. Gives what it has reserved.
    fn tell(&self, from: usize, to: usize) -> Vec<Spending> {
        let (told, complete) = self.nodes[from].unknown_to(&self.identities[to], &self.runs[to]);
        assert!(complete);
        let (mut reserved, mut settled) = (Vec::new(), Vec::new());
        for told in told {
            let number = usize::from_be_bytes(told.request.as_slice().try_into().unwrap());
            let known = self.nodes[to].recall(&spending(number, 1).key, told.settled);
            let spending = known.unwrap_or_else(|| spending(number, 1));
            settled.extend(told.settled.map(|at| (spending.clone(), at)));
            reserved.extend(told.reserved.then_some(spending));
        }
        self.nodes[to].count_settled(&mut settled);
        reserved
    }

    /// A node makes durable what it was told, and says to another what it keeps.
    fn acknowledge(&self, from: usize, to: usize) {
        let mut state = self.nodes[from].lock();
        let settled = state.entries.iter().filter_map(|(key, entry)| Some((*key, entry.settled?)));
        let settled: Vec<_> = settled.collect();
        state.kept(&settled);
        drop(state);
        self.nodes[to].held_by(self.identities[from], self.runs[from], &self.nodes[from].held());
    }

    /// A node forgets what was not durable, and its sessions.
    fn crash(&mut self, node: usize, sessions: &mut [Session]) {
        for session in sessions {
            if let Some(who) = session.members.iter().position(|member| *member == node)
                && !matches!(session.progress[who], Progress::Settled)
            {
                session.failed = true;
                session.progress[who] = Progress::Over;
            }
        }
        let mut state = State::default();
        for entry in self.nodes[node].lock().entries.values() {
            if let Some(at) = entry.kept {
                state.settle(entry.spending.clone(), at, false);
                state.kept(&[(entry.spending.key, at)]);
            }
        }
        self.runs[node][0] += 1;
        let (store, horizon) = (Arc::clone(&self.store), Some(LENGTH + 2 * MARGIN));
        let state = Mutex::new(state);
        self.nodes[node] = Arc::new(Spendings { store, horizon, state, unreadable: Vec::new() });
    }
}

/// How many of many requests at once are signed, in an order that the seed says.
fn signed(store: &Arc<Store>, seed: u64, hears: bool) -> usize {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut up_to = |most: usize| rng.next_u32() as usize % most;
    let (n, t) = [(3, 2), (5, 3), (5, 4), (7, 4)][up_to(4)];
    let limit = 1 + up_to(4);
    let load = || Arc::new(Spendings::load(Arc::clone(store), Some(LENGTH)).unwrap());
    let mut cluster = Cluster {
        store: Arc::clone(store),
        nodes: (0..n).map(|_| load()).collect(),
        identities: (0..n).map(|_| SigningIdentity::generate(&mut OsRng).identity()).collect(),
        runs: (0..n).map(|node| [u8::try_from(node).unwrap(); 16]).collect(),
        limit: limit as u128,
        hears,
    };
    let mut sessions: Vec<Session> = (0..limit * 6)
        .map(|attempt| {
            let number = attempt / 2;
            let mut members: Vec<usize> = (0..n).collect();
            while members.len() > t {
                members.remove(up_to(members.len()));
            }
            let progress = members.iter().map(|_| Progress::Waiting).collect();
            Session { number, members, progress, failed: false }
        })
        .collect();
    for _ in 0..sessions.len() * t * t * 6 {
        if up_to(200) == 0 {
            cluster.crash(up_to(n), &mut sessions);
        }
        if up_to(8) == 0 {
            let (from, to) = (up_to(n), up_to(n));
            cluster.tell(from, to);
            cluster.acknowledge(up_to(n), up_to(n));
        }
        let place = up_to(sessions.len());
        let (who, partner) = (up_to(t), up_to(t));
        cluster.step(&mut sessions[place], who, partner);
    }
    let is_signed =
        |session: &Session| session.progress.iter().all(|member| matches!(member, Progress::Settled));
    let signed: BTreeSet<_> =
        sessions.iter().filter(|session| is_signed(session)).map(|session| session.number).collect();
    let count = signed.len();
    // As a multiple of the limit: more than one limit is too much.
    if count > limit { usize::MAX } else { count }
}

#[test]
fn no_order_of_things_gets_around_a_window() {
    let (store, _folder) = store();
    let mut most = 0;
    for seed in 0..3000 {
        let count = signed(&store, seed, true);
        assert_ne!(count, usize::MAX, "seed {seed}");
        most = most.max(count);
    }
    assert!(most >= 3, "almost nothing is signed");
    // And without hearing each other out it would be got around.
    assert!((0..3000).any(|seed| signed(&store, seed, false) == usize::MAX));
}

/// `cargo test --release -p quorate-node --lib -- --ignored --nocapture ten_thousand`.
#[test]
#[ignore = "measures, and tests nothing"]
fn how_long_ten_thousand_payments_take() {
    let (store, _folder) = store();
    let spendings = Arc::new(Spendings::load(store, Some(LENGTH)).unwrap());
    let peer = SigningIdentity::generate(&mut OsRng).identity();
    let now = seconds(SystemTime::now());
    let mut told: Vec<_> =
        (0..10_000).map(|number| (spending(number, 1), now - number as u64 % LENGTH)).collect();
    for (spending, at) in &mut told {
        spending.between.0 = *at;
    }
    spendings.count_settled(&mut told);
    let held: Vec<_> = told.iter().map(|(spending, at)| (spending.key, *at)).collect();
    spendings.held_by(peer, [1; 16], &held);
    let measure = |what: &str, act: &dyn Fn()| {
        let begun = std::time::Instant::now();
        (0..1000).for_each(|_| act());
        println!("{what}: {:?}", begun.elapsed() / 1000);
    };
    let judged = spending(20_000, 1);
    measure("judge", &|| drop(spendings.weigh(judged.key, &[], at_most(20_000, 1)).unwrap()));
    measure("reserve", &|| drop(spendings.reserve(judged.clone(), at_most(20_000, 1)).unwrap()));
    measure("tell", &|| assert!(spendings.unknown_to(&peer, &[1; 16]).0.is_empty()));
    measure("remind", &|| assert!(spendings.due_for(&peer, SystemTime::now()).is_empty()));
}
