//! Nodes that are proven to have cheated: the evidence is kept, and they are left out of committees.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use quorate_keygen::Refusal;
use quorate_keys::{Identity, Secret};
use quorate_session::{Evidence, SessionId, Verdict, Wire};

use super::{Engine, lock};
use crate::frame::Frame;
use crate::store::{Batch, Store, StoreError, Table};
use quorate_identity::files::{Access, write_new};

/// From so much evidence on that proves nothing, a peer's evidence is not looked at any more.
pub(super) const FALSE_EVIDENCE: u32 = 8;

pub(super) struct Exclusions {
    store: Arc<Store>,
    /// Where evidence is laid down for whoever wants to judge it.
    folder: PathBuf,
    culprits: Mutex<HashMap<Identity, String>>,
    courts: Mutex<HashMap<Identity, Arc<Court>>>,
    /// One is laid down at a time: the same can come from several at once.
    keeping: tokio::sync::Mutex<()>,
}

/// Where the evidence of one peer is judged.
#[derive(Default)]
struct Court {
    turn: tokio::sync::Mutex<()>,
    /// How much of its evidence proved nothing.
    refused: AtomicU32,
}

impl Exclusions {
    pub(super) fn load(store: Arc<Store>, folder: PathBuf) -> Result<Self, StoreError> {
        let mut culprits = HashMap::new();
        let scan = store.scan(Table::Evidence, "")?;
        for damaged in scan.damaged {
            tracing::error!(record = %damaged, "kept evidence is damaged: whom it convicts is not left out any more");
        }
        for (_, record) in scan.records {
            let Ok(evidence) = Evidence::from_wire(record.value.expose()) else { continue };
            if let Some(member) = evidence.agreement.committee().member(evidence.accused) {
                culprits.insert(member.identity, evidence.claim.to_string());
            }
        }
        Ok(Self {
            store,
            folder,
            culprits: Mutex::new(culprits),
            courts: Mutex::default(),
            keeping: tokio::sync::Mutex::default(),
        })
    }

    /// What convicts a node, if anything does.
    pub(super) fn evidence_against(&self, culprit: &Identity) -> Option<Evidence> {
        let kept = self.store.scan(Table::Evidence, format!("{culprit}/")).ok()?;
        kept.records.iter().find_map(|(_, record)| Evidence::from_wire(record.value.expose()).ok())
    }

    fn court(&self, peer: Identity) -> Arc<Court> {
        Arc::clone(lock(&self.courts).entry(peer).or_default())
    }

    #[cfg(test)]
    pub(super) fn refused_of(&self, peer: &Identity) -> u32 {
        self.court(*peer).refused.load(Ordering::Relaxed)
    }

    fn is_kept(&self, culprit: &Identity, session: &SessionId) -> Result<bool, StoreError> {
        self.store.contains(Table::Evidence, row(culprit, session))
    }

    /// How many are convicted.
    pub(super) fn count(&self) -> usize {
        lock(&self.culprits).len()
    }

    pub(super) fn contains(&self, identity: &Identity) -> bool {
        lock(&self.culprits).contains_key(identity)
    }

    /// Keeps judged evidence; `false` if that culprit was convicted of this session before.
    async fn keep(&self, evidence: &Evidence, verdict: &Verdict) -> Result<bool, StoreError> {
        let _one_at_a_time = self.keeping.lock().await;
        if self.is_kept(&verdict.culprit, &verdict.session)? {
            return Ok(false);
        }
        let Ok(bytes) = evidence.to_wire() else { return Ok(false) };
        // Left out from now on, even if the disk should fail.
        lock(&self.culprits).insert(verdict.culprit, verdict.finding.clone());
        self.lay_down(bytes.clone(), verdict).await;
        let key = row(&verdict.culprit, &verdict.session);
        self.store.commit(Batch::new().put(Table::Evidence, &key, 0, Secret::new(bytes))).await?;
        Ok(true)
    }

    async fn lay_down(&self, bytes: Vec<u8>, verdict: &Verdict) {
        let culprit = hex::encode(verdict.culprit.as_bytes().split_at(8).0);
        let session = hex::encode(verdict.session.as_bytes().split_at(8).0);
        let folder = self.folder.clone();
        let path = folder.join(format!("{session}-{culprit}.evidence"));
        let written = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(folder)?;
            write_new(&path, &bytes, Access::Public)
        });
        match written.await.map_err(std::io::Error::other).flatten() {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                tracing::warn!(folder = %self.folder.display(), %error, "evidence could not be written to a file");
            }
            _ => {}
        }
    }
}

fn row(culprit: &Identity, session: &SessionId) -> String {
    format!("{culprit}/{session}")
}

impl Engine {
    /// Takes evidence from a peer, or from a session of this node: judged here before it counts, and passed on once.
    pub(super) async fn accused(&self, from: Identity, evidence: Evidence) {
        if evidence.agreement.proposal().cluster != *self.peers.cluster().as_bytes() {
            return tracing::warn!(peer = %self.name(&from), "refused evidence of another cluster");
        }
        let Some(accused) = evidence.agreement.committee().member(evidence.accused) else {
            return tracing::warn!(peer = %self.name(&from), "refused evidence against no member");
        };
        let session = evidence.agreement.session();
        // Judging costs as much as taking part in the protocol. One at a time, and not for who keeps crying wolf.
        let court = self.exclusions.court(from);
        let _turn = court.turn.lock().await;
        if court.refused.load(Ordering::Relaxed) >= FALSE_EVIDENCE && from != self.me {
            return tracing::debug!(peer = %self.name(&from), "ignored evidence of a node that has shown too much false one");
        }
        // Another version of this program may judge what this one can't: no fault of the peer's.
        if self.registry.find(&evidence.protocol).is_none() {
            return tracing::warn!(peer = %self.name(&from), protocol = %evidence.protocol, "can't judge evidence of an unknown protocol");
        }
        match self.exclusions.is_kept(&accused.identity, &session) {
            Ok(false) => {}
            Ok(true) => return,
            Err(error) => return tracing::error!(%error, "evidence can't be read"),
        }
        let registry = Arc::clone(&self.registry);
        let judged = tokio::task::spawn_blocking(move || (registry.judge(&evidence), evidence)).await;
        let (verdict, evidence) = match judged {
            Ok((Ok(verdict), evidence)) => (verdict, evidence),
            Ok((Err(error), _)) => {
                court.refused.fetch_add(1, Ordering::Relaxed);
                return tracing::warn!(peer = %self.name(&from), %error, "refused evidence that proves nothing");
            }
            Err(error) => {
                return tracing::error!(peer = %self.name(&from), %error, "evidence could not be judged");
            }
        };
        match self.exclusions.keep(&evidence, &verdict).await {
            Ok(false) => {}
            Ok(true) => {
                let culprit = self.name(&verdict.culprit);
                tracing::error!(%culprit, session = %verdict.session, "convicted: {}", verdict.finding);
                self.audit.convicted(&culprit, &verdict.session, &verdict.finding);
                if Refusal::shown_by(&evidence).is_some() {
                    self.wallets.note_refused(&verdict.session).await;
                }
                self.presignatures.retain(|origin| !origin.signers.contains(&verdict.culprit));
                self.send_all(&Frame::Evidence(Box::new(evidence)));
            }
            Err(error) => tracing::error!(%error, "evidence could not be stored"),
        }
    }
}
