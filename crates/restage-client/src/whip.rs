//! Publishing over WHIP (RFC 9725).

use std::time::Duration;

use str0m::media::Direction;
use tokio::sync::watch;

use crate::error::Error;
use crate::frame::{Codec, EncodedFrame};
use crate::ice_server::IceServer;
use crate::peer::{ConnectionState, Media, Peer, Stats, Wanted};
use crate::signal::{HttpClient, parse_url};
use crate::token::ParticipantToken;

/// What to publish, and how to connect.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PublishConfig {
    /// Codec of the video; `None` offers no video. Amazon IVS refuses an offer without H.264, so
    /// offer it even for audio alone, and write no video frames.
    pub video: Option<Codec>,
    /// Codec of the audio; `None` offers no audio.
    pub audio: Option<Codec>,
    /// Time limit for the answer, and then again for ICE and DTLS.
    pub connect_timeout: Duration,
    /// Turns bandwidth estimation and pacing on, starting from this many bits per second. The
    /// estimate is in [`Stats::available_bps`]. `None` sends each frame at once, without pacing.
    pub initial_bps: Option<u64>,
    /// The newest resumption secret of an earlier connection of the same participant to the stage, if there was one.
    /// With it, a token that has expired meanwhile stays usable until the stage session ends.
    pub resumption: Option<String>,
    /// A shared HTTP client; `None` makes one.
    pub http: Option<HttpClient>,
}

impl Default for PublishConfig {
    /// H.264 and Opus, ten seconds, no bandwidth estimation.
    fn default() -> Self {
        Self {
            video: Some(Codec::H264),
            audio: Some(Codec::Opus),
            connect_timeout: Duration::from_secs(10),
            initial_bps: None,
            resumption: None,
            http: None,
        }
    }
}

/// A publisher: it sends encoded frames to the other participants of a stage.
///
/// Dropping it ends the connection in the background; [`Publisher::close`] waits for that.
///
/// ```no_run
/// # async fn run(access_unit: Vec<u8>) -> Result<(), restage_client::Error> {
/// use std::time::Duration;
/// use restage_client::{Codec, EncodedFrame, PublishConfig, Publisher};
///
/// let publisher =
///     Publisher::connect("http://127.0.0.1:4080/whip", "<token>", PublishConfig::default()).await?;
/// publisher
///     .write(EncodedFrame {
///         codec: Codec::H264,
///         time: Duration::ZERO,
///         is_key_frame: true,
///         data: access_unit.into(),
///     })
///     .await?;
/// publisher.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct Publisher {
    peer: Peer,
    requests_seen: watch::Receiver<u64>,
}

impl Publisher {
    /// Publishes to any WHIP server. Follows WHIP's redirects (307, 308) with the token, and
    /// returns once media can flow.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Http`], [`Error::Redirect`] if the server cannot be reached;
    /// [`Error::Refused`] if it refuses (usually because of the token); [`Error::Answer`] if it accepts
    /// none of the codecs; [`Error::ConnectTimeout`] or [`Error::Closed`] if media cannot flow.
    pub async fn connect(url: &str, token: &str, config: PublishConfig) -> Result<Self, Error> {
        let wanted = Wanted {
            endpoint: parse_url(url, ["http", "https"])?,
            http: match config.http {
                Some(http) => http,
                None => HttpClient::new()?,
            },
            token,
            resumption: config.resumption.as_deref(),
            direction: Direction::SendOnly,
            media: Media::Frames,
            codecs: config.audio.into_iter().chain(config.video).collect(),
            connect_timeout: config.connect_timeout,
            initial_bps: config.initial_bps,
        };
        let (peer, _frames) = Peer::connect(wanted).await?;
        let mut requests_seen = peer.key_frame_requests();
        requests_seen.mark_unchanged();
        Ok(Self {
            peer,
            requests_seen,
        })
    }

    /// Publishes to the stage a participant token is for, at the token's own `whip_url`.
    ///
    /// # Errors
    /// As [`Publisher::connect`], and [`Error::Token`] if the token names no URL.
    pub async fn join(token: &ParticipantToken, config: PublishConfig) -> Result<Self, Error> {
        Self::connect(token.whip_url()?, token.as_str(), config).await
    }

    /// Sends one frame. Waits while 64 frames are queued. Frames written while the connection
    /// is [`ConnectionState::Disconnected`] are lost, like packets.
    ///
    /// # Errors
    /// [`Error::NotNegotiated`] if the server did not accept the frame's codec, [`Error::Closed`]
    /// once the connection has ended.
    pub async fn write(&self, frame: EncodedFrame) -> Result<(), Error> {
        self.peer.write(frame).await
    }

    /// The relays (TURN) that the server named with its answer, for a WebRTC stack of the program's own; this connection does
    /// not use them. Empty if the server has none.
    #[must_use]
    pub fn ice_servers(&self) -> &[IceServer] {
        self.peer.ice_servers()
    }

    /// Codecs the server accepted.
    #[must_use]
    pub fn codecs(&self) -> &[Codec] {
        self.peer.codecs()
    }

    /// Whether a receiver has requested a key frame since the last call, or since
    /// [`Publisher::key_frame_requested`] last returned.
    pub fn take_key_frame_request(&mut self) -> bool {
        let requested = self.requests_seen.has_changed().unwrap_or(false);
        self.requests_seen.mark_unchanged();
        requested
    }

    /// Waits until a receiver requests a key frame. The next video frame should then be one.
    /// Never returns once the connection has ended.
    pub async fn key_frame_requested(&mut self) {
        if self.requests_seen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
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

    /// Leaves the stage: sends DELETE to the server (RFC 9725 §4.2), then RTCP BYE and DTLS close.
    ///
    /// # Errors
    /// The server's refusal of the DELETE, unless the session had already ended. The connection
    /// ends in any case.
    pub async fn close(self) -> Result<(), Error> {
        self.peer.close().await
    }
}
