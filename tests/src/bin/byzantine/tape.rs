//! Randomness that can be drawn twice.

use rand_core::{CryptoRng, CryptoRngCore, Error, RngCore};

/// More than a session draws when it begins.
const LENGTH: usize = 16 * 1024;

/// What one copy draws, every other one draws, too.
#[derive(Clone)]
pub(crate) struct Tape {
    bytes: Vec<u8>,
    at: usize,
}

impl Tape {
    pub(crate) fn record(rng: &mut dyn CryptoRngCore) -> Self {
        let mut bytes = vec![0; LENGTH];
        rng.fill_bytes(&mut bytes);
        Self { bytes, at: 0 }
    }
}

impl RngCore for Tape {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        let end = self.at.saturating_add(bytes.len());
        bytes.copy_from_slice(self.bytes.get(self.at..end).expect("a longer tape"));
        self.at = end;
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Tape {}
