//! The heart of the process that composes: what comes in, what is due, what goes out. It has no clock of its own.
//!
//! Pictures are due at fixed times, whatever participants do: each tile shows the picture that was captured [`DELAY_US`] before, give or take half of
//! the time that a picture lasts, and a picture that is late is shown when it comes. Nobody is waited for, so nobody who comes or leaves holds anything up. Sound has the same delay, so it is in
//! step.

mod rendition;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::rendition::Output;
use self::view::View;
use crate::protocol::{FromChild, Health, INPUTS_MAX, Person, Setup, ToChild};
use crate::sound::{AacEncode, Mixer, PART_US};

/// How far what is composed is behind what is captured: the time that pictures and sound have to arrive.
pub(crate) const DELAY_US: u64 = 120_000;
/// Sound that is further behind than this is left out.
const SOUND_BEHIND_MAX_US: u64 = 500_000;
/// How often it says how it does.
const HEALTH_US: u64 = 1_000_000;
/// Messages that wait to be polled; the caller polls after each call.
const OUT_MAX: usize = 4_096;

/// What an engine holds. Everything has a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Decoded pictures that wait for their time.
    pub pictures: usize,
    /// Packets of Opus that wait for theirs.
    pub packets: usize,
    /// Samples of both channels that are decoded or on their way to an encoder.
    pub samples: usize,
    /// Messages that wait to be polled.
    pub messages: usize,
}

/// Composes.
pub(crate) struct Engine {
    setup: Setup,
    persons: Vec<Person>,
    views: BTreeMap<u32, View>,
    outputs: Vec<Output>,
    mixer: Mixer,
    sound_us: u64,
    health: Health,
    health_us: u64,
    out: VecDeque<FromChild>,
}

impl Engine {
    /// Begins to compose at `now_us`. `None`: a library cannot make an encoder.
    pub(crate) fn new(setup: Setup, now_us: u64, aac: Option<Box<dyn AacEncode>>) -> Option<Self> {
        let renditions = setup.renditions.iter().enumerate();
        let outputs: Option<Vec<Output>> = renditions
            .map(|(place, rendition)| Output::new(place, rendition, now_us))
            .collect();
        Some(Self {
            persons: Vec::new(),
            views: BTreeMap::new(),
            outputs: outputs?,
            mixer: Mixer::new(setup.sound, aac)?,
            sound_us: now_us,
            health: Health::default(),
            health_us: now_us,
            out: VecDeque::from([FromChild::Ready]),
            setup,
        })
    }

    /// Takes a message.
    pub(crate) fn take(&mut self, message: ToChild, clock: &mut impl FnMut() -> u64) {
        match message {
            ToChild::Scene { persons } => self.set_scene(persons),
            ToChild::Picture {
                input,
                at_us,
                codec,
                is_key,
                quarter_turns,
                bytes,
            } => {
                let began_us = clock();
                if let Some(view) = self.views.get_mut(&input) {
                    // A clock that is ahead would hide all pictures.
                    let at_us = at_us.min(began_us);
                    match view.take((at_us, began_us), (codec, is_key, quarter_turns), &bytes) {
                        Ok(()) => self.health.decoded += 1,
                        Err(said) => {
                            self.health.undecodable += 1;
                            self.out.extend(said.map(|said| said.of(input)));
                        }
                    }
                }
                self.health.decode_us += clock().saturating_sub(began_us);
            }
            ToChild::Sound {
                input,
                at_us,
                timestamp,
                bytes,
            } => {
                if self.views.contains_key(&input) {
                    self.mixer.take(input, at_us, timestamp, bytes);
                }
            }
            ToChild::KeyFrame { rendition } => {
                if let Some(output) = self.outputs.get_mut(usize::from(rendition)) {
                    output.want_key_frame();
                }
            }
            // The first one counts; the end is the caller's.
            ToChild::Setup(_) | ToChild::Stop => {}
        }
    }

    fn set_scene(&mut self, mut persons: Vec<Person>) {
        persons.truncate(INPUTS_MAX);
        let inputs: BTreeSet<u32> = persons.iter().map(|person| person.input).collect();
        self.views.retain(|input, _| inputs.contains(input));
        self.mixer.keep(&inputs);
        for input in inputs {
            self.views.entry(input).or_default();
        }
        self.persons = persons;
    }

    /// When something is due.
    pub(crate) fn due_us(&self) -> u64 {
        let outputs = self.outputs.iter().map(Output::due_us);
        outputs.fold(self.sound_us, u64::min)
    }

    /// An encoder makes nothing any more: another process may do better.
    pub(crate) fn is_broken(&self) -> bool {
        self.outputs.iter().any(Output::is_broken)
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, clock: &mut impl FnMut() -> u64) {
        self.sound(clock);
        for output in &mut self.outputs {
            let now_us = clock();
            if output.due_us() <= now_us {
                output.tick(
                    (&self.setup.layout, &self.persons),
                    &mut self.views,
                    clock,
                    (&mut self.health, &mut self.out),
                );
            }
        }
        let now_us = clock();
        if now_us.saturating_sub(self.health_us) >= HEALTH_US {
            self.health_us = now_us;
            self.health.inputs = self.views.len() as u32;
            self.out.push_back(FromChild::Health(self.health));
        }
        while self.out.len() > OUT_MAX {
            self.out.pop_front();
        }
    }

    fn sound(&mut self, clock: &mut impl FnMut() -> u64) {
        let now_us = clock();
        let behind = now_us.saturating_sub(self.sound_us);
        if behind > SOUND_BEHIND_MAX_US {
            self.sound_us += behind / PART_US * PART_US;
        }
        while self.sound_us <= now_us {
            let at_us = self.sound_us.saturating_sub(DELAY_US);
            let out = &mut self.out;
            self.mixer.mix(at_us, |said| out.push_back(said));
            self.sound_us += PART_US;
        }
        self.health.mix_us += clock().saturating_sub(now_us);
    }

    /// How it does.
    pub(crate) fn spent(&self) -> Health {
        self.health
    }

    /// What it holds.
    pub(crate) fn held(&self) -> Held {
        let (packets, samples) = self.mixer.held();
        Held {
            pictures: self.views.values().map(View::waiting).sum(),
            packets,
            samples,
            messages: self.out.len(),
        }
    }

    /// The next message.
    pub(crate) fn poll(&mut self) -> Option<FromChild> {
        self.out.pop_front()
    }
}
