//! One connection of an encoder: bytes to events and back, until either side ends it.

use std::future::pending;
use std::time::{Duration, Instant};

use restage_core::row::{IngestProtocol, StageEventError, StreamKey};
use restage_media::limits::PUSH_PACKETS_MAX;
use restage_node::control::{Control, Ingest, IngestClose, IngestError};
use restage_rtmp::{End, Event, HANDSHAKE_RANDOM_BYTES, Refusal, RuleLimits, Session};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};

use super::stream::Stream;

/// Bytes of one read from the socket.
const READ_BYTES: usize = 16 << 10;
/// How long an encoder may take to read what is sent to it.
const WRITE_MAX: Duration = Duration::from_secs(5);
/// How long an encoder with a wrong stream key waits for the answer, so that keys are not tried quickly.
const WRONG_KEY_DELAY: Duration = Duration::from_secs(1);
/// How long what comes after the end is read and dropped. A connection that is closed with something unread is reset, and its encoder
/// would not read why it has ended.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// What every connection is served with.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) control: Control,
    pub(super) limits: RuleLimits,
    pub(super) protocol: IngestProtocol,
}

/// What happens next on a connection.
enum Next {
    Read(usize),
    Sound(super::sound::Result),
    Deadline,
    Closed(IngestClose),
    Stopping,
}

/// A stream that was accepted.
struct Publishing {
    ingest: Ingest,
    stream: Stream,
    is_established: bool,
}

struct Conversation<S> {
    socket: S,
    session: Session,
    serving: Serving,
    publishing: Option<Box<Publishing>>,
}

/// Serves a connection until it ends.
pub(super) async fn run<S>(socket: S, serving: Serving, mut stopped: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let random: [u8; HANDSHAKE_RANDOM_BYTES] = rand::random();
    let mut conversation = Conversation {
        socket,
        session: Session::new(now(), &random),
        serving,
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
                Next::Read(count) => self.receive(&buffer[..count]).await,
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
        let mut publishing = self.publishing.as_mut();
        let from_server = async {
            match &mut publishing {
                Some(publishing) => {
                    let Publishing { ingest, stream, .. } = &mut ***publishing;
                    tokio::select! {
                        reason = ingest.closed() => Next::Closed(reason),
                        result = stream.next_sound() => Next::Sound(result),
                    }
                }
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
        let stream = self
            .publishing
            .as_ref()
            .and_then(|it| it.stream.next_deadline());
        [self.session.next_deadline(), stream]
            .into_iter()
            .flatten()
            .min()
    }

    async fn receive(&mut self, mut bytes: &[u8]) {
        while let Some(event) = self.session.receive(now(), &mut bytes) {
            match event {
                Event::Publish(publish) => {
                    let key = StreamKey::given(publish.key.expose());
                    self.publish(key).await;
                }
                Event::End(end) => self.ended(&end),
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
        let Serving {
            control,
            limits,
            protocol,
        } = self.serving.clone();
        match control.start_ingest(key, protocol).await {
            Ok(ingest) => {
                let stage = ingest.stage();
                tracing::info!(%stage, participant = %ingest.participant(), "an encoder publishes");
                let stream = Stream::new(now(), limits);
                self.publishing = Some(Box::new(Publishing {
                    ingest,
                    stream,
                    is_established: false,
                }));
                self.session.accept(now());
            }
            Err(error) => {
                if error.code == Some(StageEventError::InvalidStreamKey) {
                    sleep(WRONG_KEY_DELAY).await;
                }
                self.session.refuse(&refusal_of(error));
            }
        }
    }

    /// Ends the stream if it breaks a rule.
    async fn check(&mut self, outcome: Result<(), Refusal>) {
        let Err(refusal) = outcome else {
            return;
        };
        self.session.refuse(&refusal);
        if let Some(publishing) = self.publishing.take() {
            let message = refusal.to_string();
            publishing.ingest.fail(error_of(&refusal), &message).await;
        }
    }

    async fn look_at_time(&mut self) {
        let now = now();
        if let Some(Event::End(end)) = self.session.handle_time(now) {
            self.ended(&end);
        }
        let taken = self.publishing.as_mut();
        let taken = taken.map_or(Ok(()), |it| it.stream.handle_time(now));
        self.check(taken).await;
    }

    /// Hands on what is due.
    async fn send_due(&mut self) {
        let Some(publishing) = &mut self.publishing else {
            return;
        };
        let Publishing {
            ingest,
            stream,
            is_established,
        } = &mut **publishing;
        if let Some(formats) = stream.take_formats() {
            ingest.begin(formats).await;
        }
        loop {
            let mut packets = stream.due(now());
            if packets.is_empty() {
                break;
            }
            while packets.len() > PUSH_PACKETS_MAX {
                let rest = packets.split_off(PUSH_PACKETS_MAX);
                ingest.push(std::mem::replace(&mut packets, rest));
            }
            ingest.push(packets);
        }
        if stream.has_begun && !std::mem::replace(is_established, true) {
            ingest.establish().await;
        }
    }

    /// The server ends the stream.
    fn close(&mut self, reason: &IngestClose) {
        let reason = match reason {
            IngestClose::Rules(reason) => super::words::of_rules(*reason).to_owned(),
            IngestClose::Media(reason) => reason.to_string(),
            IngestClose::Restart => "the server restarts; connect again in a moment".to_owned(),
        };
        self.session.refuse(&Refusal::Ended { reason });
        self.publishing = None;
    }

    fn ended(&mut self, end: &End) {
        if let Some(publishing) = self.publishing.take() {
            let counts = publishing.ingest.counts();
            let participant = publishing.ingest.participant();
            tracing::info!(%participant, ?end, ?counts, "an encoder has ended its stream");
        } else if let End::Fault(fault) = end {
            tracing::debug!(%fault, "an RTMP connection ended");
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

/// The refusal that the encoder is sent.
fn refusal_of(error: IngestError) -> Refusal {
    match error.code {
        Some(StageEventError::InvalidStreamKey) => Refusal::InvalidStreamKey,
        Some(StageEventError::InvalidProtocol) => Refusal::InvalidProtocol,
        Some(StageEventError::ReuseOfStreamKey) => Refusal::ReuseOfStreamKey,
        Some(StageEventError::QuotaExceeded) => Refusal::QuotaExceeded,
        Some(StageEventError::InternalServerException) => Refusal::InternalServerException,
        _ => Refusal::Ended {
            reason: error.message,
        },
    }
}

/// The error of the history.
fn error_of(refusal: &Refusal) -> StageEventError {
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
