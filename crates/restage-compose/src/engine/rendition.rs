//! One encoding of what is composed: its clock, its canvas, its encoder.

use std::collections::{BTreeMap, VecDeque};

use super::view::View;
use super::{DELAY_US, FromChild, Health};
use crate::encode::{Encoder, KEY_FRAME_SECONDS};
use crate::layout::{FillMode, Layout, Tile, lay_out};
use crate::picture::{Painter, Yuv, placeholder};
use crate::protocol::{Person, Rendition, Showing, ShownTile, Video};

/// Pictures in a row that took longer than they last, after which every second one is left out.
const OVER_BUDGET_TICKS: u32 = 3;
/// Pictures in a row that took less than two thirds of the time, after which none is left out any more.
const EASY_TICKS: u32 = 45;
/// How long an encoder may make nothing.
const NOTHING_MAX_US: u64 = 5_000_000;
/// Pictures a thousand seconds, at least.
const RATE_MIN: u32 = 1_000;

/// What was drawn into a tile.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Content {
    Picture(u64),
    Placeholder(String, Option<String>),
}

pub(super) struct Output {
    number: u8,
    rendition: Rendition,
    encoder: Encoder,
    painter: Painter,
    canvas: Yuv,
    tiles: Vec<Tile>,
    drawn: Vec<Content>,
    told: Vec<ShownTile>,
    /// When the first picture was due, and the number of the next one.
    begun_us: u64,
    next: u64,
    key_due_us: u64,
    over_budget: u32,
    easy: u32,
    /// Every second picture is left out.
    is_halved: bool,
    /// When the last picture was due of which the encoder made something.
    made_us: u64,
}

impl Output {
    /// `None`: the library cannot make an encoder.
    pub(super) fn new(place: usize, rendition: &Rendition, now_us: u64) -> Option<Self> {
        Some(Self {
            number: u8::try_from(place).ok()?,
            rendition: *rendition,
            encoder: Encoder::new(rendition)?,
            painter: Painter::default(),
            canvas: Yuv::black(rendition.width, rendition.height),
            tiles: Vec::new(),
            drawn: Vec::new(),
            told: Vec::new(),
            begun_us: now_us,
            next: 0,
            key_due_us: now_us,
            over_budget: 0,
            easy: 0,
            is_halved: false,
            made_us: now_us,
        })
    }

    pub(super) fn want_key_frame(&mut self) {
        self.encoder.want_key_frame();
    }

    /// The encoder makes nothing any more.
    pub(super) fn is_broken(&self) -> bool {
        self.next > 0 && self.at_us(self.next - 1).saturating_sub(self.made_us) > NOTHING_MAX_US
    }

    /// When the picture of this number is due.
    fn at_us(&self, number: u64) -> u64 {
        let rate = u64::from(self.rendition.framerate_milli.max(RATE_MIN));
        self.begun_us + number * 1_000_000_000 / rate
    }

    /// When the next picture is due.
    pub(super) fn due_us(&self) -> u64 {
        self.at_us(self.next)
    }

    /// Makes the picture that is due.
    pub(super) fn tick(
        &mut self,
        (layout, persons): (&Layout, &[Person]),
        views: &mut BTreeMap<u32, View>,
        clock: &mut impl FnMut() -> u64,
        (health, out): (&mut Health, &mut VecDeque<FromChild>),
    ) {
        let now_us = clock();
        // Those whose time is over are left out.
        while self.at_us(self.next + 1) <= now_us {
            // The encoder is not to blame for them.
            self.made_us += self.at_us(self.next + 1) - self.at_us(self.next);
            self.next += 1;
            health.ticks += 1;
            health.late_ticks += 1;
        }
        let due_us = self.due_us();
        let lasts_us = self.at_us(self.next + 1) - due_us;
        let number = self.next;
        self.next += 1;
        health.ticks += 1;
        if self.is_halved && number.is_multiple_of(2) {
            health.skipped_pictures += 1;
            return;
        }
        let shown_us = due_us.saturating_sub(DELAY_US);
        // The nearest before or after: a picture is half of one's time away from its sound at most.
        for view in views.values_mut() {
            view.advance(shown_us + lasts_us / 2, due_us);
        }
        self.compose(layout, persons, views);
        self.tell(views, out);
        let composed_us = clock();
        health.compose_us += composed_us.saturating_sub(now_us);
        if due_us >= self.key_due_us {
            self.encoder.want_key_frame();
            self.key_due_us = due_us + KEY_FRAME_SECONDS * 1_000_000 - lasts_us / 2;
        }
        if let Some(encoded) = self.encoder.encode(&self.canvas) {
            self.made_us = due_us;
            out.push_back(FromChild::Picture {
                rendition: self.number,
                at_us: shown_us,
                is_key: encoded.is_key,
                bytes: encoded.bytes,
            });
        }
        let ended_us = clock();
        health.encode_us += ended_us.saturating_sub(composed_us);
        self.balance(ended_us.saturating_sub(now_us), lasts_us);
    }

    /// Leaves every second picture out where they take longer than they last.
    fn balance(&mut self, took_us: u64, lasts_us: u64) {
        self.over_budget = if took_us > lasts_us {
            self.over_budget + 1
        } else {
            0
        };
        self.easy = if took_us * 3 < lasts_us * 2 {
            self.easy + 1
        } else {
            0
        };
        if self.over_budget >= OVER_BUDGET_TICKS {
            self.is_halved = true;
        } else if self.easy >= EASY_TICKS {
            self.is_halved = false;
        }
    }

    fn compose(&mut self, layout: &Layout, persons: &[Person], views: &BTreeMap<u32, View>) {
        // What the decoder has found out of a participant counts as what the server says.
        let persons: Vec<Person> = persons
            .iter()
            .map(|person| {
                let refusal = views.get(&person.input).and_then(View::refusal);
                let known = person.why_no_picture.clone();
                Person {
                    why_no_picture: known.or_else(|| refusal.map(str::to_owned)),
                    ..person.clone()
                }
            })
            .collect();
        let size = (self.rendition.width, self.rendition.height);
        let tiles = lay_out(layout, &persons, size, |input| views.get(&input)?.size());
        let contents = tiles.iter().map(|tile| content(tile, &persons, views));
        let contents: Vec<Content> = contents.collect();
        let is_new = tiles != self.tiles;
        if is_new {
            self.canvas = Yuv::black(size.0, size.1);
            self.tiles = tiles;
        }
        let mut is_below_new = false;
        for (place, content) in contents.iter().enumerate() {
            let tile = self.tiles[place];
            let is_known = !is_new && self.drawn.get(place) == Some(content);
            if is_known && !(is_below_new && tile.z > 0) {
                continue;
            }
            is_below_new = true;
            match (content, views.get(&tile.input).and_then(View::picture)) {
                (Content::Picture(_), Some((picture, _))) => {
                    self.painter
                        .draw(picture, &mut self.canvas, tile.rect, tile.fill);
                }
                (Content::Placeholder(name, reason), _) => {
                    let (width, height) = (tile.rect.width, tile.rect.height);
                    let picture = placeholder(width, height, name, reason.as_deref());
                    self.painter
                        .draw(&picture, &mut self.canvas, tile.rect, FillMode::Fill);
                }
                (Content::Picture(_), None) => {}
            }
        }
        self.drawn = contents;
    }

    /// Says what is shown, if that has changed.
    fn tell(&mut self, views: &BTreeMap<u32, View>, out: &mut VecDeque<FromChild>) {
        let shown = self.tiles.iter().zip(&self.drawn).map(|(tile, content)| {
            let size = views.get(&tile.input).and_then(View::size);
            let (source_width, source_height) = size.unwrap_or_default();
            ShownTile {
                input: tile.input,
                x: tile.rect.x,
                y: tile.rect.y,
                width: tile.rect.width,
                height: tile.rect.height,
                z: tile.z,
                showing: match content {
                    Content::Picture(_) => Showing::Picture,
                    Content::Placeholder(..) => Showing::Placeholder,
                },
                source_width,
                source_height,
            }
        });
        let shown: Vec<ShownTile> = shown.collect();
        if shown != self.told {
            out.push_back(FromChild::Shown {
                rendition: self.number,
                tiles: shown.clone(),
            });
            self.told = shown;
        }
    }
}

fn content(tile: &Tile, persons: &[Person], views: &BTreeMap<u32, View>) -> Content {
    let person = persons.iter().find(|person| person.input == tile.input);
    let is_shown = person
        .is_some_and(|person| person.video == Video::Publishing && person.why_no_picture.is_none());
    let picture = views.get(&tile.input).and_then(View::picture);
    match picture.filter(|_| is_shown) {
        Some((_, version)) => Content::Picture(version),
        None => {
            let name = person.map_or("", |person| &person.name);
            let reason = person.and_then(|person| person.why_no_picture.clone());
            Content::Placeholder(name.to_owned(), reason)
        }
    }
}
