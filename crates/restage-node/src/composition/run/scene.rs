//! What the compositor is told of participants, and what follows from what it shows.

use std::sync::Arc;

use restage_compose::protocol::{Showing, ShownTile, ToChild, VideoCodec};
use restage_media::Codec;

use super::Run;
use crate::composition::assemble::{Picture, Sound};
use crate::composition::input::Input;
use crate::control::Shown;

impl Run {
    /// Takes who publishes now.
    pub(super) fn on_stage(&mut self, shown: &Arc<[Shown]>) {
        let fresh = self.people.take(shown, &self.spec.layout);
        let numbers = self.people.numbers();
        self.inputs.retain(|number, _| numbers.contains(number));
        for (number, publication) in fresh {
            self.inputs.insert(number, Input::new(publication));
        }
        self.tell_scene();
    }

    pub(super) fn tell_scene(&mut self) {
        let persons = self.people.scene(&self.spec.layout);
        self.status.tell(&self.people);
        self.tell(&ToChild::Scene { persons });
    }

    /// Takes what a rendition shows: participants are asked for the layers that their tiles need.
    pub(super) fn on_shown(&mut self, rendition: u8, tiles: Vec<ShownTile>) {
        for tile in tiles.iter().filter(|tile| tile.showing == Showing::Picture) {
            self.people.is_shown(tile.input);
        }
        self.status
            .shown(usize::from(rendition), &tiles, &self.people);
        for (number, input) in &mut self.inputs {
            input.show(self.status.height_of(*number));
        }
    }
}

/// A picture as the compositor takes it.
pub(super) fn picture(input: u32, picture: Picture) -> ToChild {
    ToChild::Picture {
        input,
        at_us: picture.at_us,
        codec: match picture.codec {
            Codec::Vp8 => VideoCodec::Vp8,
            _ => VideoCodec::H264,
        },
        is_key: picture.is_key,
        quarter_turns: picture.quarter_turns,
        bytes: picture.bytes,
    }
}

/// A packet of sound as the compositor takes it.
pub(super) fn sound(input: u32, sound: Sound) -> ToChild {
    ToChild::Sound {
        input,
        at_us: sound.at_us,
        timestamp: sound.timestamp,
        bytes: sound.bytes,
    }
}
