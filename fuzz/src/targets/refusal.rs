//! Refusals of key generations, which parties hand to each other and keep.

use quorate_keygen::Refusal;
use quorate_session::Wire;

use super::examples;
use crate::Target;

pub(super) const TARGET: Target = Target { name: "refusal", seeds, words: &[], run: super::wire::<Refusal> };

fn seeds() -> Vec<Vec<u8>> {
    let promise = examples::session().map(|session| Refusal::promise(session, &examples::identity(1)));
    let complaint = examples::envelopes().map(|[_, envelope]| Refusal::Complaint(Box::new(envelope)));
    promise.into_iter().chain(complaint).filter_map(|refusal| refusal.to_wire().ok()).collect()
}
