//! Encoders that send RTMP: bytes become pictures and sound of an external inlet.
//!
//! The session is the real one. Sound is not converted: an access unit becomes a packet of Opus as it is, because what encoders of
//! sound do is tested elsewhere and costs more than all the rest.

use std::collections::BTreeMap;
use std::time::Duration;

use restage_codec::Codec;
use restage_codec::h264::packetise;
use restage_core::Command;
use restage_core::id::ConnectionId;
use restage_core::row::{IngestConfigurationId, IngestProtocol, StreamKey};
use restage_media::{
    Control, Format, InletId, InletPacket, Input, MediaKind, PublicationId, WorkerId,
};
use restage_rtmp::{
    AvcConfig, Event, HANDSHAKE_RANDOM_BYTES, Item, Refusal, Release, Session, VideoCodec,
};

use super::{Later, Live, Out, Reach, Server, Then};

/// Time between two looks at the media that waits.
const POUR: Duration = Duration::from_millis(20);
const PAYLOAD_BYTES: usize = 1_160;
const SOUND: usize = 0;
const PICTURES: usize = 1;
/// Bytes that one session may hold.
const SESSION_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes that may wait until they are due.
const RELEASE_BYTES_MAX: usize = 2 * 1024 * 1024;

enum Media {
    Picture(Vec<Vec<u8>>),
    Sound(Vec<u8>),
}

/// One encoder's connection.
struct Ingest {
    session: Session,
    release: Release<Media>,
    config: Option<AvcConfig>,
    connection: Option<ConnectionId>,
    /// Where its packets go, once that is known.
    inlet: Option<(InletId, WorkerId)>,
    is_established: bool,
    is_over: bool,
    sequences: [u64; 2],
}

/// All encoders' connections of a process.
#[derive(Default)]
pub(super) struct Ingests {
    open: BTreeMap<u64, Ingest>,
    by_inlet: BTreeMap<InletId, u64>,
    is_pouring: bool,
}

impl Server {
    /// An encoder opens a connection.
    pub(crate) fn accept(&mut self, feed: u64) {
        let mut random = [0; HANDSHAKE_RANDOM_BYTES];
        random.fill_with(|| self.dice.bits() as u8);
        let ingest = Ingest {
            session: Session::new(self.instant(), &random),
            release: Release::default(),
            config: None,
            connection: None,
            inlet: None,
            is_established: false,
            is_over: false,
            sequences: [1; 2],
        };
        self.ingests.open.insert(feed, ingest);
        if !self.ingests.is_pouring {
            self.ingests.is_pouring = true;
            self.after(POUR, Later::Pour);
        }
    }

    /// Bytes of an encoder.
    pub(crate) fn take_bytes(
        &mut self,
        feed: u64,
        configuration: &IngestConfigurationId,
        mut bytes: &[u8],
    ) {
        let now = self.instant();
        loop {
            let Some(ingest) = self.ingests.open.get_mut(&feed) else {
                // Nobody listens at that connection any more.
                self.out.push(Out::Hangup(feed));
                return;
            };
            let event = ingest.session.receive(now, &mut bytes);
            assert!(
                ingest.session.memory() <= SESSION_BYTES_MAX,
                "a session holds too much"
            );
            let Some(event) = event else { break };
            self.on_event(feed, configuration, event);
        }
        self.send_answers(feed);
    }

    fn on_event(&mut self, feed: u64, configuration: &IngestConfigurationId, event: Event) {
        let now = self.instant();
        let Some(ingest) = self.ingests.open.get_mut(&feed) else {
            return;
        };
        match event {
            Event::Publish(publish) => {
                let key = StreamKey::given(publish.key.expose());
                let configuration = configuration.clone();
                self.start_ingest(feed, configuration, key);
            }
            Event::VideoConfig(config) => {
                if let VideoCodec::H264(config) = config.codec {
                    ingest.config = Some(config);
                }
            }
            Event::Video(frame) => {
                let Some(config) = &ingest.config else { return };
                let payloads = packetise(config.complete(&frame.units), PAYLOAD_BYTES);
                let item = Item {
                    kind: MediaKind::Video,
                    layer: frame.layer,
                    timestamp_us: frame.timestamp_us,
                    is_key: frame.is_key,
                    bytes: payloads.iter().map(Vec::len).sum(),
                    value: Media::Picture(payloads),
                };
                ingest.release.push(now, item);
            }
            Event::Audio(frame) => {
                let item = Item {
                    kind: MediaKind::Audio,
                    layer: 0,
                    timestamp_us: frame.timestamp_us,
                    is_key: false,
                    bytes: frame.data.len(),
                    value: Media::Sound(frame.data),
                };
                ingest.release.push(now, item);
            }
            Event::End(_) => ingest.is_over = true,
            _ => {}
        }
    }

    fn start_ingest(&mut self, feed: u64, configuration: IngestConfigurationId, key: StreamKey) {
        let connection = ConnectionId::new(format!("c{}", self.fresh()));
        let command = Command::StartIngest {
            connection: connection.clone(),
            configuration,
            key,
            protocol: IngestProtocol::Rtmp,
        };
        let worker = WorkerId(self.dice.below(self.workers.len()) as u16);
        let inlet = InletId(self.fresh());
        if let Some(ingest) = self.ingests.open.get_mut(&feed) {
            ingest.connection = Some(connection.clone());
        }
        self.auditor.opened(&connection, Self::address(0), "");
        let live = Live {
            stage: "".into(),
            participant: "".into(),
            worker,
            reach: Reach::Inlet(inlet, feed),
            publication: None,
            is_connected: false,
            address: None,
        };
        self.live.insert(connection.clone(), live);
        self.submit("", command, Then::Ingest { feed, connection });
    }

    /// The rules have let an encoder publish, or have not.
    pub(super) fn ingest_answered(
        &mut self,
        feed: u64,
        connection: &ConnectionId,
        is_let_in: bool,
    ) {
        let now = self.instant();
        let row = self.store.world.connections.get(connection).cloned();
        let is_here = self
            .ingests
            .open
            .get(&feed)
            .is_some_and(|ingest| !ingest.is_over);
        match (row, is_let_in && is_here) {
            (Some(row), true) => {
                let key = restage_core::PublicationKey {
                    session: row.session,
                    participant: row.participant.clone(),
                };
                self.auditor.feeds(feed, key);
                if let Some(live) = self.live.get_mut(connection) {
                    (live.stage, live.participant) = (row.stage, row.participant);
                }
                if let Some(ingest) = self.ingests.open.get_mut(&feed) {
                    ingest.session.accept(now);
                }
            }
            (Some(row), false) if is_let_in => {
                // It was let in and is gone already.
                self.live.remove(connection);
                let command = Command::ConnectionClosed {
                    connection: connection.clone(),
                    stage: row.stage,
                    participant: row.participant,
                };
                self.submit("", command, Then::Nothing);
            }
            _ => {
                self.live.remove(connection);
                if let Some(ingest) = self.ingests.open.get_mut(&feed) {
                    ingest.connection = None;
                    ingest.session.refuse(&Refusal::InvalidStreamKey);
                    ingest.is_over = true;
                }
            }
        }
        self.send_answers(feed);
    }

    /// The publication that an inlet feeds is known.
    pub(super) fn open_inlet(
        &mut self,
        feed: u64,
        inlet: InletId,
        worker: WorkerId,
        publication: PublicationId,
    ) {
        let Some(ingest) = self.ingests.open.get_mut(&feed) else {
            return;
        };
        ingest.inlet = Some((inlet, worker));
        self.ingests.by_inlet.insert(inlet, feed);
        let h264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42c01e";
        let formats = vec![
            Format::new(Codec::Opus, "minptime=10;useinbandfec=1").expect("a format"),
            Format::new(Codec::H264, h264).expect("a format"),
        ];
        let control = Control::OpenInlet {
            inlet,
            publication,
            formats,
            is_limited: true,
        };
        self.control(worker, control);
    }

    /// The connection that feeds an inlet has ended, from whichever side.
    pub(super) fn close_inlet(&mut self, inlet: InletId, worker: WorkerId, feed: u64) {
        self.control(worker, Control::CloseInlet { inlet });
        self.ingests.by_inlet.remove(&inlet);
        if self.ingests.open.remove(&feed).is_some() {
            self.out.push(Out::Hangup(feed));
        }
    }

    /// The media side has closed an inlet.
    pub(super) fn inlet_ended(&mut self, inlet: InletId) {
        if let Some(feed) = self.ingests.by_inlet.get(&inlet).copied() {
            self.encoder_gone(feed);
        }
    }

    /// An encoder's connection is gone.
    pub(crate) fn encoder_gone(&mut self, feed: u64) {
        let Some(ingest) = self.ingests.open.remove(&feed) else {
            return;
        };
        if let Some((inlet, worker)) = ingest.inlet {
            self.ingests.by_inlet.remove(&inlet);
            self.control(worker, Control::CloseInlet { inlet });
        }
        if let Some(connection) = ingest.connection
            && self.store.world.connections.contains_key(&connection)
        {
            self.leave(&connection);
        }
        self.out.push(Out::Hangup(feed));
    }

    /// Hands media that is due to the workers.
    pub(super) fn pour(&mut self) {
        let feeds: Vec<u64> = self.ingests.open.keys().copied().collect();
        self.ingests.is_pouring = !feeds.is_empty();
        if self.ingests.is_pouring {
            self.after(POUR, Later::Pour);
        }
        let now = self.instant();
        for feed in feeds {
            let Some(ingest) = self.ingests.open.get_mut(&feed) else {
                continue;
            };
            if let Some(Event::End(_)) = ingest.session.handle_time(now) {
                ingest.is_over = true;
            }
            assert!(
                ingest.release.bytes() <= RELEASE_BYTES_MAX,
                "too much waits to be due"
            );
            self.pour_one(feed);
            self.send_answers(feed);
            if self
                .ingests
                .open
                .get(&feed)
                .is_some_and(|ingest| ingest.is_over)
            {
                self.encoder_gone(feed);
            }
        }
    }

    fn pour_one(&mut self, feed: u64) {
        let now = self.instant();
        loop {
            let Some(ingest) = self.ingests.open.get_mut(&feed) else {
                return;
            };
            let Some(item) = ingest.release.pop(now) else {
                return;
            };
            let Some((inlet, worker)) = ingest.inlet else {
                continue;
            };
            let is_key = item.is_key;
            let packets = ingest.packets(item);
            let begins = is_key && !ingest.is_established;
            ingest.is_established |= is_key;
            let connection = ingest.connection.clone();
            if let Some(sfu) = self.workers.get_mut(usize::from(worker.0)) {
                let packets = &packets;
                sfu.handle_input(now, Input::Push { inlet, packets });
                self.drain(usize::from(worker.0));
            }
            if let Some(connection) = connection.filter(|_| begins) {
                self.coverage.reach("encoder publishes");
                self.established(connection);
            }
        }
    }

    /// Answers to the encoder.
    fn send_answers(&mut self, feed: u64) {
        if let Some(ingest) = self.ingests.open.get_mut(&feed) {
            let bytes = ingest.session.take_output();
            if !bytes.is_empty() {
                self.out.push(Out::Bytes(feed, bytes));
            }
        }
    }
}

impl Ingest {
    fn packets(&mut self, item: Item<Media>) -> Vec<InletPacket> {
        let captured_us = item.timestamp_us.unsigned_abs();
        let (format, rate, payloads) = match item.value {
            Media::Picture(payloads) => (PICTURES, 90, payloads),
            Media::Sound(unit) => (SOUND, 48, vec![[&[0x50], &unit[1..]].concat()]),
        };
        let last = payloads.len().saturating_sub(1);
        let packet = |(place, payload): (usize, Vec<u8>)| {
            let sequence = self.sequences[format];
            self.sequences[format] += 1;
            InletPacket {
                format,
                layer: 0,
                sequence,
                timestamp: captured_us * rate / 1_000,
                captured_us: Some(captured_us),
                marker: format == PICTURES && place == last,
                payload: payload.into(),
                audio_level: (format == SOUND).then_some(-30),
            }
        };
        payloads.into_iter().enumerate().map(packet).collect()
    }
}
