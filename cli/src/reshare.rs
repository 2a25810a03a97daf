//! `refresh`, `reshare` and `rollback`: a wallet's shares are dealt anew.

use std::collections::BTreeSet;

use quorate_client::{Begun, Client, ClientError};
use quorate_request::{
    RefreshRequest, RequestId, ReshareRequest, ReshareResponse, RollbackRequest, WalletId, WalletView,
};
use rand_core::OsRng;

use crate::cluster::Target;
use crate::failure::Failure;
use crate::{arguments, output, session};

const REFRESH_EXAMPLES: &str = "\
The shares before are erased, and of no use with the new ones: who has stolen fewer of them
than must sign has nothing. The key, its addresses and its threshold stay as they are. All
holders must be up; one that has lost its share gets a new one.

Examples:
  quorate refresh --wallet treasury";

#[derive(Debug, clap::Args)]
#[command(after_help = REFRESH_EXAMPLES)]
pub(crate) struct Refresh {
    /// The wallet.
    #[arg(long, value_name = "NAME")]
    wallet: WalletId,
    /// Request id: repeating a request under its id gives its first result.
    #[arg(long, value_name = "ID")]
    session_id: Option<RequestId>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

const ROLLBACK_EXAMPLES: &str = "\
It is a resharing to those who held the shares before the last one, with as many signers: they
get fresh shares, for the old ones were erased. Those who hold shares now must be up, as far as
more than half of them. Approved as `quorate reshare` is.

Examples:
  quorate rollback --wallet treasury";

#[derive(Debug, clap::Args)]
#[command(after_help = ROLLBACK_EXAMPLES)]
pub(crate) struct Rollback {
    /// The wallet.
    #[arg(long, value_name = "NAME")]
    wallet: WalletId,
    /// Request id: repeating a request under its id gives its first result.
    #[arg(long, value_name = "ID")]
    session_id: Option<RequestId>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

const RESHARE_EXAMPLES: &str = "\
The key and its addresses stay; the shares before are erased by all who held them. Nodes that
hold shares afterwards must be up; who leaves need not be there. By default more than half of
the authorizers of the policy must approve it: repeat the command with --session-id then.

Examples:
  quorate reshare --wallet treasury --add node6 --remove node2
  quorate reshare --wallet treasury --threshold 3
  quorate reshare --wallet treasury --parties node1,node3,node4,node5,node6 --threshold 3";

#[derive(Debug, clap::Args)]
#[command(after_help = RESHARE_EXAMPLES)]
pub(crate) struct Reshare {
    /// The wallet.
    #[arg(long, value_name = "NAME")]
    wallet: WalletId,
    /// Nodes that come to hold shares. One that does already stays.
    #[arg(long, value_delimiter = ',', value_name = "NODE,…")]
    add: Vec<String>,
    /// Nodes that hold none any more.
    #[arg(long, value_delimiter = ',', value_name = "NODE,…")]
    remove: Vec<String>,
    /// All nodes that hold shares afterwards.
    #[arg(long, value_delimiter = ',', value_name = "NODE,…", conflicts_with_all = ["add", "remove"])]
    parties: Option<Vec<String>>,
    /// How many nodes hold shares afterwards; which ones, follows from the wallet.
    #[arg(long, value_name = "NUMBER", value_parser = arguments::nodes(), conflicts_with_all = ["add", "remove", "parties"])]
    total: Option<u16>,
    /// How many nodes must sign together afterwards: the minimum number of signers.
    #[arg(long, value_name = "NUMBER", value_parser = arguments::nodes())]
    threshold: Option<u16>,
    /// Request id: repeating a request under its id gives its first result.
    #[arg(long, value_name = "ID")]
    session_id: Option<RequestId>,
    /// Don't wait for it: print the request id, under which `quorate session` tells what becomes of it.
    #[arg(long)]
    no_wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn refresh(arguments: Refresh) -> anyhow::Result<()> {
    // Known beforehand, so that a request whose answer is lost can be repeated.
    let id = arguments.session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let request =
        RefreshRequest { session_id: Some(id.clone()), ..RefreshRequest::of(arguments.wallet.clone()) };
    let ask = async |client: &Client| client.refresh(request).await;
    let doing = "nodes deal the shares anew";
    let made = arguments.target.work(arguments.json, doing, &id, Some(&arguments.wallet), ask).await?;
    output::print(arguments.json, &made, || people(&made))
}

pub(crate) async fn rollback(arguments: Rollback) -> anyhow::Result<()> {
    let id = arguments.session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let request =
        RollbackRequest { session_id: Some(id.clone()), ..RollbackRequest::of(arguments.wallet.clone()) };
    let ask = async |client: &Client| client.rollback(request).await;
    let doing = "nodes deal the shares anew";
    let made = arguments.target.work(arguments.json, doing, &id, Some(&arguments.wallet), ask).await?;
    output::print(arguments.json, &made, || people(&made))
}

pub(crate) async fn reshare(arguments: Reshare) -> anyhow::Result<()> {
    let Reshare { wallet, add, remove, parties, total, threshold, .. } = arguments;
    if add.is_empty() && remove.is_empty() && parties.is_none() && total.is_none() && threshold.is_none() {
        let text = "say what changes: --add, --remove, --parties, --total or --threshold; fresh shares alone: `quorate refresh`";
        return Err(Failure::Usage(text.into()).into());
    }
    let id = arguments.session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let mut request = ReshareRequest {
        session_id: Some(id.clone()),
        new_threshold: threshold,
        new_total: total,
        new_parties: parties,
        ..ReshareRequest::of(wallet.clone())
    };
    let ask = async |client: &Client| {
        if !add.is_empty() || !remove.is_empty() {
            let parties = changed(&client.wallet(&wallet).await?, &add, &remove)?;
            request.new_parties = Some(parties.into_iter().collect());
        }
        match arguments.no_wait {
            true => client.begin_reshare(request).await,
            false => client.reshare(request).await.map(Begun::Completed),
        }
    };
    let doing = "nodes deal the shares anew";
    match arguments.target.work(arguments.json, doing, &id, Some(&wallet), ask).await? {
        Begun::Running(id) => session::taken(arguments.json, id, "it, and reshares once"),
        Begun::Completed(made) => output::print(arguments.json, &made, || people(&made)),
    }
}

/// The holders of a wallet after some have come and others have gone, in an order that is always the same: so a command that is repeated asks for
/// the same.
fn changed(wallet: &WalletView, add: &[String], remove: &[String]) -> Result<BTreeSet<String>, ClientError> {
    if let Some(both) = add.iter().find(|name| remove.contains(name)) {
        return Err(ClientError::InvalidRequest(format!("{both} is to be added and removed")));
    }
    let all = wallet.parties.iter().chain(add);
    Ok(all.filter(|name| !remove.contains(name)).cloned().collect())
}

/// A wallet at its next epoch.
pub(crate) fn people(made: &ReshareResponse) -> String {
    format!(
        "wallet      {}\npublic key  {}\nepoch       {}\nthreshold   {} of {}\nholders     {}",
        made.wallet_id,
        made.public_key,
        made.epoch,
        made.threshold,
        made.parties.len(),
        made.parties.join(", ")
    )
}
