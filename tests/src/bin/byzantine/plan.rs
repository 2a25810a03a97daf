//! What to do wrong, and when.

use std::str::FromStr;

/// A way to cheat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cheat {
    /// Key generation: shares that don't fit the opened coefficients. Resharing: one share that does not. Signing: a signature share that is
    /// not one.
    WrongShare,
    /// Resharing: deals something else than its share.
    WrongConstant,
    /// Resharing: acknowledges, and does not prove that it knows its share.
    FalseAcknowledgement,
    /// Key generation: an answer to the challenge of the proof of knowledge that is not one.
    WrongProof,
    /// Key generation, resharing: one coefficient too many.
    LongVector,
    /// Key generation, resharing: complains about a peer that did nothing, with a delivery that it never signed.
    FalseComplaint,
    /// The same, with all that belongs to a complaint: the peer's own delivery, which is right, and the key to it.
    GenuineComplaint,
    /// Tells one peer something else in round 1 than all others.
    Equivocate,
    /// Signs bytes that are no message.
    Garbage,
    /// Repeats what it sent in earlier sessions.
    Replay,
    /// Sends everything many times over.
    Flood,
    /// Takes part and says nothing.
    Silence,
    /// Accuses an honest peer with evidence that proves nothing.
    Forge,
    /// Signing by DKLS23: transfers that fit the seeds of others only if those lack what they will not all lack.
    Guess,
}

/// A [`Cheat`], everywhere or in one operation only: `garbage`, `garbage:sign`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) cheat: Cheat,
    /// `keygen`, `sign` or `reshare`.
    pub(crate) operation: Option<String>,
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (cheat, operation) = match text.split_once(':') {
            None => (text, None),
            Some((cheat, operation @ ("keygen" | "sign" | "reshare"))) => (cheat, Some(operation.to_owned())),
            Some((_, operation)) => return Err(format!("there is no operation {operation}")),
        };
        let cheat = match cheat {
            "wrong-share" => Cheat::WrongShare,
            "wrong-constant" => Cheat::WrongConstant,
            "false-acknowledgement" => Cheat::FalseAcknowledgement,
            "wrong-proof" => Cheat::WrongProof,
            "long-vector" => Cheat::LongVector,
            "false-complaint" => Cheat::FalseComplaint,
            "genuine-complaint" => Cheat::GenuineComplaint,
            "equivocate" => Cheat::Equivocate,
            "garbage" => Cheat::Garbage,
            "replay" => Cheat::Replay,
            "flood" => Cheat::Flood,
            "silence" => Cheat::Silence,
            "forge" => Cheat::Forge,
            "guess" => Cheat::Guess,
            other => return Err(format!("there is no cheat {other}")),
        };
        Ok(Self { cheat, operation })
    }
}
