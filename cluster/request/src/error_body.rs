//! What the API answers when it refuses.

use std::fmt;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::body::BodyError;
use crate::error::RequestError;
use crate::id::RequestId;

/// The body of every answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What kind of refusal this is, for programs.
    pub code: ErrorCode,
    /// What happened and what to do about it, for people.
    pub message: String,
    /// The request that was refused, when it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<RequestId>,
    /// Names of the nodes that are proven to have cheated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub culprits: Vec<String>,
}

impl ErrorBody {
    /// A refusal without further details. What the message quotes of a request may be anything: of a long one the beginning
    /// and the end are kept, and what moves a cursor or hides what follows is escaped.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: presentable(message.into()), session_id: None, culprits: Vec::new() }
    }

    /// The same refusal, naming the request that it answers.
    #[must_use]
    pub fn with_session(mut self, session_id: RequestId) -> Self {
        self.session_id = Some(session_id);
        self
    }

    /// The same refusal, naming the nodes that are to blame.
    #[must_use]
    pub fn with_culprits(mut self, culprits: Vec<String>) -> Self {
        self.culprits = culprits;
        self
    }
}

impl From<&RequestError> for ErrorBody {
    fn from(error: &RequestError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<&BodyError> for ErrorBody {
    fn from(error: &BodyError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// The longest message, in characters: several sentences, or the names of all nodes.
const MESSAGE: usize = 2048;

fn presentable(message: String) -> String {
    let is_odd =
        |character: char| !matches!(character, '"' | '\'' | '\\') && character.escape_debug().len() > 1;
    if message.len() <= MESSAGE && !message.contains(is_odd) {
        return message;
    }
    let count = message.chars().count();
    let (start, end) = if count <= MESSAGE { (count, 0) } else { (MESSAGE / 2, MESSAGE / 4) };
    let escaped = |text: &mut String, character: char| {
        if is_odd(character) {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    };
    let mut text = String::new();
    message.chars().take(start).for_each(|character| escaped(&mut text, character));
    if end > 0 {
        text.push_str(" … ");
        message.chars().skip(count.saturating_sub(end)).for_each(|character| escaped(&mut text, character));
    }
    text
}

/// Declares the codes once: their name in JSON, their HTTP status, and their meaning.
macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:ident;)+) => {
        /// The closed list of refusals, each with its HTTP status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it stands in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means, for people.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The HTTP status of an answer with this code.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }
        }
    };
}

error_codes! {
    /// Fields, JSON or parameters can't be read, or contradict each other.
    MalformedRequest = "malformed_request", BAD_REQUEST;
    /// Threshold or total is out of range, or below the majority without opt-in.
    InvalidThreshold = "invalid_threshold", BAD_REQUEST;
    /// The curve is not known here.
    UnsupportedCurve = "unsupported_curve", BAD_REQUEST;
    /// The protocol is not known here, or not for this curve.
    UnsupportedProtocol = "unsupported_protocol", BAD_REQUEST;
    /// The message or digest is missing, double, or of the wrong length.
    InvalidMessage = "invalid_message", BAD_REQUEST;
    /// The named signers are too few or too many, repeated, or outside the wallet's committee.
    InvalidSigners = "invalid_signers", BAD_REQUEST;
    /// The named parties are no nodes of this cluster, repeated, or not as many as the total.
    InvalidParties = "invalid_parties", BAD_REQUEST;
    /// The derivation path can't be read or is hardened.
    InvalidDerivationPath = "invalid_derivation_path", BAD_REQUEST;
    /// The tweak does not fit the wallet's scheme.
    InvalidTweak = "invalid_tweak", BAD_REQUEST;
    /// There is no such chain here, or several have this name.
    UnknownChain = "unknown_chain", BAD_REQUEST;
    /// The transaction can't be read, lies, is not the wallet's to sign, or holds what is not allowed.
    TransactionRefused = "transaction_refused", BAD_REQUEST;
    /// The request carries no signature, or no token that is known.
    Unsigned = "unsigned", UNAUTHORIZED;
    /// The signature does not hold.
    BadSignature = "bad_signature", UNAUTHORIZED;
    /// The key that signed is no initiator, or was revoked; or, where one is asked for, is no authorizer.
    UnknownInitiator = "unknown_initiator", UNAUTHORIZED;
    /// The body is not the one that was signed.
    DigestMismatch = "digest_mismatch", UNAUTHORIZED;
    /// The request was made for another cluster.
    WrongCluster = "wrong_cluster", UNAUTHORIZED;
    /// The time of the request is over.
    Expired = "expired", UNAUTHORIZED;
    /// The request was made in the future.
    NotYetValid = "not_yet_valid", UNAUTHORIZED;
    /// The request is valid for too long.
    LifetimeTooLong = "lifetime_too_long", UNAUTHORIZED;
    /// The request was signed for another operation than the endpoint's.
    OtherOperation = "other_operation", UNAUTHORIZED;
    /// The caller may not do this.
    Forbidden = "forbidden", FORBIDDEN;
    /// The initiator may not ask for this operation, wallet or chain.
    OutOfScope = "out_of_scope", FORBIDDEN;
    /// The cluster's policy does not let this be signed.
    PolicyDenied = "policy_denied", FORBIDDEN;
    /// Authorizers must approve it first. It waits for them: repeat the same request once they have.
    ApprovalsMissing = "approvals_missing", FORBIDDEN;
    /// There is no wallet of this id or public key.
    UnknownWallet = "unknown_wallet", NOT_FOUND;
    /// There is no session of this id.
    UnknownSession = "unknown_session", NOT_FOUND;
    /// There is nothing at this path.
    NotFound = "not_found", NOT_FOUND;
    /// The path exists, but not for this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The request id was used before, for something else.
    RequestConflict = "request_conflict", CONFLICT;
    /// A wallet of this id exists already.
    WalletExists = "wallet_exists", CONFLICT;
    /// Several wallets have this name; the public key says which one is meant.
    AmbiguousWallet = "ambiguous_wallet", CONFLICT;
    /// The body is too large.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE;
    /// As many sessions as allowed are running; try again later.
    TooManySessions = "too_many_sessions", TOO_MANY_REQUESTS;
    /// The caller asks more often than it may; `Retry-After` says when to ask again.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS;
    /// A fault of the node itself.
    Internal = "internal", INTERNAL_SERVER_ERROR;
    /// The protocol run was aborted; `culprits` names who is proven to have cheated.
    Aborted = "aborted", BAD_GATEWAY;
    /// No node of the cluster could be reached (answered by a gateway).
    ClusterUnreachable = "cluster_unreachable", BAD_GATEWAY;
    /// Too few signers are up, or too few accepted.
    NotEnoughSigners = "not_enough_signers", SERVICE_UNAVAILABLE;
    /// The node's store takes no writes; ask another one.
    NotReady = "not_ready", SERVICE_UNAVAILABLE;
    /// The node is shutting down; ask another one.
    ShuttingDown = "shutting_down", SERVICE_UNAVAILABLE;
    /// The deadline passed before there was a result; repeat the same request to learn it.
    TimedOut = "timed_out", GATEWAY_TIMEOUT;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_message_that_quotes_a_stranger_stays_one_short_line() {
        let new = |message: &str| ErrorBody::new(ErrorCode::MalformedRequest, message).message;
        let usual = "unknown field `tréshold`, expected \"threshold\" or 'total' (malformed\\x)";
        assert_eq!(new(usual), usual);
        assert_eq!(new("a\u{1b}[2J\n\u{202e}b"), "a\\u{1b}[2J\\u{a}\\u{202e}b");
        assert_eq!(new(&"x".repeat(MESSAGE)), "x".repeat(MESSAGE));
        let long = new(&format!("unknown field `{}` (its_code)", "é\n".repeat(500_000)));
        assert!(long.starts_with("unknown field `é\\u{a}é") && long.ends_with("` (its_code)"), "{long}");
        assert!(long.len() < 10 * MESSAGE, "{}", long.len());
    }

    #[test]
    fn every_code_has_one_name_and_an_error_status() {
        let mut names = HashSet::new();
        for code in ErrorCode::ALL {
            assert!(names.insert(code.as_str()));
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<ErrorCode>(&format!("\"{code}\"")).unwrap(), *code);
        }
    }

    #[test]
    fn every_code_and_path_is_documented() {
        use crate::paths;
        let page = include_str!("../../../docs/api.md");
        for code in ErrorCode::ALL {
            let row = format!("| `{code}` | {} | {} |", code.status().as_u16(), code.meaning());
            assert!(page.contains(&row), "docs/api.md lacks {row}");
        }
        let nested = [paths::WALLETS, paths::SESSIONS].map(paths::each);
        let plain = [
            paths::KEYGEN,
            paths::SIGN,
            paths::REFRESH,
            paths::ROLLBACK,
            paths::RESHARE,
            paths::PRESIGN,
            paths::AUXILIARY,
            paths::APPROVALS,
            paths::WALLETS,
            paths::NODES,
            paths::HEALTH,
            paths::READY,
            paths::METRICS,
            paths::OPENAPI,
        ];
        for path in plain.map(str::to_owned).iter().chain(&nested) {
            assert!(page.contains(&format!(" {path}`")), "docs/api.md lacks {path}");
        }
        assert!(page.contains(&format!("{} bytes", crate::MAX_BODY_BYTES)));
    }

    #[test]
    fn an_error_body_leaves_out_what_it_does_not_know() {
        let body = ErrorBody::new(ErrorCode::UnknownWallet, "no such wallet");
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"code":"unknown_wallet","message":"no such wallet"}"#
        );
        let body = body.with_session("s1".parse().unwrap()).with_culprits(vec!["node3".into()]);
        let json = serde_json::to_string(&body).unwrap();
        assert!(json.ends_with(r#""session_id":"s1","culprits":["node3"]}"#), "{json}");
        assert_eq!(serde_json::from_str::<ErrorBody>(&json).unwrap(), body);
    }
}
