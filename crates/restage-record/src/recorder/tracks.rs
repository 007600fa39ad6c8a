//! Which tracks a recording has.

use restage_codec::{Codec, MediaKind};

use super::Recorder;
use crate::config::{MediaTypes, RecorderConfig, Tracks};
use crate::output::Output;

/// How black pictures are encoded in a recording whose publisher sends none: as publishers' pictures mostly are.
const SPARE_CODEC: Codec = Codec::H264;

/// How pictures are encoded that stand for those of a later publication. `None`: no other publication may follow, or the recording has begun
/// without: players take their tracks from the first init.
pub(super) fn spare_pictures(config: &RecorderConfig) -> Option<Codec> {
    let has_begun = config.resumed.is_some_and(|resumed| resumed.next_init > 0);
    let has_both = config.media_types == MediaTypes::AudioVideo;
    (config.may_return && has_both && !has_begun).then_some(SPARE_CODEC)
}

impl Recorder {
    /// The publication may send these codecs, the likely ones first. The recording has a track for each kind from its beginning, and pictures
    /// are waited for. Codecs that cannot be recorded count for nothing.
    pub fn expect(&mut self, codecs: impl IntoIterator<Item = Codec>) {
        for codec in codecs {
            let may_show = self.may_show(codec);
            let offers_pictures = self.offers_pictures.get_or_insert(false);
            match (codec.kind(), self.media_types) {
                (MediaKind::Audio, MediaTypes::None)
                | (MediaKind::Video, MediaTypes::AudioOnly) => {}
                (MediaKind::Audio, _) => self.tracks.sound = true,
                (MediaKind::Video, _) if may_show => {
                    *offers_pictures = true;
                    self.tracks.pictures.get_or_insert(codec);
                }
                (MediaKind::Video, _) => {}
            }
        }
    }

    /// Whether pictures of this codec can be in the recording.
    pub(super) fn may_show(&self, codec: Codec) -> bool {
        codec != Codec::Vp8 && self.shown.is_none_or(|shown| shown == codec)
    }

    /// Whether a packet is left out because of its codec, which is said once.
    pub(super) fn refuses(&mut self, codec: Codec) -> bool {
        if codec.kind() != MediaKind::Video || self.may_show(codec) {
            return false;
        }
        if !self.refused.contains(&codec) {
            self.refused.push(codec);
            let began_with = self.shown.filter(|_| codec != Codec::Vp8);
            self.put(Output::Refused { codec, began_with });
        }
        true
    }

    /// The tracks of a run that begins now.
    pub(super) fn tracks_of_a_run(&self) -> Tracks {
        Tracks {
            pictures: self.tracks.pictures.or(self.spare_pictures),
            ..self.tracks
        }
    }

    /// Whether sound that begins a run waits for pictures.
    pub(super) fn awaits_pictures(&self) -> bool {
        self.tracks.pictures.is_some() && self.offers_pictures != Some(false)
    }
}
