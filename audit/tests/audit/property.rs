//! Laws over random logs.

use proptest::prelude::*;
use quorate_audit::Verifier;

use super::*;

fn verify(bytes: &[u8]) -> Report {
    let expect = Expect::default();
    let mut verifier = Verifier::new(&expect);
    verifier.file(Path::new("log"), bytes).unwrap();
    verifier.finish()
}

fn log(events: &[(String, i64)], checkpoints: bool) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let home = Home::new();
    runtime.block_on(async {
        let log = home.open();
        for (text, integer) in events {
            log.append(Event::new("any").text("text", text).integer("integer", *integer)).await.unwrap();
            if checkpoints {
                log.append_checkpoint(&log.signed_head(), &[]).await.unwrap();
            }
        }
        log.close().await;
    });
    fs::read(home.segment(0)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_change_of_a_single_byte_is_found(
        events in prop::collection::vec((any::<String>(), any::<i64>()), 1..6),
        checkpoints in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 200),
    ) {
        let good = log(&events, checkpoints);
        prop_assert!(verify(&good).is_sound());
        for (at, change) in changes {
            let mut bytes = good.clone();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert!(!verify(&bytes).is_sound(), "byte {} by {:#x}", at, change);
        }
    }

    #[test]
    fn any_lines_that_are_left_out_doubled_or_moved_are_found(
        count in 3_usize..12, at in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
    ) {
        let events: Vec<_> = (0..count).map(|n| (n.to_string(), 0)).collect();
        let bytes = log(&events, false);
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let (at, to) = (at.index(lines.len() - 1), to.index(lines.len()));
        let mut left_out = lines.clone();
        let line = left_out.remove(at);
        prop_assert!(!verify(&left_out.concat()).is_sound());
        let mut moved = left_out.clone();
        moved.insert(to, line);
        prop_assert_eq!(verify(&moved.concat()).is_sound(), to == at);
        let mut doubled = lines.clone();
        doubled.insert(to, line);
        prop_assert!(!verify(&doubled.concat()).is_sound());
    }

    #[test]
    fn no_bytes_make_verification_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        verify(&bytes);
    }
}
