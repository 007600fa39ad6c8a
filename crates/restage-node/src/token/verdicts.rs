//! Caches whether signatures of self-signed tokens are valid, because verifying one costs half a millisecond and
//! clients present the same token repeatedly.

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::Cache;

/// Cached verdicts, of 33 bytes each and as much overhead.
const VERDICTS_MAX: usize = 16_384;

/// Whether a token's signature is valid, by the digest of the token's text. A token names its key by an id that is
/// never reused, so a verdict does not change; whether the key still exists is checked each time.
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
