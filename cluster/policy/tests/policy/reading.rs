//! Policies that are not accepted, and where they are wrong.

use quorate_policy::{Policy, PolicyError, ScopedOperation};

use crate::decisions::{Asked, DOLLAR, EXAMPLE, allowed, denied};
use crate::subjects::*;

/// The example with one piece of text in place of another.
#[track_caller]
fn with(old: &str, new: &str) -> Result<Policy, PolicyError> {
    assert_eq!(EXAMPLE.matches(old).count(), 1, "{old}");
    Policy::read(EXAMPLE.replace(old, new).as_bytes())
}

/// The example of a policy that nodes serve as they are.
const SIMPLE: &str = include_str!("../../../../docs/examples/policy-simple.yaml");

#[test]
fn the_examples_are_read_and_named_by_the_hash_of_their_bytes() {
    let simple = Policy::read(SIMPLE.as_bytes()).unwrap();
    assert_eq!(simple.rules().collect::<Vec<_>>(), ["to exchanges"]);
    assert!(simple.longest_window().is_none() && !simple.asks_for_approvals());
    let asked = Asked::default();
    allowed(&asked.of(&simple, &Tx::on(ETHEREUM).coin(999 * MILLI_ETH, EXCHANGE)), "to exchanges");
    allowed(&asked.of(&simple, &Tx::on(ETHEREUM).usdc(5000 * DOLLAR, OTHER_EXCHANGE)), "to exchanges");
    denied(
        &asked.of(&simple, &Tx::on(ETHEREUM).coin(1000 * MILLI_ETH, EXCHANGE)),
        "1.001 ETH are more than 1 ETH",
    );
    denied(&asked.of(&simple, &Tx::on(ETHEREUM).usdc(1, STRANGER)), "is not among exchanges");

    let policy = Policy::read(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(policy.version(), 1);
    let names: Vec<_> = policy.rules().collect();
    assert_eq!(names, ["sanctions", "everyday payments", "large payments", "staking", "attestations"]);
    let other = Policy::read(format!("{EXAMPLE}\n").as_bytes()).unwrap();
    assert_ne!(policy.digest(), other.digest());
    assert_eq!(policy.authorizers().len(), 3);
    let (name, key) = &policy.authorizers()[1];
    assert_eq!(policy.authorizer(key), Some(name.as_str()));
}

#[test]
fn resharing_needs_most_authorizers_unless_the_policy_says_whom() {
    let approvals = |policy: &Policy| {
        let approvals = policy.approvals(ScopedOperation::Reshare).unwrap();
        (approvals.threshold(), approvals.of().to_vec())
    };
    let all = ["alice", "bob", "carol"].map(str::to_owned).to_vec();
    assert_eq!(approvals(&Policy::read(EXAMPLE.as_bytes()).unwrap()), (2, all));
    let said =
        with("  keygen: {threshold", "  reshare: {threshold: 1, of: [bob]}\n  keygen: {threshold").unwrap();
    assert_eq!(approvals(&said), (1, vec!["bob".to_owned()]));
    assert!(said.approvals(ScopedOperation::Refresh).is_none());
    assert!(Policy::read(SIMPLE.as_bytes()).unwrap().approvals(ScopedOperation::Reshare).is_none());
}

#[test]
fn keys_that_do_not_exist_or_are_there_twice_are_refused() {
    for (old, new, words) in [
        ("utc_offset:", "utc_ofset:", "unknown field `utc_ofset`"),
        ("    deny: true", "    denny: true", "unknown field `denny`"),
        ("    destinations: [sanctioned]", "    destinatons: [sanctioned]", "unknown field `destinatons`"),
        ("  - name: staking", "  - name: everyday payments", "another rule has this name"),
        ("  bob: ", "  alice: ", "alice is there twice"),
        ("version: 1", "version: 1\nversion: 2", "duplicate field `version`"),
        ("version: 1", "", "missing field `version`"),
        ("version: 1", "version: one", "invalid type"),
        (
            "  ETH: {chain: ethereum}",
            "  ETH: {chain: ethereum, symbol: ETH}",
            "expected {chain, token, decimals}",
        ),
        ("{days: [mon-fri], from:", "{day: [mon-fri], from:", "unknown field `day`"),
        ("{at_most: 5 ETH, in: 24h}", "{at_most: 5 ETH, per: 24h}", "unknown field `per`"),
        ("of: all_wallets", "of: everyone", "unknown variant `everyone`"),
    ] {
        let error = with(old, new).unwrap_err();
        assert!(error.to_string().contains(words), "{old} -> {new}: {error}");
    }
}

#[test]
fn wrong_units_and_amounts_are_refused_with_their_place() {
    for (old, new, words) in [
        (
            "at_most: [0.5 ETH,",
            "at_most: [0.5 ETHER,",
            "rules: everyday payments: at_most: there is no asset \"ETHER\"; under assets are: ETH, SOL, USDC",
        ),
        ("at_most: [0.5 ETH,", "at_most: [0.5,", "at_most: \"0.5\" is no amount"),
        ("at_most: [0.5 ETH,", "at_most: [half ETH,", "\"half\" is no amount"),
        ("at_most: [0.5 ETH,", "at_most: [-1 ETH,", "\"-1\" is no amount"),
        ("at_most: [0.5 ETH,", "at_most: [1e3 ETH,", "\"1e3\" is no amount"),
        ("at_most: [0.5 ETH,", "at_most: [1 ETH, 2 ETH,", "limited twice"),
        ("10 SOL, 1000 USDC]", "10 SOL, 1000.0000001 USDC]", "more than the 6 decimal places of USDC"),
        ("{at_most: 5 ETH, in: 24h}", "{at_most: 5 ETH, in: 24}", "is no length of a window"),
        ("{at_most: 5 ETH, in: 24h}", "{at_most: 5 ETH, in: 32d}", "is no length of a window"),
        ("{at_most: 5 ETH, in: 24h}", "{at_most: 5 ETH, in: 10s}", "is no length of a window"),
        ("{at_most: 5 ETH, in: 24h}", "{at_most: 5 WEI, in: 24h}", "windows: there is no asset \"WEI\""),
        (
            "fee_at_most: [0.01 ETH, 0.01 SOL]",
            "fee_at_most: [1 gwei]",
            "fee_at_most: there is no asset \"gwei\"",
        ),
        (
            "  ETH: {chain: ethereum}",
            "  ETH: {chain: ethereum, decimals: 8}",
            "the coin of Ethereum has 18 decimal places, not 8",
        ),
        (
            "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v, decimals: 6}",
            "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v}",
            "a token's decimals must be given",
        ),
        (
            "{chain: solana, token: EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v, decimals: 6}",
            "{chain: solana}",
            "assets: USDC: it is SOL under another name",
        ),
        ("  SOL: {chain: solana}", "  SOL: {chain: solanum}", "assets: SOL:"),
        ("from: \"08:00\"", "from: 8am", "\"8am\" is no time of day"),
        ("utc_offset: \"+01:00\"", "utc_offset: CET", "utc_offset: \"CET\" is no distance from UTC"),
        ("functions: [\"0xa694fc3a\"]", "functions: [\"0xa694fc3\"]", "is no selector"),
        ("functions: [\"0xa694fc3a\"]", "functions: []", "functions is empty"),
    ] {
        let error = with(old, new).unwrap_err();
        assert!(error.to_string().contains(words), "{old} -> {new}: {error}");
    }
}

#[test]
fn windows_and_hours_that_overlap_are_refused() {
    let window = "      - {at_most: 5 ETH, in: 24h}\n";
    for (more, words) in [
        ("      - {at_most: 7 ETH, in: 1d}\n", "two windows of 1d limit ETH"),
        ("      - {at_most: 5 ETH, in: 7d}\n", "the windows of 24h and 7d overlap"),
        ("      - {at_most: 6 ETH, in: 1h}\n", "the windows of 1h and 24h overlap"),
    ] {
        let error = with(window, &format!("{window}{more}")).unwrap_err().to_string();
        assert!(error.starts_with("rules: everyday payments: windows: ") && error.contains(words), "{error}");
    }
    for more in ["      - {at_most: 6 ETH, in: 7d}\n", "      - {at_most: 5 ETH, in: 24h, of: all_wallets}\n"]
    {
        assert!(with(window, &format!("{window}{more}")).is_ok(), "{more}");
    }
    let hours = "[{days: [mon-fri], from: \"08:00\", to: \"18:00\"}]";
    let error =
        with(hours, "[{days: [mon-fri], to: \"12:00\"}, {days: [fri], from: \"11:00\"}]").unwrap_err();
    assert!(
        error.to_string().contains("fri 11:00 to 24:00 overlaps mon tue wed thu fri 00:00 to 12:00"),
        "{error}"
    );
    assert!(with(hours, "[{days: [mon-fri], to: \"12:00\"}, {days: [fri], from: \"12:00\"}]").is_ok());
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (old, new, words) in [
        (
            "threshold: 2, of: [alice, bob, carol]}\n\nassets",
            "threshold: 4, of: [alice, bob, carol]}\n\nassets",
            "approvals: keygen: threshold is 1 to 3",
        ),
        (
            "threshold: 2, of: [alice, bob, carol]}\n\nassets",
            "threshold: 0, of: [alice, bob, carol]}\n\nassets",
            "threshold is 1 to 3",
        ),
        (
            "threshold: 2, of: [alice, bob, carol]}\n\nassets",
            "threshold: 2, of: [alice, alice]}\n\nassets",
            "named twice",
        ),
        (
            "threshold: 2, of: [alice, bob, carol]}\n\nassets",
            "threshold: 1, of: [mallory]}\n\nassets",
            "there is no authorizer \"mallory\"",
        ),
        ("  keygen: {threshold", "  sign: {threshold", "rules say"),
        ("  keygen: {threshold", "  mint: {threshold", "\"mint\" is none of the operations keygen, refresh"),
        ("  keygen: {threshold", "  read: {threshold", "\"read\" is none of the operations keygen, refresh"),
        (
            "0x278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
            "0xfc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "authorizers: bob: alice has the same key",
        ),
        (
            "0x278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
            "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "authorizers: bob: backend has the same key",
        ),
        ("0x278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e", "0x01", "expected 0x"),
        ("    deny: true", "    deny: true\n    at_most: [1 ETH]", "a rule that denies has no limits"),
        ("    raw: true", "    raw: true\n    destinations: [exchanges]", "of a digest nobody can tell"),
        ("    fee_at_most: [0.01 ETH, 0.01 SOL]\n", "", "add fee_at_most"),
        (
            "    fee_at_most: [0.01 ETH, 0.01 SOL]\n",
            "    fee_at_most: [0.01 ETH]\n    weak_sighashes: true\n",
            "others could change recipients and amounts",
        ),
        ("    destinations: [sanctioned]", "    destinations: []", "a list is empty"),
        ("hours: [{days: [mon-fri], from: \"08:00\", to: \"18:00\"}]", "hours: []", "a list is empty"),
        ("functions: [\"0xa694fc3a\"]", "functions: [\"0xa694fc\"]", "a selector of Ethereum has 4 bytes"),
        (
            "functions: [\"0xa694fc3a\"]",
            "functions: [\"0xa694fc3a00\"]",
            "a selector of Ethereum has 4 bytes",
        ),
        ("    raw: true", "    raw: true\n    data: true", "of a digest nobody can tell"),
        (
            "    destinations: [sanctioned]",
            "    destinations: [santioned]",
            "there is no list \"santioned\" under addresses",
        ),
        (
            "  - name: staking",
            "  - name: staking\n    initiators: [frontend]",
            "there is no initiator \"frontend\"",
        ),
        ("operations: [sign, presign, read]", "operations: []", "operations is empty"),
        (
            "operations: [sign, presign, read]",
            "operations: [sing]",
            "\"sing\" is none of the operations keygen, sign",
        ),
        (
            "operations: [sign, presign, read]",
            "operations: [initiators]",
            "\"initiators\" is none of the operations keygen, sign",
        ),
        (
            "    solana: [5tzFkiKscXHK5ZXCGbXZxdw7gTjjD1mBwuoFbhUvuAi9]",
            "    solana: [\"0x28C6c06298d514Db089934071355E5743bf21d60\"]",
            "addresses: exchanges: solana: ",
        ),
        (
            "0x8589427373D6D84E98730D7795D8f6f8731FDA16",
            "0x8589427373D6D84E98730D7795D8f6f8731fDA16",
            "addresses: sanctioned: ethereum",
        ),
        ("    wallets: [oracle]", "    wallets: [\"or?cle\"]", "is no name of a wallet"),
    ] {
        let error = with(old, new).unwrap_err();
        assert!(error.to_string().contains(words), "{old} -> {new}: {error}");
    }
}

#[test]
fn what_is_no_policy_is_refused_and_nothing_panics() {
    for bad in ["", "[]", "rules", "version: 1", "version: 1\ninitiators: []", "\u{0}", "{", "a: &a [*a]"] {
        assert!(matches!(Policy::read(bad.as_bytes()), Err(PolicyError::Form(_))), "{bad:?}");
    }
    assert!(Policy::read(&[0xff, 0xfe]).is_err());
    let long = vec![b'#'; Policy::MAX_BYTES + 1];
    assert!(matches!(Policy::read(&long), Err(PolicyError::TooLarge { .. })));
    for end in 0..EXAMPLE.len() {
        if EXAMPLE.is_char_boundary(end) {
            Policy::read(&EXAMPLE.as_bytes()[..end]).ok();
        }
    }
}
