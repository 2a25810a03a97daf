//! The document's examples are what the code reads and writes.

use std::collections::BTreeMap;

use quorate_keys::{PublicKey, Scheme, Signature, ecdsa};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::DOCUMENT;
use super::refusals::{codes, fields, resolved};
use crate::*;

/// Reads an example as a type and writes it again: nothing of it is unknown, and nothing is missing.
fn same<T: DeserializeOwned + Serialize>(example: &Value, place: &str) {
    let read: T = serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_eq!(&serde_json::to_value(read).unwrap(), example, "{place}");
}

/// Whether the example is a value of the schema's type.
fn check(schema: &Value, example: &Value, place: &str) {
    if let Some(items) = schema.get("items") {
        let values = example.as_array().unwrap();
        assert!(!values.is_empty(), "{place}");
        return values.iter().for_each(|value| check(items, value, place));
    }
    let name = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref")).and_then(Value::as_str);
    match name.and_then(|name| name.strip_prefix("#/components/schemas/")) {
        Some("KeygenRequest") => same::<KeygenRequest>(example, place),
        Some("SignRequest") => {
            let read: SignRequest = serde_json::from_value(example.clone()).unwrap();
            read.wallet().unwrap_or_else(|error| panic!("{place}: {error}"));
            read.subject().unwrap_or_else(|error| panic!("{place}: {error}"));
            // A transaction is read in either encoding, and written in one.
            let mut example = example.clone();
            if let Some(transaction) = &read.transaction {
                example["transaction"] = serde_json::to_value(transaction).unwrap();
            }
            same::<SignRequest>(&example, place);
        }
        Some("PresignRequest") => {
            let read: PresignRequest = serde_json::from_value(example.clone()).unwrap();
            read.wallet().unwrap_or_else(|error| panic!("{place}: {error}"));
            read.count().unwrap_or_else(|error| panic!("{place}: {error}"));
            same::<PresignRequest>(example, place);
        }
        Some("AuxiliaryRequest") => same::<AuxiliaryRequest>(example, place),
        Some("RefreshRequest") => same::<RefreshRequest>(example, place),
        Some("RollbackRequest") => same::<RollbackRequest>(example, place),
        Some("ReshareRequest") => {
            let read: ReshareRequest = serde_json::from_value(example.clone()).unwrap();
            read.wallet().unwrap_or_else(|error| panic!("{place}: {error}"));
            same::<ReshareRequest>(example, place);
        }
        Some("ReshareResponse") => same::<ReshareResponse>(example, place),
        Some("ApprovalRequest") => same::<ApprovalRequest>(example, place),
        Some("ApprovalResponse") => same::<ApprovalResponse>(example, place),
        Some("InitiatorsRequest") => {
            let read: InitiatorsRequest = serde_json::from_value(example.clone()).unwrap();
            read.admitted_as().unwrap_or_else(|error| panic!("{place}: {error}"));
            same::<InitiatorsRequest>(example, place);
        }
        Some("InitiatorsResponse") => same::<InitiatorsResponse>(example, place),
        Some("InitiatorView") => same::<InitiatorView>(example, place),
        Some("WaitingView") => same::<WaitingView>(example, place),
        Some("PresignResponse") => same::<PresignResponse>(example, place),
        Some("AuxiliaryResponse") => same::<AuxiliaryResponse>(example, place),
        Some("KeygenResponse") => same::<KeygenResponse>(example, place),
        Some("SignResponse") => same::<SignResponse>(example, place),
        Some("Taken") => same::<Taken>(example, place),
        Some("WalletView") => same::<WalletView>(example, place),
        Some("SessionView") => {
            // Which lists are empty is written, too.
            let read: SessionView = serde_json::from_value(example.clone()).unwrap();
            assert_eq!(read.status == RequestStatus::Failed, read.error.is_some(), "{place}");
            same::<SessionView>(example, place);
        }
        Some("NodeView") => same::<NodeView>(example, place),
        Some("Health") => same::<Health>(example, place),
        Some("Readiness") => same::<Readiness>(example, place),
        Some("ErrorBody") => same::<ErrorBody>(example, place),
        Some(other) => panic!("{place}: examples of {other} are not checked here"),
        // The document itself, whose example is its beginning.
        None => assert_eq!(schema["type"], "object", "{place}"),
    }
}

/// The media of a request or an answer, each with its schema and its examples.
fn examples(body: &Value, place: &str) -> Vec<(String, Value, Vec<Value>)> {
    let media = fields(body, "content").map(|(media, content)| {
        let values: Vec<Value> =
            fields(content, "examples").map(|(_, example)| example["value"].clone()).collect();
        assert!(!values.is_empty(), "{place} has no example of {media}");
        (media.clone(), content["schema"].clone(), values)
    });
    media.collect()
}

#[test]
fn every_body_has_an_example_of_the_type_that_it_shows() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut signed = BTreeMap::new();
    for (path, methods) in fields(&document, "paths") {
        for (method, operation) in methods.as_object().unwrap() {
            let request = operation.get("requestBody").map(|body| ("request", body));
            let answers = fields(operation, "responses").map(|(status, answer)| (status.as_str(), answer));
            for (what, body) in request.into_iter().chain(answers) {
                let (place, body) = (format!("{method} {path} {what}"), resolved(&document, body));
                for (media, schema, values) in examples(body, &place) {
                    for value in values {
                        match media.as_str() {
                            "application/json" => check(&schema, &value, &place),
                            paths::EVENTS => {
                                let events =
                                    value.as_str().unwrap().strip_suffix("\n\n").unwrap().split("\n\n");
                                for event in events {
                                    let data = event.strip_prefix("event: session\ndata: ").unwrap();
                                    same::<SessionView>(&serde_json::from_str(data).unwrap(), &place);
                                }
                            }
                            _ => assert!(value.is_string(), "{place}"),
                        }
                        if !what.starts_with('2') && value.get("code").is_some() {
                            let code = value["code"].as_str().unwrap();
                            assert!(
                                codes(body).iter().any(|listed| listed.as_str() == code),
                                "{place}: {code}"
                            );
                        }
                        signed.entry(what.to_owned()).or_insert_with(Vec::new).push(value);
                    }
                }
            }
        }
    }
    // The signatures that are shown are of what is shown to be asked for under their ids.
    let mut schemes = Vec::new();
    for answer in signed["200"].iter().filter(|value| value.get("signature").is_some()) {
        let answer: SignResponse = serde_json::from_value(answer.clone()).unwrap();
        let asked = signed["request"].iter().find(|asked| asked["session_id"] == answer.session_id.as_str());
        let asked: SignRequest = serde_json::from_value(asked.unwrap().clone()).unwrap();
        let signature = Signature::from_bytes(*answer.signature.as_bytes());
        let (scheme, recovery_id) = (Scheme::ALL.into_iter())
            .find_map(|scheme| {
                let key = PublicKey::from_bytes(scheme, answer.public_key.as_bytes()).ok()?;
                let Ok(Subject::Message(message)) = asked.subject_for(scheme) else { return None };
                key.verify(message, &signature).ok()?;
                let digest = message.try_into().ok();
                Some((scheme, digest.and_then(|digest| ecdsa::recovery_id(&key, digest, &signature).ok())))
            })
            .unwrap_or_else(|| panic!("not a signature: {answer:?}"));
        assert_eq!(answer.recovery_id, recovery_id, "{scheme}");
        schemes.push(scheme);
    }
    schemes.sort();
    assert_eq!(schemes, [Scheme::Ed25519, Scheme::EcdsaSecp256k1]);
}

#[test]
fn every_code_is_explained_as_it_is_in_the_code() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let explained = &document["components"]["schemas"]["ErrorCode"]["x-enum-descriptions"];
    for code in ErrorCode::ALL {
        assert_eq!(explained[code.as_str()], code.meaning(), "{code}");
    }
}
