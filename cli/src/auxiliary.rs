//! `auxiliary rotate`.

use clap::Subcommand;
use quorate_client::{Begun, Client};
use quorate_request::{AuxiliaryRequest, AuxiliaryResponse, Hex, RequestId, WalletId};
use rand_core::OsRng;

use crate::cluster::Target;
use crate::{output, session};

const EXAMPLES: &str = "\
Auxiliary information is what nodes need to presign for ECDSA wallets: Paillier keys and
ring-Pedersen parameters, of nodes, not of wallets. Nodes make it when they need it first. When
it is made anew, presignatures that were made with the old one are dropped. Key shares stay as
they are: this is no refresh of them.

With --wallet, the pairs of a wallet that signs by dkls23 are made anew instead: the seeds from
which each two of its holders multiply secrets. All holders must be up. A node that was caught
cheating in that wallet is signed with again: find out first what happened to it.

Examples:
  quorate auxiliary rotate
  quorate auxiliary rotate --parties node1,node2,node3
  quorate auxiliary rotate --wallet treasury";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make auxiliary information anew, which takes tens of seconds, or the pairs of a wallet.
    Rotate(Rotate),
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rotate {
    /// The nodes that make theirs, together; all nodes of the cluster if left out.
    #[arg(long, value_delimiter = ',', value_name = "NODE,…")]
    parties: Option<Vec<String>>,
    /// The wallet whose pairs are made anew, by all its holders.
    #[arg(long, value_name = "NAME", conflicts_with = "parties")]
    wallet: Option<WalletId>,
    /// The same wallet by its public key, 0x and hexadecimal digits.
    #[arg(long, value_name = "HEX", conflicts_with_all = ["parties", "wallet"])]
    public_key: Option<Hex>,
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

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::Rotate(arguments) = command;
    // Known beforehand, so that a request whose answer is lost can be repeated.
    let id = arguments.session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let (parties, wallet_id) = (arguments.parties, arguments.wallet);
    let doing = if wallet_id.is_some() || arguments.public_key.is_some() {
        "nodes make pairs"
    } else {
        "nodes make auxiliary information"
    };
    let request = AuxiliaryRequest {
        session_id: Some(id.clone()),
        parties,
        wallet_id,
        public_key: arguments.public_key,
    };
    let rotate = async |client: &Client| match arguments.no_wait {
        true => client.begin_rotate_auxiliary(request).await,
        false => client.rotate_auxiliary(request).await.map(Begun::Completed),
    };
    match arguments.target.work(arguments.json, doing, &id, None, rotate).await? {
        Begun::Running(id) => session::taken(arguments.json, id, "it, and makes it once"),
        Begun::Completed(made) => output::print(arguments.json, &made, || people(&made)),
    }
}

/// Auxiliary information or pairs that were made.
pub(crate) fn people(made: &AuxiliaryResponse) -> String {
    let wallet = made.wallet_id.as_ref().map_or_else(String::new, |wallet| format!("wallet      {wallet}\n"));
    format!(
        "{wallet}nodes       {}\nepoch       {}\ndigest      {}",
        made.parties.join(", "),
        made.epoch,
        made.digest
    )
}
