//! The example policy, and what it decides.

use std::collections::BTreeSet;

use quorate_chains::{Bound, WarningKind};
use quorate_policy::{CountedSpends, Judgement, Place, Policy, Question, SpendingBefore, Subject};
use quorate_request::{Operation, WalletId};

use crate::subjects::*;

pub(crate) const EXAMPLE: &str = include_str!("../../../../docs/examples/policy.yaml");
/// Friday, 2026-11-20 12:00:00 UTC.
pub(crate) const FRIDAY_NOON: u64 = 1_795_176_000;
pub(crate) const HOUR: u64 = 3600;
pub(crate) const DAY: u64 = 24 * HOUR;
pub(crate) const DOLLAR: u128 = 1_000_000;
pub(crate) const ETH: u128 = 1000 * MILLI_ETH;

pub(crate) fn policy(yaml: &str) -> Policy {
    Policy::read(yaml.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// What was spent before, by whom, and when.
#[derive(Default)]
pub(crate) struct Spent(pub(crate) Vec<(&'static str, Place, u128, u64)>);

impl SpendingBefore for Spent {
    fn spent(&self, wallets: &dyn Fn(&WalletId) -> bool, place: &Place, since: u64) -> u128 {
        let counted = self.0.iter().filter(|(wallet, at, _, when)| {
            wallets(&wallet.parse().unwrap()) && at == place && *when >= since
        });
        counted.map(|(_, _, units, _)| units).sum()
    }
}

/// One who asks.
pub(crate) struct Asked<'a> {
    pub(crate) wallet: &'a str,
    pub(crate) initiator: &'a str,
    pub(crate) at: u64,
    pub(crate) approved_by: &'a [&'a str],
    pub(crate) spent: Spent,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            wallet: "hot-1",
            initiator: "backend",
            at: FRIDAY_NOON,
            approved_by: &[],
            spent: Spent::default(),
        }
    }
}

impl Asked<'_> {
    pub(crate) fn judge(&self, policy: &Policy, subject: Subject<'_>) -> Judgement {
        let wallet = self.wallet.parse().unwrap();
        let approved_by: BTreeSet<String> = self.approved_by.iter().map(|name| (*name).to_owned()).collect();
        policy.judge(&Question {
            wallet: &wallet,
            initiator: self.initiator,
            subject,
            at: self.at,
            approved_by: &approved_by,
            spent: &self.spent,
        })
    }

    pub(crate) fn of(&self, policy: &Policy, tx: &Tx) -> Judgement {
        self.judge(policy, Subject::Transaction(&tx.0))
    }
}

#[track_caller]
pub(crate) fn allowed(judgement: &Judgement, rule: &str) {
    assert_eq!(*judgement, Judgement::Allowed { rule: rule.to_owned() });
}

/// Denied, by no rule, and for a reason with these words.
#[track_caller]
pub(crate) fn denied(judgement: &Judgement, words: &str) {
    let Judgement::Denied { rule: None, reason } = judgement else { panic!("{judgement:?}") };
    assert!(reason.contains(words), "{reason:?} does not say {words:?}");
}

pub(crate) const EVERYDAY: &str = "everyday payments";
pub(crate) const LARGE: &str = "large payments";

#[test]
fn everyday_payments_are_signed_within_their_limits() {
    let policy = policy(EXAMPLE);
    let asked = Asked::default();
    for tx in [
        Tx::on(ETHEREUM).coin(499 * MILLI_ETH, EXCHANGE),
        Tx::on(ETHEREUM).coin(499 * MILLI_ETH, OTHER_EXCHANGE).change(7 * ETH),
        Tx::on(ETHEREUM).usdc(1000 * DOLLAR, EXCHANGE),
        Tx::on(ETHEREUM).usdc(0, EXCHANGE),
        Tx::on(SOLANA).coin(9_999_000_000, SOLANA_EXCHANGE),
        Tx::on(SOLANA).token(USDC_ON_SOLANA, Some(6), 1000 * DOLLAR, SOLANA_EXCHANGE),
        Tx::on(SOLANA).coin(10_000_000_000, SOLANA_EXCHANGE).fee_of_another(u128::MAX),
        Tx::on(SOLANA)
            .coin(1, SOLANA_EXCHANGE)
            .call("ComputeBudget111111111111111111111111111111", "limit compute units", &[])
            .call("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr", "memo", &[]),
    ] {
        allowed(&asked.of(&policy, &tx), EVERYDAY);
    }
}

#[test]
fn what_is_beyond_a_condition_is_refused_with_the_reason() {
    let policy = policy(EXAMPLE);
    let night = Asked { at: FRIDAY_NOON + 12 * HOUR, ..Asked::default() };
    for (tx, words) in [
        (
            Tx::on(ETHEREUM).coin(500 * MILLI_ETH, EXCHANGE),
            "everyday payments: 0.501 ETH are more than 0.5 ETH at once, fee included",
        ),
        (
            Tx::on(ETHEREUM).usdc(1000 * DOLLAR + 1, EXCHANGE),
            "1000.000001 USDC are more than 1000 USDC at once",
        ),
        (
            Tx::on(ETHEREUM).usdc(600 * DOLLAR, EXCHANGE).usdc(600 * DOLLAR, OTHER_EXCHANGE),
            "1200 USDC are more than 1000 USDC",
        ),
        (Tx::on(ETHEREUM).coin(1, STRANGER), "dEaD is not among exchanges"),
        (Tx::on(ETHEREUM).coin(1, EXCHANGE).coin(1, STRANGER), "dEaD is not among exchanges"),
        (
            Tx::on(ETHEREUM).token(STRANGER, None, 1, EXCHANGE),
            "token 0x000000000000000000000000000000000000dEaD of eip155:1 is not among ETH, SOL, USDC",
        ),
        (
            Tx::on(SOLANA).token(USDC_ON_SOLANA, Some(9), 1, SOLANA_EXCHANGE),
            "USDC has 9 decimal places by the transaction, 6 by the policy",
        ),
        (Tx::on(SOLANA).unnamed_token(1, SOLANA_EXCHANGE), "does not say which token"),
        (
            Tx::on(ETHEREUM).coin(1, EXCHANGE).fee(11 * MILLI_ETH, Bound::AtMost),
            "a fee of 0.011 ETH is more than 0.01 ETH",
        ),
        (Tx::on(ETHEREUM).coin(1, EXCHANGE).fee(1, Bound::Open), "open_fees is not set"),
        (Tx::on(ETHEREUM).coin(1, EXCHANGE).without_fee(), "nobody can tell its fee"),
        (Tx::on("eip155:10").coin(1, EXCHANGE), "is not among exchanges"),
        (
            Tx::on(ETHEREUM).coin(1, EXCHANGE).opaque(Some(EXCHANGE), "a694fc3a"),
            "what can't be explained is refused",
        ),
        (Tx::on(ETHEREUM).coin(1, EXCHANGE).opaque(None, ""), "what can't be explained is refused"),
        (
            Tx::on(ETHEREUM).call(USDC, "approve", &[("spender", EXCHANGE), ("amount", "1")]),
            "no calls entry allows it",
        ),
        (
            Tx::on(ETHEREUM).coin(1, EXCHANGE).warned(WarningKind::WeakSighash),
            "others can change what is signed",
        ),
    ] {
        denied(&night.of(&policy, &tx), words);
    }
}

#[test]
fn the_reason_names_each_rule_that_is_about_the_wallet() {
    let policy = policy(EXAMPLE);
    let asked = Asked { at: FRIDAY_NOON + 12 * HOUR, ..Asked::default() };
    let judgement = asked.of(&policy, &Tx::on(ETHEREUM).coin(ETH, EXCHANGE));
    denied(
        &judgement,
        "no rule allows it; everyday payments: 1.001 ETH are more than 0.5 ETH at once, fee included; large payments: it \
         holds at mon tue wed thu fri 08:00 to 18:00",
    );
    let stranger = Asked { wallet: "cold", ..Asked::default() };
    denied(
        &stranger.of(&policy, &Tx::on(ETHEREUM).coin(1, EXCHANGE)),
        "no rule is about wallet cold and initiator backend",
    );
}

#[test]
fn a_rule_that_denies_comes_first_and_needs_one_part_only() {
    let policy = policy(EXAMPLE);
    for wallet in ["hot-1", "treasury", "anything"] {
        let asked = Asked { wallet, approved_by: &["alice", "bob"], ..Asked::default() };
        for tx in [
            Tx::on(ETHEREUM).coin(0, SANCTIONED),
            Tx::on(ETHEREUM).coin(1, EXCHANGE).usdc(1, SANCTIONED),
            Tx::on(ETHEREUM).call(USDC, "approve", &[("spender", SANCTIONED), ("amount", "0")]),
        ] {
            let judgement = asked.of(&policy, &tx);
            assert_eq!(judgement.rule(), Some("sanctions"), "{judgement:?}");
            assert!(!judgement.is_allowed());
        }
    }
}

#[test]
fn large_payments_need_two_of_three_authorizers_in_working_hours() {
    let policy = policy(EXAMPLE);
    let tx = Tx::on(ETHEREUM).coin(50 * ETH, EXCHANGE);
    for (approved_by, by) in [
        (&[][..], &[][..]),
        (&["bob"], &["bob"]),
        (&["bob", "mallory"], &["bob"]),
        (&["mallory", "eve"], &[]),
    ] {
        let asked = Asked { wallet: "treasury", approved_by, ..Asked::default() };
        let expected = Judgement::Unapproved {
            rule: LARGE.to_owned(),
            threshold: 2,
            of: ["alice", "bob", "carol"].map(str::to_owned).to_vec(),
            by: by.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(asked.of(&policy, &tx), expected);
    }
    let approved =
        |at| Asked { wallet: "treasury", approved_by: &["carol", "alice"], at, ..Asked::default() };
    allowed(&approved(FRIDAY_NOON).of(&policy, &tx), LARGE);
    // The policy's clocks are an hour ahead of UTC.
    allowed(&approved(FRIDAY_NOON + 5 * HOUR - 1).of(&policy, &tx), LARGE);
    denied(&approved(FRIDAY_NOON + 5 * HOUR).of(&policy, &tx), "it holds at");
    denied(&approved(FRIDAY_NOON + DAY).of(&policy, &tx), "it holds at");
}

#[test]
fn windows_count_what_was_spent_on_all_chains_of_the_asset_and_fees() {
    let policy = policy(EXAMPLE);
    let (on_ethereum, on_solana) = (Place::token(ETHEREUM, USDC), Place::token(SOLANA, USDC_ON_SOLANA));
    let before = |spent: Vec<(&'static str, Place, u128, u64)>| Asked {
        at: FRIDAY_NOON + 12 * HOUR,
        spent: Spent(spent),
        ..Asked::default()
    };
    let tx = Tx::on(ETHEREUM).usdc(1000 * DOLLAR, EXCHANGE);
    let now = FRIDAY_NOON + 12 * HOUR;
    let spent = |hours: u64, units: u128| {
        vec![
            ("hot-1", on_ethereum.clone(), units / 2, now - hours * HOUR),
            ("hot-1", on_solana.clone(), units / 2, now - HOUR),
        ]
    };
    allowed(&before(spent(2, 9000 * DOLLAR)).of(&policy, &tx), EVERYDAY);
    denied(
        &before(spent(2, 9000 * DOLLAR + 2)).of(&policy, &tx),
        "1000 USDC are more than the 999.999998 USDC that are left of 10000 USDC in 24h, fee included",
    );
    // Half of it a day ago and more.
    allowed(&before(spent(25, 18_000 * DOLLAR)).of(&policy, &tx), EVERYDAY);
    denied(&before(spent(24, 18_000 * DOLLAR + 2)).of(&policy, &tx), "are left of 10000 USDC in 24h");
    // Other wallets count in one of the windows alone.
    let others = |units| {
        vec![
            ("hot-2", on_ethereum.clone(), units, now - 3 * DAY),
            ("treasury", on_ethereum.clone(), u128::MAX, now),
        ]
    };
    allowed(&before(others(24_000 * DOLLAR)).of(&policy, &tx), EVERYDAY);
    denied(&before(others(24_000 * DOLLAR + 1)).of(&policy, &tx), "are left of 25000 USDC in 7d");
    // Fees are of the coin.
    let fees = vec![("hot-1", Place::coin(ETHEREUM), 5 * ETH, now - HOUR)];
    denied(
        &before(fees).of(&policy, &Tx::on(ETHEREUM).usdc(1, EXCHANGE)),
        "0.001 ETH are more than the 0 ETH",
    );
    assert_eq!(policy.longest_window(), Some(7 * DAY));
}

#[test]
fn what_is_counted_is_what_some_window_limits() {
    let policy = policy(EXAMPLE);
    let tx = Tx::on(ETHEREUM)
        .usdc(3, EXCHANGE)
        .coin(5, EXCHANGE)
        .usdc(4, STRANGER)
        .token(STRANGER, None, 9, EXCHANGE);
    let hot = "hot-1".parse().unwrap();
    let counted = policy.counted(&hot, &tx.0);
    // The window over a week is of all wallets.
    assert!(counted.with_others);
    let mut spends: Vec<_> =
        counted.spends.into_iter().map(|spend| (spend.place.token, spend.units)).collect();
    spends.sort();
    assert_eq!(spends, [(None, MILLI_ETH + 5), (Some(USDC.to_owned()), 7)]);
    assert!(!policy.counted(&hot, &Tx::on(ETHEREUM).coin(5, EXCHANGE).0).with_others);
    // No window limits SOL, and none is about the treasury.
    assert_eq!(policy.counted(&hot, &Tx::on(SOLANA).coin(1, SOLANA_EXCHANGE).0), CountedSpends::default());
    assert_eq!(policy.counted(&"treasury".parse().unwrap(), &tx.0), CountedSpends::default());
}

#[test]
fn allowances_are_as_good_as_transfers() {
    let yaml = EXAMPLE.replace(
        "    fee_at_most: [0.01 ETH, 0.01 SOL]\n",
        &format!("    fee_at_most: [0.01 ETH, 0.01 SOL]\n    calls: [{{chain: ethereum, contract: \"{USDC}\", functions: [approve]}}]\n"),
    );
    let policy = policy(&yaml);
    let approve = |spender: &str, amount: &str| {
        Tx::on(ETHEREUM).call(USDC, "approve", &[("spender", spender), ("amount", amount)])
    };
    let night = Asked { at: FRIDAY_NOON + 12 * HOUR, ..Asked::default() };
    allowed(&night.of(&policy, &approve(EXCHANGE, "1000000000")), EVERYDAY);
    denied(&night.of(&policy, &approve(EXCHANGE, "1000000001")), "are more than 1000 USDC at once");
    denied(&night.of(&policy, &approve(STRANGER, "1")), "is not among exchanges");
    let unlimited = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    denied(&night.of(&policy, &approve(EXCHANGE, unlimited)), "are more than 1000 USDC at once");
    assert_eq!(
        policy.counted(&"hot-1".parse().unwrap(), &approve(EXCHANGE, unlimited).0).spends[0].units,
        u128::MAX
    );
}

#[test]
fn a_function_of_a_contract_is_allowed_by_its_selector() {
    let policy = policy(EXAMPLE);
    let asked = Asked { wallet: "treasury", at: FRIDAY_NOON + 12 * HOUR, ..Asked::default() };
    let stake =
        |contract: &str, data: &str| Tx::on(ETHEREUM).coin(32 * ETH, EXCHANGE).opaque(Some(contract), data);
    allowed(&asked.of(&policy, &stake(EXCHANGE, "a694fc3a00000001")), "staking");
    denied(
        &asked.of(&policy, &stake(EXCHANGE, "a694fc3b00000001")),
        "staking: data (0x28C6c06298d514Db089934071355E5743bf21d60: unknown): what can't be explained",
    );
    denied(&asked.of(&policy, &stake(EXCHANGE, "a694fc")), "what can't be explained");
    denied(&asked.of(&policy, &stake(OTHER_EXCHANGE, "a694fc3a")), "what can't be explained");
    denied(&asked.of(&policy, &stake(EXCHANGE, "a694fc3a").opaque(None, "")), "what can't be explained");
    let payment = Tx::on(ETHEREUM).coin(ETH, EXCHANGE);
    denied(
        &asked.of(&policy, &payment),
        "staking: it is for certain calls, and the transaction makes none of them",
    );
}

#[test]
fn digests_are_signed_by_rules_that_say_so_alone() {
    let policy = policy(EXAMPLE);
    let oracle = Asked { wallet: "oracle", ..Asked::default() };
    allowed(&oracle.judge(&policy, Subject::Raw), "attestations");
    denied(&oracle.of(&policy, &Tx::on(ETHEREUM)), "attestations: it is about digests and messages");
    denied(
        &Asked::default().judge(&policy, Subject::Raw),
        "it is about transactions, and this is a digest or message",
    );
    let treasury = Asked { wallet: "treasury", approved_by: &["alice", "bob", "carol"], ..Asked::default() };
    denied(&treasury.judge(&policy, Subject::Raw), "it is about transactions");
}

#[test]
fn rules_that_deny_all_deny_digests_too() {
    let rules = "rules:\n  - {name: freeze, deny: true, wallets: [oracle]}\n  - {name: no digests, deny: true, raw: true, wallets: [hot-1]}\n";
    let policy =
        policy(&EXAMPLE.replace(
            "rules:                          # the first whose conditions all hold decides\n",
            rules,
        ));
    let oracle = Asked { wallet: "oracle", ..Asked::default() };
    assert_eq!(oracle.judge(&policy, Subject::Raw).rule(), Some("freeze"));
    let hot = Asked::default();
    assert_eq!(hot.judge(&policy, Subject::Raw).rule(), Some("no digests"));
    allowed(&hot.of(&policy, &Tx::on(ETHEREUM).coin(1, EXCHANGE)), EVERYDAY);
}

#[test]
fn initiators_ask_within_their_scope() {
    let policy = policy(EXAMPLE);
    let [backend, operations] = policy.initiators() else { panic!("two initiators") };
    let read = Operation::read("/api/v1/wallets").unwrap();
    for (operation, backend_may) in [
        (Operation::Sign, true),
        (read, true),
        (Operation::Presign, true),
        (Operation::Keygen, false),
        (Operation::Auxiliary, false),
    ] {
        assert_eq!(backend.may_ask(&operation).is_ok(), backend_may, "{operation}");
        assert_eq!(operations.may_ask(&operation), Ok(()));
    }
    let wallet = |name: &str| name.parse::<WalletId>().unwrap();
    assert!(backend.may_use(&wallet("hot-7")).is_ok() && operations.may_use(&wallet("cold")).is_ok());
    assert_eq!(
        backend.may_use(&wallet("cold")).unwrap_err().to_string(),
        "initiator backend may not ask for wallet cold"
    );
    assert!(backend.may_sign_for(Some(ETHEREUM)).is_ok() && operations.may_sign_for(None).is_ok());
    assert!(backend.may_sign_for(Some("eip155:10")).is_err());
    assert!(backend.may_sign_for(None).unwrap_err().to_string().contains("not for digests"));
    assert_eq!(
        policy.initiators()[0].key().to_string(),
        "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    );
}

#[test]
fn an_initiator_retires_and_its_name_may_get_another_key() {
    let retired = EXAMPLE.replace(
        "    chains: [ethereum, solana]\n  operations:",
        "    chains: [ethereum, solana]\n    retired: true\n  operations:",
    );
    let policy = policy(&retired);
    let [backend, operations] = policy.initiators() else { panic!("two initiators") };
    assert!(backend.is_retired() && !operations.is_retired());
    let again = backend.with_key(*operations.key());
    assert!(!again.is_retired());
    assert_eq!((again.name(), again.key()), ("backend", operations.key()));
    let names: Vec<_> = again.operations().map(quorate_policy::ScopedOperation::name).collect();
    assert_eq!(names, ["sign", "presign", "read"]);
    assert_eq!(again.wallets(), Some(vec!["hot-*".to_owned()]));
    assert_eq!(again.chains().unwrap().len(), 2);
    assert_eq!((operations.wallets(), operations.chains()), (None, None));
    // What it has been signed for stays judged as it was.
    allowed(&Asked::default().of(&policy, &Tx::on(ETHEREUM).coin(1, EXCHANGE)), EVERYDAY);
}

#[test]
fn a_policy_without_rules_signs_nothing() {
    let rules = EXAMPLE.find("rules:").unwrap();
    let policy = policy(&EXAMPLE[..rules]);
    denied(
        &Asked::default().of(&policy, &Tx::on(ETHEREUM).coin(1, EXCHANGE)),
        "no rule is about wallet hot-1",
    );
    denied(&Asked::default().judge(&policy, Subject::Raw), "no rule");
}

const DEVNET: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";

#[test]
fn a_test_network_whose_transactions_are_good_elsewhere_is_judged_only_where_the_policy_says_so() {
    let policy_of = |flag: &str, chain: &str| {
        format!(
            "version: 1\n{flag}initiators:\n  backend: {{key: \"0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\", operations: [sign]}}\n\
             assets:\n  SOL: {{chain: {chain}}}\nrules:\n  - {{name: any, fee_at_most: [1 SOL]}}\n"
        )
    };
    let tx = Tx::on(DEVNET).coin(1, SOLANA_EXCHANGE);
    let asked = Asked::default();
    denied(
        &asked.of(&policy(&policy_of("", "solana")), &tx),
        "Solana devnet is a test network whose transactions can be used on others",
    );
    let error = Policy::read(policy_of("", "devnet").as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("assets: SOL: Solana devnet is a test network"), "{error}");
    let error = Policy::read(policy_of("", "bitcoin-testnet4").as_bytes()).unwrap_err().to_string();
    assert!(error.contains("is a test network"), "{error}");
    allowed(&asked.of(&policy(&policy_of("test_networks: true\n", "devnet")), &tx), "any");
    // Transactions of Ethereum's test networks name them.
    assert!(Policy::read(policy_of("", "sepolia").as_bytes()).is_ok());
}

/// The example, with rules of one's own.
pub(crate) fn with_rules(rules: &str) -> Policy {
    let at = EXAMPLE.find("rules:").unwrap();
    policy(&format!("{}rules:\n{rules}", &EXAMPLE[..at]))
}

#[test]
fn a_call_that_is_made_to_look_like_another_one_is_allowed_by_nothing() {
    let rules = format!(
        "  - {{name: no allowances, deny: true, calls: [{{chain: ethereum, contract: \"{USDC}\", functions: [approve]}}]}}\n  \
         - {{name: all else, fee_at_most: [1 ETH], calls: [{{chain: ethereum, contract: \"{USDC}\", functions: [\"*\"]}}]}}\n"
    );
    let policy = with_rules(&rules);
    let asked = Asked::default();
    let approve = Tx::on(ETHEREUM).call(USDC, "approve", &[("spender", STRANGER), ("amount", "1")]);
    assert_eq!(asked.of(&policy, &approve).rule(), Some("no allowances"));
    // The same with a byte at its end, which contracts read over.
    let disguised = |selector: &str| Tx::on(ETHEREUM).opaque(Some(USDC), &format!("{selector}00"));
    assert_eq!(asked.of(&policy, &disguised("095ea7b3")).rule(), Some("no allowances"));
    for selector in ["a9059cbb", "23b872dd"] {
        let disguised = disguised(selector);
        denied(&asked.of(&policy, &disguised), "it looks like a token call, and is none");
    }
    allowed(&asked.of(&policy, &Tx::on(ETHEREUM).opaque(Some(USDC), "d0e30db0")), "all else");
}

#[test]
fn calls_of_tokens_are_denied_by_name_and_by_selector() {
    let transfers = [
        (Tx::on(ETHEREUM).usdc(1, EXCHANGE), "a9059cbb", "transfer"),
        (Tx::on(ETHEREUM).taken(USDC, 1, STRANGER, EXCHANGE), "23b872dd", "transferFrom"),
        (
            Tx::on(ETHEREUM).call(USDC, "approve", &[("spender", EXCHANGE), ("amount", "1")]),
            "095ea7b3",
            "approve",
        ),
        (Tx::on(ETHEREUM).opaque(Some(USDC), "40c10f1900"), "40c10f19", "*"),
    ];
    for (tx, selector, name) in &transfers {
        for function in [&format!("0x{selector}"), *name, "*"] {
            let policy = with_rules(&format!(
                "  - {{name: none of it, deny: true, calls: [{{chain: ethereum, contract: \"{USDC}\", functions: [\"{function}\"]}}]}}\n"
            ));
            assert_eq!(Asked::default().of(&policy, tx).rule(), Some("none of it"), "{function}");
        }
        let other = with_rules(&format!(
            "  - {{name: none of it, deny: true, calls: [{{chain: ethereum, contract: \"{USDC}\", functions: [\"0x12345678\"]}}]}}\n"
        ));
        assert_eq!(Asked::default().of(&other, tx).rule(), None);
    }
}

#[test]
fn tokens_must_be_named_also_those_that_go_to_the_wallet_itself_or_come_from_others() {
    let coins = with_rules("  - {name: coins, destinations: [exchanges], fee_at_most: [1 ETH]}\n");
    let asked = Asked::default();
    allowed(&asked.of(&coins, &Tx::on(ETHEREUM).coin(1, EXCHANGE)), "coins");
    denied(&asked.of(&coins, &Tx::on(ETHEREUM).usdc(1, EXCHANGE)), "tokens must be named");
    denied(&asked.of(&coins, &Tx::on(ETHEREUM).token(STRANGER, None, 1, WALLET)), "tokens must be named");
    let dollars =
        with_rules("  - {name: dollars, destinations: [exchanges], assets: [USDC], fee_at_most: [1 ETH]}\n");
    allowed(&asked.of(&dollars, &Tx::on(ETHEREUM).usdc(1, WALLET)), "dollars");
    denied(&asked.of(&dollars, &Tx::on(ETHEREUM).token(STRANGER, None, 1, WALLET)), "is not among USDC");
    denied(
        &asked.of(&dollars, &Tx::on(ETHEREUM).coin(1, EXCHANGE)),
        "the coin of eip155:1 is not among USDC",
    );
    allowed(&asked.of(&dollars, &Tx::on(ETHEREUM).taken(USDC, 1, STRANGER, EXCHANGE)), "dollars");
    denied(&asked.of(&dollars, &Tx::on(ETHEREUM).taken(USDC, 1, STRANGER, WALLET)), "is not among exchanges");
}

#[test]
fn conditions_on_initiators_and_on_what_is_left_open_hold_as_they_say() {
    let rules = "  - {name: theirs, initiators: [operations], fee_at_most: [1 ETH]}\n  - {name: open, open_fees: true, weak_sighashes: true, wallets: [hot-1], fee_at_most: [1 ETH]}\n";
    let policy = with_rules(rules);
    let operations = Asked { initiator: "operations", wallet: "cold", ..Asked::default() };
    allowed(&operations.of(&policy, &Tx::on(ETHEREUM).coin(1, STRANGER)), "theirs");
    let backend = Asked { wallet: "cold", ..Asked::default() };
    denied(
        &backend.of(&policy, &Tx::on(ETHEREUM).coin(1, STRANGER)),
        "no rule is about wallet cold and initiator backend",
    );
    let open = Tx::on(ETHEREUM).coin(1, STRANGER).fee(1, Bound::Open).warned(WarningKind::WeakSighash);
    allowed(&Asked::default().of(&policy, &open), "open");
}
