//! Calls: of tokens by name and selector, of what makes accounts, and outputs that carry data.

use crate::decisions::*;
use crate::subjects::*;

const ASSOCIATED: &str = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
const SPL_TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";

/// Chain and contract, names of functions, transactions that call them, and some that do not.
type Row<'a> = ((&'a str, &'a str), &'a [&'a str], &'a [Tx], &'a [Tx]);

#[test]
fn transfers_of_tokens_are_calls_by_name_and_by_selector_in_rules_of_both_kinds() {
    let given = || Tx::on(ETHEREUM).usdc(1, EXCHANGE);
    let taken = |from: &str| Tx::on(ETHEREUM).taken(USDC, 1, from, EXCHANGE);
    let on_solana = |decimals| Tx::on(SOLANA).spl(USDC_ON_SOLANA, decimals, 1, SOLANA_EXCHANGE);
    let ethereum = ("ethereum", USDC);
    let table: &[Row<'_>] = &[
        (
            ethereum,
            &["transfer", "0xa9059cbb"],
            &[given()],
            &[taken(WALLET), taken(STRANGER), on_solana(None)],
        ),
        (
            ethereum,
            &["transferFrom", "0x23b872dd"],
            &[taken(WALLET), taken(STRANGER)],
            &[given(), on_solana(None)],
        ),
        (ethereum, &["*"], &[given(), taken(WALLET), taken(STRANGER)], &[on_solana(Some(6))]),
        (ethereum, &["approve", "0x095ea7b3"], &[], &[given(), taken(WALLET)]),
        (("ethereum", STRANGER), &["*"], &[], &[given(), taken(WALLET)]),
        (("solana", USDC_ON_SOLANA), &["transfer", "*"], &[on_solana(None), on_solana(Some(6))], &[given()]),
        (("solana", SPL_TOKEN), &["transfer", "*"], &[on_solana(None), on_solana(Some(6))], &[given()]),
        (("solana", SPL_TOKEN), &["0x0c"], &[on_solana(Some(6))], &[on_solana(None)]),
        (("solana", SPL_TOKEN), &["0x03"], &[on_solana(None)], &[on_solana(Some(6))]),
        (("solana", SPL_TOKEN), &["transferFrom"], &[], &[on_solana(None), on_solana(Some(6))]),
    ];
    for ((chain, contract), functions, are, are_not) in table {
        for function in *functions {
            let calls =
                format!("calls: [{{chain: {chain}, contract: \"{contract}\", functions: [\"{function}\"]}}]");
            let allowing = with_rules(&format!(
                "  - {{name: these, assets: [USDC], fee_at_most: [1 ETH, 1 SOL], {calls}}}\n"
            ));
            let denying = with_rules(&format!("  - {{name: no, deny: true, {calls}}}\n"));
            for tx in *are {
                allowed(&Asked::default().of(&allowing, tx), "these");
                assert_eq!(Asked::default().of(&denying, tx).rule(), Some("no"), "{calls}");
            }
            for tx in *are_not {
                denied(&Asked::default().of(&allowing, tx), "the transaction makes none of them");
                assert_eq!(Asked::default().of(&denying, tx).rule(), None, "{calls}");
            }
        }
    }
}

#[test]
fn what_is_taken_from_the_wallet_itself_is_counted_like_what_it_gives() {
    let policy = policy(EXAMPLE);
    let night = Asked { at: FRIDAY_NOON + 12 * HOUR, ..Asked::default() };
    for tx in [
        Tx::on(ETHEREUM).usdc(1000 * DOLLAR + 1, EXCHANGE),
        Tx::on(ETHEREUM).taken(USDC, 1000 * DOLLAR + 1, WALLET, EXCHANGE),
        Tx::on(ETHEREUM).taken(USDC, 1000 * DOLLAR + 1, STRANGER, EXCHANGE),
    ] {
        denied(&night.of(&policy, &tx), "1000.000001 USDC are more than 1000 USDC at once");
        let counted = policy.counted(&"hot-1".parse().unwrap(), &tx.0).spends;
        assert!(counted.iter().any(|spend| spend.units == 1000 * DOLLAR + 1), "{counted:?}");
    }
    // To itself: change.
    let to_itself = Tx::on(ETHEREUM).taken(USDC, 5000 * DOLLAR, WALLET, WALLET);
    allowed(&night.of(&policy, &to_itself), EVERYDAY);
}

#[test]
fn data_that_begins_like_a_call_of_a_token_has_its_name() {
    for (selector, name) in [("a9059cbb", "transfer"), ("23b872dd", "transferFrom"), ("095ea7b3", "approve")]
    {
        let disguised = Tx::on(ETHEREUM).opaque(Some(USDC), &format!("{selector}00"));
        let rule = |chain: &str, function: &str| {
            with_rules(&format!(
                "  - {{name: no, deny: true, calls: [{{chain: {chain}, contract: \"{USDC}\", functions: [\"{function}\"]}}]}}\n"
            ))
        };
        assert_eq!(Asked::default().of(&rule("ethereum", name), &disguised).rule(), Some("no"));
        assert_eq!(
            Asked::default().of(&rule("ethereum", &format!("0x{selector}")), &disguised).rule(),
            Some("no")
        );
        assert_eq!(Asked::default().of(&rule("base", name), &disguised).rule(), None);
    }
}

#[test]
fn what_a_new_account_for_a_token_costs_is_counted_and_goes_to_it() {
    const RENT: u128 = 2_039_280;
    let create = |tx: Tx| tx.call(ASSOCIATED, "create token account unless it exists", &[]);
    let paid = |to: &str| create(Tx::on(SOLANA).coin(RENT, to));
    let rule = |conditions: &str| {
        with_rules(&format!(
            "  - {{name: new accounts, fee_at_most: [0.01 SOL], {conditions}, calls: [{{chain: solana, contract: {ASSOCIATED}, \
             functions: [create token account unless it exists]}}]}}\n"
        ))
    };
    let asked = Asked::default();
    // The fee is a thousandth of a coin.
    let enough = rule("destinations: [exchanges], at_most: [0.00303928 SOL, 10 USDC]");
    allowed(&asked.of(&enough, &paid(SOLANA_EXCHANGE)), "new accounts");
    let with_tokens = paid(SOLANA_EXCHANGE).spl(USDC_ON_SOLANA, Some(6), 10 * DOLLAR, SOLANA_EXCHANGE);
    allowed(&asked.of(&enough, &with_tokens), "new accounts");
    denied(&asked.of(&enough, &paid(SPL_TOKEN)), "is not among exchanges");
    let two = create(paid(SOLANA_EXCHANGE).coin(RENT, SOLANA_EXCHANGE));
    denied(&asked.of(&enough, &two), "0.00507856 SOL are more than 0.00303928 SOL at once");
    denied(
        &asked.of(&rule("at_most: [0.00303927 SOL]"), &paid(SOLANA_EXCHANGE)),
        "0.00303928 SOL are more than 0.00303927 SOL at once",
    );
    denied(&asked.of(&rule("assets: [USDC]"), &paid(SOLANA_EXCHANGE)), "the coin of solana:");
    // Somebody else pays it: it need not be named or limited, but where it goes is still held against the list.
    let sponsored = |to: &str| create(Tx::on(SOLANA).coin_of_another(RENT, to));
    allowed(&asked.of(&rule("assets: [USDC]"), &sponsored(SOLANA_EXCHANGE)), "new accounts");
    allowed(&asked.of(&rule("at_most: [0.001 SOL]"), &sponsored(SOLANA_EXCHANGE)), "new accounts");
    denied(&asked.of(&enough, &sponsored(SPL_TOKEN)), "is not among exchanges");
}

#[test]
fn outputs_that_carry_data_are_signed_where_a_rule_says_so_and_coins_in_them_go_to_nobody() {
    const PAYEE: &str = "bc1pfqarxerx6v0zh6zcj2f3a3np8jselxn8vgefdx95c0n328qpzg4ssw6kv5";
    let rules = |conditions: &str| {
        let assets = EXAMPLE.find("  ETH: {chain").unwrap();
        let rules = EXAMPLE.find("rules:").unwrap();
        let lists = EXAMPLE.find("  sanctioned:\n").unwrap();
        policy(&format!(
            "{}  BTC: {{chain: bitcoin}}\n{}  payees: {{bitcoin: [{PAYEE}]}}\n{}rules:\n  - {{name: coins, fee_at_most: [0.1 BTC]{conditions}}}\n",
            &EXAMPLE[..assets],
            &EXAMPLE[assets..lists],
            &EXAMPLE[lists..rules]
        ))
    };
    let asked = Asked::default();
    let payment = |satoshis| Tx::on(BITCOIN).coin(1000, PAYEE).data(satoshis);
    denied(&asked.of(&rules(""), &payment(0)), "a call of \"data\" of OP_RETURN: data is not set");
    for conditions in ["", ", destinations: [payees]", ", at_most: [0.01001 BTC]"] {
        allowed(&asked.of(&rules(&format!(", data: true{conditions}")), &payment(0)), "coins");
    }
    // What is destroyed is counted, and goes to no address.
    allowed(&asked.of(&rules(", data: true"), &payment(1)), "coins");
    denied(
        &asked.of(&rules(", data: true, at_most: [0.01001 BTC]"), &payment(1)),
        "0.01001001 BTC are more than 0.01001 BTC at once",
    );
    denied(
        &asked.of(&rules(", data: true, destinations: [payees]"), &payment(1)),
        "script:6a0101 is not among payees",
    );
    // Anything else is what it was.
    denied(
        &asked.of(&rules(", data: true"), &payment(0).opaque(None, "51")),
        "what can't be explained is refused",
    );
    let denying = with_rules("  - {name: no data, deny: true, data: true}\n");
    assert_eq!(asked.of(&denying, &payment(0)).rule(), Some("no data"));
    assert_eq!(asked.of(&denying, &Tx::on(BITCOIN).coin(1000, PAYEE)).rule(), None);
}
