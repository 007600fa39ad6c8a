//! One connection to a server.

use std::io;
use std::time::Duration;

use restage_rtmp::{HANDSHAKE_RANDOM_BYTES, PushEvent, PushSession};
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tracing::info;

use super::limits::{READ_BYTES, SEND_BUFFER_BYTES};
use super::queue::Item;
use super::task::{Lost, Task};
use super::tls::Trust;
use super::{PushState, PushTarget};

/// A TCP connection, with TLS or without.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens a connection within a time.
pub(super) async fn connect(
    target: &PushTarget,
    trust: &Trust,
    within: Duration,
) -> Result<Box<dyn Stream>, Lost> {
    match timeout(within, open(target, trust)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Lost::Broken(format!(
            "no connection to {target} within {} s",
            within.as_secs()
        ))),
    }
}

async fn open(target: &PushTarget, trust: &Trust) -> Result<Box<dyn Stream>, Lost> {
    let broken = |error: io::Error| Lost::Broken(format!("no connection to {target}: {error}"));
    let stream = TcpStream::connect((target.host.as_str(), target.port))
        .await
        .map_err(broken)?;
    stream.set_nodelay(true).map_err(broken)?;
    // What waits in the system cannot be left out any more.
    let socket = SockRef::from(&stream);
    socket
        .set_send_buffer_size(SEND_BUFFER_BYTES)
        .map_err(broken)?;
    if !target.is_tls {
        return Ok(Box::new(stream));
    }
    let config = trust.config().await.map_err(Lost::Unable)?;
    let name = ServerName::try_from(target.host.clone());
    let name = name.map_err(|error| Lost::Unable(format!("{target}: {error}")))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    stream
        .map(|stream| Box::new(stream) as Box<dyn Stream>)
        .map_err(broken)
}

/// A connection that is open.
pub(super) struct Connection<'a> {
    task: &'a Task,
    session: PushSession,
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    /// What is being sent, and how much of it has been.
    out: Vec<u8>,
    sent: usize,
    /// What TLS may hold.
    needs_flush: bool,
    /// When bytes were taken last, or began to wait.
    moved_at: Instant,
    published_at: Option<Instant>,
    /// When the last words must be said.
    finish_by: Option<Instant>,
}

/// What has happened.
enum Event {
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Flushed(io::Result<()>),
    Changed,
    Time,
}

impl<'a> Connection<'a> {
    pub(super) fn new(task: &'a Task, stream: Box<dyn Stream>) -> Self {
        let now = Instant::now();
        let until = (now + task.times.answer).into_std();
        let random: [u8; HANDSHAKE_RANDOM_BYTES] = rand::random();
        let (reader, writer) = tokio::io::split(stream);
        Self {
            task,
            session: PushSession::new(until, task.target.name.clone(), &random),
            reader,
            writer,
            out: Vec::new(),
            sent: 0,
            needs_flush: false,
            moved_at: now,
            published_at: None,
            finish_by: None,
        }
    }

    /// Publishes until the connection or the push is over. Returns why, and for how long it has published.
    pub(super) async fn run(mut self) -> (Lost, Option<Duration>) {
        let lost = self.publish().await;
        let published_for = self.published_at.map(|since| since.elapsed());
        if matches!(lost, Lost::Dropped | Lost::Ended(_)) {
            self.leave().await;
        }
        (lost, published_for)
    }

    async fn publish(&mut self) -> Lost {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.refill();
            let is_sent = self.sent == self.out.len();
            if is_sent && !self.needs_flush && self.session.is_over() {
                return Lost::Dropped;
            }
            match self.next(&mut buffer).await {
                Event::Read(Ok(0)) => {
                    return Lost::Broken("the server has closed the connection".to_owned());
                }
                Event::Read(Ok(count)) => {
                    if let Some(lost) = self.received(&buffer[..count]) {
                        return lost;
                    }
                }
                Event::Written(Ok(count)) if count > 0 => {
                    self.sent += count;
                    self.needs_flush = true;
                    self.moved_at = Instant::now();
                    self.task
                        .queue
                        .count(|figures| figures.sent_bytes += count as u64);
                }
                Event::Flushed(Ok(())) => self.needs_flush = false,
                Event::Written(Ok(_)) => {
                    return Lost::Broken("the server takes no more bytes".to_owned());
                }
                Event::Read(Err(error))
                | Event::Written(Err(error))
                | Event::Flushed(Err(error)) => {
                    return Lost::Broken(format!("the connection broke: {error}"));
                }
                Event::Changed => {}
                Event::Time => {
                    if let Some(lost) = self.out_of_time() {
                        return lost;
                    }
                }
            }
        }
    }

    /// Takes the next bytes to send, once all before them are sent.
    fn refill(&mut self) {
        if self.task.queue.is_closed() && self.finish_by.is_none() {
            self.finish_by = Some(Instant::now() + self.task.times.finish);
        }
        if self.sent < self.out.len() {
            return;
        }
        self.sent = 0;
        self.out = self.session.take_output();
        while self.out.is_empty() && self.session.is_publishing() {
            let Some(item) = self.task.queue.pop() else {
                break;
            };
            self.write(item);
            self.out = self.session.take_output();
        }
        if self.out.is_empty() && self.finish_by.is_some() && !self.session.is_over() {
            self.session.finish();
            self.out = self.session.take_output();
        }
        if !self.out.is_empty() {
            self.moved_at = Instant::now();
        }
    }

    fn write(&mut self, item: Item) {
        let queue = &self.task.queue;
        match item {
            Item::Picture {
                at_ms,
                is_key,
                access_unit,
            } => {
                let is_sent = self.session.picture(at_ms, is_key, &access_unit);
                queue.count(|figures| match is_sent {
                    true => figures.sent_pictures += 1,
                    false => figures.dropped_pictures += 1,
                });
            }
            Item::Sound { at_ms, access_unit } => {
                let is_sent = self.session.sound(at_ms, &access_unit);
                queue.count(|figures| match is_sent {
                    true => figures.sent_sounds += 1,
                    false => figures.dropped_sounds += 1,
                });
            }
        }
    }

    async fn next(&mut self, buffer: &mut [u8]) -> Event {
        let has_more = self.sent < self.out.len();
        let deadline = self.deadline(has_more);
        let time = async move {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let out = &self.out[self.sent..];
        let (reader, writer, needs_flush) = (&mut self.reader, &mut self.writer, self.needs_flush);
        let send = async move {
            if has_more {
                Event::Written(writer.write(out).await)
            } else if needs_flush {
                Event::Flushed(writer.flush().await)
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            read = reader.read(buffer) => Event::Read(read),
            sent = send => sent,
            () = self.task.queue.changed() => Event::Changed,
            () = time => Event::Time,
        }
    }

    fn deadline(&self, has_more: bool) -> Option<Instant> {
        let answer = self.session.next_deadline().map(Instant::from_std);
        let stall = (has_more || self.needs_flush).then(|| self.moved_at + self.task.times.stall);
        [answer, stall, self.finish_by].into_iter().flatten().min()
    }

    fn received(&mut self, mut bytes: &[u8]) -> Option<Lost> {
        while let Some(event) = self.session.receive(&mut bytes) {
            match event {
                PushEvent::Publishing => {
                    let Task {
                        target,
                        format,
                        queue,
                        states,
                        ..
                    } = self.task;
                    info!(%target, "the push is published");
                    self.published_at = Some(Instant::now());
                    self.session
                        .describe(&format.description(), 0, &format.audio_config);
                    queue.open();
                    states.send_replace(Some(PushState::Publishing));
                }
                PushEvent::End(end) => return Some(Lost::Ended(end)),
                _ => {}
            }
        }
        None
    }

    fn out_of_time(&mut self) -> Option<Lost> {
        let now = Instant::now();
        if self.finish_by.is_some_and(|finish_by| now >= finish_by) {
            return Some(Lost::Dropped);
        }
        if let Some(PushEvent::End(end)) = self.session.handle_time(now.into_std()) {
            return Some(Lost::Ended(end));
        }
        let waits = self.sent < self.out.len() || self.needs_flush;
        let stall = self.task.times.stall;
        (waits && now >= self.moved_at + stall).then(|| {
            Lost::Broken(format!(
                "the server has taken nothing for {} s",
                stall.as_secs()
            ))
        })
    }

    /// Ends the writing side and waits until the server has closed its own: a connection that is closed while something is unread is
    /// reset, and the server might not read the last words.
    async fn leave(&mut self) {
        let until = self
            .finish_by
            .unwrap_or_else(|| Instant::now() + self.task.times.finish);
        let rest = async {
            self.writer.shutdown().await.ok();
            let mut buffer = vec![0; READ_BYTES];
            while matches!(self.reader.read(&mut buffer).await, Ok(count) if count > 0) {}
        };
        timeout_at(until, rest).await.ok();
    }
}
