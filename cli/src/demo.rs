//! `demo`: what Quorate does, in half a minute.

mod payment;

use std::time::Instant;

use anyhow::{Context, bail};
use aws_lc_rs::digest::{SHA256, digest};
use quorate_keys::{DerivationPath, Scheme};
use quorate_node::Joints;
use quorate_request::{Hex, KeygenRequest, SignRequest, SignResponse};

use crate::failure::Failure;
use crate::local::{LocalCluster, ScratchFolder};
use crate::node::forbid_core_dumps;
use crate::transaction::{self, Transaction};
use crate::{judge, output};
use payment::Payment;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=100))]
    nodes: u16,
    /// How many of them must sign; a majority if left out.
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=100))]
    threshold: Option<u16>,
}

fn say(line: &str) -> anyhow::Result<()> {
    output::print(false, &(), || line.to_owned())
}

pub(crate) async fn run(arguments: Arguments, joints: Joints) -> anyhow::Result<()> {
    forbid_core_dumps();
    let total = arguments.nodes;
    let majority = total / 2 + 1;
    let threshold = arguments.threshold.unwrap_or(majority);
    if !(majority..=total).contains(&threshold) {
        let text = format!("--threshold {threshold} of {total} nodes: a majority is {majority} to {total}");
        return Err(Failure::Usage(text).into());
    }
    let scratch = ScratchFolder::new()?;
    say(&format!("Starting {total} nodes, each with an identity and an encrypted store of its own …"))?;
    let started = Instant::now();
    let cluster = LocalCluster::start(scratch.path(), total, &joints).await?;
    for node in &cluster.nodes {
        say(&format!("  {:<7} {}  peers {}", node.name, node.identity, node.node.peer_address()))?;
    }
    say(&format!("  connected over mutual TLS 1.3 after {} ms", started.elapsed().as_millis()))?;

    let mut all_accepted = true;
    for (scheme, curve, protocol, use_of) in [
        (Scheme::Ed25519, "ed25519", None, "Solana, NEAR, Stellar, …"),
        (Scheme::Bip340, "secp256k1", Some("frost"), "Bitcoin Taproot"),
    ] {
        all_accepted &= show(&cluster, scheme, curve, protocol, use_of, threshold, total).await?;
    }
    cluster.stop().await;
    if !all_accepted {
        bail!("a judge refused a signature");
    }
    say("\nNo private key ever existed: any set of fewer nodes than the threshold learns nothing of it.")?;
    say("Next: `quorate dev` leaves such a cluster running and prints curl lines.")
}

async fn show(
    cluster: &LocalCluster,
    scheme: Scheme,
    curve: &str,
    protocol: Option<&str>,
    use_of: &str,
    threshold: u16,
    total: u16,
) -> anyhow::Result<bool> {
    say(&format!("\nA {threshold}-of-{total} {scheme} wallet ({use_of})"))?;
    let started = Instant::now();
    let wallet = cluster
        .client
        .keygen(KeygenRequest {
            session_id: None,
            threshold,
            total,
            curve: curve.into(),
            protocol: protocol.map(Into::into),
            wallet_id: None,
            parties: None,
        })
        .await
        .context("key generation")?;
    say(&format!("  made     {} in {} ms", wallet.wallet_id, started.elapsed().as_millis()))?;
    say(&format!("  key      {}", wallet.public_key))?;

    let message = format!("Quorate demo: {scheme}");
    let mut accepted = sign(cluster, scheme, &wallet.wallet_id, &message, None).await?;
    accepted &= sign(cluster, scheme, &wallet.wallet_id, &message, Some("m/0/1")).await?;
    accepted &= pay(cluster, scheme, &wallet.wallet_id).await?;
    Ok(accepted)
}

/// Signs a transaction on the chain for a scheme, after saying what it does.
async fn pay(
    cluster: &LocalCluster,
    scheme: Scheme,
    wallet: &quorate_request::WalletId,
) -> anyhow::Result<bool> {
    let wallet = cluster.client.wallet(wallet).await?;
    let payment = Payment::from(&wallet, scheme)?;
    let chain = transaction::chain(payment.chain)?;
    let path = DerivationPath::default();
    let read = Transaction::new(chain, &payment.transaction, &wallet, &path, &[])?;
    say(&format!("  a {} transaction, of coins that nobody has:", chain.net().name))?;
    for line in read.explained().lines() {
        say(&format!("    {line}"))?;
    }
    let started = Instant::now();
    let request = SignRequest {
        wallet_id: Some(wallet.wallet_id.clone()),
        chain: Some(chain.net().id.into()),
        transaction: Some(payment.transaction.clone().into()),
        ..SignRequest::default()
    };
    let signed = cluster.client.sign(request).await.context("signing")?;
    let took = started.elapsed().as_millis();
    read.check(&signed)?;
    let inputs = match signed.signatures.len() {
        1 => String::new(),
        count => format!(", {count} inputs"),
    };
    say(&format!("  signed   by {} in {took} ms{inputs}", signed.committee.join(" and ")))?;
    say(&format!("           {}", signed.tx_id.as_deref().unwrap_or("incomplete")))?;
    let accepted =
        signed.signed_transaction.is_some_and(|transaction| payment.is_accepted(transaction.as_bytes()));
    let verdict = if accepted { "verified" } else { "REFUSED" };
    say(&format!("  {verdict} by {}", judge::name(scheme)))?;
    Ok(accepted)
}

async fn sign(
    cluster: &LocalCluster,
    scheme: Scheme,
    wallet: &quorate_request::WalletId,
    message: &str,
    path: Option<&str>,
) -> anyhow::Result<bool> {
    let started = Instant::now();
    // Bitcoin signs hashes, and the judge of its signatures takes nothing else.
    let (what, signed_bytes) = match scheme {
        Scheme::Bip340 => ("SHA-256 of ", digest(&SHA256, message.as_bytes()).as_ref().to_vec()),
        _ => ("", message.as_bytes().to_vec()),
    };
    let request = SignRequest {
        wallet_id: Some(wallet.clone()),
        message: Some(Hex::from(signed_bytes.clone())),
        derivation_path: path.map(Into::into),
        ..SignRequest::default()
    };
    let signed: SignResponse = cluster.client.sign(request).await.context("signing")?;
    let took = started.elapsed().as_millis();
    let with = path.map_or_else(String::new, |path| format!(" with the child key {path}"));
    say(&format!("  signed   {what}{message:?}{with} by {} in {took} ms", signed.committee.join(" and ")))?;
    say(&format!("           {}", signed.signature))?;
    let accepted =
        judge::accepts(scheme, signed.public_key.as_bytes(), &signed_bytes, signed.signature.as_bytes());
    let verdict = if accepted { "verified" } else { "REFUSED" };
    say(&format!("  {verdict} by {}", judge::name(scheme)))?;
    Ok(accepted)
}
