//! A composition whose clock is turned by the test.

use restage_compose::layout::{Layout, Person};
use restage_compose::offline::Offline;
use restage_compose::protocol::{FromChild, Rendition, ShownTile, ToChild};

use crate::support::{Eye, Picture, setup};

/// When compositions begin.
pub(crate) const BEGIN_US: u64 = 10_000_000;
/// How far what is composed is behind what is captured.
pub(crate) const DELAY_US: u64 = 120_000;

pub(crate) struct Rig {
    offline: Offline,
    eye: Eye,
    /// The pictures that were made, and their times.
    pub(crate) made: Vec<(u64, Picture)>,
    pub(crate) shown: Vec<ShownTile>,
    pub(crate) asked: usize,
    pub(crate) refused: Vec<String>,
}

impl Rig {
    pub(crate) fn new(layout: Layout, rendition: Rendition) -> Self {
        let setup = setup(BEGIN_US, layout, rendition);
        Self {
            offline: Offline::new(setup).unwrap(),
            eye: Eye::new(),
            made: Vec::new(),
            shown: Vec::new(),
            asked: 0,
            refused: Vec::new(),
        }
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.offline.now_us()
    }

    pub(crate) fn take(&mut self, message: ToChild) {
        self.offline.take(message);
    }

    pub(crate) fn scene(&mut self, persons: &[Person]) {
        let persons = persons.to_vec();
        self.take(ToChild::Scene { persons });
    }

    /// Goes on for so long.
    pub(crate) fn run(&mut self, us: u64) {
        let until_us = self.now_us() + us;
        self.offline.run_to(until_us, |said| match said {
            FromChild::Picture { at_us, bytes, .. } => {
                self.made.push((at_us, self.eye.see(&bytes)));
            }
            FromChild::Shown { tiles, .. } => self.shown = tiles,
            FromChild::NeedKeyFrame { .. } => self.asked += 1,
            FromChild::CannotShow { reason, .. } => self.refused.push(reason),
            _ => {}
        });
    }

    /// The newest picture.
    pub(crate) fn newest(&self) -> &Picture {
        &self.made.last().unwrap().1
    }
}
