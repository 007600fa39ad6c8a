//! Why a peer ended.

use std::fmt;

use restage_codec::MediaKind;

/// Why a peer ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GoneReason {
    /// Nothing arrived for [`limits::PEER_SILENCE_MAX`](crate::limits::PEER_SILENCE_MAX), or longer if it sends no checks of consent.
    Silent,
    /// The remote end closed DTLS (close_notify).
    ClosedByRemote,
    /// ICE and DTLS were not established.
    NeverConnected(ConnectFailure),
    /// The connection failed.
    Broken(String),
    /// The code that serves the peer panicked, which is a bug. Only this peer is affected.
    Panicked,
    /// It exceeded a limit.
    Exceeded(Excess),
    /// A subscriber can decode nothing that is published.
    CodecMismatch {
        /// The kind it wanted: video, if it wanted both.
        kind: MediaKind,
        /// The published formats.
        published: String,
    },
}

/// How far a connection came that was never established.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// No STUN check arrived for it.
    NoStun,
    /// STUN checks arrived, but none with a MESSAGE-INTEGRITY of its password.
    WrongPassword,
    /// STUN checks were answered, but no DTLS arrived.
    NoDtls,
    /// DTLS began but did not finish in time.
    DtlsUnfinished,
    /// This end refused the handshake with an alert (RFC 5246 §7.2.2).
    AlertSent {
        /// The alert's number.
        code: u8,
        /// The fault.
        detail: String,
    },
    /// The remote end refused the handshake with this alert.
    AlertReceived {
        /// The alert's number.
        code: u8,
    },
    /// The remote end's certificate does not match the fingerprint in its offer.
    CertificateMismatch,
}

impl ConnectFailure {
    /// A one-word name for counters and scripts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoStun => "no-stun",
            Self::WrongPassword => "wrong-password",
            Self::NoDtls => "no-dtls",
            Self::DtlsUnfinished => "dtls-unfinished",
            Self::AlertSent { .. } => "alert-sent",
            Self::AlertReceived { .. } => "alert-received",
            Self::CertificateMismatch => "certificate-mismatch",
        }
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStun => f.write_str("no STUN check arrived"),
            Self::WrongPassword => {
                f.write_str("STUN checks arrived, but with another password than the answer's")
            }
            Self::NoDtls => f.write_str("STUN checks were answered, but no DTLS arrived"),
            Self::DtlsUnfinished => f.write_str("the DTLS handshake was not finished in time"),
            Self::AlertSent { code, detail } => {
                write!(f, "the DTLS handshake was refused: {detail} (alert {code})")
            }
            Self::AlertReceived { code } => {
                write!(f, "the client refused the DTLS handshake with alert {code}")
            }
            Self::CertificateMismatch => f.write_str(
                "the client's DTLS certificate is not the one of its offer's fingerprint",
            ),
        }
    }
}

/// Which limit was exceeded, and by how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// A publisher sends more than [`Config::publish_bits_per_s_max`](crate::Config::publish_bits_per_s_max).
    PublishBitrate {
        /// Average of all its tracks and layers together since they began to exceed the limit.
        bits_per_s: u64,
    },
    /// A publisher sends pictures of more pixels than
    /// [`Config::publish_pixels_max`](crate::Config::publish_pixels_max).
    PublishResolution {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A receiver gets more than its [`Download`] allows.
    DownloadBitrate {
        /// The rate of all its peers together, over [`BITRATE_WINDOW`](crate::limits::BITRATE_WINDOW).
        bits_per_s: u64,
    },
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublishBitrate { bits_per_s } => write!(f, "it publishes {bits_per_s} bit/s"),
            Self::PublishResolution { width, height } => {
                write!(f, "it publishes pictures of {width}x{height}")
            }
            Self::DownloadBitrate { bits_per_s } => write!(f, "it downloads {bits_per_s} bit/s"),
        }
    }
}

impl fmt::Display for GoneReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("nothing was received from the peer for too long"),
            Self::ClosedByRemote => f.write_str("the peer closed the connection"),
            Self::NeverConnected(failure) => write!(f, "the peer did not connect: {failure}"),
            Self::Broken(error) => write!(f, "the connection failed: {error}"),
            Self::Panicked => f.write_str("the connection failed because of an internal error"),
            Self::Exceeded(excess) => write!(f, "a limit was exceeded: {excess}"),
            Self::CodecMismatch { published, .. } => {
                write!(
                    f,
                    "the subscriber can decode nothing of what is published: {published}"
                )
            }
        }
    }
}
