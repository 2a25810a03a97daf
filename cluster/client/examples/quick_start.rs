//! The quick start in Rust: makes a wallet, signs a message with it and verifies the signature; then has a transaction
//! signed, if one is named. `quorate dev` has to run.
//!
//! ```text
//! cargo run --release -p quorate-client --example quick_start
//! cargo run --release -p quorate-client --example quick_start -- treasury devnet transfer.b64
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use quorate_client::Client;
use quorate_keys::{PublicKey, Scheme, Signature, SigningIdentity};
use quorate_request::{ClusterId, KeygenRequest, SignRequest};
use rand_core::OsRng;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A gateway signs for its callers: to it, this key and this cluster mean nothing. Nodes want the key of an initiator,
    // and the cluster id of the peers file.
    let gateway = "http://127.0.0.1:8080".parse()?;
    let nobody = SigningIdentity::generate(&mut OsRng);
    let client = Client::new(vec![gateway], ClusterId::from_bytes([0; 32]), nobody)?;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => sign_a_message(&client).await,
        [wallet, chain, file] => sign_a_transaction(&client, wallet, chain, file).await,
        _ => Err("give nothing, or WALLET CHAIN FILE".into()),
    }
}

async fn sign_a_message(client: &Client) -> Result<(), Box<dyn Error>> {
    let request = KeygenRequest {
        session_id: None,
        threshold: 2,
        total: 3,
        curve: "ed25519".into(),
        protocol: None,
        wallet_id: None,
        parties: None,
    };
    let wallet = client.keygen(request).await?;
    println!("wallet     {}", wallet.wallet_id);
    println!("address    {}", wallet.address.unwrap_or_default());

    let message = b"hello";
    let request = SignRequest {
        wallet_id: Some(wallet.wallet_id),
        message: Some(message.to_vec().into()),
        ..SignRequest::default()
    };
    let signed = client.sign(request).await?;
    println!("signed by  {}", signed.committee.join(", "));

    // Answers are not signed: what a signature is worth is seen under the key that key generation gave.
    let key = PublicKey::from_bytes(Scheme::Ed25519, wallet.public_key.as_bytes())?;
    key.verify(message, &Signature::from_bytes(*signed.signature.as_bytes()))?;
    println!("verified");
    Ok(())
}

async fn sign_a_transaction(
    client: &Client,
    wallet: &str,
    chain: &str,
    file: &str,
) -> Result<(), Box<dyn Error>> {
    let request = SignRequest {
        wallet_id: Some(wallet.parse()?),
        chain: Some(chain.into()),
        transaction: Some(std::fs::read_to_string(file)?.trim().parse()?),
        ..SignRequest::default()
    };
    let signed = client.sign(request).await?;
    println!("signed by  {}", signed.committee.join(", "));
    println!("id         {}", signed.tx_id.unwrap_or_default());
    if let Some(transaction) = signed.signed_transaction {
        println!("bytes      {transaction}");
    }
    Ok(())
}
