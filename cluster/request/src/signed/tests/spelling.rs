//! There is exactly one spelling of a request.

use super::*;

for_both_key_types!(
    every_field_is_needed_and_may_not_be_repeated,
    fields_that_the_signature_does_not_cover_change_nothing,
    components_other_than_ours_in_our_order_are_refused_even_if_signed,
    parameters_are_exactly_ours_even_if_signed,
    parameters_may_come_in_any_order_since_the_signature_covers_it,
    spellings_that_mean_the_same_are_refused,
    there_is_exactly_one_signature_under_our_label,
    the_digest_is_sha_256_and_nothing_else_even_if_signed,
    an_operation_that_is_not_known_is_refused_even_if_signed,
);

fn malformed_field(result: Result<Verified, RequestError>) -> &'static str {
    match result {
        Err(RequestError::Malformed { field, .. }) => field,
        other => panic!("expected a malformed field, got {other:?}"),
    }
}

fn every_field_is_needed_and_may_not_be_repeated(key_type: KeyType) {
    for name in [CONTENT_DIGEST, CLUSTER, OPERATION, SIGNATURE_INPUT, SIGNATURE] {
        let whole = keygen(key_type).to_http();
        let mut without = whole.clone();
        without.remove(name);
        assert_eq!(malformed_field(check_http(&without, BODY.as_bytes())), name);
        let mut twice = whole.clone();
        twice.append(name, whole[name].clone());
        assert_eq!(malformed_field(check_http(&twice, BODY.as_bytes())), name);
        let mut doubled = whole.clone();
        let value = whole[name].to_str().unwrap();
        replace(&mut doubled, name, format!("{value}, {value}"));
        assert_eq!(malformed_field(check_http(&doubled, BODY.as_bytes())), name);
        let mut not_ascii = whole.clone();
        replace(&mut not_ascii, name, [value.as_bytes(), b"\xff"].concat());
        assert_eq!(malformed_field(check_http(&not_ascii, BODY.as_bytes())), name);
        let mut empty = whole;
        replace(&mut empty, name, "");
        assert_eq!(malformed_field(check_http(&empty, BODY.as_bytes())), name);
    }
}

fn fields_that_the_signature_does_not_cover_change_nothing(key_type: KeyType) {
    let mut headers = keygen(key_type).to_http();
    replace(&mut headers, "x-forwarded-for", "10.0.0.1");
    assert!(check_http(&headers, BODY.as_bytes()).is_ok());
}

fn components_other_than_ours_in_our_order_are_refused_even_if_signed(key_type: KeyType) {
    let usual = usual_parameters(key_type);
    for components in [
        r#"("quorate-cluster" "content-digest" "quorate-operation")"#,
        r#"("content-digest" "quorate-cluster")"#,
        r#"("content-digest" "quorate-cluster" "quorate-operation" "@authority")"#,
        r#"("content-digest" "quorate-cluster" "quorate-operation" "quorate-operation")"#,
        r#"("content-digest" "quorate-cluster" "quorate-operation";bs)"#,
        r#"("content-digest" "quorate-cluster" quorate-operation)"#,
        r#"("content-digest" "quorate-cluster" "Quorate-Operation")"#,
        "()",
        r#""content-digest""#,
    ] {
        let headers = sign_parameters(key_type, &usual.replace(COMPONENTS, components));
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), SIGNATURE_INPUT, "{components}");
    }
}

fn parameters_are_exactly_ours_even_if_signed(key_type: KeyType) {
    let usual = usual_parameters(key_type);
    let keyid = format!("keyid=\"{}\"", key(key_type).principal());
    let expires = format!("expires={}", NOW + 60);
    let created = format!("created={NOW}");
    let alg = format!("alg=\"{}\"", key_type.algorithm());
    let upper = keyid.to_uppercase().replace("KEYID", "keyid").replace("\"0X", "\"0x");
    let bad = [
        // Missing.
        usual.replace(&format!(";{alg}"), ""),
        usual.replace(";nonce=\"s1\"", ""),
        usual.replace(&format!(";{keyid}"), ""),
        usual.replace(&format!(";{created}"), ""),
        usual.replace(&format!(";{expires}"), ""),
        // Of another type or value.
        usual.replace(&alg, &alg.replace('"', "")),
        usual.replace(&alg, "alg=\"hmac-sha256\""),
        usual.replace("nonce=\"s1\"", "nonce=s1"),
        usual.replace("nonce=\"s1\"", "nonce=\"\""),
        usual.replace("nonce=\"s1\"", "nonce=\"a b\""),
        usual.replace("nonce=\"s1\"", &format!("nonce=\"{}\"", "x".repeat(129))),
        usual.replace(&keyid, "keyid=\"0x00\""),
        usual.replace(&keyid, &keyid.replace("\"0x", "\"")),
        usual.replace(&keyid, &upper),
        usual.replace(&created, "created=-1"),
        usual.replace(&created, &format!("created={NOW}.0")),
        usual.replace(&created, &format!("created=\"{NOW}\"")),
        usual.replace(&expires, "expires"),
        // Out of order in time.
        usual.replace(&expires, &format!("expires={NOW}")),
        usual.replace(&expires, "expires=0"),
        // More than ours.
        format!("{usual};tag=\"app\""),
        format!("{usual};x"),
    ];
    for parameters in &bad {
        assert_ne!(parameters, &usual, "a case that changes nothing");
        let headers = sign_parameters(key_type, parameters);
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), SIGNATURE_INPUT, "{parameters}");
    }
}

fn parameters_may_come_in_any_order_since_the_signature_covers_it(key_type: KeyType) {
    let (keyid, alg) = (key(key_type).principal(), key_type.algorithm());
    let parameters = format!(
        "{COMPONENTS};alg=\"{alg}\";keyid=\"{keyid}\";expires={};nonce=\"s1\";created={NOW}",
        NOW + 60
    );
    let headers = sign_parameters(key_type, &parameters);
    let verified = check_http(&headers, BODY.as_bytes()).unwrap();
    assert_eq!(verified.request().to_http(), headers);
    let forwarded = SignedRequest::decode(&verified.request().encode()).unwrap();
    assert_eq!(check(&forwarded), Ok(verified.clone()));
    assert_eq!(verified.request().fingerprint(), keygen(key_type).fingerprint());
    assert_ne!(verified.request().digest(), keygen(key_type).digest());
}

fn spellings_that_mean_the_same_are_refused(key_type: KeyType) {
    let usual = usual_parameters(key_type);
    for parameters in [
        usual.replace(";created", "; created"),
        usual.replace("\" \"", "\"  \""),
        usual.replace(";created=", ";created=1;created="),
        usual.replace(";created=", ";created=0"),
        format!("{usual} "),
        usual.replace("(\"", "( \""),
    ] {
        let mut headers = sign_parameters(key_type, &usual);
        replace(&mut headers, SIGNATURE_INPUT, format!("initiator={parameters}"));
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), SIGNATURE_INPUT, "{parameters}");
    }
    let mut headers = keygen(key_type).to_http();
    let upper = cluster().to_string().to_uppercase().replace("0X", "0x");
    replace(&mut headers, CLUSTER, upper);
    assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), CLUSTER);
}

fn there_is_exactly_one_signature_under_our_label(key_type: KeyType) {
    let whole = keygen(key_type).to_http();
    let input = whole[SIGNATURE_INPUT].to_str().unwrap();
    let signature = whole[SIGNATURE].to_str().unwrap();
    let other_input = input.replace("initiator=", "other=");
    let other_signature = signature.replace("initiator=", "other=");
    let cases = [
        (SIGNATURE_INPUT, format!("{input}, {other_input}")),
        (SIGNATURE_INPUT, format!("{other_input}, {input}")),
        (SIGNATURE_INPUT, other_input),
        (SIGNATURE, format!("{signature}, {other_signature}")),
        (SIGNATURE, format!("{other_signature}, {signature}")),
        (SIGNATURE, other_signature),
        (SIGNATURE, format!("{signature};x")),
        (SIGNATURE, "initiator=:AAAA:".to_owned()),
        (SIGNATURE, "initiator=\"AAAA\"".to_owned()),
        (SIGNATURE, "initiator=()".to_owned()),
        (SIGNATURE, "initiator".to_owned()),
    ];
    for (name, value) in cases {
        let mut headers = whole.clone();
        replace(&mut headers, name, value.clone());
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), name, "{value}");
    }
}

fn the_digest_is_sha_256_and_nothing_else_even_if_signed(key_type: KeyType) {
    let digest = digest_of(BODY.as_bytes());
    for bad in [
        digest.replace("sha-256", "sha-512"),
        format!("{digest}, sha-512=:AAAA:"),
        format!("{digest};q=1"),
        "sha-256=:AAAA:".to_owned(),
        digest.replace(':', ""),
    ] {
        let headers =
            sign_fields(key_type, &usual_parameters(key_type), &bad, &cluster().to_string(), "keygen");
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), CONTENT_DIGEST, "{bad}");
    }
}

fn an_operation_that_is_not_known_is_refused_even_if_signed(key_type: KeyType) {
    let digest = digest_of(BODY.as_bytes());
    for bad in ["Keygen", "export", "read:", "keygen, sign"] {
        let headers =
            sign_fields(key_type, &usual_parameters(key_type), &digest, &cluster().to_string(), bad);
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), OPERATION, "{bad}");
    }
}
