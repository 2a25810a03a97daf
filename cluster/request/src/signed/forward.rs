//! The form in which nodes forward a request to each other: the header fields and the body, packed.
//!
//! ```text
//! version 1 byte = 1 | cluster 32 | content digest 32 | signature 64
//! | operation: length u16, text | signature parameters: length u16, text | body: length u32, bytes
//! ```
//! Numbers are big-endian. Whoever decodes gets the very fields that the initiator sent, and verifies them.

use bytes::Bytes;

use super::fields::{LABEL, read_operation};
use super::parameters::Parameters;
use super::{MAX_BODY_BYTES, SignedRequest};
use crate::error::DecodeError;
use crate::id::ClusterId;

const VERSION: u8 = 1;
const FIXED: usize = 1 + 32 + 32 + 64 + 2 + 2 + 4;
/// More than any operation or parameters that [`super::fields`] accepts.
const MAX_TEXT: usize = 1024;

pub(super) fn encode(request: &SignedRequest) -> Vec<u8> {
    let operation = request.operation.to_string();
    let parameters = request.parameters.text();
    let mut bytes = Vec::with_capacity(FIXED + operation.len() + parameters.len() + request.body.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(request.cluster.as_bytes());
    bytes.extend_from_slice(&request.content_digest);
    bytes.extend_from_slice(&request.signature);
    for text in [operation.as_str(), parameters] {
        // Never longer than MAX_TEXT: bounded when the request was made or read.
        bytes.extend_from_slice(&(text.len() as u16).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    // Never longer than MAX_BODY_BYTES, likewise.
    bytes.extend_from_slice(&(request.body.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&request.body);
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<SignedRequest, DecodeError> {
    if bytes.len() > FIXED + 2 * MAX_TEXT + MAX_BODY_BYTES {
        return Err(DecodeError::TooLarge);
    }
    let mut reader = Reader(bytes);
    let [version] = reader.array()?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let cluster = ClusterId::from_bytes(reader.array()?);
    let content_digest = reader.array()?;
    let signature = reader.array()?;
    let operation = read_operation(&reader.text()?).map_err(DecodeError::Field)?;
    let parameters = format!("{LABEL}={}", reader.text()?);
    let parameters = Parameters::read(&parameters).map_err(DecodeError::Field)?;
    let length = u32::from_be_bytes(reader.array()?) as usize;
    if length > MAX_BODY_BYTES {
        return Err(DecodeError::TooLarge);
    }
    let body = Bytes::copy_from_slice(reader.take(length)?);
    match reader.0.len() {
        0 => Ok(SignedRequest { cluster, operation, parameters, content_digest, signature, body }),
        left => Err(DecodeError::TrailingBytes(left)),
    }
}

/// What has not been read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// Text; what is no UTF-8 becomes something that no field accepts.
    fn text(&mut self) -> Result<String, DecodeError> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        if length > MAX_TEXT {
            return Err(DecodeError::TooLarge);
        }
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }
}
