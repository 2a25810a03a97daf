//! Protocol sessions: agreement, signed envelopes, rounds, blame and evidence.
