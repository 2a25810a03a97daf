use quorate_frost::{Ed25519Suite, Nonces};

fn cloned<T: Clone>() {}

fn main() {
    cloned::<Nonces<Ed25519Suite>>();
}
