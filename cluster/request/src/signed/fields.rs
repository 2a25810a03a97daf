//! The header fields of a request, and what the signature covers (RFC 9421, section 2.5).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, DictSerializer, Dictionary, KeyRef, ListEntry, Parser, Version, key_ref};

use super::SignedRequest;
use super::parameters::Parameters;
use crate::error::RequestError;
use crate::id::{ClusterId, InvalidId};
use crate::operation::{InvalidOperation, Operation};

/// The digest of the body (RFC 9530): SHA-256 and nothing else.
pub const CONTENT_DIGEST: &str = "content-digest";
/// The cluster that is asked.
pub const CLUSTER: &str = "quorate-cluster";
/// What is asked for.
pub const OPERATION: &str = "quorate-operation";
/// What is signed, when, by whom (RFC 9421).
pub const SIGNATURE_INPUT: &str = "signature-input";
/// The signature (RFC 9421).
pub const SIGNATURE: &str = "signature";

/// The components that the signature covers, in this order and no others. Never `@authority` or `@path`: a
/// request goes through any gateway and from node to node unchanged.
pub(super) const COMPONENTS: [&str; 3] = [CONTENT_DIGEST, CLUSTER, OPERATION];

/// The label of the initiator's signature in the two signature fields.
pub const LABEL: &str = "initiator";

const LABEL_KEY: &KeyRef = key_ref(LABEL);
const SHA_256: &KeyRef = key_ref("sha-256");

/// The signature base: what is really signed. Neither a digest nor an id nor an operation can hold a line
/// break, so no two requests share one.
pub(super) fn signature_base(
    content_digest: &[u8; 32],
    cluster: &ClusterId,
    operation: &Operation,
    parameters: &Parameters,
) -> String {
    let digest = byte_sequence(SHA_256, content_digest);
    let [digest_name, cluster_name, operation_name] = COMPONENTS;
    format!(
        "\"{digest_name}\": {digest}\n\"{cluster_name}\": {cluster}\n\"{operation_name}\": {operation}\n\
         \"@signature-params\": {parameters}",
        parameters = parameters.text(),
    )
}

/// Writes the five fields.
pub(super) fn write(request: &SignedRequest) -> HeaderMap {
    let values = [
        (CONTENT_DIGEST, byte_sequence(SHA_256, &request.content_digest)),
        (CLUSTER, request.cluster.to_string()),
        (OPERATION, request.operation.to_string()),
        (SIGNATURE_INPUT, request.parameters.field()),
        (SIGNATURE, byte_sequence(LABEL_KEY, &request.signature)),
    ];
    // All values are visible ASCII and spaces by construction: none is ever left out. Were one, the request
    // would be refused everywhere.
    let field = |(name, value): (&'static str, String)| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
    };
    values.into_iter().filter_map(field).collect()
}

/// Whether there is a signature, or a part of one.
pub(super) fn are_in(headers: &HeaderMap) -> bool {
    headers.contains_key(SIGNATURE) || headers.contains_key(SIGNATURE_INPUT)
}

/// Reads the five fields. What [`write`] would not write is refused.
pub(super) fn read(headers: &HeaderMap, body: Bytes) -> Result<SignedRequest, RequestError> {
    if !are_in(headers) {
        return Err(RequestError::Unsigned);
    }
    Ok(SignedRequest {
        content_digest: read_byte_sequence(CONTENT_DIGEST, single(headers, CONTENT_DIGEST)?, SHA_256)?,
        cluster: read_cluster(single(headers, CLUSTER)?)?,
        operation: read_operation(single(headers, OPERATION)?)?,
        parameters: Parameters::read(single(headers, SIGNATURE_INPUT)?)?,
        signature: read_signature(single(headers, SIGNATURE)?)?,
        body,
    })
}

/// Reads the operation.
pub(super) fn read_operation(value: &str) -> Result<Operation, RequestError> {
    value.parse().map_err(|error: InvalidOperation| malformed(OPERATION, error.to_string()))
}

/// Reads a dictionary that has exactly one member, in the one spelling that serialising it yields.
pub(super) fn read_sole_member(
    field: &'static str,
    value: &str,
    key: &KeyRef,
) -> Result<ListEntry, RequestError> {
    // RFC 9421 builds on the structured fields of RFC 8941: no dates, no display strings.
    let mut dictionary: Dictionary = Parser::new(value)
        .with_version(Version::Rfc8941)
        .parse()
        .map_err(|error| malformed(field, format!("no dictionary of structured fields: {error}")))?;
    let mut canonical = DictSerializer::new();
    canonical.members(&dictionary);
    if canonical.finish().as_deref() != Some(value) {
        return Err(malformed(field, "not in canonical form"));
    }
    match (dictionary.len(), dictionary.swap_remove(key)) {
        (1, Some(member)) => Ok(member),
        _ => Err(malformed(field, format!("exactly one member is accepted, {}", key.as_str()))),
    }
}

/// A field is malformed.
pub(super) fn malformed(field: &'static str, reason: impl Into<String>) -> RequestError {
    RequestError::Malformed { field, reason: reason.into() }
}

/// The value of a field that must be there exactly once. Repeated fields could be joined differently on the
/// way.
fn single<'a>(headers: &'a HeaderMap, field: &'static str) -> Result<&'a str, RequestError> {
    let mut values = headers.get_all(field).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(malformed(field, "missing")),
        (Some(_), Some(_)) => Err(malformed(field, "repeated")),
        (Some(value), None) => value.to_str().map_err(|_| malformed(field, "not ASCII")),
    }
}

fn read_cluster(value: &str) -> Result<ClusterId, RequestError> {
    let cluster: ClusterId =
        value.parse().map_err(|error: InvalidId| malformed(CLUSTER, error.to_string()))?;
    // The signature covers the canonical spelling; another one would be covered by accident only.
    if cluster.to_string() == value { Ok(cluster) } else { Err(malformed(CLUSTER, "not in lower case")) }
}

fn read_signature(value: &str) -> Result<[u8; 64], RequestError> {
    read_byte_sequence(SIGNATURE, value, LABEL_KEY).map_err(|error| match error {
        RequestError::Malformed { field, reason } => {
            malformed(field, format!("{reason}; of ECDSA r and s, 32 bytes each, not DER"))
        }
        error => error,
    })
}

fn read_byte_sequence<const N: usize>(
    field: &'static str,
    value: &str,
    key: &KeyRef,
) -> Result<[u8; N], RequestError> {
    let wanted = || malformed(field, format!("expected {}=:…: with {N} bytes", key.as_str()));
    let ListEntry::Item(item) = read_sole_member(field, value, key)? else { return Err(wanted()) };
    match item.bare_item {
        BareItem::ByteSequence(bytes) if item.params.is_empty() => bytes.try_into().map_err(|_| wanted()),
        _ => Err(wanted()),
    }
}

/// A dictionary with one byte sequence.
fn byte_sequence(key: &KeyRef, bytes: &[u8]) -> String {
    let mut dictionary = DictSerializer::new();
    let _ = dictionary.bare_item(key, bytes);
    // A dictionary is without a serialisation only if it is empty.
    dictionary.finish().unwrap_or_default()
}
