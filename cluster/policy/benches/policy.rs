//! What a policy with an allow list of ten thousand addresses costs: to read it, and to judge a transfer of a token and a
//! Bitcoin transaction of a hundred outputs by the last of its ten rules.
//!
//! `cargo bench -p quorate-policy`

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

#[path = "../tests/policy/subjects.rs"]
#[allow(dead_code)]
mod subjects;

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use quorate_chains::{AddressKind, WalletRoot};
use quorate_keys::{ChainCode, Curve, GroupKey, Scheme};
use quorate_policy::{Policy, Question, Subject};
use subjects::{BITCOIN, ETHEREUM, Tx, USDC};

const ADDRESSES: usize = 10_000;
const OUTPUTS: usize = 100;

/// Addresses of children of a wallet.
fn taproot(count: usize) -> Vec<String> {
    let mut generator = [0; 33];
    hex::decode_to_slice(
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        &mut generator,
    )
    .unwrap();
    let key = GroupKey::from_bytes(Curve::Secp256k1, &generator).unwrap();
    let root = WalletRoot { key, chain_code: ChainCode::new([1; 32]) };
    let bitcoin = quorate_chains::find(BITCOIN).unwrap();
    let address = |number: usize| {
        let child = root.child(&format!("m/{number}").parse().unwrap(), Scheme::Bip340).unwrap();
        bitcoin.address(&child.key, AddressKind::Default).unwrap()
    };
    (0..count).map(address).collect()
}

/// As explanations spell it.
fn ethereum(number: usize) -> String {
    let chain = quorate_chains::find(ETHEREUM).unwrap();
    chain.canonical_address(&format!("0x{:040x}", number + 1)).unwrap()
}

fn yaml(bitcoin: &[String]) -> String {
    let mut yaml = format!(
        "version: 1\ninitiators:\n  a: {{key: \"0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\", operations: [sign]}}\n\
         assets:\n  ETH: {{chain: ethereum}}\n  BTC: {{chain: bitcoin}}\n  USDC: {{chain: ethereum, token: \"{USDC}\", decimals: 6}}\n\
         addresses:\n  payees:\n    bitcoin: [{}]\n    ethereum:\n",
        bitcoin.join(", ")
    );
    for number in 0..ADDRESSES - bitcoin.len() {
        yaml.push_str(&format!("      - \"{}\"\n", ethereum(number)));
    }
    yaml.push_str("rules:\n");
    // What none of them allows: less than is asked.
    for number in 0..9 {
        yaml.push_str(&format!(
            "  - {{name: small {number}, destinations: [payees], at_most: [{number} USDC, 0.00000{number} BTC], fee_at_most: [1 ETH, 1 BTC]}}\n"
        ));
    }
    yaml.push_str("  - {name: large, destinations: [payees], at_most: [1000 USDC, 10 BTC], fee_at_most: [1 ETH, 1 BTC]}\n");
    yaml
}

fn judging(criterion: &mut Criterion) {
    let bitcoin = taproot(OUTPUTS);
    let yaml = yaml(&bitcoin);
    let policy = Policy::read(yaml.as_bytes()).unwrap();
    let (wallet, nobody) = ("w".parse().unwrap(), BTreeSet::new());
    let judge = |tx: &Tx| {
        let subject = Subject::Transaction(&tx.0);
        policy.judge(&Question {
            wallet: &wallet,
            initiator: "a",
            subject,
            at: 0,
            approved_by: &nobody,
            spent: &(),
        })
    };
    let transfer = Tx::on(ETHEREUM).usdc(500_000_000, &ethereum(ADDRESSES - OUTPUTS - 1));
    let outputs = bitcoin.iter().fold(Tx::on(BITCOIN), |tx, to| tx.coin(100_000, to));
    let mut group = criterion.benchmark_group("policy");
    for (name, tx) in [("token transfer", &transfer), ("100 outputs", &outputs)] {
        assert!(judge(tx).is_allowed() && judge(tx).rule() == Some("large"), "{:?}", judge(tx));
        group.bench_function(name, |bencher| bencher.iter(|| judge(black_box(tx))));
    }
    group.sample_size(10);
    group
        .bench_function("read", |bencher| bencher.iter(|| Policy::read(black_box(yaml.as_bytes())).unwrap()));
    group.finish();
}

criterion_group!(benches, judging);
criterion_main!(benches);
