//! Shares are dealt anew among node processes, and nodes are killed at every step of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use quorate_client::{ClientError, RetryPolicy};
use quorate_node::config::PassphraseSource;
use quorate_node::store::{Store, Table};
use quorate_request::{
    ErrorCode, Hex, KeygenRequest, RefreshRequest, RequestId, ReshareRequest, ReshareResponse,
    RollbackRequest, SignRequest, WalletId, WalletView,
};
use quorate_session::Wire;
use quorate_sharing::KeyShare;
use quorate_tests::barrier::{Fate, Order};
use quorate_tests::cluster::keygen;
use quorate_tests::network::Network;
use quorate_tests::node::NodeProcess;
use quorate_tests::{Cluster, judge, report};

use crate::byzantine::identity_of;
use crate::commands::json;
use crate::disk::{Disk, with_a_small_disk};
use crate::events::metrics;
use crate::{cluster, observed, program};

const SECTION: &str = "SIGKILL at a step of a resharing, restart";
const COLUMNS: &[&str] =
    &["from, to", "node", "step", "its store when it was killed", "the client got", "after the restart"];

/// What all go through who take part.
const STEPS: &[&str] =
    &["accepted", "started", "round-1", "round-2", "storing", "stored", "round-3", "finished", "settled"];

/// Two committees, of which each follows the other: one node stays, and two leave, of which one has to deal.
const FIRST: [usize; 3] = [1, 2, 3];
const SECOND: [usize; 3] = [3, 4, 5];

fn patient() -> RetryPolicy {
    RetryPolicy {
        attempts: 60,
        deadline: Duration::from_secs(40),
        work_timeout: Duration::from_secs(25),
        longest_pause: Duration::from_millis(500),
        ..RetryPolicy::default()
    }
}

fn names(nodes: &[usize]) -> Vec<String> {
    nodes.iter().map(|node| format!("node{node}")).collect()
}

async fn start(nodes: usize) -> Cluster {
    cluster(nodes).setting("reshare_without_authorizers", "true").start().await
}

async fn wallet_of(cluster: &Cluster, curve: &str, protocol: Option<&str>) -> (WalletId, Hex) {
    made(cluster, KeygenRequest { protocol: protocol.map(str::to_owned), ..keygen("w", 2, 3, curve) }).await
}

/// A wallet of the first holders.
async fn made(cluster: &Cluster, request: KeygenRequest) -> (WalletId, Hex) {
    let request = KeygenRequest { parties: Some(names(&FIRST)), ..request };
    let made = cluster.client(&[1]).keygen(request).await.unwrap();
    cluster.known_everywhere(&made.wallet_id).await;
    (made.wallet_id, made.public_key)
}

/// Waits until all nodes show the same wallet at this epoch.
async fn at_epoch(cluster: &Cluster, wallet: &WalletId, epoch: u64) -> WalletView {
    let started = Instant::now();
    loop {
        let mut views = Vec::new();
        for node in 1..=cluster.nodes().len() {
            let view = cluster.client(&[node]).wallet(wallet).await.ok();
            // What a node has made ahead is its own.
            views.push(view.map(|view| WalletView { presignatures: None, ..view }));
        }
        if views.iter().all(|view| *view == views[0])
            && let Some(view) = views[0].clone().filter(|view| view.epoch == epoch)
        {
            return view;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "never at epoch {epoch}: {views:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every two holders sign, asked at every node in turn.
async fn signs(cluster: &Cluster, curve: &str, wallet: &WalletId, holders: &[usize], label: &str) {
    for (at, (one, other)) in [(0, 1), (1, 2), (0, 2)].into_iter().enumerate() {
        let mut message = [at as u8; 32];
        message.iter_mut().skip(1).zip(label.bytes()).for_each(|(place, byte)| *place = byte);
        let signers = Some(names(&[holders[one], holders[other]]));
        let request = SignRequest { signers, ..SignRequest::digest(wallet.clone(), message) };
        let asked = 1 + at % cluster.nodes().len();
        let signed = cluster.client_with(&[asked], patient()).sign(request).await.unwrap();
        judge::check(curve, &message, &signed);
    }
}

/// What a node's store says of the epochs of its one wallet.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    /// The public side of its share, and the epoch under which that stands.
    share: Option<(u64, Vec<u8>)>,
    /// The epoch that it goes by, if it is not the first of which nothing followed, and how many resharings it has acknowledged beside it.
    epoch: Option<u64>,
    pending: usize,
}

impl Left {
    /// Of a node that runs: it stands still meanwhile, so that its file is one that a crash could have left.
    async fn of_running(node: &NodeProcess, scratch: &Path) -> Self {
        node.pause().await;
        let left = Self::read(node, scratch);
        node.resume();
        left
    }

    fn read(node: &NodeProcess, scratch: &Path) -> Self {
        let copy = scratch.join(format!("{}-copy.redb", node.name));
        std::fs::copy(node.store(), &copy).unwrap();
        let passphrase = PassphraseSource::File(node.passphrase_file()).read().unwrap();
        let store = Store::open(&copy, &passphrase).unwrap();
        let only = |table| {
            let scan = store.scan(table, "").unwrap();
            assert!(scan.damaged.is_empty() && scan.records.len() <= 1, "{}: {table}", node.name);
            scan.records.into_iter().next().map(|(_, record)| record)
        };
        let share = only(Table::Shares).map(|record| {
            let share = KeyShare::from_wire(record.value.expose()).unwrap();
            assert_eq!(share.public().epoch, record.epoch);
            (record.epoch, share.public().to_wire().unwrap())
        });
        let keeper = only(Table::Epochs)
            .map(|record| quorate_reshare::Keeper::from_wire(record.value.expose()).unwrap());
        let left = Self {
            share,
            epoch: keeper.as_ref().map(|keeper| keeper.public().epoch),
            pending: keeper.as_ref().map_or(0, |keeper| keeper.waiting().count()),
        };
        drop(store);
        std::fs::remove_file(copy).unwrap();
        left
    }

    fn describe(&self, before: u64) -> String {
        let epoch = if self.epoch.unwrap_or_default() > before { "the new epoch" } else { "the old epoch" };
        let share = match &self.share {
            Some((epoch, _)) if *epoch > before => ", its new share",
            Some(_) => ", its old share",
            None => "",
        };
        let pending = if self.pending > 0 { ", what it acknowledged" } else { "" };
        format!("{epoch}{share}{pending}")
    }
}

/// All holders have a share of the one epoch, nobody else has one, and nobody waits for anything.
async fn nothing_is_left(cluster: &Cluster, holders: &[usize]) {
    let started = Instant::now();
    loop {
        let mut left = BTreeMap::new();
        for (node, process) in (1..).zip(cluster.nodes()) {
            left.insert(node, Left::of_running(process, cluster.folder()).await);
        }
        let public = left[&holders[0]].share.clone();
        let as_it_should = |(node, left): (&usize, &Left)| {
            left.pending == 0 && left.share == public.clone().filter(|_| holders.contains(node))
        };
        if public.is_some() && left.iter().all(as_it_should) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{left:#?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn request(id: &str, wallet: &WalletId, parties: &[usize]) -> ReshareRequest {
    ReshareRequest {
        session_id: Some(id.parse::<RequestId>().unwrap()),
        new_threshold: Some(2),
        new_parties: Some(names(parties)),
        ..ReshareRequest::of(wallet.clone())
    }
}

async fn repeated(cluster: &Cluster, asked: &[usize], request: &ReshareRequest) -> ReshareResponse {
    let started = Instant::now();
    loop {
        match cluster.client_with(asked, patient()).reshare(request.clone()).await {
            Ok(made) => return made,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(60), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Which node is killed: one that stays, and here proposes; or of those that leave, and deal, or come.
#[derive(Clone, Copy)]
enum Role {
    Proposer,
    /// Another one proposes.
    Staying,
    Leaving,
    Coming,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Proposer => "proposer, stays",
            Self::Staying => "deals and stays",
            Self::Leaving => "deals and leaves",
            Self::Coming => "comes",
        }
    }

    fn victim(self, from: &[usize], to: &[usize]) -> usize {
        match self {
            Self::Proposer | Self::Staying => 3,
            Self::Leaving => *from.iter().find(|node| !to.contains(node)).unwrap(),
            Self::Coming => *to.iter().find(|node| !from.contains(node)).unwrap(),
        }
    }

    /// The node that is asked, and proposes.
    fn asked(self, from: &[usize], to: &[usize]) -> usize {
        match self {
            Self::Staying => Self::Coming.victim(from, to),
            _ => 3,
        }
    }
}

async fn killed_in_resharing(role: Role, steps: &[&str], (curve, protocol): (&str, &str)) {
    report::columns(SECTION, COLUMNS);
    let cluster = start(5).await;
    let (wallet, key) = wallet_of(&cluster, curve, Some(protocol)).await;
    let (mut from, mut to, mut epoch) = (FIRST, SECOND, 0);
    let mut rows = Vec::new();
    for step in steps {
        let (asked, left, before) = 'killed: {
            for number in 0..30 {
                let victim = role.victim(&from, &to);
                let node = cluster.node(victim);
                let request = request(&format!("{step}-{number}"), &wallet, &to);
                node.order(&Order::new(Fate::Kill, &format!("reshare:{step}")));
                let client =
                    cluster.client_with(&[role.asked(&from, &to)], RetryPolicy { attempts: 3, ..patient() });
                let asking = tokio::spawn({
                    let request = request.clone();
                    async move { client.reshare(request).await }
                });
                while !node.is_order_done() && !asking.is_finished() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                // The step may come a moment after the answer.
                if !node.is_order_done() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                if node.withdraw() {
                    // Another one was to deal.
                    let made = asking.await.unwrap().unwrap();
                    epoch += 1;
                    assert_eq!(made.epoch, epoch);
                    at_epoch(&cluster, &wallet, epoch).await;
                    (from, to) = (to, from);
                    continue;
                }
                node.killed_by_order().await;
                let left = Left::read(node, cluster.folder()).describe(epoch);
                cluster.restart(victim).await;
                break 'killed ((request, asking.await.unwrap()), left, epoch);
            }
            panic!("the node that {} never came to {step}", role.name());
        };
        let (request, first) = asked;
        let made = repeated(&cluster, &[3, 1, 2, 4, 5], &request).await;
        assert_eq!((made.epoch, &made.public_key), (before + 1, &key), "{step}");
        let got = match first {
            Ok(first) => {
                assert_eq!(first.epoch, made.epoch, "{step}: a repeat gave another epoch");
                "the new epoch".to_owned()
            }
            Err(error) => refusal(&error),
        };
        epoch += 1;
        let view = at_epoch(&cluster, &wallet, epoch).await;
        assert_eq!((view.public_key, view.parties), (key.clone(), names(&to)));
        signs(&cluster, curve, &wallet, &to, &format!("{step}-{epoch}")).await;
        nothing_is_left(&cluster, &to).await;
        rows.push((*step, left, got));
        (from, to) = (to, from);
    }
    for (step, left, got) in rows {
        let after = "one epoch at all nodes, the repeat gives it; the same key, every two holders sign, no share but theirs";
        let committees = format!("2 of 3, two leave; {protocol}, {curve}");
        observed(SECTION, &[&committees, role.name(), step, &left, &got, after]);
    }
}

/// What a client may be told that asked while a node was killed.
fn refusal(error: &ClientError) -> String {
    let Some(body) = error.api() else { return "no answer".into() };
    let allowed = [ErrorCode::NotEnoughSigners, ErrorCode::TimedOut];
    assert!(allowed.contains(&body.code), "{body:?}");
    format!("{} {}", body.code.status().as_u16(), body.code)
}

#[tokio::test]
async fn the_proposer_of_a_resharing_is_killed_at_every_step() {
    killed_in_resharing(Role::Proposer, &[&["proposed"], STEPS].concat(), ("ed25519", "frost")).await;
}

#[tokio::test]
async fn a_dealer_that_stays_is_killed_at_every_step() {
    killed_in_resharing(Role::Staying, STEPS, ("secp256k1", "frost")).await;
}

#[tokio::test]
async fn a_dealer_that_leaves_is_killed_at_every_step() {
    killed_in_resharing(Role::Leaving, STEPS, ("p256", "dkls23")).await;
}

#[tokio::test]
async fn a_newcomer_is_killed_at_every_step() {
    killed_in_resharing(Role::Coming, STEPS, ("secp256k1", "dkls23")).await;
}

#[tokio::test]
async fn wallets_of_every_kind_are_reshared_and_sign_on() {
    let cluster = start(5).await;
    for (place, (curve, protocol)) in
        [("ed25519", None), ("secp256k1", Some("frost")), ("p256", Some("dkls23"))].into_iter().enumerate()
    {
        let id = format!("w{place}");
        let request = KeygenRequest {
            parties: Some(names(&FIRST)),
            protocol: protocol.map(str::to_owned),
            ..keygen(&id, 2, 3, curve)
        };
        let made = cluster.client(&[1]).keygen(request).await.unwrap();
        let before = cluster.client(&[1]).wallet(&made.wallet_id).await.unwrap();
        let refreshed =
            cluster.client(&[1]).refresh(RefreshRequest::of(made.wallet_id.clone())).await.unwrap();
        assert_eq!((refreshed.epoch, refreshed.parties), (1, names(&FIRST)));
        let wallet = &made.wallet_id;
        repeated(&cluster, &[4], &self::request(&format!("r{place}"), wallet, &SECOND)).await;
        let after = at_epoch(&cluster, wallet, 2).await;
        // Derived addresses follow from these.
        assert_eq!((&after.group_key, &after.chain_code), (&before.group_key, &before.chain_code));
        assert_eq!(after.addresses, before.addresses);
        signs(&cluster, curve, wallet, &SECOND, &id).await;
        // Who has left holds nothing to sign with.
        let signers = Some(names(&[1, 3]));
        let refused = cluster
            .client(&[1])
            .sign(SignRequest { signers, ..SignRequest::digest(wallet.clone(), [7; 32]) })
            .await;
        assert_eq!(refused.unwrap_err().api().unwrap().code, ErrorCode::InvalidSigners);
        let back = cluster.client(&[5]).rollback(RollbackRequest::of(wallet.clone())).await.unwrap();
        assert_eq!((back.epoch, back.parties, back.public_key), (3, names(&FIRST), made.public_key));
        at_epoch(&cluster, wallet, 3).await;
        signs(&cluster, curve, wallet, &FIRST, &format!("{id}-back")).await;
    }
}

const FAULTS: &str = "Resharing (5 nodes, 2 of 3)";

fn shown(fault: &str, what: &str) {
    report::columns(FAULTS, &["fault", "observed"]);
    observed(FAULTS, &[fault, what]);
}

async fn done(node: &NodeProcess) {
    let started = Instant::now();
    while !node.is_order_done() {
        assert!(started.elapsed() < Duration::from_secs(20), "{} never came to its step", node.name);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It stops right after it has said so.
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Two of the first holders sign.
async fn signs_by(cluster: &Cluster, wallet: &WalletId, signers: &[usize], message: &[u8; 32]) {
    let request =
        SignRequest { signers: Some(names(signers)), ..SignRequest::digest(wallet.clone(), *message) };
    let signed = cluster.client_with(&[signers[0]], patient()).sign(request).await.unwrap();
    judge::check("ed25519", message, &signed);
}

/// A node has stored what it was dealt, or has its acknowledgement ready, and nobody hears it any more.
async fn cut_off(victim: usize, step: &str) {
    let cluster = cluster(5).setting("reshare_without_authorizers", "true").make().await;
    let network = Network::lay(&cluster).await;
    cluster.nodes().iter().for_each(NodeProcess::start);
    cluster.ready().await;
    let (wallet, key) = wallet_of(&cluster, "ed25519", None).await;
    let node = cluster.node(victim);
    node.order(&Order::new(Fate::Stop, &format!("reshare:{step}")));
    let client = cluster.client_with(&[3], RetryPolicy { attempts: 1, ..patient() });
    let request = request("cut", &wallet, &SECOND);
    let asking = tokio::spawn(async move { client.reshare(request).await });
    done(node).await;
    network.cut_off(victim);
    node.resume();
    // Longer than a round.
    for number in 0..8 {
        signs_by(&cluster, &wallet, &[1, 2], &[number; 32]).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for asked in [1, 2, 5] {
        assert_eq!(cluster.client(&[asked]).wallet(&wallet).await.unwrap().epoch, 0);
    }
    network.heal();
    cluster.ready().await;
    let view = at_epoch(&cluster, &wallet, 1).await;
    assert_eq!((view.public_key, view.parties), (key, names(&SECOND)));
    asking.await.unwrap().ok();
    signs(&cluster, "ed25519", &wallet, &SECOND, step).await;
    nothing_is_left(&cluster, &SECOND).await;
    shown(
        &format!("node{victim} cut off at {step}, then back"),
        "the old epoch signs meanwhile; the new one is there at all nodes without being asked for again",
    );
}

/// The shares are new, and one of their holders is killed while pairs are made for them: the others sign.
#[tokio::test]
async fn a_holder_killed_while_pairs_are_made_for_new_shares_keeps_nobody_from_signing() {
    const LACKING: &str = "quorate_wallets_lacking_pairs";
    let cluster = start(3).await;
    let (wallet, _) = wallet_of(&cluster, "secp256k1", Some("dkls23")).await;
    signs(&cluster, "secp256k1", &wallet, &FIRST, "before").await;
    for (epoch, step) in (1..).zip(["accepted", "round-2", "stored"]) {
        let node = cluster.node(3);
        node.order(&Order::new(Fate::Kill, &format!("pairs:{step}")));
        let refresh = RefreshRequest::of(wallet.clone());
        let refreshed = cluster.client_with(&[1], patient()).refresh(refresh).await.unwrap();
        assert_eq!(refreshed.epoch, epoch);
        node.killed_by_order().await;
        for asked in [1, 2] {
            let message = [asked as u8; 32];
            let request = SignRequest::digest(wallet.clone(), message);
            let signed = cluster.client_with(&[asked], patient()).sign(request).await.unwrap();
            judge::check("secp256k1", &message, &signed);
            assert_eq!(signed.committee, names(&[1, 2]));
        }
        assert_eq!(metric(cluster.node(1), LACKING).await, Some(1));
        cluster.restart(3).await;
        let started = Instant::now();
        for node in cluster.nodes() {
            while metric(node, LACKING).await != Some(0) {
                assert!(started.elapsed() < Duration::from_secs(60), "{}", node.log());
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        signs(&cluster, "secp256k1", &wallet, &FIRST, step).await;
        shown(
            &format!("dkls23: the shares are new, and a holder is killed at pairs:{step}"),
            "the others make pairs without it and sign; with it again, each two of the three sign",
        );
    }
}

#[tokio::test]
async fn who_is_cut_off_when_it_has_stored_its_share_keeps_nobody_from_signing() {
    cut_off(4, "stored").await;
    cut_off(3, "round-3").await;
}

#[tokio::test]
async fn a_disk_that_is_full_when_the_new_epoch_begins_delays_it_there_only() {
    const FAULT: &str = "disk full at a newcomer when all have acknowledged";
    let made = cluster(5).setting("reshare_without_authorizers", "true").make().await;
    let made = with_a_small_disk(made, 4).await;
    let Ok((cluster, disk)) = made.inspect_err(|skipped| shown(FAULT, skipped)) else { return };
    // The store's file may have a page for one more record, however full the disk is.
    for number in 0..20 {
        if is_delayed_by_a_full_disk(&cluster, &disk, number).await {
            return shown(
                FAULT,
                "the others go by the new epoch and sign; the node follows when there is room",
            );
        }
    }
    panic!("a full disk has room for everything");
}

/// Whether the fourth node was left behind, and followed when there was room; `false` if it had some.
async fn is_delayed_by_a_full_disk(cluster: &Cluster, disk: &Disk, number: u32) -> bool {
    let node = cluster.node(4);
    let (wallet, _) = made(cluster, keygen(&format!("w{number}"), 2, 3, "ed25519")).await;
    node.order(&Order::new(Fate::Stop, "reshare:finished"));
    let client = cluster.client_with(&[3], patient());
    let asked = request(&format!("full-{number}"), &wallet, &SECOND);
    let asking = tokio::spawn(async move { client.reshare(asked).await });
    done(node).await;
    disk.fill_but_for(0);
    node.resume();
    assert_eq!(asking.await.unwrap().unwrap().epoch, 1);
    signs_by(cluster, &wallet, &[3, 5], &[1; 32]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(node.is_running());
    let delayed = cluster.client(&[4]).wallet(&wallet).await.unwrap().epoch == 0;
    disk.make_room();
    at_epoch(cluster, &wallet, 1).await;
    signs_by(cluster, &wallet, &[4, 5], &[2; 32]).await;
    delayed
}

/// Waits until a node goes by this epoch.
async fn goes_by(cluster: &Cluster, node: usize, wallet: &WalletId, epoch: u64) {
    let started = Instant::now();
    while cluster.client(&[node]).wallet(wallet).await.unwrap().epoch != epoch {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", cluster.node(node).log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two of the three machines that hold shares now are gone for good.
#[tokio::test]
async fn a_committee_that_is_lost_is_given_up_for_kept_shares() {
    const FAULT: &str = "two of three new holders lost";
    let cluster =
        cluster(5).setting("reshare_without_authorizers", "true").setting("keep_epochs", "1").start().await;
    for (number, (curve, protocol)) in
        [("ed25519", None), ("secp256k1", Some("dkls23"))].into_iter().enumerate()
    {
        let id = format!("w{number}");
        let request = KeygenRequest { protocol: protocol.map(str::to_owned), ..keygen(&id, 2, 3, curve) };
        let (wallet, _) = made(&cluster, request).await;
        repeated(&cluster, &[4], &self::request(&format!("r{number}"), &wallet, &SECOND)).await;
        at_epoch(&cluster, &wallet, 1).await;
        signs(&cluster, curve, &wallet, &SECOND, &format!("before-{number}")).await;
    }
    for lost in [4, 5] {
        cluster.node(lost).kill();
    }
    let forward = RollbackRequest::of("w0".parse().unwrap());
    let refused = cluster.client_once(3).rollback(forward).await.unwrap_err();
    assert_eq!(refused.api().unwrap().code, ErrorCode::NotEnoughSigners, "{refused:?}");
    for (number, curve) in ["ed25519", "secp256k1"].into_iter().enumerate() {
        let wallet: WalletId = format!("w{number}").parse().unwrap();
        let arguments = ["rollback", "--wallet", wallet.as_str(), "--kept-shares"];
        let back: ReshareResponse = serde_json::from_value(json(&cluster, &arguments).await).unwrap();
        assert_eq!((back.epoch, back.parties), (2, names(&FIRST)));
        for node in FIRST {
            goes_by(&cluster, node, &wallet, 2).await;
        }
        signs(&cluster, curve, &wallet, &FIRST, &format!("after-{number}")).await;
    }
    shown(FAULT, "no resharing by them; the former holders deal what they have kept, and sign");
    // They come back after all, to what has been decided without them.
    for lost in [4, 5] {
        cluster.restart(lost).await;
    }
    cluster.ready().await;
    for number in 0..2 {
        let wallet = format!("w{number}").parse().unwrap();
        at_epoch(&cluster, &wallet, 2).await;
        let signers = Some(names(&[4, 5]));
        let request = SignRequest { signers, ..SignRequest::digest(wallet, [9; 32]) };
        let refused = cluster.client_once(4).sign(request).await.unwrap_err();
        assert_eq!(refused.api().unwrap().code, ErrorCode::InvalidSigners);
    }
    shown("the lost holders come back", "they erase their shares and sign nothing");
}

/// The number that a node shows.
async fn metric(node: &NodeProcess, name: &str) -> Option<u64> {
    metrics(&node.api).await.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test]
async fn shares_are_refreshed_on_a_schedule() {
    const FAULT: &str = "a schedule, while a holder is down and when it is back";
    const DUE: &str = "quorate_wallets_due_for_refresh";
    let cluster = cluster(4).setting("refresh_schedule", "[often=2s, 30d]").start().await;
    let (wallet, key) = made(&cluster, keygen("often", 2, 3, "ed25519")).await;
    let (other, _) = wallet_of(&cluster, "ed25519", None).await;
    let epoch = async |node: usize| cluster.client(&[node]).wallet(&wallet).await.unwrap().epoch;
    let until = async |least: u64| {
        let started = Instant::now();
        while epoch(4).await < least {
            assert!(started.elapsed() < Duration::from_secs(30), "never at epoch {least}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    until(2).await;
    signs_by(&cluster, &wallet, &[1, 3], &[1; 32]).await;
    cluster.node(2).kill();
    let before = epoch(1).await;
    let started = Instant::now();
    while metric(cluster.node(1), DUE).await != Some(1) {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", cluster.node(1).log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(metric(cluster.node(4), DUE).await, Some(0), "it holds no share");
    signs_by(&cluster, &wallet, &[1, 3], &[2; 32]).await;
    cluster.restart(2).await;
    until(before + 2).await;
    signs_by(&cluster, &wallet, &[1, 2], &[3; 32]).await;
    let view = cluster.client(&[4]).wallet(&wallet).await.unwrap();
    assert_eq!((view.public_key, view.parties), (key, names(&FIRST)));
    assert_eq!(cluster.client(&[1]).wallet(&other).await.unwrap().epoch, 0);
    shown(
        FAULT,
        "refreshed again and again; while it is down it signs on, and is shown as due; then refreshed",
    );
}

#[tokio::test]
async fn a_node_refreshes_nothing_that_its_own_schedule_does_not_say() {
    let cluster = cluster(3).setting("refresh_schedule", "1s").make().await;
    // The last whose turn it would be.
    let node = cluster.nodes().iter().max_by_key(|node| identity_of(&cluster, node)).unwrap();
    let config = std::fs::read_to_string(node.config()).unwrap();
    std::fs::write(node.config(), config.replace("refresh_schedule: 1s", "refresh_schedule: 30d")).unwrap();
    cluster.nodes().iter().for_each(NodeProcess::start);
    cluster.ready().await;
    let (wallet, _) = wallet_of(&cluster, "ed25519", None).await;
    let started = Instant::now();
    let says_so = |node: &NodeProcess| node.log().contains("by its refresh_schedule that is not due");
    while !cluster.nodes().iter().any(says_so) {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", node.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for number in 1..=3 {
        assert_eq!(cluster.client(&[number]).wallet(&wallet).await.unwrap().epoch, 0);
    }
    signs_by(&cluster, &wallet, &[1, 3], &[1; 32]).await;
    shown("a holder with another schedule", "it takes no part, and the others say why; the wallet signs on");
}

#[tokio::test]
async fn an_old_store_brings_no_old_share_back() {
    let cluster = start(5).await;
    let (wallet, _) = wallet_of(&cluster, "ed25519", None).await;
    let old: Vec<_> = [1, 3]
        .into_iter()
        .map(|number| {
            let node = cluster.node(number);
            node.kill();
            let copy = cluster.folder().join(format!("old-{number}.redb"));
            std::fs::copy(node.store(), &copy).unwrap();
            node.start();
            (node, copy)
        })
        .collect();
    cluster.ready().await;
    repeated(&cluster, &[3], &request("new", &wallet, &SECOND)).await;
    at_epoch(&cluster, &wallet, 1).await;
    for (node, copy) in &old {
        node.kill();
        std::fs::copy(copy, node.store()).unwrap();
        node.start();
    }
    cluster.ready().await;
    at_epoch(&cluster, &wallet, 1).await;
    // It says so, and the others do without it.
    let started = Instant::now();
    while !cluster.node(3).log().contains("this node's share is gone") {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", cluster.node(3).log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let with = |one| {
        let request =
            SignRequest { signers: Some(names(&[one, 5])), ..SignRequest::digest(wallet.clone(), [1; 32]) };
        let client = cluster.client_once(5);
        async move { client.sign(request).await.unwrap_err().api().unwrap().clone() }
    };
    let refused = with(3).await;
    assert_eq!(refused.code, ErrorCode::NotEnoughSigners, "{refused:?}");
    assert!(refused.message.contains("can't use its share"), "{refused:?}");
    assert_eq!(with(1).await.code, ErrorCode::InvalidSigners);
    signs_by(&cluster, &wallet, &[4, 5], &[2; 32]).await;
    assert_eq!(Left::of_running(cluster.node(1), cluster.folder()).await.share, None);
    shown("an old store put back at a holder that has left", "its old share is erased; it signs nothing");
    let refreshed = cluster.client_with(&[4], patient()).refresh(RefreshRequest::of(wallet.clone())).await;
    assert_eq!(refreshed.unwrap().epoch, 2);
    at_epoch(&cluster, &wallet, 2).await;
    signs(&cluster, "ed25519", &wallet, &SECOND, "again").await;
    shown(
        "an old store put back at a holder that has stayed",
        "it says that its share is gone, and signs nothing; the others sign; a refresh deals it another",
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_every_set_of_nodes_can_follow_another() {
    let cluster = start(5).await;
    let (wallet, key) = wallet_of(&cluster, "ed25519", None).await;
    let of = |threshold, parties: &[&str]| ReshareRequest {
        new_threshold: threshold,
        new_parties: Some(parties.iter().map(|name| (*name).to_owned()).collect()),
        ..ReshareRequest::of(wallet.clone())
    };
    let three = ["node1", "node2", "node3"];
    for (what, request, code) in [
        ("more signers than holders", of(Some(4), &three), ErrorCode::InvalidThreshold),
        ("a threshold of 0", of(Some(0), &three), ErrorCode::InvalidThreshold),
        ("a threshold of 1", of(Some(1), &three), ErrorCode::InvalidThreshold),
        ("an unknown node", of(Some(2), &["node1", "node2", "node9"]), ErrorCode::InvalidParties),
        ("a node twice", of(Some(2), &["node1", "node2", "node2"]), ErrorCode::InvalidParties),
        ("nobody", of(Some(2), &[]), ErrorCode::InvalidThreshold),
        (
            "another total than nodes",
            ReshareRequest { new_total: Some(5), ..of(Some(2), &three) },
            ErrorCode::InvalidThreshold,
        ),
        (
            "more than there are",
            ReshareRequest { new_total: Some(9), new_parties: None, ..of(None, &[]) },
            ErrorCode::InvalidThreshold,
        ),
    ] {
        let refused = cluster.client_once(2).reshare(request).await.unwrap_err();
        let refused = refused.api().unwrap_or_else(|| panic!("{what}: {refused}"));
        assert_eq!(refused.code, code, "{what}: {refused:?}");
        shown(what, &format!("{} {}", code.status().as_u16(), code));
    }
    let sets = [("the same nodes", &FIRST[..], 2), ("all others", &[4, 5], 2), ("all", &[1, 2, 3, 4, 5], 3)];
    for (epoch, (what, holders, threshold)) in (1..).zip(sets) {
        let request = request(&format!("e{epoch}"), &wallet, holders);
        let request = ReshareRequest { new_threshold: Some(threshold), ..request };
        repeated(&cluster, &[5], &request).await;
        let view = at_epoch(&cluster, &wallet, epoch).await;
        assert_eq!((view.public_key, view.parties), (key.clone(), names(holders)), "{what}");
        signs_by(&cluster, &wallet, &holders[..usize::from(threshold)], &[9; 32]).await;
        nothing_is_left(&cluster, holders).await;
        shown(&format!("to {what}"), "the same key, no share but theirs");
    }
}

/// Runs a command of `quorate` for the cluster, as its initiator.
async fn command(cluster: &Cluster, arguments: &[&str]) -> serde_json::Value {
    let (peers, initiator) = (cluster.peers_file.to_str().unwrap(), cluster.initiator_file.to_str().unwrap());
    let passphrase = cluster.folder().join("initiator.passphrase");
    let api: Vec<_> = cluster.nodes().iter().map(|node| format!("http://{}", node.api)).collect();
    let target = ["--json", "--peers", peers, "--initiator", initiator, "--passphrase-file"];
    let api = api.join(",");
    let all = arguments.iter().copied().chain(target);
    let ended = program().run(all.chain([passphrase.to_str().unwrap(), "--api", &api])).await;
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

#[tokio::test]
async fn many_wallets_are_reshared_by_one_command_that_can_be_repeated() {
    let cluster = start(4).await;
    let mut wallets = Vec::new();
    for number in 0..6 {
        let request =
            KeygenRequest { parties: Some(names(&FIRST)), ..keygen(&format!("w{number}"), 2, 3, "ed25519") };
        wallets.push(cluster.client(&[1]).keygen(request).await.unwrap().wallet_id);
    }
    for wallet in &wallets {
        cluster.known_everywhere(wallet).await;
    }
    for _ in 0..2 {
        let made = command(&cluster, &["refresh", "--all", "--session-id", "spring"]).await;
        let completed = made["completed"].as_array().unwrap();
        assert_eq!((completed.len(), &made["session_id"]), (6, &"spring".into()), "{made}");
        assert!(completed.iter().all(|one| one["epoch"] == 1), "{made}");
    }
    let replace = ["reshare", "--held-by", "node3", "--add", "node4", "--remove", "node3"];
    let made = command(&cluster, &replace).await;
    assert_eq!(made["completed"].as_array().unwrap().len(), 6, "{made}");
    for wallet in &wallets {
        assert_eq!(at_epoch(&cluster, wallet, 2).await.parties, names(&[1, 2, 4]));
    }
    assert_eq!(command(&cluster, &replace).await["completed"], serde_json::json!([]));
    let again = command(&cluster, &["reshare", "--all", "--parties", "node1,node2,node4"]).await;
    assert_eq!(again["unchanged"].as_array().unwrap().len(), 6, "{again}");
    shown("one command for six wallets, repeated", "each is reshared once");
    let mistyped = ["reshare", "--wallet", "w0", "--remove", "nod2"];
    let ended = crate::commands::operate(&cluster, &mistyped).await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains("nod2 holds no share of w0"), "{}", ended.stderr);
    at_epoch(&cluster, &wallets[0], 2).await;
    shown("a mistyped node to remove", "refused, naming the holders");
}

#[tokio::test]
#[ignore = "measures, and tests nothing"]
async fn how_long_refreshing_takes() {
    let cluster = start(5).await;
    let client = cluster.client(&[1]);
    let made = client.keygen(keygen("one", 3, 5, "ed25519")).await.unwrap();
    cluster.known_everywhere(&made.wallet_id).await;
    let mut times = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        client.refresh(RefreshRequest::of(made.wallet_id.clone())).await.unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    println!("refresh of one wallet, 3 of 5: median {:?}, p95 {:?}", times[50], times[95]);
    let count = 1000;
    let wallets = (0..count).map(|number| keygen(&format!("w{number}"), 3, 5, "ed25519"));
    let began = Instant::now();
    for (number, request) in wallets.enumerate() {
        cluster.client(&[1 + number % 5]).keygen(request).await.unwrap();
    }
    println!("{count} wallets made in {:?}", began.elapsed());
    cluster.known_everywhere(&format!("w{}", count - 1).parse().unwrap()).await;
    for parallel in ["1", "4", "16"] {
        let began = Instant::now();
        let made = command(&cluster, &["refresh", "--all", "--parallel", parallel]).await;
        assert_eq!(made["failed"], serde_json::json!([]));
        let done = made["completed"].as_array().unwrap().len();
        println!("{done} wallets refreshed in {:?}, {parallel} at a time", began.elapsed());
    }
}
