//! What is known of a composition that runs: what it shows, and how its compositor does.

mod recent;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use restage_compose::protocol::{Health, Rendition, Showing, ShownTile};
use restage_media::Codec;
use tokio::time::Instant;

use self::recent::Samples;
use super::people::People;

/// Characters of a reason that the compositor gives. It reads what strangers sent, so what it says is bounded.
const REASON_CHARS_MAX: usize = 300;

/// A composition that runs.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CompositionStatus {
    /// Its encodings, in no order that means something.
    pub encodings: Vec<CompositionEncoding>,
    /// How long the compositor has composed; `None` while it starts.
    pub composing: Option<Duration>,
    /// How the compositor does, since it started last.
    pub health: Health,
    /// How it did lately; `None` in its first seconds.
    pub recent: Option<RecentHealth>,
    /// How often the compositor was started again.
    pub restarts: u64,
    /// Why it was last started again.
    pub last_restart: Option<CompositorRestart>,
}

/// One encoding of what is composed. Destinations that want the same have one.
#[derive(Clone, PartialEq, Debug)]
pub struct CompositionEncoding {
    /// Its size, frame rate and bit rate.
    pub rendition: Rendition,
    /// What it shows.
    pub tiles: Vec<CompositionTile>,
    /// Pictures a second that it had lately; `None` in the first seconds.
    pub pictures_per_s: Option<f64>,
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
    /// Why its name is shown; `None` where its pictures are.
    pub why_name: Option<WhyName>,
    /// Size of the participant's pictures; 0 without.
    pub source_width: u32,
    pub source_height: u32,
}

/// Why a participant's name is in its tile instead of its pictures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WhyName {
    /// It has stopped its video, as it says.
    Stopped,
    /// Its pictures are encoded in a way that compositions do not decode.
    Codec(Codec),
    /// Its pictures are refused for another reason, for people: they are too large.
    Refused(String),
    /// None has come for some seconds, or ever.
    NoPicture,
}

/// What a compositor did in the last seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecentHealth {
    /// The time that it is about: at most ten seconds.
    pub lasted: Duration,
    /// What was counted within it; `inputs` as they are now.
    pub health: Health,
}

/// A restart of a compositor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompositorRestart {
    /// Why, for people.
    pub reason: String,
    /// How long ago.
    pub ago: Duration,
}

/// The compositions that run, by their ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Statuses(Arc<Mutex<HashMap<String, Live>>>);

/// What is kept of one.
#[derive(Debug, Default)]
struct Live {
    renditions: Vec<Rendition>,
    tiles: Vec<Vec<CompositionTile>>,
    composing_since: Option<Instant>,
    /// Pictures of each encoding since the compositor started last.
    pictures: Vec<u64>,
    health: Health,
    samples: Samples,
    restarts: u64,
    last_restart: Option<(String, Instant)>,
}

impl Live {
    fn status(&self, now: Instant) -> CompositionStatus {
        let encodings = self.renditions.iter().enumerate();
        let encodings = encodings.map(|(place, rendition)| CompositionEncoding {
            rendition: *rendition,
            tiles: self.tiles.get(place).cloned().unwrap_or_default(),
            pictures_per_s: self.samples.pictures_per_s(place),
        });
        let last_restart = self.last_restart.as_ref();
        CompositionStatus {
            encodings: encodings.collect(),
            composing: self.composing_since.map(|since| now.duration_since(since)),
            health: self.health,
            recent: self.samples.recent(),
            restarts: self.restarts,
            last_restart: last_restart.map(|(reason, at)| CompositorRestart {
                reason: reason.clone(),
                ago: now.duration_since(*at),
            }),
        }
    }
}

impl Statuses {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, composition: &str) -> Option<CompositionStatus> {
        self.get_at(composition, Instant::now())
    }

    fn get_at(&self, composition: &str, now: Instant) -> Option<CompositionStatus> {
        self.all().get(composition).map(|live| live.status(now))
    }

    /// The sum of what compositors do.
    pub(super) fn totals(&self) -> (usize, Health, u64) {
        let all = self.all();
        let mut sum = Health::default();
        let mut restarts = 0;
        for live in all.values() {
            sum.ticks += live.health.ticks;
            sum.late_ticks += live.health.late_ticks;
            sum.skipped_pictures += live.health.skipped_pictures;
            sum.decoded += live.health.decoded;
            sum.undecodable += live.health.undecodable;
            sum.inputs += live.health.inputs;
            restarts += live.restarts;
        }
        (all.len(), sum, restarts)
    }

    pub(super) fn begin(&self, composition: &str, renditions: &[Rendition]) -> Status {
        let live = Live {
            renditions: renditions.to_vec(),
            pictures: vec![0; renditions.len()],
            ..Live::default()
        };
        self.all().insert(composition.to_owned(), live);
        Status {
            statuses: self.clone(),
            composition: composition.to_owned(),
            shown: vec![Vec::new(); renditions.len()],
        }
    }
}

/// The status of one start; it ends with it.
pub(super) struct Status {
    statuses: Statuses,
    composition: String,
    /// What each encoding shows, as the compositor has said.
    shown: Vec<Vec<ShownTile>>,
}

impl Status {
    fn change(&self, change: impl FnOnce(&mut Live)) {
        if let Some(live) = self.statuses.all().get_mut(&self.composition) {
            change(live);
        }
    }

    /// The compositor composes.
    pub(super) fn composes(&self) {
        self.composes_at(Instant::now());
    }

    fn composes_at(&self, now: Instant) {
        self.change(|live| live.composing_since = Some(now));
    }

    /// The compositor has ended, and another one is started.
    pub(super) fn restarted(&mut self, reason: &str) {
        self.restarted_at(reason, Instant::now());
    }

    fn restarted_at(&mut self, reason: &str, now: Instant) {
        self.shown.iter_mut().for_each(Vec::clear);
        self.change(|live| {
            live.restarts += 1;
            live.last_restart = Some((clip(reason), now));
            live.composing_since = None;
            live.tiles.clear();
            live.pictures.fill(0);
            live.health = Health::default();
            live.samples = Samples::default();
        });
    }

    pub(super) fn health(&self, health: Health) {
        self.health_at(health, Instant::now());
    }

    fn health_at(&self, health: Health, now: Instant) {
        self.change(|live| {
            live.health = health;
            live.samples.push(now, health, live.pictures.clone());
        });
    }

    /// An encoding has a picture more.
    pub(super) fn picture(&self, rendition: usize) {
        self.change(|live| {
            if let Some(count) = live.pictures.get_mut(rendition) {
                *count += 1;
            }
        });
    }

    /// What an encoding shows.
    pub(super) fn shown(&mut self, rendition: usize, tiles: &[ShownTile], people: &People) {
        if let Some(shown) = self.shown.get_mut(rendition) {
            *shown = tiles.to_vec();
            self.tell(people);
        }
    }

    /// Takes who is there, and what hinders their pictures.
    pub(super) fn tell(&self, people: &People) {
        let tiles = self.shown.iter().map(|tiles| {
            let tiles = tiles.iter().filter_map(|shown| tile(shown, people));
            tiles.collect()
        });
        let tiles: Vec<Vec<CompositionTile>> = tiles.collect();
        self.change(|live| live.tiles = tiles);
    }

    /// The largest tile of a participant, in lines; 0: it has none.
    pub(super) fn height_of(&self, input: u32) -> u32 {
        let tiles = self.shown.iter().flatten();
        let own = tiles.filter(|tile| tile.input == input);
        own.map(|tile| tile.height).max().unwrap_or(0)
    }
}

fn tile(shown: &ShownTile, people: &People) -> Option<CompositionTile> {
    let participant = &people.participant(shown.input)?.participant;
    Some(CompositionTile {
        participant: participant.id.to_string(),
        user: participant.user_id.clone(),
        x: shown.x,
        y: shown.y,
        width: shown.width,
        height: shown.height,
        z: shown.z,
        why_name: match shown.showing {
            Showing::Picture => None,
            Showing::Placeholder => Some(match people.why_name(shown.input) {
                WhyName::Refused(reason) => WhyName::Refused(clip(&reason)),
                why => why,
            }),
        },
        source_width: shown.source_width,
        source_height: shown.source_height,
    })
}

fn clip(reason: &str) -> String {
    reason.chars().take(REASON_CHARS_MAX).collect()
}

impl Drop for Status {
    fn drop(&mut self) {
        self.statuses.all().remove(&self.composition);
    }
}

#[cfg(test)]
mod tests {
    use restage_core::PublicationKey;
    use restage_core::id::{ParticipantId, StageSessionId};

    use super::super::people::tests::participant;
    use super::*;
    use crate::control::{Muted, Shown};

    const RENDITION: Rendition = Rendition {
        width: 1280,
        height: 720,
        framerate_milli: 30_000,
        bitrate: 2_500_000,
    };

    fn shown(id: &str, is_stopped: bool) -> Shown {
        Shown {
            participant: participant(id),
            publication: PublicationKey {
                session: StageSessionId::new("st-1"),
                participant: ParticipantId::new(id),
            },
            muted: Muted {
                video: is_stopped,
                ..Muted::default()
            },
        }
    }

    fn tile(input: u32, showing: Showing) -> ShownTile {
        ShownTile {
            input,
            x: 0,
            y: 180,
            width: 638,
            height: 358,
            z: 0,
            showing,
            source_width: 640,
            source_height: 360,
        }
    }

    #[test]
    fn a_tile_says_why_it_has_a_name_also_when_that_changes_later() {
        let statuses = Statuses::default();
        let mut status = statuses.begin("c", &[RENDITION]);
        let layout = restage_compose::layout::Layout::default();
        let mut people = People::default();
        people.take(&[shown("ann", false), shown("bob", false)], &layout);
        status.shown(
            0,
            &[tile(1, Showing::Placeholder), tile(2, Showing::Picture)],
            &people,
        );
        let why = || {
            let tiles = statuses.get("c").unwrap().encodings[0].tiles.clone();
            tiles
                .into_iter()
                .map(|tile| tile.why_name)
                .collect::<Vec<_>>()
        };
        assert_eq!(why(), [Some(WhyName::NoPicture), None]);
        people.cannot_decode(1, Codec::Av1);
        status.tell(&people);
        assert_eq!(why(), [Some(WhyName::Codec(Codec::Av1)), None]);
        people.can_decode(1);
        people.cannot_show(1, "x".repeat(1_000));
        status.tell(&people);
        let clipped = WhyName::Refused("x".repeat(REASON_CHARS_MAX));
        assert_eq!(why(), [Some(clipped), None]);
        people.take(&[shown("ann", true)], &layout);
        status.tell(&people);
        assert_eq!(why(), [Some(WhyName::Stopped)], "who has left has no tile");
        assert_eq!((status.height_of(1), status.height_of(9)), (358, 0));
        // What the compositor says of an encoding that there is not.
        status.shown(7, &[tile(1, Showing::Picture)], &people);
        assert_eq!(why(), [Some(WhyName::Stopped)]);
        drop(status);
        assert_eq!(statuses.get("c"), None);
    }

    #[test]
    fn a_restart_has_its_reason_and_begins_all_counts_again() {
        let statuses = Statuses::default();
        let mut status = statuses.begin("c", &[RENDITION]);
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let at = |seconds| statuses.get_at("c", after(seconds)).unwrap();
        assert_eq!(at(0).composing, None);
        status.composes_at(began);
        for second in 0..4 {
            let health = Health {
                ticks: 30 * second,
                inputs: 2,
                ..Health::default()
            };
            status.health_at(health, after(second));
            (0..30).for_each(|_| status.picture(0));
        }
        status.picture(7);
        let now = at(4);
        assert_eq!(now.composing, Some(Duration::from_secs(4)));
        assert_eq!(now.encodings[0].pictures_per_s, Some(30.0));
        let recent = now.recent.unwrap();
        assert_eq!((recent.lasted.as_secs(), recent.health.ticks), (3, 90));
        assert_eq!((now.restarts, now.last_restart), (0, None));
        status.restarted_at("it has ended: signal 9 ended it", after(4));
        let now = at(9);
        let restart = now.last_restart.unwrap();
        assert_eq!(restart.reason, "it has ended: signal 9 ended it");
        assert_eq!((restart.ago.as_secs(), now.restarts), (5, 1));
        assert_eq!((now.composing, now.recent), (None, None));
        assert_eq!(now.encodings[0].pictures_per_s, None);
        assert_eq!(statuses.totals(), (1, Health::default(), 1));
    }
}
