//! What is called of AWS-LC, and why that is sound. No other file holds `unsafe`.
//!
//! Its integers are views of buffers that Rust owns ([`View`], [`Target`]): AWS-LC neither frees nor enlarges such a one, and fails
//! when a result has no room.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::NonNull;

use aws_lc_sys::{
    BIGNUM, BN_CTX, BN_CTX_free, BN_CTX_new, BN_FLG_STATIC_DATA, BN_MONT_CTX, BN_MONT_CTX_free,
    BN_MONT_CTX_new_consttime, BN_ULONG, BN_mod_exp_mont, BN_mod_exp_mont_consttime, BN_mod_mul_montgomery,
    BN_to_montgomery,
};

// A limb of AWS-LC is a limb of ours.
const _: () = assert!(size_of::<BN_ULONG>() == size_of::<u64>(), "needs a 64-bit platform");

/// AWS-LC ran out of memory: nothing else makes these calls fail, as long as their inputs are as their callers promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

/// Limbs, least significant first, that AWS-LC may read.
struct View<'a> {
    number: BIGNUM,
    limbs: PhantomData<&'a [u64]>,
}

impl<'a> View<'a> {
    fn new(limbs: &'a [u64]) -> Self {
        // Never written through: every function takes a view as `const BIGNUM *`.
        Self { number: borrowed(limbs.as_ptr().cast_mut(), limbs.len(), limbs.len()), limbs: PhantomData }
    }
}

/// Limbs that AWS-LC may write.
struct Target<'a> {
    number: BIGNUM,
    limbs: &'a mut [u64],
}

impl<'a> Target<'a> {
    fn new(limbs: &'a mut [u64]) -> Self {
        Self { number: borrowed(limbs.as_mut_ptr(), 0, limbs.len()), limbs }
    }

    /// The result may be shorter than its room: what is above it was never written.
    fn finish(self) {
        let width = usize::try_from(self.number.width).unwrap_or(0);
        self.limbs.iter_mut().skip(width).for_each(|limb| *limb = 0);
    }
}

fn borrowed(limbs: *mut u64, width: usize, room: usize) -> BIGNUM {
    // No modulus has more than 128 limbs, no exponent more than memory.
    let int = |length: usize| c_int::try_from(length).unwrap_or(0);
    BIGNUM { d: limbs.cast(), width: int(width), dmax: int(room), neg: 0, flags: BN_FLG_STATIC_DATA as c_int }
}

/// AWS-LC's memory for values in between.
pub(crate) struct Scratch(NonNull<BN_CTX>);

impl Scratch {
    pub(crate) fn new() -> Result<Self, Failed> {
        // SAFETY: takes nothing, and gives a context of its own or null.
        NonNull::new(unsafe { BN_CTX_new() }).map(Self).ok_or(Failed)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: made by BN_CTX_new, owned by this value alone, and not used after.
        unsafe { BN_CTX_free(self.0.as_ptr()) }
    }
}

/// A modulus, as AWS-LC's Montgomery multiplication wants it.
pub(crate) struct Montgomery(NonNull<BN_MONT_CTX>);

// SAFETY: it is never changed once it is made, and AWS-LC promises that what is `const` may be shared between threads.
unsafe impl Send for Montgomery {}
// SAFETY: as above.
unsafe impl Sync for Montgomery {}

impl Montgomery {
    /// Of an odd modulus, of at most 128 limbs.
    pub(crate) fn new(modulus: &[u64]) -> Result<Self, Failed> {
        let scratch = Scratch::new()?;
        let view = View::new(modulus);
        // SAFETY: both pointers are valid for the call; the modulus is copied.
        let made = unsafe { BN_MONT_CTX_new_consttime(&raw const view.number, scratch.0.as_ptr()) };
        NonNull::new(made).map(Self).ok_or(Failed)
    }

    /// The Montgomery form of a residue.
    pub(crate) fn enter(&self, result: &mut [u64], residue: &[u64]) -> Result<(), Failed> {
        let scratch = Scratch::new()?;
        let view = View::new(residue);
        let mut target = Target::new(result);
        // SAFETY: all pointers are valid for the call. The residue and the result are as long as the modulus.
        let done = unsafe {
            BN_to_montgomery(
                &raw mut target.number,
                &raw const view.number,
                self.0.as_ptr(),
                scratch.0.as_ptr(),
            )
        };
        target.finish();
        succeeded(done)
    }

    /// The Montgomery product: `a · b / 2^(64 · limbs)`.
    pub(crate) fn mul(
        &self,
        scratch: &mut Scratch,
        result: &mut [u64],
        a: &[u64],
        b: &[u64],
    ) -> Result<(), Failed> {
        let (a, b) = (View::new(a), View::new(b));
        let mut target = Target::new(result);
        // SAFETY: all pointers are valid for the call. Factors and result are as long as the modulus.
        let done = unsafe {
            BN_mod_mul_montgomery(
                &raw mut target.number,
                &raw const a.number,
                &raw const b.number,
                self.0.as_ptr(),
                scratch.0.as_ptr(),
            )
        };
        target.finish();
        succeeded(done)
    }

    /// A power of a residue, both not in Montgomery form; in constant time, or in a time that tells the exponent.
    pub(crate) fn pow(
        &self,
        result: &mut [u64],
        modulus: &[u64],
        residue: &[u64],
        exponent: &[u64],
        constant_time: bool,
    ) -> Result<(), Failed> {
        let scratch = Scratch::new()?;
        let (modulus, base, exponent) = (View::new(modulus), View::new(residue), View::new(exponent));
        let mut target = Target::new(result);
        let pow = if constant_time { BN_mod_exp_mont_consttime } else { BN_mod_exp_mont };
        // SAFETY: all pointers are valid for the call. The residue is smaller than the modulus, the result as long, and the
        // modulus the one that the context was made of.
        let done = unsafe {
            pow(
                &raw mut target.number,
                &raw const base.number,
                &raw const exponent.number,
                &raw const modulus.number,
                scratch.0.as_ptr(),
                self.0.as_ptr(),
            )
        };
        target.finish();
        succeeded(done)
    }
}

impl Drop for Montgomery {
    fn drop(&mut self) {
        // SAFETY: made by BN_MONT_CTX_new_consttime, owned by this value alone, and not used after.
        unsafe { BN_MONT_CTX_free(self.0.as_ptr()) }
    }
}

fn succeeded(done: c_int) -> Result<(), Failed> {
    if done == 1 { Ok(()) } else { Err(Failed) }
}

/// Nobody can go on without memory, and Rust's own allocations don't ask either.
#[allow(clippy::panic)]
pub(crate) fn there_is_memory<T>(done: Result<T, Failed>) -> T {
    match done {
        Ok(value) => value,
        Err(Failed) => panic!("out of memory"),
    }
}
