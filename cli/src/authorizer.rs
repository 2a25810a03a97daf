//! `authorizer`: keys that approve, what waits for them, and their words. A list is what a node says; what is shown of a request
//! before it is approved is what this machine has read in it, as its client has signed it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{ArgGroup, Subcommand};
use quorate_client::verification::PinnedWallet;
use quorate_client::{Client, ClientError};
use quorate_identity::key_file::IdentityKind;
use quorate_keys::Principal;
use quorate_request::{
    ApprovalRequest, Decision, HexArray, Operation, RequestId, SignRequest, SignedRequest, Verified,
    WaitingView, WalletRef, WalletView,
};

use crate::cluster::Trust;
use crate::failure::{Failure, Tip};
use crate::identity::{self, GenerateKey, Show};
use crate::passphrase::Source;
use crate::progress::Progress;
use crate::signer::{Held, Signing, signing_client};
use crate::transaction::Transaction;
use crate::{arguments, output};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key that approves requests.
    Generate(GenerateKey),
    /// Show the public key in a file.
    Show(Show),
    /// The requests that wait for approvals.
    #[command(
        after_help = "This is what the node says. approve and reject show what clients have signed.",
        override_usage = "quorate authorizer list --api URL --peers FILE --authorizer FILE [OPTIONS]"
    )]
    List(List),
    /// Approve a request, after a look at it.
    #[command(
        override_usage = "quorate authorizer approve REQUEST --api URL --peers FILE --authorizer FILE [OPTIONS]"
    )]
    Approve(Word),
    /// Reject a request, or take an approval back.
    #[command(
        override_usage = "quorate authorizer reject REQUEST --api URL --peers FILE --authorizer FILE [OPTIONS]"
    )]
    Reject(Word),
}

const EXAMPLES: &str = "\
Examples, with QUORATE_API, QUORATE_PEERS and QUORATE_AUTHORIZER set:
  quorate authorizer list
  quorate authorizer approve order-17 --valid-for 2h
  quorate authorizer reject order-17

A word is for one request, however often its client repeats it, and for no other. The request is
read and shown by this machine, from what its client has signed, before anything is said of it.";

/// As whom, and to which cluster.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cluster")]
#[command(group = ArgGroup::new("authorizing").required(true).args(["authorizer", "authorizer_command"]))]
pub(crate) struct Target {
    /// Address of a node; may be repeated for nodes of one cluster.
    #[arg(
        long,
        value_name = "URL",
        env = "QUORATE_API",
        required = true,
        value_delimiter = ',',
        value_parser = arguments::endpoint
    )]
    api: Vec<http::Uri>,
    #[command(flatten)]
    trust: Trust,
    /// Authorizer key to sign with.
    #[arg(long, value_name = "FILE", env = "QUORATE_AUTHORIZER")]
    authorizer: Option<PathBuf>,
    /// Command that signs, for a key in a KMS or on a security key: run by the shell, it reads what is to be signed and writes
    /// the signature. Its key is that of --authorizer-key.
    #[arg(long, value_name = "COMMAND", env = "QUORATE_AUTHORIZER_COMMAND", requires = "authorizer_key")]
    authorizer_command: Option<String>,
    /// The public key of the key that --authorizer-command signs with.
    #[arg(long, value_name = "KEY", env = "QUORATE_AUTHORIZER_KEY", requires = "authorizer_command")]
    authorizer_key: Option<Principal>,
    /// The cluster's peers file, for its id.
    #[arg(long, value_name = "FILE", env = "QUORATE_PEERS")]
    peers: PathBuf,
    #[command(flatten)]
    passphrase: Source,
}

/// How long --authorizer-command may take: for a touch of a security key.
const COMMAND_TIME: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Word {
    /// The request: its id, or its fingerprint.
    #[arg(value_name = "REQUEST")]
    request: String,
    /// For how long this holds, such as 90m, 24h or 7d, which is the longest.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = length)]
    valid_for: Duration,
    /// Say it without asking.
    #[arg(short, long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// A length of time.
fn length(text: &str) -> Result<Duration, String> {
    let wrong =
        || "expected a number of minutes, hours or days, at most 7d: such as 90m, 24h or 2d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let length = number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)?;
    if length.is_zero() || length > ApprovalRequest::LONGEST { Err(wrong()) } else { Ok(length) }
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Generate(arguments) => identity::generate_key(&arguments, IdentityKind::Authorizer),
        Command::Show(arguments) => identity::show(&arguments, IdentityKind::Authorizer),
        Command::List(arguments) => list(&arguments).await,
        Command::Approve(arguments) => say(&arguments, Decision::Approve).await,
        Command::Reject(arguments) => say(&arguments, Decision::Reject).await,
    }
}

impl Target {
    pub(crate) fn signing(&self) -> anyhow::Result<Signing> {
        let held = match (&self.authorizer, self.authorizer_command.as_deref().zip(self.authorizer_key)) {
            (Some(file), _) => Some(Held::File(file, IdentityKind::Authorizer)),
            (None, Some((line, key))) => Some(Held::Elsewhere(key, line, COMMAND_TIME)),
            (None, None) => None,
        };
        signing_client(self.trust.client(&self.api)?, held, &self.peers, &self.passphrase)
    }

    /// The wallet of a request, as all nodes that can be asked describe it.
    async fn wallet(&self, client: &Client, named: WalletRef<'_>) -> anyhow::Result<PinnedWallet> {
        let mut known: Option<WalletView> = None;
        for endpoint in &self.api {
            let client = client.with_endpoints(vec![endpoint.clone()]).context("--api")?;
            let view = match named {
                WalletRef::Id(id) => client.wallet(id).await,
                WalletRef::PublicKey(key) => client.wallet_of_key(key).await,
                _ => {
                    return Err(Failure::Usage(
                        "the request names its wallet in a way that is not known here".into(),
                    )
                    .into());
                }
            };
            match view {
                Ok(view) if known.as_ref().is_some_and(|known| !same(known, &view)) => {
                    let text = format!(
                        "{endpoint} describes wallet {} in another way than the others",
                        view.wallet_id
                    );
                    return Err(Failure::NotVerified(text).into());
                }
                Ok(view) => known = Some(view),
                Err(ClientError::Unreachable { .. }) if self.api.len() > 1 => {}
                Err(error) => return Err(error.into()),
            }
        }
        let view = known.ok_or_else(|| Failure::Usage("no node describes the wallet".into()))?;
        PinnedWallet::of_view(&view).map_err(|error| Failure::NotVerified(error.to_string()).into())
    }
}

/// Whether two nodes mean the same wallet.
fn same(one: &WalletView, other: &WalletView) -> bool {
    (&one.curve, &one.scheme, &one.public_key, &one.group_key, &one.chain_code)
        == (&other.curve, &other.scheme, &other.public_key, &other.group_key, &other.chain_code)
}

async fn list(arguments: &List) -> anyhow::Result<()> {
    let Signing { client, .. } = arguments.target.signing()?;
    let progress = Progress::of(arguments.json, "reading what waits");
    let waiting = client.waiting().await;
    drop(progress);
    let waiting = waiting?;
    output::print(arguments.json, &waiting, || {
        if waiting.is_empty() {
            return "nothing waits for approvals".to_owned();
        }
        let rows: Vec<_> = waiting.iter().map(row).collect();
        output::table(&["request", "asks to", "wallet", "by", "approved", "rejected by", "asked"], &rows)
    })
}

fn row(waiting: &WaitingView) -> Vec<String> {
    let names = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    let approved =
        format!("{} of {}: {}", waiting.approved_by.len(), waiting.threshold, names(&waiting.approved_by));
    vec![
        waiting.session_id.to_string(),
        waiting.operation.clone(),
        waiting.wallet_id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        waiting.initiator.clone(),
        approved,
        names(&waiting.rejected_by),
        output::ago(waiting.asked_ms),
    ]
}

/// The request that is meant.
fn find<'a>(waiting: &'a [WaitingView], named: &str) -> anyhow::Result<&'a WaitingView> {
    let fingerprint: Option<HexArray<32>> = named.parse().ok();
    let id: Option<RequestId> = named.parse().ok();
    let meant = |view: &&WaitingView| {
        Some(&view.fingerprint) == fingerprint.as_ref() || Some(&view.session_id) == id.as_ref()
    };
    let found: Vec<_> = waiting.iter().filter(meant).collect();
    match found.as_slice() {
        [found] => Ok(found),
        [] => {
            let text = format!("no request {named} waits for approvals, as far as the node knows");
            Err(anyhow::Error::from(Failure::Usage(text))
                .context(Tip("`quorate authorizer list` shows those that do".into())))
        }
        several => {
            let fingerprints: Vec<_> = several.iter().map(|view| view.fingerprint.to_string()).collect();
            let text = format!(
                "several requests are called {named}: name one by its fingerprint: {}",
                fingerprints.join(", ")
            );
            Err(Failure::Usage(text).into())
        }
    }
}

/// The request that is meant, as its client has signed it: nothing else that a node says of it is believed.
async fn read(
    client: &Client,
    signing: &Signing,
    named: &str,
    listed: &WaitingView,
) -> anyhow::Result<(WaitingView, Verified)> {
    let lies = |why: String| {
        Failure::NotVerified(format!("what the node shows as request {named} is not that: {why}"))
    };
    let view = client.waiting_request(&listed.fingerprint).await?;
    let view = view.ok_or_else(|| Failure::Usage(format!("request {named} waits no more")))?;
    let encoded = view.request.as_ref().ok_or_else(|| lies("it is not shown".into()))?;
    let request = SignedRequest::decode(encoded.as_bytes()).map_err(|error| lies(error.to_string()))?;
    let fingerprint = HexArray::from(request.fingerprint());
    let is_meant =
        fingerprint.to_string().eq_ignore_ascii_case(named) || request.request_id().as_str() == named;
    if fingerprint != listed.fingerprint || !is_meant {
        return Err(
            lies(format!("it is request {}, of fingerprint {fingerprint}", request.request_id())).into()
        );
    }
    let verified = request.verify(&signing.cluster, |_| true, request.created(), Duration::ZERO);
    Ok((view, verified.map_err(|error| lies(error.to_string()))?))
}

/// What a request asks for, in lines.
async fn explained(
    target: &Target,
    client: &Client,
    view: &WaitingView,
    verified: &Verified,
) -> anyhow::Result<String> {
    let mut lines = vec![
        format!("request      {}", verified.request_id()),
        format!("fingerprint  {}", HexArray::from(verified.request().fingerprint())),
        format!("asked by     {} (the node calls it {})", verified.initiator(), view.initiator),
        format!("asks to      {}", verified.operation()),
    ];
    let of = format!("{} of {}", view.threshold, view.of.join(", "));
    lines.push(match &view.rule {
        Some(rule) => format!("needs        {of}, by rule {rule:?}, as the node says"),
        None => format!("needs        {of}, as the node says"),
    });
    for (title, names) in [("approved by", &view.approved_by), ("rejected by", &view.rejected_by)] {
        if !names.is_empty() {
            lines.push(format!("{title:<13}{}", names.join(", ")));
        }
    }
    lines.push(String::new());
    let is_transaction = *verified.operation() == Operation::Sign
        && verified.body::<SignRequest>().is_ok_and(|body| body.transaction.is_some());
    if is_transaction {
        let body: SignRequest = verified.body().map_err(|error| Failure::NotVerified(error.to_string()))?;
        let named = body.wallet().map_err(|error| Failure::NotVerified(error.to_string()))?;
        let wallet = target.wallet(client, named).await?;
        lines.push(Transaction::new(&wallet, &body)?.explained());
    } else {
        // As it was signed: nothing of it stands for something else.
        lines.push(String::from_utf8_lossy(verified.request().body()).into_owned());
    }
    Ok(lines.join("\n"))
}

async fn say(arguments: &Word, decision: Decision) -> anyhow::Result<()> {
    let Word { request, valid_for, yes, json, target } = arguments;
    let signing = target.signing()?;
    let client = &signing.client;
    let progress = Progress::of(*json, "reading what waits");
    let waiting = client.waiting().await;
    drop(progress);
    let waiting = waiting?;
    let (view, verified) = read(client, &signing, request, find(&waiting, request)?).await?;
    let shown = explained(target, client, &view, &verified).await?;
    let (question, doing) = match decision {
        Decision::Approve => ("Approve this?", "approving"),
        _ => ("Reject this?", "rejecting"),
    };
    let none = "this needs a yes, and there is no terminal to ask on: look at the request, then give --yes";
    output::confirm(&shown, question, none, *yes, *json)?;
    let until =
        SystemTime::now().checked_add(*valid_for).and_then(|until| until.duration_since(UNIX_EPOCH).ok());
    let word = ApprovalRequest {
        session_id: None,
        fingerprint: verified.request().fingerprint().into(),
        decision,
        valid_until: until.unwrap_or_default().as_secs(),
    };
    let progress = Progress::of(*json, doing);
    let taken = client.approve(word).await;
    drop(progress);
    let taken = taken?;
    output::print(*json, &taken, || {
        let word = match taken.decision {
            Decision::Approve => "approved",
            _ => "rejected",
        };
        let hours = valid_for.as_secs().div_ceil(3600);
        format!("{} has {word} {} for {hours} h", taken.authorizer, verified.request_id())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_length_of_time_has_a_unit_and_a_bound() {
        for (text, seconds) in [("1m", 60), ("24h", 86_400), ("7d", 604_800), ("168h", 604_800)] {
            assert_eq!(length(text), Ok(Duration::from_secs(seconds)));
        }
        for wrong in ["", "h", "0h", "8d", "169h", "-1h", "1.5h", "24", "24H", "99999999999999999999d", "1ä"]
        {
            assert!(length(wrong).unwrap_err().contains("at most 7d"), "{wrong}");
        }
    }

    fn view(id: &str, fingerprint: u8) -> WaitingView {
        WaitingView {
            fingerprint: [fingerprint; 32].into(),
            session_id: id.parse().unwrap(),
            operation: "sign".into(),
            initiator: "desk".into(),
            wallet_id: None,
            request: None,
            rule: None,
            threshold: 1,
            of: vec!["alice".into()],
            approved_by: vec![],
            rejected_by: vec![],
            asked_ms: 0,
        }
    }

    #[test]
    fn a_request_is_found_by_its_id_or_its_fingerprint() {
        let waiting = [view("a", 1), view("b", 2), view("b", 3)];
        assert_eq!(find(&waiting, "a").unwrap(), &waiting[0]);
        let third = waiting[2].fingerprint.to_string();
        assert_eq!(find(&waiting, &third).unwrap(), &waiting[2]);
        let error = find(&waiting, "b").unwrap_err().to_string();
        assert!(error.contains("several requests") && error.contains(&third), "{error}");
        assert!(find(&waiting, "c").is_err());
    }
}
