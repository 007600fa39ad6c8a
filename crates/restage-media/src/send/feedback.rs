//! What a subscriber says: requests, and what its path carries.

use std::time::{Duration, Instant};

use restage_codec::MediaKind;

use super::{Sender, Stream};
use crate::limits::{RESENDS_AT_ONCE_MAX, SENT_PACKETS_MAX};
use crate::rtp::rtcp::sender::{self as rtcp, Feedback};

/// What a subscriber asks for in one feedback packet.
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
    /// The share of packets that were lost since the report before, in 256ths: of those that were sent. What the publisher's path
    /// has lost is missing for the subscriber too, and says nothing about its own path. `None`: it is not known any more what was
    /// sent.
    fn lost(&mut self, block: Reported) -> Option<u8> {
        let Some(before) = self.reported.replace(block) else {
            return Some(0);
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
        let missing = (sent - received).clamp(0, sent);
        Some((missing * 256 / sent.max(1)).min(255) as u8)
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
    ) -> Option<Requests> {
        let opened = self.srtp.rtcp.open(bytes)?;
        let mut requests = Requests::default();
        let video = self.streams[MediaKind::Video.index()]
            .as_ref()
            .map(|stream| stream.config.ssrc);
        let streams = &self.streams;
        let is_ours = |ssrc| {
            let mut streams = streams.iter().flatten();
            streams.any(|stream| stream.config.ssrc == ssrc)
        };
        let estimator = &mut self.estimator;
        let mut report = None;
        let mut said = [None; 2];
        rtcp::read(&opened, |feedback| match feedback {
            Feedback::Nack {
                ssrc,
                first,
                following,
            } if Some(ssrc) == video => {
                let bits = (0..16).filter(|bit| following >> bit & 1 == 1);
                let missing =
                    std::iter::once(first).chain(bits.map(|bit| first.wrapping_add(bit + 1)));
                let room = (RESENDS_AT_ONCE_MAX as usize).saturating_sub(requests.missing.len());
                requests.missing.extend(missing.take(room));
            }
            Feedback::KeyFrame { ssrc } if Some(ssrc) == video => requests.wants_key_frame = true,
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
            } if is_ours(ssrc) => {
                said[usize::from(Some(ssrc) == video)] = Some((ssrc, lost, jitter));
                let block = Reported { highest, lost };
                let round_trip = rtcp::round_trip(since_1970, last_report, since_last_report);
                // Video says more about the path than audio.
                if report.is_none() || Some(ssrc) == video {
                    report = Some((ssrc, block, fraction_lost, round_trip));
                }
            }
            Feedback::Nack { .. } | Feedback::KeyFrame { .. } | Feedback::Report { .. } => {}
        });
        for (ssrc, lost, jitter) in said.into_iter().flatten() {
            let mut streams = self.streams.iter_mut().flatten();
            if let Some(stream) = streams.find(|stream| stream.config.ssrc == ssrc) {
                stream.told.reported = Some((lost, jitter));
            }
        }
        if let Some(stream) = &mut self.streams[MediaKind::Video.index()] {
            if !self.estimator.has_feedback() {
                let packets = stream.asked_first(&requests.missing);
                self.estimator.on_missing(now, packets);
            }
            stream.told.nacks += requests.missing.len() as u64;
            stream.told.key_frame_requests += u64::from(requests.wants_key_frame);
        }
        if let Some((ssrc, block, fraction_lost, round_trip)) = report {
            let mut streams = self.streams.iter_mut().flatten();
            let stream = streams.find(|stream| stream.config.ssrc == ssrc);
            let fraction_lost = match stream {
                Some(stream) if Some(ssrc) == video => stream.lost(block).unwrap_or(fraction_lost),
                _ => fraction_lost,
            };
            self.estimator.on_report(now, fraction_lost, round_trip);
        }
        for seq in self.take_lost() {
            if !requests.missing.contains(&seq) {
                requests.missing.push(seq);
            }
        }
        Some(requests)
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
