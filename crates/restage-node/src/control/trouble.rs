//! The reason why a connection failed, or has a fault, in the forms that each receiver needs: a code for programs, a
//! message for people, the error of the history.

use restage_core::Fault;
use restage_core::row::StageEventError;
use restage_media::{ConnectFailure, Excess, GoneReason, MediaKind, OfferError, OfferErrorKind};
use serde::Serialize;

use super::alert;
use super::connection_tokens::code_of;
use super::media_limits::event_error;
use crate::media::Audience;
use crate::media::Destination;

/// One reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Trouble {
    /// For programs; stable.
    pub code: &'static str,
    /// More precise than the code; the label of counters.
    pub reason: &'static str,
    /// For people, in one line: the fault and what to check. Contains no secret.
    pub message: String,
    /// The error in the history.
    #[serde(skip)]
    pub(super) error: StageEventError,
}

impl Trouble {
    /// The reason why a peer of the media plane ended, if that is an error. Falling silent and leaving are not errors.
    pub(super) fn of_peer(reason: &GoneReason, place: &Destination) -> Option<Self> {
        match reason {
            GoneReason::NeverConnected(failure) => Some(Self::never_connected(failure, place)),
            GoneReason::Exceeded(excess) => Some(Self::exceeded(*excess)),
            GoneReason::CodecMismatch { kind, published } => {
                Some(Self::undecodable(*kind, published))
            }
            GoneReason::Broken(_) | GoneReason::Panicked => {
                Some(Self::internal("engine", reason.to_string()))
            }
            _ => None,
        }
    }

    /// ICE or DTLS was not established.
    pub(super) fn never_connected(failure: &ConnectFailure, place: &Destination) -> Self {
        let code = match failure {
            ConnectFailure::NoStun => "NO_MEDIA_PATH",
            ConnectFailure::WrongPassword => "ICE_FAILED",
            _ => "DTLS_FAILED",
        };
        let message = match failure {
            ConnectFailure::NoStun => no_stun(place),
            ConnectFailure::AlertSent { code, .. } | ConnectFailure::AlertReceived { code } => {
                format!("{failure}, {}", alert::meaning(*code))
            }
            ConnectFailure::NoDtls | ConnectFailure::DtlsUnfinished => format!(
                "{failure}; STUN came through UDP port {}, so look for what drops larger datagrams on the way",
                place.port
            ),
            _ => failure.to_string(),
        };
        Self {
            code,
            reason: failure.name(),
            message,
            error: StageEventError::InvalidInput,
        }
    }

    /// A limit on the media of a connection was exceeded.
    fn exceeded(excess: Excess) -> Self {
        let (code, reason) = match excess {
            Excess::PublishBitrate { .. } => ("BITRATE_EXCEEDED", "publish-bitrate"),
            Excess::DownloadBitrate { .. } => ("BITRATE_EXCEEDED", "download-bitrate"),
            Excess::PublishResolution { .. } => ("RESOLUTION_EXCEEDED", "publish-resolution"),
        };
        Self {
            code,
            reason,
            message: format!("a limit was exceeded: {excess}"),
            error: event_error(excess),
        }
    }

    /// A connection has reached its maximum duration.
    pub(super) fn too_long() -> Self {
        Self {
            code: "STREAM_DURATION_EXCEEDED",
            reason: "duration",
            message: "it lasted as long as a connection may (setting limit-connection-seconds); a new one may begin"
                .to_owned(),
            error: StageEventError::StreamDurationExceeded,
        }
    }

    /// A participant joins too often. This is not in the history, which must not grow by it.
    pub(super) fn too_often(message: String) -> Self {
        Self {
            code: "TOO_OFTEN",
            reason: "too-often",
            message,
            error: StageEventError::QuotaExceeded,
        }
    }

    /// The media plane has no processor time for another connection. This is not in the history, because the client
    /// tries again.
    pub(super) fn overloaded(message: String) -> Self {
        Self {
            code: "STAGE_AT_CAPACITY",
            reason: "overload",
            message,
            error: StageEventError::QuotaExceeded,
        }
    }

    /// An encoder may not publish, or its stream was ended.
    pub(super) fn of_ingest(error: StageEventError, message: String) -> Self {
        let (code, reason) = match error {
            StageEventError::InvalidAudioCodec => ("INVALID_AUDIO_CODEC", "audio-codec"),
            StageEventError::InvalidVideoCodec => ("INVALID_VIDEO_CODEC", "video-codec"),
            StageEventError::BFramePresent => ("B_FRAME_PRESENT", "b-frames"),
            StageEventError::BitrateExceeded => ("BITRATE_EXCEEDED", "publish-bitrate"),
            StageEventError::ResolutionExceeded => ("RESOLUTION_EXCEEDED", "publish-resolution"),
            StageEventError::StreamDurationExceeded => ("STREAM_DURATION_EXCEEDED", "duration"),
            StageEventError::InvalidProtocol => ("INVALID_PROTOCOL", "protocol"),
            StageEventError::InvalidStreamKey => ("INVALID_STREAM_KEY", "stream-key"),
            StageEventError::ReuseOfStreamKey => ("REUSE_OF_STREAM_KEY", "stream-key-in-use"),
            StageEventError::QuotaExceeded => ("QUOTA_EXCEEDED", "quota"),
            StageEventError::InternalServerException => ("INTERNAL", "ingest"),
            _ => ("INVALID_INPUT", "input"),
        };
        Self {
            code,
            reason,
            message,
            error,
        }
    }

    /// The server failed.
    pub(super) fn internal(reason: &'static str, message: String) -> Self {
        Self {
            code: "INTERNAL",
            reason,
            message,
            error: StageEventError::InternalServerException,
        }
    }

    /// An offer was refused.
    pub(super) fn of_offer(refused: &OfferError) -> Self {
        let (code, reason, error) = match refused.kind() {
            OfferErrorKind::NoUsableCodec(MediaKind::Audio) => (
                "CODEC_MISMATCH",
                "no-audio-codec",
                StageEventError::InvalidAudioCodec,
            ),
            OfferErrorKind::NoUsableCodec(MediaKind::Video) => (
                "CODEC_MISMATCH",
                "no-video-codec",
                StageEventError::InvalidVideoCodec,
            ),
            OfferErrorKind::Full => ("BUSY", "busy", StageEventError::InternalServerException),
            _ => ("INVALID_SDP", "invalid-sdp", StageEventError::InvalidInput),
        };
        Self {
            code,
            reason,
            message: refused.message().to_owned(),
            error,
        }
    }

    /// The rules refused a join; they have recorded it in the history themselves where it belongs there.
    pub(super) fn of_rules(refused: &restage_core::Error) -> Self {
        let (code, reason) = match refused.fault {
            Fault::TokenRevoked => ("PARTICIPANT_DISCONNECTED", "token-revoked"),
            Fault::TokenInvalid => ("TOKEN_MALFORMED", "token-invalid"),
            Fault::TokenExpired => ("TOKEN_EXPIRED", "token-expired"),
            Fault::MissingCapability | Fault::Denied => ("TOKEN_NOT_ALLOWED", "not-allowed"),
            Fault::NotFound => ("NOT_FOUND", "not-found"),
            Fault::Conflict => ("CONFLICT", "conflict"),
            Fault::Invalid => ("INVALID", "invalid"),
            Fault::LimitExceeded => ("STAGE_AT_CAPACITY", "capacity"),
            Fault::ConnectionToken(fault) => (code_of(fault), "connection-token"),
        };
        Self {
            code,
            reason,
            message: refused.to_string(),
            error: StageEventError::InvalidInput,
        }
    }
}

/// Names the ports that must be open, because nothing else is known of a client from which nothing arrived.
fn no_stun(place: &Destination) -> String {
    let mut addresses: Vec<String> = place.addresses.iter().map(ToString::to_string).collect();
    addresses.sort_unstable();
    let told = match place.audience {
        Audience::Anybody => "",
        Audience::ThisMachine => {
            " Media from other machines is dropped until --media-ip, or --http with an address beyond loopback, is given"
        }
    };
    format!(
        "no STUN check arrived at UDP port {} of {}; is that port open between client and server?{told}",
        place.port,
        addresses.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(audience: Audience) -> Destination {
        Destination {
            port: 4081,
            addresses: ["127.0.0.1", "10.0.0.5"]
                .map(|ip| ip.parse().unwrap())
                .to_vec(),
            audience,
        }
    }

    #[test]
    fn a_client_that_was_never_heard_is_told_which_port_of_which_address() {
        let trouble = Trouble::never_connected(&ConnectFailure::NoStun, &place(Audience::Anybody));
        assert_eq!((trouble.code, trouble.reason), ("NO_MEDIA_PATH", "no-stun"));
        assert_eq!(
            trouble.message,
            "no STUN check arrived at UDP port 4081 of 10.0.0.5, 127.0.0.1; is that port open between client and server?"
        );
        let here = Trouble::never_connected(&ConnectFailure::NoStun, &place(Audience::ThisMachine));
        assert!(here.message.contains("--media-ip"), "{}", here.message);
    }

    #[test]
    fn an_alert_is_told_in_words() {
        let failure = ConnectFailure::AlertReceived { code: 46 };
        let trouble = Trouble::never_connected(&failure, &place(Audience::Anybody));
        assert_eq!(
            (trouble.code, trouble.reason),
            ("DTLS_FAILED", "alert-received")
        );
        assert!(
            trouble.message.contains("alert 46, certificate_unknown"),
            "{}",
            trouble.message
        );
    }

    #[test]
    fn a_message_is_one_line_and_the_history_has_an_error_for_it() {
        for failure in [
            ConnectFailure::WrongPassword,
            ConnectFailure::NoDtls,
            ConnectFailure::DtlsUnfinished,
            ConnectFailure::CertificateMismatch,
        ] {
            let reason = GoneReason::NeverConnected(failure);
            let trouble = Trouble::of_peer(&reason, &place(Audience::Anybody)).unwrap();
            assert_eq!(trouble.error, StageEventError::InvalidInput);
            assert!(!trouble.message.contains('\n') && !trouble.message.is_empty());
        }
        let panic = Trouble::of_peer(&GoneReason::Panicked, &place(Audience::Anybody)).unwrap();
        assert_eq!(panic.error, StageEventError::InternalServerException);
        for gone in [GoneReason::Silent, GoneReason::ClosedByRemote] {
            assert_eq!(Trouble::of_peer(&gone, &place(Audience::Anybody)), None);
        }
    }
}
