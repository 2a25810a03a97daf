//! Keys, signatures and checks made by libraries that the adapters don't use.

use bitcoin::consensus::serialize;
use bitcoin::psbt::Psbt;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use ed25519_dalek::Signer;
use quorate_chains::{Chain, Context, PrepareError, Prepared, Signed, SigningRequest, Tweak};
use quorate_keys::{PublicKey, Scheme, Signature};
use secp256k1::{Keypair, Message, Scalar, Secp256k1, SecretKey, XOnlyPublicKey};
use sha2::{Digest, Sha256};

pub(crate) use crate::library::flips;

/// What is changed, and how.
pub(crate) type Change<T> = (&'static str, fn(&mut T));

pub(crate) fn chain(name: &str) -> Chain {
    quorate_chains::find(name).unwrap()
}

pub(crate) fn code(result: Result<Prepared, PrepareError>) -> &'static str {
    match result {
        Ok(prepared) => panic!("prepared: {:?}", prepared.explain()),
        Err(error) => error.code(),
    }
}

/// The whole private key of a wallet, which exists in tests only.
#[derive(Clone)]
pub(crate) enum Wallet {
    Solana(ed25519_dalek::SigningKey),
    Bitcoin(Keypair),
    Ethereum(SecretKey),
}

impl Wallet {
    pub(crate) fn solana(seed: u8) -> Self {
        Self::Solana(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }

    pub(crate) fn bitcoin(secret: [u8; 32]) -> Self {
        Self::Bitcoin(Keypair::from_seckey_slice(&Secp256k1::new(), &secret).unwrap())
    }

    pub(crate) fn ethereum(secret: [u8; 32]) -> Self {
        Self::Ethereum(SecretKey::from_slice(&secret).unwrap())
    }

    pub(crate) fn key(&self) -> PublicKey {
        match self {
            Self::Solana(key) => PublicKey::from_bytes(Scheme::Ed25519, key.verifying_key().as_bytes()),
            Self::Bitcoin(pair) => {
                PublicKey::from_bytes(Scheme::Bip340, &pair.x_only_public_key().0.serialize())
            }
            Self::Ethereum(secret) => {
                let point = secret.public_key(&Secp256k1::new()).serialize_uncompressed();
                PublicKey::from_bytes(Scheme::EcdsaSecp256k1, &point)
            }
        }
        .unwrap()
    }

    pub(crate) fn context(&self) -> Context {
        Context::new(self.key())
    }

    /// Signs what is asked, after checking that it is asked of this wallet.
    pub(crate) fn sign(&self, request: &SigningRequest) -> Signature {
        assert_eq!(request.key, self.key());
        let payload = request.payload.as_bytes();
        match self {
            Self::Solana(key) => {
                assert_eq!((request.scheme, request.tweak), (Scheme::Ed25519, None));
                Signature::from_bytes(key.sign(payload).to_bytes())
            }
            Self::Bitcoin(pair) => {
                assert_eq!(request.scheme, Scheme::Bip340);
                let Some(Tweak::Taproot(root)) = request.tweak else { panic!("no tweak") };
                let context = Secp256k1::new();
                let internal = pair.x_only_public_key().0.serialize();
                let tweak = tagged(
                    "TapTweak",
                    &[&internal[..], root.as_ref().map_or(&[], |root| &root[..])].concat(),
                );
                let payload = Message::from_digest_slice(payload).unwrap();
                let pair = pair.add_xonly_tweak(&context, &Scalar::from_be_bytes(tweak).unwrap()).unwrap();
                Signature::from_bytes(context.sign_schnorr_no_aux_rand(&payload, &pair).serialize())
            }
            Self::Ethereum(secret) => {
                assert_eq!((request.scheme, request.tweak), (Scheme::EcdsaSecp256k1, None));
                let payload = Message::from_digest_slice(payload).unwrap();
                Signature::from_bytes(Secp256k1::new().sign_ecdsa(&payload, secret).serialize_compact())
            }
        }
    }

    /// Prepares, signs everything, assembles.
    pub(crate) fn through(&self, chain: Chain, tx: &[u8], context: &Context) -> Signed {
        let prepared = chain.prepare(tx, context).unwrap();
        let signatures: Vec<Signature> =
            prepared.requests().iter().map(|request| self.sign(request)).collect();
        chain.assemble(&prepared, &signatures).unwrap()
    }
}

pub(crate) fn complete(signed: Signed) -> (Vec<u8>, String) {
    match signed {
        Signed::Complete { transaction, id } => (transaction, id),
        other => panic!("not complete: {other:?}"),
    }
}

pub(crate) fn partial(signed: Signed) -> Vec<u8> {
    match signed {
        Signed::Partial { transaction } => transaction,
        other => panic!("complete: {other:?}"),
    }
}

fn hash(parts: impl Iterator<Item = Vec<u8>>) -> [u8; 32] {
    Sha256::digest(parts.flatten().collect::<Vec<u8>>()).into()
}

fn tagged(tag: &str, data: &[u8]) -> [u8; 32] {
    let tag = Sha256::digest(tag);
    Sha256::new().chain_update(tag).chain_update(tag).chain_update(data).finalize().into()
}

/// Whether a validator would take all inputs as Taproot spends by key with signatures over the whole transaction: hash of
/// BIP-341 written again from its text, verification by libsecp256k1.
pub(crate) fn bitcoin_accepts(transaction: &[u8], prevouts: &[TxOut]) -> bool {
    let Ok(transaction) = bitcoin::consensus::deserialize::<Transaction>(transaction) else { return false };
    if transaction.input.len() != prevouts.len() {
        return false;
    }
    let inputs = || transaction.input.iter();
    for (index, (input, prevout)) in transaction.input.iter().zip(prevouts).enumerate() {
        let script = prevout.script_pubkey.as_bytes();
        let witness = input.witness.to_vec();
        if script.len() != 34
            || script[..2] != [0x51, 0x20]
            || witness.len() != 1
            || !input.script_sig.is_empty()
        {
            return false;
        }
        let kind = match witness[0].len() {
            64 => 0,
            65 if witness[0][64] == 1 => 1,
            _ => return false,
        };
        let mut message = vec![0, kind];
        message.extend(transaction.version.0.to_le_bytes());
        message.extend(transaction.lock_time.to_consensus_u32().to_le_bytes());
        message.extend(hash(inputs().map(|input| serialize(&input.previous_output))));
        message.extend(hash(prevouts.iter().map(|out| out.value.to_sat().to_le_bytes().to_vec())));
        message.extend(hash(prevouts.iter().map(|out| serialize(&out.script_pubkey))));
        message.extend(hash(inputs().map(|input| input.sequence.0.to_le_bytes().to_vec())));
        message.extend(hash(transaction.output.iter().map(serialize)));
        message.push(0);
        message.extend(u32::try_from(index).unwrap().to_le_bytes());
        let key = XOnlyPublicKey::from_slice(&script[2..]);
        let signature = secp256k1::schnorr::Signature::from_slice(&witness[0][..64]).unwrap();
        let digest = Message::from_digest(tagged("TapSighash", &message));
        if key.is_err() || Secp256k1::new().verify_schnorr(&signature, &digest, &key.unwrap()).is_err() {
            return false;
        }
    }
    true
}

/// The output script of a wallet's key, by libsecp256k1.
pub(crate) fn taproot(wallet: &Wallet, root: Option<[u8; 32]>) -> ScriptBuf {
    let Wallet::Bitcoin(pair) = wallet else { panic!("not on secp256k1") };
    let internal = pair.x_only_public_key().0;
    let root = root.as_ref().map_or(&[][..], |root| &root[..]);
    let tweak = tagged("TapTweak", &[&internal.serialize()[..], root].concat());
    let (output, _) = internal.add_tweak(&Secp256k1::new(), &Scalar::from_be_bytes(tweak).unwrap()).unwrap();
    let mut script = vec![0x51, 0x20];
    script.extend(output.serialize());
    ScriptBuf::from_bytes(script)
}

pub(crate) fn out(script: ScriptBuf, satoshis: u64) -> TxOut {
    TxOut { value: Amount::from_sat(satoshis), script_pubkey: script }
}

/// A PSBT that spends these outputs, each shown in `witness_utxo` and nothing else said.
pub(crate) fn psbt(prevouts: &[TxOut], outputs: &[TxOut]) -> Psbt {
    let input = |index: usize| TxIn {
        previous_output: OutPoint { txid: txid(index), vout: u32::try_from(index).unwrap() },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    };
    let transaction = Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: (0..prevouts.len()).map(input).collect(),
        output: outputs.to_vec(),
    };
    let mut psbt = Psbt::from_unsigned_tx(transaction).unwrap();
    for (input, prevout) in psbt.inputs.iter_mut().zip(prevouts) {
        input.witness_utxo = Some(prevout.clone());
    }
    psbt
}

fn txid(index: usize) -> Txid {
    format!("{:064x}", index + 0x1234).parse().unwrap()
}
