//! Rows of bits become columns.

/// Transposes 128 × 128 bits in place: bit c of row r becomes bit r of row c, the lowest bit being bit 0.
pub(crate) fn transpose(rows: &mut [u128; 128]) {
    // Quadrants are swapped, then those within each, down to single bits.
    let mut size = 64;
    let mut low = u128::MAX >> 64;
    while size > 0 {
        for pair in rows.chunks_exact_mut(2 * size) {
            let (upper, lower) = pair.split_at_mut(size);
            for (upper, lower) in upper.iter_mut().zip(lower) {
                let swapped = ((*upper >> size) ^ *lower) & low;
                *upper ^= swapped << size;
                *lower ^= swapped;
            }
        }
        size /= 2;
        low ^= low << size;
    }
}

#[cfg(test)]
mod tests {
    use rand_core::RngCore;

    use super::*;
    use crate::testing::rng;

    #[test]
    fn bits_change_places() {
        let mut rng = rng(1);
        let rows: [u128; 128] =
            std::array::from_fn(|_| u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()));
        let mut columns = rows;
        transpose(&mut columns);
        for (r, row) in rows.iter().enumerate() {
            for (c, column) in columns.iter().enumerate() {
                assert_eq!(row >> c & 1, column >> r & 1, "row {r}, column {c}");
            }
        }
    }
}
