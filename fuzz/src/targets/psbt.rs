//! Partially signed Bitcoin transactions, as whoever wants one signed hands them over.

use bitcoin::psbt::Psbt;
use bitcoin::secp256k1::{Keypair, Message, Scalar, Secp256k1};
use bitcoin::{
    Address, Amount, OutPoint, ScriptBuf, Sequence, TapSighashType, Transaction, TxIn, TxOut, Witness,
    absolute::LockTime, hashes::Hash, transaction::Version,
};
use quorate_chains::{
    AddressKind, Chain, Context, ForeignInputs, Sighashes, SigningRequest, Tweak, WalletRoot, find,
};
use quorate_keys::{ChainCode, Curve, DerivationPath, GroupKey, PublicKey, Scheme, Signature, taproot};

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target { name: "psbt", seeds, words: &["psbt"], run };

const SECRET: [u8; 32] = [7; 32];

/// A wallet's key, and what it is on the chain.
struct Wallet {
    pair: Keypair,
    chain: Chain,
    root: WalletRoot,
    key: PublicKey,
    child: PublicKey,
}

impl Wallet {
    fn new() -> Option<Self> {
        let pair = Keypair::from_seckey_slice(&Secp256k1::new(), &SECRET).ok()?;
        let key = GroupKey::from_bytes(Curve::Secp256k1, &pair.public_key().serialize()).ok()?;
        let root = WalletRoot { key, chain_code: ChainCode::new([3; 32]) };
        let child = root.child(&Self::path()?, Scheme::Bip340)?.key;
        let key = key.public_key(Scheme::Bip340).ok()?;
        Some(Self { pair, chain: find("bitcoin").ok()?, root, key, child })
    }

    fn path() -> Option<DerivationPath> {
        "m/1/2".parse().ok()
    }

    fn script(&self, key: &PublicKey, kind: AddressKind) -> Option<ScriptBuf> {
        let address: Address<_> = self.chain.address(key, kind).ok()?.parse().ok()?;
        Some(address.assume_checked().script_pubkey())
    }

    /// The wallet's own signature, if it is its own key that is asked for.
    fn sign(&self, request: &SigningRequest) -> Option<Signature> {
        let Some(Tweak::Taproot(root)) = request.tweak else { return None };
        let (tweak, _) = taproot::tweak(&self.key, root.as_ref()).ok()?;
        let secp = Secp256k1::new();
        let pair = self.pair.add_xonly_tweak(&secp, &Scalar::from_be_bytes(tweak).ok()?).ok()?;
        let message = Message::from_digest_slice(request.payload.as_bytes()).ok()?;
        let signature = secp.sign_schnorr_no_aux_rand(&message, &pair).serialize();
        (request.key == self.key).then(|| Signature::from_bytes(signature))
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    try_seeds().unwrap_or_default()
}

/// Plain; with all that an input and an output can say; and shared with somebody.
fn try_seeds() -> Option<Vec<Vec<u8>>> {
    let wallet = Wallet::new()?;
    let own = wallet.script(&wallet.key, AddressKind::Default)?;
    let tree = wallet.script(&wallet.key, AddressKind::Taproot { merkle_root: [5; 32] })?;
    let child = wallet.script(&wallet.child, AddressKind::Default)?;
    let internal = |key: &PublicKey| bitcoin::XOnlyPublicKey::from_slice(key.as_bytes()).ok();
    let foreign = ScriptBuf::from_bytes([&[0, 20][..], &[1; 20]].concat());
    let out = |script: &ScriptBuf, satoshis| TxOut {
        value: Amount::from_sat(satoshis),
        script_pubkey: script.clone(),
    };
    let plain =
        unsigned(&[out(&own, 100_000), out(&own, 50_000)], &[out(&foreign, 120_000), out(&own, 29_000)])?;

    let mut full =
        unsigned(&[out(&tree, 100_000), out(&child, 50_000)], &[out(&foreign, 70_000), out(&child, 1)])?;
    full.unsigned_tx.lock_time = LockTime::from_consensus(800_000);
    full.unsigned_tx.output.push(out(&ScriptBuf::from_bytes(vec![0x6A, 2, b'h', b'i']), 0));
    full.outputs.push(Default::default());
    let origin = (vec![], (Default::default(), Wallet::path()?.to_string().parse().ok()?));
    if let [first, second] = full.inputs.as_mut_slice() {
        first.tap_internal_key = internal(&wallet.key);
        first.tap_merkle_root = Some(bitcoin::TapNodeHash::from_byte_array([5; 32]));
        first.sighash_type = Some(TapSighashType::All.into());
        second.tap_internal_key = internal(&wallet.child);
        second.tap_key_origins.insert(internal(&wallet.child)?, origin.clone());
    }
    if let Some(output) = full.outputs.get_mut(1) {
        output.tap_internal_key = internal(&wallet.child);
        output.tap_key_origins.insert(internal(&wallet.child)?, origin);
    }
    // The first input shows the whole transaction that it spends.
    let previous = plain.unsigned_tx.clone();
    let mut shown = unsigned(&[out(&own, 29_000), out(&foreign, 50_000)], &[out(&foreign, 30_000)])?;
    if let ([first, ..], [input, ..]) = (shown.inputs.as_mut_slice(), shown.unsigned_tx.input.as_mut_slice())
    {
        input.previous_output = OutPoint { txid: previous.compute_txid(), vout: 1 };
        first.non_witness_utxo = Some(previous);
    }
    Some([plain, full, shown].map(|psbt| psbt.serialize()).into())
}

fn unsigned(spent: &[TxOut], outputs: &[TxOut]) -> Option<Psbt> {
    let input = |vout| TxIn {
        previous_output: OutPoint { txid: bitcoin::Txid::from_byte_array([6; 32]), vout },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    };
    let count = u32::try_from(spent.len()).ok()?;
    let transaction = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: (0..count).map(input).collect(),
        output: outputs.to_vec(),
    };
    let mut psbt = Psbt::from_unsigned_tx(transaction).ok()?;
    for (input, out) in psbt.inputs.iter_mut().zip(spent) {
        input.witness_utxo = Some(out.clone());
    }
    Some(psbt)
}

fn run(input: &[u8]) -> Outcome {
    let Some(wallet) = Wallet::new() else { return Outcome::refused(&"no wallet") };
    let mut context = Context::new(wallet.key);
    context.root = Some(wallet.root);
    let strict = wallet.chain.prepare(input, &context);
    (context.foreign_inputs, context.sighashes) = (ForeignInputs::Leave, Sighashes::Any);
    let prepared = match wallet.chain.prepare(input, &context) {
        Ok(prepared) => prepared,
        Err(error) => {
            assert!(strict.is_err(), "what a strict context allows, another one refuses: {error}");
            return Outcome::refused(&error);
        }
    };
    if let Ok(strict) = strict {
        assert_eq!(strict, prepared, "being strict changes nothing but what is refused");
    }
    super::explained(prepared.explain());
    let signatures: Option<Vec<Signature>> =
        prepared.requests().iter().map(|request| wallet.sign(request)).collect();
    if let Some(signatures) = signatures {
        let signed = wallet.chain.assemble(&prepared, &signatures);
        assert!(signed.is_ok(), "signed by all who were asked, but {signed:?}");
        if let Ok(quorate_chains::Signed::Partial { transaction }) = signed {
            let again = wallet.chain.prepare(&transaction, &context);
            assert_eq!(
                again.as_ref().map(|again| again.requests()),
                Ok(prepared.requests()),
                "signing changes nothing of what is signed"
            );
        }
    }
    Outcome::accepted()
}
