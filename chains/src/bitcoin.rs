//! Bitcoin, Taproot key path: partially signed transactions (BIP-174, version 0) in, transactions out.
//!
//! A Taproot signature commits to amount and script of every output that the transaction spends (BIP-341), so a PSBT that
//! lies about one of them gets signatures that are worth nothing. Lies that show are refused all the same.
//!
//! - Every input must show what it spends; a previous transaction, where given, must have the right id.
//! - An input is the wallet's when its script is the output key of one of the wallet's keys, tweaked with the merkle root
//!   that the PSBT gives or with none. Spending by script is not supported.
//! - Change is what goes to a key of the wallet *without* scripts: behind a script tree somebody else could wait.

mod explain;
mod ownership;
mod psbt;

use ::bitcoin::hashes::Hash;
use ::bitcoin::key::{TweakedPublicKey, XOnlyPublicKey};
use ::bitcoin::psbt::Input;
use ::bitcoin::secp256k1::schnorr;
use ::bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use ::bitcoin::{Address, Network, Script, ScriptBuf, Transaction, TxOut, Witness, consensus, taproot};
use quorate_keys::{PublicKey, Scheme, Signature};

use crate::adapter::{Adapter, AddressKind, Payload, Prepared, Signed, SigningRequest, Tweak};
use crate::context::{Context, ForeignInputs, Sighashes};
use crate::error::{AddressError, AssembleError, PrepareError};
use crate::explain::{Bound, WarningKind};
use crate::net::{BitcoinNetwork, Net, Parameters};
use ownership::{Own, Ownership};
use psbt::Spending;

/// The adapter.
pub(crate) struct Bitcoin;

impl Adapter for Bitcoin {
    fn address(&self, net: &Net, key: &PublicKey, kind: AddressKind) -> Result<String, AddressError> {
        let root = match kind {
            AddressKind::Default => None,
            AddressKind::Taproot { merkle_root } => Some(merkle_root),
        };
        if key.scheme() != Scheme::Bip340 {
            return Err(AddressError::Scheme { chain: net.name, scheme: key.scheme() });
        }
        let script = taproot_script(key, root.as_ref()).ok_or(AddressError::NoAddress)?;
        script_address(net, &script).ok_or(AddressError::NoAddress)
    }

    fn canonical_address(&self, net: &Net, address: &str) -> Result<String, AddressError> {
        // Of bech32, which may be written in capitals, small letters.
        checked_address(net, address).map(|address| address.to_string())
    }

    fn prepare(&self, net: &Net, tx: &[u8], context: &Context) -> Result<Prepared, PrepareError> {
        let spending = Spending::read(tx, net_network(net))?;
        let ownership = Ownership::new(context);
        let owners =
            spending.inputs().map(|(index, input, prevout)| ownership.of_input(index, input, prevout));
        let owners: Vec<Option<Own>> = owners.collect::<Result<_, _>>()?;
        if owners.iter().all(Option::is_none) {
            return Err(PrepareError::NotOurs);
        }
        let mut requests = Vec::new();
        let mut warnings = Vec::new();
        let mut bound = Bound::Exact;
        let mut hashes = SighashCache::new(&spending.psbt.unsigned_tx);
        for ((index, input, prevout), owner) in spending.inputs().zip(&owners) {
            let Some(own) = owner else {
                if context.foreign_inputs == ForeignInputs::Refuse {
                    return Err(PrepareError::ForeignInput { input: index });
                }
                if !check_foreign(&mut hashes, &spending, index, input, prevout)? {
                    warnings.push((
                        WarningKind::ForeignInput,
                        format!("input {index} is not the wallet's, and its signature is not checked here"),
                    ));
                }
                continue;
            };
            let sighash = sighash(index, input, context.sighashes)?;
            if let Some(change) = left_open(index, sighash) {
                // The fee is the difference between inputs and outputs, whichever of them can be changed.
                bound = Bound::Open;
                let text = format!("input {index} is signed with {sighash}: others can {change}");
                warnings.push((WarningKind::WeakSighash, text));
            }
            let digest = digest(&mut hashes, &spending, index, sighash)?;
            let request = SigningRequest {
                scheme: Scheme::Bip340,
                payload: Payload::Digest(digest),
                path: own.key.path.clone(),
                key: own.key.key,
                tweak: Some(Tweak::Taproot(own.merkle_root)),
                slot: index,
            };
            check_own(index, input, sighash, &request)?;
            requests.push(request);
        }
        // Last, when nothing is left to refuse: it can be long.
        let mut explain = explain::explain(net, &spending, &owners, &ownership, bound)?;
        for (kind, text) in warnings {
            explain.warn(kind, text);
        }
        Ok(Prepared { net: net.id, explain, requests, body: tx.to_vec() })
    }

    fn assemble(
        &self,
        net: &Net,
        prepared: &Prepared,
        signatures: &[Signature],
    ) -> Result<Signed, AssembleError> {
        let Spending { mut psbt, .. } = Spending::read(&prepared.body, net_network(net))?;
        for (index, (request, signature)) in prepared.requests.iter().zip(signatures).enumerate() {
            let invalid = AssembleError::Signature { index };
            let input = psbt.inputs.get_mut(request.slot).ok_or_else(|| invalid.clone())?;
            let sighash_type = sighash(request.slot, input, Sighashes::Any)?;
            let signature = schnorr::Signature::from_slice(signature.as_bytes()).map_err(|_| invalid)?;
            input.tap_key_sig = Some(taproot::Signature { signature, sighash_type });
        }
        match complete(&psbt.unsigned_tx, &psbt.inputs) {
            Some(transaction) => Ok(Signed::Complete {
                id: transaction.compute_txid().to_string(),
                transaction: consensus::serialize(&transaction),
            }),
            None => Ok(Signed::Partial { transaction: psbt.serialize() }),
        }
    }
}

/// The transaction with what makes each input final, or none if one is not.
fn complete(unsigned: &Transaction, inputs: &[Input]) -> Option<Transaction> {
    let mut transaction = unsigned.clone();
    for (input, from) in transaction.input.iter_mut().zip(inputs) {
        match (&from.final_script_sig, &from.final_script_witness, &from.tap_key_sig) {
            (None, None, Some(signature)) => input.witness = Witness::p2tr_key_spend(signature),
            (None, None, None) => return None,
            (script, witness, _) => {
                input.script_sig = script.clone().unwrap_or_default();
                input.witness = witness.clone().unwrap_or_default();
            }
        }
    }
    Some(transaction)
}

/// The kind of signature that an input wants.
fn sighash(index: usize, input: &Input, allowed: Sighashes) -> Result<TapSighashType, PrepareError> {
    let named = |sighash: String| PrepareError::Sighash { input: index, sighash };
    let number = || input.sighash_type.map_or(0, |kind| kind.to_u32());
    let kind = input.taproot_hash_ty().map_err(|_| named(format!("0x{:02x}", number())))?;
    match (kind, allowed) {
        (TapSighashType::Default | TapSighashType::All, _) | (_, Sighashes::Any) => Ok(kind),
        (_, Sighashes::All) => Err(named(kind.to_string())),
    }
}

/// What a signature of this kind at this input leaves to others to do with the transaction, if anything.
fn left_open(index: usize, sighash: TapSighashType) -> Option<String> {
    use TapSighashType::{
        All, AllPlusAnyoneCanPay, Default, None as NoOutput, NonePlusAnyoneCanPay, Single,
        SinglePlusAnyoneCanPay,
    };
    const INPUTS: &str = "add inputs and leave others out";
    match sighash {
        Default | All => None,
        AllPlusAnyoneCanPay => Some(INPUTS.to_owned()),
        NoOutput => Some("change all outputs".to_owned()),
        Single => Some(format!("change all outputs but output {index}")),
        NonePlusAnyoneCanPay => Some(format!("change all outputs, {INPUTS}")),
        SinglePlusAnyoneCanPay => Some(format!("change all outputs but output {index}, {INPUTS}")),
    }
}

type Hashes<'a> = SighashCache<&'a Transaction>;

/// What an input's signature signs.
fn digest(
    hashes: &mut Hashes<'_>,
    spending: &Spending,
    index: usize,
    sighash: TapSighashType,
) -> Result<[u8; 32], PrepareError> {
    let prevouts = Prevouts::All(&spending.prevouts);
    // The one thing that fails: SINGLE without an output in the input's place.
    hashes
        .taproot_key_spend_signature_hash(index, &prevouts, sighash)
        .map(|hash| hash.to_byte_array())
        .map_err(|_| PrepareError::Sighash { input: index, sighash: sighash.to_string() })
}

/// Checks what one of the wallet's inputs carries already.
fn check_own(
    index: usize,
    input: &Input,
    sighash: TapSighashType,
    request: &SigningRequest,
) -> Result<(), PrepareError> {
    if input.final_script_sig.is_some() || input.final_script_witness.is_some() {
        return Err(PrepareError::unsupported(format!("input {index} is the wallet's, and final already")));
    }
    match &input.tap_key_sig {
        None => Ok(()),
        Some(signature) => {
            let valid = request.verify(&Signature::from_bytes(signature.signature.serialize())).is_ok();
            if valid && signature.sighash_type == sighash {
                Ok(())
            } else {
                Err(PrepareError::PresentSignature { slot: index })
            }
        }
    }
}

/// Checks another's signature where that is a Taproot one by key. Returns whether there was one.
fn check_foreign(
    hashes: &mut Hashes<'_>,
    spending: &Spending,
    index: usize,
    input: &Input,
    prevout: &TxOut,
) -> Result<bool, PrepareError> {
    let invalid = PrepareError::PresentSignature { slot: index };
    if prevout.script_pubkey.is_witness_program()
        && input.final_script_sig.as_ref().is_some_and(|script| !script.is_empty())
    {
        // Nothing but a witness spends it (BIP-141).
        return Err(invalid);
    }
    let Some(output_key) = output_key(&prevout.script_pubkey) else {
        // A Taproot signature for what is no Taproot output.
        return if input.tap_key_sig.is_some() { Err(invalid) } else { Ok(false) };
    };
    let signature = match (&input.final_script_witness, input.tap_key_sig) {
        (Some(witness), _) => match witness.to_vec().as_slice() {
            [signature] => taproot::Signature::from_slice(signature).map_err(|_| invalid.clone())?,
            // By script, or with an annex.
            _ => return Ok(false),
        },
        (None, Some(signature)) => signature,
        (None, None) => return Ok(false),
    };
    let key = PublicKey::from_bytes(Scheme::Bip340, &output_key).map_err(|_| invalid.clone())?;
    let digest = digest(hashes, spending, index, signature.sighash_type).map_err(|_| invalid.clone())?;
    key.verify(&digest, &Signature::from_bytes(signature.signature.serialize())).map_err(|_| invalid)?;
    Ok(true)
}

/// The output script of a wallet's key.
fn taproot_script(key: &PublicKey, merkle_root: Option<&[u8; 32]>) -> Option<ScriptBuf> {
    let (_, output) = quorate_keys::taproot::tweak(key, merkle_root).ok()?;
    let output = XOnlyPublicKey::from_slice(output.as_bytes()).ok()?;
    Some(ScriptBuf::new_p2tr_tweaked(TweakedPublicKey::dangerous_assume_tweaked(output)))
}

/// The output key of a Taproot script.
fn output_key(script: &Script) -> Option<[u8; 32]> {
    if !script.is_p2tr() {
        return None;
    }
    script.as_bytes().last_chunk().copied()
}

fn net_network(net: &Net) -> Network {
    match net.parameters {
        Parameters::Bitcoin(BitcoinNetwork::Testnet3) => Network::Testnet,
        Parameters::Bitcoin(BitcoinNetwork::Testnet4) => Network::Testnet4,
        Parameters::Bitcoin(BitcoinNetwork::Signet) => Network::Signet,
        Parameters::Bitcoin(BitcoinNetwork::Regtest) => Network::Regtest,
        _ => Network::Bitcoin,
    }
}

fn script_address(net: &Net, script: &Script) -> Option<String> {
    Address::from_script(script, net_network(net)).ok().map(|address| address.to_string())
}

fn checked_address(net: &Net, address: &str) -> Result<Address, AddressError> {
    let parsed: Address<_> = address.parse().map_err(|_| AddressError::Invalid { chain: net.name })?;
    let wrong = |_| AddressError::WrongNetwork { chain: net.name };
    parsed.require_network(net_network(net)).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use ::bitcoin::constants::ChainHash;

    use super::*;

    #[test]
    fn networks_are_named_after_the_hash_of_their_first_block() {
        for chain in crate::chains() {
            if let Parameters::Bitcoin(_) = chain.net().parameters {
                // A block's hash is written backwards.
                let mut hash = ChainHash::using_genesis_block_const(net_network(chain.net())).to_bytes();
                hash.reverse();
                let name = hex::encode(hash);
                assert_eq!(chain.net().id, format!("bip122:{}", &name[..32]), "{}", chain.net().name);
            }
        }
    }
}
