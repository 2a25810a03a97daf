//! Strings of bits.

pub(crate) type Bits = Vec<bool>;

/// Bits, the lowest of the first byte first.
pub(crate) fn bits(bytes: &[u8]) -> Bits {
    bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect()
}

pub(crate) fn bytes(bits: &[bool]) -> Vec<u8> {
    bits.chunks(8).map(|bits| (0..8).map(|at| u8::from(bits[at]) << at).sum()).collect()
}

pub(crate) fn add(sum: &mut [bool], summand: &[bool]) {
    assert_eq!(sum.len(), summand.len());
    sum.iter_mut().zip(summand).for_each(|(sum, bit)| *sum ^= bit);
}
