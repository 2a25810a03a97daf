//! Transactions signed by a running cluster, judged by the libraries of their chains, and those that no node signs.

use base64::{Engine, engine::general_purpose::STANDARD};
use bitcoin::bip32::{DerivationPath as Bip32Path, Fingerprint};
use bitcoin::hashes::Hash;
use bitcoin::psbt::{Psbt, PsbtSighashType};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::secp256k1::constants::GENERATOR_X;
use bitcoin::{Amount, OutPoint, Transaction, TxIn, TxOut, Txid, XOnlyPublicKey};
use quorate_keys::{ChainCode, Curve, GroupKey, Scheme, derive};
use quorate_request::{Operation, SignRequest, SignResponse, WalletView, paths};
use quorate_tests::raw::Draft;
use quorate_tests::{Cluster, report};
use serde_json::{Value, json};

use crate::commands::{json as command, operate};
use crate::library::{assert_accepted, assert_none_accepted, bitcoin_element, flips, run, solana_element};
use crate::spending::{self, Coin};
use crate::{cluster, observed};

const SECTION: &str = "Transactions (5 nodes, 3 of 5)";
const COLUMNS: &[&str] = &["transaction", "asked", "observed"];

/// A wallet that all nodes know.
async fn wallet(cluster: &Cluster, id: &str, curve: &str) -> WalletView {
    let made = cluster.wallet(id, 3, 5, curve).await;
    cluster.known_everywhere(&made.wallet_id).await;
    cluster.client(&[1]).wallet(&made.wallet_id).await.unwrap()
}

/// The request for a signed transaction.
fn request(wallet: &WalletView, chain: &str, transaction: &[u8]) -> SignRequest {
    SignRequest {
        wallet_id: Some(wallet.wallet_id.clone()),
        chain: Some(chain.to_owned()),
        transaction: Some(transaction.to_vec().into()),
        ..SignRequest::default()
    }
}

fn signed_bytes(signed: &SignResponse) -> Vec<u8> {
    signed.signed_transaction.as_ref().unwrap().as_bytes().to_vec()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap()
}

/// Asks with the command line, as JSON.
async fn by_command(cluster: &Cluster, wallet: &WalletView, chain: &str, transaction: &[u8]) -> Value {
    let file = cluster.folder().join(format!("{chain}-{}.tx", transaction.len()));
    std::fs::write(&file, STANDARD.encode(transaction)).unwrap();
    let name = wallet.wallet_id.to_string();
    let file = file.to_str().unwrap();
    command(cluster, &["sign", "--wallet", &name, "--chain", chain, "--tx", file, "--yes"]).await
}

/// A transfer as @solana/web3.js makes it.
fn solana(version: &Value, payer: &[u8], lamports: u64) -> Vec<u8> {
    solana_with(json!({ "version": version, "payer": hex::encode(payer), "lamports": lamports }))
}

/// A transfer with more than the usual.
fn solana_with(mut element: Value) -> Vec<u8> {
    element["make"] = "solana".into();
    element["to"] = "09".repeat(32).into();
    STANDARD.decode(run::<String>("make.js", &[element]).remove(0)).unwrap()
}

/// The wallet's key at a path, x-only.
fn child(wallet: &WalletView, path: &str) -> XOnlyPublicKey {
    let group = GroupKey::from_bytes(Curve::Secp256k1, wallet.group_key.as_bytes()).unwrap();
    let derived =
        derive(&group, &ChainCode::new(*wallet.chain_code.as_bytes()), &path.parse().unwrap()).unwrap();
    XOnlyPublicKey::from_slice(derived.key.public_key(Scheme::Bip340).unwrap().as_bytes()).unwrap()
}

/// What the wallet has at a path, behind a script tree or none.
fn coin(wallet: &WalletView, path: &[u32], root: Option<[u8; 32]>, satoshis: u64) -> Coin {
    let text: String = path.iter().map(|step| format!("/{step}")).collect();
    let root = root.map(bitcoin::TapNodeHash::from_byte_array);
    Coin { key: child(wallet, &format!("m{text}")), path: path.to_vec(), root, satoshis }
}

const ROOT: [u8; 32] = [5; 32];

/// Three inputs: at m, at m/0/1, and at m/7 behind a script tree, the last two named by their paths.
fn psbt(wallet: &WalletView) -> (Psbt, Vec<TxOut>) {
    let coins = [
        coin(wallet, &[], None, 50_000),
        coin(wallet, &[0, 1], None, 40_000),
        coin(wallet, &[7], Some(ROOT), 30_000),
    ];
    let change = coin(wallet, &[], None, 20_000).output();
    let psbt = spending::spend(&coins, vec![spending::elsewhere(99_000), change]).unwrap();
    (psbt, coins.iter().map(Coin::output).collect())
}

#[tokio::test]
async fn solana_transactions_are_accepted_by_web3_js_and_nothing_with_a_bit_changed() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(5).start().await;
    let view = wallet(&cluster, "sol", "ed25519").await;
    let key = view.public_key.as_bytes();
    let address =
        run::<String>("make.js", &[json!({ "make": "solana-address", "key": hex::encode(key) })]).remove(0);
    assert_eq!(view.addresses.iter().map(|view| &view.address).collect::<Vec<_>>(), [&address]);

    for (name, version) in [("Solana v0", json!(0)), ("Solana legacy", json!("legacy"))] {
        let unsigned = solana(&version, key, 49);
        let signed = cluster.client(&[3]).sign(request(&view, "solana", &unsigned)).await.unwrap();
        assert_eq!((signed.signatures.len(), signed.committee.len()), (1, 3));
        let by_api = signed_bytes(&signed);
        let other = solana(&version, key, 50);
        let answer = by_command(&cluster, &view, "solana", &other).await;
        assert!(answer["tx_id"].is_string(), "{answer}");
        let by_command = bytes(&answer["signed_transaction"]);
        let names = [format!("{name} through the API"), format!("{name} through the command line")];
        assert_accepted(&names, &[solana_element(&by_api), solana_element(&by_command)]);
        let changed: Vec<_> = flips(&by_api).map(|(_, changed)| solana_element(&changed)).collect();
        assert_none_accepted(&changed);
        observed(SECTION, &[name, "API, command line", "accepted by @solana/web3.js"]);
        observed(SECTION, &[&format!("{name}, any bit changed"), "API", "not accepted"]);
    }

    // What a person sees, and is asked.
    let file = cluster.folder().join("shown.tx");
    std::fs::write(&file, solana(&json!(0), key, 51)).unwrap();
    let file = file.to_str().unwrap();
    let sign = ["sign", "--wallet", "sol", "--chain", "solana", "--tx", file];
    let unasked = operate(&cluster, &sign).await;
    assert_eq!(unasked.code, Some(2), "{}", unasked.stderr);
    assert!(
        unasked.stderr.contains("0.000000051 SOL") && unasked.stderr.contains("--yes"),
        "{}",
        unasked.stderr
    );
    observed(
        SECTION,
        &["Solana v0, no terminal and no --yes", "command line", "exit 2, explained, not signed"],
    );
    let out = cluster.folder().join("signed.tx");
    let yes = [&sign[..], &["--yes", "--out", out.to_str().unwrap()]].concat();
    let shown = operate(&cluster, &yes).await;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.starts_with("id "), "{}", shown.stdout);
    let written = std::fs::read(&out).unwrap();
    assert!(shown.stdout.contains(&hex::encode(&written)), "{}", shown.stdout);
    assert_accepted(&["the file that was written".to_owned()], &[solana_element(&written)]);

    // Nobody here knows which blocks there are, or what a nonce account holds. The one that the transaction names is what a
    // person is shown, and what the signature is for.
    let lies = [
        ("a blockhash that no block has", None, "about a minute from when block"),
        ("a nonce that its account does not hold", Some("0b".repeat(32)), "advances the nonce"),
    ];
    for (what, nonce, told) in lies {
        for (name, version) in [("Solana v0", json!(0)), ("Solana legacy", json!("legacy"))] {
            let made = |named: &str| {
                let mut element = json!({ "version": version, "payer": hex::encode(key), "lamports": 52, "blockhash": named });
                if let Some(account) = &nonce {
                    element["nonce"] = account.clone().into();
                }
                solana_with(element)
            };
            // Of zeros, and of ones.
            let (wrong, right) = ("1".repeat(32), "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi");
            let (wrong_one, right_one) = (made(&wrong), made(right));
            let file = cluster.folder().join("lying.tx");
            std::fs::write(&file, &wrong_one).unwrap();
            let sign = ["sign", "--wallet", "sol", "--chain", "solana", "--tx", file.to_str().unwrap()];
            let unasked = operate(&cluster, &sign).await;
            let lifetime =
                unasked.stderr.lines().find(|line| line.starts_with("lifetime")).unwrap_or_default();
            assert!(lifetime.contains(told) && lifetime.contains(&wrong), "{}", unasked.stderr);
            assert_eq!(unasked.stderr.contains("no durable nonce"), nonce.is_none(), "{}", unasked.stderr);

            let signed = cluster.client(&[2]).sign(request(&view, "solana", &wrong_one)).await.unwrap();
            let signed = signed_bytes(&signed);
            assert_accepted(&[what.to_owned()], &[solana_element(&signed)]);
            // The signature is the first thing in it, behind their number.
            let moved = [&signed[..65], &right_one[65..]].concat();
            assert_none_accepted(&[solana_element(&moved)]);
            let seen = "shown with it, and the signature is worth nothing for another";
            observed(SECTION, &[&format!("{name}, {what}"), "API, command line", seen]);
        }
    }
}

#[tokio::test]
async fn a_psbt_with_three_inputs_is_accepted_by_bitcoinjs_lib_and_nothing_with_a_bit_changed() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(5).start().await;
    let view = wallet(&cluster, "btc", "secp256k1").await;
    let key = hex::encode(view.public_key.as_bytes());
    let element = json!({ "make": "taproot-address", "key": key, "network": "bitcoin" });
    let address = run::<String>("make.js", &[element]).remove(0);
    assert_eq!(view.addresses.iter().map(|view| &view.address).collect::<Vec<_>>(), [&address]);

    let (base, prevouts) = psbt(&view);
    let signed = cluster.client(&[2]).sign(request(&view, "bitcoin", &base.serialize())).await.unwrap();
    assert_eq!((signed.signatures.len(), signed.attempt), (3, 1));
    let keys: std::collections::BTreeSet<_> =
        signed.signatures.iter().map(|made| made.public_key.as_bytes().to_vec()).collect();
    let output_keys = prevouts.iter().map(|out| out.script_pubkey.as_bytes()[2..].to_vec()).collect();
    assert_eq!(keys, output_keys, "every input is signed by its own key");
    let by_api = signed_bytes(&signed);
    let id = bitcoin::consensus::deserialize::<Transaction>(&by_api).unwrap().compute_txid().to_string();
    assert_eq!(signed.tx_id.as_deref(), Some(id.as_str()));

    let mut other = base.clone();
    other.unsigned_tx.output[0].value -= Amount::from_sat(1_000);
    let answer = by_command(&cluster, &view, "bitcoin", &other.serialize()).await;
    let by_command = bytes(&answer["signed_transaction"]);
    let names = ["API", "command line"].map(|through| format!("three inputs through the {through}"));
    assert_accepted(&names, &[bitcoin_element(&by_api, &prevouts), bitcoin_element(&by_command, &prevouts)]);
    observed(SECTION, &["PSBT of three inputs", "API, command line", "accepted by bitcoinjs-lib"]);
    let changed: Vec<_> = flips(&by_api).map(|(_, changed)| bitcoin_element(&changed, &prevouts)).collect();
    assert_none_accepted(&changed);
    observed(SECTION, &["PSBT of three inputs, any bit changed", "API", "not accepted"]);

    // A lie that nobody can see in the PSBT is worth nothing: the signature commits to it.
    let mut lying = base.clone();
    lying.inputs[0].witness_utxo.as_mut().unwrap().value = Amount::from_sat(51_000);
    let signed = cluster.client(&[2]).sign(request(&view, "bitcoin", &lying.serialize())).await.unwrap();
    assert_none_accepted(&[bitcoin_element(&signed_bytes(&signed), &prevouts)]);
    observed(
        SECTION,
        &["PSBT, an amount lies and nothing shows it", "API", "the signature is worth nothing"],
    );

    // What is allowed by name.
    let mut shared = base.clone();
    shared.inputs[1] = bitcoin::psbt::Input { witness_utxo: Some(foreign()), ..Default::default() };
    // For bitcoinjs-lib, which looks for signatures of these only.
    shared.inputs[0].tap_internal_key = Some(child(&view, "m"));
    let mut asked = request(&view, "bitcoin", &shared.serialize());
    asked.allow = vec![quorate_request::Allowance::ForeignInputs];
    let half = cluster.client(&[4]).sign(asked).await.unwrap();
    assert_eq!((half.signatures.len(), &half.tx_id), (2, &None));
    let element =
        json!({ "chain": "bitcoin-psbt", "psbt": STANDARD.encode(signed_bytes(&half)), "inputs": [0, 2] });
    assert_accepted(&["another's input".to_owned()], &[element]);
    observed(
        SECTION,
        &["PSBT, another's input, allowed", "API", "two signatures, accepted by bitcoinjs-lib"],
    );
    let mut weak = base.clone();
    weak.inputs[0].sighash_type = Some(PsbtSighashType::from_u32(0x02));
    let mut asked = request(&view, "bitcoin", &weak.serialize());
    asked.allow = vec![quorate_request::Allowance::WeakSighashes];
    let signed = cluster.client(&[4]).sign(asked).await.unwrap();
    assert_accepted(&["NONE".to_owned()], &[bitcoin_element(&signed_bytes(&signed), &prevouts)]);
    observed(SECTION, &["PSBT, sighash NONE, allowed", "API", "accepted by bitcoinjs-lib"]);
}

/// Somebody else's output.
fn foreign() -> TxOut {
    // The generator's: whose private key everybody knows.
    let key = GENERATOR_X;
    let key = XOnlyPublicKey::from_slice(&key).unwrap();
    spending::taproot(key, None, 40_000)
}

struct Asker {
    cluster: Cluster,
    count: usize,
}

impl Asker {
    /// Sends a body to all nodes in turn; it must be refused thus, with a message that says this.
    async fn refused(&mut self, what: &str, body: &Value, wanted: &str, says: &str) {
        self.count += 1;
        for node in 1..=5 {
            let draft = Draft::new(Operation::Sign, &format!("bad-{}-{node}", self.count), body.to_string());
            let reply = self.cluster.raw(node).send(&draft).await;
            assert_eq!(reply.refusal(), wanted, "{what}: {}", reply.message());
            assert!(reply.message().contains(says), "{what}: {}", reply.message());
        }
        let says = if says.is_empty() { String::new() } else { format!(": {says}") };
        observed(SECTION, &[what, "API, every node", &format!("{wanted}{says}")]);
    }
}

#[tokio::test]
async fn what_no_node_signs() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(5).start().await;
    let sol = wallet(&cluster, "sol", "ed25519").await;
    let btc = wallet(&cluster, "btc", "secp256k1").await;
    let other = wallet(&cluster, "other", "secp256k1").await;
    let transfer = solana(&json!(0), sol.public_key.as_bytes(), 49);
    let (base, prevouts) = psbt(&btc);
    let mut ask = Asker { cluster, count: 0 };
    let of = |wallet: &WalletView, chain: &str, transaction: &[u8]| json!({ "wallet_id": wallet.wallet_id, "chain": chain, "transaction": format!("0x{}", hex::encode(transaction)) });
    let bitcoin = |psbt: &Psbt| of(&btc, "bitcoin", &psbt.serialize());
    let refused = "400 transaction_refused";

    // Lies about what is spent.
    let mut lying = base.clone();
    let mut previous = base.unsigned_tx.clone();
    previous.output = prevouts.clone();
    for (index, input) in lying.unsigned_tx.input.iter_mut().enumerate() {
        input.previous_output =
            OutPoint { txid: previous.compute_txid(), vout: u32::try_from(index).unwrap() };
        lying.inputs[index].non_witness_utxo = Some(previous.clone());
    }
    let honest = ask.cluster.client(&[1]).sign(request(&btc, "bitcoin", &lying.serialize())).await.unwrap();
    assert_eq!(honest.signatures.len(), 3, "with whole previous transactions");
    lying.inputs[1].witness_utxo.as_mut().unwrap().value = Amount::from_sat(39_000);
    ask.refused(
        "PSBT, an amount is not the previous transaction's",
        &bitcoin(&lying),
        refused,
        "prevout_mismatch",
    )
    .await;
    lying.inputs[1].witness_utxo = None;
    lying.unsigned_tx.input[1].previous_output.txid = Txid::from_byte_array([9; 32]);
    ask.refused("PSBT, another previous transaction", &bitcoin(&lying), refused, "prevout_mismatch").await;
    let mut lying = base.clone();
    lying.inputs[1].witness_utxo.as_mut().unwrap().script_pubkey = foreign().script_pubkey;
    ask.refused("PSBT, a script is not of the key it names", &bitcoin(&lying), refused, "prevout_mismatch")
        .await;
    let mut lying = base.clone();
    lying.inputs[2].witness_utxo = None;
    ask.refused("PSBT, an input does not show what it spends", &bitcoin(&lying), refused, "prevout_missing")
        .await;
    let mut lying = base.clone();
    lying.unsigned_tx.output[0].value = Amount::from_sat(200_000);
    ask.refused("PSBT, more goes out than in", &bitcoin(&lying), refused, "overspent").await;

    // Others' transactions.
    ask.refused("PSBT of another wallet", &of(&other, "bitcoin", &base.serialize()), refused, "not_ours")
        .await;
    let mut shared = base.clone();
    shared.inputs[1] = bitcoin::psbt::Input { witness_utxo: Some(foreign()), ..Default::default() };
    ask.refused("PSBT, another's input, not allowed", &bitcoin(&shared), refused, "foreign_input").await;
    let strangers = solana(&json!(0), &[7; 32], 49);
    ask.refused("Solana, another's", &of(&sol, "solana", &strangers), refused, "not_ours").await;

    // What validators might take for a durable nonce, while it is explained as good for a minute.
    let disguised =
        solana_with(json!({ "version": 0, "payer": hex::encode(sol.public_key.as_bytes()), "lamports": 49,
        "nonce": "0b".repeat(32), "trailing": true }));
    ask.refused(
        "Solana, advances a nonce in another form",
        &of(&sol, "solana", &disguised),
        refused,
        "unsupported_transaction",
    )
    .await;

    // The wrong network or chain.
    let mut testnet = base.clone();
    let master = bitcoin::bip32::Xpriv::new_master(bitcoin::Network::Testnet, &[1; 32]).unwrap();
    let master = bitcoin::bip32::Xpub::from_priv(&Secp256k1::new(), &master);
    testnet.xpub.insert(master, (Fingerprint::default(), Bip32Path::default()));
    ask.refused("PSBT of a test network", &bitcoin(&testnet), refused, "wrong_network").await;
    ask.refused("PSBT as Solana", &of(&sol, "solana", &base.serialize()), refused, "").await;
    ask.refused("Solana as PSBT", &of(&btc, "bitcoin", &transfer), refused, "malformed_transaction").await;
    ask.refused("Solana, a Bitcoin wallet", &of(&btc, "solana", &transfer), refused, "wrong_scheme").await;
    let unknown = "400 unknown_chain";
    ask.refused("unknown chain", &of(&sol, "dogecoin", &transfer), unknown, "solana:5eykt4").await;
    ask.refused("ambiguous chain", &of(&btc, "testnet", &base.serialize()), unknown, "'testnet' can be")
        .await;

    // Kinds of signature.
    for (kind, name) in [(0x02, "NONE"), (0x03, "SINGLE"), (0x81, "ALL|ANYONECANPAY"), (0x04, "0x04")] {
        let mut weak = base.clone();
        weak.inputs[0].sighash_type = Some(PsbtSighashType::from_u32(kind));
        ask.refused(
            &format!("PSBT, sighash {name}, not allowed"),
            &bitcoin(&weak),
            refused,
            "sighash_refused",
        )
        .await;
    }

    // Bytes.
    let whole = base.serialize();
    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    for (chain, view, whole) in [("bitcoin", &btc, &whole), ("solana", &sol, &transfer)] {
        let cut = of(view, chain, &whole[..whole.len() - 1]);
        ask.refused(&format!("{chain}, truncated"), &cut, refused, "").await;
        ask.refused(&format!("{chain}, empty"), &of(view, chain, &[]), refused, "").await;
        let trailing = of(view, chain, &longer(whole));
        ask.refused(&format!("{chain}, trailing"), &trailing, refused, "trailing_bytes").await;
    }
    let large = of(&sol, "solana", &[transfer.as_slice(), &[0; 1233]].concat());
    ask.refused("solana, oversized", &large, refused, "transaction_too_large").await;
    let mut large = of(&btc, "bitcoin", &[]);
    large["transaction"] = STANDARD.encode([whole.as_slice(), &vec![0; 520 * 1024]].concat()).into();
    ask.refused("bitcoin, oversized", &large, refused, "transaction_too_large").await;

    // Fields that don't go together.
    let with = |field: &str, value: Value| {
        let mut body = bitcoin(&base);
        body[field] = value;
        body
    };
    let tweak = with("tweak", json!({ "taproot": null }));
    ask.refused("with a tweak", &tweak, "400 invalid_tweak", "leave tweak out").await;
    let message = with("message", "0x01".into());
    ask.refused("with a message", &message, "400 invalid_message", "exactly one").await;
    ask.refused("without chain", &with("chain", Value::Null), "400 invalid_message", "with chain").await;
    let hardened = with("derivation_path", "m/0'".into());
    ask.refused("a hardened path", &hardened, "400 invalid_derivation_path", "").await;
    let anything = with("allow", json!(["anything"]));
    ask.refused("allow of something unknown", &anything, "400 malformed_request", "anything").await;
    let text = with("transaction", "not a transaction!".into());
    ask.refused("neither hexadecimal nor Base64", &text, "400 malformed_request", "Base64").await;

    // More inputs than are signed at once.
    let mut many = base.clone();
    let (first, spends) = (many.inputs[0].clone(), many.unsigned_tx.input[0].clone());
    for number in 3..65 {
        let previous_output = OutPoint { vout: number, ..spends.previous_output };
        many.unsigned_tx.input.push(TxIn { previous_output, ..spends.clone() });
        many.inputs.push(first.clone());
    }
    ask.refused("PSBT of 65 inputs", &bitcoin(&many), refused, "at most 64").await;

    // The command line refuses what the nodes would, before they are asked.
    let file = ask.cluster.folder().join("none.psbt");
    let mut weak = base.clone();
    weak.inputs[0].sighash_type = Some(PsbtSighashType::from_u32(0x02));
    std::fs::write(&file, weak.serialize()).unwrap();
    let sign =
        ["sign", "--wallet", "btc", "--chain", "bitcoin", "--tx", file.to_str().unwrap(), "--yes", "--json"];
    let ended = operate(&ask.cluster, &sign).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(4), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("sighash_refused"), "{}", ended.stderr);
    observed(SECTION, &["PSBT, sighash NONE, not allowed", "command line", "exit 4, sighash_refused"]);

    // All of it asked for nothing that stays: the wallets sign.
    for node in 1..=5 {
        let signed = ask.cluster.client(&[node]).sign(request(&btc, "bitcoin", &whole)).await.unwrap();
        assert_eq!(signed.signatures.len(), 3);
    }
}

#[tokio::test]
async fn a_gateway_that_alters_the_transaction_is_refused_by_every_node() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(5).start().await;
    let view = wallet(&cluster, "sol", "ed25519").await;
    let key = view.public_key.as_bytes();
    let body = |transaction: &[u8]| serde_json::to_vec(&request(&view, "solana", transaction)).unwrap();
    let genuine = body(&solana(&json!(0), key, 49));
    let altered = body(&solana(&json!(0), key, 4_900_000));
    let (initiator, id) = (cluster.initiator(), cluster.id);
    let draft = |body: &[u8]| Draft::new(Operation::Sign, "payment", body).sign(&initiator, id);
    let (signed, other) = (draft(&genuine), draft(&altered));
    for node in 1..=5 {
        let raw = cluster.raw(node);
        let mut headers = signed.to_http();
        let reply = raw.http("POST", paths::SIGN, &headers, &altered).await;
        assert_eq!(reply.refusal(), "401 digest_mismatch", "node{node}");
        headers.insert("content-digest", other.to_http()["content-digest"].clone());
        let reply = raw.http("POST", paths::SIGN, &headers, &altered).await;
        assert_eq!(reply.refusal(), "401 bad_signature", "node{node}");
    }
    observed(SECTION, &["altered by a gateway after signing", "every node", "401 digest_mismatch"]);
    observed(SECTION, &["altered, and its digest too", "every node", "401 bad_signature"]);
    let reply = cluster.raw(5).send_signed(&signed).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_accepted(&["genuine".to_owned()], &[solana_element(&bytes(&reply.body["signed_transaction"]))]);
}
