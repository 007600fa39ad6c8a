//! A client of the `Sfu`: its offer, its checks, its handshake, its keys.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};
use dimpl::{Dtls, DtlsCertificate, Output};
use restage_media::PeerId;
use restage_stun::{Class, Transaction, Writer, attribute, method};

use super::keys::Keys;

/// The attribute of who nominates (RFC 8445 §16.1).
const ICE_CONTROLLING: u16 = 0x802a;
const UFRAG: &str = "Uf9+";
const PASSWORD: &str = "abcdefghijklmnopqrstuvwx";

/// Made once in a process: a certificate is slower than a handshake.
fn certificate() -> &'static (DtlsCertificate, String) {
    static CERTIFICATE: OnceLock<(DtlsCertificate, String)> = OnceLock::new();
    CERTIFICATE.get_or_init(|| {
        let made = str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .expect("a certificate");
        let hash = digest(&SHA256, &made.certificate);
        let digits: Vec<String> = hash
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        (made, digits.join(":"))
    })
}

/// The quickest way to keys.
fn settings() -> &'static Arc<dimpl::Config> {
    static SETTINGS: OnceLock<Arc<dimpl::Config>> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let settings = dimpl::Config::builder()
            .use_server_cookie(false)
            .kx_groups(&[dimpl::NamedGroup::Secp256r1])
            .build();
        Arc::new(settings.expect("settings of DTLS"))
    })
}

/// One end of a connection.
pub(crate) struct Client {
    pub(crate) key: PeerId,
    /// Its present address, one of several.
    pub(crate) address: SocketAddr,
    pub(crate) publishes: bool,
    pub(crate) is_simulcast: bool,
    pub(crate) keys: Option<Keys>,
    pub(crate) is_connected: bool,
    /// It was closed, or is gone.
    pub(crate) is_over: bool,
    /// It answers checks of the `Sfu`.
    pub(crate) answers_checks: bool,
    pub(crate) ice: (String, String),
    /// How often it has restarted ICE: part of its own user fragment.
    pub(crate) restarts: u8,
    dtls: Dtls,
    transaction: u32,
}

impl Client {
    pub(crate) fn new(now: Instant, key: u64, publishes: bool, is_simulcast: bool) -> Self {
        let mut dtls = Dtls::new_12(Arc::clone(settings()), certificate().0.clone(), now);
        dtls.set_active(true);
        Self {
            key: PeerId(key),
            address: address(key, 0),
            publishes,
            is_simulcast,
            keys: None,
            is_connected: false,
            is_over: false,
            answers_checks: true,
            ice: (String::new(), String::new()),
            restarts: 0,
            dtls,
            transaction: 0,
        }
    }

    /// Its own user fragment, which changes with each ICE session.
    pub(crate) fn ufrag(&self) -> String {
        format!("{UFRAG}{}", self.restarts)
    }

    pub(crate) fn offer(&self) -> String {
        let transport = format!(
            "c=IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{PASSWORD}\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=rtcp-mux\r\na=rtcp-rsize\r\n",
            self.ufrag(),
            certificate().1
        );
        let direction = if self.publishes {
            "sendonly"
        } else {
            "recvonly"
        };
        let video = |pt: u8, name: &str, parameters: &str| {
            let rtx = pt + 1;
            format!(
                "a=rtpmap:{pt} {name}/90000\r\na=rtcp-fb:{pt} goog-remb\r\na=rtcp-fb:{pt} transport-cc\r\na=rtcp-fb:{pt} ccm fir\r\n\
                 a=rtcp-fb:{pt} nack\r\na=rtcp-fb:{pt} nack pli\r\n{parameters}a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={pt}\r\n"
            )
        };
        let extensions = "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
             a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
        let streams = match (self.publishes, self.is_simulcast) {
            (false, _) => "",
            (true, false) => {
                "a=ssrc-group:FID 2000 2100\r\na=ssrc:2000 cname:c\r\na=ssrc:2100 cname:c\r\n"
            }
            (true, true) => {
                "a=rid:l send\r\na=rid:m send\r\na=rid:h send\r\na=simulcast:send l;m;h\r\n"
            }
        };
        format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n{transport}a=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n{extensions}\
             a={direction}\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
             a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 102 103 104 105 106 107\r\n{transport}a=mid:1\r\n{extensions}\
             a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\na=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n\
             a=extmap:12 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n\
             a=extmap:13 urn:3gpp:video-orientation\r\n\
             a={direction}\r\n{}{}{}{}{}{streams}",
            video(96, "VP8", ""),
            video(98, "VP9", "a=fmtp:98 profile-id=0\r\n"),
            video(
                102,
                "H264",
                "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
            ),
            video(104, "AV1", ""),
            video(106, "H265", ""),
        )
    }

    /// Takes the credentials of an answer, or of a fragment that answers a restart.
    pub(crate) fn take_credentials(&mut self, sdp: &str) {
        let value = |name: &str| {
            sdp.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::to_owned)
        };
        if let (Some(ufrag), Some(password)) = (value("a=ice-ufrag:"), value("a=ice-pwd:")) {
            self.ice = (ufrag, password);
        }
    }

    /// The fragment that restarts ICE (RFC 9725 §4.3.2).
    pub(crate) fn restart(&mut self) -> String {
        self.restarts = self.restarts.wrapping_add(1);
        format!(
            "a=ice-ufrag:{}\r\na=ice-pwd:{PASSWORD}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n",
            self.ufrag()
        )
    }

    /// A check of this client.
    pub(crate) fn check(&mut self, nominates: bool, priority: u32) -> Vec<u8> {
        self.transaction += 1;
        let mut transaction: Transaction = *b"fuzz....0000";
        transaction[..4].copy_from_slice(&self.transaction.to_be_bytes());
        transaction[4..8].copy_from_slice(&(self.key.0 as u32).to_be_bytes());
        let mut check = Writer::new(Class::Request, method::BINDING, &transaction);
        check.push(
            attribute::USERNAME,
            format!("{}:{}", self.ice.0, self.ufrag()).as_bytes(),
        );
        check.push(attribute::PRIORITY, &priority.to_be_bytes());
        check.push(ICE_CONTROLLING, &[7; 8]);
        if nominates {
            check.push(attribute::USE_CANDIDATE, &[]);
        }
        check.finish_for_ice(self.ice.1.as_bytes())
    }

    /// The answer to a check of the `Sfu`.
    pub(crate) fn answer(&self, check: &restage_stun::Message<'_>, from: SocketAddr) -> Vec<u8> {
        let mut answer = Writer::new(Class::Success, method::BINDING, check.transaction());
        answer.push_address(attribute::XOR_MAPPED_ADDRESS, from);
        answer.finish_for_ice(PASSWORD.as_bytes())
    }

    /// Goes on with the handshake; returns what has to be sent.
    pub(crate) fn shake(&mut self, now: Instant, datagram: Option<&[u8]>) -> Vec<Vec<u8>> {
        if let Some(datagram) = datagram {
            let _ = self.dtls.handle_packet(datagram);
        } else {
            let _ = self.dtls.handle_timeout(now);
        }
        let mut sent = Vec::new();
        let mut buffer = vec![0; 4_096];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => sent.push(packet.to_vec()),
                Output::KeyingMaterial(material, _) => self.keys = Some(Keys::of_client(&material)),
                Output::Timeout(_) => return sent,
                _ => {}
            }
        }
    }

    /// What DTLS writes to end the connection.
    pub(crate) fn close_notify(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let _ = self.dtls.close();
        self.shake(now, None)
    }
}

/// One of a client's addresses.
pub(crate) fn address(key: u64, place: usize) -> SocketAddr {
    let port = 20_000 + place as u16;
    SocketAddr::from(([198, 51, 100, key as u8], port))
}
