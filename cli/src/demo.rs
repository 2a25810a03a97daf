//! `demo`: what Quorate does, in a minute or two. Most of it is the search for primes, once, for ECDSA.

mod payment;
mod spending;

use std::time::Instant;

use anyhow::{Context, bail};
use aws_lc_rs::digest::{SHA256, digest};
use quorate_keys::{Identity, Scheme};
use quorate_node::Joints;
use quorate_request::{
    ErrorCode, Hex, HexArray, KeygenRequest, PresignRequest, RequestId, SignRequest, SignResponse, WalletId,
};
use rand_core::OsRng;
use serde::Serialize;

use crate::failure::Failure;
use crate::following::Told;
use crate::hardening::forbid_core_dumps;
use crate::local::{LocalCluster, Reaching, ScratchFolder};
use crate::progress::Progress;
use crate::transaction::{self, Transaction};
use crate::{address, arguments, judge, output};
use payment::Payment;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many nodes.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = arguments::nodes())]
    nodes: u16,
    /// How many of them must sign; a majority if left out.
    #[arg(long, value_name = "NUMBER", value_parser = arguments::nodes())]
    threshold: Option<u16>,
    /// Show wallets of these schemes only.
    #[arg(
        long,
        value_name = "SCHEME,…",
        value_delimiter = ',',
        default_value = "ed25519,bip340,ecdsa-secp256k1",
        value_parser = arguments::schemes()
    )]
    scheme: Vec<Scheme>,
    /// Print what was done as one JSON object on one line, at the end.
    #[arg(long)]
    json: bool,
}

/// What the nodes of the demonstration sign: messages, and payments as long as they are small, also together.
const RULES: &str = "\
assets:
  SOL: {chain: solana}
  BTC: {chain: bitcoin}
  ETH: {chain: ethereum}

rules:
  - name: messages
    raw: true
  - name: pocket money
    windows:
      - {at_most: 0.75 SOL, in: 24h}
      - {at_most: 0.0015 BTC, in: 24h}
      - {at_most: 0.075 ETH, in: 24h}
    fee_at_most: [0.001 SOL, 0.0001 BTC, 0.001 ETH]
";

/// What was done, for programs.
#[derive(Serialize)]
struct Report {
    nodes: Vec<NodeReport>,
    connected_after_ms: u64,
    wallets: Vec<WalletReport>,
    /// Whether the judges accepted every signature.
    verified: bool,
}

#[derive(Serialize)]
struct NodeReport {
    name: String,
    identity: Identity,
    peers: String,
}

#[derive(Serialize)]
struct WalletReport {
    wallet_id: WalletId,
    scheme: Scheme,
    threshold: u16,
    total: u16,
    public_key: Hex,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    made_after_ms: u64,
    /// Presignatures that were made ahead, where the scheme needs them, and how long that took: the first time with the
    /// auxiliary information that they need.
    #[serde(skip_serializing_if = "Option::is_none")]
    presigned: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presigned_after_ms: Option<u64>,
    signatures: Vec<SignatureReport>,
    /// What the nodes' policy denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<RefusalReport>,
}

#[derive(Serialize)]
struct RefusalReport {
    chain: &'static str,
    code: ErrorCode,
    message: String,
}

/// What a wallet is for, and how it is asked for.
struct Offer {
    scheme: Scheme,
    curve: &'static str,
    protocol: Option<&'static str>,
    use_of: &'static str,
}

const OFFERS: [Offer; 4] = [
    Offer { scheme: Scheme::Ed25519, curve: "ed25519", protocol: None, use_of: "Solana, NEAR, Stellar, …" },
    Offer { scheme: Scheme::Bip340, curve: "secp256k1", protocol: Some("frost"), use_of: "Bitcoin Taproot" },
    Offer {
        scheme: Scheme::EcdsaSecp256k1,
        curve: "secp256k1",
        protocol: Some("cggmp21"),
        use_of: "Ethereum and the chains that run like it",
    },
    Offer {
        scheme: Scheme::EcdsaP256,
        curve: "p256",
        protocol: Some("cggmp21"),
        use_of: "what speaks P-256: passkeys, TLS, JOSE",
    },
];

#[derive(Default, Serialize)]
struct SignatureReport {
    /// The text that was signed, or whose hash was.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The chain of the transaction that was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    derivation_path: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<HexArray<64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_id: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_transaction: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_id: Option<String>,
    committee: Vec<String>,
    signed_after_ms: u64,
    judge: &'static str,
    verified: bool,
}

/// The keys that sign a message: the wallet's own, and a child's.
const PATHS: [Option<&str>; 2] = [None, Some("m/0/1")];

/// The cluster that shows what it does, and to whom.
struct Stage {
    cluster: LocalCluster,
    threshold: u16,
    total: u16,
    json: bool,
}

/// Says a line to people; programs get the report.
fn say(json: bool, line: &str) -> anyhow::Result<()> {
    if json { Ok(()) } else { output::print(false, &(), || line.to_owned()) }
}

pub(crate) async fn run(arguments: Arguments, joints: Joints) -> anyhow::Result<()> {
    forbid_core_dumps();
    let (total, json) = (arguments.nodes, arguments.json);
    let majority = total / 2 + 1;
    let threshold = arguments.threshold.unwrap_or(majority);
    if !(majority..=total).contains(&threshold) {
        let text = format!("--threshold {threshold} of {total} nodes: a majority is {majority} to {total}");
        return Err(Failure::Usage(text).into());
    }
    let scratch = ScratchFolder::new()?;
    say(json, &format!("Starting {total} nodes, each with an identity and an encrypted store of its own …"))?;
    let started = Instant::now();
    let cluster =
        LocalCluster::start(scratch.path(), total, &joints, false, Some(RULES), &Reaching::default(), json)
            .await?;
    let connected_after_ms = millis(started);
    let nodes: Vec<_> = (cluster.nodes.iter())
        .map(|node| NodeReport {
            name: node.name.clone(),
            identity: node.identity,
            peers: node.node.peers_at().to_owned(),
        })
        .collect();
    for NodeReport { name, identity, peers } in &nodes {
        say(json, &format!("  {name:<7} {identity}  peers {peers}"))?;
    }
    say(json, &format!("  connected over mutual TLS 1.3 after {connected_after_ms} ms"))?;

    let stage = Stage { cluster, threshold, total, json };
    let mut wallets = Vec::new();
    for offer in OFFERS.iter().filter(|offer| arguments.scheme.contains(&offer.scheme)) {
        wallets.push(stage.show(offer).await?);
    }
    stage.cluster.stop().await;
    let verified = wallets.iter().flat_map(|wallet| &wallet.signatures).all(|signature| signature.verified);
    if json {
        let report = Report { nodes, connected_after_ms, wallets, verified };
        output::print(true, &report, String::new)?;
    }
    if !verified {
        bail!("a judge refused a signature");
    }
    say(
        json,
        "\nNo private key ever existed: any set of fewer nodes than the threshold learns nothing of it.",
    )?;
    say(json, "Next: `quorate dev` leaves such a cluster running and prints curl lines.")
}

impl Stage {
    fn say(&self, line: &str) -> anyhow::Result<()> {
        say(self.json, line)
    }

    /// Makes a wallet and signs with it.
    async fn show(&self, offer: &Offer) -> anyhow::Result<WalletReport> {
        let Self { threshold, total, .. } = *self;
        let Offer { scheme, curve, protocol, use_of } = *offer;
        self.say(&format!("\nA {threshold}-of-{total} {scheme} wallet ({use_of})"))?;
        let started = Instant::now();
        let making = Progress::of(self.json, format!("{total} nodes make a wallet"));
        let request = KeygenRequest {
            session_id: None,
            threshold,
            total,
            curve: curve.into(),
            protocol: protocol.map(Into::into),
            wallet_id: None,
            parties: None,
        };
        let wallet = self.cluster.client.keygen(request).await.context("key generation")?;
        drop(making);
        let made_after_ms = millis(started);
        self.say(&format!("  made     {} in {made_after_ms} ms", wallet.wallet_id))?;
        self.say(&format!("  key      {}", wallet.public_key))?;
        if let Some(address) = &wallet.address {
            self.say(&format!("  address  {address}"))?;
        }
        let presigned = match scheme.signs_digests() {
            true => Some(self.presign(&wallet.wallet_id).await?),
            false => None,
        };

        let message = format!("Quorate demo: {scheme}");
        let mut signatures = Vec::new();
        for path in PATHS {
            signatures.push(self.sign(scheme, &wallet.wallet_id, &message, path).await?);
        }
        let mut refusal = None;
        if let Some((paid, denied)) = self.pay(scheme, &wallet.wallet_id).await? {
            signatures.push(paid);
            refusal = Some(denied);
        }
        Ok(WalletReport {
            wallet_id: wallet.wallet_id,
            scheme,
            threshold,
            total,
            public_key: wallet.public_key,
            address: wallet.address,
            made_after_ms,
            presigned: presigned.map(|(count, _)| count),
            presigned_after_ms: presigned.map(|(_, took)| took),
            signatures,
            refusal,
        })
    }

    /// Makes as many presignatures as will be used. How far that is, is shown meanwhile.
    async fn presign(&self, wallet: &WalletId) -> anyhow::Result<(u16, u64)> {
        self.say("  presigns ahead; the first time, nodes make auxiliary information for it, which takes a while …")?;
        let started = Instant::now();
        let id = RequestId::generate(&mut OsRng);
        let (told, clients) = (Told::default(), [self.cluster.client.clone()]);
        let shown = told.clone();
        let count = u16::try_from(PATHS.len()).unwrap_or_default().saturating_add(1);
        let progress = Progress::show(self.json, move || shown.beside("nodes presign"));
        let request =
            PresignRequest { session_id: Some(id.clone()), ..PresignRequest::new(wallet.clone(), count) };
        let made = tokio::select! {
            made = self.cluster.client.presign(request) => made.context("presigning")?,
            never = told.follow(&clients, &id) => match never {},
        };
        drop(progress);
        let (took, by) = (millis(started), made.signers.join(" and "));
        self.say(&format!("  presigned {} signatures by {by} in {took} ms", made.made))?;
        Ok((made.made, took))
    }

    /// Asks for a signature, and says how long it took.
    async fn ask(&self, request: SignRequest) -> anyhow::Result<(SignResponse, u64)> {
        let started = Instant::now();
        let _signing = Progress::of(self.json, format!("{} nodes sign", self.threshold));
        let signed = self.cluster.client.sign(request).await.context("signing")?;
        Ok((signed, millis(started)))
    }

    fn judged(&self, scheme: Scheme, verified: bool) -> anyhow::Result<()> {
        let verdict = if verified { "verified" } else { "REFUSED" };
        self.say(&format!("  {verdict} by {}", judge::name(scheme)))
    }

    /// Signs a transaction on the chain for a scheme, after saying what it does. Then asks for as much again, which is more than
    /// the policy of the nodes allows.
    async fn pay(
        &self,
        scheme: Scheme,
        wallet: &WalletId,
    ) -> anyhow::Result<Option<(SignatureReport, RefusalReport)>> {
        let wallet = self.cluster.client.wallet(wallet).await?;
        let Some(payment) = Payment::from(&wallet, scheme)? else { return Ok(None) };
        let chain = transaction::chain(payment.chain)?;
        let request =
            SignRequest::transaction(wallet.wallet_id.clone(), chain.net().id, payment.transaction.clone());
        let read = Transaction::new(&address::pinned(&wallet)?, &request)?;
        self.say(&format!("  a transaction on {}, of coins that nobody has:", chain.net().name))?;
        for line in read.explained().lines() {
            self.say(&format!("    {line}"))?;
        }
        let (signed, took) = self.ask(request.clone()).await?;
        read.check(&signed)?;
        let inputs = match signed.signatures.len() {
            1 => String::new(),
            count => format!(", {count} inputs"),
        };
        self.say(&format!("  signed   by {} in {took} ms{inputs}", signed.committee.join(" and ")))?;
        self.say(&format!("           {}", signed.tx_id.as_deref().unwrap_or("incomplete")))?;
        let transaction = signed.signed_transaction;
        // Those of other chains are too long to be looked at.
        if let (Scheme::EcdsaSecp256k1, Some(transaction)) = (scheme, &transaction) {
            self.say(&format!("  to send  {transaction}"))?;
        }
        let verified =
            transaction.as_ref().is_some_and(|transaction| payment.is_accepted(transaction.as_bytes()));
        self.judged(scheme, verified)?;
        let refusal = self.refused(chain.net().id, request).await?;
        let report = SignatureReport {
            chain: Some(chain.net().id),
            recovery_id: signed.recovery_id,
            signed_transaction: transaction,
            tx_id: signed.tx_id,
            committee: signed.committee,
            signed_after_ms: took,
            judge: judge::name(scheme),
            verified,
            ..SignatureReport::default()
        };
        Ok(Some((report, refusal)))
    }

    /// Asks for the same payment in another request.
    async fn refused(&self, chain: &'static str, request: SignRequest) -> anyhow::Result<RefusalReport> {
        self.say("  the same again, in another request:")?;
        let Err(error) = self.cluster.client.sign(request).await else {
            bail!("the nodes signed what their policy denies");
        };
        let Some(denied) = error.api().filter(|body| body.code == ErrorCode::PolicyDenied) else {
            return Err(error).context("signing");
        };
        self.say(&format!("  refused  {}", denied.message))?;
        Ok(RefusalReport { chain, code: denied.code, message: denied.message.clone() })
    }

    async fn sign(
        &self,
        scheme: Scheme,
        wallet: &WalletId,
        message: &str,
        path: Option<&'static str>,
    ) -> anyhow::Result<SignatureReport> {
        // ECDSA and Bitcoin sign hashes, and the judges of their signatures take nothing else.
        let is_hashed = scheme == Scheme::Bip340 || scheme.signs_digests();
        let (what, signed_bytes) = match is_hashed {
            true => ("SHA-256 of ", digest(&SHA256, message.as_bytes()).as_ref().to_vec()),
            false => ("", message.as_bytes().to_vec()),
        };
        let subject = Some(Hex::from(signed_bytes.clone()));
        let (message_hash, plain) = if is_hashed { (subject, None) } else { (None, subject) };
        let request = SignRequest {
            wallet_id: Some(wallet.clone()),
            message_hash,
            message: plain,
            derivation_path: path.map(Into::into),
            ..SignRequest::default()
        };
        let (signed, took) = self.ask(request).await?;
        let with = path.map_or_else(String::new, |path| format!(" with the child key {path}"));
        let by = signed.committee.join(" and ");
        self.say(&format!("  signed   {what}{message:?}{with} by {by} in {took} ms"))?;
        self.say(&format!("           {}", signed.signature))?;
        let verified =
            judge::accepts(scheme, signed.public_key.as_bytes(), &signed_bytes, signed.signature.as_bytes());
        self.judged(scheme, verified)?;
        Ok(SignatureReport {
            message: Some(message.to_owned()),
            derivation_path: path,
            signature: Some(signed.signature),
            recovery_id: signed.recovery_id,
            committee: signed.committee,
            signed_after_ms: took,
            judge: judge::name(scheme),
            verified,
            ..SignatureReport::default()
        })
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
