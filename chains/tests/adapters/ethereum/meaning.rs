//! What a transaction is said to do.

use quorate_chains::{Account, Asset, Bound, Explain, Lifetime, Units, WarningKind};

use super::*;

const OWN: &str = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F";
const OTHER: &str = "0x3535353535353535353535353535353535353535";
const TOKEN: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";

fn explain(name: &str) -> Explain {
    let case = case(name);
    chain(&case.network()).prepare(&case.unsigned(), &wallet().context()).unwrap().explain().clone()
}

fn warned(explain: &Explain) -> Vec<WarningKind> {
    explain.warnings.iter().map(|warning| warning.kind).collect()
}

fn account(address: &str) -> Account {
    Account { address: address.to_owned(), own: address == OWN }
}

#[test]
fn a_transfer_says_what_goes_from_whom_to_whom_and_what_it_costs_at_most() {
    for (name, amount, fee) in [
        ("legacy transfer", 10_u128.pow(18), 21_000 * 20_000_000_000),
        ("transfer", 10_u128.pow(17), 21_000 * 30_000_000_000),
    ] {
        let explain = explain(name);
        let [transfer] = explain.transfers.as_slice() else { panic!("not one transfer") };
        assert_eq!(transfer.asset, Asset::Coin { symbol: "ETH".to_owned(), decimals: 18 });
        assert_eq!(transfer.amount, Units(amount));
        assert_eq!((&transfer.from, &transfer.to), (&vec![account(OWN)], &account(OTHER)));
        assert_eq!(transfer.authority, None);
        let told = explain.fee.clone().unwrap();
        assert_eq!((told.amount, told.bound, told.payer), (Units(fee), Bound::AtMost, vec![account(OWN)]));
        assert_eq!(explain.lifetime, Lifetime::Nonce { account: account(OWN), nonce: "9".to_owned() });
        assert!(explain.is_complete() && explain.calls.is_empty() && explain.warnings.is_empty());
    }
}

#[test]
fn coins_have_the_name_of_their_network() {
    for (name, symbol) in [
        ("transfer on Base", "ETH"),
        ("transfer on Polygon", "POL"),
        ("legacy transfer on Lux", "LUX"),
        ("transfer on Sepolia", "ETH"),
    ] {
        let asset = Asset::Coin { symbol: symbol.to_owned(), decimals: 18 };
        assert_eq!(explain(name).transfers[0].asset, asset, "{name}");
    }
}

#[test]
fn a_fee_that_the_transaction_does_not_limit_is_said_to_be_open() {
    let base = explain("transfer on Base");
    assert_eq!(base.fee.clone().unwrap().bound, Bound::Open);
    assert_eq!(warned(&base), [WarningKind::UnboundedFee]);
    assert_eq!(warned(&explain("absurd fee")), [WarningKind::AbsurdFee]);
}

#[test]
fn calls_of_token_contracts_are_decoded() {
    let transfer = |explain: &Explain| {
        let [transfer] = explain.transfers.as_slice() else { panic!("not one transfer: {explain}") };
        let asset =
            Asset::Token { standard: "erc-20".to_owned(), mint: Some(TOKEN.to_owned()), decimals: None };
        assert_eq!(transfer.asset, asset);
        assert!(explain.is_complete());
        (transfer.amount.0, transfer.from[0].clone(), transfer.to.clone(), transfer.authority.clone())
    };
    let plain = explain("token transfer");
    assert_eq!(transfer(&plain), (1_500_000, account(OWN), account(OTHER), None));
    assert!(plain.warnings.is_empty());
    let all = explain("legacy token transfer");
    assert_eq!(transfer(&all).0, u128::MAX);
    let of_another = explain("token transfer from another");
    assert_eq!(transfer(&of_another), (7, account(OTHER), account(OWN), Some(account(OWN))));
    assert_eq!(warned(&of_another), [WarningKind::AmbiguousToken]);
    let lost = explain("token transfer to the token");
    assert_eq!((transfer(&lost).2, warned(&lost)), (account(TOKEN), vec![WarningKind::Burned]));

    let with_coins = explain("token transfer with coins");
    let amounts: Vec<u128> = with_coins.transfers.iter().map(|transfer| transfer.amount.0).collect();
    assert_eq!(amounts, [5, 1_500_000]);
    assert_eq!(with_coins.transfers[0].to, account(TOKEN));
}

#[test]
fn tokens_of_the_signer_that_are_taken_by_the_other_call_are_told_from_those_that_are_given() {
    let data = |call: &str, words: &[&str]| {
        let words: String =
            words.iter().map(|word| format!("{:0>64}", word.trim_start_matches("0x"))).collect();
        format!("0x{call}{words}")
    };
    let explain = |data: String| {
        let tx = serde_json::json!({
            "type": 2, "chainId": 1, "nonce": 9, "to": TOKEN, "value": 0, "gasLimit": 70_000, "data": data,
            "maxFeePerGas": "30000000000", "maxPriorityFeePerGas": "1000000000",
        });
        let prepared = chain("ethereum").prepare(tx.to_string().as_bytes(), &wallet().context());
        prepared.unwrap().explain().transfers[0].clone()
    };
    let taken = explain(data("23b872dd", &[OWN, OTHER, "7"]));
    assert_eq!((&taken.from, &taken.to), (&vec![account(OWN)], &account(OTHER)));
    assert_eq!(taken.authority, Some(account(OWN)));
    let given = explain(data("a9059cbb", &[OTHER, "7"]));
    assert_eq!(given, quorate_chains::Transfer { authority: None, ..taken });
}

#[test]
fn more_tokens_than_are_counted_are_opaque() {
    let explain = explain("token transfer of more than is counted");
    assert!(explain.transfers.is_empty());
    let [opaque] = explain.opaque.as_slice() else { panic!("not one opaque part") };
    assert!(opaque.reason.starts_with("680564733841876926926749214863536422911 tokens"), "{}", opaque.reason);
}

#[test]
fn approvals_are_calls_and_those_without_limit_are_warned_of() {
    for (name, amount, unlimited) in [
        ("approval", "1500000", false),
        (
            "approval of everything",
            "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            true,
        ),
        ("approval of everything in 96 bits", "79228162514264337593543950335", true),
    ] {
        let explain = explain(name);
        assert!(explain.transfers.is_empty() && explain.is_complete());
        let [call] = explain.calls.as_slice() else { panic!("not one call") };
        assert_eq!((call.program.as_str(), call.name.as_str()), (TOKEN, "approve"));
        assert_eq!((call.arguments["spender"].as_str(), call.arguments["amount"].as_str()), (OTHER, amount));
        assert_eq!(warned(&explain).contains(&WarningKind::UnlimitedApproval), unlimited, "{name}");
        assert!(warned(&explain).contains(&WarningKind::AmbiguousToken));
    }
}

#[test]
fn everything_else_is_opaque() {
    let unknown = explain("unknown call");
    let [opaque] = unknown.opaque.as_slice() else { panic!("not one opaque part") };
    assert_eq!(opaque.reason, "a call of the unknown function 0xa0712d68");
    assert_eq!(opaque.program.as_deref(), Some(TOKEN));
    assert_eq!(opaque.data, format!("a0712d68{:064x}", 7));
    // The coins that go with it are no secret.
    assert_eq!((unknown.transfers.len(), unknown.transfers[0].amount), (1, Units(3)));
    let text = explain("data that calls no function");
    assert_eq!(
        (text.opaque[0].reason.as_str(), text.opaque[0].data.as_str()),
        ("data that calls no function", "6869")
    );
    assert!(text.transfers.is_empty());
}

#[test]
fn a_token_call_that_is_not_known_to_the_last_byte_is_opaque() {
    let object = case("token transfer").tx;
    let data = object["data"].as_str().unwrap().to_owned();
    let variants = [
        format!("{data}00"),
        format!("{data}{}", "00".repeat(32)),
        data[..data.len() - 2].to_owned(),
        data[..data.len() - 64].to_owned(),
        data[..10].to_owned(),
        // Bytes in front of the address.
        format!("{}01{}", &data[..10], &data[12..]),
        format!("{}01{}", &data[..32], &data[34..]),
    ];
    for data in variants {
        let mut object = object.clone();
        object["data"] = data.clone().into();
        let prepared = prepare_json(&object).unwrap();
        let explain = prepared.explain();
        assert!(!explain.is_complete() && explain.transfers.is_empty(), "{data}: {explain}");
    }
}

#[test]
fn a_new_contract_is_opaque_and_stands_where_its_creator_will_find_it() {
    // By ethers 6.17.0: getCreateAddress({ from: "0x9d8A…", nonce: 9 }).
    let contract = "0x1fD43573682A8E3CBA6368836BaF6f9DBEadEfCa";
    for (name, transfers) in [("contract creation", 0), ("contract creation with coins", 1)] {
        let explain = explain(name);
        assert_eq!(explain.transfers.len(), transfers);
        assert!(explain.transfers.iter().all(|transfer| transfer.to == account(contract)));
        assert_eq!(explain.opaque[0].program.as_deref(), Some(contract));
        assert_eq!(explain.opaque[0].data, "600160005500");
        assert_eq!(warned(&explain), [WarningKind::ContractCreation]);
    }
}

#[test]
fn what_comes_back_or_is_lost_is_told_apart() {
    let own = explain("transfer to oneself");
    assert_eq!((own.outgoing().count(), own.transfers.len()), (0, 1));
    assert_eq!(warned(&explain("transfer to the zero address")), [WarningKind::Burned]);
    // The access list changes what is paid for storage, and nothing that is done.
    let (plain, with_list) = (explain("transfer"), explain("transfer with access list"));
    assert_eq!((plain.transfers, plain.opaque), (with_list.transfers, with_list.opaque));
}
