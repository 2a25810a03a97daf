//! The body by which an authorizer approves a request, or rejects it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Body, BodyError};
use crate::hex_bytes::HexArray;
use crate::id::RequestId;
use crate::operation::Operation;

/// What an authorizer says of a request: `POST /api/v1/approvals`.
///
/// It holds for the request of this fingerprint ([`SignedRequest::fingerprint`](crate::SignedRequest::fingerprint)), however often
/// its client signs it anew, and for no other. An authorizer's later word takes the place of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRequest {
    /// The request id of this very word, if the body repeats it; it must be the signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<RequestId>,
    /// The fingerprint of the request that is meant, 32 bytes.
    pub fingerprint: HexArray<32>,
    /// Whether it is approved.
    pub decision: Decision,
    /// Unix time in seconds until which this holds: after it was signed, and [`ApprovalRequest::LONGEST`] later at most.
    pub valid_until: u64,
}

/// What an authorizer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// It may be done.
    Approve,
    /// It may not.
    Reject,
}

impl ApprovalRequest {
    /// How long a word may hold: a week, so that one given on a Friday may be used on Monday.
    pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

    /// The end of this word, if it is one that a word signed at this time may have.
    ///
    /// # Errors
    /// It is over before it begins, or too late.
    pub fn ends(&self, signed: SystemTime) -> Result<SystemTime, BodyError> {
        let ends = UNIX_EPOCH.checked_add(Duration::from_secs(self.valid_until));
        match ends.and_then(|ends| ends.duration_since(signed).ok().map(|length| (ends, length))) {
            Some((ends, length)) if !length.is_zero() && length <= Self::LONGEST => Ok(ends),
            _ => Err(BodyError::ValidUntil(self.valid_until)),
        }
    }
}

impl Body for ApprovalRequest {
    const OPERATION: Operation = Operation::Approve;

    fn session_id(&self) -> Option<&RequestId> {
        self.session_id.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_bodies_are_read_and_made() {
        let read = |json: &str| ApprovalRequest::from_json(json.as_bytes(), &"a1".parse().unwrap());
        let fingerprint = "0x".to_owned() + &"ab".repeat(32);
        let json =
            format!(r#"{{"fingerprint":"{fingerprint}","decision":"approve","valid_until":1700000000}}"#);
        let word = ApprovalRequest {
            session_id: None,
            fingerprint: [0xab; 32].into(),
            decision: Decision::Approve,
            valid_until: 1_700_000_000,
        };
        assert_eq!(read(&json), Ok(word.clone()));
        assert_eq!(serde_json::to_string(&word).unwrap(), json);
        let rejected = json.replace("approve", "reject");
        assert_eq!(read(&rejected).unwrap().decision, Decision::Reject);
        for bad in [
            "{}".to_owned(),
            json.replace("approve", "maybe"),
            json.replace("abab", "ab"),
            json.replace("1700000000", "-1"),
            json.replace("1700000000", "\"1700000000\""),
            json.replace("{", "{\"for_all\":true,"),
        ] {
            assert!(matches!(read(&bad), Err(BodyError::Json(_))), "{bad}");
        }
    }

    #[test]
    fn a_word_ends_after_it_was_signed_and_within_a_week() {
        let signed = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let week = ApprovalRequest::LONGEST.as_secs();
        let ends = |valid_until| {
            let word = ApprovalRequest {
                session_id: None,
                fingerprint: [1; 32].into(),
                decision: Decision::Approve,
                valid_until,
            };
            word.ends(signed)
        };
        assert_eq!(ends(1_700_000_001), Ok(signed + Duration::from_secs(1)));
        assert_eq!(ends(1_700_000_000 + week), Ok(signed + ApprovalRequest::LONGEST));
        for bad in [0, 1_699_999_999, 1_700_000_000, 1_700_000_001 + week, u64::MAX] {
            assert_eq!(ends(bad), Err(BodyError::ValidUntil(bad)));
        }
    }
}
