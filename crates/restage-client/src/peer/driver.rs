//! The task that runs the WebRTC engine: datagrams, deadlines and commands go in; datagrams, frames and
//! states come out. After every change the engine's outputs are drained until it returns its next
//! deadline, as str0m requires.

use std::time::{Duration, Instant};

use str0m::media::{KeyframeRequestKind, MediaData, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Event, IceConnectionState, Input, Output, RtcError};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::negotiation::{Agreed, SentProfile};
use super::sequences::Sequences;
use super::sockets::{DATAGRAM_MAX, Sockets};
use super::stats::{Stats, StatsBook};
use super::{CloseReason, Command, ConnectionState};
use crate::error::Error;
use crate::frame::{Codec, EncodedFrame, ReceivedFrame, TrackKind, ticks_to_duration};
use crate::packet::RtpPacket;
use crate::signal::HttpSession;
use crate::standing::Standing;

/// The connection is given up after nothing has arrived for this long.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(15);
/// When nothing has arrived from the server for this long, it is asked over HTTP whether the session still exists, and
/// again each time [`LOOK_AGAIN`] has passed.
const SILENCE: Duration = Duration::from_millis(1_500);
const LOOK_AGAIN: Duration = Duration::from_secs(4);
/// Wait before asking again, because a server that ends a connection may not have stored the reason yet.
const WHY_AGAIN: Duration = Duration::from_millis(300);
/// Interval between requests for a missing key frame.
const KEY_FRAME_RETRY: Duration = Duration::from_millis(500);
/// Longest wait until RTCP BYE and DTLS close_notify are sent.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(250);
/// Longest wait for the server to confirm the DELETE.
const DELETE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest sleep; the engine's "never" is a date too far away for timers.
const SLEEP_MAX: Duration = Duration::from_secs(10);
/// When media time differs from the clock by more than this, the two are aligned again: this happens with files
/// that loop and programs that pause.
const TIMELINE_SLACK: Duration = Duration::from_secs(2);

pub(super) struct Parts {
    pub(super) agreed: Agreed,
    pub(super) sockets: Sockets,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) frames: mpsc::Sender<ReceivedFrame>,
    pub(super) state: watch::Sender<ConnectionState>,
    pub(super) stats: watch::Sender<Stats>,
    pub(super) key_frame_requests: watch::Sender<u64>,
    pub(super) session: Option<HttpSession>,
}

pub(super) struct Driver {
    parts: Parts,
    book: StatsBook,
    buffer: Vec<u8>,
    timeline: Option<Timeline>,
    sequences: Sequences,
    inbound: Inbound,
    sent_profile: SentProfile,
    silent_since: Option<Instant>,
    /// When to ask the server about the session, unless something arrives before. `None` until media can flow, and
    /// for a server that gives no clear answer.
    look_at: Option<Instant>,
    look: Option<JoinHandle<Standing>>,
    /// Set once the connection is to end.
    ending: Option<CloseReason>,
}

/// Relates media time to the clock, for the sender reports by which receivers synchronise.
#[derive(Clone, Copy)]
struct Timeline {
    clock: Instant,
    media: Duration,
}

/// State of the received video.
#[derive(Default)]
struct Inbound {
    /// Set when a decoder cannot start, or would show damage, before the next key frame.
    needs_key_frame: Option<Mid>,
    /// False until the first key frame; video before it cannot be decoded.
    has_started: bool,
    asked_at: Option<Instant>,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        let mut book = StatsBook::default();
        for track in &parts.agreed.tracks {
            book.add_track(track.mid, track.kind);
        }
        Self {
            parts,
            book,
            buffer: vec![0; DATAGRAM_MAX],
            timeline: None,
            sequences: Sequences::default(),
            inbound: Inbound::default(),
            sent_profile: SentProfile::default(),
            silent_since: None,
            look_at: None,
            look: None,
            ending: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<(), Error> {
        let reason = match self.run_until_end().await {
            Ok(reason) => reason,
            Err(error) => CloseReason::Failed(error.to_string()),
        };
        let reason = match reason {
            CloseReason::Remote => self.ask_why().await,
            reason => reason,
        };
        // When this program closes the connection itself, `Closed` is announced only after the DELETE.
        let is_told_late = reason == CloseReason::Local;
        if !is_told_late {
            self.announce(&reason);
        }
        let is_gone = matches!(reason, CloseReason::Ended { .. } | CloseReason::Restarted);
        let deleted = match self.parts.session.take() {
            Some(session) if !is_gone => delete(session).await,
            _ => Ok(()),
        };
        self.say_goodbye().await;
        if is_told_late {
            self.announce(&reason);
        }
        deleted
    }

    /// Announces that the connection has ended: nothing is sent or received any more.
    fn announce(&mut self, reason: &CloseReason) {
        self.parts
            .state
            .send_replace(ConnectionState::Closed(reason.clone()));
        self.parts.commands.close();
        self.parts.frames = mpsc::channel(1).0;
    }

    /// Asks the server over HTTP why it has ended the connection, and whether that was meant for this participant.
    async fn ask_why(&self) -> CloseReason {
        let Some(session) = &self.parts.session else {
            return CloseReason::Remote;
        };
        let mut standing = session.look().await;
        if standing == Standing::Open {
            tokio::time::sleep(WHY_AGAIN).await;
            standing = session.look().await;
        }
        match standing {
            Standing::Ended(reason) => reason,
            Standing::Forgotten | Standing::Away | Standing::Unanswered => CloseReason::Restarted,
            Standing::Open | Standing::Unclear => CloseReason::Remote,
        }
    }

    /// Nothing has arrived for a while: decides from the server's answer over HTTP whether the connection has ended.
    fn judge(&mut self, standing: Standing) -> Option<CloseReason> {
        self.look_at = Some(Instant::now() + LOOK_AGAIN);
        match standing {
            Standing::Ended(reason) => return Some(reason),
            Standing::Forgotten => return Some(CloseReason::Restarted),
            Standing::Away => return Some(CloseReason::Lost),
            Standing::Unclear => self.look_at = None,
            Standing::Open | Standing::Unanswered => {}
        }
        None
    }

    /// Asks the server about the session when it is time.
    fn look(&mut self, now: Instant) {
        if self.look.is_none()
            && self.look_at.is_some_and(|at| now >= at)
            && let Some(session) = &self.parts.session
        {
            self.look = Some(tokio::spawn(session.look()));
        }
    }

    async fn run_until_end(&mut self) -> Result<CloseReason, RtcError> {
        loop {
            let deadline = self.drain().await?;
            if let Some(reason) = self.ending.take() {
                return Ok(reason);
            }
            let now = Instant::now();
            if self
                .silent_since
                .is_some_and(|since| now >= since + RECOVERY_TIMEOUT)
            {
                return Ok(CloseReason::Lost);
            }
            self.look(now);
            let mut wake_at = deadline.min(now + SLEEP_MAX);
            if let (None, Some(look_at)) = (&self.look, self.look_at) {
                wake_at = wake_at.min(look_at);
            }
            tokio::select! {
                (local, received) = self.parts.sockets.receive(&mut self.buffer) => {
                    if let Ok((length, remote)) = received {
                        self.receive(local, remote, length)?;
                    }
                }
                command = self.parts.commands.recv() => match command {
                    Some(Command::Write(frame)) => self.write(frame)?,
                    Some(Command::WritePacket(packet)) => self.write_packet(packet),
                    Some(Command::RequestKeyFrame) => self.want_key_frame(),
                    Some(Command::Close) | None => return Ok(CloseReason::Local),
                },
                standing = told(&mut self.look) => {
                    self.look = None;
                    if let Some(reason) = self.judge(standing) {
                        return Ok(reason);
                    }
                }
                () = tokio::time::sleep_until(wake_at.into()) => {
                    self.parts.agreed.rtc.handle_input(Input::Timeout(Instant::now()))?;
                }
            }
        }
    }

    /// Processes all outputs of the engine. Returns when the engine wants to be called again.
    async fn drain(&mut self) -> Result<Instant, RtcError> {
        loop {
            match self.parts.agreed.rtc.poll_output()? {
                Output::Timeout(deadline) => {
                    if let Some(stats) = self.book.take_news() {
                        self.parts.stats.send_replace(stats.clone());
                    }
                    return Ok(deadline);
                }
                Output::Transmit(datagram) => {
                    let (from, to) = (datagram.source, datagram.destination);
                    self.parts.sockets.send(from, to, &datagram.contents).await;
                }
                Output::Event(event) => self.on_event(event),
            }
        }
    }

    fn receive(
        &mut self,
        local: std::net::SocketAddr,
        remote: std::net::SocketAddr,
        length: usize,
    ) -> Result<(), RtcError> {
        // The server is alive, so it need not be asked.
        if self.look_at.is_some() {
            self.look_at = Some(Instant::now() + SILENCE);
            self.look = None;
        }
        // Datagrams that are not STUN, DTLS, RTP or RTCP are ignored.
        let Ok(receive) = Receive::new(Protocol::Udp, remote, local, &self.buffer[..length]) else {
            return Ok(());
        };
        self.parts
            .agreed
            .rtc
            .handle_input(Input::Receive(Instant::now(), receive))
    }

    fn on_event(&mut self, event: Event) {
        self.book.apply(&event);
        match event {
            Event::Connected => {
                self.look_at = Some(Instant::now() + SILENCE);
                self.set_state(ConnectionState::Connected);
            }
            Event::IceConnectionStateChange(state) => self.on_ice_state(state),
            Event::Closed => self.ending = Some(CloseReason::Remote),
            Event::KeyframeRequest(_) => {
                self.parts
                    .key_frame_requests
                    .send_modify(|count| *count += 1);
            }
            Event::MediaData(data) => self.on_media(data),
            _ => {}
        }
    }

    fn on_ice_state(&mut self, state: IceConnectionState) {
        if state.is_disconnected() {
            self.silent_since.get_or_insert_with(Instant::now);
            self.set_state(ConnectionState::Disconnected);
        } else if state.is_connected() && self.silent_since.take().is_some() {
            self.set_state(ConnectionState::Connected);
        }
    }

    fn set_state(&self, state: ConnectionState) {
        // ICE reports before DTLS is up; only `Connected` ends `Connecting`.
        self.parts.state.send_if_modified(|current| {
            let is_early =
                *current == ConnectionState::Connecting && state == ConnectionState::Disconnected;
            let is_over = matches!(current, ConnectionState::Closed(_));
            let changes = *current != state && !is_early && !is_over;
            if changes {
                *current = state;
            }
            changes
        });
    }

    fn write(&mut self, frame: EncodedFrame) -> Result<(), RtcError> {
        if !self.parts.agreed.rtc.is_connected() {
            return Ok(());
        }
        let profile = match frame.codec {
            Codec::H264 => self.sent_profile.of(&frame.data),
            _ => None,
        };
        let found = self.parts.agreed.tracks.iter().find_map(|track| {
            track
                .payload_type(frame.codec, profile)
                .map(|pt| (track.mid, pt))
        });
        let Some((mid, pt)) = found else {
            return Ok(());
        };
        let captured_at = self.clock_at(frame.time);
        let frequency = match frame.codec.kind() {
            TrackKind::Audio => str0m::media::Frequency::FORTY_EIGHT_KHZ,
            TrackKind::Video => str0m::media::Frequency::NINETY_KHZ,
        };
        let time = MediaTime::new(frame.rtp_time(), frequency);
        let Some(writer) = self.parts.agreed.rtc.writer(mid) else {
            return Ok(());
        };
        self.book
            .count_frame(mid, frame.data.len(), frame.is_key_frame);
        writer.write(pt, captured_at, time, frame.data)
    }

    fn write_packet(&mut self, packet: RtpPacket) {
        if !self.parts.agreed.rtc.is_connected() {
            return;
        }
        let found = self.parts.agreed.tracks.iter().find_map(|track| {
            track
                .payload_type(packet.codec, None)
                .map(|pt| (track.mid, pt))
        });
        let Some((mid, pt)) = found else { return };
        let Some(sequence) = self.sequences.next(packet.codec.kind(), packet.sequence) else {
            return;
        };
        let mut api = self.parts.agreed.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else {
            return;
        };
        let length = packet.payload.len();
        let write = RtpWrite::new(
            pt,
            sequence.into(),
            packet.timestamp,
            Instant::now(),
            packet.payload,
        );
        // Retransmission is negotiated only for video.
        let is_video = packet.codec.kind() == TrackKind::Video;
        stream.write_rtp(write.marker(packet.is_marker).nackable(is_video));
        let ends_frame = packet.is_marker || !is_video;
        self.book.count_packet(mid, length, ends_frame);
    }

    /// Converts media time to the clock.
    fn clock_at(&mut self, media: Duration) -> Instant {
        let now = Instant::now();
        let fresh = Timeline { clock: now, media };
        let timeline = *self.timeline.get_or_insert(fresh);
        let captured_at = if media >= timeline.media {
            timeline.clock + (media - timeline.media)
        } else {
            timeline
                .clock
                .checked_sub(timeline.media - media)
                .unwrap_or(now)
        };
        let ahead = captured_at.saturating_duration_since(now);
        let behind = now.saturating_duration_since(captured_at);
        if ahead.max(behind) > TIMELINE_SLACK {
            self.timeline = Some(fresh);
            return now;
        }
        captured_at
    }

    fn on_media(&mut self, data: MediaData) {
        let Some(codec) = Codec::from_engine(data.params.spec().codec) else {
            return;
        };
        let is_video = codec.kind() == TrackKind::Video;
        let is_key_frame = !is_video || data.is_keyframe();
        self.book
            .count_frame(data.mid, data.data.len(), is_key_frame);
        if is_video && !self.on_video(&data, is_key_frame) {
            return;
        }
        let clock_rate = data.time.frequency().get();
        let frame = ReceivedFrame {
            frame: EncodedFrame {
                codec,
                time: ticks_to_duration(data.time.numer(), clock_rate),
                is_key_frame,
                data: data.data,
            },
            is_contiguous: data.contiguous,
            received_at: data.network_time,
        };
        if self.parts.frames.try_send(frame).is_err() {
            self.book.count_drop();
            if is_video {
                self.inbound.needs_key_frame = Some(data.mid);
                self.inbound.has_started = false;
            }
        }
    }

    /// Requests a key frame while one is missing. Returns whether the frame can be used.
    fn on_video(&mut self, data: &MediaData, is_key_frame: bool) -> bool {
        if is_key_frame {
            self.inbound.has_started = true;
            self.inbound.needs_key_frame = None;
        } else if !data.contiguous || !self.inbound.has_started {
            self.inbound.needs_key_frame = Some(data.mid);
        }
        if let Some(mid) = self.inbound.needs_key_frame {
            self.ask_key_frame(mid);
        }
        self.inbound.has_started
    }

    fn want_key_frame(&mut self) {
        let video = self
            .parts
            .agreed
            .tracks
            .iter()
            .find(|track| track.kind == TrackKind::Video);
        if let Some(track) = video {
            self.ask_key_frame(track.mid);
        }
    }

    fn ask_key_frame(&mut self, mid: Mid) {
        let now = Instant::now();
        if self
            .inbound
            .asked_at
            .is_some_and(|asked_at| now < asked_at + KEY_FRAME_RETRY)
        {
            return;
        }
        self.inbound.asked_at = Some(now);
        let Some(mut writer) = self.parts.agreed.rtc.writer(mid) else {
            return;
        };
        let kinds = [KeyframeRequestKind::Pli, KeyframeRequestKind::Fir];
        let kind = kinds
            .into_iter()
            .find(|kind| writer.is_request_keyframe_possible(*kind));
        if let Some(kind) = kind {
            // Before the first packet there is no SSRC to send the request to; the next frame tries again.
            let _ = writer.request_keyframe(None, kind);
        }
    }

    /// Sends RTCP BYE and DTLS close_notify, so that the server need not wait for a timeout.
    async fn say_goodbye(&mut self) {
        let give_up_at = Instant::now() + GOODBYE_TIMEOUT;
        if self.parts.agreed.rtc.close().is_err() {
            return;
        }
        while let Ok(deadline) = self.drain().await {
            if !self.parts.agreed.rtc.is_alive() || deadline >= give_up_at {
                break;
            }
            tokio::time::sleep_until(deadline.into()).await;
            let now = Instant::now();
            if self
                .parts
                .agreed
                .rtc
                .handle_input(Input::Timeout(now))
                .is_err()
            {
                break;
            }
        }
        let stats = self.book.stats().clone();
        self.parts.stats.send_replace(stats);
    }
}

/// Waits for the result of the HTTP request about the session, if one is under way.
async fn told(look: &mut Option<JoinHandle<Standing>>) -> Standing {
    match look {
        Some(look) => look.await.unwrap_or(Standing::Unclear),
        None => std::future::pending().await,
    }
}

async fn delete(session: HttpSession) -> Result<(), Error> {
    let host = session.authority();
    tokio::time::timeout(DELETE_TIMEOUT, session.delete())
        .await
        .unwrap_or_else(|_| {
            let reason = format!("no answer to DELETE within {DELETE_TIMEOUT:?}");
            Err(Error::Http { host, reason })
        })
}
