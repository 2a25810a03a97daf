//! What must not compile.

#[test]
fn nonces_cannot_be_used_twice() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
