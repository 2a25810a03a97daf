//! Ethereum and the chains that run like it: legacy transactions with a chain id (EIP-155), and those with a fee market
//! (EIP-1559).
//!
//! A transaction comes unsigned, as the bytes whose hash is signed, or as the JSON object that JavaScript libraries make; both
//! are the same transaction when they have the same bytes. The signed bytes are its Keccak hash.
//!
//! - Numbers, lengths and lists have one form only, and what was read must be written as the same bytes.
//! - The chain id must be the network's. Legacy transactions without one are refused: they are good on every chain.
//! - The key that signs is the transaction's sender. Where the context has several, `from` in the JSON says which.
//! - Data is decoded where it is a call of a token contract (ERC-20) to its last byte; everything else is opaque.
//! - Other types of transaction, with blobs, access lists at a fixed price, or code for accounts, are refused by their name.

mod address;
mod explain;
mod json;
mod rlp;
mod transaction;
#[cfg(test)]
mod vectors;
mod word;

use quorate_keys::ecdsa::{self, NoRecoveryId};
use quorate_keys::{PublicKey, Scheme, Signature};

use crate::adapter::{Adapter, AddressKind, Payload, Prepared, Signed, SigningRequest};
use crate::context::{Context, WalletKey};
use crate::error::{AddressError, AssembleError, PrepareError};
use crate::net::{Net, Parameters};
use address::Address;
use json::Given;
use transaction::{Recoverable, Transaction};
use word::Word;

/// The adapter.
pub(crate) struct Ethereum;

impl Adapter for Ethereum {
    fn address(&self, net: &Net, key: &PublicKey, kind: AddressKind) -> Result<String, AddressError> {
        match (kind, key.scheme()) {
            (AddressKind::Default, Scheme::EcdsaSecp256k1) => {
                Address::of_key(key).map(|address| address.to_string()).ok_or(AddressError::NoAddress)
            }
            (AddressKind::Default, scheme) => Err(AddressError::Scheme { chain: net.name, scheme }),
            _ => Err(AddressError::Kind { chain: net.name }),
        }
    }

    fn canonical_address(&self, net: &Net, address: &str) -> Result<String, AddressError> {
        let address = Address::parse(address).map_err(|_| AddressError::Invalid { chain: net.name })?;
        Ok(address.to_string())
    }

    fn prepare(&self, net: &Net, tx: &[u8], context: &Context) -> Result<Prepared, PrepareError> {
        let Given { transaction, from } = read(tx)?;
        check_network(net, transaction.chain_id)?;
        transaction.check()?;
        let (key, signer) = signer(context, from)?;
        let explain = explain::explain(net, &transaction, signer, context)?;
        let request = SigningRequest {
            scheme: Scheme::EcdsaSecp256k1,
            payload: Payload::Digest(transaction.digest()),
            path: key.path.clone(),
            key: key.key,
            tweak: None,
            slot: 0,
        };
        Ok(Prepared { net: net.id, explain, requests: vec![request], body: tx.to_vec() })
    }

    fn assemble(
        &self,
        _: &Net,
        prepared: &Prepared,
        signatures: &[Signature],
    ) -> Result<Signed, AssembleError> {
        let Given { transaction, .. } = read(&prepared.body)?;
        let ([request], [signature]) = (prepared.requests.as_slice(), signatures) else {
            return Err(AssembleError::Count { needed: 1, got: signatures.len() });
        };
        let signature = recoverable(request, &transaction, signature)?;
        let transaction = transaction.signed(&signature).ok_or(AssembleError::Signature { index: 0 })?;
        let id = format!("0x{}", hex::encode(address::keccak(&transaction)));
        Ok(Signed::Complete { transaction, id })
    }
}

fn read(tx: &[u8]) -> Result<Given, PrepareError> {
    if json::is_json(tx) {
        return json::read(tx);
    }
    Ok(Given { transaction: Transaction::read(tx)?, from: None })
}

fn check_network(net: &Net, chain_id: u64) -> Result<(), PrepareError> {
    if parameters(net).0 == Some(chain_id) {
        return Ok(());
    }
    let bearer = crate::chains().find(|chain| parameters(chain.net()).0 == Some(chain_id));
    let name = bearer.map_or_else(String::new, |chain| format!(", which is {}", chain.net().name));
    Err(PrepareError::WrongNetwork { what: format!("its chain id is {chain_id}{name}") })
}

/// The network's chain id, and whether it takes a fee for data that the transaction doesn't limit.
const fn parameters(net: &Net) -> (Option<u64>, bool) {
    match net.parameters {
        Parameters::Ethereum { chain_id, data_fee } => (Some(chain_id), data_fee),
        _ => (None, false),
    }
}

const fn data_fee(net: &Net) -> bool {
    parameters(net).1
}

/// The key that signs, and its address.
fn signer(context: &Context, from: Option<Address>) -> Result<(&WalletKey, Address), PrepareError> {
    let known = || context.keys.iter().filter_map(|own| Some((own, Address::of_key(&own.key)?)));
    let Some(from) = from else {
        let first = known().next().ok_or(PrepareError::NotOurs)?;
        // The same key can be there twice.
        return if known().all(|(_, address)| address == first.1) {
            Ok(first)
        } else {
            Err(PrepareError::AmbiguousSigner)
        };
    };
    known().find(|(_, address)| *address == from).ok_or(PrepareError::NotOurs)
}

/// The signature as the transaction carries it: with what it takes to recover the key from it.
fn recoverable(
    request: &SigningRequest,
    transaction: &Transaction,
    signature: &Signature,
) -> Result<Recoverable, AssembleError> {
    let odd = match ecdsa::recovery_id(&request.key, &transaction.digest(), signature) {
        Ok(0) => false,
        Ok(1) => true,
        // There is no place in a transaction for the others.
        Ok(_) | Err(NoRecoveryId::Overflow) => return Err(AssembleError::NotRecoverable { index: 0 }),
        Err(_) => return Err(AssembleError::Signature { index: 0 }),
    };
    let (r, s) = signature.as_bytes().split_at(32);
    let number = |bytes| Word::from_bytes(bytes).ok_or(AssembleError::Signature { index: 0 });
    Ok(Recoverable { odd, r: number(r)?, s: number(s)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_named_after_their_chain_id() {
        for chain in crate::chains() {
            if let Parameters::Ethereum { chain_id, .. } = chain.net().parameters {
                assert_eq!(chain.net().id, format!("eip155:{chain_id}"), "{}", chain.net().name);
            }
        }
    }
}
