//! The constraints of the model's simple shapes, and the small matchers behind its patterns.

/// Most bytes all keys and values of one attribute map may have together (the API reference's 1 KB).
pub const MAX_ATTRIBUTES_BYTES: usize = 1_024;
/// Most characters of a page token.
pub(crate) const MAX_PAGE_TOKEN: usize = 1_024;
/// Most tags of one resource.
pub(crate) const MAX_TAGS: usize = 50;
/// Most tokens one CreateStage may ask for.
pub(crate) const MAX_TOKEN_CONFIGURATIONS: usize = 12;

/// What a text must look like besides its length. Patterns are anchored at both ends.
#[derive(Clone, Copy)]
pub(crate) enum Pattern {
    /// Anything.
    Any,
    /// Anything that every database can store: no U+0000.
    Storable,
    /// `[a-zA-Z0-9-_]*`
    Word,
    /// `st-[a-zA-Z0-9]+`
    Session,
    /// `arn:aws:ivs:[a-z0-9-]+:[0-9]+:stage/[a-zA-Z0-9-]+`
    StageArn,
    /// Empty, or as a stage ARN but of a storage configuration.
    StorageConfigurationArnOrEmpty,
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
            Self::Session => text.strip_prefix("st-").is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }),
            Self::StageArn => is_arn(text, "stage"),
            Self::StorageConfigurationArnOrEmpty => {
                text.is_empty() || is_arn(text, "storage-configuration")
            }
            Self::PageToken => of(b"+/=_-"),
        }
    }

    /// The rest of a sentence that starts with the member's name.
    pub(crate) const fn rule(self) -> &'static str {
        match self {
            Self::Any => "may be any text",
            Self::Storable => "may not contain the character U+0000",
            Self::Word => "may contain only ASCII letters, digits, hyphens and underscores",
            Self::Session => "must be a session id: st- and then ASCII letters and digits",
            Self::StageArn => {
                "must be a stage ARN of the form arn:aws:ivs:<region>:<account>:stage/<id>"
            }
            Self::StorageConfigurationArnOrEmpty => {
                "must be empty, or a storage configuration ARN of the form \
                 arn:aws:ivs:<region>:<account>:storage-configuration/<id>"
            }
            Self::PageToken => "must be a token from an earlier page, as it came",
        }
    }
}

fn is_arn(text: &str, resource: &str) -> bool {
    let Some(rest) = text.strip_prefix("arn:aws:ivs:") else {
        return false;
    };
    let mut parts = rest.splitn(3, ':');
    let (Some(region), Some(account), Some(rest)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Some(id) = rest
        .strip_prefix(resource)
        .and_then(|rest| rest.strip_prefix('/'))
    else {
        return false;
    };
    let all = |text: &str, allowed: fn(u8) -> bool| !text.is_empty() && text.bytes().all(allowed);
    all(region, |b| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
    }) && all(account, |b| b.is_ascii_digit())
        && all(id, |b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The constraint of a text member.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    /// Fewest characters.
    pub(crate) min: usize,
    /// Most characters.
    pub(crate) max: usize,
    /// What it must look like.
    pub(crate) pattern: Pattern,
}

const fn text(min: usize, max: usize, pattern: Pattern) -> Text {
    Text { min, max, pattern }
}

pub(crate) const STAGE_NAME: Text = text(0, 128, Pattern::Word);
pub(crate) const STAGE_ARN: Text = text(1, 128, Pattern::StageArn);
pub(crate) const STORAGE_CONFIGURATION_ARN: Text =
    text(0, 128, Pattern::StorageConfigurationArnOrEmpty);
pub(crate) const SESSION_ID: Text = text(16, 16, Pattern::Session);
pub(crate) const PARTICIPANT_ID: Text = text(0, 64, Pattern::Word);
pub(crate) const USER_ID: Text = text(0, 128, Pattern::Storable);
pub(crate) const DISCONNECT_REASON: Text = text(0, 128, Pattern::Any);
pub(crate) const PAGE_TOKEN: Text = text(0, MAX_PAGE_TOKEN, Pattern::PageToken);
pub(crate) const TAG_KEY: Text = text(1, 128, Pattern::Any);
pub(crate) const TAG_VALUE: Text = text(0, 256, Pattern::Any);

/// The range of a whole-number member, both ends included.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

const fn range(min: u32, max: u32) -> Range {
    Range { min, max }
}

/// Minutes.
pub(crate) const TOKEN_DURATION: Range = range(1, 20_160);
/// Seconds.
pub(crate) const RECONNECT_WINDOW: Range = range(0, 300);
/// Seconds.
pub(crate) const THUMBNAIL_INTERVAL: Range = range(1, 86_400);
/// Seconds.
pub(crate) const SEGMENT_DURATION: Range = range(2, 10);
/// Of every list but the replicas.
pub(crate) const PAGE_SIZE: Range = range(1, 100);
/// Of ListParticipantReplicas.
pub(crate) const REPLICAS_PAGE_SIZE: Range = range(1, 50);

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
                Pattern::PageToken,
                &["", "aZ9+/=_-"],
                &["a b", "a\n", "é", "a:b"],
            ),
            (
                Pattern::StorageConfigurationArnOrEmpty,
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
        assert!(Pattern::StageArn.matches(arn));
        assert!(Pattern::Any.matches("any\nthing"));
    }

    #[test]
    fn every_part_of_an_arn_counts() {
        let good = "arn:aws:ivs:x1-2:1:stage/aB-9";
        assert!(Pattern::StageArn.matches(good));
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
            assert!(!Pattern::StageArn.matches(bad), "{bad:?}");
        }
    }
}
