//! `policy check`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use quorate_chains::{Chain, Context, Explain, ForeignInputs, Sighashes, WalletRoot};
use quorate_keys::{ChainCode, DerivationPath, GroupKey, PublicKey};
use quorate_node::config::read_policy_file;
use quorate_policy::{Judgement, Place, Policy, Question, SpendingBefore, Subject};
use quorate_request::{Hex, HexArray, WalletId};
use serde::Serialize;

use crate::failure::Failure;
use crate::{chains, output, transaction};

const EXAMPLES: &str = "\
A policy is one YAML file, the same on every node, named by policy_path in each node's
configuration. The first rule of which all conditions hold decides.

Examples:
  quorate policy check policy.yaml
  quorate policy check policy.yaml --wallet hot-1 --initiator backend \\
      --chain ethereum --tx transfer.json --public-key 0x04…
  quorate policy check policy.yaml --wallet treasury --initiator backend \\
      --chain bitcoin --tx sweep.psbt --group-key 0x02… --chain-code 0x… --path m/0/1
  quorate policy check policy.yaml --wallet treasury --initiator backend --raw \\
      --approved-by alice,bob

Exit codes: 0 signed, or nothing was asked; 3 the policy is wrong; 4 denied; 5 approvals are missing";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read a policy, and say what it would decide, with no cluster.
    Check(Check),
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    /// The policy.
    file: PathBuf,
    /// The wallet that is asked to sign.
    #[arg(long, value_name = "NAME", requires = "initiator")]
    wallet: Option<WalletId>,
    /// The name of the initiator that asks.
    #[arg(long, value_name = "NAME", requires = "wallet")]
    initiator: Option<String>,
    /// A transaction: a file with its bytes, hexadecimal or Base64 text, or for Ethereum JSON; - reads standard input.
    #[arg(long, value_name = "FILE", requires_all = ["wallet", "chain", "key"], conflicts_with = "raw")]
    tx: Option<PathBuf>,
    /// The chain of the transaction (`quorate chains list`).
    #[arg(long, value_name = "CHAIN", requires = "tx")]
    chain: Option<String>,
    /// The key that signs the transaction, as `wallet show` prints it: the wallet's, or that of its child. Nodes also know the
    /// wallet's other children, such as where change goes: for that give --group-key and --chain-code instead.
    #[arg(long, value_name = "HEX", requires = "tx", group = "key")]
    public_key: Option<Hex>,
    /// The wallet's group key, as `wallet show` prints it.
    #[arg(long, value_name = "HEX", requires_all = ["tx", "chain_code"], group = "key")]
    group_key: Option<Hex>,
    /// The wallet's chain code, likewise.
    #[arg(long, value_name = "HEX", requires = "group_key")]
    chain_code: Option<HexArray<32>>,
    /// As if the key derived along this path were to sign, such as m/0/1.
    #[arg(long, value_name = "PATH", requires = "group_key")]
    path: Option<DerivationPath>,
    /// A digest or message instead of a transaction.
    #[arg(long, requires = "wallet")]
    raw: bool,
    /// As if the request allowed inputs of others, as `sign --allow-foreign-inputs` does.
    #[arg(long, requires = "tx")]
    allow_foreign_inputs: bool,
    /// As if the request allowed signatures that leave parts open, as `sign --allow-weak-sighashes` does.
    #[arg(long, requires = "tx")]
    allow_weak_sighashes: bool,
    /// As if the request allowed parts that can't be explained, as `sign --allow-opaque` does.
    #[arg(long, requires = "tx")]
    allow_opaque: bool,
    /// As if these authorizers had approved.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", requires = "wallet")]
    approved_by: Vec<String>,
    /// As if the wallet had spent so many of the smallest units just before, of the chain's coin, or of a token as
    /// TOKEN=UNITS; may be repeated.
    #[arg(long, value_name = "UNITS|TOKEN=UNITS", requires = "tx", value_parser = spent)]
    spent: Vec<(Option<String>, u128)>,
    /// As if it were that time: seconds since 1970.
    #[arg(long, value_name = "SECONDS", requires = "wallet")]
    at: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn spent(text: &str) -> Result<(Option<String>, u128), String> {
    let (token, units) =
        text.split_once('=').map_or((None, text), |(token, units)| (Some(token.to_owned()), units));
    let units = units.parse().map_err(|error| format!("{units:?} is no number of units: {error}"))?;
    Ok((token, units))
}

#[derive(Serialize)]
struct Report<'a> {
    version: u64,
    /// SHA-256 of the file.
    digest: Hex,
    initiators: Vec<&'a str>,
    authorizers: Vec<&'a str>,
    rules: Vec<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    judgement: Option<&'a Judgement>,
}

/// What the wallet is said to have spent.
struct Spent(Vec<(Place, u128)>);

impl SpendingBefore for Spent {
    fn spent(&self, _: &dyn Fn(&WalletId) -> bool, place: &Place, _: u64) -> u128 {
        self.0.iter().filter(|(of, _)| of == place).fold(0, |sum, (_, units)| sum.saturating_add(*units))
    }
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    let Command::Check(arguments) = command;
    let policy = read_policy_file(&arguments.file)?;
    let judgement = judged(&policy, &arguments)?;
    let report = Report {
        version: policy.version(),
        digest: policy.digest().to_vec().into(),
        initiators: policy.initiators().iter().map(|initiator| initiator.name()).collect(),
        authorizers: policy.authorizers().iter().map(|(name, _)| name.as_str()).collect(),
        rules: policy.rules().collect(),
        judgement: judgement.as_ref(),
    };
    output::print(arguments.json, &report, || people(&report))?;
    match &judgement {
        Some(Judgement::Denied { reason, .. }) => {
            Err(Failure::Refused { code: "policy_denied", text: format!("the policy denies it: {reason}") }
                .into())
        }
        Some(Judgement::Unapproved { rule, threshold, of, by }) => {
            let by =
                if by.is_empty() { "none of them has".to_owned() } else { format!("{} has", by.join(", ")) };
            let of = of.join(", ");
            let text = format!("rule {rule:?} allows it once {threshold} of {of} have approved: {by}");
            Err(Failure::Unapproved(text).into())
        }
        _ => Ok(()),
    }
}

/// What the policy decides, if something is asked.
fn judged(policy: &Policy, arguments: &Check) -> anyhow::Result<Option<Judgement>> {
    let (Some(wallet), Some(initiator)) = (&arguments.wallet, &arguments.initiator) else { return Ok(None) };
    let asking = policy.initiators().iter().find(|known| known.name() == initiator.as_str());
    let asking = asking
        .ok_or_else(|| Failure::Usage(format!("--initiator: the policy has no initiator {initiator}")))?;
    if let Some(stranger) = arguments
        .approved_by
        .iter()
        .find(|name| !policy.authorizers().iter().any(|(known, _)| known == *name))
    {
        return Err(Failure::Usage(format!("--approved-by: the policy has no authorizer {stranger}")).into());
    }
    let explained = match (&arguments.tx, &arguments.chain) {
        (Some(file), Some(chain)) => Some(explain(arguments, file, chains::find(chain)?)?),
        _ if arguments.raw => None,
        _ => {
            return Err(Failure::Usage(
                "give a transaction with --tx, or --raw for a digest or message".into(),
            )
            .into());
        }
    };
    let chain = explained.as_ref().map(|explain| explain.chain.as_str());
    if asking.is_retired() {
        let reason = format!("initiator {initiator} is retired");
        return Ok(Some(Judgement::Denied { rule: None, reason }));
    }
    let within = asking
        .may_ask(&quorate_request::Operation::Sign)
        .and_then(|()| asking.may_use(wallet))
        .and_then(|()| asking.may_sign_for(chain));
    if let Err(out_of_scope) = within {
        return Ok(Some(Judgement::Denied { rule: None, reason: out_of_scope.to_string() }));
    }
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let spent = arguments.spent.iter().map(|(token, units)| {
        let place = Place { chain: chain.unwrap_or_default().to_owned(), token: token.clone() };
        (place, *units)
    });
    let approved_by: BTreeSet<String> = arguments.approved_by.iter().cloned().collect();
    Ok(Some(policy.judge(&Question {
        wallet,
        initiator,
        subject: explained.as_ref().map_or(Subject::Raw, Subject::Transaction),
        at: arguments.at.unwrap_or_else(now),
        approved_by: &approved_by,
        spent: &Spent(spent.collect()),
    })))
}

/// What a transaction does, as every node would read it.
fn explain(arguments: &Check, file: &Path, chain: Chain) -> anyhow::Result<Explain> {
    let bytes = transaction::read(file, chain.net().takes_json())?;
    let mut context = context(arguments, chain)?;
    if arguments.allow_foreign_inputs {
        context.foreign_inputs = ForeignInputs::Leave;
    }
    if arguments.allow_weak_sighashes {
        context.sighashes = Sighashes::Any;
    }
    let prepared = chain.prepare(&bytes, &context);
    let prepared =
        prepared.map_err(|error| Failure::Refused { code: error.code(), text: error.to_string() })?;
    let explain = prepared.explain();
    match explain.opaque.first() {
        Some(part) if !arguments.allow_opaque => {
            let (code, (place, reason)) = ("transaction_refused", (&part.place, &part.reason));
            let text =
                format!("{place} can't be explained ({reason}), and opaque is not allowed (--allow-opaque)");
            Err(Failure::Refused { code, text }.into())
        }
        _ => Ok(explain.clone()),
    }
}

/// Whose transaction it is, as far as the arguments say: all that a node knows, or one key.
fn context(arguments: &Check, chain: Chain) -> anyhow::Result<Context> {
    let (name, mut schemes) = (chain.net().name, chain.net().schemes.iter().copied());
    if let (Some(key), Some(chain_code)) = (&arguments.group_key, &arguments.chain_code) {
        let found = schemes
            .find_map(|scheme| Some((GroupKey::from_bytes(scheme.curve(), key.as_bytes()).ok()?, scheme)));
        let (key, scheme) = found.ok_or_else(|| {
            Failure::Usage(format!("--group-key is no group key of a wallet that signs for {name}"))
        })?;
        let root = WalletRoot { key, chain_code: ChainCode::new(*chain_code.as_bytes()) };
        let path = arguments.path.clone().unwrap_or_default();
        let context = Context::of_wallet(root, scheme, &path);
        return context.ok_or_else(|| Failure::Usage(format!("--path: there is no key at {path}")).into());
    }
    let key = arguments.public_key.as_ref();
    let key = key
        .and_then(|key| schemes.find_map(|scheme| PublicKey::from_bytes(scheme, key.as_bytes()).ok()))
        .ok_or_else(|| Failure::Usage(format!("--public-key is no key that signs for {name}")))?;
    Ok(Context::new(key))
}

fn people(report: &Report<'_>) -> String {
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let mut text = format!(
        "version      {}\nsha256       {}\ninitiators   {}\nauthorizers  {}\nrules        {}",
        report.version,
        report.digest.to_string().trim_start_matches("0x"),
        list(&report.initiators),
        list(&report.authorizers),
        list(&report.rules)
    );
    // Why something is not signed is told as an error.
    if let Some(Judgement::Allowed { rule }) = report.judgement {
        text.push_str(&format!("\n\nsigned, by rule {rule:?}"));
    }
    text
}
