//! `wallet create`, `list`, `show`, `address`.

use clap::Subcommand;
use quorate_client::{Begun, Client};
use quorate_keys::DerivationPath;
use quorate_request::{
    AddressView, ErrorCode, Hex, KeygenRequest, KeygenResponse, RequestId, WalletId, WalletView,
};
use rand_core::OsRng;
use serde::Serialize;

use crate::cluster::{self, Target};
use crate::failure::Failure;
use crate::{address, arguments, output, session, transaction};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a wallet: a distributed key generation among the nodes.
    Create(Create),
    /// All wallets.
    List(List),
    /// One wallet.
    Show(Show),
    /// The addresses of a wallet, computed here from its key.
    Address(Address),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  quorate wallet create --threshold 2 --total 3 --id treasury
  quorate wallet create --threshold 2 --total 3 --curve secp256k1    # ECDSA, for Ethereum
  quorate wallet create --threshold 2 --total 3 --curve secp256k1 --protocol frost    # Taproot";

/// What the cluster says names fields of its API.
const CURVES: &str = "--curve ed25519 makes a wallet for Solana, --curve secp256k1 one for Ethereum, and with --protocol frost one for \
                      Taproot; --curve p256 one of ECDSA on P-256";

#[derive(Debug, clap::Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct Create {
    /// How many nodes must sign together: the minimum number of signers.
    #[arg(long, value_name = "NUMBER", value_parser = arguments::nodes())]
    threshold: u16,
    /// How many nodes hold a share.
    #[arg(long, value_name = "NUMBER", value_parser = arguments::nodes())]
    total: u16,
    /// The curve of its key.
    #[arg(long, default_value = "ed25519", value_parser = arguments::curves())]
    curve: String,
    /// Signing protocol, cggmp21, dkls23 or frost; the curve's default if left out: cggmp21 (ECDSA) on secp256k1 and p256.
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
    /// Don't wait for the wallet: print the request id, under which `quorate session` tells what becomes of it.
    #[arg(long)]
    no_wait: bool,
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

const ADDRESS_EXAMPLES: &str = "\
Examples:
  quorate wallet address treasury
  quorate wallet address treasury --chain solana    # the address alone, for use in other commands";

#[derive(Debug, clap::Args)]
#[command(after_help = ADDRESS_EXAMPLES)]
pub(crate) struct Address {
    /// Name of the wallet.
    wallet: WalletId,
    /// The address on this chain alone, such as solana, bitcoin or a CAIP-2 id (`quorate chains list`).
    #[arg(long, value_name = "CHAIN", conflicts_with = "all")]
    chain: Option<String>,
    /// Those on test networks too.
    #[arg(long)]
    all: bool,
    /// Those of the key derived along this path, such as m/0/1.
    #[arg(long, value_name = "PATH")]
    path: Option<DerivationPath>,
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
        Command::Address(arguments) => show_addresses(arguments).await,
    }
}

async fn create(arguments: Create) -> anyhow::Result<()> {
    if arguments.threshold > arguments.total {
        let text = format!("--threshold {} is more than --total {}", arguments.threshold, arguments.total);
        return Err(Failure::Usage(text).into());
    }
    // Known beforehand, so that a request whose answer is lost can be repeated.
    let id = arguments.session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let request = KeygenRequest {
        session_id: Some(id.clone()),
        threshold: arguments.threshold,
        total: arguments.total,
        curve: arguments.curve,
        protocol: arguments.protocol,
        wallet_id: arguments.id,
        parties: arguments.parties,
    };
    let doing = format!("{} nodes make a wallet", arguments.total);
    let keygen = async |client: &Client| match arguments.no_wait {
        true => client.begin_keygen(request).await,
        false => client.keygen(request).await.map(Begun::Completed),
    };
    let asked = arguments.target.work(arguments.json, doing, &id, None, keygen).await;
    let begun = asked.map_err(|error| cluster::advised(error, ErrorCode::UnsupportedProtocol, CURVES))?;
    match begun {
        Begun::Running(id) => session::taken(arguments.json, id, "it, and makes none twice"),
        Begun::Completed(made) => output::print(arguments.json, &made, || people(&made)),
    }
}

/// A wallet that was made.
pub(crate) fn people(made: &KeygenResponse) -> String {
    format!(
        "wallet      {}\npublic key  {}\nthreshold   {} of {}\nholders     {}",
        made.wallet_id,
        made.public_key,
        made.threshold,
        made.parties.len(),
        made.parties.join(", ")
    )
}

async fn list(arguments: List) -> anyhow::Result<()> {
    let read = async |client: &Client| client.wallets().await;
    let wallets = arguments.target.ask(arguments.json, "reading the wallets", read).await?;
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

async fn read(target: &Target, quiet: bool, wallet: &WalletId) -> anyhow::Result<WalletView> {
    let read = async |client: &Client| client.wallet(wallet).await;
    target.ask_of(quiet, "reading the wallet", Some(wallet), read).await
}

async fn show(arguments: Show) -> anyhow::Result<()> {
    let mut wallet = read(&arguments.target, arguments.json, &arguments.wallet).await?;
    wallet.addresses = address::all(&address::key(&wallet, &DerivationPath::default())?, false);
    output::print(arguments.json, &wallet, || {
        let mut text = format!(
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
        );
        if let Some(ready) = wallet.presignatures {
            text.push_str(&format!("\npresigned   {ready} at the node that answered"));
        }
        for (number, on) in wallet.addresses.iter().enumerate() {
            let title = if number == 0 { "addresses" } else { "" };
            text.push_str(&format!("\n{title:<12}{} ({})", on.address, on.name));
        }
        text
    })
}

/// Addresses of one of a wallet's keys.
#[derive(Serialize)]
struct Addresses {
    wallet_id: WalletId,
    path: String,
    public_key: Hex,
    addresses: Vec<AddressView>,
}

async fn show_addresses(arguments: Address) -> anyhow::Result<()> {
    let chain = arguments.chain.as_deref().map(transaction::chain).transpose()?;
    let wallet = read(&arguments.target, arguments.json, &arguments.wallet).await?;
    let path = arguments.path.unwrap_or_default();
    let key = address::key(&wallet, &path)?;
    let addresses = match chain {
        Some(chain) => vec![address::on(&chain, &key)?],
        None => address::all(&key, arguments.all),
    };
    let public_key = Hex::from(key.as_bytes().to_vec());
    let report = Addresses { wallet_id: wallet.wallet_id, path: path.to_string(), public_key, addresses };
    output::print(arguments.json, &report, || match (report.addresses.as_slice(), &arguments.chain) {
        // Nothing else, for use in other commands.
        ([only], Some(_)) => only.address.clone(),
        (several, _) => {
            let row = |on: &AddressView| vec![on.name.clone(), on.chain.clone(), on.address.clone()];
            let rows: Vec<_> = several.iter().map(row).collect();
            output::table(&["CHAIN", "ID (CAIP-2)", "ADDRESS"], &rows)
        }
    })
}
