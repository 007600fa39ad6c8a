//! What a subscriber says: requests, and what its path carries.

use std::time::{Duration, Instant};

use restage_codec::MediaKind;

use super::seat::{OWN, SeatNumber, seat_of, whose};
use super::{Sender, Stream};
use crate::limits::{RESENDS_AT_ONCE_MAX, SENT_PACKETS_MAX};
use crate::rtp::rtcp::sender::{self as rtcp, Feedback};

/// What a client asks for in one feedback packet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Of the connection's own streams.
    pub(crate) own: Requests,
    /// Of those of the subscriptions that it carries.
    pub(crate) carried: Vec<(SeatNumber, Requests)>,
}

impl Heard {
    fn of(&mut self, seat: SeatNumber) -> &mut Requests {
        if seat == OWN {
            return &mut self.own;
        }
        let known = self.carried.iter().position(|(of, _)| *of == seat);
        let place = known.unwrap_or_else(|| {
            self.carried.push((seat, Requests::default()));
            self.carried.len() - 1
        });
        &mut self.carried[place].1
    }
}

/// What is asked for of the streams of one subscription.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) wants_key_frame: bool,
    /// Sequence numbers of video that it has not received, by its requests or by its transport-wide feedback.
    pub(crate) missing: Vec<u16>,
}

/// What a report says of a stream since its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reported {
    highest: u32,
    lost: i32,
}

impl Stream {
    /// How many packets were lost since the report before, of how many that were sent. What the publisher's path has lost is missing
    /// for the subscriber too, and says nothing about its own path. `None`: it is not known any more what was sent.
    fn lost(&mut self, block: Reported) -> Option<(i64, i64)> {
        let Some(before) = self.reported.replace(block) else {
            return Some((0, 0));
        };
        let expected = block.highest.wrapping_sub(before.highest);
        if expected > SENT_PACKETS_MAX as u32 {
            return None;
        }
        let lost = block.lost.wrapping_sub(before.lost);
        let received = i64::from(expected) - i64::from(lost);
        let sent = (1..=expected).filter(|ahead| {
            let seq = before.highest.wrapping_add(*ahead) as u16;
            self.sent.has(seq)
        });
        let sent = sent.count() as i64;
        Some(((sent - received).clamp(0, sent), sent))
    }
}

impl Stream {
    /// How many of these packets were sent and are asked for the first time: those after the newest that was asked for.
    pub(super) fn asked_first(&mut self, missing: &[u16]) -> u32 {
        let mut count = 0;
        for seq in missing {
            let is_newer = self
                .asked
                .is_none_or(|asked| seq.wrapping_sub(asked).cast_signed() > 0);
            if is_newer && self.sent.has(*seq) {
                self.asked = Some(*seq);
                count += 1;
            }
        }
        count
    }
}

impl Sender {
    /// Reads feedback; `since_1970` is the time at `now`. `None`: it does not come from the subscriber, or it is a replay.
    pub(crate) fn receive_rtcp(
        &mut self,
        now: Instant,
        since_1970: Duration,
        bytes: &[u8],
    ) -> Option<Heard> {
        let opened = self.srtp.rtcp.open(bytes)?;
        let mut heard = Heard::default();
        let (own, carried) = (&mut self.own, &mut self.carried);
        let estimator = &mut self.estimator;
        let mut losses = Losses::default();
        rtcp::read(&opened, |feedback| match feedback {
            Feedback::Nack {
                ssrc,
                first,
                following,
            } => {
                let Some((seat, MediaKind::Video)) = whose(own, carried, ssrc) else {
                    return;
                };
                let requests = heard.of(seat);
                let bits = (0..16).filter(|bit| following >> bit & 1 == 1);
                let missing =
                    std::iter::once(first).chain(bits.map(|bit| first.wrapping_add(bit + 1)));
                let room = (RESENDS_AT_ONCE_MAX as usize).saturating_sub(requests.missing.len());
                requests.missing.extend(missing.take(room));
            }
            Feedback::KeyFrame { ssrc } => {
                if let Some((seat, MediaKind::Video)) = whose(own, carried, ssrc) {
                    heard.of(seat).wants_key_frame = true;
                }
            }
            Feedback::TransportWide(message) => estimator.on_feedback(now, message),
            Feedback::Remb { bits_per_s } => estimator.on_remb(now, bits_per_s),
            Feedback::Report {
                ssrc,
                fraction_lost,
                lost,
                highest,
                jitter,
                last_report,
                since_last_report,
            } => {
                let Some((seat, kind)) = whose(own, carried, ssrc) else {
                    return;
                };
                let seat = seat_of(own, carried, seat);
                let Some(stream) = seat.and_then(|seat| seat.streams[kind.index()].as_mut()) else {
                    return;
                };
                stream.told.reported = Some((lost, jitter));
                let round_trip = rtcp::round_trip(since_1970, last_report, since_last_report);
                let sent = match kind {
                    MediaKind::Video => stream.lost(Reported { highest, lost }),
                    MediaKind::Audio => None,
                };
                losses.add(kind, sent, (fraction_lost, round_trip));
            }
        });
        self.count(now, &heard);
        if let Some((fraction_lost, round_trip)) = losses.sum() {
            self.estimator.on_report(now, fraction_lost, round_trip);
        }
        for (seat, seq) in self.take_lost() {
            let missing = &mut heard.of(seat).missing;
            if !missing.contains(&seq) {
                missing.push(seq);
            }
        }
        Some(heard)
    }

    /// Counts what was asked for.
    fn count(&mut self, now: Instant, heard: &Heard) {
        let carried = heard
            .carried
            .iter()
            .map(|(seat, requests)| (*seat, requests));
        let has_feedback = self.estimator.has_feedback();
        for (seat, requests) in std::iter::once((OWN, &heard.own)).chain(carried) {
            let seat = seat_of(&mut self.own, &mut self.carried, seat);
            let video = seat.and_then(|seat| seat.streams[MediaKind::Video.index()].as_mut());
            let Some(stream) = video else { continue };
            if !has_feedback {
                let packets = stream.asked_first(&requests.missing);
                self.estimator.on_missing(now, packets);
            }
            stream.told.nacks += requests.missing.len() as u64;
            stream.told.key_frame_requests += u64::from(requests.wants_key_frame);
        }
    }

    /// See [`Sfu::touch`](crate::sfu::Sfu::touch).
    pub(crate) fn touch_for_rtcp(&self) -> u64 {
        self.srtp.rtcp.touch() ^ self.estimator.touch()
    }

    /// Feedback refused because its SSRC was beyond [`RTCP_SOURCES_MAX`](crate::limits::RTCP_SOURCES_MAX), since the last call.
    pub(crate) fn take_sources_refused(&mut self) -> u64 {
        std::mem::take(&mut self.srtp.rtcp.sources_refused)
    }
}

/// What the reports in one packet say of a path: of the video together, which says more about it than sound.
#[derive(Debug, Default)]
struct Losses {
    missing: i64,
    sent: i64,
    /// A report of video has come for which it is known what was sent.
    is_known: bool,
    /// Kind, share of lost packets and round trip of a report.
    report: Option<(MediaKind, u8, Option<Duration>)>,
}

impl Losses {
    fn add(
        &mut self,
        kind: MediaKind,
        sent: Option<(i64, i64)>,
        (fraction_lost, round_trip): (u8, Option<Duration>),
    ) {
        if let Some((missing, sent)) = sent {
            self.missing += missing;
            self.sent += sent;
            self.is_known = true;
        }
        if self.report.is_none() || kind == MediaKind::Video {
            self.report = Some((kind, fraction_lost, round_trip));
        }
    }

    /// The share that was lost, in 256ths, and the round trip. `None`: there was no report.
    fn sum(&self) -> Option<(u8, Option<Duration>)> {
        let (kind, fraction_lost, round_trip) = self.report?;
        let share = match kind {
            MediaKind::Video if self.is_known => {
                (self.missing * 256 / self.sent.max(1)).min(255) as u8
            }
            MediaKind::Video | MediaKind::Audio => fraction_lost,
        };
        Some((share, round_trip))
    }
}
