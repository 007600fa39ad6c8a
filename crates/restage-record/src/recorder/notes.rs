//! What people should know of a recording.

use std::collections::VecDeque;

/// Sender reports come every one to five seconds.
const REPORTS_AWAITED_US: u64 = 15_000_000;
const NO_REPORTS: &str =
    "The publisher sends no sender reports: sound and pictures are put in step by their arrival.";
const LYING_REPORTS: &str =
    "Sender reports of the publisher contradict the arrival of its packets and were not used.";
const UNREADABLE_PICTURES: &str = "Key frames have a sequence header (SPS) that cannot be read; they and the pictures after them were left out.";

/// Sentences for `recording_status_message`, each once.
#[derive(Debug, Default)]
pub(super) struct Notes {
    said: Vec<&'static str>,
    waiting: VecDeque<&'static str>,
}

impl Notes {
    /// What is known of the sender reports of a publication with sound and pictures, of which the first packet came so long ago.
    pub(super) fn on_reports(&mut self, age_us: u64, are_missing: bool, have_lied: bool) {
        if are_missing && age_us >= REPORTS_AWAITED_US {
            self.say(NO_REPORTS);
        }
        if have_lied {
            self.say(LYING_REPORTS);
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
