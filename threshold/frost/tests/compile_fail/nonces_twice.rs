use frost_core::keys::KeyPackage;
use quorate_frost::{Nonces, Package, Suite};

fn twice<S: Suite>(nonces: Nonces<S>, one: &Package<S>, other: &Package<S>, key: &KeyPackage<S::Ciphersuite>) {
    let _first = nonces.sign(one, key);
    let _second = nonces.sign(other, key);
}

fn main() {}
