//! `policy check`: what it answers, and how it ends.

use std::path::Path;

use bitcoin::psbt::Psbt;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, XOnlyPublicKey};
use quorate_chains::{AddressKind, WalletKey, WalletRoot};
use quorate_keys::{ChainCode, Curve, GroupKey, Scheme};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Ended, run};

/// The generator of the curve.
const GROUP_KEY: &str = "0x0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const CHAIN_CODE: [u8; 32] = [7; 32];
const PAYEE: &str = "bc1pfqarxerx6v0zh6zcj2f3a3np8jselxn8vgefdx95c0n328qpzg4ssw6kv5";
const CONTRACT: &str = "0x28C6c06298d514Db089934071355E5743bf21d60";

fn policy() -> String {
    format!(
        r#"version: 3
initiators:
  backend: {{key: "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", operations: [sign], wallets: [hot-*]}}
authorizers:
  alice: "0xfc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
  bob: "0x278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e"
assets:
  BTC: {{chain: bitcoin}}
  ETH: {{chain: ethereum}}
addresses:
  payees: {{bitcoin: [{PAYEE}], ethereum: ["{CONTRACT}"]}}
rules:
  - {{name: small, destinations: [payees], at_most: [0.0013 BTC], fee_at_most: [0.0001 BTC, 0.01 ETH]}}
  - {{name: large, destinations: [payees], at_most: [1 BTC], fee_at_most: [0.001 BTC], approvals: {{threshold: 2, of: [alice, bob]}}}}
  - {{name: staking, fee_at_most: [0.01 ETH], calls: [{{chain: ethereum, contract: "{CONTRACT}", functions: ["0xa694fc3a"]}}]}}
"#
    )
}

fn child(path: &str) -> WalletKey {
    let key = GroupKey::from_hex(Curve::Secp256k1, GROUP_KEY).unwrap();
    let root = WalletRoot { key, chain_code: ChainCode::new(CHAIN_CODE) };
    root.child(&path.parse().unwrap(), Scheme::Bip340).unwrap()
}

fn script(address: &str) -> ScriptBuf {
    address.parse::<bitcoin::Address<_>>().unwrap().assume_checked().script_pubkey()
}

/// The wallet's key at `m/0/0` pays so many satoshis of 200,000, and the rest, but for the fee of a thousand, goes to `m/1/5`.
fn payment(satoshis: u64) -> Psbt {
    let bitcoin = quorate_chains::find("bitcoin").unwrap();
    let address = |key: &WalletKey| bitcoin.address(&key.key, AddressKind::Default).unwrap();
    let (from, change) = (child("m/0/0"), child("m/1/5"));
    let out = |script, satoshis| TxOut { value: Amount::from_sat(satoshis), script_pubkey: script };
    let input = TxIn {
        previous_output: OutPoint { txid: format!("{:064x}", 7).parse().unwrap(), vout: 0 },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    };
    let transaction = Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![input],
        output: vec![out(script(PAYEE), satoshis), out(script(&address(&change)), 199_000 - satoshis)],
    };
    let mut psbt = Psbt::from_unsigned_tx(transaction).unwrap();
    psbt.inputs[0].witness_utxo = Some(out(script(&address(&from)), 200_000));
    let internal = XOnlyPublicKey::from_slice(change.key.as_bytes()).unwrap();
    let origin = (Default::default(), "m/1/5".parse().unwrap());
    psbt.outputs[1].tap_internal_key = Some(internal);
    psbt.outputs[1].tap_key_origins.insert(internal, (Vec::new(), origin));
    psbt
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("policy.yaml"), policy()).unwrap();
        std::fs::write(folder.path().join("small.psbt"), payment(129_000).serialize()).unwrap();
        std::fs::write(folder.path().join("large.psbt"), payment(150_000).serialize()).unwrap();
        let stake = json!({
            "type": 2, "chainId": 1, "nonce": 0, "to": CONTRACT, "value": 0, "gasLimit": 70_000, "data": "0xa694fc3a",
            "maxFeePerGas": "30000000000", "maxPriorityFeePerGas": "1000000000",
        });
        std::fs::write(folder.path().join("stake.json"), stake.to_string()).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn check(&self, more: &[&str]) -> Ended {
        let file = self.path("policy.yaml");
        let asked = ["policy", "check", &file, "--wallet", "hot-1", "--initiator", "backend"];
        run(&[&asked[..], more].concat())
    }

    /// A PSBT, as a node reads it that signs with `m/0/0`.
    fn psbt(&self, name: &str, more: &[&str]) -> Ended {
        let (file, chain_code) = (self.path(name), format!("0x{}", hex::encode(CHAIN_CODE)));
        let asked =
            ["--chain", "bitcoin", "--tx", &file, "--group-key", GROUP_KEY, "--chain-code", &chain_code];
        self.check(&[&asked[..], more].concat())
    }
}

#[track_caller]
fn ended(ended: &Ended, code: i32, words: &str) {
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(code), "{text}");
    assert!(text.contains(words), "{words:?} is not in {text}");
}

#[test]
fn what_a_node_would_sign_ends_well_and_change_to_other_keys_of_the_wallet_is_change() {
    let files = Files::new();
    let at = ["--path", "m/0/0"];
    ended(&files.psbt("small.psbt", &at), 0, "signed, by rule \"small\"");
    ended(&run(&["policy", "check", &files.path("policy.yaml")]), 0, "rules        small, large, staking");

    // Whoever knows that one key alone takes the change for a payment.
    let (file, key) = (files.path("small.psbt"), format!("0x{}", hex::encode(child("m/0/0").key.as_bytes())));
    let alone = files.check(&["--chain", "bitcoin", "--tx", &file, "--public-key", &key]);
    ended(&alone, 4, "is not among payees");
    // The key at another path has nothing to sign.
    ended(&files.psbt("small.psbt", &["--path", "m/0/1"]), 4, "(not_ours)");
    ended(&files.psbt("small.psbt", &[]), 4, "(not_ours)");
}

#[test]
fn what_is_denied_and_what_is_not_approved_yet_end_differently() {
    let files = Files::new();
    let large = |more: &[&str]| files.psbt("large.psbt", &[&["--path", "m/0/0"], more].concat());
    let error = "error: rule \"large\" allows it once 2 of alice, bob have approved: ";
    ended(&large(&[]), 5, &format!("{error}none of them has"));
    ended(&large(&["--approved-by", "bob"]), 5, &format!("{error}bob has"));
    ended(&large(&["--approved-by", "bob,alice"]), 0, "signed, by rule \"large\"");
    ended(&large(&["--approved-by", "mallory"]), 2, "the policy has no authorizer mallory");
    ended(
        &files.check(&["--raw"]),
        4,
        "the policy denies it: no rule allows it; small: it is about transactions",
    );

    let unapproved = large(&["--json"]);
    assert_eq!(unapproved.code, Some(5));
    let report: Value = serde_json::from_str(&unapproved.stdout).unwrap();
    assert_eq!((&report["decision"], &report["threshold"]), (&json!("unapproved"), &json!(2)));
    let error: Value = serde_json::from_str(&unapproved.stderr).unwrap();
    assert_eq!(error["code"], "unapproved");

    let denied = files.check(&["--raw", "--json"]);
    assert_eq!(denied.code, Some(4));
    assert_eq!(serde_json::from_str::<Value>(&denied.stdout).unwrap()["decision"], "denied");
    // Out of the initiator's scope.
    let file = files.path("policy.yaml");
    let cold = run(&["policy", "check", &file, "--wallet", "cold", "--initiator", "backend", "--raw"]);
    ended(&cold, 4, "initiator backend may not ask for wallet cold");
}

#[test]
fn what_nobody_can_explain_is_judged_where_the_request_allows_it() {
    let files = Files::new();
    let (file, key) = (files.path("stake.json"), uncompressed());
    let stake = |more: &[&str]| {
        files.check(&[&["--chain", "ethereum", "--tx", &file, "--public-key", &key], more].concat())
    };
    ended(&stake(&[]), 4, "and opaque is not allowed (--allow-opaque) (transaction_refused)");
    ended(&stake(&["--allow-opaque"]), 0, "signed, by rule \"staking\"");
    // The wallet's group key does as well.
    let chain_code = format!("0x{}", hex::encode(CHAIN_CODE));
    let of_wallet = files.check(&[
        "--chain",
        "ethereum",
        "--tx",
        &file,
        "--group-key",
        GROUP_KEY,
        "--chain-code",
        &chain_code,
        "--allow-opaque",
    ]);
    ended(&of_wallet, 0, "signed, by rule \"staking\"");
}

/// The generator, as a key of ECDSA.
fn uncompressed() -> String {
    let key =
        GroupKey::from_hex(Curve::Secp256k1, GROUP_KEY).unwrap().public_key(Scheme::EcdsaSecp256k1).unwrap();
    format!("0x{}", hex::encode(key.as_bytes()))
}

#[test]
fn files_that_are_no_policy_and_arguments_that_do_not_fit_are_told_apart() {
    let files = Files::new();
    let bad = files.path("bad.yaml");
    let check = |yaml: &str| {
        std::fs::write(&bad, yaml).unwrap();
        run(&["policy", "check", &bad])
    };
    let text = policy();
    ended(
        &check(&text.replace("at_most: [1 BTC]", "at_most: [1 XBT]")),
        3,
        "bad.yaml: rules: large: at_most: there is no asset \"XBT\"",
    );
    ended(
        &check(&text.replace("version: 3", "version: &v 3")),
        3,
        "line 1: a policy has no anchors and aliases",
    );
    ended(&check(""), 3, "bad.yaml: ");
    ended(&run(&["policy", "check", "/missing/policy.yaml"]), 3, "/missing/policy.yaml");
    let large = std::fs::File::create(&bad).unwrap();
    large.set_len(1 << 40).unwrap();
    ended(&run(&["policy", "check", &bad]), 3, "a policy has at most 16777216 bytes, this one 1099511627776");
    assert!(Path::new(&bad).exists());

    let file = files.path("small.psbt");
    for more in [
        &["--chain", "bitcoin", "--tx", &file][..],
        &["--chain", "bitcoin", "--tx", &file, "--group-key", GROUP_KEY],
        &["--chain", "bitcoin", "--tx", &file, "--public-key", "0x01"],
        &[
            "--chain",
            "solana",
            "--tx",
            &file,
            "--group-key",
            GROUP_KEY,
            "--chain-code",
            &format!("0x{}", "07".repeat(32)),
        ],
        &["--chain", "bitcoin", "--tx", &file, "--public-key", &uncompressed(), "--path", "m/0"],
        &["--raw", "--path", "m/0"],
        &["--raw", "--allow-opaque"],
        &[],
    ] {
        let ended = files.check(more);
        assert_eq!(ended.code, Some(2), "{more:?}: {}{}", ended.stdout, ended.stderr);
    }
}
