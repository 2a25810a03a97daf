//! The checked-in code is what the schema generates.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

/// To renew the checked-in code: `UPDATE_GENERATED=1 cargo test -p quorate-transport --test generated`.
#[test]
fn the_checked_in_code_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = protox::compile(["peer.proto"], [root.join("proto")]).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .out_dir(out.path())
        .compile_fds(schema)
        .unwrap();
    let name = "quorate.transport.v1.rs";
    let generated = std::fs::read_to_string(out.path().join(name)).unwrap();
    let checked_in = root.join("src/direct/generated").join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&checked_in, &generated).unwrap();
    }
    assert!(
        std::fs::read_to_string(&checked_in).unwrap_or_default() == generated,
        "src/direct/generated is not what proto/peer.proto generates; see the comment of this test"
    );
}
