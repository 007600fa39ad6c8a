//! Reading RTCP, which has a socket of its own: most of it is feedback of subscribers, which is many small datagrams that are not
//! urgent. While they are frequent, the worker does not wake up for each of them, but reads all that have come every [`READ_EVERY`].

use std::io;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use restage_media::{Input, Protocol};

use super::super::udp::{Batch, Socket};
use super::{RTCP, Worker, now};
use crate::seldom::Seldom;

/// Longest time for which feedback waits: a repair that is asked for comes later by this.
const READ_EVERY: Duration = Duration::from_millis(5);
/// Most batches that are read before packets of publishers are read again.
const BATCHES_PER_READ: usize = 8;
static FAILED: Seldom = Seldom::new();

/// When the socket is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// When something arrives, which the poll reports.
    OnArrival,
    /// At this time; the poll does not report what arrives before. Without a time as soon as possible.
    At(Option<Instant>),
}

/// The socket that the kernel gives RTCP.
pub(super) struct RtcpSocket {
    socket: Socket,
    registry: Registry,
    reading: Reading,
    is_registered: bool,
    read_at: Option<Instant>,
}

impl RtcpSocket {
    pub(super) fn new(socket: Socket, registry: Registry) -> io::Result<Self> {
        let mut new = Self {
            socket,
            registry,
            reading: Reading::OnArrival,
            is_registered: false,
            read_at: None,
        };
        new.register(true)?;
        Ok(new)
    }

    /// Datagrams from other machines that were dropped unread.
    pub(super) fn refused(&self) -> u64 {
        self.socket.refused()
    }

    /// The poll reports that something has arrived.
    pub(super) fn on_arrival(&mut self) {
        if self.reading == Reading::OnArrival {
            self.reading = Reading::At(None);
        }
    }

    /// When it is to be read, if that is known.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match self.reading {
            Reading::At(at) => at,
            Reading::OnArrival => None,
        }
    }

    /// Whether it is to be read without a pause.
    pub(super) fn is_waiting(&self) -> bool {
        self.reading == Reading::At(None)
    }

    fn is_due(&self, at: Instant) -> bool {
        match self.reading {
            Reading::OnArrival => false,
            Reading::At(due) => due.is_none_or(|due| at >= due),
        }
    }

    /// Decides when to read next, after something or nothing was found.
    fn after_read(&mut self, at: Instant, was_something: bool, is_empty: bool) {
        let before = self.read_at.replace(at);
        if !is_empty {
            self.reading = Reading::At(None);
            return;
        }
        let is_frequent = before.is_some_and(|before| at < before + 2 * READ_EVERY);
        let rests = was_something && is_frequent;
        self.reading = match self.register(!rests) {
            Ok(()) if !rests => Reading::OnArrival,
            _ => Reading::At(Some(at + READ_EVERY)),
        };
    }

    /// Lets the poll report what arrives, or not. What has arrived already is reported at once.
    fn register(&mut self, wanted: bool) -> io::Result<()> {
        if self.is_registered != wanted {
            let fd = self.socket.raw_fd();
            let mut source = SourceFd(&fd);
            match wanted {
                true => self
                    .registry
                    .register(&mut source, RTCP, Interest::READABLE)?,
                false => self.registry.deregister(&mut source)?,
            }
            self.is_registered = wanted;
        }
        Ok(())
    }
}

impl Worker {
    /// Reads RTCP if that is due. Returns `true` if there is more.
    pub(super) fn read_rtcp(&mut self) -> bool {
        let Self {
            rtcp: Some(rtcp),
            sfu,
            received,
            ..
        } = self
        else {
            return false;
        };
        if !rtcp.is_due(now()) {
            return false;
        }
        let before = *received;
        let mut is_empty = false;
        let mut at = now();
        for _ in 0..BATCHES_PER_READ {
            at = now();
            let got = rtcp.socket.fill(at);
            for source in rtcp.socket.sources() {
                std::hint::black_box(sfu.touch(Protocol::Udp, source));
            }
            rtcp.socket.empty(at, |datagram| {
                *received += 1;
                let input = Input::Datagram {
                    protocol: Protocol::Udp,
                    source: datagram.source,
                    destination: datagram.destination,
                    payload: datagram.payload,
                };
                sfu.handle_input(at, input);
            });
            if let Err(error) = &got
                && let Some(kept_back) = FAILED.admit()
            {
                tracing::warn!(%error, "receiving RTCP failed{kept_back}");
            }
            is_empty = !matches!(got, Ok(Batch::Full));
            if is_empty {
                break;
            }
        }
        rtcp.after_read(at, *received > before, is_empty);
        let more = rtcp.is_waiting();
        self.drain();
        more
    }
}
