//! Rules that deny, one condition at a time: what each applies to, and what it leaves to the rules below.

use quorate_policy::{Judgement, Subject};

use crate::decisions::*;
use crate::subjects::*;

/// Rules of which the first denies under a condition, and the second allows whatever is left.
fn denying(condition: &str) -> quorate_policy::Policy {
    with_rules(&format!(
        "  - {{name: no, deny: true, {condition}}}\n  \
         - {{name: all else, assets: [ETH, SOL, USDC], fee_at_most: [1 ETH, 1 SOL], calls: [{EVERY_CALL}]}}\n  \
         - {{name: no calls, assets: [ETH, SOL, USDC], fee_at_most: [1 ETH, 1 SOL]}}\n  \
         - {{name: digests, raw: true}}\n"
    ))
}

const CONTRACT: &str = "0x00000000000000ADc04C56Bf30aC9d3c0aAF14dC";
const EVERY_CALL: &str = "{chain: ethereum, contract: \"0x8589427373D6D84E98730D7795D8f6f8731FDA16\", functions: [\"*\"]}, \
     {chain: ethereum, contract: \"0x00000000000000ADc04C56Bf30aC9d3c0aAF14dC\", functions: [\"*\"]}, \
     {chain: ethereum, contract: \"0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48\", functions: [\"*\"]}, \
     {chain: solana, contract: ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL, functions: [\"*\"]}";

fn call(contract: &str) -> Tx {
    Tx::on(ETHEREUM).opaque(Some(contract), "a694fc3a00")
}

fn approve(spender: &str) -> Tx {
    Tx::on(ETHEREUM).call(USDC, "approve", &[("spender", spender), ("amount", "1")])
}

#[test]
fn each_condition_applies_to_any_part_and_to_nothing_else() {
    let eth = || Tx::on(ETHEREUM).coin(1, EXCHANGE);
    let table: &[(&str, &[Tx], &[Tx])] = &[
        (
            "assets: [USDC]",
            &[
                Tx::on(ETHEREUM).usdc(1, EXCHANGE),
                eth().usdc(0, STRANGER),
                // Calls of the token's contract, whatever they do.
                approve(EXCHANGE),
                call(USDC),
                Tx::on(ETHEREUM).usdc(1, WALLET),
                Tx::on(SOLANA).spl(USDC_ON_SOLANA, Some(6), 1, SOLANA_EXCHANGE),
            ],
            &[eth(), Tx::on(SOLANA).coin(1, SOLANA_EXCHANGE), call(CONTRACT), Tx::on(ETHEREUM).change(1)],
        ),
        (
            "assets: [ETH]",
            &[eth(), Tx::on(ETHEREUM).usdc(1, EXCHANGE).coin(0, STRANGER)],
            // Of the fee other conditions speak.
            &[
                Tx::on(ETHEREUM).usdc(1, EXCHANGE),
                Tx::on(SOLANA).coin(1, SOLANA_EXCHANGE),
                Tx::on(ETHEREUM).change(1),
            ],
        ),
        (
            "chains: [solana]",
            &[Tx::on(SOLANA).coin(1, SOLANA_EXCHANGE), Tx::on(SOLANA)],
            &[eth(), Tx::on(ETHEREUM), call(CONTRACT)],
        ),
        (
            "chains: [solana, ethereum], assets: [USDC]",
            &[
                Tx::on(ETHEREUM).usdc(1, EXCHANGE),
                Tx::on(SOLANA).spl(USDC_ON_SOLANA, None, 1, SOLANA_EXCHANGE),
            ],
            &[eth()],
        ),
        (
            "destinations: [sanctioned]",
            &[
                Tx::on(ETHEREUM).coin(0, SANCTIONED),
                eth().usdc(1, SANCTIONED),
                approve(SANCTIONED),
                // Calls that carry nothing, decoded and not.
                call(SANCTIONED),
                Tx::on(ETHEREUM).call(SANCTIONED, "approve", &[("spender", EXCHANGE), ("amount", "0")]),
                Tx::on(ETHEREUM).token(SANCTIONED, None, 1, EXCHANGE),
                Tx::on(ETHEREUM).taken(USDC, 1, STRANGER, SANCTIONED),
                Tx::on(ETHEREUM).coin_of_another(1, SANCTIONED),
            ],
            &[eth(), call(CONTRACT), approve(STRANGER), Tx::on(ETHEREUM).opaque(Some(CONTRACT), "")],
        ),
        (
            "destinations: [sanctioned], assets: [USDC]",
            // What the call moves nobody can tell: it can be of this asset.
            &[Tx::on(ETHEREUM).usdc(1, SANCTIONED), approve(SANCTIONED), call(SANCTIONED)],
            &[
                Tx::on(ETHEREUM).coin(1, SANCTIONED),
                Tx::on(ETHEREUM).usdc(1, EXCHANGE),
                call(USDC),
                call(CONTRACT),
            ],
        ),
        ("initiators: [backend]", &[eth(), call(CONTRACT), Tx::on(SOLANA)], &[]),
        ("initiators: [operations]", &[], &[eth(), call(CONTRACT), Tx::on(SOLANA)]),
        ("wallets: [hot-*], chains: [ethereum]", &[eth()], &[Tx::on(SOLANA)]),
        ("wallets: [cold-*]", &[], &[eth(), Tx::on(SOLANA)]),
        // It is Friday, 13:00 by the policy's clocks.
        ("hours: [{days: [fri], from: \"13:00\", to: \"13:01\"}]", &[eth(), Tx::on(SOLANA)], &[]),
        ("hours: [{days: [fri], to: \"13:00\"}, {days: [sat-sun, mon-thu]}]", &[], &[eth(), Tx::on(SOLANA)]),
        ("hours: [{days: [fri]}], assets: [USDC]", &[Tx::on(ETHEREUM).usdc(1, EXCHANGE)], &[eth()]),
    ];
    for (condition, no, yes) in table {
        let policy = denying(condition);
        for (number, tx) in no.iter().enumerate() {
            let judgement = Asked::default().of(&policy, tx);
            assert!(matches!(judgement, Judgement::Denied { .. }), "{condition}: {number}: {judgement:?}");
            assert_eq!(judgement.rule(), Some("no"), "{condition}: {number}: {judgement:?}");
        }
        for (number, tx) in yes.iter().enumerate() {
            let judgement = Asked::default().of(&policy, tx);
            assert!(judgement.is_allowed(), "{condition}: {number}: {judgement:?}");
        }
    }
}

#[test]
fn digests_are_denied_by_what_is_not_about_parts_of_transactions() {
    for (condition, applies) in [
        ("wallets: [hot-*]", true),
        ("initiators: [backend]", true),
        ("hours: [{days: [fri]}]", true),
        ("hours: [{days: [sat]}]", false),
        ("wallets: [hot-*], raw: true", true),
        ("chains: [ethereum]", false),
        ("assets: [ETH]", false),
        ("destinations: [sanctioned]", false),
        ("data: true", false),
    ] {
        let judgement = Asked::default().judge(&denying(condition), Subject::Raw);
        assert_eq!(judgement.rule(), Some(if applies { "no" } else { "digests" }), "{condition}");
    }
}

#[test]
fn a_contract_of_a_deny_list_is_not_called_on_solana_either() {
    let rules = "  - {name: no, deny: true, destinations: [programs]}\n  \
         - {name: all else, fee_at_most: [1 SOL], calls: [{chain: solana, contract: \"11111111111111111111111111111111\", functions: [\"*\"]}]}\n";
    let yaml = format!(
        "{}rules:\n{rules}",
        EXAMPLE[..EXAMPLE.find("rules:").unwrap()].replace(
            "  sanctioned:\n",
            "  programs: {solana: [TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA, ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL]}\n  sanctioned:\n"
        )
    );
    let policy = policy(&yaml);
    let asked = Asked::default();
    for tx in [
        Tx::on(SOLANA).call("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL", "create token account", &[]),
        Tx::on(SOLANA).opaque(Some("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"), "04"),
        Tx::on(SOLANA).spl(USDC_ON_SOLANA, Some(6), 1, SOLANA_EXCHANGE),
    ] {
        assert_eq!(asked.of(&policy, &tx).rule(), Some("no"));
    }
    let other = Tx::on(SOLANA).opaque(Some("11111111111111111111111111111111"), "08");
    allowed(&asked.of(&policy, &other), "all else");
}
