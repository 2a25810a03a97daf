//! The targets: one file each in `targets/`, one line each here.

mod acceptance;
mod age_file;
mod audit_head;
mod audit_log;
mod backup;
mod certificate;
mod chain_name;
mod committee;
mod config_file;
mod derivation_path;
mod ecdsa_message;
mod envelope;
mod ethereum_transaction;
mod evidence;
mod examples;
mod explanation;
mod forwarded_request;
mod http_request;
mod keygen_body;
mod keygen_message;
mod link_packets;
mod oblivious_message;
mod peer_frame;
mod peers_file;
mod policy;
mod presign_body;
mod proposal;
mod psbt;
mod public_key;
mod readers_file;
mod recovery_share;
mod refusal;
mod resharing_setup;
mod sign_body;
mod signing_message;
mod signing_setup;
mod solana_transaction;
mod start;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use quorate_chains::Explain;
use quorate_session::Wire;

use crate::{Outcome, Target};

/// Every target that is run.
pub const ALL: &[Target] = &[
    acceptance::TARGET,
    age_file::TARGET,
    audit_head::TARGET,
    audit_log::TARGET,
    backup::TARGET,
    certificate::TARGET,
    chain_name::TARGET,
    committee::TARGET,
    config_file::TARGET,
    derivation_path::TARGET,
    ecdsa_message::TARGET,
    envelope::TARGET,
    ethereum_transaction::TARGET,
    evidence::TARGET,
    explanation::TARGET,
    forwarded_request::TARGET,
    http_request::TARGET,
    keygen_body::TARGET,
    keygen_message::TARGET,
    link_packets::TARGET,
    oblivious_message::TARGET,
    peer_frame::TARGET,
    peers_file::TARGET,
    policy::TARGET,
    presign_body::TARGET,
    proposal::TARGET,
    psbt::TARGET,
    public_key::TARGET,
    readers_file::TARGET,
    recovery_share::TARGET,
    refusal::TARGET,
    resharing_setup::TARGET,
    sign_body::TARGET,
    signing_message::TARGET,
    signing_setup::TARGET,
    solana_transaction::TARGET,
    start::TARGET,
];

/// The target of this name.
pub fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}

/// The inputs kept for a target, by file name.
///
/// # Errors
/// When the folder can't be read. One that doesn't exist holds nothing.
pub fn corpus(name: &str) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let entries = match fs::read_dir(corpus_folder().join(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    let mut inputs = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        inputs.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    Ok(inputs)
}

/// Where the kept inputs are: a folder per target.
pub fn corpus_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Where failing inputs go unless told otherwise: a folder per target, in cargo's target folder.
pub fn failures_folder() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("fuzz")
}

/// What holds for everything in the wire encoding: a value has one encoding, and what is accepted is it.
fn wire<T: Wire>(input: &[u8]) -> Outcome {
    match T::from_wire(input) {
        Ok(value) => {
            assert_eq!(value.to_wire().as_deref(), Ok(input), "a second encoding of one value was accepted");
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}

/// What holds for every explanation: it is the same after a way through JSON, and its lines are lines.
fn explained(explain: &Explain) {
    let json = serde_json::to_string(explain).unwrap_or_default();
    assert_eq!(
        serde_json::from_str(&json).ok().as_ref(),
        Some(explain),
        "what is written is read as the same"
    );
    let lines = explain.lines();
    assert!(!lines.iter().any(|line| line.contains(char::is_control)), "a line that is none");
}
