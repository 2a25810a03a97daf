//! Transactions as JSON, and what is refused of them.

use proptest::prelude::*;

use super::bytes::any_fields;
use super::*;

/// The transfer with these fields instead; null takes one away.
fn with(fields: &[(&str, Value)]) -> Value {
    let mut object = object();
    for (name, value) in fields {
        if value == "absent" {
            object.as_object_mut().unwrap().remove(*name);
        } else {
            object[*name] = value.clone();
        }
    }
    object
}

fn refused(object: &Value, code: &str, told: &str) {
    refused_text(&object.to_string(), code, told);
}

fn refused_text(text: &str, code: &str, told: &str) {
    let error =
        prepare(text.as_bytes()).map(|prepared| panic!("{text}: {:?}", prepared.explain())).unwrap_err();
    assert_eq!(error.code(), code, "{text}: {error}");
    assert!(error.to_string().contains(told), "{text}: {error}");
    assert!(!error.to_string().contains(char::is_control) && error.to_string().len() < 400, "{error}");
}

#[test]
fn one_transaction_can_be_written_in_several_ways() {
    let payload = prepare_json(&object()).unwrap().requests()[0].payload.clone();
    let same = [
        with(&[("gasLimit", json!("absent")), ("gas", json!("0x5208"))]),
        with(&[("data", json!("absent")), ("input", json!("0x"))]),
        with(&[("data", json!("absent")), ("accessList", json!("absent"))]),
        with(&[("type", json!("absent"))]),
        with(&[("type", json!("0x2")), ("chainId", json!("0x1")), ("nonce", json!("0x09"))]),
        with(&[("type", json!("2")), ("chainId", json!("1")), ("nonce", json!("9"))]),
        with(&[("value", json!("0x16345785d8a0000")), ("maxFeePerGas", json!(30_000_000_000_u64))]),
        with(&[("value", json!("0x000000000000000000000000000000000000000000000000016345785D8A0000"))]),
        with(&[
            ("from", json!(null)),
            ("sig", json!(null)),
            ("gasPrice", json!(null)),
            ("hash", json!(null)),
        ]),
        with(&[("maxFeePerBlobGas", json!(null)), ("authorizationList", json!(null)), ("v", json!(null))]),
    ];
    for object in same {
        assert_eq!(prepare_json(&object).unwrap().requests()[0].payload, payload, "{object}");
    }
    let spaced = format!("\r\n\t {}\n\n", serde_json::to_string_pretty(&object()).unwrap());
    assert_eq!(prepare(spaced.as_bytes()).unwrap().requests()[0].payload, payload);
    // Legacy, by its one field.
    let legacy = json!({ "chainId": 1, "nonce": 9, "gasPrice": "20000000000", "gas": 21_000,
        "to": "0x3535353535353535353535353535353535353535", "value": "1000000000000000000" });
    let bytes = prepare(&case("legacy transfer").unsigned()).unwrap();
    assert_eq!(prepare_json(&legacy).unwrap().requests(), bytes.requests());
}

#[test]
fn fields_that_are_unknown_or_given_twice_are_refused() {
    let text = object().to_string();
    let more = |more: &str| format!("{},{more}}}", &text[..text.len() - 1]);
    for (field, told) in [
        (r#""gasprice":1"#, "unknown field `gasprice`"),
        (r#""Nonce":9"#, "unknown field `Nonce`"),
        (r#""customData":null"#, "unknown field"),
        (r#""\u001b[2J\u202e":1"#, "unknown field"),
        (r#""nonce":9"#, "duplicate field `nonce`"),
        (r#""nonce":10"#, "duplicate field `nonce`"),
        (r#""value":null"#, "duplicate field `value`"),
        (r#""gas":21000"#, "duplicate field `gasLimit`"),
        (r#""input":"0x""#, "duplicate field `data`"),
    ] {
        refused_text(&more(field), "malformed_transaction", told);
    }
    let long = more(&format!(r#""{}":1"#, "x".repeat(100_000)));
    refused_text(&long, "malformed_transaction", "unknown field");
    refused_text(&format!("{text}{text}"), "malformed_transaction", "trailing");
    refused_text(&format!("{text}0"), "malformed_transaction", "trailing");
    for end in 1..text.len() {
        assert_eq!(code(prepare(&text.as_bytes()[..end])), "malformed_transaction", "{end}");
    }
    for other in [r#"["nonce",9]"#, "\"0x02\"", "null", "1"] {
        assert!(prepare(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn fields_that_are_missing_are_named() {
    for name in ["chainId", "nonce", "gasLimit", "maxFeePerGas", "maxPriorityFeePerGas"] {
        let told = format!("{name} is missing");
        refused(&with(&[(name, json!("absent"))]), "malformed_transaction", &told);
        refused(&with(&[(name, json!(null))]), "malformed_transaction", &told);
    }
    let absent = |name| (name, json!("absent"));
    let neither = with(&[absent("type"), absent("maxFeePerGas"), absent("maxPriorityFeePerGas")]);
    refused(&neither, "malformed_transaction", "gasPrice or maxFeePerGas is missing");
    let legacy = with(&[
        ("type", json!(0)),
        absent("maxFeePerGas"),
        absent("maxPriorityFeePerGas"),
        absent("accessList"),
    ]);
    refused(&legacy, "malformed_transaction", "gasPrice is missing");
    refused(&with(&[absent("to")]), "malformed_transaction", "'to' is missing");
    // No value is none, and no data is empty.
    let prepared = prepare_json(&with(&[absent("value"), absent("data")])).unwrap();
    assert_eq!(prepared.explain().transfers[0].amount, quorate_chains::Units(0));
}

#[test]
fn fields_of_another_type_are_refused() {
    let price = ("gasPrice", json!(1));
    refused(&with(std::slice::from_ref(&price)), "malformed_transaction", "have no gasPrice");
    refused(&with(&[price.clone(), ("type", json!("absent"))]), "malformed_transaction", "have no gasPrice");
    for name in ["maxFeePerGas", "maxPriorityFeePerGas", "accessList"] {
        let mut legacy = with(&[price.clone(), ("type", json!(0))]);
        for other in ["maxFeePerGas", "maxPriorityFeePerGas", "accessList"] {
            if other != name {
                legacy.as_object_mut().unwrap().remove(other);
            }
        }
        refused(&legacy, "malformed_transaction", &format!("legacy transactions have no {name}"));
    }
}

#[test]
fn other_types_are_refused_by_their_name() {
    let unsupported = "unsupported_transaction";
    for (kind, name) in
        [(json!(1), "EIP-2930"), (json!("0x3"), "EIP-4844"), (json!("4"), "EIP-7702"), (json!(5), "0x05")]
    {
        refused(&with(&[("type", kind)]), unsupported, name);
    }
    refused(&with(&[("type", json!(256))]), "malformed_transaction", "above 255");
    for (field, value, name) in [
        ("maxFeePerBlobGas", json!("1"), "EIP-4844"),
        ("blobVersionedHashes", json!([]), "EIP-4844"),
        ("blobs", json!([]), "EIP-4844"),
        ("authorizationList", json!([]), "EIP-7702"),
    ] {
        refused(&with(&[(field, value)]), unsupported, name);
    }
    let absent = |name| (name, json!("absent"));
    let with_list = with(&[
        absent("type"),
        absent("maxFeePerGas"),
        absent("maxPriorityFeePerGas"),
        ("gasPrice", json!(1)),
    ]);
    refused(&with_list, unsupported, "EIP-2930");
}

#[test]
fn what_is_signed_already_is_refused() {
    for name in ["v", "r", "s", "yParity", "sig", "signature", "hash"] {
        for value in [json!("0x1"), json!(0), json!({ "v": 27 })] {
            refused(&with(&[(name, value)]), "unsupported_transaction", "signed already");
        }
    }
}

#[test]
fn numbers_that_are_not_exact_whole_numbers_are_refused() {
    let exact = 9_007_199_254_740_991_u64;
    assert!(prepare_json(&with(&[("value", json!(exact))])).is_ok());
    for bad in
        ["9007199254740992", "18446744073709551616", "1.0", "1e3", "-1", "-0", "true", "[1]", "{}", "\"\""]
    {
        let text =
            object().to_string().replace(r#""value":"100000000000000000""#, &format!(r#""value":{bad}"#));
        assert_ne!(text, object().to_string());
        refused_text(&text, "malformed_transaction", "a whole number");
    }
    for bad in ["0x", "x", "1.0", "1e3", "-1", "+1", " 1", "1 ", "01", "0X1", "0xg", "1_0", "1,0", "\u{1b}"] {
        refused(&with(&[("value", json!(bad))]), "malformed_transaction", "a whole number");
    }
    for large in [format!("0x1{}", "0".repeat(64)), "9".repeat(78), "9".repeat(1000)] {
        refused(&with(&[("value", json!(large))]), "malformed_transaction", "above 2^256-1");
    }
    for name in ["chainId", "nonce", "gasLimit"] {
        let object = with(&[(name, json!("18446744073709551616"))]);
        refused(&object, "malformed_transaction", &format!("{name} is above 2^64-1"));
    }
    let nonce = |nonce: &str| with(&[("nonce", json!(nonce))]);
    refused(&nonce("18446744073709551615"), "malformed_transaction", "2^64-1");
    assert!(prepare_json(&nonce("18446744073709551614")).is_ok());
    refused(&with(&[("value", json!(format!("0x{}", "f".repeat(64))))]), "unsupported_transaction", "2^128");
}

#[test]
fn addresses_and_bytes_are_what_they_say() {
    let address = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F";
    for name in ["to", "from"] {
        assert!(prepare_json(&with(&[(name, json!(address))])).is_ok());
        let wrong = json!(address.replace("8A", "8a"));
        refused(&with(&[(name, wrong)]), "malformed_transaction", "checksum");
        for bad in [json!(""), json!("vitalik.eth"), json!(&address[2..]), json!(&address[..40])] {
            refused(&with(&[(name, bad)]), "malformed_transaction", "0x and 40 hexadecimal digits");
        }
        refused(&with(&[(name, json!(5))]), "malformed_transaction", "an address");
    }
    for bad in ["", "00", "0x0", "0xzz", "0X00"] {
        refused(&with(&[("data", json!(bad))]), "malformed_transaction", "pairs of hexadecimal digits");
    }
    let key = format!("0x{}", "0".repeat(64));
    let access = |entry: Value| with(&[("accessList", json!([entry])), ("gasLimit", json!(100_000))]);
    assert!(prepare_json(&access(json!({ "address": address, "storageKeys": [key] }))).is_ok());
    for (entry, told) in [
        (json!({ "address": address }), "missing field `storageKeys`"),
        (json!({ "storageKeys": [] }), "missing field `address`"),
        (json!({ "address": address, "storageKeys": ["0x00"] }), "64 hexadecimal digits"),
        (json!({ "address": address, "storageKeys": [&key[2..]] }), "64 hexadecimal digits"),
        (json!({ "address": address, "storageKeys": [], "more": 1 }), "unknown field `more`"),
        (json!({ "address": "0x00", "storageKeys": [] }), "40 hexadecimal digits"),
    ] {
        refused(&access(entry), "malformed_transaction", told);
    }
}

#[test]
fn the_rules_for_bytes_hold_for_json_as_well() {
    refused(&with(&[("chainId", json!(137))]), "wrong_network", "Polygon");
    let priority = with(&[("maxPriorityFeePerGas", json!("30000000001"))]);
    refused(&priority, "malformed_transaction", "more than the maximal fee");
    refused(&with(&[("gasLimit", json!(20_999))]), "malformed_transaction", "21000 is used before");
    let large = |size: usize| {
        with(&[("data", json!(format!("0x{}", "07".repeat(size)))), ("gasLimit", json!(9_000_000))])
    };
    assert!(prepare_json(&large(128 * 1024 - 300)).is_ok());
    assert_eq!(code(prepare_json(&large(128 * 1024))), "transaction_too_large");
    let spaces = [serde_json::to_vec(&object()).unwrap(), vec![b' '; 512 * 1024]].concat();
    assert_eq!(code(prepare(&spaces)), "transaction_too_large");
}

#[test]
fn deep_nesting_is_refused_like_anything_unknown() {
    for field in ["sig", "accessList", "more", "nonce", "to", "data"] {
        for (open, close) in [("[", "]"), (r#"{"x":"#, "}")] {
            let nested = format!("{}0{}", open.repeat(80_000), close.repeat(80_000));
            assert!(prepare(format!(r#"{{"{field}":{nested}}}"#).as_bytes()).is_err(), "{field}");
        }
    }
}

/// The JSON of fields in their order.
fn written(fields: &[Item], market: bool) -> Value {
    let legacy = ["nonce", "gasPrice", "gasLimit", "to", "value", "data", "chainId"];
    let names =
        ["chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gasLimit", "to", "value", "data"];
    let names = if market { &names[..] } else { &legacy[..] };
    let string = |item: &Item| match item {
        Item::String(bytes) => hex::encode(bytes),
        _ => panic!("not a string"),
    };
    let mut object = json!({});
    for (name, item) in names.iter().zip(fields) {
        let zero = if ["to", "data"].contains(name) { "" } else { "0" };
        object[*name] = format!("0x{zero}{}", string(item)).into();
    }
    if let (true, Some(Item::List(entries))) = (market, fields.last()) {
        let entry = |entry: &Item| match entry {
            Item::List(parts) => match parts.as_slice() {
                [address, Item::List(keys)] => {
                    let keys: Vec<String> = keys.iter().map(|key| format!("0x{}", string(key))).collect();
                    json!({ "address": format!("0x{}", string(address)), "storageKeys": keys })
                }
                _ => panic!("not an address and its keys"),
            },
            _ => panic!("not a list"),
        };
        object["accessList"] = entries.iter().map(entry).collect();
    }
    object
}

proptest! {
    #[test]
    fn whatever_is_read_from_bytes_is_read_from_json_as_the_same((fields, market) in any_fields()) {
        let object = written(&fields, market);
        let bytes = if market { market_bytes(fields) } else { legacy_bytes(fields) };
        match (prepare_json(&object), prepare(&bytes)) {
            (Ok(json), Ok(bytes)) => {
                prop_assert_eq!(json.requests(), bytes.requests());
                prop_assert_eq!(json.explain(), bytes.explain());
            }
            (json, bytes) => prop_assert_eq!(json, bytes),
        }
    }
}
