//! Packets that a client has decrypted: their owner, and their order.

use std::collections::BTreeMap;

use restage_core::PublicationKey;
use restage_core::id::ConnectionId;
use str0m::format::Codec;

use crate::client::Got;
use crate::client::source::{Mark, SOUND, picture_id};
use crate::coverage::Coverage;

/// Packets whose neighbours are still looked for.
const REMEMBERED: usize = 512;

#[derive(Debug, Clone, Copy)]
struct Seen {
    mark: Mark,
    picture_id: Option<u16>,
}

/// The newest packet of each kind: the feed, and the number.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Newest {
    pub(crate) audio: Option<(u64, u32)>,
    pub(crate) video: Option<(u64, u32)>,
}

/// Everything that a connection has received.
#[derive(Debug, Default)]
pub(super) struct Received {
    streams: BTreeMap<u32, BTreeMap<u64, Seen>>,
    audio: Option<(u64, u32)>,
    video: Option<(u64, u32)>,
    layer: Option<u8>,
}

impl Received {
    pub(super) fn take(
        &mut self,
        connection: &ConnectionId,
        got: &Got,
        entitled: Option<&PublicationKey>,
        feeds: &BTreeMap<u64, PublicationKey>,
        coverage: &mut Coverage,
    ) {
        let Some(mark) = Mark::of(&got.payload) else {
            return;
        };
        let owner = feeds.get(&mark.feed);
        assert!(
            owner.is_some() && owner == entitled,
            "{connection:?} receives {entitled:?} and is sent a packet of {owner:?}"
        );
        assert_eq!(
            mark.layer == SOUND,
            got.is_audio,
            "{connection:?}: sound is sound"
        );
        let newest = if got.is_audio {
            &mut self.audio
        } else {
            &mut self.video
        };
        *newest = (*newest).max(Some((mark.feed, mark.number)));
        if !got.is_audio
            && self
                .layer
                .replace(mark.layer)
                .is_some_and(|before| before != mark.layer)
        {
            coverage.reach("pictures of another layer");
        }
        let picture_id = match got.codec {
            Codec::Vp8 => picture_id(&got.payload),
            _ => None,
        };
        let seen = Seen { mark, picture_id };
        let stream = self.streams.entry(got.ssrc).or_default();
        let before = got.seq.checked_sub(1).and_then(|seq| stream.get(&seq));
        if let Some(before) = before {
            follows(connection, *before, seen);
        }
        if let Some(after) = stream.get(&(got.seq + 1)) {
            follows(connection, seen, *after);
        }
        stream.insert(got.seq, seen);
        if stream.len() > REMEMBERED {
            stream.pop_first();
        }
    }

    pub(super) fn newest(&self) -> Newest {
        Newest {
            audio: self.audio,
            video: self.video,
        }
    }
}

/// Two packets with neighbouring numbers.
fn follows(connection: &ConnectionId, first: Seen, second: Seen) {
    let (one, two) = (first.mark, second.mark);
    if one.feed == two.feed && one.layer == two.layer {
        let is_next = match one.number == two.number {
            true => two.place > one.place,
            false => two.number > one.number,
        };
        assert!(is_next, "{connection:?}: {two:?} comes behind {one:?}");
    }
    let (Some(from), Some(to)) = (first.picture_id, second.picture_id) else {
        return;
    };
    let step = to.wrapping_sub(from) & 0x7fff;
    assert!(
        step <= 1,
        "{connection:?}: picture id {to} comes behind {from}, of {two:?} behind {one:?}"
    );
}
