//! What was found out about signatures of self-signed tokens: verifying one costs half a millisecond, and clients present
//! the same token again and again.

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::Cache;

/// Tokens that are remembered, of 33 bytes each and as much again.
const VERDICTS_MAX: usize = 16_384;

/// By the digest of a token's text, whether its signature is right. A token names its key by an identifier that no other
/// key ever has, so the verdict holds for good; whether the key is still there is asked each time.
pub(super) struct Verdicts(Cache<[u8; 32], bool>);

impl Default for Verdicts {
    fn default() -> Self {
        Self(Cache::new(VERDICTS_MAX))
    }
}

impl Verdicts {
    pub(super) fn of(&self, token: &str) -> Option<bool> {
        self.0.get(&key(token))
    }

    pub(super) fn put(&self, token: &str, is_right: bool) {
        self.0.insert(key(token), is_right);
    }
}

fn key(token: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_remembered_within_a_bound() {
        let verdicts = Verdicts::default();
        verdicts.put("a.b.c", false);
        verdicts.put("a.b.d", true);
        assert_eq!(verdicts.of("a.b.c"), Some(false));
        assert_eq!(verdicts.of("a.b.d"), Some(true));
        assert_eq!(verdicts.of("a.b.e"), None);
        for number in 0..2 * VERDICTS_MAX {
            verdicts.put(&number.to_string(), false);
        }
        assert!(verdicts.0.len() <= VERDICTS_MAX);
    }
}
