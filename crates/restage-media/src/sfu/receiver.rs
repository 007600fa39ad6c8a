//! A subscriber's part in what its receiver is shown: its wish, and what it was told.

use std::time::Instant;

use restage_bwe::{Estimator, Usage};
use restage_codec::MediaKind;

use crate::allocate::download::{Place, is_jammed};
use crate::allocate::shared::SharedFlow;
use crate::allocate::stream::{Snapshot, StreamState};
use crate::allocate::table::{Allotment, News};
use crate::allocate::wish::{FirstLayer, Wish};
use crate::limits::{
    ALLOT_INTERVAL, ALLOT_INTERVAL_EASY, ALLOT_INTERVAL_IDLE, ALLOT_INTERVAL_MAX, AUDIO_RESERVE,
    EASY_PERCENT, STREAM_REPORT_INTERVAL_MIN,
};
use crate::packet::{Encoding, Ladder};
use crate::publication::Publication;
use crate::send::track::TrackOut;

/// Whether a network carries this rate with ease.
fn is_easy(estimator: &Estimator, bits_per_s: u64) -> bool {
    estimator.has_feedback()
        && estimator.estimate() >= bits_per_s.saturating_mul(EASY_PERCENT) / 100
        && estimator.usage() != Usage::Overuse
        && estimator.is_clear()
        && !is_jammed(estimator)
}

/// What is known of a connection.
#[derive(Debug, Default)]
pub(crate) struct PathNews<'a> {
    /// `None`: nothing follows about the rate that it carries.
    pub(crate) estimator: Option<&'a mut Estimator>,
    /// What the subscriptions on it have in common, if it carries several.
    pub(crate) shared: Option<&'a mut SharedFlow>,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    place: Place,
    pub(crate) wish: Wish,
    /// When it takes what it is allotted next, if no feedback comes before.
    pub(crate) due_at: Instant,
    /// Feedback from this time on makes it take what it is allotted at once.
    ready_at: Instant,
    /// Feedback before this time is not followed by an allotment as long as the network carries this rate (bits per second) with ease.
    easy: Option<(Instant, u64)>,
    /// What its sound and the layer that it is shown take, in bits per second with headers.
    pub(crate) reserved: u64,
    /// How many layers the publisher should send for it.
    pub(crate) wants: usize,
    told: Option<Snapshot>,
    told_at: Option<Instant>,
}

impl Receiver {
    pub(crate) fn new(now: Instant, place: Place, wish: Wish) -> Self {
        Self {
            place,
            wish,
            due_at: now,
            ready_at: now,
            easy: None,
            reserved: 0,
            wants: 0,
            told: None,
            told_at: None,
        }
    }

    /// The number of its place.
    pub(crate) fn number(&self) -> u64 {
        self.place.number()
    }

    /// Whether feedback that has come, which the estimator knows, is to be followed by an allotment.
    pub(crate) fn is_ready(&self, now: Instant, estimator: Option<&Estimator>) -> bool {
        if now < self.ready_at {
            return false;
        }
        match (self.easy, estimator) {
            (Some((until, wished)), Some(estimator)) => now >= until || !is_easy(estimator, wished),
            _ => true,
        }
    }

    /// Reports what is known of this subscriber, takes what it is allotted and sets its track accordingly. Returns what has to be
    /// told. `path` is what is known of its connection.
    pub(crate) fn allot(
        &mut self,
        now: Instant,
        publication: Option<&Publication>,
        video: Option<&mut TrackOut>,
        has_audio: bool,
        path: PathNews<'_>,
    ) -> Option<StreamState> {
        let PathNews {
            mut estimator,
            shared,
        } = path;
        let has_video = video.is_some();
        let ladder = publication.and_then(|publication| publication.ladder.as_deref());
        let ladder = ladder.filter(|_| has_video).unwrap_or_default();
        let audio = publication.and_then(|publication| publication.audio_bits_per_s);
        // Once pictures are measured and sound is not, there is none.
        let unmeasured = if ladder.is_empty() { AUDIO_RESERVE } else { 0 };
        let news = News {
            estimate: None,
            audio: audio.unwrap_or(unmeasured) * u64::from(has_audio),
            ladder,
            wish: &self.wish,
        };
        let is_jammed = estimator.as_deref().is_some_and(is_jammed);
        let allotment = self.place.turn(now, news, estimator.as_deref_mut(), shared);
        self.plan(now, estimator.as_deref(), &allotment);
        self.reserved = allotment.reserved_bits_per_s;
        self.wants = if has_video { allotment.wanted } else { 0 };
        let (current, pause) = match video {
            Some(track) => {
                track.allot(allotment.pictures, is_jammed);
                (track.shown(), track.pause())
            }
            None => (None, None),
        };
        let stopped = MediaKind::BOTH.map(|kind| {
            let is_taken = match kind {
                MediaKind::Audio => has_audio,
                MediaKind::Video => has_video,
            };
            is_taken && publication.is_some_and(|publication| publication.is_stopped(kind, now))
        });
        let snapshot = Snapshot::new(ladder, &self.wish, current, pause, stopped);
        self.tell(now, snapshot, ladder)
    }

    /// Sets when it takes what it is allotted next.
    fn plan(&mut self, now: Instant, estimator: Option<&Estimator>, allotment: &Allotment) {
        let wished = allotment.desired_bits_per_s;
        let is_easy = estimator.is_some_and(|estimator| is_easy(estimator, wished));
        let after_feedback = ALLOT_INTERVAL / 2;
        self.ready_at = now + after_feedback;
        self.easy = is_easy.then(|| (now + ALLOT_INTERVAL_EASY - after_feedback, wished));
        self.due_at = now
            + match estimator {
                Some(_) if is_easy => ALLOT_INTERVAL_EASY + after_feedback,
                Some(_) => ALLOT_INTERVAL_MAX,
                None => ALLOT_INTERVAL_IDLE,
            };
    }

    /// Returns the state if it is another than was told, and nothing was told a moment ago.
    fn tell(&mut self, now: Instant, snapshot: Snapshot, ladder: &Ladder) -> Option<StreamState> {
        let is_news = match &self.told {
            Some(told) => *told != snapshot,
            None => snapshot.is_worth_telling(),
        };
        if !is_news {
            return None;
        }
        if let Some(at) = self.told_at.map(|at| at + STREAM_REPORT_INTERVAL_MIN)
            && now < at
        {
            self.due_at = self.due_at.min(at);
            return None;
        }
        self.told = Some(snapshot);
        self.told_at = Some(now);
        Some(snapshot.state(ladder))
    }

    /// The encodings that it may begin with, the one to be preferred first: the target and then smaller ones; or the other way round if
    /// it wishes to begin with the lowest.
    pub(crate) fn first_encodings(&self, ladder: &Ladder, target: Encoding) -> Vec<Encoding> {
        let place = ladder.iter().position(|rung| rung.encoding == target);
        let Some((up_to, above)) = place.and_then(|place| ladder.split_at_checked(place + 1))
        else {
            return vec![target];
        };
        let mut order: Vec<Encoding> = up_to.iter().map(|rung| rung.encoding).collect();
        if self.wish.first != Some(FirstLayer::Lowest) {
            order.reverse();
        }
        order.extend(above.iter().map(|rung| rung.encoding));
        order
    }
}
