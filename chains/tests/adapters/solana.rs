//! Solana transactions.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::Signer;
use proptest::prelude::*;
use quorate_chains::{
    AddressKind, AssembleError, Blame, Context, Lifetime, Payload, PrepareError, Units, WarningKind,
};
use quorate_keys::{PublicKey, Scheme, Signature};
use serde::Deserialize;

use crate::support::{Change, Wallet, chain, code, complete, flips, partial};

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    unsigned: String,
    message: String,
    signed: String,
}

impl Case {
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        STANDARD.decode(&self.unsigned).unwrap()
    }

    fn message(&self) -> Vec<u8> {
        STANDARD.decode(&self.message).unwrap()
    }

    fn signed(&self) -> Vec<u8> {
        STANDARD.decode(&self.signed).unwrap()
    }
}

pub(crate) fn cases() -> Vec<Case> {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Case>,
    }
    serde_json::from_str::<File>(include_str!("../data/solana.json")).unwrap().cases
}

pub(crate) fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

pub(crate) fn wallet() -> Wallet {
    Wallet::solana(8)
}

fn prepare(tx: &[u8]) -> Result<quorate_chains::Prepared, PrepareError> {
    chain("solana").prepare(tx, &wallet().context())
}

/// A message of any shape, right or wrong.
#[derive(Clone)]
struct Raw {
    version: Option<u8>,
    header: [u8; 3],
    keys: Vec<[u8; 32]>,
    /// Program, accounts, data.
    instructions: Vec<(u8, Vec<u8>, Vec<u8>)>,
    /// Table, entries to write, entries to read.
    lookups: Vec<([u8; 32], Vec<u8>, Vec<u8>)>,
}

impl Raw {
    /// The wallet sends 49 lamports to key 2.
    fn transfer() -> Self {
        let wallet: [u8; 32] = wallet().key().as_bytes().try_into().unwrap();
        Self {
            version: Some(0),
            header: [1, 0, 1],
            keys: vec![wallet, [2; 32], [0; 32]],
            instructions: vec![(2, vec![0, 1], [&[2, 0, 0, 0][..], &49_u64.to_le_bytes()].concat())],
            lookups: Vec::new(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let list = |out: &mut Vec<u8>, bytes: &[u8]| {
            length(out, bytes.len());
            out.extend(bytes);
        };
        let mut out = Vec::new();
        length(&mut out, self.header[0].into());
        out.extend(vec![0; 64 * usize::from(self.header[0])]);
        out.extend(self.version.map(|version| version | 0x80));
        out.extend(self.header);
        length(&mut out, self.keys.len());
        out.extend(self.keys.iter().flatten());
        out.extend([9; 32]);
        length(&mut out, self.instructions.len());
        for (program, accounts, data) in &self.instructions {
            out.push(*program);
            list(&mut out, accounts);
            list(&mut out, data);
        }
        if self.version.is_some() {
            length(&mut out, self.lookups.len());
            for (table, writable, readonly) in &self.lookups {
                out.extend(table);
                list(&mut out, writable);
                list(&mut out, readonly);
            }
        }
        out
    }
}

fn length(out: &mut Vec<u8>, mut length: usize) {
    while length > 0x7F {
        out.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// @solana/web3.js, test/transaction.test.ts, "parse wire format and serialize": 49 lamports from the key of seed 8.
const WEB3_JS: &str = "AVuErQHaXv0SG0/PchunfxHKt8wMRfMZzqV0tkC5qO6owYxWU2v871AoWywGoFQr4z+q/7mE8lIufNl/kxj+nQ0BAAEDE5j2LG0a\
    RXxRumpLXz29L2n8qTIWIY3ImX5Ba9F9k8r9Q5/Mtmcn8onFxt47xKj+XdXXd3C8j/FcPu7csUrz/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAxJrndgN4IFTxep3s6kO0ROug7bEsbx0xxuDkqEvwUusBAgIAAQwCAAAAMQAAAAAAAAA=";

#[test]
fn the_vector_of_the_reference_library_is_read_and_signed_alike() {
    let signed = STANDARD.decode(WEB3_JS).unwrap();
    let mut unsigned = signed.clone();
    unsigned[1..65].fill(0);
    let prepared = prepare(&unsigned).unwrap();
    let [transfer] = prepared.explain().transfers.as_slice() else { panic!("not one transfer") };
    assert_eq!(transfer.amount, Units(49));
    assert_eq!(transfer.to.address, "J3dxNj7nDRRqRRXuEMynDG57DkZK4jYRuv3Garmb1i99");
    let lifetime =
        Lifetime::Blockhash { blockhash: "EETubP5AKHgjPAhzPAFcb8BAY1hMH639CWCFTqi3hq1k".to_owned() };
    assert_eq!(prepared.explain().lifetime, lifetime);
    let (transaction, id) = complete(wallet().through(chain("solana"), &unsigned, &wallet().context()));
    assert_eq!(transaction, signed);
    assert_eq!(id, bs58_of(&signed[1..65]));
    // What is signed already can be signed again, and stays as it is.
    assert_eq!(complete(wallet().through(chain("solana"), &signed, &wallet().context())).0, signed);
}

fn bs58_of(bytes: &[u8]) -> String {
    bitcoin::base58::encode(bytes)
}

#[test]
fn transactions_of_the_reference_library_are_signed_as_it_signs_them() {
    let payer_and_account = Wallet::solana(10);
    for case in cases() {
        let prepared = prepare(&case.unsigned()).unwrap();
        let [request] = prepared.requests() else { panic!("{}: not one request", case.name) };
        assert_eq!(request.payload, Payload::Message(case.message()), "{}", case.name);
        let mut signed = wallet().through(chain("solana"), &case.unsigned(), &wallet().context());
        if prepared.explain().warnings.iter().any(|warning| warning.kind == WarningKind::OtherSigners) {
            let half = partial(signed);
            signed = payer_and_account.through(chain("solana"), &half, &payer_and_account.context());
        }
        let (transaction, id) = complete(signed);
        assert_eq!(transaction, case.signed(), "{}", case.name);
        assert_eq!(id, bs58_of(&transaction[1..65]));
        verify_independently(&transaction, &case.message());
    }
}

/// Every signature under its key, by dalek alone.
fn verify_independently(transaction: &[u8], message: &[u8]) {
    let count = usize::from(transaction[0]);
    let keys = if message[0] == 0x80 { 5 } else { 4 };
    for signer in 0..count {
        let key: [u8; 32] = message[keys + 32 * signer..][..32].try_into().unwrap();
        let signature: [u8; 64] = transaction[1 + 64 * signer..][..64].try_into().unwrap();
        let key = ed25519_dalek::VerifyingKey::from_bytes(&key).unwrap();
        key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature)).unwrap();
    }
}

#[test]
fn both_signers_of_one_wallet_are_asked() {
    let case = case("two signers, another pays");
    let keys = [wallet(), Wallet::solana(10)];
    let mut context = wallet().context();
    context.keys.extend(keys[1].context().keys);
    let prepared = chain("solana").prepare(&case.unsigned(), &context).unwrap();
    let [first, second] = prepared.requests() else { panic!("not two requests") };
    let signatures = [keys[1].sign(first), keys[0].sign(second)];
    let (transaction, _) = complete(chain("solana").assemble(&prepared, &signatures).unwrap());
    assert_eq!(transaction, case.signed());
    let swapped = chain("solana").assemble(&prepared, &[signatures[1], signatures[0]]);
    assert_eq!(swapped, Err(AssembleError::Signature { index: 0 }));
}

#[test]
fn no_beginning_of_a_transaction_is_one() {
    for case in cases() {
        let bytes = case.unsigned();
        for end in 0..bytes.len() {
            assert_eq!(code(prepare(&bytes[..end])), "transaction_truncated", "{} {end}", case.name);
        }
    }
}

#[test]
fn nothing_may_follow_a_transaction() {
    for case in cases() {
        for more in [&[0][..], &[0xFF], &[0; 32]] {
            let bytes = [&case.unsigned(), more].concat();
            assert_eq!(code(prepare(&bytes)), "trailing_bytes", "{}", case.name);
        }
    }
}

#[test]
fn a_transaction_is_no_larger_than_a_packet() {
    let with_memo = |size: usize| {
        let mut raw = Raw::transfer();
        raw.keys.push([7; 32]);
        raw.header[2] = 2;
        raw.instructions.push((3, vec![], vec![b'm'; size]));
        raw.bytes()
    };
    let fits = 1232 - with_memo(200).len() + 200;
    assert_eq!(with_memo(fits).len(), 1232);
    assert!(prepare(&with_memo(fits)).is_ok());
    let expected = PrepareError::TooLarge { what: "the transaction", got: 1233, limit: 1232 };
    assert_eq!(prepare(&with_memo(fits + 1)), Err(expected));
    assert_eq!(code(prepare(&vec![0; 1 << 24])), "transaction_too_large");
}

#[test]
fn versions_after_0_are_refused() {
    for version in 1..0x80 {
        let bytes = Raw { version: Some(version), ..Raw::transfer() }.bytes();
        assert_eq!(code(prepare(&bytes)), "unsupported_transaction", "{version}");
    }
    assert!(prepare(&Raw { version: None, ..Raw::transfer() }.bytes()).is_ok());
}

#[test]
fn a_bare_message_is_no_transaction() {
    for case in cases() {
        assert!(prepare(&case.message()).is_err(), "{}", case.name);
    }
}

#[test]
fn whatever_bit_changes_the_payload_changes_or_the_transaction_is_refused() {
    for case in cases() {
        let mut base = case.unsigned();
        for state in ["unsigned", "signed"] {
            let payload = prepare(&base).unwrap().requests()[0].payload.clone();
            for (bit, changed) in flips(&base) {
                if let Ok(prepared) = prepare(&changed) {
                    assert_ne!(prepared.requests()[0].payload, payload, "{} {state} bit {bit}", case.name);
                    assert_ne!(state, "signed", "{} keeps its signatures with bit {bit} changed", case.name);
                }
            }
            base = case.signed();
        }
    }
}

#[test]
fn only_a_signer_is_asked_to_sign() {
    let tx = case("legacy transfer").unsigned();
    // Key 9 receives, key 77 is not there, and there may be no key at all.
    for seed in [9, 77] {
        let refused = chain("solana").prepare(&tx, &Wallet::solana(seed).context());
        assert_eq!(refused, Err(PrepareError::NotOurs));
    }
    assert_eq!(chain("solana").prepare(&tx, &Context::with_keys(vec![])), Err(PrepareError::NotOurs));
}

#[test]
fn keys_of_another_scheme_are_the_callers_fault() {
    let key = Wallet::bitcoin([7; 32]);
    let error = chain("solana").prepare(&case("legacy transfer").unsigned(), &key.context()).unwrap_err();
    assert_eq!((error.code(), error.blame()), ("wrong_scheme", Blame::Caller));
    assert_eq!(chain("solana").address(&key.key(), AddressKind::Default).unwrap_err().code(), "wrong_scheme");
}

#[test]
fn headers_lists_and_indices_that_validators_refuse_are_refused() {
    let change = |name: &str, change: fn(&mut Raw)| {
        let mut raw = Raw::transfer();
        change(&mut raw);
        assert_eq!(code(prepare(&raw.bytes())), "malformed_transaction", "{name}");
    };
    change("no signer", |raw| raw.header[0] = 0);
    change("no signer who can pay", |raw| raw.header[1] = 1);
    change("more signers than accounts", |raw| raw.header[0] = 4);
    change("more accounts in the header than there are", |raw| raw.header[2] = 3);
    change("an account twice", |raw| raw.keys[1] = raw.keys[0]);
    change("the payer as program", |raw| raw.instructions[0].0 = 0);
    change("no such program", |raw| raw.instructions[0].0 = 3);
    change("no such account", |raw| raw.instructions[0].1[1] = 3);
    change("an empty lookup", |raw| raw.lookups.push(([3; 32], vec![], vec![])));
    change("a program in a lookup table", |raw| {
        raw.lookups.push(([3; 32], vec![0], vec![]));
        raw.instructions[0].0 = 3;
    });
    change("more than 256 accounts", |raw| raw.lookups.push(([3; 32], vec![0; 127], vec![0; 127])));
    change("two compute limits", |raw| {
        let program = bitcoin::base58::decode("ComputeBudget111111111111111111111111111111").unwrap();
        raw.keys.push(program.try_into().unwrap());
        raw.header[2] = 2;
        raw.instructions.extend(vec![(3, vec![], vec![2, 1, 0, 0, 0]); 2]);
    });
    // And with all of that right, it is fine.
    let mut raw = Raw::transfer();
    raw.lookups.push(([3; 32], vec![0; 127], vec![0; 126]));
    assert!(prepare(&raw.bytes()).is_ok());
}

#[test]
fn fewer_or_more_places_for_signatures_than_signers_are_refused() {
    let bytes = case("legacy transfer").unsigned();
    let message = &bytes[65..];
    let none = [&[0][..], message].concat();
    let two = [&[2][..], &[0; 128], message].concat();
    for tx in [none, two] {
        assert_eq!(code(prepare(&tx)), "malformed_transaction");
    }
}

#[test]
fn a_signature_that_is_there_already_must_be_valid() {
    let case = case("two signers, another pays");
    let mut tx = case.unsigned();
    // The other's signature of another message.
    let other = ed25519_dalek::SigningKey::from_bytes(&[10; 32]).sign(b"another message");
    tx[1..65].copy_from_slice(&other.to_bytes());
    assert_eq!(prepare(&tx), Err(PrepareError::PresentSignature { slot: 0 }));
    let mut tx = case.unsigned();
    tx[1..65].copy_from_slice(&case.signed()[1..65]);
    let (transaction, _) = complete(wallet().through(chain("solana"), &tx, &wallet().context()));
    assert_eq!(transaction, case.signed());
}

#[test]
fn assembling_takes_exactly_the_valid_signatures() {
    let prepared = prepare(&case("legacy transfer").unsigned()).unwrap();
    let good = wallet().sign(&prepared.requests()[0]);
    let assemble = |signatures: &[Signature]| chain("solana").assemble(&prepared, signatures);
    assert_eq!(assemble(&[]), Err(AssembleError::Count { needed: 1, got: 0 }));
    assert_eq!(assemble(&[good, good]), Err(AssembleError::Count { needed: 1, got: 2 }));
    for (bit, bad) in flips(good.as_bytes()) {
        let error = assemble(&[Signature::from_bytes(bad.try_into().unwrap())]).unwrap_err();
        assert_eq!(error, AssembleError::Signature { index: 0 }, "bit {bit}");
        assert_eq!((error.code(), error.blame()), ("invalid_signature", Blame::Signer));
    }
    let zeros = Signature::from_bytes([0; 64]);
    assert_eq!(assemble(&[zeros]), Err(AssembleError::Signature { index: 0 }));
    let elsewhere = chain("solana-devnet").assemble(&prepared, &[good]).unwrap_err();
    assert_eq!(elsewhere.code(), "wrong_network");
    assert!(assemble(&[good]).is_ok());
}

#[test]
fn addresses_are_base58_of_32_bytes() {
    let solana = chain("solana");
    // The key of seed 8, as the reference library's test has it in the transaction.
    let address = "2KW2XRd9kwqet15Aha2oK3tYvd3nWbTFH1MBiRAv1BE1";
    assert_eq!(solana.address(&wallet().key(), AddressKind::Default).unwrap(), address);
    assert_eq!(chain("solana-devnet").address(&wallet().key(), AddressKind::Default).unwrap(), address);
    assert_eq!(
        solana.address(&wallet().key(), AddressKind::Taproot { merkle_root: [0; 32] }).unwrap_err().code(),
        "wrong_address_kind"
    );
    assert_eq!(solana.check_address(address), Ok(()));
    assert_eq!(solana.check_address("11111111111111111111111111111111"), Ok(()));
    for bad in [
        "",
        "1",
        "0",
        // With 43 digits it could still be 32 bytes.
        &address[2..],
        &format!("{address}1"),
        &format!("1{address}"),
        "2KW2XRd9kwqet15Aha2oK3tYvd3nWbTFH1MBiRAv1BE0",
        "bc1p",
        &"1".repeat(100_000),
    ] {
        assert_eq!(solana.check_address(bad).unwrap_err().code(), "invalid_address", "{:.50}", bad);
    }
}

#[test]
fn instructions_that_are_not_known_to_the_last_byte_are_opaque() {
    let variants: [fn(&mut Raw); 6] = [
        |raw| raw.instructions[0].2.push(0),
        |raw| raw.instructions[0].2.truncate(11),
        |raw| raw.instructions[0].2[0] = 3,
        |raw| raw.instructions[0].2.clear(),
        |raw| raw.instructions[0].1.push(1),
        // From an account that has not signed.
        |raw| raw.instructions[0].1 = vec![1, 0],
    ];
    for (number, change) in variants.iter().enumerate() {
        let mut raw = Raw::transfer();
        change(&mut raw);
        let prepared = prepare(&raw.bytes()).unwrap();
        let explain = prepared.explain();
        assert!(!explain.is_complete() && explain.transfers.is_empty(), "{number}: {explain:?}");
    }
    assert!(prepare(&Raw::transfer().bytes()).unwrap().explain().is_complete());
}

/// Who pays, account, wallet, mint, and the programs: the instruction that makes an account for a token.
fn creation(token_program: &str, data: &[u8]) -> Raw {
    let key = |address: &str| <[u8; 32]>::try_from(bitcoin::base58::decode(address).unwrap()).unwrap();
    let mut raw = Raw::transfer();
    let associated = key("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
    raw.keys = vec![raw.keys[0], [2; 32], [3; 32], [4; 32], [0; 32], key(token_program), associated];
    raw.header = [1, 0, 5];
    raw.instructions = vec![(6, vec![0, 1, 2, 3, 4, 5], data.to_vec())];
    raw
}

const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const TOKEN_2022: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";

#[test]
fn what_a_new_account_for_a_token_costs_its_payer_is_a_transfer() {
    for (token_program, rent) in [(TOKEN, 2_039_280), (TOKEN_2022, 2_248_080)] {
        for data in [&[][..], &[0], &[1]] {
            let prepared = prepare(&creation(token_program, data).bytes()).unwrap();
            let explain = prepared.explain();
            let ([paid], [call]) = (explain.transfers.as_slice(), explain.calls.as_slice()) else {
                panic!("{explain}")
            };
            assert_eq!(paid.amount, Units(rent));
            assert!(paid.from[0].own && !paid.to.own && explain.is_complete());
            assert_eq!(paid.to.address, bs58_of(&[2; 32]));
            assert_eq!(call.arguments["rent"], format!("at most {rent} lamports"));
        }
    }
    let variants: [Change<Raw>; 4] = [
        ("a token program that nobody knows", |raw| raw.keys[5] = [5; 32]),
        ("a payer who has not signed", |raw| raw.instructions[0].1[0] = 2),
        ("an account more", |raw| raw.instructions[0].1.push(1)),
        ("another instruction", |raw| raw.instructions[0].2 = vec![2]),
    ];
    for (what, change) in variants {
        let mut raw = creation(TOKEN, &[1]);
        change(&mut raw);
        let prepared = prepare(&raw.bytes()).unwrap();
        let explain = prepared.explain();
        assert!(
            explain.opaque.len() == 1 && explain.transfers.is_empty() && explain.calls.is_empty(),
            "{what}"
        );
    }
}

#[test]
fn coins_for_an_account_of_another_program_are_a_transfer_and_the_rest_is_opaque() {
    let mut raw = Raw::transfer();
    raw.header = [2, 0, 1];
    let data = [&[0; 4][..], &1_000_000_u64.to_le_bytes(), &165_u64.to_le_bytes(), &[7; 32]].concat();
    raw.instructions[0].2 = data;
    let prepared = prepare(&raw.bytes()).unwrap();
    let explain = prepared.explain();
    let ([paid], [opaque]) = (explain.transfers.as_slice(), explain.opaque.as_slice()) else {
        panic!("{explain}")
    };
    assert_eq!((paid.amount, paid.to.address.clone()), (Units(1_000_000), bs58_of(&[2; 32])));
    assert_eq!(opaque.reason, "an account for another program, which decides about it");
}

#[test]
fn accounts_in_lookup_tables_are_counted_as_validators_do_and_are_opaque() {
    for (index, expected) in [(3, ([4; 32], 7)), (4, ([5; 32], 9)), (5, ([4; 32], 8)), (6, ([5; 32], 10))] {
        let mut raw = Raw::transfer();
        raw.lookups = vec![([4; 32], vec![7], vec![8]), ([5; 32], vec![9], vec![10])];
        raw.instructions[0].1 = vec![0, index];
        let prepared = prepare(&raw.bytes()).unwrap();
        let explain = prepared.explain();
        let (table, entry) = expected;
        assert_eq!(explain.transfers[0].to.address, format!("table:{}/{entry}", bs58_of(&table)));
        assert!(!explain.transfers[0].to.own && explain.opaque.len() == 1);
    }
}

#[test]
fn a_nonce_counts_only_in_front_if_it_is_advanced_by_a_signer() {
    let sysvar = bitcoin::base58::decode("SysvarRecentB1ockHashes11111111111111111111").unwrap();
    let mut raw = Raw::transfer();
    raw.keys = vec![raw.keys[0], [3; 32], raw.keys[1], sysvar.try_into().unwrap(), [0; 32]];
    raw.header = [1, 0, 2];
    raw.instructions[0] = (4, vec![0, 2], raw.instructions[0].2.clone());
    raw.instructions.insert(0, (4, vec![1, 3, 0], vec![4, 0, 0, 0]));
    let durable = |raw: &Raw| {
        let prepared = prepare(&raw.bytes()).unwrap();
        let short = prepared.explain().warnings.iter().any(|warning| warning.kind == WarningKind::ShortLived);
        let durable = matches!(prepared.explain().lifetime, Lifetime::DurableNonce { .. });
        assert_ne!(short, durable);
        durable
    };
    assert!(durable(&raw));
    let mut second = raw.clone();
    second.instructions.swap(0, 1);
    assert!(!durable(&second));
    let variants: [Change<Raw>; 5] = [
        ("somebody else's to advance", |raw| raw.instructions[0].1[2] = 2),
        ("an account that is read only", |raw| raw.instructions[0].1[0] = 3),
        ("another account than the system's", |raw| raw.instructions[0].1[1] = 2),
        ("more data", |raw| raw.instructions[0].2.push(0)),
        ("fewer accounts", |raw| raw.instructions[0].1.truncate(2)),
    ];
    for (what, change) in variants {
        let mut raw = raw.clone();
        change(&mut raw);
        // A validator may see it as durable all the same, so it is not called short-lived.
        assert_eq!(prepare(&raw.bytes()).unwrap_err().code(), "unsupported_transaction", "{what}");
    }
}

#[test]
fn too_many_keys_are_refused() {
    let tx = case("legacy transfer").unsigned();
    let mut context = wallet().context();
    context.keys = vec![context.keys[0].clone(); Context::MAX_KEYS + 1];
    assert_eq!(chain("solana").prepare(&tx, &context).unwrap_err().code(), "context_too_large");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..1300)) {
        let _ = prepare(&bytes);
    }

    #[test]
    fn no_damage_panics(
        which in 0_usize..13,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = cases()[which].unsigned();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = prepare(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = prepare(&bytes);
    }

    #[test]
    fn keys_and_addresses_belong_together(secret: [u8; 32]) {
        let key = ed25519_dalek::SigningKey::from_bytes(&secret).verifying_key();
        let key = PublicKey::from_bytes(Scheme::Ed25519, key.as_bytes()).unwrap();
        let address = chain("solana").address(&key, AddressKind::Default).unwrap();
        prop_assert_eq!(bitcoin::base58::decode(&address).unwrap(), key.as_bytes());
        prop_assert_eq!(chain("solana").check_address(&address), Ok(()));
    }
}
