//! The kinds of constraints of members, and the matchers for the model's patterns. The constraint of each member
//! is in `generated/constraint.rs`.

use std::borrow::Cow;

/// Most bytes all keys and values of one attribute map may have together (the API reference's 1 KB).
pub const MAX_ATTRIBUTES_BYTES: usize = 1_024;

/// The pattern of a text. Patterns match the whole text.
#[derive(Clone, Copy)]
pub(crate) enum Pattern {
    /// Any text.
    Any,
    /// Any text that every database can store: without U+0000.
    Storable,
    /// `[a-zA-Z0-9-_]*`
    Word,
    /// `[a-z0-9-.]*`
    BucketName,
    /// `st-[a-zA-Z0-9]+`
    Session,
    /// `arn:aws:ivs:[a-z0-9-]+:[0-9]+:<kind>/[a-zA-Z0-9-]+`
    Arn(&'static str),
    /// Empty, or an [`Arn`](Self::Arn) of this kind.
    ArnOrEmpty(&'static str),
    /// Like [`Arn`](Self::Arn), for any kind of resource. (The model's own pattern allows a kind of only one letter,
    /// which no kind has.)
    AnyArn,
    /// `[a-zA-Z0-9+/=_-]*`
    PageToken,
}

impl Pattern {
    pub(crate) fn matches(self, text: &str) -> bool {
        let of = |allowed: &[u8]| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || allowed.contains(&byte))
        };
        match self {
            Self::Any => true,
            Self::Storable => !text.contains('\0'),
            Self::Word => of(b"-_"),
            Self::BucketName => text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)),
            Self::Session => text.strip_prefix("st-").is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }),
            Self::Arn(wanted) => is_arn(text, |kind| kind == wanted),
            Self::ArnOrEmpty(wanted) => text.is_empty() || is_arn(text, |kind| kind == wanted),
            Self::AnyArn => is_arn(text, |kind| {
                kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
            }),
            Self::PageToken => of(b"+/=_-"),
        }
    }

    /// The constraint as the end of a sentence that starts with the member's name.
    pub(crate) fn rule(self) -> Cow<'static, str> {
        let rule = match self {
            Self::Any => "may be any text",
            Self::Storable => "may not contain the character U+0000",
            Self::Word => "may contain only ASCII letters, digits, hyphens and underscores",
            Self::BucketName => {
                "may contain only ASCII lower-case letters, digits, hyphens and dots"
            }
            Self::Session => "must be a session id: st- and then ASCII letters and digits",
            Self::Arn(kind) => return format!("must be {}", arn_of(kind)).into(),
            Self::ArnOrEmpty(kind) => return format!("must be empty, or {}", arn_of(kind)).into(),
            Self::AnyArn => "must be an ARN of the form arn:aws:ivs:<region>:<account>:<kind>/<id>",
            Self::PageToken => "must be a token from an earlier page, as it came",
        };
        rule.into()
    }
}

/// The description of an ARN of this kind in messages.
fn arn_of(kind: &str) -> String {
    let article = match kind.starts_with(['a', 'e', 'i', 'o', 'u']) {
        true => "an",
        false => "a",
    };
    let words = kind.replace('-', " ");
    format!("{article} {words} ARN of the form arn:aws:ivs:<region>:<account>:{kind}/<id>")
}

fn is_arn(text: &str, is_kind: impl Fn(&str) -> bool) -> bool {
    let Some(rest) = text.strip_prefix("arn:aws:ivs:") else {
        return false;
    };
    let mut parts = rest.splitn(3, ':');
    let (Some(region), Some(account), Some(rest)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Some((kind, id)) = rest.split_once('/') else {
        return false;
    };
    let all = |text: &str, allowed: fn(u8) -> bool| !text.is_empty() && text.bytes().all(allowed);
    !kind.is_empty()
        && is_kind(kind)
        && all(region, |b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
        })
        && all(account, |b| b.is_ascii_digit())
        && all(id, |b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The constraint of a text member.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    /// Fewest characters.
    pub(crate) min: usize,
    /// Most characters.
    pub(crate) max: usize,
    /// The pattern it must match.
    pub(crate) pattern: Pattern,
}

impl Text {
    pub(crate) const fn new(min: usize, max: usize, pattern: Pattern) -> Self {
        Self { min, max, pattern }
    }
}

/// The range of a whole-number member, both ends included.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

impl Range {
    pub(crate) const fn new(min: u32, max: u32) -> Self {
        Self { min, max }
    }
}

/// The range of a number that may have a fraction, both ends included.
#[derive(Clone, Copy)]
pub(crate) struct Decimals {
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Decimals {
    pub(crate) const fn new(min: f64, max: f64) -> Self {
        Self { min, max }
    }
}

/// The number of entries in a list or map, both ends included.
#[derive(Clone, Copy)]
pub(crate) struct Count {
    pub(crate) min: usize,
    pub(crate) max: usize,
}

impl Count {
    pub(crate) const fn new(min: usize, max: usize) -> Self {
        Self { min, max }
    }
}

/// The constraint of a map from texts to texts.
#[derive(Clone, Copy)]
pub(crate) struct Entries {
    pub(crate) count: Count,
    pub(crate) key: Text,
    pub(crate) value: Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored() {
        let arn = "arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud";
        let storage = "arn:aws:ivs:eu-west-1:111122223333:storage-configuration/a-B3";
        let cases: &[(Pattern, &[&str], &[&str])] = &[
            (Pattern::Storable, &["", "é 🎥\n\u{7f}"], &["\0", "a\0b"]),
            (
                Pattern::Word,
                &["", "aZ9-_"],
                &["a b", "é", "a\n", "a.b", "\0"],
            ),
            (
                Pattern::Session,
                &["st-4Hc9sTnV2bQ7x"],
                &["st-", "st_a", " st-a", "st-a\n", "st-a-b"],
            ),
            (
                Pattern::BucketName,
                &["", "a-b.c9"],
                &["A", "a_b", "é", "a\n"],
            ),
            (
                Pattern::PageToken,
                &["", "aZ9+/=_-"],
                &["a b", "a\n", "é", "a:b"],
            ),
            (
                Pattern::ArnOrEmpty("storage-configuration"),
                &["", storage],
                &[arn, "x"],
            ),
        ];
        for (pattern, good, bad) in cases {
            for text in *good {
                assert!(pattern.matches(text), "{text:?}");
            }
            for text in *bad {
                assert!(!pattern.matches(text), "{text:?}");
            }
        }
        assert!(Pattern::Arn("stage").matches(arn));
        assert!(Pattern::Any.matches("any\nthing"));
    }

    #[test]
    fn every_part_of_an_arn_counts() {
        let good = "arn:aws:ivs:x1-2:1:stage/aB-9";
        assert!(Pattern::Arn("stage").matches(good));
        for bad in [
            "",
            "arn:aws:ivs:",
            "arn:aws:ivs::1:stage/a",
            "arn:aws:ivs:X:1:stage/a",
            "arn:aws:ivs:x::stage/a",
            "arn:aws:ivs:x:1a:stage/a",
            "arn:aws:ivs:x:1:stage/",
            "arn:aws:ivs:x:1:stage",
            "arn:aws:ivs:x:1:stagea",
            "arn:aws:ivs:x:1:stages/a",
            "arn:aws:ivs:x:1:stage/a/b",
            "arn:aws:ivs:x:1:stage/a:b",
            "arn:aws:ivs:x:1:stage/a_b",
            "arn:aws:ivs:x:1:stage/é",
            "arn:aws:ivs:x:1:channel/a",
            "arn:aws-cn:ivs:x:1:stage/a",
            " arn:aws:ivs:x:1:stage/a",
            "arn:aws:ivs:x:1:stage/a\n",
        ] {
            assert!(!Pattern::Arn("stage").matches(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_message_names_the_kind_of_arn() {
        assert_eq!(
            Pattern::Arn("stage").rule(),
            "must be a stage ARN of the form arn:aws:ivs:<region>:<account>:stage/<id>"
        );
        assert_eq!(
            Pattern::ArnOrEmpty("encoder-configuration").rule(),
            "must be empty, or an encoder configuration ARN of the form \
             arn:aws:ivs:<region>:<account>:encoder-configuration/<id>"
        );
    }
}
