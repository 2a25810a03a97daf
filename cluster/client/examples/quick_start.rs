//! The quick start in Rust: makes a wallet, pins it, and signs a message with it; then has a transaction
//! signed, if one is named. `quorate dev` has to run.
//!
//! ```text
//! cargo run --release -p quorate-client --features transactions --example quick_start
//! cargo run --release -p quorate-client --features transactions --example quick_start -- treasury devnet transfer.b64
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use quorate_client::{Client, Curve, KeygenRequest, PinnedWallet, TransactionBytes};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A gateway signs for its callers. Nodes want requests that are signed: `Client::from_files`.
    let client = Client::gateway("http://127.0.0.1:8080".parse()?)?;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => sign_a_message(&client).await,
        [wallet, chain, file] => sign_a_transaction(&client, wallet, chain, file).await,
        _ => Err("give nothing, or WALLET CHAIN FILE".into()),
    }
}

async fn sign_a_message(client: &Client) -> Result<(), Box<dyn Error>> {
    let made = client.keygen(KeygenRequest::new(2, 3, Curve::Ed25519)).await?;
    println!("wallet     {}", made.wallet_id);
    println!("address    {}", made.address.as_deref().unwrap_or_default());

    // To be kept: answers are not signed, and every one is held against this.
    let wallet = client.pin(&made).await?;
    let signed = client.sign_with(&wallet, wallet.message(b"hello")).await?;
    println!("signed by  {}", signed.committee.join(", "));
    println!("verified");
    Ok(())
}

async fn sign_a_transaction(
    client: &Client,
    wallet: &str,
    chain: &str,
    file: &str,
) -> Result<(), Box<dyn Error>> {
    // As the gateway describes it; a custodian has pinned it when it was made.
    let wallet = PinnedWallet::of_view(&client.wallet(&wallet.parse()?).await?)?;
    let transaction: TransactionBytes = std::fs::read_to_string(file)?.trim().parse()?;
    let request = wallet.transaction(chain, transaction);
    if let Some(explained) = wallet.expect(&request)?.explain() {
        println!("{explained}");
    }
    let signed = client.sign_with(&wallet, request).await?;
    println!("signed by  {}", signed.committee.join(", "));
    println!("id         {}", signed.tx_id.unwrap_or_default());
    if let Some(transaction) = signed.signed_transaction {
        println!("bytes      {transaction}");
    }
    Ok(())
}
