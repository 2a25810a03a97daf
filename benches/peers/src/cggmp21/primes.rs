//! Safe primes of 1536 bits that are published, so that nobody has to search for them.

const PRIMES: &str = include_str!("../../../../threshold/paillier/tests/data/safe-primes-1536.txt");

/// Two different primes for each number from 0 to 23, in big-endian bytes; no two numbers have the same pair.
pub(crate) fn pair(number: usize) -> [Vec<u8>; 2] {
    let primes: Vec<_> = PRIMES.lines().filter(|line| !line.starts_with('#')).collect();
    let half = primes.len() / 2;
    assert!(number < 3 * half);
    let first = 2 * number;
    [first, first + 1 + 2 * (number / half)]
        .map(|at| hex::decode(primes[at % primes.len()].trim()).expect("hexadecimal"))
}
