//! One WebRTC connection of this program: offer, ICE, DTLS and SRTP, driven by a task of its own.
//!
//! [`Peer::connect`] does the whole set-up for publishers and subscribers. The WebRTC engine is
//! sans-IO: `driver.rs` runs it over the sockets of `sockets.rs`, and `negotiation.rs` makes the
//! offer and reads the answer.

mod driver;
mod negotiation;
mod sequences;
mod sockets;
mod stats;

use std::time::Duration;

use str0m::media::Direction;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use url::Url;

use crate::close::CloseReason;
use crate::error::Error;
use crate::frame::{Codec, EncodedFrame, ReceivedFrame};
use crate::ice_server::IceServer;
use crate::packet::RtpPacket;
use crate::signal::{HttpClient, post_offer, resolve};
use driver::Driver;
use negotiation::Offer;
use sockets::Sockets;
pub use stats::{Stats, TrackStats};

/// Frames that may wait for the driver to send them.
const COMMAND_QUEUE: usize = 64;
/// Received frames that may wait for the program: about ten seconds of video and audio.
const FRAME_QUEUE: usize = 1024;

/// The state of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// ICE, DTLS or SRTP is not connected yet.
    Connecting,
    /// Media can flow.
    Connected,
    /// Nothing arrives. The connection may recover; after 15 seconds it closes.
    Disconnected,
    /// The connection has ended.
    Closed(CloseReason),
}

/// The server to connect to, and what to offer it.
pub(crate) struct Wanted<'a> {
    pub(crate) http: HttpClient,
    pub(crate) endpoint: Url,
    pub(crate) token: &'a str,
    /// The resumption secret of an earlier connection.
    pub(crate) resumption: Option<&'a str>,
    pub(crate) direction: Direction,
    pub(crate) media: Media,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) connect_timeout: Duration,
    /// Starts bandwidth estimation, and with it pacing, at this many bits per second.
    pub(crate) initial_bps: Option<u64>,
}

/// The unit in which the program and the engine exchange media.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Frames,
    Packets,
}

/// A command for the driver.
pub(crate) enum Command {
    Write(EncodedFrame),
    WritePacket(RtpPacket),
    RequestKeyFrame,
    Close,
}

/// The program's side of a connection. Dropping it closes the connection in the background.
pub(crate) struct Peer {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<ConnectionState>,
    stats: watch::Receiver<Stats>,
    key_frame_requests: watch::Receiver<u64>,
    codecs: Vec<Codec>,
    resumption: Option<String>,
    ice_servers: Vec<IceServer>,
    task: JoinHandle<Result<(), Error>>,
}

impl Peer {
    /// Sends the offer, then waits for the answer and until media can flow. The returned `frames` is
    /// the receiver of what the server sends.
    pub(crate) async fn connect(
        wanted: Wanted<'_>,
    ) -> Result<(Self, mpsc::Receiver<ReceivedFrame>), Error> {
        let mut sockets = Sockets::facing(&resolve(&wanted.endpoint).await?)?;
        let offer = Offer::new(&wanted, &sockets)?;
        let answered = post_offer(
            &wanted.http,
            wanted.endpoint,
            wanted.token,
            wanted.resumption,
            offer.sdp(),
        )
        .await?;
        let agreed = match offer.accept(&answered.sdp, &mut sockets) {
            Ok(agreed) => agreed,
            Err(error) => {
                // The server has opened a session that can never carry media, so end it.
                if let Some(session) = answered.session {
                    let _ = session.delete().await;
                }
                return Err(error);
            }
        };
        let codecs = agreed.codecs();
        let (command_tx, command_rx) = mpsc::channel(COMMAND_QUEUE);
        let (frame_tx, frame_rx) = mpsc::channel(FRAME_QUEUE);
        let (state_tx, state_rx) = watch::channel(ConnectionState::Connecting);
        let (stats_tx, stats_rx) = watch::channel(Stats::default());
        let (request_tx, request_rx) = watch::channel(0);
        let driver = Driver::new(driver::Parts {
            agreed,
            sockets,
            commands: command_rx,
            frames: frame_tx,
            state: state_tx,
            stats: stats_tx,
            key_frame_requests: request_tx,
            session: answered.session,
        });
        let mut peer = Self {
            commands: command_tx,
            state: state_rx,
            stats: stats_rx,
            key_frame_requests: request_rx,
            codecs,
            resumption: answered.resumption,
            ice_servers: answered.ice_servers,
            task: tokio::spawn(driver.run()),
        };
        if let Err(error) = peer.wait_connected(wanted.connect_timeout).await {
            // Otherwise the server keeps its session until its own timeout.
            let _ = peer.close().await;
            return Err(error);
        }
        Ok((peer, frame_rx))
    }

    async fn wait_connected(&mut self, timeout: Duration) -> Result<(), Error> {
        let settled = self
            .state
            .wait_for(|state| *state != ConnectionState::Connecting);
        match tokio::time::timeout(timeout, settled).await {
            Err(_) => Err(Error::ConnectTimeout(timeout)),
            Ok(Err(_)) => Err(Error::Transport("its task ended".to_owned())),
            Ok(Ok(state)) => match &*state {
                ConnectionState::Closed(reason) => Err(Error::Closed(reason.clone())),
                _ => Ok(()),
            },
        }
    }

    /// Passes a frame to the driver; waits while [`COMMAND_QUEUE`] frames are queued.
    pub(crate) async fn write(&self, frame: EncodedFrame) -> Result<(), Error> {
        if !self.codecs.contains(&frame.codec) {
            return Err(Error::NotNegotiated(frame.codec));
        }
        self.command(Command::Write(frame)).await
    }

    pub(crate) async fn command(&self, command: Command) -> Result<(), Error> {
        self.commands
            .send(command)
            .await
            .map_err(|_| Error::Closed(self.close_reason()))
    }

    fn close_reason(&self) -> CloseReason {
        match &*self.state.borrow() {
            ConnectionState::Closed(reason) => reason.clone(),
            _ => CloseReason::Failed("its task ended".to_owned()),
        }
    }

    pub(crate) fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    pub(crate) fn resumption(&self) -> Option<&str> {
        self.resumption.as_deref()
    }

    pub(crate) fn ice_servers(&self) -> &[IceServer] {
        &self.ice_servers
    }

    pub(crate) fn state(&self) -> ConnectionState {
        self.state.borrow().clone()
    }

    pub(crate) fn state_watch(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats.borrow().clone()
    }

    pub(crate) fn key_frame_requests(&self) -> watch::Receiver<u64> {
        self.key_frame_requests.clone()
    }

    /// Ends the connection and the session on the server, and waits for both.
    pub(crate) async fn close(self) -> Result<(), Error> {
        // If the queue is closed, the driver is already ending.
        let _ = self.commands.send(Command::Close).await;
        self.task
            .await
            .map_err(|error| Error::Transport(error.to_string()))?
    }
}
