//! Exponentiations and products modulo numbers of the lengths of Paillier keys.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use quorate_bignum::Modulus;

fn exponentiations(criterion: &mut Criterion) {
    for (bits, exponent_bits) in
        [(1536, 1536), (3072, 256), (3072, 1536), (3072, 3072), (6144, 256), (6144, 3072)]
    {
        let modulus = Modulus::new(&vec![0xfb; bits / 8]).unwrap();
        let base = modulus.element(&vec![0x5a; bits / 8]).unwrap();
        let exponent = vec![0xa5; exponent_bits / 8];
        let name = format!("{bits}/{exponent_bits}");
        criterion.bench_function(&format!("pow/{name}"), |bench| {
            bench.iter(|| modulus.pow(black_box(&base), &exponent));
        });
        criterion.bench_function(&format!("pow_vartime/{name}"), |bench| {
            bench.iter(|| modulus.pow_vartime(black_box(&base), &exponent));
        });
    }
}

fn products(criterion: &mut Criterion) {
    for bits in [1536, 3072, 6144] {
        let modulus = Modulus::new(&vec![0xfb; bits / 8]).unwrap();
        let factor = modulus.element(&vec![0x5a; bits / 8]).unwrap();
        criterion.bench_function(&format!("mul/{bits}"), |bench| {
            bench.iter(|| modulus.mul(black_box(&factor), black_box(&factor)));
        });
        criterion.bench_function(&format!("new/{bits}"), |bench| {
            bench.iter(|| Modulus::new(black_box(&vec![0xfb; bits / 8])).unwrap());
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = exponentiations, products
}
criterion_main!(benches);
