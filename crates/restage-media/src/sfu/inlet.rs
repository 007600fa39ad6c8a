//! External inlets: publications that the caller feeds.

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use super::Sfu;
use crate::bitrate::Upload;
use crate::io::{Excess, InletEnd, InletError, InletId, Output, PublicationId};
use crate::limits::{INLET_FORMATS_MAX, LAYERS_MAX, PAYLOAD_BYTES_MAX, PUSH_PACKETS_MAX};
use crate::packet::InletPacket;
use crate::packet::SenderReport;
use crate::publication::inlet::{External, Inlet, rid_of_layer};
use crate::receive::Received;
use crate::rtp::extensions::Extensions;
use crate::sdp::format::Format;
use crate::util::slab::Index;

/// Sequence numbers are below this: with the rollover counter above them they make SRTP's packet index of 48 bits.
const SEQUENCE_END: u64 = 1 << 48;

impl Sfu {
    pub(super) fn open_inlet(
        &mut self,
        now: Instant,
        (key, publication): (InletId, PublicationId),
        formats: Vec<Format>,
        is_limited: bool,
    ) {
        let opened = self.try_open_inlet(now, (key, publication), formats, is_limited);
        if let Err(error) = opened {
            self.refuse_inlet(key, error);
        }
    }

    fn try_open_inlet(
        &mut self,
        now: Instant,
        (key, publication): (InletId, PublicationId),
        formats: Vec<Format>,
        is_limited: bool,
    ) -> Result<(), InletError> {
        match formats.len() {
            0 => return Err(InletError::NoFormats),
            count if count > INLET_FORMATS_MAX => return Err(InletError::TooManyFormats { count }),
            _ => {}
        }
        if self.inlet_keys.contains_key(&key) {
            return Err(InletError::KeyInUse);
        }
        let index = self.publication(publication).ok_or(InletError::Full)?;
        let formats: Arc<[Arc<Format>]> = formats.into_iter().map(Arc::new).collect();
        let limit = self.config.publish_bits_per_s_max.filter(|_| is_limited);
        let upload = limit.map(|bits_per_s| Upload::new(now, bits_per_s));
        let feed = self.new_feed(now);
        let mut external = External::new(key, Arc::clone(&formats), feed, upload);
        external.is_limited = is_limited;
        self.set_inlet(index, Inlet::External(Box::new(external)));
        self.inlet_keys.insert(key, index);
        self.learn_formats(index, &formats);
        Ok(())
    }

    pub(super) fn close_inlet(&mut self, key: InletId) {
        if let Some(index) = self.remove_inlet(key) {
            self.forget_if_idle(index);
        }
    }

    /// Removes an inlet from its publication.
    fn remove_inlet(&mut self, key: InletId) -> Option<Index> {
        let index = self.inlet_keys.remove(&key)?;
        if let Some(publication) = self.publications.get_mut(index) {
            publication.set_inlet(Inlet::default());
        }
        self.publication_timers.clear(index);
        Some(index)
    }

    fn refuse_inlet(&mut self, inlet: InletId, error: InletError) {
        tracing::debug!(inlet = inlet.0, %error, "refused");
        self.sink
            .outputs
            .push_back(Output::InletRefused { inlet, error });
    }

    pub(super) fn push(&mut self, now: Instant, key: InletId, packets: &[InletPacket]) {
        let outcome = match self.inlet_keys.get(&key) {
            Some(&index) => self
                .check_push(index, packets)
                .map(|()| self.push_checked(now, index, packets)),
            None => Err(InletError::Unknown),
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(excess)) => {
                self.close_inlet(key);
                let reason = InletEnd::Exceeded(excess);
                self.sink
                    .outputs
                    .push_back(Output::InletEnded { inlet: key, reason });
            }
            Err(error) => self.refuse_inlet(key, error),
        }
    }

    /// Checks every packet against the rules of the inlet.
    fn check_push(&self, index: Index, packets: &[InletPacket]) -> Result<(), InletError> {
        let count = packets.len();
        if count > PUSH_PACKETS_MAX {
            return Err(InletError::TooManyPackets { count });
        }
        let publication = self.publications.get(index);
        let inlet = publication.map(|publication| &publication.inlet);
        let Some(Inlet::External(external)) = inlet else {
            return Err(InletError::Unknown);
        };
        for (number, packet) in packets.iter().enumerate() {
            check_packet(number, packet, &external.formats)?;
        }
        Ok(())
    }

    /// Forwards packets that have been checked. Returns the limit that they exceed, if they do.
    fn push_checked(
        &mut self,
        now: Instant,
        index: Index,
        packets: &[InletPacket],
    ) -> Option<Excess> {
        for pushed in packets {
            self.stats.packets_in += 1;
            let inlet = &mut self.publications.get_mut(index)?.inlet;
            let Inlet::External(external) = inlet else {
                return None;
            };
            if let Some(upload) = &mut external.upload
                && let Some(bits_per_s) = upload.add(now, pushed.payload.len())
            {
                return Some(Excess::PublishBitrate { bits_per_s });
            }
            let Some(packet) = external.take(now, pushed) else {
                self.stats.packets_unusable += 1;
                continue;
            };
            if packet.starts_key_frame {
                self.stats.keyframes += 1;
                let size = external.feed.video().size(packet.encoding.layer);
                if external.is_limited
                    && let Some(excess) = self.config.excess_of(size)
                {
                    return Some(excess);
                }
            }
            self.queue(index, packet);
        }
        None
    }
}

impl External {
    /// Assigns a packet to its layer. `None`: its number was there before, or there are too many layers.
    fn take(&mut self, now: Instant, pushed: &InletPacket) -> Option<crate::packet::Packet> {
        let format = Arc::clone(self.formats.get(pushed.format)?);
        let kind = format.codec.kind();
        let rid = rid_of_layer(pushed.layer);
        let run = self.run_of(kind, pushed.layer, pushed.sequence)?;
        let received = Received {
            ssrc: run,
            rid,
            pt: format.pt,
            seq: pushed.sequence,
            time: pushed.timestamp,
            marker: pushed.marker,
            payload: Arc::clone(&pushed.payload),
            arrived: now,
            extensions: Extensions {
                audio_level: pushed.audio_level.map(|level| level.clamp(-127, 0)),
                ..Extensions::default()
            },
            dependency: None,
        };
        if let Some(captured_us) = pushed.captured_us {
            let report = SenderReport {
                ntp_us: i64::try_from(captured_us).unwrap_or(i64::MAX),
                time: pushed.timestamp as u32,
                arrived: now,
                is_of_inlet: true,
            };
            self.feed
                .on_report(kind, rid, report, format.codec.clock_rate());
        }
        self.feed.on_packet(kind, received, &format)
    }
}

fn check_packet(
    packet: usize,
    pushed: &InletPacket,
    formats: &[Arc<Format>],
) -> Result<(), InletError> {
    let Some(format) = formats.get(pushed.format) else {
        let format = pushed.format;
        return Err(InletError::UnknownFormat { packet, format });
    };
    let layers = match format.codec.kind() {
        MediaKind::Audio => 1,
        MediaKind::Video => LAYERS_MAX,
    };
    if usize::from(pushed.layer) >= layers {
        let layer = pushed.layer;
        return Err(InletError::UnknownLayer { packet, layer });
    }
    if pushed.sequence >= SEQUENCE_END {
        return Err(InletError::SequenceTooLarge { packet });
    }
    match pushed.payload.len() {
        0 => Err(InletError::EmptyPayload { packet }),
        bytes if bytes > PAYLOAD_BYTES_MAX => Err(InletError::PayloadTooLarge { packet, bytes }),
        _ => Ok(()),
    }
}
