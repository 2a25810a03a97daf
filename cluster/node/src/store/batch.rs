//! Tables, records and batches: what callers hand to the store, and what they get from it.

use super::error::RecordName;
use quorate_keys::Secret;
use std::fmt;

/// The tables of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Table {
    /// Public facts of a wallet, by wallet id.
    Wallets,
    /// Active key shares.
    Shares,
    /// Key shares that not everybody has acknowledged yet.
    Pending,
    /// At which epoch a wallet is, and shares of the next one that not everybody has acknowledged yet.
    Epochs,
    /// Requests accepted, by request id.
    Requests,
    /// Their results.
    Results,
    /// Auxiliary information, by the session that made it.
    Auxiliary,
    /// Seeds for multiplying with the other holders of a wallet, by the sessions that made the wallet and them.
    Pairs,
    /// Peers that were caught cheating with such seeds, by wallet and party.
    Caught,
    /// What was spent, by fingerprint of the request that it was signed for.
    Spendings,
    /// How far each peer has come, by its own word.
    Standings,
    /// Requests that wait for approvals, and what authorizers have said.
    Approvals,
    /// Changes of the keys that may ask, by fingerprint of the request.
    Initiators,
    /// Proof against peers.
    Evidence,
    /// Facts of the node itself.
    Meta,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 15] = [
        Self::Wallets,
        Self::Shares,
        Self::Pending,
        Self::Epochs,
        Self::Requests,
        Self::Results,
        Self::Auxiliary,
        Self::Pairs,
        Self::Caught,
        Self::Spendings,
        Self::Standings,
        Self::Approvals,
        Self::Initiators,
        Self::Evidence,
        Self::Meta,
    ];

    /// Its name, as in the file and in messages. Part of what authenticates a record: never changed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wallets => "wallets",
            Self::Shares => "shares",
            Self::Pending => "pending",
            Self::Epochs => "epochs",
            Self::Requests => "requests",
            Self::Results => "results",
            Self::Auxiliary => "auxiliary",
            Self::Pairs => "pairs",
            Self::Caught => "caught",
            Self::Spendings => "spendings",
            Self::Standings => "standings",
            Self::Approvals => "approvals",
            Self::Initiators => "initiators",
            Self::Evidence => "evidence",
            Self::Meta => "meta",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A decrypted record.
#[derive(Debug)]
pub struct Record {
    /// The epoch it was written with. Authentic; whether it is the right one is for the caller to say.
    pub epoch: u64,
    /// Its value.
    pub value: Secret<Vec<u8>>,
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The records, in the order of their keys.
    pub records: Vec<(Vec<u8>, Record)>,
    /// Records in the range that fail authentication.
    pub damaged: Vec<RecordName>,
    /// The last key looked at, to go on after; `None` when the range was exhausted.
    pub next: Option<Vec<u8>>,
}

/// What must hold for a batch to be applied.
#[derive(Debug)]
#[non_exhaustive]
pub enum Precondition {
    /// There is no such record.
    Absent,
    /// There is one.
    Present,
    /// There is one with this value.
    Equals(Secret<Vec<u8>>),
    /// There is one of this epoch.
    Epoch(u64),
}

pub(super) enum Change {
    Put { table: Table, key: Vec<u8>, epoch: u64, value: Secret<Vec<u8>> },
    Delete { table: Table, key: Vec<u8> },
}

/// Changes that are made together or not at all.
#[derive(Default)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    pub(super) conditions: Vec<(Table, Vec<u8>, Precondition)>,
    pub(super) changes: Vec<Change>,
}

impl Batch {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a record, replacing the one of this key.
    pub fn put(mut self, table: Table, key: impl AsRef<[u8]>, epoch: u64, value: Secret<Vec<u8>>) -> Self {
        self.changes.push(Change::Put { table, key: key.as_ref().to_vec(), epoch, value });
        self
    }

    /// Removes a record; no matter when there is none.
    pub fn delete(mut self, table: Table, key: impl AsRef<[u8]>) -> Self {
        self.changes.push(Change::Delete { table, key: key.as_ref().to_vec() });
        self
    }

    /// Makes the whole batch depend on what is there now. All conditions are looked at before the first change.
    pub fn require(mut self, table: Table, key: impl AsRef<[u8]>, condition: Precondition) -> Self {
        self.conditions.push((table, key.as_ref().to_vec(), condition));
        self
    }

    /// Writes a record that must not be there yet.
    pub fn insert(self, table: Table, key: impl AsRef<[u8]>, epoch: u64, value: Secret<Vec<u8>>) -> Self {
        let key = key.as_ref();
        self.require(table, key, Precondition::Absent).put(table, key, epoch, value)
    }

    /// Whether there is nothing to do or to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.conditions.is_empty()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("conditions", &self.conditions.len())
            .field("changes", &self.changes.len())
            .finish()
    }
}
