//! A list of wallets that is longer than one answer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use http::Uri;
use quorate_client::{Client, ClientError};
use quorate_request::{WalletId, WalletStatus, WalletView, paths};
use tokio::net::TcpListener;

/// What is answered to who asks for the wallets after one, or for the first.
type Answer = dyn Fn(Option<&WalletId>) -> Vec<WalletView> + Send + Sync;

/// What answers: all that it was asked for, and what it answers to it.
struct Lister {
    asked: Mutex<Vec<Option<WalletId>>>,
    answer: Box<Answer>,
}

async fn list(
    State(lister): State<Arc<Lister>>,
    Query(query): Query<HashMap<String, WalletId>>,
) -> Json<Vec<WalletView>> {
    let after = query.get("after");
    lister.asked.lock().unwrap().push(after.cloned());
    assert!(lister.asked.lock().unwrap().len() < 100, "it is asked for ever");
    Json((lister.answer)(after))
}

/// A client of one that answers so.
async fn client(
    answer: impl Fn(Option<&WalletId>) -> Vec<WalletView> + Send + Sync + 'static,
) -> (Client, Arc<Lister>) {
    let lister = Arc::new(Lister { asked: Mutex::default(), answer: Box::new(answer) });
    let router = Router::new().route(paths::WALLETS, get(list)).with_state(lister.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (support::client(&[&uri]), lister)
}

fn view(id: &WalletId) -> WalletView {
    WalletView {
        wallet_id: id.clone(),
        curve: "ed25519".into(),
        scheme: "ed25519".into(),
        protocol: "frost".into(),
        public_key: [2; 32].into(),
        group_key: [2; 32].into(),
        chain_code: [3; 32].into(),
        addresses: vec![],
        threshold: 2,
        total: 3,
        parties: vec![],
        epoch: 0,
        status: WalletStatus::Active,
        presignatures: None,
    }
}

fn name(text: &str) -> WalletId {
    text.parse().unwrap()
}

/// Names in which every character that one can have stands where it decides about the order.
fn names(count: usize) -> BTreeSet<WalletId> {
    let alphabet = ["A", "Z", "a", "z", "0", "9", "-", ".", "_"];
    (0..count).map(|n| name(&format!("w{}{}{n}", alphabet[n % 9], alphabet[n / 9 % 9]))).collect()
}

/// A page as a node gives it.
fn page(names: &BTreeSet<WalletId>, after: Option<&WalletId>) -> Vec<WalletView> {
    let wanted = names.iter().filter(|name| after.is_none_or(|after| *name > after));
    wanted.take(paths::WALLETS_PAGE).map(view).collect()
}

fn listed(wallets: &[WalletView]) -> Vec<WalletId> {
    wallets.iter().map(|wallet| wallet.wallet_id.clone()).collect()
}

#[tokio::test]
async fn all_wallets_are_listed_in_order_and_none_twice() {
    for (count, answers) in [(0, 1), (999, 1), (1000, 2), (1001, 2), (2500, 3)] {
        let names = names(count);
        assert_eq!(names.len(), count);
        let known = names.clone();
        let (client, lister) = client(move |after| page(&known, after)).await;
        let wallets = client.wallets().await.unwrap();
        assert!(listed(&wallets).iter().eq(&names), "{count}");
        assert_eq!(lister.asked.lock().unwrap().len(), answers, "{count}");
    }
}

#[tokio::test]
async fn wallets_that_are_made_meanwhile_move_no_other() {
    let before = names(2500);
    let known = Mutex::new(before.clone());
    // After each answer there are more, in front of what was listed and behind it.
    let (client, _) = client(move |after| {
        let mut known = known.lock().unwrap();
        let answer = page(&known, after);
        for n in 0..30 {
            let last = answer.last().map(|last| last.wallet_id.clone());
            let count = known.len();
            known.extend([name(&format!("A{n}-{count}")), name(&format!("zz{n}-{count}"))]);
            known.extend(last.map(|last| name(&format!("{last}-{n}"))));
        }
        answer
    })
    .await;
    let wallets = listed(&client.wallets().await.unwrap());
    assert!(wallets.is_sorted());
    let once: BTreeSet<_> = wallets.iter().cloned().collect();
    assert_eq!(once.len(), wallets.len());
    assert!(before.is_subset(&once));
}

#[tokio::test]
async fn a_node_that_repeats_itself_is_not_asked_for_ever() {
    let all = names(1500);
    // The first page whatever it is asked for; and one page of one name, which can be longer than a page.
    let (client, lister) = client(move |_| page(&all, None)).await;
    assert!(matches!(client.wallets().await, Err(ClientError::UnexpectedAnswer { .. })));
    assert_eq!(lister.asked.lock().unwrap().len(), 2);
    let (client, lister) = self::client(|_| vec![view(&name("w")); paths::WALLETS_PAGE + 1]).await;
    assert!(matches!(client.wallets().await, Err(ClientError::UnexpectedAnswer { .. })));
    assert_eq!(lister.asked.lock().unwrap().len(), 2);
    // Two pages in turn.
    let turn = Mutex::new(false);
    let (client, lister) = self::client(move |_| {
        let mut turn = turn.lock().unwrap();
        *turn = !*turn;
        let id = name(if *turn { "a" } else { "b" });
        vec![view(&id); paths::WALLETS_PAGE]
    })
    .await;
    assert!(matches!(client.wallets().await, Err(ClientError::UnexpectedAnswer { .. })));
    assert_eq!(lister.asked.lock().unwrap().len(), 3);
}
