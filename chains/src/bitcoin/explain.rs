//! What a PSBT does.

use std::collections::{BTreeMap, BTreeSet};

use ::bitcoin::absolute::LockTime;
use ::bitcoin::hashes::{Hash, sha256};
use ::bitcoin::{ScriptBuf, Transaction, TxOut, Weight};

use super::ownership::{Own, Ownership};
use super::psbt::Spending;
use super::script_address;
use crate::error::PrepareError;
use crate::explain::{
    Account, Asset, Bound, Call, Explain, Fee, Lifetime, Opaque, Transfer, Units, WarningKind, printable,
};
use crate::names;
use crate::net::Net;

/// The most addresses that an explanation names as senders, over all its transfers.
const MAX_NAMED: usize = 20_000;
/// Bytes of a script without an address that stand in its place; of longer ones it is their digest.
const SHOWN_SCRIPT: usize = 64;

/// Satoshis per virtual byte that nobody ever had to pay.
const ABSURD_RATE: u64 = 1000;
/// A fee above this is absurd when it is also a quarter of all that is spent.
const LARGE_FEE: u64 = 50_000;

pub(super) fn explain(
    net: &Net,
    spending: &Spending,
    owners: &[Option<Own>],
    ownership: &Ownership,
    bound: Bound,
) -> Result<Explain, PrepareError> {
    let transaction = &spending.psbt.unsigned_tx;
    let mut explain = Explain::new(net.id, lifetime(transaction));
    let inputs = spending.prevouts.iter().zip(owners);
    let from: BTreeSet<Account> = inputs
        .map(|(prevout, owner)| {
            let own = owner.is_some() || ownership.of_script(&prevout.script_pubkey);
            account(net, &prevout.script_pubkey, own)
        })
        .collect();
    let from: Vec<Account> = from.into_iter().collect();
    // Every transfer names all of them.
    let named = from.len().saturating_mul(transaction.output.len());
    if named > MAX_NAMED {
        let what = "the number of different spent addresses times outputs";
        return Err(PrepareError::TooLarge { what, got: named, limit: MAX_NAMED });
    }
    for (index, (output, map)) in transaction.output.iter().zip(&spending.psbt.outputs).enumerate() {
        let own = ownership.of_output(map, output);
        output_meaning(net, index, output, own, &from, &mut explain);
    }
    explain.fee = Some(fee(spending, bound, from, &mut explain));
    Ok(explain)
}

/// Adds what one output does.
fn output_meaning(
    net: &Net,
    index: usize,
    output: &TxOut,
    own: bool,
    from: &[Account],
    explain: &mut Explain,
) {
    let script = &output.script_pubkey;
    let place = format!("output {index}");
    if script.is_op_return() {
        let data = script.as_bytes().get(1..).unwrap_or_default();
        let mut arguments = BTreeMap::from([("data".to_owned(), hex::encode(data))]);
        if let Some(Ok(text)) = pushed(data).map(std::str::from_utf8) {
            arguments.insert("text".to_owned(), printable(text));
        }
        let (program, name) = (names::OP_RETURN.to_owned(), "data".to_owned());
        explain.calls.push(Call { place: place.clone(), program, name, arguments });
        if output.value.to_sat() == 0 {
            return;
        }
        explain.warn(WarningKind::Burned, format!("{place} destroys {} satoshis", output.value.to_sat()));
    } else if script_address(net, script).is_none() {
        let (reason, data) = ("a script without an address".to_owned(), hex::encode(script.as_bytes()));
        explain.opaque.push(Opaque { place, reason, program: None, data });
    } else if script.is_witness_program() && !(script.is_p2wpkh() || script.is_p2wsh() || script.is_p2tr()) {
        explain.warn(WarningKind::Burned, format!("{place}: whoever comes first can spend it"));
    }
    explain.transfers.push(Transfer {
        asset: Asset::Coin { symbol: net.symbol.to_owned(), decimals: net.decimals },
        amount: Units::from(output.value.to_sat()),
        from: from.to_vec(),
        to: account(net, script, own),
        authority: None,
    });
}

/// The bytes of a single plain push.
fn pushed(data: &[u8]) -> Option<&[u8]> {
    match data {
        [length @ 1..=75, rest @ ..] | [0x4C, length, rest @ ..] if rest.len() == usize::from(*length) => {
            Some(rest)
        }
        _ => None,
    }
}

fn account(net: &Net, script: &ScriptBuf, own: bool) -> Account {
    let address = script_address(net, script).unwrap_or_else(|| match script.as_bytes() {
        short if short.len() <= SHOWN_SCRIPT => format!("script:{}", hex::encode(short)),
        long => format!("script-sha256:{}", hex::encode(sha256::Hash::hash(long).to_byte_array())),
    });
    Account { address, own }
}

fn lifetime(transaction: &Transaction) -> Lifetime {
    match transaction.lock_time {
        _ if !transaction.is_lock_time_enabled() => Lifetime::Unlimited,
        LockTime::Blocks(height) if height.to_consensus_u32() == 0 => Lifetime::Unlimited,
        LockTime::Blocks(height) => Lifetime::FromHeight { height: height.to_consensus_u32() },
        LockTime::Seconds(time) => Lifetime::FromTime { time: time.to_consensus_u32() },
    }
}

fn fee(spending: &Spending, bound: Bound, payer: Vec<Account>, explain: &mut Explain) -> Fee {
    let fee = spending.input_sum.saturating_sub(spending.output_sum);
    let size = virtual_size(&spending.psbt.unsigned_tx).max(1);
    let rate = fee / size;
    if rate > ABSURD_RATE || (fee > LARGE_FEE && fee > spending.input_sum / 4) {
        let text = format!(
            "the fee is {fee} satoshis, {rate} per virtual byte, of {} that are spent",
            spending.input_sum
        );
        explain.warn(WarningKind::AbsurdFee, text);
    }
    Fee { amount: Units::from(fee), bound, payer }
}

/// The size that counts, taking every input for one of Taproot by key.
fn virtual_size(transaction: &Transaction) -> u64 {
    // Two bytes say that there are witnesses; each is a count, a length and 64 bytes.
    let inputs = u64::try_from(transaction.input.len()).unwrap_or(u64::MAX);
    let witnesses = Weight::from_wu(inputs.saturating_mul(66).saturating_add(2));
    (transaction.weight() + witnesses).to_vbytes_ceil()
}
