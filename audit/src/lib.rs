//! The audit log of Quorate: append-only, hash-chained, signed by its owner and countersigned by the owner's peers.
//!
//! # Format
//! A log is a folder of segments, files named after the number of their first entry: `00000000000000000001.jsonl`. Each
//! line is an entry, a JSON object in one form only (no spaces, fields in their order, no needless escapes):
//!
//! ```text
//! {"seq":7,"time":"2026-01-31T23:59:59.999Z","event":"signed","wallet":"treasury","epoch":3,"hash":"<64 hex digits>"}
//! ```
//!
//! `hash` is SHA-256 over the length of the domain `quorate/audit/entry/v1` as 8 bytes (little end first), the domain, the 32 bytes of
//! the hash before, and the line up to but without `,"hash":"`. Before the first entry the hash is all zero. The first
//! entry is `opened`: it names the owner, the scope and 32 random bytes, so that no two logs have an entry in common.
//! The log itself also writes `recovered` (an unfinished line was cut off when it was opened), `lost` (so many events
//! that nobody waited for could not be written) and `checkpoint` (a head that the owner signed, and who countersigned it).
//!
//! # What it proves
//! With the owner's identity and the files alone, [`verify_folder`] finds every entry that was changed, removed, moved or
//! inserted up to the last checkpoint, by whoever does not have the owner's key: the chain shows it, and who computes the
//! chain anew can't sign the checkpoints. With heads that peers remember ([`Expect::heads`]) it also finds a log that was
//! cut, replaced by an older copy, or written in two versions, even by the owner.
//!
//! # What it does not prove
//! - Entries after the last checkpoint and the last known head can be cut off or replaced by whoever has the files:
//!   [`Report::signed`] says where that begins.
//! - A checkpoint can be removed together with all that follows it. Only heads known from elsewhere show that.
//! - An owner that lies from the start writes a perfect log of lies, and times are the owner's word. A countersignature
//!   only says that a peer has seen this head, and none that contradicts it.
//! - Nothing is encrypted: no secrets belong into events.
//!
//! # Parts
//! [`Log`] writes, [`read`] reads and [`Csv`] exports, [`verify_folder`] verifies, [`Witness`] is a peer's memory of other
//! logs' heads. Everything but `Log` and the functions that take a path is pure.

mod error;
mod event;
mod folder;
mod head;
mod line;
mod lines;
mod log;
mod read;
mod text;
mod time;
mod verify;
mod witness;

pub use error::AuditError;
pub use event::{Event, EventError, MAX_ENTRY_BYTES, MAX_FIELDS};
pub use head::{Countersignature, Head, SignedHead};
pub use line::{Field, Line, LineError, Value};
pub use log::{Log, Metrics, Options, Position};
pub use read::{Csv, Entries, Entry, Filter, read};
pub use text::{EntryHash, HeadSignature, InvalidHex, Scope};
pub use time::{InvalidTimestamp, Timestamp};
pub use verify::{Expect, MAX_PROBLEMS, Problem, ProblemKind, Report, Verifier, verify_files, verify_folder};
pub use witness::{Fork, NotObserved, Observed, Witness};
