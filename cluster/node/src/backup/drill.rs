//! What is in a store that was restored, proven without a cluster.

use quorate_keys::{Curve, Identity, wiping_stack};
use quorate_reshare::{Keeper, Renewed};
use quorate_session::Wire;
use quorate_sharing::{Ed25519, KeyShare, P256, PublicShares, Secp256k1};

use crate::store::{Store, StoreError, Table};
use crate::wallets::{PendingShare, WalletRecord};

/// What a drill has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proven {
    /// Records that open, of all kinds.
    pub records: u64,
    /// Wallets that the node knows.
    pub wallets: u64,
    /// Active shares that are what the public side of their wallet says.
    pub shares: u64,
    /// The same of shares that are pending, or kept of an epoch before.
    pub others: u64,
    /// What is not as it should be.
    pub unproven: Vec<Unproven>,
}

/// A record that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven {
    /// Its table and key.
    pub record: String,
    /// Why.
    pub reason: String,
}

impl Proven {
    /// Whether all is as it should be.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.unproven.is_empty()
    }

    fn doubt(&mut self, table: Table, key: &[u8], reason: &dyn std::fmt::Display) {
        let record = crate::store::RecordName::new(table, key).to_string();
        self.unproven.push(Unproven { record, reason: reason.to_string() });
    }

    fn share(&mut self, table: Table, key: &[u8], share: &KeyShare, expected: Option<&PublicShares>) {
        if expected.is_some_and(|expected| expected != share.public()) {
            return self.doubt(table, key, &"the share is not of the epoch that its wallet is at");
        }
        if let Err(reason) = fits(share) {
            return self.doubt(table, key, &reason);
        }
        let count = if table == Table::Shares { &mut self.shares } else { &mut self.others };
        *count = count.saturating_add(1);
    }
}

/// Opens every record, checks every share against its public commitment, and that none is missing of those that this node holds.
pub(super) fn prove(store: &Store, node: &Identity) -> Result<Proven, StoreError> {
    let mut proven = Proven::default();
    for table in Table::ALL {
        let scan = store.scan(table, "")?;
        for damaged in scan.damaged {
            proven.unproven.push(Unproven { record: damaged.to_string(), reason: "it is damaged".into() });
        }
        proven.records = proven.records.saturating_add(u64::try_from(scan.records.len()).unwrap_or(u64::MAX));
    }
    let keeper = |key: &[u8]| {
        let row = store.get(Table::Epochs, key).ok().flatten()?;
        wiping_stack(|| Keeper::from_wire(row.value.expose())).ok()
    };
    for (key, record) in store.scan(Table::Wallets, "")?.records {
        match WalletRecord::from_wire(record.value.expose()) {
            Ok(wallet) => {
                proven.wallets = proven.wallets.saturating_add(1);
                let public = keeper(&key).map_or(wallet.public, |keeper| keeper.public().clone());
                let is_held = store.contains(Table::Shares, &key)?;
                if public.committee.index_of(node).is_some() && !is_held {
                    proven.doubt(Table::Wallets, &key, &"the node's share of it is missing");
                }
            }
            Err(error) => proven.doubt(Table::Wallets, &key, &error),
        }
    }
    for (key, record) in store.scan(Table::Shares, "")?.records {
        let known = keeper(&key).map(|keeper| keeper.public().clone()).or_else(|| {
            let row = store.get(Table::Wallets, &key).ok().flatten()?;
            WalletRecord::from_wire(row.value.expose()).ok().map(|wallet| wallet.public)
        });
        match (wiping_stack(|| KeyShare::from_wire(record.value.expose())), known) {
            (Ok(_), None) => proven.doubt(Table::Shares, &key, &"nothing is known of its wallet"),
            (Ok(share), known) => proven.share(Table::Shares, &key, &share, known.as_ref()),
            (Err(error), _) => proven.doubt(Table::Shares, &key, &error),
        }
    }
    for (key, record) in store.scan(Table::Pending, "")?.records {
        match wiping_stack(|| PendingShare::from_wire(record.value.expose())) {
            Ok(pending) => proven.share(Table::Pending, &key, &pending.share, None),
            Err(error) => proven.doubt(Table::Pending, &key, &error),
        }
    }
    for (key, record) in store.scan(Table::Epochs, "")?.records {
        match wiping_stack(|| Keeper::from_wire(record.value.expose())) {
            Ok(keeper) => {
                if let Some(kept) = keeper.kept() {
                    proven.share(Table::Epochs, &key, kept, keeper.link().map(|link| &link.setup.old));
                }
                for pending in keeper.pending() {
                    if let Renewed::Share(share) = &pending.renewed {
                        proven.share(Table::Epochs, &key, share, None);
                    }
                }
            }
            Err(error) => proven.doubt(Table::Epochs, &key, &error),
        }
    }
    Ok(proven)
}

fn fits(share: &KeyShare) -> Result<(), String> {
    let checked = match share.public().group_key.curve() {
        Curve::Ed25519 => share.secret_share::<Ed25519>().map(drop),
        Curve::Secp256k1 => share.secret_share::<Secp256k1>().map(drop),
        Curve::P256 => share.secret_share::<P256>().map(drop),
        curve => return Err(format!("it is of a key on {curve}, which this release does not know")),
    };
    checked.map_err(|error| error.to_string())
}
