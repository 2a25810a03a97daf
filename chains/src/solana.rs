//! Solana: legacy and version 0 transactions.
//!
//! A transaction comes as clients serialise it: signatures, absent ones all zero, then the message. The message alone is
//! not taken, because its first byte could be read either way. The signed bytes are the message itself.
//!
//! - Numbers in front of lists have one form only; nothing may follow; the size limit is that of a packet.
//! - The rules by which validators refuse a message at first sight are checked, account twice and all.
//! - Accounts that stand in an address lookup table are not in the message: they are opaque.
//! - A message names no cluster. A blockhash or nonce ties it to one.

mod message;
mod programs;

use quorate_keys::{PublicKey, Scheme, Signature};

use crate::adapter::{Adapter, AddressKind, Payload, Prepared, Signed, SigningRequest};
use crate::context::{Context, WalletKey};
use crate::error::{AddressError, AssembleError, PrepareError};
use crate::explain::{Account, Bound, Explain, Fee, Lifetime, Units, WarningKind};
use crate::net::Net;
use message::{Key, Message, Transaction};

/// Lamports per signature.
const BASE_FEE: u64 = 5000;

/// The adapter.
pub(crate) struct Solana;

impl Adapter for Solana {
    fn address(&self, net: &Net, key: &PublicKey, kind: AddressKind) -> Result<String, AddressError> {
        match (kind, key.scheme()) {
            (AddressKind::Default, Scheme::Ed25519) => Ok(bs58::encode(key.as_bytes()).into_string()),
            (AddressKind::Default, scheme) => Err(AddressError::Scheme { chain: net.name, scheme }),
            _ => Err(AddressError::Kind { chain: net.name }),
        }
    }

    fn canonical_address(&self, net: &Net, address: &str) -> Result<String, AddressError> {
        let mut bytes = [0; 32];
        match bs58::decode(address).onto(&mut bytes) {
            // Base58 has one spelling.
            Ok(32) => Ok(address.to_owned()),
            _ => Err(AddressError::Invalid { chain: net.name }),
        }
    }

    fn prepare(&self, net: &Net, tx: &[u8], context: &Context) -> Result<Prepared, PrepareError> {
        let transaction = Transaction::read(tx)?;
        let message = &transaction.message;
        verify_present(&transaction)?;
        let requests = requests(message, &context.keys);
        if requests.is_empty() {
            return Err(PrepareError::NotOurs);
        }
        let explain = explain(net, &transaction, &requests, context)?;
        Ok(Prepared { net: net.id, explain, requests, body: tx.to_vec() })
    }

    fn assemble(
        &self,
        _: &Net,
        prepared: &Prepared,
        signatures: &[Signature],
    ) -> Result<Signed, AssembleError> {
        let transaction = Transaction::read(&prepared.body)?;
        let mut all = transaction.signatures.clone();
        for (index, (request, signature)) in prepared.requests.iter().zip(signatures).enumerate() {
            match all.get_mut(request.slot) {
                Some(slot) => *slot = *signature.as_bytes(),
                None => return Err(AssembleError::Signature { index }),
            }
        }
        let signed = Transaction { signatures: all, message: transaction.message };
        verify_present(&signed)?;
        let bytes = signed.write();
        match signed.signatures.first() {
            Some(first) if signed.signatures.iter().all(present) => {
                Ok(Signed::Complete { transaction: bytes, id: bs58::encode(first).into_string() })
            }
            _ => Ok(Signed::Partial { transaction: bytes }),
        }
    }
}

/// Whether somebody signed; clients write an absent signature as zeros, which is no valid one.
fn present(signature: &[u8; 64]) -> bool {
    *signature != [0; 64]
}

/// Verifies the signatures that are there, each under the key in its place.
fn verify_present(transaction: &Transaction<'_>) -> Result<(), PrepareError> {
    let message = &transaction.message;
    for (slot, (signature, key)) in transaction.signatures.iter().zip(&message.keys).enumerate() {
        let valid = || {
            PublicKey::from_bytes(Scheme::Ed25519, key)
                .is_ok_and(|key| key.verify(message.bytes, &Signature::from_bytes(*signature)).is_ok())
        };
        if present(signature) && !valid() {
            return Err(PrepareError::PresentSignature { slot });
        }
    }
    Ok(())
}

/// One request for each of the wallet's keys that must sign.
fn requests(message: &Message<'_>, keys: &[WalletKey]) -> Vec<SigningRequest> {
    let signers = message.keys.iter().take(message.signers).enumerate();
    signers
        .filter_map(|(slot, signer)| {
            let own = keys.iter().find(|own| own.key.as_bytes() == signer)?;
            Some(SigningRequest {
                scheme: Scheme::Ed25519,
                payload: Payload::Message(message.bytes.to_vec()),
                path: own.path.clone(),
                key: own.key,
                tweak: None,
                slot,
            })
        })
        .collect()
}

/// What the wallet's side knows of accounts.
struct Names<'a> {
    context: &'a Context,
}

impl Names<'_> {
    fn account(&self, key: &Key) -> Account {
        let address = base58(key);
        let own = self.context.keys.iter().any(|own| own.key.as_bytes() == key);
        Account { address, own }
    }
}

fn base58(key: &Key) -> String {
    bs58::encode(key).into_string()
}

fn explain(
    net: &Net,
    transaction: &Transaction<'_>,
    requests: &[SigningRequest],
    context: &Context,
) -> Result<Explain, PrepareError> {
    let message = &transaction.message;
    let names = Names { context };
    let lifetime = Lifetime::Blockhash { blockhash: base58(&message.blockhash) };
    let mut explain = Explain::new(net.id, lifetime);
    let mut budget = programs::Budget::default();
    for (index, instruction) in message.instructions.iter().enumerate() {
        programs::explain(net, message, index, instruction, &names, &mut budget, &mut explain)?;
    }
    if matches!(explain.lifetime, Lifetime::Blockhash { .. }) {
        if programs::may_advance_nonce(message) {
            // Validators could take it for durable: it would live longer than is said here.
            return Err(PrepareError::unsupported(
                "a first instruction that advances a nonce in another form",
            ));
        }
        explain.warn(
            WarningKind::ShortLived,
            "no durable nonce: the transaction is good for about a minute from when its blockhash was made",
        );
    }
    for (slot, (signature, key)) in transaction.signatures.iter().zip(&message.keys).enumerate() {
        if requests.iter().all(|request| request.slot != slot) {
            let state = if present(signature) { "has signed" } else { "must sign as well" };
            explain.warn(WarningKind::OtherSigners, format!("{} {state}", base58(key)));
        }
    }
    explain.fee = fee(message, &budget, &names);
    if let Some(fee) = &explain.fee
        // A tenth of a coin: hundreds of times what the busiest hour asks for.
        && fee.amount > Units(100_000_000)
    {
        let text = format!("the fee can be {} lamports", fee.amount);
        explain.warn(WarningKind::AbsurdFee, text);
    }
    Ok(explain)
}

/// The base fee for signatures, those that programs check included, and what the transaction bids for priority.
fn fee(message: &Message<'_>, budget: &programs::Budget, names: &Names<'_>) -> Option<Fee> {
    let signatures = u64::try_from(message.signers).ok()?.checked_add(budget.signatures)?;
    let base = signatures.checked_mul(BASE_FEE)?;
    let limit = budget.limit(message.instructions.len());
    let priority = (u128::from(budget.price) * u128::from(limit)).div_ceil(1_000_000);
    let amount = Units(u128::from(base) + priority);
    let bound = if budget.price > 0 && budget.units.is_none() { Bound::AtMost } else { Bound::Exact };
    let payer = message.keys.first().map(|key| names.account(key)).into_iter().collect();
    Some(Fee { amount, bound, payer })
}
