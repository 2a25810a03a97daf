//! How large a policy may be, and what it may be called by.

use quorate_policy::{Policy, PolicyError};

use crate::decisions::{EXAMPLE, policy};

fn refused(yaml: &str, words: &str) {
    let error = Policy::read(yaml.as_bytes()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, PolicyError::Form(_)) && text.contains(words), "{text}");
    assert!(text.len() < 2000 && !text.contains('\u{1b}'));
}

/// Nine lists of nine times the one before: 9^9 initiators.
fn laughs() -> String {
    let mut yaml = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let before = vec![format!("*a{}", level - 1); 9].join(", ");
        yaml.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    yaml
}

#[test]
fn a_policy_that_grows_when_it_is_read_is_not_read() {
    refused(&laughs(), "line 1: a policy has no anchors and aliases");
    // Where lists are expected, and names.
    let anchored =
        EXAMPLE.replace("    wallets: [hot-*]\n    chains", "    wallets: &hot [hot-*]\n    chains");
    refused(&anchored, "line 11: a policy has no anchors and aliases");
    let all = EXAMPLE.replace("    wallets: [oracle]", "    wallets: [*-oracle]");
    refused(&all, "what begins with * stands in quotes");
    policy(&EXAMPLE.replace("    wallets: [oracle]", "    wallets: [\"*-oracle\"]"));
}

#[test]
fn everything_that_has_a_name_has_a_short_one() {
    for (old, fits) in [
        ("  backend:\n", true),
        ("  alice: ", false),
        ("  exchanges:\n", false),
        ("  - name: staking\n", true),
        ("  sanctioned:\n", false),
        ("  ETH: {chain", false),
    ] {
        let name = old
            .trim_start_matches("  - name")
            .trim_start_matches([' ', ':'])
            .split([':', '\n'])
            .next()
            .unwrap();
        let with = |new: &str| EXAMPLE.replacen(old, &old.replace(name, new), 1);
        for bad in ["\"\"", "\" \"", "\"a\\u001bb\"", "\"a\\nb\"", &"a".repeat(65), &"a".repeat(1000)] {
            refused(&with(bad), "is no name: expected 1 to 64 characters");
        }
        // YAML takes no such name for one.
        refused(&with(&"a".repeat(1 << 20)), "");
        // Others are named elsewhere in it.
        let longest = with(&"ä".repeat(64));
        assert_eq!(Policy::read(longest.as_bytes()).is_ok(), fits, "{name}");
    }
    let long = "x".repeat(1 << 20);
    let error = Policy::read(EXAMPLE.replace("0.5 ETH", &long).as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("rules: everyday payments: at_most: ") && error.len() < 1000, "{error}");
    let error = Policy::read(EXAMPLE.replace("  ETH: {chain", "  E T H: {chain").as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "assets: E T H: the name of an asset has no spaces");
}

#[test]
fn there_are_as_many_rules_names_and_entries_as_fit_and_no_more() {
    let rules = |count: usize| {
        let at = EXAMPLE.find("rules:").unwrap();
        let rules: String =
            (0..count).map(|number| format!("  - {{name: r{number}, raw: true}}\n")).collect();
        format!("{}rules:\n{rules}", &EXAMPLE[..at])
    };
    assert_eq!(policy(&rules(1000)).rules().count(), 1000);
    refused(&rules(1001), "a list has 1001 entries, more than 1000");
    let wallets = |count: usize| {
        EXAMPLE.replace("    wallets: [oracle]", &format!("    wallets: [{}]", vec!["w"; count].join(", ")))
    };
    policy(&wallets(1000));
    refused(&wallets(1001), "a list has 1001 entries, more than 1000");
    let lists = |count: usize| {
        let lists: String = (0..count).map(|number| format!("  l{number}: {{}}\n")).collect();
        EXAMPLE.replace("  sanctioned:\n", &format!("{lists}  sanctioned:\n"))
    };
    policy(&lists(998));
    refused(&lists(999), "more than 1000 names");
    let places = |count: usize| {
        let places = vec!["{chain: ethereum}"; count].join(", ");
        EXAMPLE.replace("  ETH: {chain: ethereum}", &format!("  ETH: [{places}]"))
    };
    let error = Policy::read(places(1001).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "assets: ETH: it is in 1001 places, more than 1000");
}
