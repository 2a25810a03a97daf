//! What the state of a session shows of its secrets: nothing.

use std::fmt::Debug;
use std::sync::Arc;

use frost_core::keys::{KeyPackage, SigningShare};
use frost_core::{Scalar, VerifyingKey, round1};
use quorate_frost::{Bip340Suite, Ed25519Suite, Frost, Message, Suite};
use quorate_session::{Protocol, Step, Wire, setup_digest};
use quorate_sharing::Curve;

use crate::{Scene, party, rng};

/// Whether bytes can be read in a text: in hex, or as a list of numbers, however it is set.
fn shows(text: &str, bytes: &[u8]) -> bool {
    let text: String = text.to_lowercase().split_whitespace().collect();
    let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
    text.contains(&hex::encode(bytes)) || text.contains(&numbers.join(","))
}

fn hides_share_and_nonces<S: Suite>()
where
    Scalar<S::Ciphersuite>: Debug,
{
    let scene = Scene::<S>::new(2, 3, 1);
    let setup = scene.setup(1);
    let digest = setup_digest(&setup.to_wire().unwrap());
    let committee = scene.cast.subset(&[1, 2]);
    let contexts = scene.cast.agree(&committee, Frost::<S>::ID, digest, 0, &mut rng(1));
    let share = scene.wallet.share(party(1));
    let secret = *share.secret_share::<S::Curve>().unwrap().to_bytes().expose();
    // The nonces are those that the crate makes of the same randomness.
    let signing_share = SigningShare::<S::Ciphersuite>::deserialize(&secret).unwrap();
    let key = S::finish_key(
        KeyPackage::new(
            1.try_into().unwrap(),
            signing_share,
            signing_share.into(),
            VerifyingKey::deserialize(setup.key.group_key.as_bytes()).unwrap(),
            2,
        ),
        None,
    );
    let (nonces, commitments) = round1::commit(key.signing_share(), &mut rng(7));
    let context = Arc::clone(&contexts[&party(1)]);
    let step = Frost::<S>::start(context, setup, share, &mut rng(7)).unwrap();
    let Step::Next { state, send, .. } = &step else { panic!("{step:?}") };
    let Some(Message::Commitments { hiding, binding }) = &send.broadcast else { panic!("{send:?}") };
    for (sent, expected) in [(hiding, commitments.hiding()), (binding, commitments.binding())] {
        let point = S::Curve::clear_cofactor(&S::Curve::decode_uncleared(sent).unwrap());
        assert_eq!(S::Curve::encode(&point), expected.serialize().unwrap());
    }

    let secrets =
        [nonces.hiding().to_scalar(), nonces.binding().to_scalar(), key.signing_share().to_scalar()];
    for secret in &secrets {
        let bytes = S::Curve::scalar_to_bytes(secret);
        assert!(shows(&format!("{secret:?}"), &bytes), "it would be found");
        assert!(shows(&format!("{bytes:#?}"), &bytes) && shows(&hex::encode_upper(bytes), &bytes));
        for text in [format!("{step:?}"), format!("{step:#?}"), format!("{state:?}")] {
            assert!(!shows(&text, &bytes), "{text}");
            assert!(!shows(&text, &reversed(&bytes)), "{text}");
            assert!(text.contains("nonces: Nonces(redacted)"), "{text}");
        }
    }
    assert!(!shows(&format!("{step:?}"), &secret), "the share as it is stored");
}

fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

#[test]
fn debug_output_hides_share_and_nonces_ed25519() {
    hides_share_and_nonces::<Ed25519Suite>();
}

#[test]
fn debug_output_hides_share_and_nonces_bip340() {
    hides_share_and_nonces::<Bip340Suite>();
}
