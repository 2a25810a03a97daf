//! Nodes that are proven to have cheated: the evidence is kept, and they are left out of committees.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use quorate_keys::{Identity, Secret};
use quorate_session::{Evidence, Verdict, Wire};

use super::{Engine, lock};
use crate::frame::Frame;
use crate::store::{Batch, Store, StoreError, Table};

pub(super) struct Exclusions {
    store: Arc<Store>,
    /// Where evidence is laid down for whoever wants to judge it.
    folder: PathBuf,
    culprits: Mutex<HashMap<Identity, String>>,
}

impl Exclusions {
    pub(super) fn load(store: Arc<Store>, folder: PathBuf) -> Result<Self, StoreError> {
        let mut culprits = HashMap::new();
        for (_, record) in store.scan(Table::Evidence, "")?.records {
            let Ok(evidence) = Evidence::from_wire(record.value.expose()) else { continue };
            if let Some(member) = evidence.agreement.committee().member(evidence.accused) {
                culprits.insert(member.identity, evidence.claim.to_string());
            }
        }
        Ok(Self { store, folder, culprits: Mutex::new(culprits) })
    }

    pub(super) fn contains(&self, identity: &Identity) -> bool {
        lock(&self.culprits).contains_key(identity)
    }

    /// Keeps judged evidence; `false` if that culprit was convicted of this session before.
    async fn keep(&self, evidence: &Evidence, verdict: &Verdict) -> Result<bool, StoreError> {
        let key = format!("{}/{}", verdict.culprit, verdict.session);
        if self.store.contains(Table::Evidence, &key)? {
            return Ok(false);
        }
        let Ok(bytes) = evidence.to_wire() else { return Ok(false) };
        if let Err(error) = self.lay_down(&bytes, verdict) {
            tracing::warn!(folder = %self.folder.display(), %error, "evidence could not be written to a file");
        }
        self.store.commit(Batch::new().put(Table::Evidence, &key, 0, Secret::new(bytes))).await?;
        lock(&self.culprits).insert(verdict.culprit, verdict.finding.clone());
        Ok(true)
    }

    fn lay_down(&self, bytes: &[u8], verdict: &Verdict) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let culprit = hex::encode(verdict.culprit.as_bytes().split_at(8).0);
        let session = hex::encode(verdict.session.as_bytes().split_at(8).0);
        std::fs::write(self.folder.join(format!("{session}-{culprit}.evidence")), bytes)
    }
}

impl Engine {
    /// Takes evidence from a peer, or from a session of this node: judged here before it counts, and passed on once.
    pub(super) async fn accused(&self, from: Identity, evidence: Evidence) {
        if evidence.agreement.proposal().cluster != *self.peers.cluster().as_bytes() {
            return tracing::warn!(peer = %self.name(&from), "refused evidence of another cluster");
        }
        let verdict = match self.registry.judge(&evidence) {
            Ok(verdict) => verdict,
            Err(error) => {
                return tracing::warn!(peer = %self.name(&from), %error, "refused evidence that proves nothing");
            }
        };
        match self.exclusions.keep(&evidence, &verdict).await {
            Ok(false) => {}
            Ok(true) => {
                let culprit = self.name(&verdict.culprit);
                tracing::error!(%culprit, session = %verdict.session, "convicted: {}", verdict.finding);
                self.send_all(&Frame::Evidence(Box::new(evidence)));
            }
            Err(error) => tracing::error!(%error, "evidence could not be stored"),
        }
    }
}
