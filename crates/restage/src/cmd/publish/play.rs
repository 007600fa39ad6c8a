//! Sends frames to a connection in real time.

use std::time::Duration;

use restage_client::{
    CloseReason, ConnectionState, EncodedFrame, Error, Publisher, Stats, TrackKind,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::feed::Feed;
use crate::join::{self, Stop};
use crate::live::Figures;

/// Interval at which the connection updates its statistics.
const FIGURES_EVERY: Duration = Duration::from_secs(1);
/// Frames that are later than this move the timeline instead of being sent in a burst.
const LATENESS_MAX: Duration = Duration::from_millis(400);

/// Why playing ended.
pub(crate) enum Ending {
    /// Every frame was sent.
    Complete,
    /// The user, or the time limit, stopped it.
    Stopped,
    /// The connection has ended.
    Closed(CloseReason),
}

/// A frame and the time when it must be sent.
struct Due {
    at: Instant,
    frame: EncodedFrame,
}

/// Plays until one of the endings.
pub(crate) async fn play(
    publisher: &mut Publisher,
    feed: &mut Feed,
    figures: &mut Figures,
    stop: &mut Stop,
) -> anyhow::Result<Ending> {
    let mut state = publisher.state_watch();
    let mut tick = interval(FIGURES_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clock = Clock::default();
    let mut rates = Rates::default();
    let mut due: Option<Due> = None;
    loop {
        tokio::select! {
            biased;
            () = stop.wait() => return Ok(Ending::Stopped),
            changed = state.changed() => match (changed, state.borrow_and_update().clone()) {
                (_, ConnectionState::Closed(reason)) => return Ok(Ending::Closed(reason)),
                (Err(_), _) => return Ok(Ending::Closed(CloseReason::Lost)),
                (Ok(()), ConnectionState::Disconnected) => figures.note("the path is silent"),
                (Ok(()), ConnectionState::Connected) => figures.note("media flows"),
                (Ok(()), ConnectionState::Connecting) => {}
            },
            () = publisher.key_frame_requested() => feed.request_key_frame(),
            _ = tick.tick() => {
                let stats = publisher.stats();
                figures.show(rates.line(&stats));
            }
            () = sleep_until(due.as_ref().map_or_else(Instant::now, |due| due.at)), if due.is_some() => {
                if let Some(Due { frame, .. }) = due.take()
                    && publisher.codecs().contains(&frame.codec)
                {
                    match publisher.write(frame).await {
                        Ok(()) => {}
                        Err(Error::Closed(reason)) => return Ok(Ending::Closed(reason)),
                        Err(error) => return Err(join::failure(error)),
                    }
                }
            }
            frame = feed.next(), if due.is_none() => match frame {
                None => return Ok(Ending::Complete),
                Some(frame) => {
                    let frame = frame?;
                    let at = clock.due(&frame, feed);
                    due = Some(Due { at, frame });
                }
            },
        }
    }
}

/// The start of the media timeline on the machine's clock.
#[derive(Default)]
struct Clock {
    zero: Option<(Instant, Duration)>,
}

impl Clock {
    /// The time to send a frame. The first frame is due at once. A frame that is much too late moves
    /// the timeline, so that a machine that was suspended does not send everything in a burst.
    fn due(&mut self, frame: &EncodedFrame, feed: &Feed) -> Instant {
        let now = Instant::now();
        let (zero, first) = *self.zero.get_or_insert((now, frame.time));
        let at = zero + frame.time.saturating_sub(first);
        let Some(late) = now
            .checked_duration_since(at)
            .filter(|late| *late > LATENESS_MAX)
        else {
            return at;
        };
        match frame.codec.kind() {
            // A test card leaves out pictures to catch up; a file is played completely.
            TrackKind::Video => feed.skip_to(frame.time + late),
            TrackKind::Audio => {}
        }
        if late > LATENESS_MAX * 5 {
            self.zero = Some((now, frame.time));
        }
        at
    }
}

/// Statistics of the last second, computed from counts since the start.
#[derive(Default)]
struct Rates {
    last: Option<(Instant, Stats)>,
    started_at: Option<Instant>,
}

impl Rates {
    fn line(&mut self, stats: &Stats) -> String {
        let now = Instant::now();
        let started_at = *self.started_at.get_or_insert(now);
        let seconds = now.duration_since(started_at).as_secs();
        let mut parts = vec![format!("{:02}:{:02}", seconds / 60, seconds % 60)];
        if let Some((then, before)) = &self.last {
            let span = now.duration_since(*then).as_secs_f64().max(0.001);
            let bits = (stats.bytes_sent - before.bytes_sent.min(stats.bytes_sent)) as f64 * 8.0;
            parts.push(format!("{:.0} kbit/s", bits / span / 1_000.0));
            for track in &stats.tracks {
                let frames = |stats: &Stats| {
                    let same = stats.tracks.iter().find(|other| other.kind == track.kind);
                    same.map_or(0, |track| track.frames)
                };
                let rate = (track.frames - frames(before).min(track.frames)) as f64 / span;
                let keys = match track.kind {
                    TrackKind::Video => format!(", {} key", track.key_frames),
                    TrackKind::Audio => String::new(),
                };
                parts.push(format!(
                    "{} {} frames ({rate:.0}/s{keys})",
                    track.kind, track.frames
                ));
            }
            let requests: u64 = stats
                .tracks
                .iter()
                .map(|track| track.key_frame_requests)
                .sum();
            parts.push(format!("{requests} key frame requests"));
        }
        if let Some(loss) = stats.loss_sent {
            parts.push(format!("loss {:.1} %", loss * 100.0));
        }
        if let Some(rtt) = stats.rtt {
            parts.push(format!("rtt {:.0} ms", rtt.as_secs_f64() * 1_000.0));
        }
        self.last = Some((now, stats.clone()));
        parts.join("  ")
    }
}
