//! Subscribing over WHEP (draft-ietf-wish-whep): one connection for each publisher.

use std::time::Duration;

use str0m::media::Direction;
use tokio::sync::{mpsc, watch};

use crate::error::Error;
use crate::frame::{Codec, ReceivedFrame};
use crate::ice_server::IceServer;
use crate::peer::{Command, ConnectionState, Media, Peer, Stats, Wanted};
use crate::signal::{HttpClient, parse_url};
use crate::token::ParticipantToken;

/// What to receive from a publisher, and how to connect.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscribeConfig {
    /// Codecs that this program can decode. Audio or video is left out of the offer if none
    /// of its codecs is listed.
    pub codecs: Vec<Codec>,
    /// Time limit for the answer, and then again for ICE and DTLS.
    pub connect_timeout: Duration,
    /// The newest resumption secret of an earlier connection of the same participant to the stage, if there was one.
    /// With it, a token that has expired meanwhile stays usable until the stage session ends.
    pub resumption: Option<String>,
    /// A shared HTTP client; `None` makes one.
    pub http: Option<HttpClient>,
}

impl Default for SubscribeConfig {
    /// All codecs, ten seconds.
    fn default() -> Self {
        Self {
            codecs: vec![Codec::Opus, Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1],
            connect_timeout: Duration::from_secs(10),
            resumption: None,
            http: None,
        }
    }
}

/// A subscriber. It returns complete encoded frames in order.
///
/// Video begins with a key frame, which is requested while it is missing, and again after a
/// loss. Dropping the subscriber ends the connection in the background.
///
/// ```no_run
/// # async fn run() -> Result<(), restage_client::Error> {
/// use restage_client::{SubscribeConfig, Subscriber};
///
/// let url = "http://127.0.0.1:4080/whip/subscribe/Ab3dEf6hIj9k";
/// let mut subscriber = Subscriber::connect(url, "<token>", SubscribeConfig::default()).await?;
/// while let Some(received) = subscriber.frame().await {
///     println!("{} {:?} {} bytes", received.frame.codec, received.frame.time,
///              received.frame.data.len());
/// }
/// subscriber.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct Subscriber {
    peer: Peer,
    frames: mpsc::Receiver<ReceivedFrame>,
}

impl Subscriber {
    /// Subscribes at any WHEP URL. Follows redirects 307 and 308 with the token, and returns once media can
    /// flow.
    ///
    /// # Errors
    /// As [`Publisher::connect`](crate::Publisher::connect).
    pub async fn connect(url: &str, token: &str, config: SubscribeConfig) -> Result<Self, Error> {
        let wanted = Wanted {
            endpoint: parse_url(url, ["http", "https"])?,
            http: match config.http {
                Some(http) => http,
                None => HttpClient::new()?,
            },
            token,
            resumption: config.resumption.as_deref(),
            direction: Direction::RecvOnly,
            media: Media::Frames,
            codecs: config.codecs,
            connect_timeout: config.connect_timeout,
            initial_bps: None,
        };
        let (peer, frames) = Peer::connect(wanted).await?;
        Ok(Self { peer, frames })
    }

    /// Subscribes to a publisher of the stage a participant token is for, at
    /// `<whip_url>/subscribe/<participant id>`. A replica has the id of its source.
    ///
    /// # Errors
    /// As [`Subscriber::connect`], and [`Error::Token`] if the token names no URL.
    pub async fn join(
        token: &ParticipantToken,
        participant_id: &str,
        config: SubscribeConfig,
    ) -> Result<Self, Error> {
        Self::connect(
            &token.subscribe_url(participant_id)?,
            token.as_str(),
            config,
        )
        .await
    }

    /// Waits for the next frame of either track. `None` once the connection has ended and every
    /// frame has been returned. A program that reads frames too slowly loses the newest ones; see
    /// [`Stats::frames_dropped`].
    pub async fn frame(&mut self) -> Option<ReceivedFrame> {
        self.frames.recv().await
    }

    /// Asks the publisher for a key frame, at most twice a second.
    ///
    /// # Errors
    /// [`Error::Closed`] once the connection has ended.
    pub async fn request_key_frame(&self) -> Result<(), Error> {
        self.peer.command(Command::RequestKeyFrame).await
    }

    /// The relays (TURN) that the server named with its answer, for a WebRTC stack of the program's own; this connection does
    /// not use them. Empty if the server has none.
    #[must_use]
    pub fn ice_servers(&self) -> &[IceServer] {
        self.peer.ice_servers()
    }

    /// Codecs that both sides support.
    #[must_use]
    pub fn codecs(&self) -> &[Codec] {
        self.peer.codecs()
    }

    /// The secret with which this participant opens connections to the stage session after its token has expired, if
    /// the server gave one: for the `resumption` of later connections. Treat it like the token.
    #[must_use]
    pub fn resumption(&self) -> Option<&str> {
        self.peer.resumption()
    }

    /// The state of the connection.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.peer.state()
    }

    /// Follows the connection's state.
    #[must_use]
    pub fn state_watch(&self) -> watch::Receiver<ConnectionState> {
        self.peer.state_watch()
    }

    /// Statistics of the last full second.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.peer.stats()
    }

    /// Leaves the stage: sends DELETE to the server, then RTCP BYE and DTLS close.
    ///
    /// # Errors
    /// The server's refusal of the DELETE, unless the session had already ended.
    pub async fn close(self) -> Result<(), Error> {
        self.peer.close().await
    }
}
