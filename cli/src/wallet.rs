//! `wallet create`, `list`, `show`.

use clap::Subcommand;
use quorate_request::{KeygenRequest, RequestId, WalletId, WalletView};

use crate::cluster::Target;
use crate::failure::Failure;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a wallet: a distributed key generation among the nodes.
    Create(Create),
    /// All wallets.
    List(List),
    /// One wallet.
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// How many nodes must sign together: the minimum number of signers.
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=100))]
    threshold: u16,
    /// How many nodes hold a share.
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=100))]
    total: u16,
    /// Curve: ed25519 or secp256k1.
    #[arg(long, default_value = "ed25519")]
    curve: String,
    /// Signing protocol; the curve's default if left out.
    #[arg(long)]
    protocol: Option<String>,
    /// Name of the wallet; made if left out.
    #[arg(long, value_name = "NAME")]
    id: Option<WalletId>,
    /// The nodes that hold a share; chosen if left out.
    #[arg(long, value_delimiter = ',', value_name = "NODE,…")]
    parties: Option<Vec<String>>,
    /// Request id: repeating a request under its id gives its first result.
    #[arg(long, value_name = "ID")]
    session_id: Option<RequestId>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Name of the wallet.
    wallet: WalletId,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create(arguments) => create(arguments).await,
        Command::List(arguments) => list(arguments).await,
        Command::Show(arguments) => show(arguments).await,
    }
}

async fn create(arguments: Create) -> anyhow::Result<()> {
    if arguments.threshold > arguments.total {
        let text = format!("--threshold {} is more than --total {}", arguments.threshold, arguments.total);
        return Err(Failure::Usage(text).into());
    }
    let request = KeygenRequest {
        session_id: arguments.session_id,
        threshold: arguments.threshold,
        total: arguments.total,
        curve: arguments.curve,
        protocol: arguments.protocol,
        wallet_id: arguments.id,
        parties: arguments.parties,
    };
    let made = arguments.target.ask(async |client| client.keygen(request).await).await?;
    output::print(arguments.json, &made, || {
        format!(
            "wallet      {}\npublic key  {}\nthreshold   {} of {}\nholders     {}",
            made.wallet_id,
            made.public_key,
            made.threshold,
            made.parties.len(),
            made.parties.join(", ")
        )
    })
}

async fn list(arguments: List) -> anyhow::Result<()> {
    let wallets = arguments.target.ask(async |client| client.wallets().await).await?;
    output::print(arguments.json, &wallets, || {
        if wallets.is_empty() {
            return "no wallets yet; make one with `quorate wallet create --threshold 2 --total 3`".into();
        }
        let row = |wallet: &WalletView| {
            vec![
                wallet.wallet_id.to_string(),
                wallet.scheme.clone(),
                format!("{} of {}", wallet.threshold, wallet.total),
                wallet.epoch.to_string(),
                wallet.public_key.to_string(),
            ]
        };
        let rows: Vec<_> = wallets.iter().map(row).collect();
        output::table(&["WALLET", "SCHEME", "THRESHOLD", "EPOCH", "PUBLIC KEY"], &rows)
    })
}

async fn show(arguments: Show) -> anyhow::Result<()> {
    let wallet = arguments.target.ask(async |client| client.wallet(&arguments.wallet).await).await?;
    output::print(arguments.json, &wallet, || {
        format!(
            "wallet      {}\nscheme      {} on {}, protocol {}\npublic key  {}\ngroup key   {}\nchain code  {}\n\
             threshold   {} of {}\nholders     {}\nepoch       {}",
            wallet.wallet_id,
            wallet.scheme,
            wallet.curve,
            wallet.protocol,
            wallet.public_key,
            wallet.group_key,
            wallet.chain_code,
            wallet.threshold,
            wallet.total,
            wallet.parties.join(", "),
            wallet.epoch
        )
    })
}
