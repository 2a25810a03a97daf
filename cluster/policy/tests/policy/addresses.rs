//! Lists of ten thousand addresses.

use std::collections::BTreeSet;

use quorate_policy::{Policy, Question, Subject};

use crate::subjects::{ETHEREUM, Tx};

/// Ten thousand addresses, and the last of them.
fn large() -> (String, String) {
    let mut yaml = String::from(
        "version: 1\ninitiators:\n  a: {key: \"0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\", operations: [sign]}\nassets:\n  ETH: {chain: ethereum}\naddresses:\n  all:\n    ethereum:\n",
    );
    let mut last = String::new();
    for number in 0..10_000 {
        last = format!("0x{number:040x}");
        yaml.push_str(&format!("      - \"{last}\"\n"));
    }
    yaml.push_str("rules:\n  - {name: listed, destinations: [all], fee_at_most: [1 ETH]}\n");
    (yaml, last)
}

#[test]
fn every_one_of_ten_thousand_addresses_is_found_and_no_other() {
    let (yaml, last) = large();
    let policy = Policy::read(yaml.as_bytes()).unwrap();
    let (wallet, nobody) = ("w".parse().unwrap(), BTreeSet::new());
    let judge = |to: &str| {
        let tx = Tx::on(ETHEREUM).coin(1, to);
        let subject = Subject::Transaction(&tx.0);
        let question =
            Question { wallet: &wallet, initiator: "a", subject, at: 0, approved_by: &nobody, spent: &() };
        policy.judge(&question).is_allowed()
    };
    assert!(judge(&last) && judge("0x0000000000000000000000000000000000000000"));
    assert!(!judge("0x0000000000000000000000000000000000002710"));
}
