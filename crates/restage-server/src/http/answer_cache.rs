//! A cache of answers, each valid until the rows behind it change.
//!
//! Clients that wait for a change request pages of replicas and stages repeatedly. The answer to the same request of
//! the same account and Region stays the same until a commit changes what was read for it: see
//! [`Store::holds`](restage_store::Store::holds). The caller is authenticated, authorised and counted before the
//! look-up.

use std::hash::{Hash, Hasher};

use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};
use restage_api::Action;
use restage_store::Watch;

use super::api::Caller;

/// Longer requests are not cached, because they are rare.
const REQUEST_LEN_MAX: usize = 2_048;
/// Memory for an entry in addition to the bytes of its answer.
const OVERHEAD_BYTES: u64 = 256;
/// Expected size of an answer, from which the cache computes its number of entries.
const USUAL_BYTES: u64 = 4_096;

/// The answer of an operation.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    /// While this holds, the answer is valid for the same request; `None` means that the answer is not cached.
    watch: Option<Watch>,
}

impl Answer {
    /// An answer that is valid for the same request while `watch` holds.
    pub(super) fn while_holds(watch: Watch, body: String) -> Self {
        let (body, watch) = (body.into(), Some(watch));
        Self { body, watch }
    }
}

impl From<String> for Answer {
    fn from(body: String) -> Self {
        let (body, watch) = (body.into(), None);
        Self { body, watch }
    }
}

/// A request, as the key of its answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    account: Box<str>,
    region: Box<str>,
    action: Action,
    body: Box<[u8]>,
}

/// The same key, borrowed.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) caller: &'a Caller,
    pub(super) action: Action,
    pub(super) body: &'a [u8],
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Same order as the fields of the owned key, so that both hash alike.
        self.caller.account.as_str().hash(state);
        self.caller.region.as_str().hash(state);
        self.action.hash(state);
        self.body.hash(state);
    }
}

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *key.account == *self.caller.account
            && *key.region == *self.caller.region
            && key.action == self.action
            && *key.body == *self.body
    }
}

#[derive(Clone, Copy, Debug)]
struct ByBytes;

impl Weighter<Key, Answer> for ByBytes {
    fn weight(&self, key: &Key, answer: &Answer) -> u64 {
        let text = key.account.len() + key.region.len() + key.body.len() + answer.body.len();
        text as u64 + OVERHEAD_BYTES
    }
}

/// The cached answers. An invalid entry is removed when it is looked up or when its room is needed.
#[derive(Debug)]
pub struct Answers {
    kept: Option<Cache<Key, Answer, ByBytes>>,
}

impl Answers {
    /// A cache of this many bytes; with 0 nothing is cached.
    pub fn new(bytes_max: u64) -> Self {
        let items = usize::try_from(bytes_max / USUAL_BYTES).unwrap_or(usize::MAX);
        let cache = || Cache::with_weighter(items.max(1), bytes_max, ByBytes);
        Self {
            kept: (bytes_max > 0).then(cache),
        }
    }

    /// The answer, if it is cached and still valid.
    pub(super) fn get(&self, asked: Asked<'_>, holds: impl Fn(&Watch) -> bool) -> Option<Answer> {
        let kept = self.kept.as_ref()?;
        if asked.body.len() > REQUEST_LEN_MAX {
            return None;
        }
        let found = kept.get(&asked)?;
        if found.watch.as_ref().is_some_and(holds) {
            return Some(found);
        }
        kept.remove(&asked);
        None
    }

    /// Stores an answer, if it may be cached.
    pub(super) fn put(&self, asked: Asked<'_>, answer: &Answer) {
        let Some(kept) = &self.kept else { return };
        if answer.watch.is_none() || asked.body.len() > REQUEST_LEN_MAX {
            return;
        }
        let key = Key {
            account: asked.caller.account.as_str().into(),
            region: asked.caller.region.as_str().into(),
            action: asked.action,
            body: asked.body.into(),
        };
        kept.insert(key, answer.clone());
    }
}

#[cfg(test)]
mod tests {
    use restage_api::Operation;
    use restage_core::id::StageId;

    use super::*;
    use restage_store::Subject;

    fn caller(account: &str, region: &str) -> Caller {
        Caller {
            account: account.to_owned(),
            region: region.to_owned(),
        }
    }

    fn asked<'a>(caller: &'a Caller, body: &'a [u8]) -> Asked<'a> {
        Asked {
            caller,
            action: Operation::GetStage.into(),
            body,
        }
    }

    fn answer(body: &str) -> Answer {
        let stage = StageId::new("s");
        let watch = Watch::of([Subject::Stage(&stage); 2], 7);
        Answer::while_holds(watch, body.to_owned())
    }

    #[test]
    fn an_answer_is_given_to_the_very_same_request_while_it_holds() {
        let answers = Answers::new(100_000);
        let ann = caller("111122223333", "eu-west-1");
        answers.put(asked(&ann, b"{}"), &answer("one"));
        let given = |asked| answers.get(asked, |_| true).map(|found| found.body);
        assert_eq!(given(asked(&ann, b"{}")).unwrap(), "one");
        assert_eq!(given(asked(&ann, b"{ }")), None);
        let elsewhere = caller("111122223333", "us-east-1");
        assert_eq!(given(asked(&elsewhere, b"{}")), None);
        let bob = caller("999988887777", "eu-west-1");
        assert_eq!(given(asked(&bob, b"{}")), None);
        let other = Asked {
            action: Operation::ListParticipantReplicas.into(),
            ..asked(&ann, b"{}")
        };
        assert_eq!(given(other), None);
        answers.put(asked(&ann, b"{}"), &answer("two"));
        assert_eq!(given(asked(&ann, b"{}")).unwrap(), "two");
        assert!(answers.get(asked(&ann, b"{}"), |_| false).is_none());
        assert_eq!(given(asked(&ann, b"{}")), None, "it is gone");
    }

    #[test]
    fn what_may_not_be_given_again_is_not_kept() {
        let ann = caller("111122223333", "eu-west-1");
        let none = Answers::new(0);
        none.put(asked(&ann, b"{}"), &answer("x"));
        assert!(none.get(asked(&ann, b"{}"), |_| true).is_none());
        let answers = Answers::new(100_000);
        answers.put(asked(&ann, b"{}"), &Answer::from("x".to_owned()));
        assert!(answers.get(asked(&ann, b"{}"), |_| true).is_none());
        let long = vec![b' '; REQUEST_LEN_MAX + 1];
        answers.put(asked(&ann, &long), &answer("x"));
        assert!(answers.get(asked(&ann, &long), |_| true).is_none());
    }

    #[test]
    fn answers_keep_to_their_room() {
        let room = 200_000;
        let answers = Answers::new(room);
        let ann = caller("111122223333", "eu-west-1");
        let text = "x".repeat(1_000);
        for number in 0..1_000 {
            let body = number.to_string();
            answers.put(asked(&ann, body.as_bytes()), &answer(&text));
        }
        let kept = answers.kept.as_ref().unwrap();
        assert!(kept.weight() <= room && kept.len() > 50, "{}", kept.len());
        let whole = "x".repeat(room as usize);
        answers.put(asked(&ann, b"{}"), &answer(&whole));
        assert!(kept.weight() <= room);
    }
}
