//! One picture that is made: its tiles, its canvas, its encoder, and when it is due.

use std::collections::BTreeMap;

use crate::encode::{EncodedPicture, VideoEncoder};
use crate::layout::{Rect, Size, Tile};
use crate::limits::{KEY_FRAME_INTERVAL_US, KEY_FRAME_SPACING_US};
use crate::picture::{Frame, Painter, Placeholders};
use crate::protocol::{Health, Rendition, Showing, ShownTile};

/// What is to be seen of a person.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    Picture {
        picture: &'a Frame,
        serial: u64,
    },
    Placeholder {
        name: &'a str,
        text: Option<&'a str>,
        /// Size of what the person sends, if it is known.
        size: Option<Size>,
    },
}

/// What it takes to draw.
#[derive(Debug)]
pub(super) struct Drawing<'a> {
    pub(super) placeholders: &'a Placeholders,
    pub(super) contents: &'a BTreeMap<u32, Content<'a>>,
}

/// What is on the canvas in a tile.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Drawn {
    Nothing,
    Picture {
        serial: u64,
        size: Size,
    },
    Placeholder {
        name: String,
        text: Option<String>,
        size: Option<Size>,
    },
}

impl Drawn {
    fn of(content: &Content<'_>) -> Self {
        match *content {
            Content::Picture { picture, serial } => Self::Picture {
                serial,
                size: picture.size(),
            },
            Content::Placeholder { name, text, size } => Self::Placeholder {
                name: name.to_owned(),
                text: text.map(str::to_owned),
                size,
            },
        }
    }

    fn shown(&self, tile: &Tile) -> ShownTile {
        let (picture, size) = match self {
            Self::Nothing => (Showing::Placeholder, None),
            Self::Picture { size, .. } => (Showing::Picture, Some(*size)),
            Self::Placeholder { size, .. } => (Showing::Placeholder, *size),
        };
        let Rect {
            x,
            y,
            width,
            height,
        } = tile.rect;
        ShownTile {
            input: tile.input,
            x,
            y,
            width,
            height,
            z: tile.z,
            picture,
            source_width: size.map_or(0, |size| size.width),
            source_height: size.map_or(0, |size| size.height),
        }
    }
}

#[derive(Debug)]
struct TileState {
    tile: Tile,
    drawn: Drawn,
    /// The placeholder as it was drawn, for when something below it is drawn anew.
    placeholder: Option<Frame>,
}

/// One picture that is made.
#[derive(Debug)]
pub(super) struct RenditionState {
    rendition: Rendition,
    encoder: VideoEncoder,
    canvas: Frame,
    painter: Painter,
    tiles: Vec<TileState>,
    shown: Vec<ShownTile>,
    start_us: u64,
    /// Number of the next tick.
    number: u64,
    next_key_us: u64,
    last_key_us: Option<u64>,
    wants_key_frame: bool,
}

impl RenditionState {
    pub(super) fn new(rendition: Rendition, start_us: u64) -> Result<Self, openh264::Error> {
        let size = Size {
            width: rendition.width,
            height: rendition.height,
        };
        Ok(Self {
            rendition,
            encoder: VideoEncoder::new(&rendition)?,
            canvas: Frame::new(size),
            painter: Painter::default(),
            tiles: Vec::new(),
            shown: Vec::new(),
            start_us,
            number: 0,
            next_key_us: start_us,
            last_key_us: None,
            wants_key_frame: false,
        })
    }

    pub(super) fn size(&self) -> Size {
        self.canvas.size()
    }

    pub(super) fn interval_us(&self) -> u64 {
        1_000_000_000 / u64::from(self.rendition.framerate_milli)
    }

    pub(super) fn due_us(&self) -> u64 {
        let rate = u128::from(self.rendition.framerate_milli);
        let after_us = u128::from(self.number) * 1_000_000_000 / rate;
        self.start_us.saturating_add(after_us as u64)
    }

    /// The time of the tick that is due, and goes on to the next one. Ticks that have been missed are left out.
    pub(super) fn take_due(&mut self, now_us: u64, health: &mut Health) -> Option<u64> {
        let due_us = self.due_us();
        if now_us < due_us {
            return None;
        }
        health.ticks += 1;
        let missed = (now_us - due_us) / self.interval_us();
        if missed > 0 {
            health.late_ticks += 1;
            health.skipped_pictures += missed;
            self.number += missed;
            // Rounding of the interval must not lead beyond the present.
            while self.due_us() > now_us {
                self.number -= 1;
            }
        }
        let due_us = self.due_us();
        self.number += 1;
        Some(due_us)
    }

    pub(super) fn want_key_frame(&mut self) {
        self.wants_key_frame = true;
    }

    pub(super) fn has_tile(&self, input: u32) -> bool {
        self.tiles.iter().any(|state| state.tile.input == input)
    }

    pub(super) fn arrange(&mut self, tiles: Vec<Tile>) {
        if self.tiles.iter().map(|state| &state.tile).eq(&tiles) {
            return;
        }
        let size = self.canvas.size();
        self.canvas.blacken(Rect {
            x: 0,
            y: 0,
            width: size.width,
            height: size.height,
        });
        self.tiles = tiles
            .into_iter()
            .map(|tile| TileState {
                tile,
                drawn: Drawn::Nothing,
                placeholder: None,
            })
            .collect();
    }

    /// Draws what has changed. What is shown, if that has changed.
    pub(super) fn draw(&mut self, drawing: &Drawing<'_>) -> Option<Vec<ShownTile>> {
        let mut changed: Vec<Rect> = Vec::new();
        for state in &mut self.tiles {
            let Some(content) = drawing.contents.get(&state.tile.input) else {
                continue;
            };
            let rect = state.tile.rect;
            let is_below_clean = !changed.iter().any(|other| other.overlaps(&rect));
            let drawn = Drawn::of(content);
            if state.drawn == drawn && is_below_clean {
                continue;
            }
            match *content {
                Content::Picture { picture, .. } => {
                    self.painter.draw(&mut self.canvas, picture, &state.tile);
                    state.placeholder = None;
                }
                Content::Placeholder { name, text, .. } => {
                    if state.drawn != drawn {
                        state.placeholder = None;
                    }
                    let size = Size {
                        width: rect.width,
                        height: rect.height,
                    };
                    let placeholder = state
                        .placeholder
                        .get_or_insert_with(|| drawing.placeholders.draw(size, name, text));
                    self.canvas.blit(placeholder, rect);
                }
            }
            state.drawn = drawn;
            changed.push(rect);
        }
        let states = self.tiles.iter();
        let shown: Vec<ShownTile> = states.map(|state| state.drawn.shown(&state.tile)).collect();
        if shown == self.shown && self.number > 1 {
            return None;
        }
        self.shown.clone_from(&shown);
        Some(shown)
    }

    pub(super) fn encode(
        &mut self,
        due_us: u64,
    ) -> Result<Option<EncodedPicture>, openh264::Error> {
        let spacing = |last_us: u64| due_us.saturating_sub(last_us) >= KEY_FRAME_SPACING_US;
        let is_asked = self.wants_key_frame && self.last_key_us.is_none_or(spacing);
        let is_key = is_asked || due_us >= self.next_key_us;
        let encoded = self.encoder.encode(&self.canvas, due_us, is_key)?;
        if encoded.as_ref().is_some_and(|picture| picture.is_key) {
            self.wants_key_frame = false;
            self.last_key_us = Some(due_us);
            let intervals = (due_us - self.start_us) / KEY_FRAME_INTERVAL_US + 1;
            self.next_key_us = self.start_us + intervals * KEY_FRAME_INTERVAL_US;
        }
        Ok(encoded)
    }
}
