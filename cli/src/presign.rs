//! `presign`.

use clap::ArgGroup;
use quorate_client::{Begun, Client};
use quorate_request::{ErrorCode, Hex, PresignRequest, PresignResponse, RequestId, WalletId};
use rand_core::OsRng;

use crate::cluster::{self, Target};
use crate::{arguments, output, session};

const EXAMPLES: &str = "\
A presignature is most of a signature's work, done before it is known what will be signed. Each
is for one signature, by the nodes that made it, and is used by the node that was asked for it.
Where the nodes have no auxiliary information yet, they make that first, which takes tens of
seconds.

Examples:
  quorate presign --wallet till --count 100
  quorate presign --wallet till --count 20 --signers node1,node3";

/// What to do about a wallet that has no use for presignatures.
const NEEDS_NONE: &str = "presignatures are for wallets of protocol cggmp21 (ECDSA): `quorate wallet show` tells a wallet's; others sign \
                          without";

#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    group(ArgGroup::new("whose").required(true).args(["wallet", "public_key"]))
)]
pub(crate) struct Arguments {
    /// Name of the wallet.
    #[arg(long, value_name = "NAME")]
    wallet: Option<WalletId>,
    /// Public key of the wallet, 0x and hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    public_key: Option<Hex>,
    /// How many to make, 1 to 1024.
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = arguments::number::<u16>(1..=PresignRequest::MAX_COUNT)
    )]
    count: u16,
    /// The nodes that will sign with them; chosen if left out.
    #[arg(long, value_delimiter = ',', value_name = "NODE,…")]
    signers: Option<Vec<String>>,
    /// Request id: repeating a request under its id gives its first result.
    #[arg(long, value_name = "ID")]
    session_id: Option<RequestId>,
    /// Don't wait for them: print the request id, under which `quorate session` tells what becomes of them.
    #[arg(long)]
    no_wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    // Known beforehand, so that a request whose answer is lost can be repeated.
    let id = arguments.session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let wallet = arguments.wallet.clone();
    let request = PresignRequest {
        session_id: Some(id.clone()),
        public_key: arguments.public_key,
        wallet_id: arguments.wallet,
        count: arguments.count,
        signers: arguments.signers,
    };
    let presign = async |client: &Client| match arguments.no_wait {
        true => client.begin_presign(request).await,
        false => client.presign(request).await.map(Begun::Completed),
    };
    let asked = arguments.target.work(arguments.json, "presigning", &id, wallet.as_ref(), presign).await;
    let begun = asked.map_err(|error| cluster::advised(error, ErrorCode::UnsupportedProtocol, NEEDS_NONE))?;
    match begun {
        Begun::Running(id) => session::taken(arguments.json, id, "it, and makes none twice"),
        Begun::Completed(made) => output::print(arguments.json, &made, || people(&made)),
    }
}

/// Presignatures that were made.
pub(crate) fn people(made: &PresignResponse) -> String {
    format!(
        "wallet      {}\nmade        {}\nsigners     {}\navailable   {} at the node that answered",
        made.wallet_id,
        made.made,
        made.signers.join(", "),
        made.available
    )
}
