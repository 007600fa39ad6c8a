//! Every fault of a signature has its own answer, always with status 403.

use restage_api::ErrorCode::{
    IncompleteSignature, InvalidSignature, MissingAuthenticationToken, UnrecognizedClient,
};
use restage_api::sigv4::{MAX_HEADERS, MAX_HEADERS_BYTES, MAX_TARGET_BYTES};
use restage_api::{ErrorCode, Timestamp};

use crate::signatures::{Arrived, NOW, SECRET, Signer, signed};

#[track_caller]
fn refused(request: &Arrived, code: ErrorCode, part_of_message: &str) {
    let error = request.verify().expect_err(part_of_message);
    assert_eq!((error.code, error.code.status()), (code, 403), "{error}");
    assert!(
        error.message.contains(part_of_message),
        "{part_of_message:?} is not in: {error}"
    );
    assert!(!error.message.contains(SECRET));
}

#[test]
fn unsigned() {
    let request = Arrived::new("/ListStages", "{}");
    refused(
        &request,
        MissingAuthenticationToken,
        "no Authorization header",
    );
}

#[test]
fn unknown_key() {
    let request = Signer {
        key: "AKIDOTHER",
        ..Signer::default()
    };
    refused(
        &request.sign(Arrived::new("/ListStages", "{}")),
        UnrecognizedClient,
        "not known here",
    );
}

#[test]
fn wrong_secret() {
    let request = Signer {
        secret: "another",
        ..Signer::default()
    };
    refused(
        &request.sign(Arrived::new("/ListStages", "{}")),
        InvalidSignature,
        "secret key",
    );
}

#[test]
fn wrong_signature() {
    for bad in ["x", &"0".repeat(64), &"Z".repeat(64), "é"] {
        let mut request = signed();
        let header = request.header_mut("authorization");
        let at = header.find("Signature=").expect("there") + "Signature=".len();
        header.replace_range(at.., bad);
        refused(&request, InvalidSignature, "not the one this request needs");
    }
}

#[test]
fn tampered_request() {
    let message = "something between client and server changed";
    let mut request = signed();
    request.body = b"{\"maxResults\":6}".to_vec();
    refused(&request, InvalidSignature, message);
    let mut request = signed();
    request.path = "/DeleteStage".into();
    refused(&request, InvalidSignature, message);
    let mut request = signed();
    request.query = "a=b".into();
    refused(&request, InvalidSignature, message);
    let mut request = signed();
    *request.header_mut("host") = "elsewhere".into();
    refused(&request, InvalidSignature, message);
    // A second value for a signed header changes it.
    let mut request = signed();
    request.headers.push(("host".into(), "elsewhere".into()));
    refused(&request, InvalidSignature, message);
    // Headers that are not signed may be added and removed.
    let mut request = signed();
    request
        .headers
        .push(("x-forwarded-for".into(), "127.0.0.1".into()));
    request.verify().expect("verifies");
}

#[test]
fn body_hash_header() {
    let signer = Signer {
        content_hash: true,
        ..Signer::default()
    };
    let mut request = signer.sign(Arrived::new("/ListStages", "{}"));
    request.verify().expect("verifies");
    request.body.push(b' ');
    refused(
        &request,
        InvalidSignature,
        "x-amz-content-sha256 is not its SHA-256",
    );
    for marker in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] {
        let mut request = Arrived::new("/ListStages", "{}");
        request
            .headers
            .push(("x-amz-content-sha256".into(), marker.into()));
        refused(
            &Signer::default().sign(request),
            InvalidSignature,
            "not a marker such as UNSIGNED-PAYLOAD",
        );
    }
    // Not signed, but still wrong.
    let mut request = signed();
    request
        .headers
        .push(("x-amz-content-sha256".into(), "0".repeat(64)));
    refused(&request, InvalidSignature, "x-amz-content-sha256");
}

#[test]
fn clocks_apart() {
    let request = signed();
    let early = request.verify_at(NOW - 301).expect_err("too early");
    assert_eq!(
        early.message,
        "Signature not yet current: the request is dated 20260921T141320Z, the server's clock says \
         20260921T140819Z; they may differ by at most 300 seconds. Check the clocks of both machines."
    );
    let late = request.verify_at(NOW + 301).expect_err("too late");
    assert_eq!(
        late.message,
        "Signature expired: the request is dated 20260921T141320Z, the server's clock says \
         20260921T141821Z; they may differ by at most 300 seconds. Check the clocks of both machines."
    );
    assert_eq!(
        (early.code, late.code),
        (InvalidSignature, InvalidSignature)
    );
    for now in [NOW - 300, NOW, NOW + 300] {
        request.verify_at(now).expect("near enough");
    }
    for now in [i64::MIN, i64::MAX] {
        request.verify_at(now).expect_err("far off");
    }
}

#[test]
fn wrong_scope() {
    for service in ["ivsrealtime", "s3"] {
        let signer = Signer {
            service,
            ..Signer::default()
        };
        let request = signer.sign(Arrived::new("/ListStages", "{}"));
        refused(&request, InvalidSignature, "must be 'ivs'");
    }
    let mut request = signed();
    let header = request.header_mut("authorization");
    *header = header.replace("/20260921/", "/20260920/");
    refused(
        &request,
        InvalidSignature,
        "not the date of the x-amz-date header",
    );
}

#[test]
fn malformed_authorization() {
    let credential = "Credential=AKIDRESTAGE/20260921/eu-west-1/ivs/aws4_request";
    let headers = "SignedHeaders=host;x-amz-date";
    let signature = "Signature=00";
    let form = "must have a Credential of the form";
    let names = "lower-case header names, each once, in alphabetical order";
    for (value, message) in [
        (String::new(), "must start with AWS4-HMAC-SHA256"),
        ("Bearer abc".into(), "must start with AWS4-HMAC-SHA256"),
        (
            format!("AWS4-ECDSA-P256-SHA256 {credential}, {headers}, {signature}"),
            "must start with",
        ),
        (
            format!("AWS4-HMAC-SHA256{credential}, {headers}, {signature}"),
            "must start with",
        ),
        ("AWS4-HMAC-SHA256".into(), "must start with"),
        ("AWS4-HMAC-SHA256 ,".into(), "name=value parts"),
        ("AWS4-HMAC-SHA256 x".into(), "name=value parts"),
        (
            format!("AWS4-HMAC-SHA256 {credential}, {headers}"),
            "has no Signature",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, {signature}"),
            "has no SignedHeaders",
        ),
        (
            format!("AWS4-HMAC-SHA256 {headers}, {signature}"),
            "has no Credential",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, {headers}, {signature},"),
            "name=value parts",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, {headers}, Signature="),
            "exactly one Signature",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, {credential}, {headers}, {signature}"),
            "exactly one Credential",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, {headers}, {signature}, More=1"),
            "none of Credential",
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential=a, {headers}, {signature}"),
            form,
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}/x, {headers}, {signature}"),
            form,
        ),
        (
            format!(
                "AWS4-HMAC-SHA256 Credential=/20260921/eu-west-1/ivs/aws4_request, {headers}, {signature}"
            ),
            form,
        ),
        (
            format!(
                "AWS4-HMAC-SHA256 Credential=a/2026092/eu-west-1/ivs/aws4_request, {headers}, {signature}"
            ),
            form,
        ),
        (
            format!(
                "AWS4-HMAC-SHA256 Credential=a/20260921/eu-west-1/ivs/aws3_request, {headers}, {signature}"
            ),
            form,
        ),
        (
            format!(
                "AWS4-HMAC-SHA256 Credential=a/20260921/EU/ivs/aws4_request, {headers}, {signature}"
            ),
            "must name a region",
        ),
        (
            format!(
                "AWS4-HMAC-SHA256 Credential=a/20260921//ivs/aws4_request, {headers}, {signature}"
            ),
            "must name a region",
        ),
        (
            format!(
                "AWS4-HMAC-SHA256 Credential=a/20260921/{}/ivs/aws4_request, {headers}, {signature}",
                "r".repeat(65)
            ),
            "must name a region",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=x-amz-date, {signature}"),
            "must have host",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, {signature}"),
            "must have x-amz-date among",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=x-amz-date;host, {signature}"),
            names,
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host;host, {signature}"),
            names,
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=Host, {signature}"),
            names,
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host;;x-amz-date, {signature}"),
            names,
        ),
        (
            format!("AWS4-HMAC-SHA256 {}", "x".repeat(5_000)),
            "longer than 4096 bytes",
        ),
    ] {
        let mut request = signed();
        *request.header_mut("authorization") = value;
        refused(&request, IncompleteSignature, message);
    }
    let mut request = signed();
    request
        .headers
        .push(("authorization".into(), "Bearer abc".into()));
    refused(&request, IncompleteSignature, "must be given once");
}

#[test]
fn parts_of_the_header_may_stand_in_any_order() {
    let mut request = signed();
    let header = request.header_mut("authorization");
    let parts = header
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .expect("it starts so");
    let mut parts: Vec<_> = parts.split(", ").collect();
    parts.reverse();
    *header = format!(" AWS4-HMAC-SHA256 {} ", parts.join(","));
    request.verify().expect("verifies");
}

#[test]
fn signed_header_that_is_not_there() {
    let mut request = Arrived::new("/ListStages", "{}");
    request.headers.push(("x-note".into(), "a".into()));
    let mut request = Signer::default().sign(request);
    request.headers.retain(|(name, _)| name != "x-note");
    refused(
        &request,
        InvalidSignature,
        "a header that the request does not have",
    );
}

#[test]
fn dates() {
    let mut request = signed();
    request.headers.retain(|(name, _)| name != "x-amz-date");
    refused(
        &request,
        IncompleteSignature,
        "neither an x-amz-date nor a Date header",
    );
    let mut request = signed();
    request
        .headers
        .push(("x-amz-date".into(), "20260921T141320Z".into()));
    refused(
        &request,
        IncompleteSignature,
        "x-amz-date header must be given once",
    );
    for bad in [
        "",
        "now",
        "2026-09-21T14:13:20Z",
        "20260921T141360Z",
        "Mon, 21 Sep 2026 14:13:20 GMT",
    ] {
        let mut request = signed();
        *request.header_mut("x-amz-date") = bad.into();
        refused(
            &request,
            IncompleteSignature,
            "must be a UTC time of the form",
        );
    }
}

/// Signs by hand what AWS's crate does not sign: a request with a `Date` instead of `x-amz-date`.
fn signed_with_date(date: &str) -> Arrived {
    use hmac::{KeyInit, Mac};
    use sha2::{Digest, Sha256};
    let mac = |key: &[u8], text: &str| {
        let mut mac = hmac::Hmac::<Sha256>::new_from_slice(key).expect("any key");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let mut request = Arrived::new("/ListStages", "");
    request.headers.push(("date".into(), date.into()));
    let canonical = format!(
        "POST\n/ListStages\n\ndate:{date}\nhost:127.0.0.1:4080\n\ndate;host\n{}",
        hex::encode(Sha256::digest(b""))
    );
    let scope = "20260921/eu-west-1/ivs/aws4_request";
    let text = format!(
        "AWS4-HMAC-SHA256\n20260921T141320Z\n{scope}\n{}",
        hex::encode(Sha256::digest(canonical))
    );
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part);
    }
    request.headers.push((
        "authorization".into(),
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDRESTAGE/{scope}, SignedHeaders=date;host, Signature={}",
            hex::encode(mac(&key, &text))
        ),
    ));
    request
}

#[test]
fn a_date_header_stands_in_for_x_amz_date() {
    for date in ["Mon, 21 Sep 2026 14:13:20 GMT", "20260921T141320Z"] {
        let identity = signed_with_date(date).verify().expect("verifies");
        assert_eq!(identity.signed_at, Timestamp::from_unix_seconds(NOW));
    }
    for bad in [
        "Mon, 21 Sep 2026 14:13:20 CET",
        "Mon, 21 sep 2026 14:13:20 GMT",
        "Mon, 31 Sep 2026 14:13:20 GMT",
        "Mon, 21 Sep 2026 14.13:20 GMT",
        "Monday, 21-Sep-26 14:13:20 GMT",
        "Mon Sep 21 14:13:20 2026",
    ] {
        refused(
            &signed_with_date(bad),
            IncompleteSignature,
            "The date header must be a UTC time",
        );
    }
}

#[test]
fn presigned() {
    let mut request = Arrived::new("/ListStages", "");
    for query in [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00",
        "a=b&x-amz-signature=00",
    ] {
        request.query = query.into();
        refused(
            &request,
            IncompleteSignature,
            "Presigned requests are not supported",
        );
    }
}

#[test]
fn too_much() {
    let mut request = signed();
    request
        .headers
        .extend((0..MAX_HEADERS).map(|i| (format!("x-{i}"), String::new())));
    refused(&request, IncompleteSignature, "more than 100 header fields");
    let mut request = signed();
    request
        .headers
        .push(("x-note".into(), "a".repeat(MAX_HEADERS_BYTES)));
    refused(
        &request,
        IncompleteSignature,
        "more than 65536 bytes of headers",
    );
    let mut request = signed();
    request.query = "a".repeat(MAX_TARGET_BYTES);
    refused(
        &request,
        IncompleteSignature,
        "more than 8192 bytes of path and query",
    );
}
