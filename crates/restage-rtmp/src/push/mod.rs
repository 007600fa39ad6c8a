//! The client's side of a connection, which publishes to another server.

mod answers;
mod event;
mod media;

use std::fmt;
use std::time::Instant;

pub use event::{PushEnd, PushEvent, PushName, StreamDescription};

use crate::amf0::{Value, Writer};
use crate::chunk::{ChunkStream, Head, Reader, write_timed};
use crate::fault::Fault;
use crate::handshake::{ClientHandshake, HANDSHAKE_RANDOM_BYTES};
use crate::limits::{CHUNK_BYTES_DEFAULT, OUTPUT_BYTES_MAX};
use crate::message::{Command, Message, kind, number, user_control};
use crate::window::Window;
use media::Sets;

/// Bytes of a chunk's payload that are sent, once the server has been told.
const CHUNK_BYTES_OUT: usize = 4_096;
/// Bytes after which each side wants to hear of their arrival.
const WINDOW_BYTES: u32 = 2_500_000;
/// What the client says it is. Servers that look at it know this form.
const CLIENT_NAME: &str = "FMLE/3.0 (compatible; restage)";
/// Numbers of the commands that have an answer.
mod transaction {
    pub(super) const CONNECT: f64 = 1.0;
    pub(super) const RELEASE_STREAM: f64 = 2.0;
    pub(super) const FC_PUBLISH: f64 = 3.0;
    pub(super) const CREATE_STREAM: f64 = 4.0;
    pub(super) const PUBLISH: f64 = 5.0;
    pub(super) const FC_UNPUBLISH: f64 = 6.0;
    pub(super) const DELETE_STREAM: f64 = 7.0;
}

/// One connection to a server, from its first byte on. The caller brings bytes and time, and sends what comes out:
///
/// 1. Send [`take_output`](Self::take_output): it begins with the handshake.
/// 2. For each read from the socket: call [`receive`](Self::receive) until it returns `None`, handle each [`PushEvent`], and send the
///    output before the next read.
/// 3. Call [`handle_time`](Self::handle_time) at [`next_deadline`](Self::next_deadline).
/// 4. After [`PushEvent::Publishing`]: [`describe`](Self::describe) once, then [`picture`](Self::picture) and [`sound`](Self::sound), at best
///    one of them for each output that is sent, because what they write has no bound here.
/// 5. [`finish`](Self::finish), or [`PushEvent::End`]: send the output and close the connection.
pub struct PushSession {
    name: PushName,
    stage: Stage,
    reader: Reader,
    out: Vec<u8>,
    chunk_bytes_out: usize,
    /// When the server must have let the stream be published.
    until: Instant,
    received: Window,
    /// The message stream that the server gave.
    message_stream: u32,
    /// Bytes of answers since the output was taken.
    answer_bytes: usize,
    sets: Sets,
    has_sound: bool,
}

/// The progress of a connection.
#[derive(Debug)]
enum Stage {
    Handshake(ClientHandshake),
    /// Waits for the answer to `connect`.
    Connecting,
    /// Waits for the answer to `createStream`.
    Creating,
    /// Waits for the answer to `publish`.
    Asking,
    Publishing,
    Over,
}

/// Without bytes: there is a stream key in them.
impl fmt::Debug for PushSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Handshake(_) => "handshake",
            Stage::Connecting => "connecting",
            Stage::Creating => "creating",
            Stage::Asking => "asking",
            Stage::Publishing => "publishing",
            Stage::Over => "over",
        };
        let mut session = f.debug_struct("PushSession");
        session.field("stage", &stage).field("name", &self.name);
        session.finish_non_exhaustive()
    }
}

impl PushSession {
    /// A session whose connection has just been opened; the server has until `until` to let the stream be published. `random` must be new for
    /// each session.
    pub fn new(until: Instant, name: PushName, random: &[u8; HANDSHAKE_RANDOM_BYTES]) -> Self {
        let mut out = Vec::new();
        let handshake = ClientHandshake::begin(random, &mut out);
        Self {
            name,
            stage: Stage::Handshake(handshake),
            reader: Reader::new(),
            out,
            chunk_bytes_out: CHUNK_BYTES_DEFAULT,
            until,
            received: Window::new(WINDOW_BYTES),
            message_stream: 0,
            answer_bytes: 0,
            sets: Sets::default(),
            has_sound: false,
        }
    }

    /// Takes bytes that have come, until there is an event or none are left. After [`PushEvent::End`] everything is taken and ignored.
    pub fn receive(&mut self, input: &mut &[u8]) -> Option<PushEvent> {
        while !input.is_empty() {
            if self.is_over() {
                *input = &[];
                return None;
            }
            let before = input.len();
            let outcome = self.step(input);
            let counted = self.count(before - input.len());
            match counted.and(outcome) {
                Ok(Some(PushEvent::End(end))) => return Some(self.end(end)),
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
                Err(fault) => return Some(self.end(PushEnd::Fault(fault))),
            }
        }
        None
    }

    /// Ends the session if the server has not answered in time.
    pub fn handle_time(&mut self, now: Instant) -> Option<PushEvent> {
        self.next_deadline()
            .is_some_and(|deadline| now >= deadline)
            .then(|| self.end(PushEnd::Timeout))
    }

    /// When [`handle_time`](Self::handle_time) is to be called; `None` once the stream is published, and after the end.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Publishing | Stage::Over => None,
            _ => Some(self.until),
        }
    }

    /// Bytes to be sent to the server.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.answer_bytes = 0;
        std::mem::take(&mut self.out)
    }

    /// Whether the connection is to be closed once the output is sent.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether the server takes pictures and sound.
    pub fn is_publishing(&self) -> bool {
        matches!(self.stage, Stage::Publishing)
    }

    /// Says that the stream is over.
    pub fn finish(&mut self) {
        if self.is_publishing() {
            let key = self.name.key.expose().to_owned();
            let unpublish = Writer::new().text("FCUnpublish");
            let unpublish = unpublish.number(transaction::FC_UNPUBLISH).null();
            self.command(0, unpublish.text(&key));
            let delete = Writer::new().text("deleteStream");
            let delete = delete.number(transaction::DELETE_STREAM).null();
            self.command(0, delete.number(f64::from(self.message_stream)));
        }
        self.end(PushEnd::Finished);
    }

    /// Takes bytes up to the end of one message.
    fn step(&mut self, input: &mut &[u8]) -> Result<Option<PushEvent>, Fault> {
        if let Stage::Handshake(handshake) = &mut self.stage {
            if handshake.receive(input, &mut self.out)? {
                self.stage = Stage::Connecting;
                self.connect();
            }
            return Ok(None);
        }
        match self.reader.receive(input)? {
            Some(message) => self.handle(&message),
            None => Ok(None),
        }
    }

    fn handle(&mut self, message: &Message) -> Result<Option<PushEvent>, Fault> {
        match message.kind {
            kind::SET_CHUNK_SIZE => {
                let bytes = number(&message.body).unwrap_or_default();
                self.reader.set_chunk_bytes_of_server(bytes)?;
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
            kind::PEER_BANDWIDTH => {
                if let Some(size) = number(&message.body) {
                    let size = size.to_be_bytes();
                    self.answer(kind::WINDOW_SIZE, &size)?;
                }
            }
            kind::USER_CONTROL => self.user_control(&message.body)?,
            kind::COMMAND | kind::COMMAND_AMF3 => {
                let command = Command::parse(message.kind, &message.body);
                return Ok(command.and_then(|command| self.answered(&command)));
            }
            // Acknowledgements, and media that nobody asked for.
            _ => {}
        }
        Ok(None)
    }

    fn user_control(&mut self, body: &[u8]) -> Result<(), Fault> {
        if let [high, low, value @ ..] = body
            && u16::from_be_bytes([*high, *low]) == user_control::PING_REQUEST
            && let Some(value) = value.first_chunk::<4>()
        {
            let answer = [&user_control::PING_RESPONSE.to_be_bytes()[..], value].concat();
            self.answer(kind::USER_CONTROL, &answer)?;
        }
        Ok(())
    }

    /// Counts bytes that have come, and acknowledges them once a window is full.
    ///
    /// # Errors
    ///
    /// [`Fault::Unread`].
    fn count(&mut self, bytes: usize) -> Result<(), Fault> {
        self.received.count(bytes);
        if matches!(self.stage, Stage::Handshake(_) | Stage::Over) {
            return Ok(());
        }
        match self.received.acknowledgement() {
            Some(total) => self.answer(kind::ACKNOWLEDGEMENT, &total.to_be_bytes()),
            None => Ok(()),
        }
    }

    fn connect(&mut self) {
        let text = |text: &str| Value::Text(text.to_owned());
        let members = [
            ("app", text(&self.name.app)),
            ("type", text("nonprivate")),
            ("flashVer", text(CLIENT_NAME)),
            ("tcUrl", text(&self.name.url)),
        ];
        let connect = Writer::new().text("connect");
        self.command(0, connect.number(transaction::CONNECT).object(&members));
    }

    /// Sends what a server did not ask for by itself: the bound is for answers that it can make grow.
    ///
    /// # Errors
    ///
    /// [`Fault::Unread`].
    fn answer(&mut self, kind: u8, body: &[u8]) -> Result<(), Fault> {
        let before = self.out.len();
        self.control(kind, body);
        self.answer_bytes += self.out.len() - before;
        if self.answer_bytes > OUTPUT_BYTES_MAX {
            return Err(Fault::Unread);
        }
        Ok(())
    }

    fn control(&mut self, kind: u8, body: &[u8]) {
        self.send(ChunkStream::CONTROL, kind, 0, 0, body);
    }

    fn command(&mut self, message_stream: u32, body: Writer) {
        let body = body.finish();
        self.send(
            ChunkStream::COMMANDS,
            kind::COMMAND,
            message_stream,
            0,
            &body,
        );
    }

    fn send(
        &mut self,
        stream: ChunkStream,
        kind: u8,
        message_stream: u32,
        timestamp: u32,
        body: &[u8],
    ) {
        let head = Head {
            stream,
            kind,
            message_stream,
            timestamp,
        };
        write_timed(&mut self.out, self.chunk_bytes_out, head, body);
    }

    fn end(&mut self, end: PushEnd) -> PushEvent {
        self.stage = Stage::Over;
        self.reader = Reader::new();
        PushEvent::End(end)
    }
}
