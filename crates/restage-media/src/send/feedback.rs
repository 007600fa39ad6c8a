//! What a subscriber says: requests, and what its path carries.

use std::time::{Duration, Instant};

use restage_codec::MediaKind;

use super::Sender;
use crate::limits::RESENDS_AT_ONCE_MAX;
use crate::rtp::rtcp::sender::{self as rtcp, Feedback};

/// What a subscriber asks for in one feedback packet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) wants_key_frame: bool,
    /// Sequence numbers of video that it has not received.
    pub(crate) missing: Vec<u16>,
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
        // The highest loss of all streams, and a round trip.
        let mut report = None;
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
                last_report,
                since_last_report,
            } if is_ours(ssrc) => {
                let shown = rtcp::round_trip(since_1970, last_report, since_last_report);
                let (lost, round_trip) = report.unwrap_or((0, None));
                report = Some((fraction_lost.max(lost), shown.or(round_trip)));
            }
            Feedback::Nack { .. } | Feedback::KeyFrame { .. } | Feedback::Report { .. } => {}
        });
        if let Some((lost, round_trip)) = report {
            estimator.on_report(now, lost, round_trip);
        }
        Some(requests)
    }

    /// Feedback refused because its SSRC was beyond [`RTCP_SOURCES_MAX`](crate::limits::RTCP_SOURCES_MAX), since the last call.
    pub(crate) fn take_sources_refused(&mut self) -> u64 {
        std::mem::take(&mut self.srtp.rtcp.sources_refused)
    }
}
