//! Shares that become as old as the schedule says: their holders refresh them on their own, without a request.
//!
//! The first of a wallet's holders proposes it, as soon as all of them are up; if it does not, the next one does a while later. A member
//! takes part if the shares are as old by its own schedule and clock. So no node has them dealt more often than the operators of
//! all others wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use quorate_request::ErrorCode;
use quorate_session::SessionId;
use rand_core::OsRng;
use tokio::time::{Instant, sleep};

use super::Engine;
use super::attempt::Attempted;
use super::member::{LONGEST_PROPOSAL, refused};
use super::proposer::Trouble;
use super::upkeep::Pause;
use crate::authority::CLOCK_SKEW;
use crate::cause::{Cause, NewShares, Provision, Upkeep};
use crate::clock::{millis, now_millis};
use crate::frame::Reason;
use crate::job::{Job, ReshareJob};
use crate::wallets::Wallet;

/// How often a node looks whether shares have become too old, at the least and at the most.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// How long a holder leaves it to each of those before it.
const TURN: Duration = Duration::from_secs(60);
/// How long all of it may take for a wallet, auxiliary information included.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long to wait for a member that is busy.
const BUSY: Duration = Duration::from_secs(2);

/// So many refreshes of a wallet that nobody knows the end of are made by themselves: each is kept.
const MOST_OPEN: usize = 8;

/// What is known of a wallet whose shares could not be refreshed yet.
#[derive(Default)]
struct Tried {
    pause: Pause,
    trouble: Trouble,
}

impl Engine {
    /// Has shares refreshed that are too old, until the node stops.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        let Some(shortest) = self.config.refresh_schedule.shortest() else { return };
        let look_every = (shortest / 20).clamp(LOOK_EVERY.0, LOOK_EVERY.1);
        let mut tried: BTreeMap<SessionId, Tried> = BTreeMap::new();
        while !self.is_draining() {
            let due = self.due_for_refresh();
            let sessions: BTreeSet<_> = due.iter().map(|(wallet, _)| wallet.session()).collect();
            tried.retain(|session, _| sessions.contains(session));
            for (wallet, overdue) in due {
                let Tried { pause, trouble } = tried.entry(wallet.session()).or_default();
                if !pause.is_over() || !self.is_to_refresh(&wallet, overdue) || self.is_draining() {
                    continue;
                }
                match self.refresh(&wallet, trouble).await {
                    Ok(()) => tracing::info!(wallet = %wallet.id, "its shares are refreshed, as was due"),
                    Err(why) => {
                        pause.failed();
                        tracing::warn!(wallet = %wallet.id, "its shares are due for a refresh, which failed: {why}");
                    }
                }
            }
            sleep(look_every).await;
        }
    }

    /// The wallets whose shares are too old, of those that this node holds shares of, and since when.
    pub(crate) fn due_for_refresh(&self) -> Vec<(Arc<Wallet>, Duration)> {
        let now = now_millis();
        let all = self.wallets.all().into_iter();
        let held = all.filter(|wallet| wallet.public.committee.index_of(&self.me).is_some());
        held.filter_map(|wallet| {
            let overdue = self.config.refresh_schedule.overdue(&wallet, now)?;
            Some((wallet, overdue))
        })
        .collect()
    }

    /// Whether all holders are up, and it is this one's turn.
    fn is_to_refresh(&self, wallet: &Wallet, overdue: Duration) -> bool {
        let before = wallet.holders().range(..self.me).count();
        let turn = TURN.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        overdue >= turn && self.fit_holders(wallet) == wallet.holders()
    }

    async fn refresh(self: &Arc<Self>, wallet: &Arc<Wallet>, trouble: &mut Trouble) -> Result<(), String> {
        self.check_due(wallet).map_err(|reason| reason.to_string())?;
        let deadline = Instant::now() + PATIENCE;
        let _place = self.keygens.take(deadline).await.map_err(|why| why.to_string())?;
        let new = NewShares { wallet: wallet.session(), found_ms: now_millis() };
        let mut job = self.refreshing(&new).map_err(|reason| reason.to_string())?;
        self.prepare_renewing(None, &mut job, trouble, deadline).await.map_err(|error| error.message)?;
        let parties = job.receivers.clone();
        let cause = Cause::Upkeep(Box::new(Upkeep::new(&self.me, Provision::Refresh(new), &mut OsRng)));
        match self.provide(&cause, &Job::Reshare(Box::new(job)), &parties, BUSY, deadline).await {
            Attempted::Active(_) => Ok(()),
            Attempted::Locked(_, begun, why) => {
                trouble.is_locked(begun);
                Err(why)
            }
            Attempted::Refused(node, reason) => {
                if matches!(reason, Reason::NoShare) {
                    trouble.lacks_share(node);
                }
                Err(format!("node {} {reason}", self.name(&node)))
            }
            Attempted::Absent(nodes, why) => Err(format!("{}: {why}", self.names(&nodes).join(", "))),
            failed => Err(failed.why().to_owned()),
        }
    }

    /// The job of a refresh that was found to be due.
    ///
    /// # Errors
    /// The wallet is unknown here, or the clocks differ too much.
    pub(super) fn refreshing(&self, new: &NewShares) -> Result<ReshareJob, Reason> {
        let of = |code: ErrorCode, message: &str| refused(code.as_str(), message.into());
        let wallet = self.wallets.of_session(&new.wallet);
        let wallet = wallet.ok_or_else(|| of(ErrorCode::UnknownWallet, "this node knows no such wallet"))?;
        let now = SystemTime::now();
        let known = millis(now - CLOCK_SKEW - LONGEST_PROPOSAL)..=millis(now + CLOCK_SKEW);
        if !known.contains(&new.found_ms) {
            return Err(of(ErrorCode::Expired, "it was found long ago, or is yet to be: check the clocks"));
        }
        ReshareJob::refresh(wallet, new.found_ms).map_err(|error| refused(error.code.as_str(), error.message))
    }

    /// Whether a wallet's shares are to be refreshed by this node's own schedule.
    ///
    /// # Errors
    /// They are not.
    pub(super) fn check_due(&self, wallet: &Wallet) -> Result<(), Reason> {
        // What it forgot by that it might contradict.
        if self.standings.put_back_lately().is_some() {
            return Err(Reason::Unable(
                "was put back to an older state lately, and refreshes nothing yet".into(),
            ));
        }
        let open = self.wallets.acknowledged_renewals(&wallet.session()).len();
        if open >= MOST_OPEN {
            return Err(Reason::Unable(format!(
                "has acknowledged {open} resharings of wallet {} of which nobody knows the end: reshare it without who holds them up",
                wallet.id
            )));
        }
        if self.config.refresh_schedule.is_nearly_due(wallet, now_millis()) {
            return Ok(());
        }
        Err(Reason::Unable(format!(
            "does not refresh wallet {} yet: by its refresh_schedule that is not due",
            wallet.id
        )))
    }
}
