//! What a cluster signs, and for whom: one YAML file, read once and judged by a pure function.
//!
//! A [`Policy`] names the *initiators*, keys that may ask, each with its scope; the *authorizers*, keys that must approve
//! besides where it says so; and *rules* about what may be signed. Every node judges every request by itself, on the
//! transaction as its own chain adapter explains it ([`quorate_chains::Explain`]), and the nodes of a session sign only
//! under the same file ([`Policy::digest`]).
//!
//! ```yaml
//! version: 1
//! initiators:
//!   backend: {key: "0x…", operations: [sign, read], wallets: [hot-*], chains: [ethereum]}
//! authorizers:
//!   alice: "0x…"
//!   bob: "0x…"
//! assets:
//!   ETH: {chain: ethereum}
//!   USDC: {chain: ethereum, token: "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", decimals: 6}
//! addresses:
//!   exchanges:
//!     ethereum: ["0x…"]
//! rules:
//!   - name: everyday payments
//!     wallets: [hot-*]
//!     chains: [ethereum]
//!     destinations: [exchanges]
//!     at_most: [0.5 ETH, 1000 USDC]
//!     windows: [{at_most: 10000 USDC, in: 24h}]
//!     fee_at_most: [0.01 ETH]
//!   - name: large payments
//!     wallets: [hot-*]
//!     chains: [ethereum]
//!     destinations: [exchanges]
//!     at_most: [100 ETH, 1000000 USDC]
//!     fee_at_most: [0.05 ETH]
//!     approvals: {threshold: 2, of: [alice, bob]}
//! ```
//!
//! # How it is judged
//! - The first rule of which every condition holds decides. If none does, the answer is no, and says for each rule that is
//!   about this wallet which condition failed.
//! - A rule that allows needs all of what the transaction does to be within its conditions; a rule that denies (`deny:
//!   true`) applies as soon as a part of it is.
//! - Whatever the chain adapter can't explain is refused, unless a rule lists the contract or program and the function
//!   (`calls`), and then it is about transactions alone that call one of them. Digests and messages, of which nobody can tell what they do, are signed by rules with `raw: true` alone.
//! - Amounts are what leaves the wallet: transfers to others, allowances given to others, and the fee where the wallet
//!   pays it.
//!
//! There is no clock, file or network here: time, past spending and approvals are handed in.

mod amount;
mod bounds;
mod calls;
mod document;
mod hours;
mod judgement;
mod pattern;
mod policy;
mod reading;
mod rule;
mod scope;
mod spending;

pub use document::{Named, PolicyError};
pub use judgement::{Judgement, Question, Subject};
pub use pattern::Pattern;
pub use policy::{Approvals, Policy};
pub use scope::{Initiator, OutOfScope, ScopedOperation};
pub use spending::{CountedSpends, Place, Spend, SpendingBefore};
