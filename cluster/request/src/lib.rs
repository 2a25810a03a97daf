//! The canonical signed request of client and node.
//!
//! A node signs for nobody it cannot name. Every request therefore carries an HTTP message signature
//! (RFC 9421) by an *initiator*, over header fields only, so that the same request can travel over HTTP, a
//! broker or gRPC metadata and be checked again, byte for byte, by every signer:
//!
//! ```text
//! content-digest: sha-256=:…:                      RFC 9530, of the body as sent
//! quorate-cluster: 0x…                             the cluster that is asked
//! quorate-operation: sign                          what is asked for
//! signature-input: initiator=("content-digest" "quorate-cluster" "quorate-operation");created=…;expires=…;keyid="0x…";nonce="…";alg="…"
//! signature: initiator=:…:
//! ```
//!
//! The key is one of Ed25519 (`alg="ed25519"`) or of P-256 (`alg="ecdsa-p256-sha256"`), a
//! [`Principal`](quorate_keys::Principal): `keyid` is its text, the signature 64 bytes, never DER.
//!
//! There is exactly one spelling of a request: fields that are repeated, reordered, spelled in another way
//! or carry anything more are refused, so that two nodes can never read one request differently.
//!
//! # What is here
//! - [`SignedRequest`]: sign, read from HTTP, forward unchanged, verify into a [`Verified`] request. [`UnsignedRequest`]: have
//!   it signed by a key that is held elsewhere.
//! - [`KeygenRequest`], [`SignRequest`], [`RefreshRequest`], [`ReshareRequest`], [`RollbackRequest`], [`PresignRequest`], [`AuxiliaryRequest`]: the typed bodies; what answers them, and the
//!   views of the API.
//! - [`ErrorBody`], [`ErrorCode`]: the closed list of what the API can refuse, with its HTTP status.
//! - [`paths`]: where the API is served; [`openapi`]: the API as a document.
//!
//! No clock, socket or randomness of the operating system is used here: the caller hands them in.

mod body;
mod error;
mod error_body;
mod hex_bytes;
mod id;
pub mod openapi;
mod operation;
pub mod paths;
mod signed;
mod view;

pub use body::{
    Allowance, ApprovalRequest, AuxiliaryRequest, Body, BodyError, Decision, InitiatorChange,
    InitiatorsRequest, KeygenRequest, PresignRequest, RefreshRequest, ReshareRequest, RollbackRequest,
    SignRequest, Subject, Tweak, WalletRef,
};
pub use error::{DecodeError, RequestError, SignError};
pub use error_body::{ErrorBody, ErrorCode};
pub use hex_bytes::{Hex, HexArray, InvalidHex, InvalidTransactionText, TransactionBytes};
pub use id::{ClusterId, InvalidId, RequestId, WalletId};
pub use operation::{InvalidOperation, Operation, ReadPath};
pub use signed::{
    LABEL, MAX_BODY_BYTES, MAX_LIFETIME, SignedRequest, UnsignedRequest, Verified, VerifiedHead, fields,
};
pub use view::{
    AddressView, ApprovalResponse, AuxiliaryResponse, CaughtView, Health, InitiatorStatus, InitiatorView,
    InitiatorsResponse, KeygenResponse, NodeView, Phase, PresignResponse, Progress, Readiness, RequestStatus,
    ReshareResponse, SessionResult, SessionView, SignResponse, SignatureView, Taken, WaitingView,
    WalletStatus, WalletView,
};
