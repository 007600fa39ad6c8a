//! The heart of a composition: messages and the time go in, pictures, sound and news come out.
//!
//! It has no clock. [`Engine::tick`] is called when [`Engine::due_us`] has come, or as soon after it as possible, and never waits for an
//! input: each tile has the newest picture whose time was [`DELAY_US`](crate::limits::DELAY_US) before the tick, or will have been
//! before half a tick has passed, so that pictures are on either side of the sound by the same. Pictures of inputs
//! wait encoded and are decoded when their time has come, so that an input takes the memory of one picture; those that nobody sees are
//! not decoded. Whoever joins, leaves or changes is at the next tick where the layout puts them.
//!
//! A stopwatch measures what ticks cost, for the figures and for one decision: while ticks take longer than there is time, every second
//! picture is left out.

mod budget;
mod input;
mod rendition;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::layout::{Layout, Person, Size, Tile, Video, tiles};
use crate::limits::{DELAY_US, HEALTH_US, PICTURE_OLD_US};
use crate::picture::Placeholders;
use crate::protocol::{FromChild, Health, ProtocolError, Setup, ToChild};
use crate::sound::{AacEncode, Mixer, Sound};
use budget::Budget;
use input::{News, Unit, VideoInput};
use rendition::{Content, Drawing, RenditionState};

/// Why a composition cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The setup is out of bounds.
    #[error(transparent)]
    Setup(#[from] ProtocolError),
    /// An encoder of pictures has failed.
    #[error("the encoder of the picture: {0}")]
    Picture(#[from] openh264::Error),
    /// The encoder of sound has failed.
    #[error("the encoder of the sound: {0}")]
    Sound(#[from] opus::Error),
}

/// Microseconds that have passed since any moment, for measuring.
pub type Stopwatch = Box<dyn Fn() -> u64>;

/// A composition.
pub struct Engine {
    layout: Layout,
    renditions: Vec<RenditionState>,
    mixer: Mixer,
    persons: Vec<Person>,
    inputs: BTreeMap<u32, VideoInput>,
    /// Sizes of pictures for which the tiles were made; `None` if tiles are to be made anew.
    sources: Option<BTreeMap<u32, Size>>,
    placeholders: Placeholders,
    budget: Budget,
    health: Health,
    health_due_us: u64,
    stopwatch: Stopwatch,
    is_stopped: bool,
    out: VecDeque<FromChild>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("persons", &self.persons.len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Begins at `setup.now_us`. AAC is made if the setup wants it and its encoder is given.
    ///
    /// # Errors
    ///
    /// The setup is out of bounds, or there is no memory for encoders.
    pub fn new(
        setup: Setup,
        stopwatch: Stopwatch,
        aac: Option<Box<dyn AacEncode>>,
    ) -> Result<Self, EngineError> {
        setup.check()?;
        let now_us = setup.now_us;
        let renditions: Result<Vec<_>, _> = setup
            .renditions
            .iter()
            .map(|rendition| RenditionState::new(*rendition, now_us))
            .collect();
        let renditions = renditions?;
        let interval_us = renditions.iter().map(RenditionState::interval_us).min();
        Ok(Self {
            layout: setup.layout,
            renditions,
            mixer: Mixer::new(now_us, setup.sound, aac)?,
            persons: Vec::new(),
            inputs: BTreeMap::new(),
            sources: None,
            placeholders: Placeholders::default(),
            budget: Budget::new(interval_us.unwrap_or(HEALTH_US)),
            health: Health::default(),
            health_due_us: now_us + HEALTH_US,
            stopwatch,
            is_stopped: false,
            out: VecDeque::new(),
        })
    }

    /// Takes a message. A second setup is ignored.
    pub fn take(&mut self, message: ToChild) {
        match message {
            ToChild::Setup(_) => {}
            ToChild::Scene { persons } => self.take_scene(persons),
            ToChild::Picture {
                input,
                at_us,
                codec,
                is_key,
                quarter_turns,
                bytes,
            } => {
                if let Some(state) = self.inputs.get_mut(&input) {
                    state.take(Unit {
                        at_us,
                        codec,
                        is_key,
                        quarter_turns,
                        bytes,
                    });
                }
            }
            ToChild::Sound {
                input,
                at_us,
                timestamp,
                bytes,
            } => {
                if self.inputs.contains_key(&input) {
                    let start = (self.stopwatch)();
                    self.mixer.take(input, at_us, timestamp, &bytes);
                    self.health.mix_us += self.spend(start);
                }
            }
            ToChild::KeyFrame { rendition } => {
                if let Some(state) = self.renditions.get_mut(usize::from(rendition)) {
                    state.want_key_frame();
                }
            }
            ToChild::Stop => self.is_stopped = true,
        }
    }

    fn take_scene(&mut self, persons: Vec<Person>) {
        let is_here = |input: u32| persons.iter().any(|person| person.input == input);
        self.inputs.retain(|input, _| is_here(*input));
        self.mixer.keep(is_here);
        for person in &persons {
            let state = self.inputs.entry(person.input).or_default();
            if person.has_video != Video::Publishing || person.why_no_picture.is_some() {
                state.clear();
            }
        }
        self.persons = persons;
        self.sources = None;
    }

    /// When [`tick`](Self::tick) is to be called next, in microseconds of the server's clock.
    pub fn due_us(&self) -> u64 {
        let pictures = self.renditions.iter().map(RenditionState::due_us);
        pictures.fold(self.mixer.due_us(), u64::min)
    }

    /// Nothing more will be made.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// The next message for the server. It is to be called after each tick until there is none.
    pub fn poll(&mut self) -> Option<FromChild> {
        self.out.pop_front()
    }

    /// Makes what is due.
    ///
    /// # Errors
    ///
    /// An encoder has failed; the composition is to be begun anew.
    pub fn tick(&mut self, now_us: u64) -> Result<(), EngineError> {
        if self.is_stopped {
            return Ok(());
        }
        self.mix(now_us);
        for place in 0..self.renditions.len() {
            if let Some(due_us) = self.renditions[place].take_due(now_us, &mut self.health) {
                self.advance(due_us, now_us);
                self.render(place, due_us)?;
            }
        }
        if now_us >= self.health_due_us {
            self.report(now_us);
        }
        Ok(())
    }

    fn mix(&mut self, now_us: u64) {
        let start = (self.stopwatch)();
        let out = &mut self.out;
        self.mixer.run(now_us, |sound| {
            out.push_back(match sound {
                Sound::Opus { at_us, bytes } => FromChild::Opus { at_us, bytes },
                Sound::Aac { at_us, bytes } => FromChild::Aac { at_us, bytes },
            });
        });
        self.health.mix_us += self.spend(start);
    }

    /// Decodes the pictures whose time has come, of the inputs that are seen.
    fn advance(&mut self, due_us: u64, now_us: u64) {
        let start = (self.stopwatch)();
        self.arrange();
        // The nearest tick, not the one after: pictures would be half a tick behind the sound in the mean.
        let half_us = (self.budget.interval_us() / 2).min(HALF_TICK_MAX_US);
        let until_us = (due_us + half_us).saturating_sub(DELAY_US);
        for (input, state) in &mut self.inputs {
            let is_seen = self.renditions[0].has_tile(*input);
            let news = match is_seen {
                true => state.advance(until_us, now_us, &mut self.health),
                false => {
                    state.skip(until_us);
                    None
                }
            };
            match news {
                None => {}
                Some(News::NeedKeyFrame) => {
                    self.out
                        .push_back(FromChild::NeedKeyFrame { input: *input });
                }
                Some(News::CannotShow(reason)) => {
                    let input = *input;
                    self.out.push_back(FromChild::CannotShow { input, reason });
                }
            }
        }
        self.arrange();
        self.health.decode_us += self.spend(start);
    }

    /// Makes tiles anew if somebody has come, gone or changed, or sends another size.
    fn arrange(&mut self) {
        let known = |(input, state): (&u32, &VideoInput)| Some((*input, state.picture()?.size()));
        let sources: BTreeMap<u32, Size> = self.inputs.iter().filter_map(known).collect();
        if self.sources.as_ref() == Some(&sources) {
            return;
        }
        for rendition in &mut self.renditions {
            let tiles: Vec<Tile> = tiles(&self.layout, &self.persons, rendition.size(), &sources);
            rendition.arrange(tiles);
        }
        self.sources = Some(sources);
    }

    fn render(&mut self, place: usize, due_us: u64) -> Result<(), EngineError> {
        if self.budget.leaves_out() {
            self.health.skipped_pictures += 1;
            self.budget.end_tick(false);
            return Ok(());
        }
        let start = (self.stopwatch)();
        let contents: BTreeMap<u32, Content<'_>> = self
            .persons
            .iter()
            .filter_map(|person| {
                let state = self.inputs.get(&person.input)?;
                Some((person.input, content(person, state, due_us)))
            })
            .collect();
        let rendition = &mut self.renditions[place];
        let drawing = Drawing {
            placeholders: &self.placeholders,
            contents: &contents,
        };
        if let Some(tiles) = rendition.draw(&drawing) {
            let rendition = place as u8;
            self.out.push_back(FromChild::Shown { rendition, tiles });
        }
        let drawn = (self.stopwatch)();
        let encoded = rendition.encode(due_us)?;
        self.health.compose_us += drawn.saturating_sub(start);
        match encoded {
            Some(picture) => self.out.push_back(FromChild::Picture {
                rendition: place as u8,
                at_us: due_us,
                is_key: picture.is_key,
                bytes: picture.bytes,
            }),
            None => self.health.skipped_pictures += 1,
        }
        let encode_us = (self.stopwatch)().saturating_sub(drawn);
        self.health.encode_us += encode_us;
        self.spend(start);
        self.budget.end_tick(true);
        Ok(())
    }

    /// Microseconds since `start`, which count for the present tick.
    fn spend(&mut self, start: u64) -> u64 {
        let spent = (self.stopwatch)().saturating_sub(start);
        self.budget.spend(spent);
        spent
    }

    fn report(&mut self, now_us: u64) {
        self.health.inputs = self.persons.len() as u64;
        self.health.concealed_sounds = self.mixer.take_concealed();
        self.health.is_slowed = self.budget.is_slowed();
        let health = std::mem::take(&mut self.health);
        self.out.push_back(FromChild::Health(health));
        self.health_due_us = now_us + HEALTH_US;
    }
}

/// What is seen of a person at a tick.
fn content<'a>(person: &'a Person, state: &'a VideoInput, due_us: u64) -> Content<'a> {
    let why = person.why_no_picture.as_deref().or_else(|| state.reason());
    let picture = state.picture();
    let is_fresh = state
        .shown_at_us()
        .is_some_and(|at_us| due_us.saturating_sub(at_us) <= PICTURE_OLD_US);
    let size = picture.map(|picture| picture.size());
    match picture {
        Some(picture) if why.is_none() && is_fresh && person.has_video == Video::Publishing => {
            Content::Picture {
                picture,
                serial: state.serial(),
            }
        }
        _ => Content::Placeholder {
            name: &person.name,
            text: why.or_else(|| person.is_muted.then_some(MUTED)),
            size,
        },
    }
}

/// How much before its time a picture is seen, at most, so that slow renditions are not far ahead of the sound.
const HALF_TICK_MAX_US: u64 = 20_000;
/// What is written below the name of a person who is neither seen nor heard.
const MUTED: &str = "muted";
