//! Deterministic adversarial scheduler for protocol tests.
