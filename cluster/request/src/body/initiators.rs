//! The body by which an authorizer asks for a change of the keys that may ask.

use quorate_keys::Principal;
use serde::{Deserialize, Serialize};

use super::{Body, BodyError};
use crate::id::RequestId;
use crate::operation::Operation;

/// Asks for a change of initiators: `POST /api/v1/initiators`. It is made once as many authorizers have approved it as the policy
/// asks for, and never unmade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitiatorsRequest {
    /// The request id, if the body repeats it; it must be the signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<RequestId>,
    /// What is done with the key.
    pub change: InitiatorChange,
    /// The public key.
    pub key: Principal,
    /// Whose key it becomes: the name of an initiator of the policy. Of a key that is admitted, and of no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
}

/// What is done with an initiator's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InitiatorChange {
    /// It may ask for whatever an initiator of the policy may, beside the keys that this one has.
    Admit,
    /// It may ask for nothing any more, for good: no later change and no policy admits it again.
    Revoke,
}

impl InitiatorsRequest {
    /// The longest name of an initiator, in characters.
    const NAME: usize = 64;

    /// A key becomes one of an initiator of the policy.
    pub fn admit(initiator: impl Into<String>, key: Principal) -> Self {
        let initiator = Some(initiator.into());
        Self { session_id: None, change: InitiatorChange::Admit, key, initiator }
    }

    /// A key asks for nothing any more.
    pub const fn revoke(key: Principal) -> Self {
        Self { session_id: None, change: InitiatorChange::Revoke, key, initiator: None }
    }

    /// Whose key it becomes; none if it is revoked.
    ///
    /// # Errors
    /// An admission without a name or with one that is none, or a revocation with a name.
    pub fn admitted_as(&self) -> Result<Option<&str>, BodyError> {
        match (self.change, self.initiator.as_deref()) {
            (InitiatorChange::Admit, Some(name)) if is_name(name) => Ok(Some(name)),
            (InitiatorChange::Revoke, None) => Ok(None),
            _ => Err(BodyError::InitiatorName),
        }
    }
}

fn is_name(name: &str) -> bool {
    let count = name.chars().count();
    (1..=InitiatorsRequest::NAME).contains(&count) && !name.chars().any(char::is_control)
}

impl Body for InitiatorsRequest {
    const OPERATION: Operation = Operation::Initiators;

    fn session_id(&self) -> Option<&RequestId> {
        self.session_id.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0x3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";

    #[test]
    fn the_documented_bodies_are_read_and_made() {
        let read = |json: &str| InitiatorsRequest::from_json(json.as_bytes(), &"c1".parse().unwrap());
        let key: Principal = KEY.parse().unwrap();
        let admit = format!(r#"{{"change":"admit","key":"{key}","initiator":"backend"}}"#);
        assert_eq!(read(&admit), Ok(InitiatorsRequest::admit("backend", key)));
        assert_eq!(serde_json::to_string(&InitiatorsRequest::admit("backend", key)).unwrap(), admit);
        assert_eq!(read(&admit).unwrap().admitted_as(), Ok(Some("backend")));
        let revoke = format!(r#"{{"change":"revoke","key":"{key}"}}"#);
        assert_eq!(read(&revoke), Ok(InitiatorsRequest::revoke(key)));
        assert_eq!(serde_json::to_string(&InitiatorsRequest::revoke(key)).unwrap(), revoke);
        assert_eq!(read(&revoke).unwrap().admitted_as(), Ok(None));
        for bad in [
            "{}".to_owned(),
            revoke.replace("revoke", "forget"),
            revoke.replace("0x3b", "0x"),
            revoke.replace('{', "{\"until\":1,"),
            format!(r#"{{"change":"revoke","change":"revoke","key":"{key}"}}"#),
        ] {
            assert!(matches!(read(&bad), Err(BodyError::Json(_))), "{bad}");
        }
    }

    #[test]
    fn who_is_admitted_has_a_name_and_who_is_revoked_has_none() {
        let key: Principal = KEY.parse().unwrap();
        let long = "é".repeat(64);
        assert_eq!(InitiatorsRequest::admit(long.clone(), key).admitted_as(), Ok(Some(long.as_str())));
        let (no_name, no_key) = (InitiatorsRequest::revoke(key), InitiatorsRequest::admit("backend", key));
        for bad in [
            InitiatorsRequest::admit("", key),
            InitiatorsRequest::admit("x".repeat(65), key),
            InitiatorsRequest::admit("a\nb", key),
            InitiatorsRequest { change: InitiatorChange::Admit, ..no_name },
            InitiatorsRequest { change: InitiatorChange::Revoke, ..no_key },
        ] {
            assert_eq!(bad.admitted_as(), Err(BodyError::InitiatorName), "{bad:?}");
        }
    }
}
