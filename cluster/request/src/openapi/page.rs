//! The document as a page for people: plain HTML without a script, a picture or anything from elsewhere, so that the
//! strictest Content-Security-Policy holds.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::DOCUMENT;
use super::refusals::{codes, fields, resolved};
use crate::error_body::ErrorCode;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;\
color-scheme:light dark}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;\
padding:.2em .6em;border-bottom:1px solid #8884}code{font-size:.95em}h2,h3{margin-top:2em}summary{margin:.5em 0}\
pre{overflow:auto;padding:.6em;background:#8882}";

/// What a browser may do with the page: show it in its own style, and nothing else.
pub fn policy() -> String {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The page.
pub fn page() -> String {
    // Ours, and read by the tests.
    let document: Value = serde_json::from_str(DOCUMENT).unwrap_or_default();
    let mut page = String::new();
    // Writing to a text never fails.
    write(&mut page, &document).ok();
    page
}

fn write(page: &mut String, document: &Value) -> std::fmt::Result {
    let info = document.get("info").unwrap_or(&Value::Null);
    write!(
        page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Quorate API</title><style>{STYLE}</style>\
         <h1>{}</h1><p>{}</p><p>{} As a file for programs: <a href=\"openapi.json\">openapi.json</a>.</p>",
        text(info, "title"),
        text(info, "summary"),
        text(info, "description")
    )?;
    for (path, methods) in fields(document, "paths") {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            operate(page, document, &format!("{} {path}", method.to_uppercase()), operation)?;
        }
    }
    page.push_str("<h2>Types</h2>");
    let components = document.get("components").unwrap_or(&Value::Null);
    for (name, schema) in fields(components, "schemas") {
        write!(
            page,
            "<h3 id=\"{0}\"><code>{0}</code></h3><p>{1}</p>",
            escaped(name),
            text(schema, "description")
        )?;
        let variants = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        for schema in std::iter::once(schema).chain(variants) {
            properties(page, schema)?;
        }
        let values =
            schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let values: Vec<_> = values.map(|value| format!("<code>{}</code>", escaped(value))).collect();
        if name == "ErrorCode" {
            meanings(page)?;
        } else if !values.is_empty() {
            write!(page, "<p>{}</p>", values.join(", "))?;
        }
    }
    page.push_str("</html>");
    Ok(())
}

fn operate(page: &mut String, document: &Value, called: &str, operation: &Value) -> std::fmt::Result {
    let (summary, more) = (text(operation, "summary"), text(operation, "description"));
    write!(page, "<h2><code>{}</code></h2><p>{summary} {more}", escaped(called))?;
    let signed = operation.get("security").and_then(Value::as_array).is_some_and(|needs| !needs.is_empty());
    page.push_str(if signed { " Signed for a node.</p>" } else { " Not signed.</p>" });
    page.push_str("<table>");
    for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        let kind = parameter.get("schema").map(kind).unwrap_or_default();
        let (name, place) = (text(parameter, "name"), text(parameter, "in"));
        let about = text(parameter, "description");
        write!(page, "<tr><td>{place} <code>{name}</code><td>{kind}<td>{about}")?;
    }
    let request = operation.get("requestBody");
    if let Some(body) = request {
        write!(page, "<tr><td>body<td>{}<td>", contents(body))?;
    }
    let answers =
        || fields(operation, "responses").map(|(status, answer)| (status, resolved(document, answer)));
    for (status, answer) in answers() {
        write!(page, "<tr><td>{status}<td>{}<td>{}", contents(answer), text(answer, "description"))?;
        let codes: Vec<_> = codes(answer).into_iter().map(code_link).collect();
        if !codes.is_empty() {
            write!(page, "<br>{}", codes.join(", "))?;
        }
    }
    page.push_str("</table>");
    examples(page, "Requests", request.map(|body| (None, body)).into_iter())?;
    let is_success = |status: &str| status.starts_with('2');
    let succeeded = answers().filter(|(status, _)| is_success(status));
    examples(page, "Answers", succeeded.map(|(status, answer)| (Some(status), answer)))?;
    let refused = answers().filter(|(status, _)| !is_success(status));
    examples(page, "Refusals", refused.map(|(status, answer)| (Some(status), answer)))
}

/// The examples of some bodies, folded away.
fn examples<'a>(
    page: &mut String,
    title: &str,
    bodies: impl Iterator<Item = (Option<&'a String>, &'a Value)>,
) -> std::fmt::Result {
    let mut shown = String::new();
    for (status, body) in bodies {
        for (_, content) in fields(body, "content") {
            for (_, example) in fields(content, "examples") {
                let status = status.map(|status| format!("{status} ")).unwrap_or_default();
                let value = match example.get("value") {
                    Some(Value::String(text)) => text.clone(),
                    Some(value) => serde_json::to_string_pretty(value).unwrap_or_default(),
                    None => String::new(),
                };
                write!(shown, "<p>{status}{}</p><pre>{}</pre>", text(example, "summary"), escaped(&value))?;
            }
        }
    }
    if !shown.is_empty() {
        write!(page, "<details><summary>{title}, as examples</summary>{shown}</details>")?;
    }
    Ok(())
}

/// What each code means.
fn meanings(page: &mut String) -> std::fmt::Result {
    page.push_str("<table>");
    for code in ErrorCode::ALL {
        let (status, meaning) = (code.status().as_u16(), marked(&escaped(code.meaning())));
        write!(page, "<tr id=\"{code}\"><td><code>{code}</code><td>{status}<td>{meaning}")?;
    }
    page.push_str("</table>");
    Ok(())
}

fn code_link(code: ErrorCode) -> String {
    format!("<a href=\"#{code}\"><code>{code}</code></a>")
}

fn properties(page: &mut String, schema: &Value) -> std::fmt::Result {
    let required: Vec<_> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if schema.get("properties").is_none() {
        return Ok(());
    }
    page.push_str("<table>");
    for (name, property) in fields(schema, "properties") {
        let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
        let (name, kind, about) = (escaped(name), kind(property), text(property, "description"));
        write!(page, "<tr><td><code>{name}</code><td>{kind}{optional}<td>{about}")?;
    }
    page.push_str("</table>");
    Ok(())
}

/// The kinds of a body: `application/json`, and what is in it.
fn contents(body: &Value) -> String {
    let kinds = fields(body, "content").map(|(media, content)| {
        let kind = content.get("schema").map(kind).unwrap_or_default();
        if media == "application/json" { kind } else { format!("<code>{}</code>", escaped(media)) }
    });
    kinds.collect::<Vec<_>>().join(" or ")
}

/// What a value is: a link to its type, or a word.
fn kind(schema: &Value) -> String {
    let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref"));
    if let Some(name) = reference.and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escaped(name));
    }
    let word = match schema.get("type") {
        Some(Value::String(word)) => escaped(word),
        Some(Value::Array(words)) => {
            words.iter().filter_map(Value::as_str).map(escaped).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    };
    match schema.get("items") {
        Some(items) => format!("{word} of {}", kind(items)),
        None => word,
    }
}

/// A text of the document, with what stands in backquotes as code.
fn text(value: &Value, key: &str) -> String {
    marked(&escaped(value.get(key).and_then(Value::as_str).unwrap_or_default()))
}

fn marked(text: &str) -> String {
    let mut shown = String::new();
    for (place, part) in text.split('`').enumerate() {
        if place % 2 == 0 {
            shown.push_str(part);
        } else {
            shown.push_str(&format!("<code>{part}</code>"));
        }
    }
    shown
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;

    #[test]
    fn the_page_says_all_that_the_document_says_and_runs_nothing() {
        let page = page();
        for path in [
            paths::KEYGEN,
            paths::SIGN,
            paths::REFRESH,
            paths::ROLLBACK,
            paths::RESHARE,
            paths::PRESIGN,
            paths::AUXILIARY,
            paths::WALLETS,
            paths::SESSIONS,
            paths::METRICS,
        ] {
            assert!(page.contains(path), "{path}");
        }
        for code in ErrorCode::ALL {
            assert!(
                page.contains(&format!(
                    "<tr id=\"{code}\"><td><code>{code}</code><td>{}<td>",
                    code.status().as_u16()
                )),
                "{code}"
            );
        }
        // What an operation can be refused for, and what it takes and gives.
        let sign = page.split("<h2>").find(|part| part.contains("POST /api/v1/sign")).unwrap();
        for part in [
            "transaction_refused",
            "<tr><td>504<td>",
            "Requests, as examples",
            "Answers, as examples",
            "7061792041",
        ] {
            assert!(sign.contains(part), "{part}");
        }
        let auxiliary = page.split("<h2>").find(|part| part.contains("POST /api/v1/auxiliary")).unwrap();
        assert!(auxiliary.contains("it is no refresh of them. It takes tens of seconds."), "{auxiliary}");
        for field in ["message_hash", "derivation_path", "culprits", "last_heard_ms", "recovery_id"] {
            assert!(page.contains(&format!("<td><code>{field}</code>")), "{field}");
        }
        for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
        }
        for active in ["<script", "src=", "://", "onload", "style=\"", "url("] {
            assert!(!page.contains(active), "{active}");
        }
        assert!(page.contains(&format!("<style>{STYLE}</style>")));
        assert!(policy().starts_with("default-src 'none'; style-src 'sha256-"));
    }

    #[test]
    fn what_could_be_markup_is_shown_as_it_is() {
        let value = serde_json::json!({"a": "<b> & `\"c\"`"});
        assert_eq!(text(&value, "a"), "&lt;b&gt; &amp; <code>&quot;c&quot;</code>");
    }
}
