//! The server's side of one connection.

mod commands;
mod media;
mod replies;

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use crate::chunk::{ChunkStream, Reader, write};
use crate::event::{End, Event};
use crate::fault::Fault;
use crate::handshake::{HANDSHAKE_RANDOM_BYTES, Handshake};
use crate::limits::{
    CHUNK_BYTES_DEFAULT, HANDSHAKE_MAX, OUTPUT_BYTES_MAX, PUBLISH_MAX, SILENCE_MAX,
};
use crate::message::{Aggregate, Message, check_length, kind, number, user_control};
use crate::refusal::Refusal;
use crate::window::Window;
use media::Media;

/// The message stream that createStream gives. A connection has one.
const MESSAGE_STREAM: u32 = 1;
/// Bytes of a chunk's payload that the server sends, once it has said so.
const CHUNK_BYTES_OUT: usize = 4_096;
/// Bytes after which each side wants to hear of their arrival.
const WINDOW_BYTES: u32 = 2_500_000;

/// One connection of an encoder, from its first byte on. The caller brings bytes and time, and sends what comes out:
///
/// 1. For each read from the socket: call [`receive`](Self::receive) until it returns `None`, and handle each [`Event`]. Then send
///    [`take_output`](Self::take_output) before the next read, so that an encoder that does not read is not read from either.
/// 2. Answer [`Event::Publish`] with [`accept`](Self::accept) or [`refuse`](Self::refuse). Until then `receive` takes no bytes.
/// 3. Call [`handle_time`](Self::handle_time) at [`next_deadline`](Self::next_deadline).
/// 4. After [`Event::End`], or once [`is_over`](Self::is_over): send the output, end the writing side, read on for a moment and drop what
///    comes, and then close the connection. A connection that is closed while something is unread is reset, and the encoder would not
///    read why.
///
/// When the encoder closes the connection, the caller knows it first; no event follows then.
pub struct Session {
    stage: Stage,
    reader: Reader,
    out: Vec<u8>,
    chunk_bytes_out: usize,
    /// Events of the present message that are still to be told.
    events: VecDeque<Event>,
    /// Messages of an aggregate that are still to be handled.
    aggregate: Option<Aggregate>,
    media: Media,
    app: String,
    /// There was a `connect`.
    is_connected: bool,
    /// When bytes came last, or the caller has answered.
    received_at: Instant,
    received: Window,
}

/// The progress of a connection.
enum Stage {
    Handshake {
        handshake: Box<Handshake>,
        until: Instant,
    },
    /// Commands before `publish`.
    Commands {
        until: Instant,
    },
    /// The caller is to answer `publish`.
    Asked {
        transaction: f64,
    },
    Publishing,
    Over,
}

/// Without bytes that have come: there may be a stream key in them.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Handshake { .. } => "handshake",
            Stage::Commands { .. } => "commands",
            Stage::Asked { .. } => "asked",
            Stage::Publishing => "publishing",
            Stage::Over => "over",
        };
        let mut session = f.debug_struct("Session");
        session.field("stage", &stage).field("app", &self.app);
        session.finish_non_exhaustive()
    }
}

impl Session {
    /// A session whose connection has just been opened. `random` must be new for each session.
    pub fn new(now: Instant, random: &[u8; HANDSHAKE_RANDOM_BYTES]) -> Self {
        Self {
            stage: Stage::Handshake {
                handshake: Box::new(Handshake::new(random)),
                until: now + HANDSHAKE_MAX,
            },
            reader: Reader::new(),
            out: Vec::new(),
            chunk_bytes_out: CHUNK_BYTES_DEFAULT,
            events: VecDeque::new(),
            aggregate: None,
            media: Media::default(),
            app: String::new(),
            is_connected: false,
            received_at: now,
            received: Window::new(WINDOW_BYTES),
        }
    }

    /// Takes bytes that have come, until there is an event or none are left. Bytes that are left when it returns `None` are to be given
    /// again later: that is so while [`Event::Publish`] waits for its answer. After [`Event::End`] everything is taken and ignored.
    pub fn receive(&mut self, now: Instant, input: &mut &[u8]) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.stage {
                Stage::Asked { .. } => return None,
                Stage::Over => {
                    *input = &[];
                    return None;
                }
                _ => {}
            }
            let before = input.len();
            let step = self.step(now, input);
            self.count(now, before - input.len());
            match step {
                Ok(true) => {}
                Ok(false) if self.events.is_empty() => return None,
                Ok(false) => {}
                Err(fault) => self.fail(fault),
            }
        }
    }

    /// Lets the encoder publish.
    pub fn accept(&mut self, now: Instant) {
        if let Stage::Asked { transaction } = self.stage {
            self.received_at = now;
            self.stage = Stage::Publishing;
            self.reply_published(transaction);
        }
    }

    /// Refuses to let the encoder publish, or ends what it publishes: the encoder is told the words. [`receive`](Self::receive) returns
    /// [`Event::End`] next.
    pub fn refuse(&mut self, refusal: &Refusal) {
        match self.stage {
            Stage::Asked { .. } => self.reply_refused(refusal, true),
            Stage::Publishing => self.reply_refused(refusal, false),
            _ => {}
        }
        self.end(End::Refused);
    }

    /// Ends the session if a time has run out.
    pub fn handle_time(&mut self, now: Instant) -> Option<Event> {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        let fault = match self.stage {
            Stage::Handshake { until, .. } if now >= until => Fault::HandshakeTimeout,
            Stage::Commands { until } if now >= until => Fault::PublishTimeout,
            _ => Fault::Silence,
        };
        self.fail(fault);
        self.events.pop_front()
    }

    /// When [`handle_time`](Self::handle_time) is to be called; `None` while the caller is asked, and after the end.
    pub fn next_deadline(&self) -> Option<Instant> {
        let silence = self.received_at + SILENCE_MAX;
        match self.stage {
            Stage::Handshake { until, .. } | Stage::Commands { until } => Some(until.min(silence)),
            Stage::Publishing => Some(silence),
            Stage::Asked { .. } | Stage::Over => None,
        }
    }

    /// Bytes to be sent to the encoder.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Whether the connection is to be closed once the output is sent.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Bytes that the session holds: of messages under way, answers, configurations. It is below
    /// [`CONNECTION_BYTES_MAX`](crate::limits::CONNECTION_BYTES_MAX), with room for the release buffer.
    pub fn memory(&self) -> usize {
        let handshake = match &self.stage {
            Stage::Handshake { handshake, .. } => handshake.memory(),
            _ => 0,
        };
        let events = self.events.capacity() * size_of::<Event>();
        let aggregate = self.aggregate.as_ref().map_or(0, Aggregate::memory);
        let texts = self.app.capacity() + self.out.capacity();
        size_of::<Self>()
            + handshake
            + self.reader.memory()
            + events
            + aggregate
            + texts
            + self.media.memory()
    }

    /// Takes bytes up to the end of one message. Returns whether there may be more to do.
    fn step(&mut self, now: Instant, input: &mut &[u8]) -> Result<bool, Fault> {
        if let Stage::Handshake { handshake, .. } = &mut self.stage {
            if !handshake.receive(input, &mut self.out)? {
                return Ok(false);
            }
            self.stage = Stage::Commands {
                until: now + PUBLISH_MAX,
            };
            return Ok(true);
        }
        if let Some(aggregate) = &mut self.aggregate {
            match aggregate.next() {
                Some(message) => {
                    check_length(message.kind, message.body.len())?;
                    self.handle(now, message)?;
                }
                None => self.aggregate = None,
            }
            return Ok(true);
        }
        let Some(message) = self.reader.receive(input)? else {
            return Ok(false);
        };
        self.handle(now, message)?;
        Ok(true)
    }

    fn handle(&mut self, now: Instant, message: Message) -> Result<(), Fault> {
        let is_publishing = matches!(self.stage, Stage::Publishing);
        match message.kind {
            kind::SET_CHUNK_SIZE => {
                let bytes = number(&message.body).unwrap_or_default();
                self.reader.set_chunk_bytes(bytes)?;
            }
            kind::ABORT => {
                if let Some(id) = number(&message.body) {
                    self.reader.abort(id);
                }
            }
            kind::WINDOW_SIZE => {
                if let Some(size) = number(&message.body) {
                    self.received.size = size;
                }
            }
            kind::USER_CONTROL => self.user_control(&message.body)?,
            kind::COMMAND | kind::COMMAND_AMF3 => self.command(&message)?,
            kind::DATA | kind::DATA_AMF3 if is_publishing => {
                self.events.extend(media::metadata(&message))
            }
            kind::AUDIO if is_publishing => self.events.extend(self.media.audio(now, &message)?),
            kind::VIDEO if is_publishing => self.media.video(now, message, &mut self.events)?,
            kind::AGGREGATE if is_publishing => self.aggregate = Some(Aggregate::new(message)),
            _ => {}
        }
        Ok(())
    }

    fn user_control(&mut self, body: &[u8]) -> Result<(), Fault> {
        if let [high, low, value @ ..] = body
            && u16::from_be_bytes([*high, *low]) == user_control::PING_REQUEST
            && let Some(value) = value.first_chunk::<4>()
        {
            let answer = [&user_control::PING_RESPONSE.to_be_bytes()[..], value].concat();
            self.send(ChunkStream::CONTROL, kind::USER_CONTROL, 0, &answer);
        }
        self.check_output()
    }

    /// Counts bytes that have come, and acknowledges them once a window is full.
    fn count(&mut self, now: Instant, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.received_at = now;
        self.received.count(bytes);
        if matches!(self.stage, Stage::Commands { .. } | Stage::Publishing)
            && let Some(total) = self.received.acknowledgement()
        {
            let total = total.to_be_bytes();
            self.send(ChunkStream::CONTROL, kind::ACKNOWLEDGEMENT, 0, &total);
        }
    }

    fn send(&mut self, stream: ChunkStream, kind: u8, message_stream: u32, body: &[u8]) {
        write(
            &mut self.out,
            self.chunk_bytes_out,
            stream,
            kind,
            message_stream,
            body,
        );
    }

    /// # Errors
    ///
    /// [`Fault::Unread`].
    fn check_output(&self) -> Result<(), Fault> {
        if self.out.len() > OUTPUT_BYTES_MAX {
            return Err(Fault::Unread);
        }
        Ok(())
    }

    /// Ends the session with a fault. An encoder that has come so far that it understands it is told.
    fn fail(&mut self, fault: Fault) {
        if matches!(self.stage, Stage::Commands { .. } | Stage::Publishing)
            && fault != Fault::Unread
        {
            self.reply_refused(&fault.refusal(), false);
        }
        self.end(End::Fault(fault));
    }

    fn end(&mut self, end: End) {
        if self.is_over() {
            return;
        }
        self.events.clear();
        self.events.push_back(Event::End(end));
        self.aggregate = None;
        self.media = Media::default();
        self.reader = Reader::new();
        self.stage = Stage::Over;
    }
}
