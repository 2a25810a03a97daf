//! A policy, and what it decides.

use std::collections::BTreeSet;

use quorate_policy::{Judgement, Policy, Question, Subject};

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "policy",
    seeds,
    words: &[
        "version: ",
        "cluster: ",
        "utc_offset: \"+02:00\"\n",
        "initiators:\n",
        "authorizers:\n",
        "approvals:\n",
        "assets:\n",
        "addresses:\n",
        "rules:\n",
        "  - name: ",
        "    deny: true\n",
        "    raw: true\n",
        "    data: true\n",
        "    wallets: [*]\n",
        "    hours: [{days: [mon-fri], from: \"08:00\", to: \"24:00\"}]\n",
        "    windows: [{at_most: 1 ETH, in: 24h}]\n",
        "    fee_at_most: [0.01 ETH]\n",
        "340282366920938463463374607431768211455 ETH",
        "&a",
        "*a",
        "null",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../docs/examples/policy.yaml").to_vec(),
        include_bytes!("../../../docs/examples/policy-simple.yaml").to_vec(),
    ]
}

fn run(input: &[u8]) -> Outcome {
    let policy = match Policy::read(input) {
        Ok(policy) => policy,
        // What is wrong stands last; before it names, which may be anything.
        Err(error) => return Outcome::refused(&error.to_string().rsplit(": ").next().unwrap_or_default()),
    };
    let Ok(wallet) = "hot-1".parse() else { return Outcome::refused(&"the name of a wallet") };
    let nobody = BTreeSet::new();
    for initiator in policy.initiators() {
        let at = 1_795_176_000;
        let (subject, approved_by) = (Subject::Raw, &nobody);
        let question =
            Question { wallet: &wallet, initiator: initiator.name(), subject, at, approved_by, spent: &() };
        match policy.judge(&question) {
            Judgement::Allowed { rule } | Judgement::Unapproved { rule, .. } => {
                assert!(policy.rules().any(|known| known == rule));
            }
            Judgement::Denied { reason, .. } => assert!(!reason.is_empty()),
            _ => {}
        }
    }
    Outcome::accepted()
}
