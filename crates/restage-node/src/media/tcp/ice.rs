//! A connection for ICE: each frame is a datagram of one client.

use std::sync::Arc;

use restage_media::Protocol;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::admission::Place;
use super::framing::{self, Garbage};
use super::queue::{Parcel, Queue, Waiting, queue};
use super::{Connections, Ends, IDLE_MAX, PROVE_MAX, READ_BYTES, WRITE_BYTES};
use crate::media::WorkerId;
use crate::media::link::{Arrival, Datagrams, Line};

pub(super) async fn serve<S>(connections: &Connections, stream: S, ends: Ends)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Some(place) = connections.admission.admit(ends.client.ip()) else {
        tracing::debug!(client = %ends.client, "too many connections for media");
        return;
    };
    let (reader, writer) = tokio::io::split(stream);
    let (queue, waiting) = queue();
    let queue = Arc::new(queue);
    let intake = Intake {
        connections,
        ends,
        queue: &queue,
        worker: None,
        bytes: Vec::new(),
    };
    tokio::select! {
        () = intake.run(reader) => {}
        () = write(writer, waiting, place) => {}
        () = unless_used(&queue) => {}
    }
}

/// Resolves when the time for proof is over and no worker has answered.
async fn unless_used(queue: &Queue) {
    sleep(PROVE_MAX).await;
    if queue.was_used() {
        std::future::pending().await
    }
}

/// Reads frames and passes them on.
struct Intake<'a> {
    connections: &'a Connections,
    ends: Ends,
    queue: &'a Arc<Queue>,
    /// Whose peer the client belongs to; known with the first frame.
    worker: Option<WorkerId>,
    /// What was read and not passed on.
    bytes: Vec<u8>,
}

impl Intake<'_> {
    /// Until the client closes, sends something else than frames, or is silent for too long; or until the worker is gone.
    async fn run<R: AsyncRead + Unpin>(mut self, mut reader: R) {
        loop {
            match self.cut() {
                Ok(Some(datagrams)) => {
                    let worker = self.worker.and_then(|worker| self.connections.link(worker));
                    let Some(link) = worker else {
                        return;
                    };
                    if !link.arrive(Arrival::Datagrams(datagrams)).await {
                        return;
                    }
                }
                Ok(None) => {}
                Err(Garbage) => {
                    tracing::debug!(client = %self.ends.client, "a connection for ICE sent something else");
                    return;
                }
            }
            self.bytes.reserve(READ_BYTES);
            match timeout(IDLE_MAX, reader.read_buf(&mut self.bytes)).await {
                Ok(Ok(length)) if length > 0 => {}
                _ => return,
            }
        }
    }

    /// The whole frames of what was read; the rest stays.
    fn cut(&mut self) -> Result<Option<Datagrams>, Garbage> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some((frame, taken)) = framing::first(&self.bytes[at..])? {
            if self.worker.is_none() {
                let known = framing::worker_of(frame);
                let known = known.filter(|worker| self.connections.link(*worker).is_some());
                self.worker = Some(known.ok_or(Garbage)?);
            }
            let end = at + taken;
            if !frame.is_empty() {
                parts.push((self.ends.local, end - frame.len()..end));
            }
            at = end;
        }
        if at == 0 {
            return Ok(None);
        }
        let rest = self.bytes.split_off(at);
        Ok(Some(Datagrams {
            line: Line::Connection(Arc::clone(self.queue)),
            protocol: Protocol::Tcp,
            source: self.ends.client,
            bytes: std::mem::replace(&mut self.bytes, rest),
            parts,
        }))
    }
}

/// Sends what waits, until the connection fails. The first parcel proves that a peer has answered.
async fn write<W: AsyncWrite + Unpin>(mut writer: W, mut waiting: Waiting, mut place: Place) {
    let (mut parcels, mut frames) = (Vec::new(), Vec::new());
    while waiting.take(&mut parcels, WRITE_BYTES).await {
        place.prove();
        frames.clear();
        for parcel in &parcels {
            match parcel {
                Parcel::Raw(bytes) => frames.extend_from_slice(bytes),
                Parcel::Train {
                    contents, segment, ..
                } => {
                    let datagrams = contents.chunks((*segment).max(1));
                    datagrams.for_each(|datagram| framing::write(&mut frames, datagram));
                }
            }
        }
        if writer.write_all(&frames).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        waiting.sent(&mut parcels);
    }
}
