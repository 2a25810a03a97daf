//! What the broker is given: a request encrypted to the nodes, a result encrypted to its client and signed by a node.

use std::io::{Read as _, Write as _};

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use http::StatusCode;
use quorate_age::{AgeError, Identity as Opener, Recipient, decrypt, encrypt};
use quorate_keys::{Identity, SigningIdentity, Transcript};
use quorate_request::{MAX_BODY_BYTES, SignedRequest};
use rand_core::OsRng;

use crate::subjects::ClientName;

/// The longest of a request that is read: the largest body, and what goes with it.
pub const MAX_REQUEST: usize = MAX_BODY_BYTES + 32 * 1024;
/// The longest body of a result that is sent. A server takes messages of a mebibyte unless told otherwise.
pub const MAX_RESULT: usize = 960 * 1024;

const VERSION: u8 = 1;
const RESULT: &[u8] = b"quorate/queue/result/v1";

/// A request on its way to the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What is asked for.
    pub request: SignedRequest,
    /// Who waits for the result.
    pub client: ClientName,
    /// Whom the result is encrypted to.
    pub reply: Recipient,
}

/// A result on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resulted {
    /// Who says so.
    pub node: Identity,
    /// The [digest](SignedRequest::digest) of the request that this is the result of.
    pub request: [u8; 32],
    /// As HTTP would have it.
    pub status: StatusCode,
    /// JSON.
    pub body: Bytes,
}

/// What can't be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Encryption.
    #[error(transparent)]
    Age(#[from] AgeError),
    /// It is longer than a broker takes.
    #[error("{0} bytes are more than go over the broker")]
    TooLong(usize),
}

/// What can't be opened, or not be believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is not encrypted to who opens it, or it was altered.
    #[error(transparent)]
    Age(#[from] AgeError),
    /// What was encrypted is longer than anything that is sent.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// What was encrypted is not of this form.
    #[error("malformed: {0}")]
    Form(String),
    /// The node has not signed it.
    #[error("its signature does not hold")]
    Signature,
}

impl OpenError {
    fn form(error: &impl ToString) -> Self {
        Self::Form(error.to_string())
    }
}

#[derive(BorshSerialize, BorshDeserialize)]
struct AskedForm {
    version: u8,
    reply: String,
    client: String,
    request: Vec<u8>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct ResultForm {
    version: u8,
    node: Identity,
    request: [u8; 32],
    status: u16,
    body: Vec<u8>,
    signature: [u8; 64],
}

impl Asked {
    /// Encrypts it to nodes.
    ///
    /// # Errors
    /// No recipient or too many of them; a body that does not go over a broker.
    pub fn seal(&self, nodes: &[Recipient]) -> Result<Vec<u8>, SealError> {
        let form = AskedForm {
            version: VERSION,
            reply: self.reply.to_string(),
            client: self.client.to_string(),
            request: self.request.encode(),
        };
        seal(&form, nodes, MAX_REQUEST)
    }

    /// Opens it. What the request says has to be verified.
    ///
    /// # Errors
    /// It is not for this node, or is no request.
    pub fn open(sealed: &[u8], node: &Opener) -> Result<Self, OpenError> {
        let form: AskedForm = open(sealed, node, MAX_REQUEST, |form: &AskedForm| form.version)?;
        Ok(Self {
            request: SignedRequest::decode(&form.request).map_err(|error| OpenError::form(&error))?,
            client: form.client.parse().map_err(|error| OpenError::form(&error))?,
            reply: form.reply.parse().map_err(|error| OpenError::form(&error))?,
        })
    }
}

impl Resulted {
    /// Signs it as the node that it names, and encrypts it to who waits.
    ///
    /// # Errors
    /// The recipient is none; a body that does not go over a broker.
    pub fn seal(&self, signer: &SigningIdentity, reply: Recipient) -> Result<Vec<u8>, SealError> {
        let form = ResultForm {
            version: VERSION,
            node: self.node,
            request: self.request,
            status: self.status.as_u16(),
            body: self.body.to_vec(),
            signature: signer.sign(&self.statement()),
        };
        seal(&form, &[reply], MAX_RESULT + 1024)
    }

    /// Opens it, and checks that the node which it names has signed it. Whether that is a node, and which request it is of,
    /// is for the caller to check.
    ///
    /// # Errors
    /// It is not for this client, is no result, or nobody has signed it.
    pub fn open(sealed: &[u8], client: &Opener) -> Result<Self, OpenError> {
        let form: ResultForm = open(sealed, client, MAX_RESULT + 1024, |form: &ResultForm| form.version)?;
        let result = Self {
            node: form.node,
            request: form.request,
            status: StatusCode::from_u16(form.status).map_err(|error| OpenError::form(&error))?,
            body: form.body.into(),
        };
        if result.node.verify(&result.statement(), &form.signature) {
            Ok(result)
        } else {
            Err(OpenError::Signature)
        }
    }

    fn statement(&self) -> [u8; 64] {
        Transcript::new(RESULT)
            .field("node", self.node.as_bytes())
            .field("request", &self.request)
            .field("status", &self.status.as_u16().to_le_bytes())
            .field("body", &self.body)
            .wide()
    }
}

fn seal(form: &impl BorshSerialize, to: &[Recipient], limit: usize) -> Result<Vec<u8>, SealError> {
    let plain = borsh::to_vec(form).map_err(AgeError::from)?;
    if plain.len() > limit {
        return Err(SealError::TooLong(plain.len()));
    }
    let mut writer = encrypt(to, Vec::with_capacity(plain.len() + 1024), &mut OsRng)?;
    writer.write_all(&plain).map_err(AgeError::from)?;
    Ok(writer.finish().map_err(AgeError::from)?)
}

fn open<F: BorshDeserialize>(
    sealed: &[u8],
    by: &Opener,
    limit: usize,
    version: impl Fn(&F) -> u8,
) -> Result<F, OpenError> {
    let mut plain = Vec::new();
    let read = decrypt(std::slice::from_ref(by), sealed)?;
    read.take(limit as u64 + 1).read_to_end(&mut plain).map_err(AgeError::from)?;
    if plain.len() > limit {
        return Err(OpenError::TooLong(limit));
    }
    let form: F = borsh::from_slice(&plain).map_err(|error| OpenError::form(&error))?;
    match version(&form) {
        VERSION => Ok(form),
        other => Err(OpenError::Form(format!("version {other}; this is version {VERSION}"))),
    }
}

#[cfg(test)]
mod tests;
