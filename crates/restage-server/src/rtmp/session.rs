//! One connection of an encoder: bytes to events and back, until either side ends it.

use std::future::pending;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use restage_core::row::{IngestProtocol, StageEventError, StreamKey};
use restage_node::control::{Control, IngestClose};
use restage_rtmp::{End, Event, HANDSHAKE_RANDOM_BYTES, Refusal, RuleLimits, Session};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::connections::Place;
use super::counters::Counters;
use super::publishing::Publishing;
use super::words;

/// Bytes of one read from the socket.
const READ_BYTES: usize = 16 << 10;
/// How long an encoder may take to read what is sent to it.
const WRITE_MAX: Duration = Duration::from_secs(5);
/// When an encoder with a wrong stream key is answered, counted from its question: always the same, so that the time tells nothing and keys
/// are not tried quickly.
const WRONG_KEY_ANSWER: Duration = Duration::from_secs(1);
/// How long what comes after the end is read and dropped. A connection that is closed with something unread is reset, and its encoder
/// would not read why it has ended.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// What every connection of a listener is served with.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) control: Control,
    pub(super) limits: RuleLimits,
    pub(super) protocol: IngestProtocol,
    pub(super) counters: Counters,
}

/// What happens next on a connection.
enum Next {
    Read(usize),
    Sound(super::sound::Result),
    Deadline,
    Closed(IngestClose),
    Stopping,
}

struct Conversation<S> {
    socket: S,
    session: Session,
    serving: Serving,
    place: Place,
    publishing: Option<Box<Publishing>>,
    bytes: Counter,
}

/// Serves a connection until it ends.
pub(super) async fn run<S>(
    socket: S,
    serving: Serving,
    place: Place,
    mut stopped: watch::Receiver<()>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let random: [u8; HANDSHAKE_RANDOM_BYTES] = rand::random();
    serving.counters.connected(serving.protocol);
    let mut conversation = Conversation {
        socket,
        session: Session::new(now(), &random),
        bytes: serving.counters.bytes(serving.protocol),
        serving,
        place,
        publishing: None,
    };
    conversation.converse(&mut stopped).await;
    drop(conversation.publishing.take());
    conversation.linger().await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    async fn converse(&mut self, stopped: &mut watch::Receiver<()>) {
        let mut buffer = vec![0; READ_BYTES];
        while !self.session.is_over() {
            match self.next(&mut buffer, stopped).await {
                Next::Read(0) => return,
                Next::Read(count) => {
                    self.bytes.inc_by(count as u64);
                    self.receive(&buffer[..count]).await;
                }
                Next::Sound(result) => {
                    let taken = self.publishing.as_mut();
                    let taken = taken.map_or(Ok(()), |it| it.stream.take_opus(now(), result));
                    self.check(taken).await;
                }
                Next::Deadline => self.look_at_time().await,
                Next::Closed(reason) => self.close(&reason),
                Next::Stopping => self.close(&IngestClose::Restart),
            }
            self.send_due().await;
            if !self.write().await {
                return;
            }
        }
    }

    async fn next(&mut self, buffer: &mut [u8], stopped: &mut watch::Receiver<()>) -> Next {
        let deadline = self.next_deadline();
        let at_deadline = async {
            match deadline {
                Some(at) => sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        let publishing = self.publishing.as_deref_mut();
        let from_server = async {
            match publishing {
                Some(Publishing { ingest, stream, .. }) => tokio::select! {
                    reason = ingest.closed() => Next::Closed(reason),
                    result = stream.next_sound() => Next::Sound(result),
                },
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = stopped.changed() => Next::Stopping,
            next = from_server => next,
            () = at_deadline => Next::Deadline,
            read = self.socket.read(buffer) => Next::Read(read.unwrap_or(0)),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let stream = self.publishing.as_ref().map(|it| it.next_deadline());
        let deadlines = [self.session.next_deadline(), stream];
        deadlines.into_iter().flatten().min()
    }

    async fn receive(&mut self, mut bytes: &[u8]) {
        while let Some(event) = self.session.receive(now(), &mut bytes) {
            match event {
                Event::Publish(publish) => {
                    let key = StreamKey::given(publish.key.expose());
                    self.publish(key).await;
                }
                Event::End(end) => self.ended(&end).await,
                event => {
                    let taken = self.publishing.as_mut();
                    let taken = taken.map_or(Ok(()), |it| it.stream.take(now(), event));
                    self.check(taken).await;
                    self.send_due().await;
                }
            }
        }
    }

    /// The encoder asks to publish.
    async fn publish(&mut self, key: StreamKey) {
        let answer_at = tokio::time::Instant::now() + WRONG_KEY_ANSWER;
        let refusal = match self.try_publish(key).await {
            Ok(publishing) => {
                self.publishing = Some(Box::new(publishing));
                self.session.accept(now());
                return;
            }
            Err(refusal) => refusal,
        };
        if refusal == Refusal::InvalidStreamKey {
            self.place.note_wrong_key();
            sleep_until(answer_at).await;
        }
        self.refuse(&refusal);
    }

    async fn try_publish(&mut self, key: StreamKey) -> Result<Publishing, Refusal> {
        let Serving {
            control,
            limits,
            protocol,
            counters,
        } = &self.serving;
        if self.place.guesses_keys() {
            return Err(Refusal::InvalidStreamKey);
        }
        let full = || Refusal::QuotaExceeded {
            reason: "the server takes no more streams by RTMP".to_owned(),
        };
        if !self.place.has_room() {
            return Err(full());
        }
        let ingest = control.start_ingest(key, *protocol).await;
        let ingest = ingest.map_err(words::of_start)?;
        // Only now, because whoever gives a wrong key is a stranger as before.
        if !self.place.publish() {
            return Err(full());
        }
        tracing::info!(
            stage = %ingest.stage(),
            participant = %ingest.participant(),
            configuration = %ingest.configuration(),
            "an encoder publishes"
        );
        Ok(Publishing::new(
            now(),
            ingest,
            *limits,
            *protocol,
            counters.clone(),
        ))
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.serving.counters.refused(refusal);
        self.session.refuse(refusal);
    }

    /// Ends the stream if it breaks a rule.
    async fn check(&mut self, outcome: Result<(), Refusal>) {
        let Err(refusal) = outcome else {
            return;
        };
        self.refuse(&refusal);
        if let Some(publishing) = self.publishing.take() {
            publishing.fail(&refusal).await;
        }
    }

    async fn look_at_time(&mut self) {
        let now = now();
        if let Some(Event::End(end)) = self.session.handle_time(now) {
            self.ended(&end).await;
        }
        let taken = self.publishing.as_mut();
        let taken = taken.map_or(Ok(()), |it| it.stream.handle_time(now));
        self.check(taken).await;
    }

    /// Hands on what is due.
    async fn send_due(&mut self) {
        if let Some(publishing) = &mut self.publishing {
            publishing.send_due(now()).await;
        }
    }

    /// The server ends the stream.
    fn close(&mut self, reason: &IngestClose) {
        let limits = &self.serving.control.rules().limits;
        let refusal = words::of_close(reason, limits);
        // Whoever has not asked for anything yet is not refused.
        if self.publishing.take().is_some() {
            self.serving.counters.refused(&refusal);
        }
        self.session.refuse(&refusal);
    }

    /// The encoder ends its stream, or is at fault.
    async fn ended(&mut self, end: &End) {
        let Some(publishing) = self.publishing.take() else {
            if let End::Fault(fault) = end {
                tracing::debug!(%fault, "an RTMP connection ended");
            }
            return;
        };
        match end {
            End::Fault(fault) => {
                let refusal = fault.refusal();
                self.serving.counters.refused(&refusal);
                publishing.fail(&refusal).await;
            }
            _ => publishing.log_end(),
        }
    }

    /// Sends what the session wants to say. `false`: the encoder does not read it.
    async fn write(&mut self) -> bool {
        let output = self.session.take_output();
        if output.is_empty() {
            return true;
        }
        let write = async {
            self.socket.write_all(&output).await?;
            self.socket.flush().await
        };
        matches!(timeout(WRITE_MAX, write).await, Ok(Ok(())))
    }

    /// Says that nothing more comes, and reads on for a moment.
    async fn linger(&mut self) {
        if !self.write().await {
            return;
        }
        let mut buffer = vec![0; READ_BYTES];
        let rest = async {
            self.socket.shutdown().await.ok();
            while matches!(self.socket.read(&mut buffer).await, Ok(1..)) {}
        };
        timeout(LINGER_MAX, rest).await.ok();
    }
}

/// The error that the history has for a refusal of the rules for streams.
pub(super) fn error_of(refusal: &Refusal) -> StageEventError {
    match refusal {
        Refusal::BFramePresent => StageEventError::BFramePresent,
        Refusal::BitrateExceeded { .. } => StageEventError::BitrateExceeded,
        Refusal::ResolutionExceeded { .. } => StageEventError::ResolutionExceeded,
        Refusal::StreamDurationExceeded { .. } => StageEventError::StreamDurationExceeded,
        Refusal::InvalidAudioCodec { .. } => StageEventError::InvalidAudioCodec,
        Refusal::InvalidVideoCodec { .. } => StageEventError::InvalidVideoCodec,
        Refusal::InternalServerException => StageEventError::InternalServerException,
        _ => StageEventError::InvalidInput,
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
