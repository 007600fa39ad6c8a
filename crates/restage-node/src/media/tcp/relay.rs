//! A connection for TURN: STUN and ChannelData messages of one client, with at most one allocation.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use restage_media::Protocol;
use restage_turn::{Client, Frame, Outcome, Server, frame};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep};

use super::admission::Place;
use super::queue::{Fate, Parcel, Queue, Waiting, queue};
use super::{Connections, Ends, PROVE_MAX, READ_BYTES, WRITE_BYTES};
use crate::media::WorkerId;
use crate::media::link::{Arrival, Datagrams, Line};
use crate::media::relay::Relay;
use crate::media::worker::now;

/// How often it is checked whether the allocation still exists.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn serve<S>(connections: &Connections, stream: S, ends: Ends)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Some(relay) = &connections.relay else {
        return;
    };
    let Some(place) = connections.admission.admit(ends.client.ip()) else {
        tracing::debug!(client = %ends.client, "too many connections for media");
        return;
    };
    let (reader, writer) = tokio::io::split(stream);
    let (queue, waiting) = queue();
    let session = Session {
        connections,
        relay,
        client: Client {
            address: ends.client,
            local: ends.local,
            is_connected: true,
        },
        queue: Arc::new(queue),
        server: Mutex::new(relay.server()),
    };
    tokio::select! {
        () = session.read(reader, place) => {}
        () = session.write(writer, waiting) => {}
        () = session.until_over() => {}
    }
}

struct Session<'a> {
    connections: &'a Connections,
    relay: &'a Relay,
    client: Client,
    queue: Arc<Queue>,
    /// Only this task uses it, and never while it waits.
    server: Mutex<Server>,
}

impl Session<'_> {
    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_allocation(&self) -> bool {
        self.server().has(self.client)
    }

    /// Resolves when there is no allocation: not in time, or not any more.
    async fn until_over(&self) {
        let begun = Instant::now();
        loop {
            sleep(LOOK_EVERY).await;
            self.server().on_timeout(now());
            if !self.has_allocation() && begun.elapsed() >= PROVE_MAX {
                return;
            }
        }
    }

    /// Until the client closes, sends something else than messages, or reads none of the answers; or until a worker is
    /// gone.
    async fn read<R: AsyncRead + Unpin>(&self, mut reader: R, mut place: Place) {
        let mut bytes = Vec::new();
        loop {
            let mut at = 0;
            let mut batch = Batch::default();
            loop {
                match frame(&bytes[at..]) {
                    Frame::Whole(length) => {
                        if !self.take(&bytes[at..at + length], &mut batch) {
                            return;
                        }
                        at += length;
                    }
                    Frame::Partial => break,
                    Frame::Garbage => {
                        tracing::debug!(client = %self.client.address, "a connection for TURN sent something else");
                        return;
                    }
                }
            }
            bytes.drain(..at);
            if self.has_allocation() {
                place.prove();
            }
            for (worker, datagrams) in batch.0 {
                let Some(link) = self.connections.link(worker) else {
                    return;
                };
                if !link.arrive(Arrival::Datagrams(datagrams)).await {
                    return;
                }
            }
            bytes.reserve(READ_BYTES);
            match reader.read_buf(&mut bytes).await {
                Ok(length) if length > 0 => {}
                _ => return,
            }
        }
    }

    /// Takes one message. `false`: the client does not read.
    fn take(&self, message: &[u8], batch: &mut Batch) -> bool {
        let time = self.relay.time(now());
        let outcome = self.server().receive(time, self.client, message);
        match outcome {
            Outcome::Nothing => true,
            Outcome::Reply(answer) => self.queue.push(Parcel::Raw(answer)) == Fate::Queued,
            Outcome::Deliver {
                relayed,
                peer,
                payload,
            } => {
                if let Some(worker) = self.connections.worker_at(peer.port()) {
                    let line = || Line::Connection(Arc::clone(&self.queue));
                    batch.add(worker, relayed, peer, payload, line);
                }
                true
            }
        }
    }

    /// Sends what waits, until the connection fails.
    async fn write<W: AsyncWrite + Unpin>(&self, mut writer: W, mut waiting: Waiting) {
        let (mut parcels, mut messages) = (Vec::new(), Vec::new());
        while waiting.take(&mut parcels, WRITE_BYTES).await {
            messages.clear();
            for parcel in &parcels {
                self.put(parcel, &mut messages);
            }
            if writer.write_all(&messages).await.is_err() || writer.flush().await.is_err() {
                return;
            }
            waiting.sent(&mut parcels);
        }
    }

    fn put(&self, parcel: &Parcel, messages: &mut Vec<u8>) {
        match parcel {
            Parcel::Raw(bytes) => messages.extend_from_slice(bytes),
            Parcel::Train {
                source,
                destination,
                contents,
                segment,
            } => {
                let (mut server, at) = (self.server(), now());
                for datagram in contents.chunks((*segment).max(1)) {
                    // What the allocation does not permit is dropped.
                    server.wrap(at, *destination, *source, datagram, messages);
                }
            }
        }
    }
}

/// Datagrams by worker; nearly always there is one.
#[derive(Default)]
struct Batch(Vec<(WorkerId, Datagrams)>);

impl Batch {
    fn add(
        &mut self,
        worker: WorkerId,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
        line: impl Fn() -> Line,
    ) {
        let known = self
            .0
            .iter()
            .position(|(known, datagrams)| (*known, datagrams.source) == (worker, relayed));
        let place = known.unwrap_or_else(|| {
            let datagrams = Datagrams {
                line: line(),
                protocol: Protocol::Turn,
                source: relayed,
                bytes: Vec::new(),
                parts: Vec::new(),
            };
            self.0.push((worker, datagrams));
            self.0.len() - 1
        });
        let datagrams = &mut self.0[place].1;
        let start = datagrams.bytes.len();
        datagrams.bytes.extend_from_slice(payload);
        datagrams.parts.push((peer, start..datagrams.bytes.len()));
    }
}
