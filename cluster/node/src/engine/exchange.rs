//! How nodes come to know the same wallets: whoever missed a certificate gets it from any other node.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use quorate_keys::Identity;
use quorate_request::{WalletId, WalletRef};
use rand_core::{OsRng, RngCore};

use super::Engine;
use crate::frame::{Frame, Sought};
use crate::wallets::{Census, Has, Wallet};

/// How often a node looks for peers that have just connected.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Every how many looks it shows its census to some peer all the same.
const COMPARE_EVERY: u32 = 10;
/// Buckets asked for, and wallets told, in answer to one frame. The next census brings the rest.
const BUCKETS: usize = 8;
const WALLETS: usize = 32;
/// How long a request waits for a wallet that this node does not know yet.
const SEEK: Duration = Duration::from_millis(500);
const SEEK_STEP: Duration = Duration::from_millis(10);

impl Engine {
    /// Shows this node's census, and what presignatures it has, to every peer that connects, and to one or another from time to time.
    pub(crate) async fn compare(self: Arc<Self>) {
        let mut greeted: HashSet<Identity> = HashSet::new();
        for look in 1_u32.. {
            tokio::time::sleep(LOOK_EVERY).await;
            let reachable: HashSet<_> =
                self.reachable().into_iter().filter(|node| *node != self.me).collect();
            let mut to: Vec<_> = reachable.difference(&greeted).copied().collect();
            if to.is_empty() && look.is_multiple_of(COMPARE_EVERY) {
                let place = OsRng.next_u32() as usize % reachable.len().max(1);
                to.extend(reachable.iter().nth(place));
            }
            greeted = reachable;
            if !to.is_empty() {
                let frame = Frame::Census(self.wallets.census());
                for peer in &to {
                    self.send(peer, &frame);
                    self.tell_presignatures(peer);
                }
            }
        }
    }

    /// Takes a peer's census: asks for what this node lacks. The peer does the same with this node's.
    pub(super) fn compared(&self, from: &Identity, census: &Census) {
        for bucket in self.wallets.census().differences(census).into_iter().take(BUCKETS) {
            let held = self.wallets.bucket(bucket);
            let have = held.iter().map(|wallet| Has::of(wallet)).collect();
            self.send(from, &Frame::Missing { bucket, have });
        }
    }

    /// Tells a peer of the wallets of a bucket that it does not have, and of later epochs of others.
    pub(super) fn missing(&self, from: &Identity, bucket: u8, have: Vec<Has>) {
        let have: HashMap<_, _> = have.into_iter().map(|has| (has.wallet, has)).collect();
        let mut left = WALLETS;
        for wallet in self.wallets.bucket(bucket) {
            match have.get(&wallet.session()) {
                None => self.tell_wallet(from, &wallet),
                Some(has) if has.is_behind(&wallet) => self.tell_epoch(from, &wallet),
                Some(_) => continue,
            }
            left = left.saturating_sub(1);
            if left == 0 {
                return;
            }
        }
    }

    /// Tells a node of a wallet, and of its epoch.
    pub(super) fn tell_wallet(&self, to: &Identity, wallet: &Wallet) {
        self.send(to, &Frame::Certified(Box::new(wallet.certified())));
        self.tell_epoch(to, wallet);
    }

    /// Tells a node of a wallet's epoch, if it is not the first.
    pub(super) fn tell_epoch(&self, to: &Identity, wallet: &Wallet) {
        match self.wallets.link(wallet) {
            Ok(Some(link)) => self.send(to, &Frame::Renewed(Box::new(link))),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the proof of a wallet's epoch can't be read"),
        }
    }

    /// Tells a peer of the wallet that it was asked for.
    pub(super) fn sought(&self, from: &Identity, sought: &Sought) {
        for wallet in self.holding(sought).iter().take(WALLETS) {
            self.tell_wallet(from, wallet);
        }
    }

    fn holding(&self, sought: &Sought) -> Vec<Arc<Wallet>> {
        match sought {
            Sought::Name(name) => name.parse::<WalletId>().map_or(Vec::new(), |id| self.wallets.named(&id)),
            Sought::Key(key) => {
                self.wallets.find(WalletRef::PublicKey(key)).ok().flatten().into_iter().collect()
            }
            Sought::Session(session) => self.wallets.of_session(session).into_iter().collect(),
        }
    }

    /// Asks the others for a wallet that this node does not know, and waits a little for the answer: it may have been
    /// made at another node a moment ago.
    pub(crate) async fn seek(&self, sought: &Sought) {
        self.send_all(&Frame::Seek(sought.clone()));
        let found = async {
            while self.holding(sought).is_empty() {
                tokio::time::sleep(SEEK_STEP).await;
            }
        };
        // Not found: the request says so.
        tokio::time::timeout(SEEK, found).await.ok();
    }
}
