//! A policy that was read and understood.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use quorate_chains::{Explain, Parameters};
use quorate_keys::Principal;
use quorate_request::{ClusterId, WalletId};

use crate::amount::NamedAsset;
use crate::document::{PolicyError, WindowOf};
use crate::judgement::{Judgement, Question, Subject};
use crate::reading;
use crate::rule::{AddressList, Lists, Rule, Unmet, Window};
use crate::scope::{Initiator, ScopedOperation};
use crate::spending::{CountedSpends, Moved, Spend, spends};

/// Reasons of as many rules are given when none allows something.
const REASONS: usize = 8;

/// What a cluster signs, and for whom.
#[derive(Debug)]
pub struct Policy {
    pub(crate) version: u64,
    pub(crate) digest: [u8; 32],
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) ahead: i32,
    pub(crate) test_networks: bool,
    pub(crate) initiators: Vec<Initiator>,
    pub(crate) authorizers: Vec<(String, Principal)>,
    pub(crate) approvals: BTreeMap<ScopedOperation, Approvals>,
    pub(crate) assets: Vec<NamedAsset>,
    pub(crate) addresses: Vec<AddressList>,
    pub(crate) rules: Vec<Rule>,
}

/// So many of these authorizers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    pub(crate) threshold: u16,
    pub(crate) of: Vec<String>,
}

impl Approvals {
    /// How many must approve.
    #[must_use]
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }

    /// The names of those that can.
    #[must_use]
    pub fn of(&self) -> &[String] {
        &self.of
    }

    /// Those of them that are among the ones that have approved.
    pub fn given_by<'a>(&'a self, approved_by: &'a BTreeSet<String>) -> impl Iterator<Item = &'a String> {
        self.of.iter().filter(|name| approved_by.contains(*name))
    }

    /// Whether enough have approved.
    #[must_use]
    pub fn suffice(&self, approved_by: &BTreeSet<String>) -> bool {
        self.given_by(approved_by).count() >= usize::from(self.threshold)
    }
}

impl Policy {
    /// The longest policy, in bytes: room for a hundred thousand addresses.
    pub const MAX_BYTES: usize = 16 * 1024 * 1024;

    /// Reads a policy from YAML.
    ///
    /// # Errors
    /// [`PolicyError`]: the first thing that is wrong, and where.
    pub fn read(yaml: &[u8]) -> Result<Self, PolicyError> {
        reading::read(yaml)
    }

    /// Its number, as its author counts.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The SHA-256 hash of the file, byte for byte: what `sha256sum` prints.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The only cluster that it is for, if it says so.
    #[must_use]
    pub const fn cluster(&self) -> Option<&ClusterId> {
        self.cluster.as_ref()
    }

    /// The keys that may ask.
    #[must_use]
    pub fn initiators(&self) -> &[Initiator] {
        &self.initiators
    }

    /// The name of the authorizer with this key.
    #[must_use]
    pub fn authorizer(&self, key: &Principal) -> Option<&str> {
        self.authorizers.iter().find(|(_, known)| known == key).map(|(name, _)| name.as_str())
    }

    /// The keys that can approve, by name.
    #[must_use]
    pub fn authorizers(&self) -> &[(String, Principal)] {
        &self.authorizers
    }

    /// Who must approve an operation besides the initiator. What is signed, rules say.
    #[must_use]
    pub fn approvals(&self, operation: ScopedOperation) -> Option<&Approvals> {
        self.approvals.get(&operation)
    }

    /// Whether it asks for approvals anywhere.
    #[must_use]
    pub fn asks_for_approvals(&self) -> bool {
        !self.approvals.is_empty() || self.rules.iter().any(|rule| rule.approvals.is_some())
    }

    /// The names of its rules, in the order in which they are asked.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// How far back any of its windows reaches, in seconds; none if it has no windows.
    #[must_use]
    pub fn longest_window(&self) -> Option<u64> {
        self.rules.iter().flat_map(|rule| &rule.windows).map(|window| window.seconds).max()
    }

    /// What a transaction of a wallet spends that some window counts, by whichever rule it is signed.
    #[must_use]
    pub fn counted(&self, wallet: &WalletId, explain: &Explain) -> CountedSpends {
        let rules = || self.rules.iter().filter(|rule| rule.concerns(wallet));
        let windows = || rules().flat_map(|rule| &rule.windows);
        if windows().next().is_none() {
            return CountedSpends::default();
        }
        let counts = |window: &Window, spend: &Spend| {
            let asset = self.assets.get(window.limit.asset);
            asset.is_some_and(|asset| asset.amount_at(&spend.place, 0).is_some())
        };
        let mut spends = spends(explain);
        spends.retain(|spend| windows().any(|window| counts(window, spend)));
        let of_all = |window: &&Window| window.of == WindowOf::AllWallets;
        let with_others =
            windows().filter(of_all).any(|window| spends.iter().any(|spend| counts(window, spend)));
        CountedSpends { spends, with_others }
    }

    /// Whether something may be signed: the first rule of which every condition holds decides.
    #[must_use]
    pub fn judge(&self, question: &Question<'_>) -> Judgement {
        if let Subject::Transaction(explain) = question.subject
            && !self.test_networks
            && let Some(reason) = borderless_test(&explain.chain)
        {
            return Judgement::Denied { rule: None, reason };
        }
        let listed = vec![OnceCell::new(); self.addresses.len()];
        let lists = Lists { assets: &self.assets, addresses: &self.addresses, ahead: self.ahead, listed };
        let moved = match question.subject {
            Subject::Transaction(explain) => Moved::by(explain),
            Subject::Raw => Moved::default(),
        };
        let mut reasons = Vec::new();
        for rule in &self.rules {
            match rule.holds(question, &moved, &lists) {
                Err(Unmet::Elsewhere) => {}
                Err(Unmet::Condition(_)) if rule.deny => {}
                Err(Unmet::Condition(reason)) => reasons.push(format!("{}: {reason}", rule.name)),
                Ok(()) => return decided(rule, question),
            }
        }
        let wallet = question.wallet;
        let mut reason = if reasons.is_empty() {
            format!("no rule is about wallet {wallet} and initiator {}", question.initiator)
        } else {
            "no rule allows it".to_owned()
        };
        let left = reasons.len().saturating_sub(REASONS);
        for text in reasons.iter().take(REASONS) {
            reason.push_str("; ");
            reason.push_str(text);
        }
        if left > 0 {
            reason.push_str(&format!("; and {left} more"));
        }
        Judgement::Denied { rule: None, reason }
    }
}

/// Why a transaction of this network is not judged: it is a test network, and its transactions do not say so.
pub(crate) fn borderless_test(chain: &str) -> Option<String> {
    let net = quorate_chains::find(chain).ok()?.net();
    let says_so = matches!(net.parameters, Parameters::Ethereum { .. });
    (net.test && !says_so).then(|| {
        format!(
            "{} is a test network whose transactions can be used on others, too (test_networks is not set)",
            net.name
        )
    })
}

/// What a rule decides whose conditions hold.
fn decided(rule: &Rule, question: &Question<'_>) -> Judgement {
    let name = rule.name.clone();
    if rule.deny {
        return Judgement::Denied { rule: Some(name.clone()), reason: format!("rule {name:?} denies it") };
    }
    match &rule.approvals {
        Some(approvals) if !approvals.suffice(question.approved_by) => Judgement::Unapproved {
            rule: name,
            threshold: approvals.threshold,
            of: approvals.of.clone(),
            by: approvals.given_by(question.approved_by).cloned().collect(),
        },
        _ => Judgement::Allowed { rule: name },
    }
}
