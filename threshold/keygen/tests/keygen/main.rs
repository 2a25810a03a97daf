//! Key generation among honest, crashing and cheating parties.
//!
//! Every check and the tests that turn red without it:
//!
//! | check | tests |
//! |---|---|
//! | *protocol, round 1* | |
//! | as many facing keys as other parties | `rounds::facing_keys_…` |
//! | the facing key for this party is valid | `rounds::facing_keys_…` |
//! | broadcasts of rounds 1 and 2 are echoed | `equivocation::*`, `proofs::different_answers_…`, `acknowledgements::the_acknowledgement_of_another_key_…` |
//! | *protocol, round 2* | |
//! | the messages of the round, a share of the right size | `rounds::an_unexpected_message_…`, `rounds::a_missing_part_…`, `rounds::a_share_of_another_size_…` |
//! | what is opened was committed to | `openings::what_is_opened_…`, `equivocation::a_different_opening_…` |
//! | exactly threshold many coefficients, all of them points | `openings::a_vector_of_another_length_…`, `openings::coefficients_that_are_no_points_…` |
//! | the constant is not zero | `openings::a_constant_of_zero_…` |
//! | the opening names its dealer | `proofs::the_opening_of_another_party_…` |
//! | the nonce is committed to | `openings::what_is_opened_…` |
//! | nonce and answer are a point and a scalar | `proofs::a_wrong_proof_…` |
//! | the challenge is of the session and of the commitment of each dealer | `proofs::an_answer_to_another_challenge_…` |
//! | the sum of the proofs holds | `proofs::a_wrong_proof_…`, `proofs::a_rogue_key_…`, `proofs::polynomials_that_only_their_sum_…` |
//! | all who can't prove are named, and nobody else | `proofs::several_unknown_…`, `who_cannot_prove_is_named_…` in `src/proof.rs` |
//! | the sum of the shares fits the sum of the commitments | `complaints::a_wrong_share_…`, `complaints::a_share_that_cannot_be_read_…` |
//! | the accused is the dealer whose share does not fit | `complaints::a_wrong_share_…` |
//! | the key is not the identity | `openings::a_sum_of_zero_…` |
//! | the share is stored before it is acknowledged | `acknowledgements::a_share_is_stored_…`, `schedule::a_crash_at_any_move_…` |
//! | *protocol, round 3* | |
//! | all acknowledge the same key | `acknowledgements::the_acknowledgement_of_another_key_…`, `equivocation::different_acknowledgements_…` |
//! | a complaint convicts the accused or its author | `complaints::*` |
//! | *complaints* | |
//! | sender, recipient, kind, round and echo of the delivery, its signature | `complaints::a_complaint_that_shows_something_else_…` |
//! | the echo, also when the author swaps its own commitment | `forgery::a_complainer_that_swaps_its_facing_keys_…` |
//! | the disclosed key is proven to be that of the pair | `complaints::a_complaint_that_shows_something_else_…`, `complaints::a_wrong_proof_spoils_…` |
//! | the share is undecryptable or does not fit | `complaints::a_share_that_cannot_be_read_…`, `complaints::a_complaint_about_a_right_share_…` |
//! | *judge* | |
//! | each fault is shown by what the accused signed | `forgery::no_other_charge_holds_…`, and the test of the fault |
//! | the complaint is about the accused | `forgery::no_other_charge_holds_…` |
//! | who answers a challenge confirmed the commitments that it is made of | `forgery::a_commitment_that_is_swapped_…`, `forgery::an_opening_that_confirms_…` |
//! | who complains confirmed the commitments it is judged by | `forgery::a_dealer_that_swaps_…` |
//! | who acknowledges confirmed the openings it is judged by | `forgery::an_opening_that_is_swapped_…` |
//! | nothing is missing | `forgery::no_commitment_may_be_missing` |
//! | *refusal* | |
//! | its party signed it, for this session; a complaint stands in its place | `refusals::a_promise_…`, `refusals::who_acknowledges_and_complains_…` |
//! | a broken promise: the accused gave it, and acknowledged | `refusals::who_acknowledges_what_…`, `refusals::an_honest_refusal_…` |
//! | *certificate* | |
//! | the protocol and its version, the curve | `certificate::a_session_of_another_protocol_…` |
//! | round, kind and signature, nobody twice, with content | `certificate::a_forged_or_doubled_…`, `certificate::an_acknowledgement_of_another_session_…` |
//! | an acknowledgement, of the same key | `certificate::a_complaint_or_another_key_…` |
//! | of all | `certificate::a_missing_acknowledgement_…` |
//! | of just this key and committee | `certificate::the_acknowledgements_of_all_…` |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod acknowledgements;
mod cast;
mod certificate;
mod complaints;
mod dealer;
mod drive;
mod equivocation;
mod forgery;
mod key;
mod openings;
mod proofs;
mod refusals;
mod rounds;
mod samples;
mod schedule;

/// One test on every curve.
macro_rules! on_every_curve {
    ($($name:ident),* $(,)?) => {
        mod ed25519 {
            $(#[test] fn $name() { super::$name::<quorate_sharing::Ed25519>(); })*
        }

        mod secp256k1 {
            $(#[test] fn $name() { super::$name::<quorate_sharing::Secp256k1>(); })*
        }

        mod p256 {
            $(#[test] fn $name() { super::$name::<quorate_sharing::P256>(); })*
        }
    };
}
pub(crate) use on_every_curve;
