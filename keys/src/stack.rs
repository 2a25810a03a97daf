//! Erasing what a computation leaves on the stack.

use std::hint::black_box;

/// More than the deepest computation on secrets here uses: multiplications by tables of points, hashes, ciphers.
const WIPED: usize = 128 * 1024;

/// Runs `work`, then overwrites the 128 KiB of stack below its caller, where the frames of `work` were.
///
/// Wrappers erase the values they hold, but not the copies that a move or a call made of them, nor the temporaries of
/// other crates' arithmetic. They stay in dead stack frames, for as long as the thread happens not to go that deep again.
/// What is returned should hold secrets on the heap only: it is moved through the caller's own frame, which stays. A
/// panic skips the overwriting.
///
/// [`wiping_stack_if`] does so only where the result shows that secrets were worked on.
///
/// Costs some microseconds. Registers aren't touched, and are soon reused.
#[inline(never)]
pub fn wiping_stack<T>(work: impl FnOnce() -> T) -> T {
    let result = in_own_frame(work);
    overwrite();
    result
}

/// [`wiping_stack`], if `worked_on_secrets` says of the result that there is something to overwrite.
#[inline(never)]
pub fn wiping_stack_if<T>(work: impl FnOnce() -> T, worked_on_secrets: impl FnOnce(&T) -> bool) -> T {
    let result = in_own_frame(work);
    if worked_on_secrets(&result) {
        overwrite();
    }
    result
}

/// A frame of its own for `work`, which the compiler could else merge with the one that survives.
#[inline(never)]
fn in_own_frame<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite() {
    let mut frames = [0_u8; WIPED];
    // The compiler must assume that somebody reads them.
    black_box(&mut frames);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_passes_through() {
        let word = String::from("kept");
        assert_eq!(wiping_stack(move || word.len()), 4);
    }
}
