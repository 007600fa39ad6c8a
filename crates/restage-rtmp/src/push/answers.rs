//! What a server answers (RTMP 1.0 §7.2).

use super::event::words;
use super::{CHUNK_BYTES_OUT, PushEnd, PushEvent, PushSession, Stage, WINDOW_BYTES, transaction};
use crate::amf0::{Value, Writer};
use crate::message::{Command, kind};

/// Codes of `onStatus`.
const STARTED: &str = "NetStream.Publish.Start";
const BAD_NAME: &str = "NetStream.Publish.BadName";
const UNPUBLISHED: &str = "NetStream.Unpublish.Success";
/// How restage says, under [`BAD_NAME`] as other servers do, that nobody has such a key.
const NO_SUCH_KEY: &str = "INVALID_STREAM_KEY";

impl PushSession {
    /// Handles a command of the server. What is unknown or comes at the wrong time is ignored.
    pub(super) fn answered(&mut self, command: &Command) -> Option<PushEvent> {
        let of_command = command.transaction;
        match (command.name.as_str(), &self.stage) {
            ("_result", Stage::Connecting) if of_command == transaction::CONNECT => {
                self.connected();
                None
            }
            ("_error", Stage::Connecting) if of_command == transaction::CONNECT => {
                Some(PushEvent::End(self.refused(command)))
            }
            ("_result", Stage::Creating) if of_command == transaction::CREATE_STREAM => {
                self.created(command)
            }
            ("_error", Stage::Creating) if of_command == transaction::CREATE_STREAM => {
                Some(PushEvent::End(self.refused(command)))
            }
            ("_error", Stage::Asking) if of_command == transaction::PUBLISH => {
                Some(PushEvent::End(self.refused(command)))
            }
            (
                "onStatus",
                Stage::Connecting | Stage::Creating | Stage::Asking | Stage::Publishing,
            ) => self.status(command),
            ("close", _) => Some(PushEvent::End(self.refused(command))),
            _ => None,
        }
    }

    /// The server has taken `connect`: asks for a stream. Servers that do not know the commands of Flash Media Live Encoder ignore them or
    /// answer with an error, which does not matter.
    fn connected(&mut self) {
        self.control(kind::WINDOW_SIZE, &WINDOW_BYTES.to_be_bytes());
        self.control(
            kind::SET_CHUNK_SIZE,
            &(CHUNK_BYTES_OUT as u32).to_be_bytes(),
        );
        self.chunk_bytes_out = CHUNK_BYTES_OUT;
        let key = self.name.key.expose().to_owned();
        let with_key =
            |name: &str, number: f64| Writer::new().text(name).number(number).null().text(&key);
        self.command(0, with_key("releaseStream", transaction::RELEASE_STREAM));
        self.command(0, with_key("FCPublish", transaction::FC_PUBLISH));
        let create = Writer::new().text("createStream");
        self.command(0, create.number(transaction::CREATE_STREAM).null());
        self.stage = Stage::Creating;
    }

    /// The server has made a message stream.
    fn created(&mut self, command: &Command) -> Option<PushEvent> {
        let number = command.values.iter().find_map(Value::number);
        // The number is one of four bytes on the wire.
        let number = number.filter(|number| (0.0..=f64::from(u32::MAX)).contains(number));
        let Some(number) = number else {
            let words = "createStream has no number of a stream".to_owned();
            return Some(PushEvent::End(PushEnd::Refused { words }));
        };
        self.message_stream = number as u32;
        let key = self.name.key.expose().to_owned();
        let publish = Writer::new().text("publish").number(transaction::PUBLISH);
        self.command(self.message_stream, publish.null().text(&key).text("live"));
        self.stage = Stage::Asking;
        None
    }

    fn status(&mut self, command: &Command) -> Option<PushEvent> {
        let code = member(command, "code").unwrap_or_default();
        let is_error = member(command, "level").is_some_and(|level| level == "error");
        if code == STARTED {
            let is_first = matches!(self.stage, Stage::Asking);
            if is_first {
                self.stage = Stage::Publishing;
            }
            return is_first.then_some(PushEvent::Publishing);
        }
        let is_end = is_error || code == BAD_NAME || code == UNPUBLISHED;
        is_end.then(|| PushEvent::End(self.refused(command)))
    }

    /// Why the server does not want the stream.
    fn refused(&self, command: &Command) -> PushEnd {
        let (code, description) = (member(command, "code"), member(command, "description"));
        let words = words(&[code, description], &self.name.key);
        let is_known = description.is_none_or(|words| !words.starts_with(NO_SUCH_KEY));
        if code == Some(BAD_NAME) && is_known {
            PushEnd::Busy { words }
        } else if information(command).is_some_and(|value| value.member("ex").is_some()) {
            PushEnd::Redirected { words }
        } else {
            PushEnd::Refused { words }
        }
    }
}

/// The information object: the last value, because the command object before it may be one as well.
fn information(command: &Command) -> Option<&Value> {
    let objects = command.values.iter().rev();
    objects
        .into_iter()
        .find(|value| matches!(value, Value::Object(_)))
}

fn member<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
    information(command)?.member(name)?.text()
}
