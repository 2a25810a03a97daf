//! What the adapters say, as texts that people read when they change.

use std::path::Path;

use bitcoin::absolute::LockTime;
use bitcoin::psbt::{Psbt, PsbtSighashType};
use bitcoin::script::PushBytesBuf;
use bitcoin::{ScriptBuf, Sequence, TapSighashType};
use quorate_chains::{Chain, Context, Explain, ForeignInputs, Sighashes};

use crate::support::{chain, out, psbt, taproot};
use crate::{bitcoin as taproot_tests, ethereum, solana};

/// Compares with the file of this name, or writes it when asked to.
fn golden(name: &str, chain: Chain, tx: &[u8], context: &Context) {
    let prepared = chain.prepare(tx, context).unwrap();
    let json = serde_json::to_string_pretty(prepared.explain()).unwrap() + "\n";
    assert_eq!(serde_json::from_str::<Explain>(&json).unwrap(), *prepared.explain(), "{name}");
    let text = format!("{}\n", prepared.explain());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/explain");
    let name = name.replace([' ', ','], "-").replace("--", "-");
    for (ending, told) in [("json", json), ("txt", text)] {
        let file = folder.join(format!("{name}.{ending}"));
        if std::env::var_os("QUORATE_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &told).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(told, expected, "{}: if this is meant, QUORATE_BLESS=1 writes it", file.display());
    }
}

#[test]
fn solana_transactions_are_explained_as_they_were() {
    for case in solana::cases() {
        let name = format!("solana {}", case.name);
        golden(&name, chain("solana"), &case.unsigned(), &solana::wallet().context());
    }
}

#[test]
fn ethereum_transactions_are_explained_as_they_were() {
    for case in ethereum::cases("built") {
        let name = format!("ethereum {}", case.name);
        golden(&name, chain(&case.network()), &case.unsigned(), &ethereum::wallet().context());
    }
}

#[test]
fn bitcoin_transactions_are_explained_as_they_were() {
    let (wallet, other) = (taproot_tests::wallet(), taproot_tests::other());
    let (own, foreign) = (taproot(&wallet, None), taproot(&other, None));
    let base = || {
        psbt(
            &[out(own.clone(), 100_000), out(own.clone(), 50_000)],
            &[out(foreign.clone(), 120_000), out(own.clone(), 29_000)],
        )
    };
    let show = |name: &str, psbt: &Psbt, context: &Context| {
        golden(&format!("bitcoin {name}"), chain("bitcoin"), &psbt.serialize(), context);
    };
    show("payment with change", &base(), &wallet.context());
    golden("signet payment with change", chain("signet"), &base().serialize(), &wallet.context());

    let mut data = base();
    let text = PushBytesBuf::try_from(b"invoice 7\x1b[2J".to_vec()).unwrap();
    data.unsigned_tx.output[1] = out(ScriptBuf::new_op_return(text), 0);
    data.unsigned_tx.output[0].value = bitcoin::Amount::from_sat(149_000);
    show("data output", &data, &wallet.context());

    let mut absurd = base();
    absurd.unsigned_tx.output[0].value = bitcoin::Amount::from_sat(10_000);
    show("absurd fee", &absurd, &wallet.context());

    let mut locked = base();
    locked.unsigned_tx.lock_time = LockTime::from_height(800_000).unwrap();
    show("locked until a height", &locked, &wallet.context());
    locked.unsigned_tx.input.iter_mut().for_each(|input| input.sequence = Sequence::MAX);
    show("lock that is off", &locked, &wallet.context());

    let mut bare = base();
    bare.unsigned_tx.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0x51]);
    show("output without an address", &bare, &wallet.context());

    let mut shared = base();
    shared.inputs[1].witness_utxo = Some(out(foreign.clone(), 50_000));
    shared.inputs[0].sighash_type = Some(PsbtSighashType::from(TapSighashType::SinglePlusAnyoneCanPay));
    let mut context = wallet.context();
    (context.foreign_inputs, context.sighashes) = (ForeignInputs::Leave, Sighashes::Any);
    show("shared and open to change", &shared, &context);
}
