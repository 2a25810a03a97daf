//! Kinds of signature, and what they leave open.

use super::*;

#[test]
fn sighash_all_is_signed_with_its_byte() {
    let mut psbt = payment();
    psbt.inputs[1].sighash_type = Some(PsbtSighashType::from(TapSighashType::All));
    let (transaction, _) =
        complete(wallet().through(chain("bitcoin"), &psbt.serialize(), &wallet().context()));
    assert!(bitcoin_accepts(&transaction, &prevouts()));
    let transaction: Transaction = bitcoin::consensus::deserialize(&transaction).unwrap();
    let lengths: Vec<usize> = transaction.input.iter().map(|input| input.witness.to_vec()[0].len()).collect();
    assert_eq!(lengths, [64, 65]);
}

#[test]
fn other_sighashes_are_refused_unless_the_context_allows_them() {
    for kind in [0x02, 0x03, 0x81, 0x82, 0x83] {
        let mut psbt = payment();
        psbt.inputs[0].sighash_type = Some(PsbtSighashType::from_u32(kind));
        assert_eq!(code(prepare(&psbt)), "sighash_refused", "{kind:02x}");
        let mut context = wallet().context();
        context.sighashes = Sighashes::Any;
        let prepared = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
        let kinds: Vec<_> = prepared.explain().warnings.iter().map(|warning| warning.kind).collect();
        assert_eq!(kinds, [WarningKind::WeakSighash], "{kind:02x}");
    }
    // Numbers that are no kind at all are refused in any case.
    for kind in [0x04, 0x80, 0x84, 0xFF, 0x100, 0x101, u32::MAX] {
        let mut psbt = payment();
        psbt.inputs[0].sighash_type = Some(PsbtSighashType::from_u32(kind));
        let mut context = wallet().context();
        context.sighashes = Sighashes::Any;
        let refused = chain("bitcoin").prepare(&psbt.serialize(), &context);
        assert_eq!(code(refused), "sighash_refused", "{kind:02x}");
    }
    // SINGLE in the place of no output.
    let mut psbt = payment();
    psbt.unsigned_tx.output.pop();
    psbt.outputs.pop();
    psbt.inputs[1].sighash_type = Some(PsbtSighashType::from(TapSighashType::Single));
    let mut context = wallet().context();
    context.sighashes = Sighashes::Any;
    assert_eq!(code(chain("bitcoin").prepare(&psbt.serialize(), &context)), "sighash_refused");
}

#[test]
fn a_fee_that_others_can_change_is_not_called_fixed() {
    let (inputs, outputs) = ("add inputs and leave others out", "change all outputs");
    for (kind, bound, told) in [
        (0x00, Bound::Exact, vec![]),
        (0x01, Bound::Exact, vec![]),
        (0x02, Bound::Open, vec![outputs]),
        (0x03, Bound::Open, vec!["change all outputs but output 1"]),
        (0x81, Bound::Open, vec![inputs]),
        (0x82, Bound::Open, vec![outputs, inputs]),
        (0x83, Bound::Open, vec!["change all outputs but output 1", inputs]),
    ] {
        let mut psbt = payment();
        // The other input's signature is over everything; this one can be taken elsewhere all the same.
        psbt.inputs[1].sighash_type = Some(PsbtSighashType::from_u32(kind));
        let mut context = wallet().context();
        context.sighashes = Sighashes::Any;
        let prepared = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
        let explain = prepared.explain();
        let fee = explain.fee.as_ref().unwrap();
        assert_eq!((fee.bound, fee.amount), (bound, Units(1000)), "{kind:02x}");
        let line = explain.lines().into_iter().find(|line| line.starts_with("fee")).unwrap();
        assert_eq!(line.contains("not fixed, 0.00001 BTC"), bound == Bound::Open, "{kind:02x}: {line}");
        let warning = explain.warnings.first().map_or("", |warning| &warning.text);
        assert!(told.iter().all(|told| warning.contains(told)), "{kind:02x}: {warning}");
    }
}
