//! The key material of ImportPublicKey: the PEM around a key. The key itself is checked elsewhere.

use crate::common::{KEY, MATERIAL, STAGE};
use crate::constraints::{accepted, refused};
use restage_api::Operation::{DeletePublicKey, GetPublicKey, ImportPublicKey};
use restage_api::Request as _;
use restage_api::shape::ImportPublicKeyRequest;
use serde_json::json;

fn material(text: &str) -> serde_json::Value {
    json!({"publicKeyMaterial": text})
}

#[test]
fn pem_is_taken_however_its_lines_end() {
    let body = MATERIAL
        .lines()
        .filter(|line| !line.starts_with("---"))
        .collect::<String>();
    for text in [
        MATERIAL.to_owned(),
        MATERIAL.trim_end().to_owned(),
        MATERIAL.replace('\n', "\r\n"),
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----"),
        MATERIAL.replacen('\n', "\n\n", 1),
        format!("key: {MATERIAL}."),
    ] {
        accepted(ImportPublicKey, material(&text));
        let request = material(&text).to_string();
        let request = ImportPublicKeyRequest::parse(request.as_bytes()).unwrap();
        assert_eq!(request.public_key_material, text, "as it was sent");
        assert_eq!(request.base64(), body);
    }
}

/// RFC 7468 §2: white space around and within lines has no meaning.
#[test]
fn white_space_in_pem_does_not_count() {
    let each_line =
        |change: &dyn Fn(&str) -> String| MATERIAL.lines().map(change).collect::<String>();
    let spread = |line: &str| match line.starts_with('-') {
        true => format!("{line}\n"),
        false => line.chars().map(|c| format!("{c} ")).collect::<String>() + "\n",
    };
    for text in [
        format!("\n\r\n \t\n{MATERIAL}"),
        format!("{MATERIAL}\n \n\t\r\n"),
        format!("\u{feff}{MATERIAL}"),
        format!("\u{feff}\n{MATERIAL}\u{a0}"),
        each_line(&|line| format!("    {line}\n")),
        each_line(&|line| format!("\t{line}\t \r\n")),
        each_line(&|line| format!("{line}\r")),
        each_line(&|line| format!("{line}\n\n")),
        each_line(&|line| format!("\u{a0}{line}\u{b}\u{c}\n")),
        each_line(&|line| format!("{line} ")),
        each_line(&spread),
        format!("\n  key: {}", MATERIAL.trim_end()),
    ] {
        accepted(ImportPublicKey, material(&text));
        let request = material(&text).to_string();
        let request = ImportPublicKeyRequest::parse(request.as_bytes()).unwrap();
        // The answer has it in the form of the model.
        let kept = match text.strip_prefix('\u{feff}') {
            Some(rest) if rest == MATERIAL => text.as_str(),
            _ => MATERIAL,
        };
        assert_eq!(request.public_key_material, kept, "{text:?}");
    }
}

#[test]
fn what_is_no_public_key_in_pem_is_told_so() {
    let form = "must be a public key in PEM: -----BEGIN PUBLIC KEY-----, lines of base64, -----END PUBLIC KEY-----";
    let lines = "must have nothing but lines of base64 between its first and last line";
    let alone = "must have no line before -----BEGIN PUBLIC KEY----- and none after -----END PUBLIC KEY-----";
    let begin = "-----BEGIN PUBLIC KEY-----";
    let end = "-----END PUBLIC KEY-----";
    for (text, rule) in [
        ("", "must have at least 1 character (it has 0)"),
        ("AAAA", form),
        (&MATERIAL.replace("PUBLIC KEY", "CERTIFICATE"), form),
        (&MATERIAL.replace("PUBLIC KEY", "RSA PUBLIC KEY"), form),
        (
            &MATERIAL.replace("PUBLIC KEY", "EC PRIVATE KEY"),
            "holds a private key, which belongs to its owner alone; send the public one (openssl ec -in private.pem -pubout)",
        ),
        (
            &format!("{MATERIAL}{MATERIAL}"),
            "must hold one public key, not several PEM blocks",
        ),
        (begin, "must end with -----END PUBLIC KEY-----"),
        (&format!("{begin}{end}"), lines),
        (&format!("{begin}\n{end}"), lines),
        (&format!("{begin}\n\n{end}"), lines),
        (&format!("{begin}AAAA\n{end}"), lines),
        (&format!("{begin}\nAAAA{end}"), lines),
        (&format!("{begin}\n \t\r\n{end}"), lines),
        (&format!("{begin}\nAA\u{200b}AA\n{end}"), lines),
        (&format!("{begin}\nProc-Type: 4\n{end}"), lines),
        (&format!("key:\n{MATERIAL}"), alone),
        (&format!("\nkey:\r{MATERIAL}"), alone),
        (&format!("{MATERIAL}\nend\n\nof"), alone),
        (&format!("{MATERIAL}end\nof"), alone),
        (
            &"A".repeat(4_097),
            "must have at most 4096 characters (it has 4097)",
        ),
    ] {
        refused(
            ImportPublicKey,
            material(text),
            &format!("publicKeyMaterial {rule}."),
        );
    }
}

#[test]
fn names_and_arns() {
    accepted(ImportPublicKey, json!({"name": ""}));
    accepted(ImportPublicKey, json!({"name": "a-_9".repeat(32)}));
    refused(
        ImportPublicKey,
        json!({"name": "a".repeat(129)}),
        "name must have at most 128 characters (it has 129).",
    );
    refused(
        ImportPublicKey,
        json!({"name": "a b"}),
        "name may contain only ASCII letters, digits, hyphens and underscores.",
    );
    for operation in [GetPublicKey, DeletePublicKey] {
        accepted(operation, json!({"arn": KEY}));
        // One of the documented examples has a UUID for an id.
        let uuid = KEY.replace("Vw2xYz5aBc8D", "f99cde61-c2b0-4df3-8941-ca7d38acca1a");
        accepted(operation, json!({"arn": uuid}));
        for bad in [
            STAGE,
            "x",
            &KEY.replace("public-key", "key"),
            &format!("{KEY}_"),
        ] {
            refused(
                operation,
                json!({"arn": bad}),
                "arn must be a public key ARN of the form arn:aws:ivs:<region>:<account>:public-key/<id>.",
            );
        }
        refused(
            operation,
            json!({"arn": ""}),
            "arn must have at least 1 character (it has 0).",
        );
    }
}
