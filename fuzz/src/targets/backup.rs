//! What is inside a backup, once it is decrypted: whoever knows a recipient can have written it.

use quorate_node::testing;

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "backup",
    seeds: testing::backups,
    words: &["quorate backup 1\n\0", "node1", "shares", "\0\0\0\0", "\x68\0\0\0"],
    run,
};

fn run(input: &[u8]) -> Outcome {
    match testing::read_backup(input) {
        Ok(rows) => {
            let most = u64::try_from(input.len()).unwrap_or(u64::MAX);
            assert!(rows < most, "more rows than bytes");
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
