//! Encoded transactions, and what is refused of them.

use proptest::prelude::*;

use super::*;
use crate::support::Change;

type Fields = Vec<Item>;

/// A refusal whose text has this in it.
fn refused(tx: &[u8], code: &str, told: &str, what: &str) {
    let error = prepare(tx).map(|prepared| panic!("{what}: {:?}", prepared.explain())).unwrap_err();
    assert_eq!(error.code(), code, "{what}: {error}");
    assert!(error.to_string().contains(told), "{what}: {error}");
}

#[test]
fn no_beginning_of_a_transaction_is_one() {
    for case in cases("built") {
        let bytes = case.unsigned();
        for end in 0..bytes.len() {
            assert_eq!(code(prepare(&bytes[..end])), "transaction_truncated", "{} {end}", case.name);
        }
    }
}

#[test]
fn nothing_may_follow_a_transaction() {
    for case in cases("built") {
        for more in [&[0][..], &[0x80], &[0xC0], &[0xFF; 32]] {
            let bytes = [&case.unsigned(), more].concat();
            assert_eq!(code(prepare(&bytes)), "trailing_bytes", "{}", case.name);
        }
    }
}

#[test]
fn a_transaction_is_no_larger_than_nodes_pass_on() {
    let with_data = |size: usize| {
        changed_market(|fields| {
            fields[4] = Item::number(10_000_000);
            fields[7] = Item::String(vec![7; size]);
        })
    };
    let limit = 128 * 1024 - 80;
    let fits = limit - with_data(100_000).len() + 100_000;
    assert_eq!(with_data(fits).len(), limit);
    let prepared = prepare(&with_data(fits)).unwrap();
    let signature = wallet().sign(&prepared.requests()[0]);
    let (signed, _) = complete(chain("ethereum").assemble(&prepared, &[signature]).unwrap());
    assert!(signed.len() <= 128 * 1024);
    let expected = PrepareError::TooLarge { what: "the transaction", got: limit + 1, limit };
    assert_eq!(prepare(&with_data(fits + 1)), Err(expected));
    assert_eq!(code(prepare(&vec![0xF9; 1 << 24])), "transaction_too_large");
}

#[test]
fn other_types_are_refused_by_their_name() {
    let fields = Item::List(market()).bytes();
    for (number, name) in [
        (0, "0x00"),
        (1, "0x01 (EIP-2930"),
        (3, "0x03 (EIP-4844"),
        (4, "0x04 (EIP-7702"),
        (5, "0x05"),
        (0x7A, "0x7a"),
        (0x7F, "0x7f"),
    ] {
        let tx = [&[number][..], &fields].concat();
        refused(&tx, "unsupported_transaction", &format!("type {name}"), name);
    }
    for first in 0x80..0xC0_u8 {
        let tx = [&[first][..], &[0xFF; 100]].concat();
        assert!(prepare(&tx).is_err(), "{first:02x}");
    }
}

#[test]
fn what_is_signed_already_is_refused() {
    for case in cases("built") {
        refused(&case.signed(), "unsupported_transaction", "signed already", &case.name);
    }
    // ethereum/tests, TransactionTests/ttEIP1559/maxFeePerGas32BytesValue.json.
    let tx = "02f88601808477359400a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff82520894095e7baea6a6c7c4c2dfeb977efac326af552d878080c080a05cbd172231fc0735e0fb994dd5b1a4939170a260b36f0427a8a80866b063b948a07c230f7f578dd61785c93361b9871c0706ebfa6d06e3f4491dc9558c5202ed36";
    refused(&unhex(tx), "unsupported_transaction", "signed already", "of ethereum/tests");
}

#[test]
fn a_legacy_transaction_without_chain_id_is_refused() {
    let tx = changed_legacy(|fields| fields.truncate(6));
    refused(&tx, "unsupported_transaction", "EIP-155", "six fields");
}

#[test]
fn transactions_of_other_networks_are_refused_with_their_name() {
    for (id, name) in [(137, "which is Polygon"), (5, "chain id is 5"), (0, "chain id is 0")] {
        let legacy = changed_legacy(|fields| fields[6] = Item::number(id));
        let market = changed_market(|fields| fields[0] = Item::number(id));
        refused(&legacy, "wrong_network", name, "legacy");
        refused(&market, "wrong_network", name, "with a fee market");
    }
    let tx = case("transfer").unsigned();
    for network in ["sepolia", "hoodi", "base", "op", "bsc", "lux-c", "polygon", "avax-c", "arbitrum"] {
        let refused = chain(network).prepare(&tx, &wallet().context());
        assert_eq!(code(refused), "wrong_network", "{network}");
    }
}

#[test]
fn what_no_node_takes_is_refused() {
    let large = || Item::String(vec![0xFF; 32]);
    let legacy: [(Change<Fields>, &str); 20] = [
        (("no field", |fields| fields.clear()), "0 fields"),
        (("eight fields", |fields| fields.truncate(8)), "8 fields"),
        (("ten fields", |fields| fields.push(Item::number(0))), "10 fields"),
        (("a nonce that is never reached", |fields| fields[0] = Item::number(u64::MAX.into())), "nonce"),
        (("a nonce of 65 bits", |fields| fields[0] = Item::number(1 << 64)), "the nonce is above 2^64-1"),
        (
            ("a nonce with a zero in front", |fields| fields[0] = Item::String(vec![0, 9])),
            "zero byte in front",
        ),
        (("a nonce that is a zero byte", |fields| fields[0] = Item::String(vec![0])), "zero byte in front"),
        (
            ("a nonce in a long form", |fields| fields[0] = Item::Raw(vec![0x81, 9])),
            "not written in its one form",
        ),
        (("a nonce with a long length", |fields| fields[0] = Item::Raw(vec![0xB8, 1, 9])), "one form"),
        (("a nonce that is a list", |fields| fields[0] = Item::List(vec![])), "the nonce is a list"),
        (
            ("a price of 33 bytes", |fields| fields[1] = Item::String(vec![1; 33])),
            "the gas price is above 2^256-1",
        ),
        (("gas of 65 bits", |fields| fields[2] = Item::number(1 << 64)), "the gas limit is above 2^64-1"),
        (("less gas than any takes", |fields| fields[2] = Item::number(20_999)), "21000 is used before"),
        (("a recipient of 19 bytes", |fields| fields[3] = Item::String(vec![0x35; 19])), "19 bytes, not 20"),
        (("a recipient of 32 bytes", |fields| fields[3] = Item::String(vec![0x35; 32])), "32 bytes, not 20"),
        (
            ("a value of 33 bytes", |fields| fields[4] = Item::String(vec![1; 33])),
            "the value is above 2^256-1",
        ),
        (("data that is a list", |fields| fields[5] = Item::List(vec![])), "the data is a list"),
        (
            ("a chain id of 65 bits", |fields| fields[6] = Item::number(1 << 64)),
            "the chain id is above 2^64-1",
        ),
        (("a list for r", |fields| fields[7] = Item::List(vec![])), "the place of r is a list"),
        (("a contract without code", |fields| fields[3] = Item::String(vec![])), "without code"),
    ];
    for ((what, change), told) in legacy {
        refused(&changed_legacy(change), "malformed_transaction", told, what);
    }
    let market: [(Change<Fields>, &str); 11] = [
        (("no field", |fields| fields.clear()), "0 fields"),
        (("ten fields", |fields| fields.push(Item::number(0))), "10 fields"),
        (("eight fields", |fields| fields.truncate(8)), "8 fields"),
        (
            ("more for priority than at most", |fields| fields[2] = Item::number(30_000_000_001)),
            "more than the maximal fee",
        ),
        (("a nonce that is never reached", |fields| fields[1] = Item::number(u64::MAX.into())), "nonce"),
        (
            ("an access list that is none", |fields| fields[8] = Item::String(vec![])),
            "the access list is no list",
        ),
        (("an access that is none", |fields| fields[8] = Item::List(vec![Item::number(0)])), "is no list"),
        (
            ("an access without keys", |fields| {
                fields[8] = Item::List(vec![Item::List(vec![Item::String(TO.to_vec())])]);
            }),
            "the storage keys of the access list is missing",
        ),
        (
            ("a storage key of 31 bytes", |fields| {
                let keys = Item::List(vec![Item::String(vec![7; 31])]);
                fields[8] = Item::List(vec![Item::List(vec![Item::String(TO.to_vec()), keys])]);
            }),
            "31 bytes, not 32",
        ),
        (
            ("an access of three parts", |fields| {
                let access = vec![Item::String(TO.to_vec()), Item::List(vec![]), Item::List(vec![])];
                fields[8] = Item::List(vec![Item::List(access)]);
            }),
            "more than two parts",
        ),
        (
            ("gas that the access list takes", |fields| {
                let keys = Item::List(vec![Item::String(vec![7; 32]); 2]);
                fields[8] = Item::List(vec![Item::List(vec![Item::String(TO.to_vec()), keys])]);
                fields[4] = Item::number(21_000 + 2400 + 2 * 1900 - 1);
            }),
            "but 27200 is used before",
        ),
    ];
    for ((what, change), told) in market {
        refused(&changed_market(change), "malformed_transaction", told, what);
    }
    // Nobody has as much.
    for place in [1, 4] {
        let tx = changed_legacy(|fields| fields[place] = large());
        refused(&tx, "unsupported_transaction", "2^128", "of 256 bits");
    }
    let tx = changed_legacy(|fields| fields[1] = Item::number(u128::MAX / 20_999));
    refused(&tx, "unsupported_transaction", "a fee of 2^128", "a product of 129 bits");
    assert!(prepare(&changed_legacy(|fields| fields[1] = Item::number(u128::MAX / 21_000))).is_ok());
    assert!(prepare(&changed_legacy(|fields| fields[4] = Item::number(u128::MAX))).is_ok());
    assert!(prepare(&changed_legacy(|fields| fields[0] = Item::number((u64::MAX - 1).into()))).is_ok());
}

#[test]
fn the_gas_that_is_used_first_is_counted_to_the_last_unit() {
    let data = [vec![0; 10], vec![7; 5]].concat();
    for (to, needed) in [(TO.to_vec(), 21_000 + 40 + 80), (vec![], 53_000 + 40 + 80 + 2)] {
        for (gas, enough) in [(needed, true), (needed - 1, false)] {
            let tx = changed_legacy(|fields| {
                fields[2] = Item::number(gas);
                fields[3] = Item::String(to.clone());
                fields[5] = Item::String(data.clone());
            });
            assert_eq!(prepare(&tx).is_ok(), enough, "{gas}");
        }
    }
}

#[test]
fn a_list_that_is_longer_than_it_says_or_shorter_is_refused() {
    for bytes in [case("legacy transfer").unsigned(), case("transfer").unsigned()] {
        let list = bytes.iter().position(|byte| *byte >= 0xC0).unwrap();
        for (by, code_of) in [(1, "transaction_truncated"), (-1, "trailing_bytes")] {
            let mut changed = bytes.clone();
            changed[list] = changed[list].wrapping_add_signed(by);
            assert_eq!(code(prepare(&changed)), code_of);
        }
    }
    // An item that goes on behind the end of its list.
    let tx = changed_legacy(|fields| fields[8] = Item::Raw(vec![0x81]));
    refused(&tx, "malformed_transaction", "longer than the list", "r");
    // The length of the list in a longer form than it takes.
    let list = case("legacy transfer").unsigned();
    let long = [&[0xF8, (list.len() - 1) as u8][..], &list[1..]].concat();
    refused(&long, "malformed_transaction", "not written in its one form", "the list");
}

#[test]
fn whatever_bit_changes_the_digest_changes_or_the_transaction_is_refused() {
    for case in cases("built") {
        let (chain, context) = (chain(&case.network()), wallet().context());
        let payload = chain.prepare(&case.unsigned(), &context).unwrap().requests()[0].payload.clone();
        for (bit, changed) in flips(&case.unsigned()) {
            if let Ok(prepared) = chain.prepare(&changed, &context) {
                assert_ne!(prepared.requests()[0].payload, payload, "{} bit {bit}", case.name);
            }
        }
    }
}

/// Any transaction that is read: the fields, and whether it has a fee market.
pub(super) fn any_fields() -> impl Strategy<Value = (Vec<Item>, bool)> {
    let access = (any::<[u8; 20]>(), prop::collection::vec(any::<[u8; 32]>(), 0..4));
    let data = prop::collection::vec(any::<u8>(), 0..200);
    let numbers = (0..u64::MAX, any::<u64>(), any::<u64>(), 1_000_000_u64..u64::MAX, any::<u128>());
    let to = (any::<[u8; 20]>(), prop::collection::vec(access, 0..4), data, any::<bool>());
    (numbers, to).prop_map(|((nonce, price, more, gas, value), (to, access, data, market))| {
        let entry = |(address, keys): ([u8; 20], Vec<[u8; 32]>)| {
            let keys = keys.into_iter().map(|key| Item::String(key.to_vec())).collect();
            Item::List(vec![Item::String(address.to_vec()), Item::List(keys)])
        };
        let number = |number: u64| Item::number(number.into());
        let rest = vec![number(gas), Item::String(to.to_vec()), Item::number(value), Item::String(data)];
        let fields = if market {
            let max = Item::number(u128::from(price) + u128::from(more));
            let access = Item::List(access.into_iter().map(entry).collect());
            [vec![number(1), number(nonce), number(price), max], rest, vec![access]].concat()
        } else {
            [vec![number(nonce), number(price)], rest, [1, 0, 0].map(Item::number).into()].concat()
        };
        (fields, market)
    })
}

proptest! {
    #[test]
    fn whatever_is_well_formed_is_read_and_its_own_bytes_are_signed((fields, market) in any_fields()) {
        use sha3::{Digest, Keccak256};
        let bytes = if market { market_bytes(fields) } else { legacy_bytes(fields) };
        // A fee can still be more than anybody has.
        match prepare(&bytes) {
            Ok(prepared) => {
                let digest: [u8; 32] = Keccak256::digest(&bytes).into();
                prop_assert_eq!(&prepared.requests()[0].payload, &quorate_chains::Payload::Digest(digest));
                let signature = wallet().sign(&prepared.requests()[0]);
                prop_assert!(chain("ethereum").assemble(&prepared, &[signature]).is_ok());
            }
            Err(error) => prop_assert!(error.to_string().contains("2^128"), "{error}"),
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = prepare(&bytes);
        let _ = prepare(&[&[2], bytes.as_slice()].concat());
        let _ = prepare(&[b"{", bytes.as_slice()].concat());
    }

    #[test]
    fn no_damage_panics(
        which in 0_usize..23,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let case = cases("built").swap_remove(which);
        for mut bytes in [case.unsigned(), case.signed(), serde_json::to_vec(&case.tx).unwrap()] {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let _ = prepare(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            let _ = prepare(&bytes);
        }
    }
}
