//! Answers to an encoder.

use super::{CHUNK_BYTES_OUT, MESSAGE_STREAM, Session, WINDOW_BYTES};
use crate::amf0::{Value, Writer};
use crate::chunk::ChunkStream;
use crate::limits::CHUNK_BYTES_DEFAULT;
use crate::message::{kind, user_control};
use crate::refusal::Refusal;

/// Set Peer Bandwidth: the limit is dynamic (RTMP 1.0 §5.4.5).
const LIMIT_DYNAMIC: u8 = 2;
/// `capabilities` and `fmsVer`, as encoders expect them of a media server.
const CAPABILITIES: f64 = 31.0;
const SERVER_NAME: &str = "FMS/3,0,1,123";
/// `capsEx` of Enhanced RTMP: multitrack, ModEx, and its nanoseconds.
const CAPABILITIES_ENHANCED: f64 = (0x02 | 0x04 | 0x08) as f64;
/// Abilities for a codec (`FourCcInfoMask` of Enhanced RTMP): decode, forward.
const CAN_DECODE: f64 = 1.0;
const CAN_FORWARD: f64 = 4.0;

impl Session {
    pub(super) fn reply_connected(&mut self, transaction: f64) {
        let window = WINDOW_BYTES.to_be_bytes();
        self.send(ChunkStream::CONTROL, kind::WINDOW_SIZE, 0, &window);
        let bandwidth = [&window[..], &[LIMIT_DYNAMIC]].concat();
        self.send(ChunkStream::CONTROL, kind::PEER_BANDWIDTH, 0, &bandwidth);
        if self.chunk_bytes_out == CHUNK_BYTES_DEFAULT {
            let size = (CHUNK_BYTES_OUT as u32).to_be_bytes();
            self.send(ChunkStream::CONTROL, kind::SET_CHUNK_SIZE, 0, &size);
            self.chunk_bytes_out = CHUNK_BYTES_OUT;
        }
        let enhanced = enhanced();
        let mut properties = vec![
            ("fmsVer", text(SERVER_NAME)),
            ("capabilities", Value::Number(CAPABILITIES)),
        ];
        properties.extend(enhanced.clone());
        let mut information = status("status", "NetConnection.Connect.Success", "Connected.");
        information.push(("objectEncoding", Value::Number(0.0)));
        information.extend(enhanced);
        let body = Writer::new().text("_result").number(transaction);
        self.reply(0, body.object(&properties).object(&information));
    }

    /// The answer to commands whose result nobody needs. Those without a transaction get none.
    pub(super) fn reply_nothing(&mut self, transaction: f64) {
        if transaction != 0.0 {
            let body = Writer::new().text("_result").number(transaction);
            self.reply(0, body.null().null());
        }
    }

    pub(super) fn reply_stream(&mut self, transaction: f64) {
        let body = Writer::new().text("_result").number(transaction);
        self.reply(0, body.null().number(f64::from(MESSAGE_STREAM)));
    }

    /// The answer that Flash Media Live Encoder waits for. It does not repeat the stream key.
    pub(super) fn reply_fc_publish(&mut self) {
        let information = status("status", "NetStream.Publish.Start", "Publish the stream.");
        let body = Writer::new().text("onFCPublish").number(0.0);
        self.reply(0, body.null().object(&information));
    }

    /// The stream begins.
    pub(super) fn reply_published(&mut self, transaction: f64) {
        let begin = user_control::STREAM_BEGIN.to_be_bytes();
        let begin = [&begin[..], &MESSAGE_STREAM.to_be_bytes()].concat();
        self.send(ChunkStream::CONTROL, kind::USER_CONTROL, 0, &begin);
        let information = status(
            "status",
            "NetStream.Publish.Start",
            "The stream is published.",
        );
        self.reply_status(transaction, &information);
    }

    /// The stream is refused, or was ended: the code says to encoders whether to ask for another key, the words are for their users.
    pub(super) fn reply_refused(&mut self, refusal: &Refusal, is_before: bool) {
        let code = match refusal {
            _ if !is_before => "NetStream.Publish.Rejected",
            Refusal::InvalidStreamKey | Refusal::ReuseOfStreamKey => "NetStream.Publish.BadName",
            _ => "NetStream.Publish.Denied",
        };
        let words = match refusal.code() {
            Some(code) => format!("{code}: {refusal}"),
            None => refusal.to_string(),
        };
        self.reply_status(0.0, &status("error", code, &words));
    }

    /// A connection carries one stream.
    pub(super) fn reply_second_publish(&mut self) {
        let words = "this connection publishes already: open another one for another stream";
        self.reply_status(0.0, &status("error", "NetStream.Publish.Denied", words));
    }

    fn reply_status(&mut self, transaction: f64, information: &[(&str, Value)]) {
        let body = Writer::new().text("onStatus").number(transaction);
        self.reply(MESSAGE_STREAM, body.null().object(information));
    }

    fn reply(&mut self, message_stream: u32, body: Writer) {
        self.send(
            ChunkStream::COMMANDS,
            kind::COMMAND,
            message_stream,
            &body.finish(),
        );
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn status(level: &str, code: &str, description: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("level", text(level)),
        ("code", text(code)),
        ("description", text(description)),
    ]
}

/// The parts of Enhanced RTMP that the server takes.
fn enhanced() -> Vec<(&'static str, Value)> {
    let codec = |name: &str, able: f64| Value::Object(vec![(name.to_owned(), Value::Number(able))]);
    vec![
        ("capsEx", Value::Number(CAPABILITIES_ENHANCED)),
        ("fourCcList", Value::List(vec![text("avc1"), text("mp4a")])),
        ("videoFourCcInfoMap", codec("avc1", CAN_FORWARD)),
        ("audioFourCcInfoMap", codec("mp4a", CAN_DECODE)),
    ]
}
