//! One end of a DTLS 1.2 connection (RFC 6347, RFC 5764) with OpenSSL and without sockets: datagrams in, datagrams out.
//!
//! OpenSSL retransmits by a clock of its own, on which this crate must not depend. So flights are stored and repeated
//! here, by the caller's time.

mod wire;

use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::srtp::SrtpProfileId;
use openssl::ssl::{
    ErrorCode, HandshakeError, MidHandshakeSslStream, ShutdownState, Ssl, SslRef, SslStream,
};

use super::identity::{Identity, Refusal, Verdict};
use crate::io::ConnectFailure;
use crate::limits::{DTLS_ALERT_GRACE, DTLS_RESEND_FIRST, DTLS_RESEND_MAX};
use crate::sdp::fingerprint::Fingerprint;
use crate::srtp::keys::KeyingMaterial;
use crate::srtp::keys::SrtpProfile;
use wire::Wire;

/// Label of the exporter (RFC 5764 §4.2).
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// The alert for a failure for which OpenSSL has not written one.
const INTERNAL_ERROR: u8 = 80;
/// Application data has no use here; it is read and dropped in pieces of this size.
const READ_BYTES: usize = 2_048;

/// The result of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing of the datagram belonged to this connection.
    Rejected,
    Nothing,
    /// The handshake is complete, and the keys are available.
    Connected,
    /// The remote end has closed the connection.
    Closed,
}

enum State {
    New(Ssl),
    Handshaking(MidHandshakeSslStream<Wire>),
    Connected(SslStream<Wire>),
    Broken,
}

/// One end of a DTLS connection; see the module.
pub(crate) struct Dtls {
    state: State,
    is_client: bool,
    verdict: Verdict,
    /// Whether a handshake message has arrived.
    pub(crate) has_begun: bool,
    /// Whether anything that looks like DTLS has arrived.
    is_reached: bool,
    /// Datagrams to send.
    outgoing: Vec<Vec<u8>>,
    /// The flight that the remote end has not answered yet.
    flight: Vec<Vec<u8>>,
    resend_at: Option<Instant>,
    resend_after: Duration,
    /// A fatal alert that arrived unprotected and so may be forged, and when it takes effect.
    alert: Option<(u8, Instant)>,
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dtls").finish_non_exhaustive()
    }
}

impl Dtls {
    pub(crate) fn new(
        identity: &Identity,
        remote: Vec<Fingerprint>,
        is_client: bool,
    ) -> Result<Self, ErrorStack> {
        let (ssl, verdict) = identity.session(remote)?;
        Ok(Self {
            state: State::New(ssl),
            is_client,
            verdict,
            has_begun: false,
            is_reached: false,
            outgoing: Vec::new(),
            flight: Vec::new(),
            resend_at: None,
            resend_after: DTLS_RESEND_FIRST,
            alert: None,
        })
    }

    pub(crate) fn is_client(&self) -> bool {
        self.is_client
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected(_))
    }

    /// Sends the first flight of a client, once there is a path. Does nothing for a server.
    pub(crate) fn start(&mut self, now: Instant) -> Result<Progress, ConnectFailure> {
        if self.is_client && matches!(self.state, State::New(_)) {
            return self.advance(now);
        }
        Ok(Progress::Nothing)
    }

    /// Processes a datagram.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        bytes: &[u8],
    ) -> Result<Progress, ConnectFailure> {
        self.is_reached = true;
        let filtered = wire::filter(bytes, self.is_client);
        if let Some(code) = filtered.fatal_alert
            && !self.is_connected()
        {
            self.alert.get_or_insert((code, now + DTLS_ALERT_GRACE));
        }
        if filtered.records.is_empty() {
            return Ok(Progress::Rejected);
        }
        self.has_begun = true;
        match &mut self.state {
            State::Handshaking(handshake) => handshake.get_mut().arrive(filtered.records),
            State::Connected(stream) => {
                stream.get_mut().arrive(filtered.records);
                return Ok(self.read());
            }
            State::New(_) => {
                // The first call creates the stream, which then waits for a datagram, so nothing is lost.
                self.advance(now)?;
                if let State::Handshaking(handshake) = &mut self.state {
                    handshake.get_mut().arrive(filtered.records);
                }
            }
            State::Broken => return Ok(Progress::Rejected),
        }
        self.advance(now)
    }

    /// When [`on_timeout`](Self::on_timeout) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let alert = self.alert.map(|(_, at)| at);
        [self.resend_at, alert].into_iter().flatten().min()
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) -> Result<(), ConnectFailure> {
        if let Some((code, at)) = self.alert
            && now >= at
            && !self.is_connected()
        {
            return Err(ConnectFailure::AlertReceived { code });
        }
        if self.resend_at.is_some_and(|at| now >= at) {
            self.outgoing.extend(self.flight.iter().cloned());
            self.resend_after = (self.resend_after * 2).min(DTLS_RESEND_MAX);
            self.resend_at = Some(now + self.resend_after);
        }
        Ok(())
    }

    /// Datagrams to send.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.outgoing)
    }

    /// The reason why the handshake is not complete, when it is given up.
    pub(crate) fn unfinished(&self) -> ConnectFailure {
        match self.alert {
            Some((code, _)) => ConnectFailure::AlertReceived { code },
            None if self.is_reached => ConnectFailure::DtlsUnfinished,
            None => ConnectFailure::NoDtls,
        }
    }

    /// The material from which SRTP keys are derived, once connected. `None` if no profile was negotiated.
    pub(crate) fn keying_material(&self) -> Option<KeyingMaterial> {
        let State::Connected(stream) = &self.state else {
            return None;
        };
        let profile = srtp_profile(stream.ssl())?;
        let mut bytes = vec![0; profile.keying_material_bytes()];
        stream
            .ssl()
            .export_keying_material(&mut bytes, EXPORTER_LABEL, None)
            .ok()?;
        Some(KeyingMaterial {
            profile,
            bytes,
            is_client: self.is_client,
        })
    }

    /// Sends close_notify.
    pub(crate) fn close(&mut self) {
        if let State::Connected(stream) = &mut self.state {
            // An error is ignored, because the connection ends anyway.
            let _ = stream.shutdown();
            self.outgoing.append(&mut stream.get_mut().outgoing);
        }
    }

    /// Continues the handshake as far as the received data allows.
    fn advance(&mut self, now: Instant) -> Result<Progress, ConnectFailure> {
        let result = match std::mem::replace(&mut self.state, State::Broken) {
            State::New(ssl) if self.is_client => ssl.connect(Wire::default()),
            State::New(ssl) => ssl.accept(Wire::default()),
            State::Handshaking(handshake) => handshake.handshake(),
            other => {
                self.state = other;
                return Ok(Progress::Nothing);
            }
        };
        match result {
            Ok(mut stream) => {
                let written = std::mem::take(&mut stream.get_mut().outgoing);
                self.outgoing.extend(written);
                // OpenSSL repeats the last flight itself when the remote end repeats its own.
                (self.flight, self.resend_at, self.alert) = (Vec::new(), None, None);
                self.state = State::Connected(stream);
                Ok(Progress::Connected)
            }
            Err(HandshakeError::WouldBlock(mut handshake)) => {
                let written = std::mem::take(&mut handshake.get_mut().outgoing);
                self.state = State::Handshaking(handshake);
                self.keep_flight(now, written);
                Ok(Progress::Nothing)
            }
            Err(HandshakeError::Failure(mut handshake)) => {
                let written = std::mem::take(&mut handshake.get_mut().outgoing);
                let code = written
                    .iter()
                    .find_map(|datagram| wire::fatal_alert(datagram));
                self.outgoing.extend(written);
                let reason = handshake.error().ssl_error().map(reason_of);
                Err(self.failure(code, reason.unwrap_or_default()))
            }
            Err(HandshakeError::SetupFailure(error)) => Err(self.failure(None, reason_of(&error))),
        }
    }

    fn keep_flight(&mut self, now: Instant, written: Vec<Vec<u8>>) {
        if written.is_empty() {
            return;
        }
        self.outgoing.extend(written.iter().cloned());
        self.flight = written;
        self.alert = None;
        self.resend_after = DTLS_RESEND_FIRST;
        self.resend_at = Some(now + self.resend_after);
    }

    fn failure(&self, code: Option<u8>, reason: String) -> ConnectFailure {
        let detail = match self.verdict.refusal() {
            Some(Refusal::OtherFingerprint) => return ConnectFailure::CertificateMismatch,
            Some(Refusal::RsaSize) => {
                "the RSA key of the client's certificate must have 2,048 to 8,192 bits".into()
            }
            Some(Refusal::UnknownKey) => {
                "the public key of the client's certificate is of a kind that cannot be read".into()
            }
            None => reason,
        };
        let code = code.unwrap_or(INTERNAL_ERROR);
        ConnectFailure::AlertSent { code, detail }
    }

    /// Reads what arrives after the handshake: repetitions of it, application data, close_notify.
    fn read(&mut self) -> Progress {
        let State::Connected(stream) = &mut self.state else {
            return Progress::Nothing;
        };
        let mut buffer = [0; READ_BYTES];
        let is_closed = loop {
            match stream.ssl_read(&mut buffer) {
                Ok(1..) => {}
                Ok(0) => break false,
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => break true,
                Err(_) => break false,
            }
        };
        let is_closed = is_closed || stream.get_shutdown().contains(ShutdownState::RECEIVED);
        let wire = stream.get_mut();
        wire.forget();
        self.outgoing.append(&mut wire.outgoing);
        if is_closed {
            Progress::Closed
        } else {
            Progress::Nothing
        }
    }
}

fn srtp_profile(ssl: &SslRef) -> Option<SrtpProfile> {
    match ssl.selected_srtp_profile()?.id() {
        SrtpProfileId::SRTP_AEAD_AES_128_GCM => Some(SrtpProfile::AeadAes128Gcm),
        SrtpProfileId::SRTP_AEAD_AES_256_GCM => Some(SrtpProfile::AeadAes256Gcm),
        SrtpProfileId::SRTP_AES128_CM_SHA1_80 => Some(SrtpProfile::Aes128CmSha1),
        _ => None,
    }
}

/// OpenSSL's description of the first error.
fn reason_of(error: &ErrorStack) -> String {
    let reasons = error.errors().iter().filter_map(|error| error.reason());
    let all: Vec<&str> = reasons.collect();
    all.first()
        .copied()
        .unwrap_or("no reason was given")
        .to_owned()
}

#[cfg(test)]
#[path = "dtls_tests.rs"]
mod tests;
