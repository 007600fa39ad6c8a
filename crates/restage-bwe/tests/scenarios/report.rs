//! What receivers without transport-wide feedback say: receiver reports (RFC 3550 §6.2, §6.4.1) and REMB.

use std::time::Duration;

use restage_load::network::Random;

use super::remb::Remb;

/// Mean times between two reports: while pictures come, and while only sound does. Each is multiplied by 0.5 to 1.5 (RFC 3550 §6.2).
const WITH_PICTURES: Duration = Duration::from_secs(1);
const SOUND_ONLY: Duration = Duration::from_secs(5);
/// Time between two sender reports, from which the round trip follows.
const SENDER_REPORTS: Duration = Duration::from_secs(1);
/// A receiver's own estimate is lowered when packets wait for longer than this,
const QUEUE: Duration = Duration::from_millis(80);
/// to this share of what it receives; otherwise it grows by this factor a second, and not beyond this share of what it receives.
const LOWERED: f64 = 0.85;
const GROWTH: f64 = 1.08;
const RECEIVED_SHARE: f64 = 1.5;
const HEADROOM: f64 = 10_000.0;
const REMB_INTERVAL: Duration = Duration::from_secs(1);
const PICTURE_REMB_INTERVAL: Duration = Duration::from_millis(200);
const REMB_LOWERED_INTERVAL: Duration = Duration::from_millis(300);

/// What a receiver says about the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    TransportWide,
    Reports,
    Remb,
    /// As libwebrtc's ([`Remb`]): of pictures only, five times a second, and repeated with each report while no pictures come.
    PictureRemb,
}

/// What is reported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    /// In 256ths.
    pub(crate) fraction_lost: u8,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) remb: Option<u64>,
}

/// A receiver of this kind.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// Arrival, time in the queue and bytes of what is under way.
    coming: Vec<(Duration, Duration, usize)>,
    received: u32,
    lost: u32,
    pictures_at: Option<Duration>,
    sender_report: Option<(Duration, Duration)>,
    sender_report_at: Duration,
    due_at: Duration,
    remb_at: Duration,
    remb: f64,
    pictures: Remb,
    window: Vec<(Duration, usize)>,
}

impl Receiver {
    /// A packet that arrives, or does not.
    pub(crate) fn sent(
        &mut self,
        now: Duration,
        bytes: usize,
        arrives: Option<(Duration, Duration)>,
    ) {
        let Some((arrives, queued)) = arrives else {
            self.lost += 1;
            return;
        };
        self.coming.push((arrives, queued, bytes));
        if now >= self.sender_report_at {
            self.sender_report_at = now + SENDER_REPORTS;
            self.sender_report = Some((arrives, queued));
        }
    }

    /// What is to be said now, if anything. `base` is the round trip without queues.
    pub(crate) fn report(
        &mut self,
        now: Duration,
        kind: Kind,
        base: Duration,
        random: &mut Random,
    ) -> Option<Report> {
        let mut longest = Duration::ZERO;
        for (at, queued, bytes) in self.coming.extract_if(.., |(at, ..)| *at <= now) {
            self.received += 1;
            longest = longest.max(queued);
            let is_picture = bytes > 300;
            if is_picture {
                self.pictures_at = Some(at);
            }
            if is_picture || kind != Kind::PictureRemb {
                self.window.push((at, bytes));
            }
        }
        self.window.retain(|(at, _)| *at + REMB_INTERVAL > now);
        let is_due = now >= self.due_at && self.received > 0;
        let repeated = self.pictures.rate().filter(|_| is_due);
        let remb = match kind {
            Kind::TransportWide | Kind::Reports => None,
            Kind::Remb => self.estimate(now, longest, kind),
            Kind::PictureRemb => self.estimate(now, longest, kind).or(repeated),
        };
        if !is_due && remb.is_none() {
            return None;
        }
        let lost = match is_due {
            true => f64::from(self.lost) / f64::from(self.lost + self.received),
            false => 0.0,
        };
        if is_due {
            (self.lost, self.received) = (0, 0);
            let has_pictures = self
                .pictures_at
                .is_some_and(|at| at + WITH_PICTURES * 2 > now);
            let mean = if has_pictures {
                WITH_PICTURES
            } else {
                SOUND_ONLY
            };
            self.due_at = now + mean.mul_f64(0.5 + random.unit());
        }
        let known = self
            .sender_report
            .filter(|(arrives, _)| *arrives <= now && is_due);
        Some(Report {
            fraction_lost: (lost * 256.0).min(255.0) as u8,
            round_trip: known.map(|(_, queued)| base + queued),
            remb,
        })
    }

    fn estimate(&mut self, now: Duration, longest: Duration, kind: Kind) -> Option<u64> {
        let usual = match kind {
            Kind::PictureRemb => PICTURE_REMB_INTERVAL,
            _ => REMB_INTERVAL,
        };
        let received: usize = self.window.iter().map(|(_, bytes)| bytes).sum();
        let received = received as f64 * 8.0;
        let is_over = longest > QUEUE;
        let interval = if is_over {
            REMB_LOWERED_INTERVAL.min(usual)
        } else {
            usual
        };
        if now < self.remb_at + interval || received == 0.0 {
            return None;
        }
        let elapsed = (now - self.remb_at).as_secs_f64();
        self.remb_at = now;
        if kind == Kind::PictureRemb {
            self.pictures.update(now, received, is_over);
            return self.pictures.rate();
        }
        if self.remb == 0.0 {
            self.remb = received;
        }
        self.remb = match is_over {
            true => self.remb.min(received * LOWERED),
            false => {
                let most = received * RECEIVED_SHARE + HEADROOM;
                (self.remb * GROWTH.powf(elapsed)).min(most.max(self.remb))
            }
        };
        Some(self.remb as u64)
    }
}
