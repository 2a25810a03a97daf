//! The epochs of wallets: resharings that this node has acknowledged, and the latest that is certified.
//!
//! Of each wallet that was reshared, or is about to be, one row of [`Table::Epochs`] has what [`Keeper`] decides by; the share of the epoch that
//! the node goes by is in [`Table::Shares`], as that of the first. Both are written together. The share that a newer epoch leaves behind
//! is erased, or kept for one epoch more, in the same commit that activates it, and by nothing else.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use quorate_keygen::Refusal;
use quorate_keys::{Identity, Secret, wiping_stack};
use quorate_reshare::{Hindrance, Keeper, Link, Pending as Renewal, Taken};
use quorate_session::{Agreement, Evidence, SessionId, Wire};
use quorate_sharing::{KeyShare, PublicShares};

use super::{Wallet, WalletError, Wallets, pending::Waiting};
use crate::store::{Batch, Precondition, Store, StoreError, Table};

/// What a node knows of the changes of a wallet's holders, or of how many of them sign.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Whether this very request has led to one, now or before.
    pub(crate) has_been_made: bool,
    /// When the last one was asked for, in unix milliseconds.
    pub(crate) last_ms: Option<u64>,
}

/// What a certified epoch was to this node.
pub(crate) struct Epoch {
    pub(crate) wallet: Arc<Wallet>,
    /// The session that made the shares by which it went before; nothing if it goes by the same as before.
    pub(crate) before: Option<SessionId>,
    /// Against a party that refused the resharing, and acknowledged it all the same.
    pub(crate) contradiction: Option<Evidence>,
}

/// What is kept of epochs according to the store, by wallet. Damaged records are left out and logged.
pub(super) fn load(store: &Store) -> Result<HashMap<SessionId, Keeper>, StoreError> {
    let scan = store.scan(Table::Epochs, "")?;
    for damaged in scan.damaged {
        tracing::error!(record = %damaged, "what is known of a wallet's epoch is damaged: restore this node from a backup");
    }
    let mut keepers = HashMap::new();
    for (key, record) in scan.records {
        let session = borsh::from_slice::<SessionId>(&key).map_err(|error| error.to_string());
        let keeper = wiping_stack(|| Keeper::from_wire(record.value.expose()));
        match session.and_then(|session| Ok((session, keeper.map_err(|error| error.to_string())?))) {
            Ok((session, keeper)) => {
                keepers.insert(session, keeper);
            }
            Err(error) => tracing::error!(%error, "what is known of a wallet's epoch can't be read"),
        }
    }
    Ok(keepers)
}

impl Wallets {
    /// Proof of the epoch that this node goes by, if it is not the first.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) fn link(&self, wallet: &Wallet) -> Result<Option<Link>, WalletError> {
        if wallet.renewed.is_none() {
            return Ok(None);
        }
        Ok(self.keeper(wallet)?.link().cloned())
    }

    /// Stores what this node has of a resharing, before it acknowledges that.
    ///
    /// # Errors
    /// Another one hinders, or the store.
    pub(crate) async fn store_renewal(&self, batch: Batch, renewal: Renewal) -> Result<(), WalletError> {
        let _one_at_a_time = self.deciding.lock().await;
        let origin = renewal.setup.origin;
        let wallet = self.of_session(&origin).ok_or_else(|| WalletError::Invalid {
            wallet: origin.to_string(),
            detail: "this node knows no such wallet".into(),
        })?;
        let mut keeper = self.keeper(&wallet)?;
        let waiting = Waiting::renewed(&wallet.id, &renewal);
        keeper.acknowledge(renewal).map_err(|hindrance: Hindrance| too_late(&wallet, &hindrance))?;
        self.store.commit(put(batch, &wallet, &keeper)?).await?;
        self.pending.write().unwrap_or_else(PoisonError::into_inner).insert(waiting);
        Ok(())
    }

    /// Keeps a party's refusal of a resharing that this node has acknowledged: it waits for it no more. `false` if it is certified, or nothing is
    /// known of it any more.
    pub(super) async fn set_renewal_aside(
        &self,
        origin: &SessionId,
        refusal: &Refusal,
    ) -> Result<bool, WalletError> {
        let _one_at_a_time = self.deciding.lock().await;
        let Some(wallet) = self.of_session(origin) else { return Ok(false) };
        let mut keeper = self.keeper(&wallet)?;
        if keeper.set_aside(refusal) {
            self.store.commit(put(Batch::new(), &wallet, &keeper)?).await?;
        }
        match keeper.pending_of(&refusal.session()) {
            Some(renewal) => {
                let waiting = Waiting::renewed(&wallet.id, renewal);
                self.pending.write().unwrap_or_else(PoisonError::into_inner).insert(waiting);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Whether this node has kept nothing of a resharing of the epoch that it goes by, behind all writes that were handed to the store. If it can't
    /// tell, it does not say so.
    pub(crate) async fn has_no_renewal(&self, origin: &SessionId, agreement: &Agreement) -> bool {
        let _one_at_a_time = self.deciding.lock().await;
        // A write whose writer has gone away may still wait: the store takes one after the other, and what is never so costs it no commit.
        let never = Batch::new().require(Table::Epochs, origin.as_bytes(), Precondition::Epoch(u64::MAX));
        match self.store.commit(never).await {
            Err(StoreError::Precondition { .. }) => {}
            _ => return false,
        }
        let Some(wallet) = self.of_session(origin) else { return false };
        self.keeper(&wallet).is_ok_and(|keeper| keeper.may_refuse(agreement))
    }

    /// Takes a certified epoch: from then on this node goes by it, and what it had of the epoch before is erased.
    ///
    /// # Errors
    /// It is none of a wallet that this node knows, or the store's.
    pub(crate) async fn renew(&self, link: Link, me: &Identity) -> Result<Epoch, WalletError> {
        let _one_at_a_time = self.deciding.lock().await;
        let (origin, session) = (link.setup.origin, link.session());
        let wallet = self.of_session(&origin).ok_or_else(|| WalletError::Invalid {
            wallet: origin.to_string(),
            detail: "this node knows no such wallet".into(),
        })?;
        let mut keeper = match self.keeper(&wallet) {
            Err(
                error @ (WalletError::Invalid { .. } | WalletError::Store(StoreError::DamagedRecord { .. })),
            ) => {
                tracing::error!(wallet = %wallet.id, %error, "this node starts anew with what others tell of its epoch");
                self.anew(&wallet, &link)?
            }
            keeper => keeper?,
        };
        let refusal = keeper.pending_of(&session).and_then(|renewal| renewal.set_aside.clone());
        let contradiction = refusal.and_then(|refusal| refusal.contradiction(&link.certificate, &link.setup));
        let invalid = |detail: String| WalletError::Invalid { wallet: wallet.id.to_string(), detail };
        let is_holder = link.public.committee.index_of(me).is_some();
        let renewed = Arc::new(wallet.at(&link));
        // What can't be read can't be kept: the others have theirs.
        let present = || self.share(&wallet).ok();
        let taken = match self.keeps {
            true => keeper.certified_keeping(link, present),
            false => keeper.certified(link),
        };
        let share = match taken.map_err(|error| invalid(error.to_string()))? {
            Taken::Known => return Ok(Epoch { wallet, before: None, contradiction }),
            Taken::Activated(share) => share,
        };
        let batch = put(Batch::new(), &renewed, &keeper)?;
        let (row, epoch) = (origin.as_bytes(), renewed.public.epoch);
        let (batch, is_held) = match &share {
            Some(share) => {
                let share = share.to_wire().map_err(|error| invalid(error.to_string()))?;
                (batch.put(Table::Shares, row, epoch, Secret::new(share)), true)
            }
            // Unless it is of this epoch already, and what was known of that was damaged.
            None if self.share(&renewed).is_ok_and(|share| *share.public() == renewed.public) => {
                (batch, true)
            }
            None => (batch.delete(Table::Shares, row), false),
        };
        self.store.commit(batch).await?;
        if !is_held && is_holder {
            // It acknowledged, so it had one.
            tracing::error!(wallet = %renewed.id, epoch, "this node's share is gone: reshare the wallet");
        }
        self.known.write().unwrap_or_else(PoisonError::into_inner).replace(&renewed, is_held);
        {
            let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
            pending.remove_all(&origin);
            pending.insert_all(&renewed, &keeper);
        }
        if epoch == wallet.public.epoch {
            let sessions = format!("{session} and {}", wallet.generation());
            tracing::warn!(wallet = %renewed.id, epoch, sessions, "two resharings to this epoch are certified: the first counts, and what was dealt by the other is erased");
        }
        tracing::info!(wallet = %renewed.id, epoch, held = is_held, "the wallet is at its next epoch");
        Ok(Epoch { before: Some(wallet.generation()), wallet: renewed, contradiction })
    }

    /// What this node knows of the changes of a wallet's holders, and their number of signers.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) fn changes(&self, wallet: &Wallet, occasion: &[u8; 32]) -> Result<Changes, WalletError> {
        if wallet.renewed.is_none() {
            return Ok(Changes::default());
        }
        let keeper = self.keeper(wallet)?;
        let has_been_made = keeper.has_led_to_others(occasion);
        Ok(Changes { has_been_made, last_ms: keeper.last_change().map(|change| change.asked_ms) })
    }

    /// What to decide by where that is damaged: a share that is there is of an epoch that was certified, and no older one counts any more.
    fn anew(&self, wallet: &Wallet, link: &Link) -> Result<Keeper, WalletError> {
        let (origin, epoch) = (wallet.session(), link.public.epoch);
        let row = self.store.get(Table::Shares, origin.as_bytes()).ok().flatten();
        let share = row.and_then(|row| wiping_stack(|| KeyShare::from_wire(row.value.expose())).ok());
        let held = share.as_ref().map(KeyShare::public);
        let known = held.filter(|held| held.epoch > wallet.public.epoch).unwrap_or(&wallet.public);
        if *known != link.public && epoch <= known.epoch {
            return Err(WalletError::Invalid {
                wallet: wallet.id.to_string(),
                detail: format!("it was at epoch {} here, and is told to be at epoch {epoch}", known.epoch),
            });
        }
        Ok(Keeper::anew(origin, wallet.record.public.clone()))
    }

    /// The share that this node has kept of the epoch before.
    pub(super) fn kept_share(&self, wallet: &Wallet, epoch: &PublicShares) -> Result<KeyShare, WalletError> {
        let kept = self.keeper(wallet)?.take_kept().filter(|kept| kept.public() == epoch);
        kept.ok_or_else(|| WalletError::Invalid {
            wallet: wallet.id.to_string(),
            detail: "this node has kept no share of the epoch before".into(),
        })
    }

    /// Erases all shares that were kept of epochs before, where they are no longer wanted. Gives how many.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn erase_kept(&self) -> Result<usize, WalletError> {
        let mut erased = 0_usize;
        for wallet in self.all().into_iter().filter(|wallet| wallet.renewed.is_some()) {
            let _one_at_a_time = self.deciding.lock().await;
            // Of those that can't be read `load` has told.
            let Ok(mut keeper) = self.keeper(&wallet) else { continue };
            if !self.keeps && keeper.take_kept().is_some() {
                self.store.commit(put(Batch::new(), &wallet, &keeper)?).await?;
                erased = erased.saturating_add(1);
            }
        }
        Ok(erased)
    }

    /// Loses the kept share of a wallet, as if its record had been damaged and told anew.
    #[cfg(test)]
    pub(crate) async fn lose_kept(&self, wallet: &str) {
        let wallet = self.named(&wallet.parse().unwrap()).remove(0);
        let mut keeper = self.keeper(&wallet).unwrap();
        assert!(keeper.take_kept().is_some());
        self.store.commit(put(Batch::new(), &wallet, &keeper).unwrap()).await.unwrap();
    }

    /// What this node decides by about a wallet's epochs.
    fn keeper(&self, wallet: &Wallet) -> Result<Keeper, WalletError> {
        let session = wallet.session();
        match self.store.get(Table::Epochs, session.as_bytes())? {
            None => Ok(Keeper::new(session, wallet.record.public.clone())),
            Some(record) => {
                let keeper = wiping_stack(|| Keeper::from_wire(record.value.expose()));
                keeper.map_err(|error| WalletError::Invalid {
                    wallet: wallet.id.to_string(),
                    detail: format!("what is known of its epoch can't be read: {error}"),
                })
            }
        }
    }
}

fn put(batch: Batch, wallet: &Wallet, keeper: &Keeper) -> Result<Batch, WalletError> {
    let invalid = |detail: String| WalletError::Invalid { wallet: wallet.id.to_string(), detail };
    let bytes = keeper.to_wire().map_err(|error| invalid(error.to_string()))?;
    Ok(batch.put(Table::Epochs, wallet.session().as_bytes(), keeper.public().epoch, Secret::new(bytes)))
}

fn too_late(wallet: &Wallet, hindrance: &Hindrance) -> WalletError {
    WalletError::TooLate { wallet: wallet.id.to_string(), detail: hindrance.to_string() }
}
