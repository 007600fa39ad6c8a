//! What is known of a composition that runs: what it shows, and how its compositor does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restage_compose::protocol::{Health, Showing, ShownTile};

use super::people::People;

/// A composition that runs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CompositionStatus {
    /// The tiles of each encoding.
    pub renditions: Vec<Vec<CompositionTile>>,
    /// How the compositor does, since it started last.
    pub health: Health,
    /// How often the compositor was started again.
    pub restarts: u64,
}

/// A tile.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct CompositionTile {
    pub participant: String,
    pub user: String,
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
    pub z: u8,
    /// Its pictures are shown, not its name.
    pub has_picture: bool,
    /// Size of the participant's pictures; 0 without.
    pub source_width: u32,
    pub source_height: u32,
}

/// The compositions that run, by their ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Statuses(Arc<Mutex<HashMap<String, CompositionStatus>>>);

impl Statuses {
    fn all(&self) -> MutexGuard<'_, HashMap<String, CompositionStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, composition: &str) -> Option<CompositionStatus> {
        self.all().get(composition).cloned()
    }

    /// The sum of what compositors do.
    pub(super) fn totals(&self) -> (usize, Health, u64) {
        let all = self.all();
        let mut sum = Health::default();
        let mut restarts = 0;
        for status in all.values() {
            sum.ticks += status.health.ticks;
            sum.late_ticks += status.health.late_ticks;
            sum.skipped_pictures += status.health.skipped_pictures;
            sum.decoded += status.health.decoded;
            sum.undecodable += status.health.undecodable;
            sum.inputs += status.health.inputs;
            restarts += status.restarts;
        }
        (all.len(), sum, restarts)
    }

    pub(super) fn begin(&self, composition: &str) -> Status {
        self.all()
            .insert(composition.to_owned(), CompositionStatus::default());
        Status {
            statuses: self.clone(),
            composition: composition.to_owned(),
            heights: Vec::new(),
        }
    }
}

/// The status of one start; it ends with it.
pub(super) struct Status {
    statuses: Statuses,
    composition: String,
    /// The heights of the tiles of each encoding, by participant.
    heights: Vec<HashMap<u32, u32>>,
}

impl Status {
    fn change(&self, change: impl FnOnce(&mut CompositionStatus)) {
        if let Some(status) = self.statuses.all().get_mut(&self.composition) {
            change(status);
        }
    }

    pub(super) fn restarted(&self) {
        self.change(|status| {
            status.restarts += 1;
            status.health = Health::default();
        });
    }

    pub(super) fn health(&self, health: Health) {
        self.change(|status| status.health = health);
    }

    /// What an encoding shows.
    pub(super) fn shown(&mut self, rendition: usize, tiles: &[ShownTile], people: &People) {
        if self.heights.len() <= rendition {
            self.heights.resize_with(rendition + 1, HashMap::new);
        }
        self.heights[rendition] = tiles.iter().map(|tile| (tile.input, tile.height)).collect();
        let tiles = tiles.iter().filter_map(|tile| {
            let participant = &people.participant(tile.input)?.participant;
            Some(CompositionTile {
                participant: participant.id.to_string(),
                user: participant.user_id.clone(),
                x: tile.x,
                y: tile.y,
                width: tile.width,
                height: tile.height,
                z: tile.z,
                has_picture: tile.showing == Showing::Picture,
                source_width: tile.source_width,
                source_height: tile.source_height,
            })
        });
        let tiles: Vec<CompositionTile> = tiles.collect();
        self.change(|status| {
            if status.renditions.len() <= rendition {
                status.renditions.resize_with(rendition + 1, Vec::new);
            }
            status.renditions[rendition] = tiles;
        });
    }

    /// The largest tile of a participant, in lines; 0: it has none.
    pub(super) fn height_of(&self, input: u32) -> u32 {
        let heights = self
            .heights
            .iter()
            .filter_map(|heights| heights.get(&input));
        heights.max().copied().unwrap_or(0)
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.statuses.all().remove(&self.composition);
    }
}
