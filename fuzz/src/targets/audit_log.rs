//! Files of audit logs, which whoever can reach the disk may have changed: an entry has one form, and it is JSON.

use std::path::Path;

use quorate_audit::{Event, Expect, Line, Scope, SignedHead, Verifier};
use quorate_keys::Identity;

use super::examples;
use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "audit_log",
    seeds,
    words: &["\"seq\":1,", ",\"hash\":\"", "\\u0000", "\"checkpoint\""],
    run,
};

fn run(input: &[u8]) -> Outcome {
    let expect = Expect { owner: Some(owner()), scope: Some(Scope([1; 32])), ..Expect::default() };
    let mut verifier = Verifier::new(&expect);
    if verifier.file(Path::new("log"), input).is_err() {
        return Outcome::refused(&"memory can't be read");
    }
    let report = verifier.finish();
    let lines = input.split(|byte| *byte == b'\n').filter_map(|line| Line::parse(line).ok());
    for line in lines.take(100) {
        check(&line);
    }
    match report.problems.first() {
        Some(problem) => Outcome::refused(&problem.kind),
        None => Outcome::accepted(),
    }
}

/// A line that is read is JSON, with the same in it.
fn check(line: &Line<'_>) {
    let json: serde_json::Value = serde_json::from_str(line.as_str()).unwrap_or_default();
    assert_eq!(json.get("seq").and_then(serde_json::Value::as_u64), Some(line.seq()));
    assert_eq!(json.get("event").and_then(serde_json::Value::as_str), Some(line.event()));
    assert_eq!(json.get("time"), serde_json::to_value(line.time()).ok().as_ref());
    assert_eq!(json.get("hash"), serde_json::to_value(line.hash()).ok().as_ref());
    let mut count = 4;
    for field in line.fields() {
        let value = serde_json::from_str::<serde_json::Value>(field.json).ok();
        assert!(value.is_some() && json.get(field.name) == value.as_ref(), "a field of another value");
        let name = field.name;
        let event = Event::new("test");
        let event = match field.value() {
            quorate_audit::Value::Text(text) => event.text(name, text),
            quorate_audit::Value::Integer(integer) => event.integer(name, integer),
            quorate_audit::Value::Flag(flag) => event.flag(name, flag),
            quorate_audit::Value::List(list) => event.list(name, list),
        };
        assert_eq!(event.check(), Ok(()), "what is read could be written");
        count += 1;
    }
    assert_eq!(json.as_object().map(serde_json::Map::len), Some(count), "all fields are read, and each once");
}

fn owner() -> Identity {
    examples::identity(1).identity()
}

/// A log of three entries: the opening, what happened, and a checkpoint with a countersignature.
fn seeds() -> Vec<Vec<u8>> {
    let mut before = quorate_audit::EntryHash([0; 32]);
    let mut log = Vec::new();
    let mut add = |seq: u64, rest: &str| {
        let body = format!(r#"{{"seq":{seq},"time":"2026-01-31T23:59:59.999Z","event":{rest}"#);
        let line = format!(r#"{body},"hash":"{before}"}}"#);
        if let Ok(line) = Line::parse(line.as_bytes()) {
            before = line.hash_after(&before);
        }
        log.extend(format!("{body},\"hash\":\"{before}\"}}\n").into_bytes());
        before
    };
    let scope = Scope([1; 32]);
    add(1, &format!(r#""opened","owner":"{}","scope":"{scope}","log":"{}""#, owner(), "0".repeat(64)));
    let hash = add(2, r#""signed","wallet":"a \"b\"\n\u0001","epoch":-3,"late":true,"signers":["a","b"]"#);
    let Ok(time) = "2026-01-31T23:59:59.999Z".parse() else { return Vec::new() };
    let head = quorate_audit::Head { scope, owner: owner(), seq: 2, hash, time };
    let Some(signed) = SignedHead::sign(head, &examples::identity(1)) else { return Vec::new() };
    let by = quorate_audit::Countersignature::sign(&head, &examples::identity(2));
    let checkpoint = format!(
        r#""checkpoint","head_seq":2,"head_hash":"{hash}","head_time":"{time}","signature":"{}","countersignatures":["{}:{}"]"#,
        signed.signature, by.peer, by.signature
    );
    add(3, &checkpoint);
    vec![log]
}
