//! Page tokens (`nextToken`).
//!
//! A token is the letter `p` and lower-case hex digits: a tag of 16 bytes, then the position,
//! encrypted. It is deterministic, so no random source is needed:
//!
//! * tag = HMAC-SHA256(tag key, scope ‖ position), cut to 16 bytes. The scope (operation, account,
//!   region, filters) is written with a length before every part, so no two scopes are written alike.
//! * The position is combined with a key stream made from HMAC-SHA256(stream key, tag ‖ counter).
//!   This is a synthetic-IV construction: the tag authenticates, and seeds the encryption.
//!
//! No cipher of a library is used, AES-GCM-SIV for example: clients keep tokens, also while a server is updated, and those
//! must stay good.
//!
//! The holder of a token learns nothing about the position except its length, cannot change it, and cannot
//! use it with another operation, account, region or filter. Tokens for different positions differ,
//! since each opens to exactly one.
//!
//! The alphabet is chosen for clients that guess. botocore takes a starting token for its own
//! bookkeeping if it is base64 of JSON, and splits it at `___`. `p` stands for the bits `101001`, so
//! whichever way a token is taken for base64, the first byte is a UTF-8 continuation byte, with which
//! no text starts, and JSON neither. A later format would get another letter from `g` to `v`, for
//! which the same holds.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::error::ApiError;
use crate::extension::Call;
use crate::generated::constraint::PAGINATION_TOKEN;
use crate::mac::hmac_sha256;

/// Most characters of a page token.
const MAX_PAGE_TOKEN: usize = PAGINATION_TOKEN.max;
/// First letter of a token; the version of the format.
const VERSION: char = 'p';
/// Bytes of the tag.
const TAG: usize = 16;
/// Longest position, in bytes, whose token keeps to the model's 1,024 characters.
pub const MAX_POSITION: usize = (MAX_PAGE_TOKEN - VERSION.len_utf8()) / 2 - TAG;

/// What a token is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageScope<'a> {
    /// The list operation.
    pub operation: Call,
    /// The account whose rows are listed.
    pub account: &'a str,
    /// The Region whose rows are listed.
    pub region: &'a str,
    /// Every member of the request that chooses rows, by name and value (the requests' `filters()`).
    /// Not the page size, which may change from page to page.
    pub filters: &'a [(&'a str, &'a str)],
}

impl PageScope<'_> {
    fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut part = |text: &str| {
            out.extend_from_slice(&(text.len() as u64).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        };
        part(self.operation.name());
        part(self.account);
        part(self.region);
        for (name, value) in self.filters {
            part(name);
            part(value);
        }
        out
    }
}

/// Makes and opens page tokens. Everyone who serves the same rows needs the same key.
#[derive(Clone)]
pub struct PageTokens {
    tag_key: [u8; 32],
    stream_key: [u8; 32],
}

impl PageTokens {
    /// Derives what is needed from one secret.
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            tag_key: hmac_sha256(key, &[b"restage page token: tag"]),
            stream_key: hmac_sha256(key, &[b"restage page token: stream"]),
        }
    }

    /// The token that continues a list after `position`, which has at most [`MAX_POSITION`] bytes. (A
    /// longer one makes a token that [`Self::open`] refuses for its length.)
    pub fn seal(&self, scope: &PageScope<'_>, position: &[u8]) -> String {
        debug_assert!(position.len() <= MAX_POSITION, "a sort key is short");
        let tag = self.tag(scope, position);
        let mut token = String::from(VERSION);
        token.push_str(&hex::encode(tag));
        token.push_str(&hex::encode(self.crypt(&tag, position)));
        token
    }

    /// The position in a token that was made for this scope.
    ///
    /// # Errors
    /// `ValidationException` naming `nextToken`, for anything that [`Self::seal`] did not make with
    /// this key and scope.
    pub fn open(&self, scope: &PageScope<'_>, token: &str) -> Result<Vec<u8>, ApiError> {
        let digits = token.strip_prefix(VERSION).ok_or_else(bad_token)?;
        // One token per position: upper-case digits would be a second spelling.
        let canonical = token.len() <= MAX_PAGE_TOKEN
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical {
            return Err(bad_token());
        }
        let bytes = hex::decode(digits).map_err(|_| bad_token())?;
        let (tag, sealed) = bytes.split_first_chunk::<TAG>().ok_or_else(bad_token)?;
        let position = self.crypt(tag, sealed);
        match verify_slices_are_equal(&self.tag(scope, &position), tag) {
            Ok(()) => Ok(position),
            Err(_) => Err(bad_token()),
        }
    }

    fn tag(&self, scope: &PageScope<'_>, position: &[u8]) -> [u8; TAG] {
        let scope = scope.to_bytes();
        let length = (scope.len() as u64).to_be_bytes();
        let mac = hmac_sha256(&self.tag_key, &[&length, &scope, position]);
        std::array::from_fn(|i| mac[i])
    }

    /// Encrypts, and decrypts.
    fn crypt(&self, tag: &[u8; TAG], text: &[u8]) -> Vec<u8> {
        text.chunks(32)
            .zip(0u64..)
            .flat_map(|(chunk, counter)| {
                let stream = hmac_sha256(&self.stream_key, &[tag, &counter.to_be_bytes()]);
                chunk
                    .iter()
                    .zip(stream)
                    .map(|(byte, key)| byte ^ key)
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

/// Shows no key.
impl std::fmt::Debug for PageTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageTokens").finish_non_exhaustive()
    }
}

/// The answer to every invalid token. It does not say which check failed.
pub(crate) fn bad_token() -> ApiError {
    ApiError::validation(
        "nextToken is not a token of this list. It must come unchanged from an earlier page of the \
         same operation with the same other parameters.",
    )
}
