//! What people should know of a recording.

use std::collections::VecDeque;

use crate::limits::{CALM_US, CHANGES_MAX, CHANGES_WINDOW_US};

const NO_REPORTS: &str =
    "The publisher sends no sender reports: sound and pictures are put in step by their arrival.";
const LYING_REPORTS: &str =
    "Sender reports of the publisher contradict the arrival of its packets and were not used.";
const APART_IN_INGEST: &str = "Sound and pictures of the same time come more than 170 ms apart; they are put in step by their arrival.";
const RANDOM_SOUND: &str =
    "Timestamps of the sound jump again and again; sound that got no time by them was left out.";
const RANDOM_PICTURES: &str = "Timestamps of the pictures jump again and again; pictures that got no time by them were left out.";
const RESTLESS_SOUND: &str = "The publisher began its sound anew more than 10 times in 10 seconds; the sound is left out until it goes on for 5 seconds.";
const RESTLESS_PICTURES: &str = "The publisher changed the parameters of its pictures more than 10 times in 10 seconds; pictures are left out until these stay the same for 5 seconds.";
const UNREADABLE_PICTURES: &str = "Key frames have a sequence header (SPS) that cannot be read; they and the pictures after them were left out.";

/// Sentences for `recording_status_message`, each once.
#[derive(Debug, Default)]
pub(super) struct Notes {
    said: Vec<&'static str>,
    waiting: VecDeque<&'static str>,
}

impl Notes {
    /// What is known of the sender reports of a publication with sound and pictures.
    /// Those of an ingest are none: they are the times of its media.
    pub(super) fn on_reports(&mut self, are_missing: bool, have_lied: bool, are_of_ingest: bool) {
        if are_missing {
            self.say(NO_REPORTS);
        }
        if have_lied {
            self.say(match are_of_ingest {
                true => APART_IN_INGEST,
                false => LYING_REPORTS,
            });
        }
    }

    /// Whether timestamps of sound and of pictures jumped again and again.
    pub(super) fn on_times(&mut self, of_sound: bool, of_pictures: bool) {
        for (is_so, sentence) in [(of_sound, RANDOM_SOUND), (of_pictures, RANDOM_PICTURES)] {
            if is_so {
                self.say(sentence);
            }
        }
    }

    /// Whether sound and pictures are left out because they change all the time.
    pub(super) fn on_unrest(&mut self, of_sound: bool, of_pictures: bool) {
        for (is_so, sentence) in [(of_sound, RESTLESS_SOUND), (of_pictures, RESTLESS_PICTURES)] {
            if is_so {
                self.say(sentence);
            }
        }
    }

    /// Whether key frames came whose sequence header cannot be read.
    pub(super) fn on_pictures(&mut self, are_unreadable: bool) {
        if are_unreadable {
            self.say(UNREADABLE_PICTURES);
        }
    }

    pub(super) fn next(&mut self) -> Option<&'static str> {
        self.waiting.pop_front()
    }

    fn say(&mut self, sentence: &'static str) {
        if !self.said.contains(&sentence) {
            self.said.push(sentence);
            self.waiting.push_back(sentence);
        }
    }
}

const _: () = assert!(CHANGES_MAX == 10 && CHANGES_WINDOW_US == 10_000_000 && CALM_US == 5_000_000);
