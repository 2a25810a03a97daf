//! Many wallets: some at a time, with what has come of each, and to be gone on with.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt as _, stream};
use quorate_client::{Client, ClientError};
use quorate_request::{RequestId, ReshareResponse, WalletId, WalletView};
use serde::Serialize;

use crate::cluster::Target;
use crate::failure::{Failure, Tip};
use crate::output;
use crate::progress::Progress;

/// Which wallets are meant.
#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = false)]
pub(crate) struct Which {
    /// The wallet.
    #[arg(long, value_name = "NAME", group = "which")]
    pub(super) wallet: Option<WalletId>,
    /// All wallets, one after the other, and some at a time.
    #[arg(long, group = "which")]
    all: bool,
    /// All wallets of which this node holds shares; one that the peers file lacks by its identity.
    #[arg(long, value_name = "NODE", group = "which")]
    held_by: Option<String>,
}

impl Which {
    fn means(&self, wallet: &WalletView) -> bool {
        self.held_by.as_ref().is_none_or(|node| wallet.parties.contains(node))
    }
}

/// How many of several.
#[derive(Debug, clap::Args)]
pub(crate) struct Pace {
    /// Of several wallets how many at a time.
    #[arg(long, value_name = "NUMBER", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
}

#[derive(Serialize)]
struct Results {
    /// The same command with this id asks for no wallet twice.
    session_id: RequestId,
    completed: Vec<ReshareResponse>,
    /// Those that were as they are to be.
    unchanged: Vec<WalletId>,
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct Failed {
    wallet_id: WalletId,
    error: String,
}

/// Asks for each wallet that is meant. `ask` answers nothing where nothing is to be changed.
pub(super) async fn each<F>(
    (target, json): (&Target, bool),
    which: &Which,
    pace: &Pace,
    batch: RequestId,
    ask: impl Fn(Client, WalletView, RequestId) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = Result<Option<ReshareResponse>, ClientError>>,
{
    let clients = target.clients()?;
    let first = clients.first().ok_or_else(|| Failure::Usage("say --api".into()))?;
    let mut wallets = first.wallets().await?;
    wallets.retain(|wallet| which.means(wallet));
    let count = wallets.len();
    // Known for each before it is asked for, and the same when the command is repeated.
    let asked: Vec<_> = wallets
        .into_iter()
        .map(|wallet| {
            let id = format!("{batch}.{}", wallet.wallet_id).parse::<RequestId>();
            id.map(|id| (wallet, id))
                .map_err(|_| Failure::Usage("--session-id is too long for several wallets".into()))
        })
        .collect::<Result<_, _>>()?;
    // Also beside JSON: what is killed says nothing at its end.
    let again = format!("with --session-id {batch} the same command goes on where this one stops");
    tell(&format!("{count} wallets; {again}"));
    let done = Arc::new(AtomicUsize::new(0));
    let shown = Arc::clone(&done);
    let progress = Progress::show(json, move || {
        format!("{} of {count} wallets have fresh shares", shown.load(Ordering::Relaxed))
    });
    let mut results =
        Results { session_id: batch, completed: Vec::new(), unchanged: Vec::new(), failed: Vec::new() };
    // Nodes in turn: each takes a few at a time.
    let asking = asked.into_iter().zip(clients.iter().cycle()).map(|((wallet, id), client)| {
        let name = wallet.wallet_id.clone();
        let asked = ask(client.clone(), wallet, id);
        async move { (name, asked.await) }
    });
    let mut answers = stream::iter(asking).buffer_unordered(usize::from(pace.parallel));
    while let Some((wallet_id, answer)) = answers.next().await {
        done.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(Some(made)) => results.completed.push(made),
            Ok(None) => results.unchanged.push(wallet_id),
            Err(error) => results.failed.push(Failed { wallet_id, error: error.to_string() }),
        }
    }
    drop(progress);
    results.completed.sort_by(|one, other| one.wallet_id.cmp(&other.wallet_id));
    results.failed.sort_by(|one, other| one.wallet_id.cmp(&other.wallet_id));
    output::print(json, &results, || people(&results))?;
    match results.failed.len() {
        0 => Ok(()),
        failed => {
            let again = format!("repeat the command with --session-id {}", results.session_id);
            Err(anyhow::anyhow!("{failed} of {count} wallets failed").context(Tip(again)))
        }
    }
}

fn people(results: &Results) -> String {
    let made = |made: &ReshareResponse| {
        let epoch = format!("epoch {}", made.epoch);
        let holders = format!("{} of {}", made.threshold, made.parties.len());
        vec![made.wallet_id.to_string(), epoch, holders, made.parties.join(", ")]
    };
    let unchanged =
        |wallet: &WalletId| vec![wallet.to_string(), "as it was".into(), String::new(), String::new()];
    let failed = |failed: &Failed| {
        vec![failed.wallet_id.to_string(), "FAILED".into(), String::new(), failed.error.clone()]
    };
    let rows = results.completed.iter().map(made);
    let rows = rows.chain(results.unchanged.iter().map(unchanged)).chain(results.failed.iter().map(failed));
    output::table(&["WALLET", "", "SIGN", "HOLDERS"], &rows.collect::<Vec<_>>())
}

fn tell(text: &str) {
    use std::io::Write as _;
    // Nobody is left to tell when standard error is closed.
    writeln!(crate::progress::StandardError, "{text}").ok();
}
