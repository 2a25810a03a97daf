//! Reading a PSBT, and all that can be checked without knowing whose it is.

use std::collections::BTreeSet;

use ::bitcoin::consensus::encode;
use ::bitcoin::psbt::{self, Input, Psbt};
use ::bitcoin::{Amount, Network, NetworkKind, TxOut};

use crate::error::PrepareError;
use crate::explain::printable;

/// The most bytes of a PSBT.
const MAX_BYTES: usize = 512 * 1024;
/// The most inputs, and the most outputs.
const MAX_COUNT: usize = 1000;

/// A PSBT, and what it spends.
pub(super) struct Spending {
    pub(super) psbt: Psbt,
    /// For every input the output that it spends.
    pub(super) prevouts: Vec<TxOut>,
    /// What the inputs are worth.
    pub(super) input_sum: u64,
    /// What the outputs are worth.
    pub(super) output_sum: u64,
}

impl Spending {
    pub(super) fn read(bytes: &[u8], network: Network) -> Result<Self, PrepareError> {
        let psbt = decode(bytes)?;
        check_fields(&psbt)?;
        check_network(&psbt, network)?;
        check_inputs(&psbt)?;
        let prevouts = psbt.inputs.iter().enumerate().map(|(index, input)| prevout(&psbt, index, input));
        let prevouts: Vec<TxOut> = prevouts.collect::<Result<_, _>>()?;
        let inputs = sum(&prevouts)?;
        let outputs = sum(&psbt.unsigned_tx.output)?;
        if outputs > inputs {
            return Err(PrepareError::Overspent { inputs, outputs });
        }
        Ok(Self { psbt, prevouts, input_sum: inputs, output_sum: outputs })
    }

    pub(super) fn inputs(&self) -> impl Iterator<Item = (usize, &Input, &TxOut)> {
        let inputs = self.psbt.inputs.iter().zip(&self.prevouts);
        inputs.enumerate().map(|(index, (input, prevout))| (index, input, prevout))
    }
}

fn decode(bytes: &[u8]) -> Result<Psbt, PrepareError> {
    if bytes.len() > MAX_BYTES {
        return Err(PrepareError::TooLarge { what: "the PSBT", got: bytes.len(), limit: MAX_BYTES });
    }
    let mut rest = bytes;
    let psbt = Psbt::deserialize_from_reader(&mut rest).map_err(|error| refusal(&error, bytes.len()))?;
    if !rest.is_empty() {
        return Err(PrepareError::Trailing { bytes: rest.len() });
    }
    Ok(psbt)
}

fn refusal(error: &psbt::Error, at: usize) -> PrepareError {
    let ends = |error: &::bitcoin::io::Error| error.kind() == ::bitcoin::io::ErrorKind::UnexpectedEof;
    match error {
        psbt::Error::Io(error) if ends(error) => PrepareError::Truncated { at, what: "the PSBT" },
        psbt::Error::ConsensusEncoding(encode::Error::Io(error)) if ends(error) => {
            PrepareError::Truncated { at, what: "the PSBT" }
        }
        psbt::Error::InvalidMagic | psbt::Error::InvalidSeparator => {
            PrepareError::malformed("a PSBT begins with the bytes 70736274ff")
        }
        psbt::Error::MustHaveUnsignedTx => {
            PrepareError::unsupported("a PSBT without a whole transaction: only version 0 is read")
        }
        // The texts can quote keys at length.
        other => PrepareError::malformed(printable(&other.to_string().chars().take(200).collect::<String>())),
    }
}

/// Only fields that are understood, or known to be of no importance here.
fn check_fields(psbt: &Psbt) -> Result<(), PrepareError> {
    if psbt.version != 0 {
        return Err(PrepareError::unsupported(format!("PSBT version {}", psbt.version)));
    }
    let global = !psbt.unknown.is_empty() || !psbt.proprietary.is_empty();
    let input = psbt.inputs.iter().position(|map| !map.unknown.is_empty() || !map.proprietary.is_empty());
    let output = psbt.outputs.iter().position(|map| !map.unknown.is_empty() || !map.proprietary.is_empty());
    match (global, input, output) {
        (true, ..) => Err(PrepareError::unsupported("an unknown field of the PSBT")),
        (_, Some(input), _) => Err(PrepareError::unsupported(format!("an unknown field of input {input}"))),
        (_, _, Some(output)) => {
            Err(PrepareError::unsupported(format!("an unknown field of output {output}")))
        }
        (false, None, None) => Ok(()),
    }
}

/// A PSBT names its network in extended keys only, and then only whether it is the main one.
fn check_network(psbt: &Psbt, network: Network) -> Result<(), PrepareError> {
    let kind = NetworkKind::from(network);
    match psbt.xpub.keys().find(|key| key.network != kind) {
        None => Ok(()),
        Some(key) => Err(PrepareError::WrongNetwork { what: format!("it lists {key}") }),
    }
}

fn check_inputs(psbt: &Psbt) -> Result<(), PrepareError> {
    let transaction = &psbt.unsigned_tx;
    for (what, got) in
        [("the list of inputs", transaction.input.len()), ("the list of outputs", transaction.output.len())]
    {
        if got > MAX_COUNT {
            return Err(PrepareError::TooLarge { what, got, limit: MAX_COUNT });
        }
        if got == 0 {
            return Err(PrepareError::malformed(format!("{what} is empty")));
        }
    }
    let mut spent = BTreeSet::new();
    for (index, input) in transaction.input.iter().enumerate() {
        if input.previous_output.is_null() {
            return Err(PrepareError::malformed(format!("input {index} spends no output")));
        }
        if !spent.insert(input.previous_output) {
            return Err(PrepareError::malformed(format!("input {index} spends what an earlier one does")));
        }
    }
    Ok(())
}

/// The output that an input spends. A previous transaction is proven by its id; what is only claimed is bound by the
/// signatures.
fn prevout(psbt: &Psbt, index: usize, input: &Input) -> Result<TxOut, PrepareError> {
    let lies = |what| PrepareError::PrevoutMismatch { input: index, what };
    let missing = PrepareError::PrevoutMissing { input: index };
    let spends = psbt.unsigned_tx.input.get(index).ok_or_else(|| missing.clone())?.previous_output;
    let Some(transaction) = &input.non_witness_utxo else {
        return input.witness_utxo.clone().ok_or(missing);
    };
    if transaction.compute_txid() != spends.txid {
        return Err(lies("non_witness_utxo is another transaction"));
    }
    let vout = usize::try_from(spends.vout).unwrap_or(usize::MAX);
    let output = transaction.output.get(vout).ok_or(lies("the previous transaction has no such output"))?;
    if input.witness_utxo.as_ref().is_some_and(|claimed| claimed != output) {
        return Err(lies("witness_utxo and non_witness_utxo differ"));
    }
    Ok(output.clone())
}

fn sum(outputs: &[TxOut]) -> Result<u64, PrepareError> {
    let mut sum = Amount::ZERO;
    for output in outputs {
        sum = sum
            .checked_add(output.value)
            .filter(|sum| *sum <= Amount::MAX_MONEY)
            .ok_or_else(|| PrepareError::malformed("amounts of more coins than there will ever be"))?;
    }
    Ok(sum.to_sat())
}
