//! With which codes each operation can be refused, as the document lists them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::DOCUMENT;
use crate::error_body::ErrorCode;

/// By method, lower case, and the path's template.
type Refusals = BTreeMap<String, Vec<(String, Vec<ErrorCode>)>>;

static REFUSALS: LazyLock<Refusals> = LazyLock::new(|| {
    // Ours, and read by the tests.
    let document: Value = serde_json::from_str(DOCUMENT).unwrap_or_default();
    let mut refusals = Refusals::new();
    for (path, methods) in fields(&document, "paths") {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let answers = fields(operation, "responses").map(|(_, answer)| resolved(&document, answer));
            let codes = answers.flat_map(codes).collect();
            refusals.entry(method.clone()).or_default().push((path.clone(), codes));
        }
    }
    refusals
});

/// The codes with which a request of this method, in lower case, for this path can be refused; nothing if the document has
/// no such operation.
pub fn refusals(method: &str, path: &str) -> Option<&'static [ErrorCode]> {
    let operations = REFUSALS.get(method)?;
    let found = operations.iter().find(|(template, _)| fits(template, path))?;
    Some(&found.1)
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("{id}"), Some(id)) if !id.is_empty() => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return false,
        }
    }
}

/// The codes that an answer lists.
pub(super) fn codes(answer: &Value) -> Vec<ErrorCode> {
    let listed = answer.pointer("/content/application~1json/schema/properties/code/enum");
    let names = listed.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    names.filter_map(|name| ErrorCode::ALL.iter().copied().find(|code| code.as_str() == name)).collect()
}

/// A value, or what it refers to.
pub(super) fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let path = value.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| document.pointer(path)).unwrap_or(value)
}

pub(super) fn fields<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;
    use std::collections::BTreeSet;

    #[test]
    fn every_refusal_is_listed_under_the_status_of_its_code() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut listed = BTreeSet::new();
        for (path, methods) in fields(&document, "paths") {
            for (method, operation) in methods.as_object().unwrap() {
                for (status, answer) in fields(operation, "responses") {
                    let answer = resolved(&document, answer);
                    let schema = &answer["content"]["application/json"]["schema"];
                    let place = format!("{method} {path} {status}");
                    let refused = schema["allOf"][0]["$ref"] == "#/components/schemas/ErrorBody";
                    // A node that is not ready says so with another body.
                    let expected = !status.starts_with('2')
                        && (path, status.as_str()) != (&paths::READY.to_owned(), "503");
                    assert_eq!(refused, expected, "{place}");
                    let codes = codes(answer);
                    assert_eq!(
                        codes.len(),
                        schema["properties"]["code"]["enum"].as_array().map_or(0, Vec::len),
                        "{place}"
                    );
                    assert_eq!(refused, !codes.is_empty(), "{place}");
                    for code in codes {
                        assert_eq!(code.status().as_str(), status, "{place}: {code}");
                        listed.insert(code.as_str());
                    }
                }
            }
        }
        for code in ErrorCode::ALL {
            // Concerns no operation.
            let nowhere = *code == ErrorCode::MethodNotAllowed;
            assert_ne!(listed.contains(code.as_str()), nowhere, "{code}");
        }
    }

    #[test]
    fn the_codes_of_an_operation_are_found_by_what_is_asked_for() {
        let of = |method, path| refusals(method, path);
        assert!(of("post", paths::SIGN).unwrap().contains(&ErrorCode::TransactionRefused));
        assert!(!of("post", paths::KEYGEN).unwrap().contains(&ErrorCode::TransactionRefused));
        assert!(of("post", paths::PRESIGN).unwrap().contains(&ErrorCode::InvalidSigners));
        assert!(of("post", paths::AUXILIARY).unwrap().contains(&ErrorCode::InvalidParties));
        let session = paths::session(&"a/b".parse().unwrap());
        assert!(of("get", &session).unwrap().contains(&ErrorCode::UnknownSession));
        assert!(!of("get", paths::WALLETS).unwrap().contains(&ErrorCode::UnknownWallet));
        for (method, path) in
            [("get", paths::SIGN), ("get", "/api/v1/wallets/"), ("get", "/api/v1/sessions/a/b"), ("get", "")]
        {
            assert_eq!(of(method, path), None, "{method} {path}");
        }
    }
}
