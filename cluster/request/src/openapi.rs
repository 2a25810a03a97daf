//! The API as an OpenAPI 3.1 document, for programs that make clients and for people with their own reader.

#[cfg(test)]
mod examples;
mod page;
mod refusals;

pub use page::{page, policy};
pub use refusals::refusals;

/// The document: the same for nodes and gateways.
pub const DOCUMENT: &str = include_str!("../openapi.json");

#[cfg(test)]
mod tests {
    use super::DOCUMENT;
    use crate::*;
    use serde::Serialize;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    const IDENTITY: &str = "0x3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    fn texts(list: &Value) -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    fn keys(object: &Value) -> BTreeSet<String> {
        object.as_object().unwrap().keys().cloned().collect()
    }

    /// A value with all its fields has just the fields of its schema, and one with as few as possible the required ones.
    fn compare(name: &str, whole: &impl Serialize, least: Option<&dyn Fn() -> Value>) {
        let schema = document()["components"]["schemas"][name].clone();
        let whole = serde_json::to_value(whole).unwrap();
        assert_eq!(keys(&schema["properties"]), keys(&whole), "{name}");
        let required = texts(&schema["required"]);
        match least {
            Some(least) => assert_eq!(required, keys(&least()), "what {name} must have"),
            None => assert_eq!(required, keys(&whole), "what {name} must have"),
        }
        for (field, value) in whole.as_object().unwrap() {
            let Some(kind) = schema["properties"][field].get("type") else { continue };
            let is = match value {
                Value::String(_) => "string",
                Value::Number(_) => "integer",
                Value::Bool(_) => "boolean",
                Value::Array(_) => "array",
                Value::Null => "null",
                Value::Object(_) => "object",
            };
            assert!(
                *kind == is || kind.as_array().is_some_and(|kinds| kinds.contains(&json!(is))),
                "{name}.{field}"
            );
        }
    }

    fn value(value: &impl Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(path)) = fields.get("$ref") {
                        assert!(document.pointer(path.strip_prefix('#').unwrap()).is_some(), "{path}");
                    }
                    fields.values().for_each(|value| walk(value, document));
                }
                Value::Array(items) => items.iter().for_each(|value| walk(value, document)),
                _ => {}
            }
        }
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        walk(&document, &document);
    }

    #[test]
    fn the_paths_are_those_of_the_api() {
        let expected = [
            paths::KEYGEN.to_owned(),
            paths::SIGN.to_owned(),
            paths::REFRESH.to_owned(),
            paths::ROLLBACK.to_owned(),
            paths::RESHARE.to_owned(),
            paths::PRESIGN.to_owned(),
            paths::AUXILIARY.to_owned(),
            paths::APPROVALS.to_owned(),
            paths::INITIATORS.to_owned(),
            paths::WALLETS.to_owned(),
            paths::each(paths::WALLETS),
            paths::each(paths::SESSIONS),
            paths::NODES.to_owned(),
            paths::HEALTH.to_owned(),
            paths::READY.to_owned(),
            paths::METRICS.to_owned(),
            paths::OPENAPI.to_owned(),
            paths::DOCS.to_owned(),
        ];
        assert_eq!(keys(&document()["paths"]), BTreeSet::from(expected));
    }

    #[test]
    fn every_value_of_an_enumeration_is_listed() {
        let listed = |name: &str| texts(&document()["components"]["schemas"][name]["enum"]);
        let codes: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str().to_owned()).collect();
        assert_eq!(listed("ErrorCode"), codes);
        // A new variant does not compile here: add it to the document as well.
        let statuses = [RequestStatus::Running, RequestStatus::Completed, RequestStatus::Failed];
        for status in statuses {
            match status {
                RequestStatus::Running | RequestStatus::Completed | RequestStatus::Failed => {}
            }
        }
        assert_eq!(listed("RequestStatus"), texts(&value(&statuses)));
        let statuses = [WalletStatus::Active];
        for status in statuses {
            match status {
                WalletStatus::Active => {}
            }
        }
        assert_eq!(listed("WalletStatus"), texts(&value(&statuses)));
        let allowances = [Allowance::ForeignInputs, Allowance::WeakSighashes, Allowance::Opaque];
        for allowance in allowances {
            match allowance {
                Allowance::ForeignInputs | Allowance::WeakSighashes | Allowance::Opaque => {}
            }
        }
        assert_eq!(listed("Allowance"), texts(&value(&allowances)));
        let phases = [Phase::Auxiliary, Phase::Presigning, Phase::Signing];
        for phase in phases {
            match phase {
                Phase::Auxiliary | Phase::Presigning | Phase::Signing => {}
            }
        }
        assert_eq!(listed("Phase"), texts(&value(&phases)));
        let decisions = [Decision::Approve, Decision::Reject];
        for decision in decisions {
            match decision {
                Decision::Approve | Decision::Reject => {}
            }
        }
        assert_eq!(listed("Decision"), texts(&value(&decisions)));
        let changes = [InitiatorChange::Admit, InitiatorChange::Revoke];
        for change in changes {
            match change {
                InitiatorChange::Admit | InitiatorChange::Revoke => {}
            }
        }
        assert_eq!(listed("InitiatorChange"), texts(&value(&changes)));
        let statuses = [InitiatorStatus::Active, InitiatorStatus::Retired, InitiatorStatus::Revoked];
        for status in statuses {
            match status {
                InitiatorStatus::Active | InitiatorStatus::Retired | InitiatorStatus::Revoked => {}
            }
        }
        assert_eq!(listed("InitiatorStatus"), texts(&value(&statuses)));
    }

    #[test]
    fn requests_have_the_fields_of_the_document() {
        let id: Option<RequestId> = Some("s".parse().unwrap());
        let keygen = KeygenRequest {
            session_id: id.clone(),
            threshold: 2,
            total: 3,
            curve: "ed25519".into(),
            protocol: Some("frost".into()),
            wallet_id: Some("w".parse().unwrap()),
            parties: Some(vec![]),
        };
        let least = KeygenRequest {
            session_id: None,
            protocol: None,
            wallet_id: None,
            parties: None,
            ..keygen.clone()
        };
        compare("KeygenRequest", &keygen, Some(&|| value(&least)));
        let sign = SignRequest {
            session_id: id.clone(),
            public_key: Some([2; 32].into()),
            wallet_id: Some("w".parse().unwrap()),
            message_hash: Some([1; 32].into()),
            message: Some([1; 32].into()),
            signers: Some(vec![]),
            derivation_path: Some("m/0".into()),
            tweak: Some(Tweak::Taproot(None)),
            chain: Some("solana".into()),
            transaction: Some(serde_json::from_str("\"0x01\"").unwrap()),
            allow: vec![Allowance::ForeignInputs],
        };
        compare("SignRequest", &sign, Some(&|| value(&SignRequest::default())));
        let refresh = RefreshRequest {
            session_id: id.clone(),
            public_key: Some([2; 32].into()),
            wallet_id: Some("w".parse().unwrap()),
        };
        compare("RefreshRequest", &refresh, Some(&|| value(&RefreshRequest::default())));
        let RefreshRequest { session_id, wallet_id, public_key } = refresh.clone();
        let rollback = RollbackRequest { session_id, wallet_id, public_key, kept_shares: true };
        compare("RollbackRequest", &rollback, Some(&|| value(&RollbackRequest::default())));
        let reshare = ReshareRequest {
            new_threshold: Some(2),
            new_total: Some(3),
            new_parties: Some(vec![]),
            ..ReshareRequest::from(refresh)
        };
        compare("ReshareRequest", &reshare, Some(&|| value(&ReshareRequest::default())));
        let presign = PresignRequest {
            session_id: id.clone(),
            public_key: Some([2; 32].into()),
            wallet_id: Some("w".parse().unwrap()),
            count: 1,
            signers: Some(vec![]),
        };
        compare("PresignRequest", &presign, Some(&|| value(&PresignRequest::default())));
        let schema = &document()["components"]["schemas"]["PresignRequest"]["properties"]["count"];
        assert_eq!((&schema["minimum"], &schema["maximum"]), (&json!(1), &json!(PresignRequest::MAX_COUNT)));
        let approval = ApprovalRequest {
            session_id: id.clone(),
            fingerprint: [1; 32].into(),
            decision: Decision::Approve,
            valid_until: 1,
        };
        let least = || value(&ApprovalRequest { session_id: None, ..approval.clone() });
        compare("ApprovalRequest", &approval, Some(&least));
        let key = IDENTITY.parse().unwrap();
        let admit = InitiatorsRequest { session_id: id.clone(), ..InitiatorsRequest::admit("backend", key) };
        compare("InitiatorsRequest", &admit, Some(&|| value(&InitiatorsRequest::revoke(key))));
        let auxiliary = AuxiliaryRequest {
            session_id: id,
            parties: Some(vec![]),
            wallet_id: Some("w".parse().unwrap()),
            public_key: Some([2; 32].into()),
        };
        compare("AuxiliaryRequest", &auxiliary, Some(&|| value(&AuxiliaryRequest::of_all())));
        compare("Tweak", &Tweak::Taproot(Some([1; 32].into())), None);
    }

    #[test]
    fn answers_have_the_fields_of_the_document() {
        let (session_id, wallet_id): (RequestId, WalletId) = ("s".parse().unwrap(), "w".parse().unwrap());
        let taken = Taken { session_id: session_id.clone(), status: RequestStatus::Running };
        compare("Taken", &taken, None);
        let keygen = KeygenResponse {
            session_id: session_id.clone(),
            wallet_id: wallet_id.clone(),
            public_key: [2; 32].into(),
            address: Some("a".into()),
            status: RequestStatus::Completed,
            threshold: 2,
            parties: vec![],
        };
        let least = KeygenResponse { address: None, ..keygen.clone() };
        compare("KeygenResponse", &keygen, Some(&|| value(&least)));
        let signature =
            SignatureView { signature: [1; 64].into(), recovery_id: None, public_key: [2; 32].into() };
        compare("SignatureView", &signature, None);
        let sign = SignResponse {
            session_id: session_id.clone(),
            wallet_id: wallet_id.clone(),
            signature: [1; 64].into(),
            recovery_id: Some(1),
            public_key: [2; 32].into(),
            status: RequestStatus::Completed,
            committee: vec![],
            attempt: 1,
            absent: vec![],
            culprits: vec![],
            signatures: vec![signature],
            signed_transaction: Some([1; 32].into()),
            tx_id: Some("t".into()),
        };
        let least =
            SignResponse { signatures: vec![], signed_transaction: None, tx_id: None, ..sign.clone() };
        compare("SignResponse", &sign, Some(&|| value(&least)));
        let presign = PresignResponse {
            session_id: session_id.clone(),
            wallet_id: wallet_id.clone(),
            status: RequestStatus::Completed,
            signers: vec![],
            made: 1,
            available: 1,
        };
        compare("PresignResponse", &presign, None);
        let auxiliary = AuxiliaryResponse {
            session_id: session_id.clone(),
            status: RequestStatus::Completed,
            wallet_id: Some(wallet_id.clone()),
            parties: vec![],
            epoch: 0,
            digest: [1; 32].into(),
        };
        let of_nodes = || value(&AuxiliaryResponse { wallet_id: None, ..auxiliary.clone() });
        compare("AuxiliaryResponse", &auxiliary, Some(&of_nodes));
        let reshared = ReshareResponse {
            session_id: session_id.clone(),
            wallet_id: wallet_id.clone(),
            public_key: [2; 32].into(),
            status: RequestStatus::Completed,
            epoch: 1,
            threshold: 2,
            parties: vec![],
        };
        compare("ReshareResponse", &reshared, None);
        let approved = ApprovalResponse {
            session_id: session_id.clone(),
            fingerprint: [1; 32].into(),
            authorizer: "bob".into(),
            decision: Decision::Approve,
            valid_until: 1,
            known: true,
        };
        compare("ApprovalResponse", &approved, None);
        let changed = InitiatorsResponse {
            session_id: session_id.clone(),
            change: InitiatorChange::Revoke,
            key: IDENTITY.parse().unwrap(),
            initiator: Some("backend".into()),
            approved_by: vec![],
            known_by: vec![],
            not_yet_known_by: vec![],
        };
        let least = || value(&InitiatorsResponse { initiator: None, ..changed.clone() });
        compare("InitiatorsResponse", &changed, Some(&least));
        let initiator = InitiatorView {
            name: "backend".into(),
            key: IDENTITY.parse().unwrap(),
            status: InitiatorStatus::Revoked,
            admitted: true,
            changed: Some(1),
            operations: vec![],
            wallets: Some(vec![]),
            chains: Some(vec![]),
        };
        let least = InitiatorView { changed: None, wallets: None, chains: None, ..initiator.clone() };
        compare("InitiatorView", &initiator, Some(&|| value(&least)));
        let waiting = WaitingView {
            fingerprint: [1; 32].into(),
            session_id: session_id.clone(),
            operation: "sign".into(),
            initiator: "desk".into(),
            wallet_id: Some(wallet_id.clone()),
            request: Some([1; 32].into()),
            rule: Some("large".into()),
            threshold: 2,
            of: vec![],
            approved_by: vec![],
            rejected_by: vec![],
            asked_ms: 1,
        };
        let least = || value(&WaitingView { wallet_id: None, request: None, rule: None, ..waiting.clone() });
        compare("WaitingView", &waiting, Some(&least));
        let progress = Progress { phase: Phase::Signing, done: 0, total: 1 };
        compare("Progress", &progress, None);
        let error = ErrorBody::new(ErrorCode::Internal, "why")
            .with_session(session_id.clone())
            .with_culprits(vec!["node1".into()]);
        compare("ErrorBody", &error, Some(&|| value(&ErrorBody::new(ErrorCode::Internal, "why"))));
        let session = SessionView {
            session_id,
            operation: "sign".into(),
            status: RequestStatus::Failed,
            progress: Some(progress),
            wallet_id: Some(wallet_id.clone()),
            attempt: 1,
            committee: vec![],
            absent: vec![],
            culprits: vec![],
            result: Some(SessionResult::Sign(sign.clone())),
            error: Some(error),
        };
        let least =
            SessionView { progress: None, wallet_id: None, result: None, error: None, ..session.clone() };
        compare("SessionView", &session, Some(&|| value(&least)));
        let results = [
            SessionResult::Keygen(keygen),
            SessionResult::Sign(sign),
            SessionResult::Presign(presign),
            SessionResult::Auxiliary(auxiliary),
            SessionResult::Reshare(reshared),
        ];
        let results: BTreeSet<String> = results.iter().flat_map(|result| keys(&value(result))).collect();
        let schema = document()["components"]["schemas"]["SessionResult"]["oneOf"].clone();
        let listed = schema.as_array().unwrap().iter().flat_map(|one| keys(&one["properties"])).collect();
        assert_eq!(results, listed);
        let address = AddressView { chain: "c".into(), name: "n".into(), address: "a".into() };
        compare("AddressView", &address, None);
        let wallet = WalletView {
            wallet_id,
            curve: "ed25519".into(),
            scheme: "ed25519".into(),
            protocol: "frost".into(),
            public_key: [2; 32].into(),
            group_key: [2; 32].into(),
            chain_code: [3; 32].into(),
            addresses: vec![address],
            threshold: 2,
            total: 3,
            parties: vec![],
            epoch: 0,
            status: WalletStatus::Active,
            presignatures: Some(1),
        };
        let least = WalletView { presignatures: None, ..wallet.clone() };
        compare("WalletView", &wallet, Some(&|| value(&least)));
        let health = Health { status: "ok".into(), node: "n".into(), version: "v".into() };
        compare("Health", &health, None);
        let ready = Readiness {
            ready: true,
            reachable: 1,
            total: 1,
            store_writable: true,
            reasons: vec!["why".into()],
        };
        compare("Readiness", &ready, Some(&|| value(&Readiness { reasons: vec![], ..ready.clone() })));
        let caught = CaughtView { wallet_id: "w".parse().unwrap(), since_ms: 1, reason: "it guessed".into() };
        compare("CaughtView", &caught, None);
        let node = NodeView {
            name: "n".into(),
            identity: IDENTITY.parse().unwrap(),
            this_node: true,
            connected: true,
            last_heard_ms: Some(1),
            queued_frames: 0,
            refused_connections: 0,
            excluded: false,
            caught: vec![caught],
        };
        let least = || value(&NodeView { last_heard_ms: None, caught: Vec::new(), ..node.clone() });
        compare("NodeView", &node, Some(&least));
    }
}
