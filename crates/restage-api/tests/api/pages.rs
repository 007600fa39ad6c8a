//! Page tokens: which are valid, which are not, and what clients that guess get from them.

use proptest::prelude::*;
use restage_api::page::MAX_POSITION;
use restage_api::{ErrorCode, Operation, PageScope, PageTokens, Position, PositionReader};

use crate::common::cases;

const KEY: [u8; 32] = [7; 32];
const FILTERS: &[(&str, &str)] = &[("sourceStageArn", "arn"), ("participantId", "ann")];

fn scope() -> PageScope<'static> {
    PageScope {
        operation: Operation::ListParticipantReplicas.into(),
        account: "000000000000",
        region: "eu-west-1",
        filters: FILTERS,
    }
}

#[track_caller]
fn refused(tokens: &PageTokens, scope: &PageScope<'_>, token: &str) {
    let error = tokens.open(scope, token).expect_err(token);
    assert_eq!(error.code, ErrorCode::Validation);
    assert!(error.message.starts_with("nextToken "), "{error}");
}

#[test]
fn a_token_opens_only_in_its_own_scope() {
    let tokens = PageTokens::new(&KEY);
    let token = tokens.seal(&scope(), b"position");
    assert_eq!(
        tokens.open(&scope(), &token).as_deref(),
        Ok(&b"position"[..])
    );
    // The same everywhere with the same key.
    assert_eq!(PageTokens::new(&KEY).seal(&scope(), b"position"), token);

    refused(&PageTokens::new(&[8; 32]), &scope(), &token);
    for other in [
        PageScope {
            operation: Operation::ListParticipants.into(),
            ..scope()
        },
        PageScope {
            account: "000000000001",
            ..scope()
        },
        PageScope {
            region: "eu-west-2",
            ..scope()
        },
        PageScope {
            region: "",
            account: "000000000000eu-west-1",
            ..scope()
        },
        PageScope {
            filters: &[],
            ..scope()
        },
        PageScope {
            filters: &FILTERS[..1],
            ..scope()
        },
        PageScope {
            filters: &[FILTERS[1], FILTERS[0]],
            ..scope()
        },
        PageScope {
            filters: &[FILTERS[0], FILTERS[1], ("", "")],
            ..scope()
        },
        PageScope {
            filters: &[FILTERS[0], ("participantId", "bob")],
            ..scope()
        },
        PageScope {
            filters: &[FILTERS[0], ("participantIda", "nn")],
            ..scope()
        },
        PageScope {
            filters: &[("sourceStageArn", "arnparticipantId"), ("", "ann")],
            ..scope()
        },
        PageScope {
            filters: &[("sourceStageArn", ""), ("arnparticipantId", "ann")],
            ..scope()
        },
    ] {
        refused(&tokens, &other, &token);
    }
}

#[test]
fn tampered_and_foreign_tokens_are_refused() {
    let tokens = PageTokens::new(&KEY);
    let token = tokens.seal(&scope(), b"position");
    for i in 0..token.len() {
        for replacement in ['0', '1', 'a', 'f', 'g', 'p', 'A', '_', '='] {
            let mut changed = token.clone();
            changed.replace_range(i..=i, replacement.encode_utf8(&mut [0; 4]));
            if changed != token {
                refused(&tokens, &scope(), &changed);
            }
        }
        refused(&tokens, &scope(), &token[..i]);
        refused(&tokens, &scope(), &token[i + 1..]);
    }
    for bad in [
        String::new(),
        "p".into(),
        format!("{token}0"),
        format!("{token}00"),
        format!(" {token}"),
        format!("{token}\n"),
        token.to_uppercase(),
        format!("p{}", token[1..].to_uppercase()),
        format!("q{}", &token[1..]),
        format!("p{}", "0".repeat(5_000)),
        "None".into(),
        "eyJuZXh0VG9rZW4iOiAidDMifQ==".into(),
    ] {
        refused(&tokens, &scope(), &bad);
    }
}

#[test]
fn the_longest_position_still_makes_a_valid_token() {
    let tokens = PageTokens::new(&KEY);
    let position = vec![255; MAX_POSITION];
    let token = tokens.seal(&scope(), &position);
    assert!((1_000..=1_024).contains(&token.len()), "{}", token.len());
    assert_eq!(tokens.open(&scope(), &token), Ok(position));
    let shortest = tokens.seal(&scope(), b"");
    assert_eq!(tokens.open(&scope(), &shortest), Ok(vec![]));
}

#[test]
fn keys_are_not_shown() {
    assert_eq!(format!("{:?}", PageTokens::new(&KEY)), "PageTokens { .. }");
}

/// The result of a decoder that skips every character outside its alphabet and ignores padding:
/// all whole bytes.
fn decode_leniently(text: &str, alphabet: &[u8; 64]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for value in text
        .bytes()
        .filter_map(|byte| alphabet.iter().position(|&a| a == byte))
    {
        bits = bits << 6 | u32::try_from(value).expect("below 64");
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).expect("masked"));
        }
    }
    out
}

fn alphabet(last_two: [u8; 2]) -> [u8; 64] {
    let all: Vec<u8> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain(last_two)
        .collect();
    all.try_into().expect("64 characters")
}

#[test]
fn the_lenient_decoder_decodes() {
    let standard = alphabet(*b"+/");
    assert_eq!(
        decode_leniently("eyJ4\n Ijog*MX0=", &standard),
        b"{\"x\": 1}"
    );
    assert_eq!(decode_leniently("bnVsbA", &standard), b"null");
    assert_eq!(
        decode_leniently("-_-_", &alphabet(*b"-_")),
        [0xfb, 0xff, 0xbf]
    );
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn tokens_come_back_and_mean_nothing_to_others(
        key: [u8; 32],
        account in "[0-9]{0,12}",
        region in "[a-z0-9-]{0,20}",
        filters in prop::collection::vec((".{0,8}", ".{0,40}"), 0..4),
        position in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let filters: Vec<_> = filters.iter().map(|(name, value)| (&**name, &**value)).collect();
        let scope = PageScope { account: &account, region: &region, filters: &filters, ..scope() };
        let tokens = PageTokens::new(&key);
        let token = tokens.seal(&scope, &position);
        prop_assert_eq!(tokens.open(&scope, &token), Ok(position.clone()));

        // What the model and clients require of a token.
        prop_assert!(token.len() <= 1_024);
        prop_assert!(token.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        // The position cannot be read in it.
        if position.len() >= 4 {
            prop_assert!(!token.contains(&hex::encode(&position)));
        }
        // Neither the token nor its decoded base64 is JSON.
        prop_assert!(serde_json::from_str::<serde_json::Value>(&token).is_err());
        for last_two in [*b"+/", *b"-_"] {
            let decoded = decode_leniently(&token, &alphabet(last_two));
            prop_assert!(std::str::from_utf8(&decoded).is_err());
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&decoded).is_err());
        }
    }

    #[test]
    fn different_positions_have_different_tokens(
        one in prop::collection::vec(any::<u8>(), 0..40),
        other in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let tokens = PageTokens::new(&KEY);
        let same = tokens.seal(&scope(), &one) == tokens.seal(&scope(), &other);
        prop_assert_eq!(same, one == other);
    }

    #[test]
    fn positions_come_back(number: i64, text in ".{0,80}", last: i64) {
        let bytes = Position::new().number(number).text(&text).number(last).into_bytes();
        let mut fields = PositionReader::new(&bytes);
        prop_assert_eq!(fields.number(), Ok(number));
        prop_assert_eq!(fields.text(), Ok(&*text));
        prop_assert_eq!(fields.number(), Ok(last));
        prop_assert!(fields.end().is_ok());

        // Anything but the original fields is refused.
        prop_assert!(PositionReader::new(&bytes).text().is_err());
        prop_assert!(PositionReader::new(&bytes).end().is_err());
        let mut fields = PositionReader::new(&bytes[..bytes.len() - 1]);
        let whole = fields.number().and_then(|_| fields.text()).and_then(|_| fields.number());
        prop_assert!(whole.is_err());
    }

    #[test]
    fn any_token_and_any_position_is_answered(
        token in ".{0,80}",
        digits in "p[0-9a-f]{0,120}",
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let tokens = PageTokens::new(&KEY);
        prop_assert!(tokens.open(&scope(), &token).is_err());
        prop_assert!(tokens.open(&scope(), &digits).is_err());
        let mut fields = PositionReader::new(&bytes);
        while fields.number().is_ok() || fields.text().is_ok() {}
    }
}
