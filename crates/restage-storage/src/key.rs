//! Names of buckets and keys of objects. Both become paths in a folder bucket, so both are checked before they are used.

use std::fmt;

/// The name of a bucket, or a key, breaks a rule. The text says which.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(String);

/// Longest key in bytes, as in S3.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Most parts of a key. A recording has eight: three ids, a time, and up to four below them.
const KEY_PARTS_MAX: usize = 16;
/// Longest part of a key, because file systems have names of at most 255 bytes, and a file is first written under a longer
/// name.
const KEY_PART_BYTES_MAX: usize = 200;

/// Beginnings and ends that S3 reserves (Amazon S3 User Guide, "General purpose bucket naming rules").
const RESERVED_BEGINNINGS: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_ENDS: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// The name of a bucket that follows the rules of S3. It is a plain file name too: it has no slash and does not begin with a
/// dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BucketName(String);

impl BucketName {
    /// Checks a name against the rules of S3. The error says which rule is broken.
    pub fn parse(name: &str) -> Result<Self, InvalidName> {
        let refused = |rule: &str| {
            let shown: String = name.chars().take(63).collect();
            Err(InvalidName(format!(
                "bucketName {shown:?} {rule}: use the name of a bucket that follows the rules of Amazon S3"
            )))
        };
        if !(3..=63).contains(&name.len()) {
            return refused("must have 3 to 63 characters");
        }
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !name
            .bytes()
            .all(|byte| is_plain(byte) || b"-.".contains(&byte))
        {
            return refused("may contain only lower-case letters, digits, dots and hyphens");
        }
        let ends = [name.bytes().next(), name.bytes().next_back()];
        if !ends.into_iter().flatten().all(is_plain) {
            return refused("must begin and end with a letter or a digit");
        }
        if name.contains("..") {
            return refused("must not have two dots in a row");
        }
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return refused("must not look like an IP address");
        }
        let is_reserved = RESERVED_BEGINNINGS
            .iter()
            .any(|part| name.starts_with(part))
            || RESERVED_ENDS.iter().any(|part| name.ends_with(part));
        match is_reserved {
            true => refused("has a beginning or an end that Amazon S3 reserves"),
            false => Ok(Self(name.to_owned())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of an object: parts of letters, digits and `-._`, separated by single slashes. No part is `.` or `..`, so that a
/// key never leaves the folder to which it belongs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(String);

impl Key {
    /// Checks a key.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let is_part = |part: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let length = 1..=KEY_PART_BYTES_MAX;
            part != "."
                && part != ".."
                && length.contains(&part.len())
                && part.bytes().all(is_plain)
        };
        let is_key = text.len() <= KEY_BYTES_MAX
            && text.split('/').count() <= KEY_PARTS_MAX
            && text.split('/').all(is_part);
        match is_key {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidName(
                "the key must be names of letters, digits, '-', '.' and '_', separated by single slashes; no name is '.' or '..'"
                    .to_owned(),
            )),
        }
    }

    /// The key of an object below a prefix. Both are checked.
    pub fn below(prefix: &str, name: &str) -> Result<Self, InvalidName> {
        Self::parse(prefix)?;
        Self::parse(name)?;
        Self::parse(&format!("{prefix}/{name}"))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many names the key has, with slashes between them.
    pub(crate) fn parts(&self) -> usize {
        self.0.split('/').count()
    }

    /// The names of the folders above the object, and the name of the object itself.
    pub(crate) fn split(&self) -> (impl Iterator<Item = &str>, &str) {
        let (folders, name) = match self.0.rsplit_once('/') {
            Some((folders, name)) => (folders, name),
            None => ("", &*self.0),
        };
        (folders.split('/').filter(|part| !part.is_empty()), name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        for name in ["abc", "my-bucket", "a.b.c", "0recordings9", &"a".repeat(63)] {
            assert_eq!(BucketName::parse(name).unwrap().as_str(), name);
        }
        for (name, words) in [
            ("ab", "3 to 63"),
            (&*"a".repeat(64), "3 to 63"),
            ("", "3 to 63"),
            ("Upper", "lower-case"),
            ("a/b", "lower-case"),
            ("a_b", "lower-case"),
            ("añb", "lower-case"),
            ("a\0b", "lower-case"),
            ("...", "begin and end"),
            (".abc", "begin and end"),
            ("abc-", "begin and end"),
            ("a..b", "two dots"),
            ("192.168.5.4", "IP address"),
            ("xn--abc", "reserves"),
            ("abc--x-s3", "reserves"),
        ] {
            let error = BucketName::parse(name).unwrap_err().to_string();
            assert!(error.contains(words), "{name:?}: {error}");
        }
    }

    #[test]
    fn keys_cannot_leave_their_folder() {
        let key = Key::below("st/a/b/2026-10-02T09-12-40Z", "media/hls/high/init-0.mp4").unwrap();
        let (folders, name) = key.split();
        assert_eq!(folders.count(), 7);
        assert_eq!(name, "init-0.mp4");
        assert!(Key::parse(".restage-probe").is_ok());
        for text in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/./b",
            "../a",
            "a\\b",
            "a b",
            "a\0b",
            "a%2e",
            "ä",
            &"a".repeat(201),
            &"a/".repeat(600),
            &["a"; 17].join("/"),
        ] {
            assert!(Key::parse(text).is_err(), "{text:?}");
        }
        assert!(Key::below("a/..", "b").is_err());
        assert!(Key::below("a", "../b").is_err());
        assert!(Key::below("", "b").is_err());
    }
}
