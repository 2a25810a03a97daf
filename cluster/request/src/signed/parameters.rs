//! The parameters of the signature: created, expires, keyid, nonce, alg.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_keys::{InvalidPrincipal, KeyType, Principal};
use sfv::{BareItem, InnerList, Item, ListEntry, key_ref};

use super::fields::{COMPONENTS, LABEL, SIGNATURE_INPUT, malformed, read_sole_member};
use super::{MAX_LIFETIME, unix_seconds};
use crate::error::RequestError;
use crate::id::{InvalidId, RequestId};

/// The value of `signature-input`, checked. Its text is kept since the signature covers the parameters in
/// the order in which the initiator wrote them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parameters {
    created: u64,
    expires: u64,
    initiator: Principal,
    request_id: RequestId,
    text: String,
}

impl Parameters {
    pub(super) fn new(created: u64, expires: u64, initiator: Principal, request_id: RequestId) -> Self {
        let components = COMPONENTS.map(|name| format!("\"{name}\"")).join(" ");
        // The only characters of a request id that a structured string escapes.
        let nonce = request_id.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        let text = format!(
            "({components});created={created};expires={expires};keyid=\"{initiator}\";nonce=\"{nonce}\";\
             alg=\"{}\"",
            initiator.algorithm()
        );
        Self { created, expires, initiator, request_id, text }
    }

    /// Reads the value of `signature-input`.
    pub(super) fn read(value: &str) -> Result<Self, RequestError> {
        let refuse = |reason: &str| malformed(SIGNATURE_INPUT, reason);
        let member = read_sole_member(SIGNATURE_INPUT, value, key_ref(LABEL))?;
        let ListEntry::InnerList(InnerList { items, params }) = member else {
            return Err(refuse("expected a list of components"));
        };
        let is_component = |item: &Item, name: &str| {
            item.params.is_empty() && item.bare_item.as_string().is_some_and(|text| text.as_str() == name)
        };
        if items.len() != COMPONENTS.len()
            || !items.iter().zip(COMPONENTS).all(|(item, name)| is_component(item, name))
        {
            return Err(refuse(
                "the signature must cover (\"content-digest\" \"quorate-cluster\" \"quorate-operation\")",
            ));
        }

        let (mut created, mut expires, mut keyid, mut nonce, mut alg) = (None, None, None, None, None);
        for (key, value) in &params {
            match key.as_str() {
                "created" => created = seconds(value),
                "expires" => expires = seconds(value),
                "keyid" => keyid = value.as_string().map(|text| text.as_str()),
                "nonce" => nonce = value.as_string().map(|text| text.as_str()),
                "alg" => alg = value.as_string().map(|text| text.as_str()),
                other => return Err(malformed(SIGNATURE_INPUT, format!("unknown parameter {other}"))),
            }
        }
        let [ed25519, p256] = KeyType::ALL.map(KeyType::algorithm);
        let alg = alg
            .filter(|alg| [ed25519, p256].contains(alg))
            .ok_or_else(|| malformed(SIGNATURE_INPUT, format!("alg must be \"{ed25519}\" or \"{p256}\"")))?;
        let keyid = keyid.ok_or_else(|| refuse("keyid must be a string"))?;
        let initiator: Principal = keyid.parse().map_err(|error: InvalidPrincipal| {
            malformed(SIGNATURE_INPUT, format!("keyid must be a public key: {error}"))
        })?;
        if initiator.to_string() != keyid {
            return Err(refuse("keyid is not in lower case"));
        }
        // RFC 9421, section 3.2: a key is used with its own algorithm, whatever a signature says.
        if alg != initiator.algorithm() {
            let wanted = initiator.algorithm();
            return Err(malformed(SIGNATURE_INPUT, format!("alg is not that of keyid, \"{wanted}\"")));
        }
        let nonce = nonce.ok_or_else(|| refuse("nonce must be a string"))?;
        let request_id =
            nonce.parse().map_err(|error: InvalidId| malformed(SIGNATURE_INPUT, error.to_string()))?;
        let created = created.ok_or_else(|| refuse("created must be a time in seconds"))?;
        let expires = expires.ok_or_else(|| refuse("expires must be a time in seconds"))?;
        if expires <= created {
            return Err(refuse("expires must be later than created"));
        }
        let text = value.strip_prefix(LABEL).and_then(|rest| rest.strip_prefix('='));
        let text = text.ok_or_else(|| refuse("not in canonical form"))?.to_owned();
        Ok(Self { created, expires, initiator, request_id, text })
    }

    /// The value of `signature-input`.
    pub(super) fn field(&self) -> String {
        format!("{LABEL}={}", self.text)
    }

    /// The value of `@signature-params` in the signature base.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn initiator(&self) -> &Principal {
        &self.initiator
    }

    pub(super) fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    pub(super) fn created(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.created)
    }

    pub(super) fn expires(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.expires)
    }

    /// Is `now` within the time of the request, give or take `skew`, and that time not too long?
    pub(super) fn check_times(&self, now: SystemTime, skew: Duration) -> Result<(), RequestError> {
        let seconds = self.expires.saturating_sub(self.created);
        if seconds > MAX_LIFETIME.as_secs() {
            return Err(RequestError::LifetimeTooLong { seconds, limit: MAX_LIFETIME.as_secs() });
        }
        // A clock before 1970 is as wrong as a clock at 1970.
        let now = unix_seconds(now).unwrap_or(0);
        let skew = skew.as_secs();
        if self.created > now.saturating_add(skew) {
            return Err(RequestError::NotYetValid { ahead: self.created.saturating_sub(now) });
        }
        if self.expires.saturating_add(skew) <= now {
            return Err(RequestError::Expired { ago: now.saturating_sub(self.expires) });
        }
        Ok(())
    }
}

/// A structured integer has at most 15 digits, so times never overflow what follows.
fn seconds(value: &BareItem) -> Option<u64> {
    value.as_integer().map(i64::from).and_then(|seconds| seconds.try_into().ok())
}
