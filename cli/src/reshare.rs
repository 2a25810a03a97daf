//! `refresh`, `reshare` and `rollback`: a wallet's shares are dealt anew.

mod bulk;

use std::collections::BTreeSet;

use quorate_client::{Begun, Client, ClientError};
use quorate_request::{
    RefreshRequest, RequestId, ReshareRequest, ReshareResponse, RollbackRequest, WalletId, WalletView,
};
use rand_core::OsRng;

use crate::cluster::Target;
use crate::failure::Failure;
use crate::{arguments, output, session};

const DOING: &str = "nodes deal the shares anew";

const REFRESH_EXAMPLES: &str = "\
The shares before are erased, and of no use with the new ones: who has stolen fewer of them
than must sign has nothing. The key, its addresses and its threshold stay as they are. All
holders must be up; one that has lost its share gets a new one.

Examples:
  quorate refresh --wallet treasury
  quorate refresh --all
  quorate refresh --held-by node2";

#[derive(Debug, clap::Args)]
#[command(after_help = REFRESH_EXAMPLES)]
pub(crate) struct Refresh {
    #[command(flatten)]
    which: bulk::Which,
    #[command(flatten)]
    pace: bulk::Pace,
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

Where nodes keep shares for one more epoch (`keep_epochs: 1`), those who held the shares before
deal what they kept: --kept-shares. Those who hold shares now have no say, and need not be up:
for when they can't sign.

Examples:
  quorate rollback --wallet treasury
  quorate rollback --wallet treasury --kept-shares";

#[derive(Debug, clap::Args)]
#[command(after_help = ROLLBACK_EXAMPLES)]
pub(crate) struct Rollback {
    /// The wallet.
    #[arg(long, value_name = "NAME")]
    wallet: WalletId,
    /// By the shares that the former holders have kept, without the present ones.
    #[arg(long)]
    kept_shares: bool,
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
  quorate reshare --wallet treasury --parties node1,node3,node4,node5,node6 --threshold 3
  quorate reshare --held-by node2 --add node6 --remove node2";

#[derive(Debug, clap::Args)]
#[command(after_help = RESHARE_EXAMPLES)]
pub(crate) struct Reshare {
    #[command(flatten)]
    which: bulk::Which,
    #[command(flatten)]
    pace: bulk::Pace,
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
    let Refresh { which, pace, json, target, session_id } = arguments;
    // Known beforehand, so that a request whose answer is lost can be repeated.
    let id = session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let request = |wallet: WalletId, id: RequestId| RefreshRequest {
        session_id: Some(id),
        ..RefreshRequest::of(wallet)
    };
    let Some(wallet) = &which.wallet else {
        let ask = |client: Client, wallet: WalletView, id: RequestId| async move {
            client.refresh(request(wallet.wallet_id, id)).await.map(Some)
        };
        return bulk::each((&target, json), &which, &pace, id, ask).await;
    };
    let ask = async |client: &Client| client.refresh(request(wallet.clone(), id.clone())).await;
    let made = target.work(json, DOING, &id, Some(wallet), ask).await?;
    output::print(json, &made, || people(&made))
}

pub(crate) async fn rollback(arguments: Rollback) -> anyhow::Result<()> {
    let id = arguments.session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let request = RollbackRequest {
        session_id: Some(id.clone()),
        kept_shares: arguments.kept_shares,
        ..RollbackRequest::of(arguments.wallet.clone())
    };
    let ask = async |client: &Client| client.rollback(request).await;
    let made = arguments.target.work(arguments.json, DOING, &id, Some(&arguments.wallet), ask).await?;
    output::print(arguments.json, &made, || people(&made))
}

pub(crate) async fn reshare(arguments: Reshare) -> anyhow::Result<()> {
    let Reshare { which, pace, add, remove, parties, total, threshold, session_id, no_wait, json, target } =
        arguments;
    if add.is_empty() && remove.is_empty() && parties.is_none() && total.is_none() && threshold.is_none() {
        let text = "say what changes: --add, --remove, --parties, --total or --threshold; fresh shares alone: `quorate refresh`";
        return Err(Failure::Usage(text.into()).into());
    }
    let is_repeated = session_id.is_some();
    let id = session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let request = |wallet: WalletId, id: RequestId| ReshareRequest {
        session_id: Some(id),
        new_threshold: threshold,
        new_total: total,
        new_parties: parties.clone(),
        ..ReshareRequest::of(wallet)
    };
    let comes_or_goes = !add.is_empty() || !remove.is_empty();
    let Some(wallet) = &which.wallet else {
        if no_wait {
            return Err(Failure::Usage("--no-wait is for one wallet".into()).into());
        }
        let (request, add, remove) = (&request, &add, &remove);
        let ask = |client: Client, wallet: WalletView, id: RequestId| async move {
            let mut request = request(wallet.wallet_id.clone(), id);
            if comes_or_goes {
                request.new_parties = Some(changed(&wallet, add, remove)?.into_iter().collect());
            }
            match is_as_asked(&wallet, &request) {
                true => Ok(None),
                false => client.reshare(request).await.map(Some),
            }
        };
        return bulk::each((&target, json), &which, &pace, id, ask).await;
    };
    let mut request = request(wallet.clone(), id.clone());
    let ask = async |client: &Client| {
        if comes_or_goes {
            let view = client.wallet(wallet).await?;
            // When a command is repeated it may have gone already.
            if !is_repeated && let Some(stranger) = remove.iter().find(|name| !view.parties.contains(name)) {
                let holders = view.parties.join(", ");
                let text = format!("{stranger} holds no share of {wallet}, which are with {holders}");
                return Err(ClientError::InvalidRequest(text));
            }
            let parties = changed(&view, &add, &remove)?;
            request.new_parties = Some(parties.into_iter().collect());
        }
        match no_wait {
            true => client.begin_reshare(request).await,
            false => client.reshare(request).await.map(Begun::Completed),
        }
    };
    match target.work(json, DOING, &id, Some(wallet), ask).await? {
        Begun::Running(id) => session::taken(json, id, "it, and reshares once"),
        Begun::Completed(made) => output::print(json, &made, || people(&made)),
    }
}

/// Whether a wallet is shared already as is asked for: one of several that is not asked for again.
fn is_as_asked(wallet: &WalletView, request: &ReshareRequest) -> bool {
    let holders: BTreeSet<_> = wallet.parties.iter().collect();
    request.new_parties.as_ref().is_none_or(|asked| asked.iter().collect::<BTreeSet<_>>() == holders)
        && request.new_threshold.is_none_or(|threshold| threshold == wallet.threshold)
        && request.new_total.is_none_or(|total| usize::from(total) == holders.len())
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
