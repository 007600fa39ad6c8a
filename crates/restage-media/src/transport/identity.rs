//! This end's DTLS certificate, and the check of the remote end's certificate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode,
    SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509NameBuilder, X509Ref, X509VerifyResult};

use super::secrets::Secrets;
use crate::sdp::fingerprint::{Fingerprint, Hash};

/// AES-GCM for most clients; CBC for old embedded stacks. Only the handshake and close_notify use these ciphers:
/// media has keys of its own. ECDHE_RSA serves clients that want to be the DTLS server with an RSA certificate.
const CIPHERS: &str = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES";
/// P-224 is needed for certificates that FFmpeg with GnuTLS makes: OpenSSL accepts a certificate only on a curve
/// named here.
const GROUPS: &str = "X25519:P-256:P-384:P-521:P-224";
const SIGNATURES: &str = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ECDSA+SHA224:ed25519:\
    rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:\
    rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:\
    RSA+SHA256:RSA+SHA384:RSA+SHA512";
/// In descending preference, because AES-CM costs six times as much for every packet.
const SRTP_PROFILES: &str = "SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
/// Longest datagram of the handshake. Fits the minimum MTU of IPv6 and tunnels over Ethernet.
const MTU: u32 = 1_200;
/// Smaller RSA keys are refused.
const RSA_BITS_MIN: u32 = 2_048;
/// Larger keys are refused, because verifying them takes too long.
const RSA_BITS_MAX: u32 = 8_192;
/// Remote ends check fingerprints and not dates, but some refuse a certificate that is not valid yet.
const CERTIFICATE_AGE: Duration = Duration::from_secs(86_400);
const CERTIFICATE_LIFE: Duration = Duration::from_secs(20 * 365 * 86_400);

/// The certificate that all connections of an [`Sfu`](crate::Sfu) share, and the DTLS settings.
pub(crate) struct Identity {
    context: SslContext,
    /// SHA-256 of the certificate, as `a=fingerprint` has it (RFC 8122 §5).
    pub(crate) fingerprint: String,
}

/// Why the remote end's certificate was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Refusal {
    /// None of its fingerprints is in the offer.
    OtherFingerprint = 1,
    /// Its RSA key is too small or too large.
    RsaSize,
    /// Its public key cannot be read: unknown kind or curve.
    UnknownKey,
}

/// The result of checking the remote end's certificate, set while OpenSSL verifies it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict(Arc<AtomicU8>);

impl Verdict {
    fn refuse(&self, refusal: Refusal) {
        self.0.store(refusal as u8, Ordering::Relaxed);
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Refusal::OtherFingerprint),
            2 => Some(Refusal::RsaSize),
            3 => Some(Refusal::UnknownKey),
            _ => None,
        }
    }
}

impl Identity {
    /// Creates a certificate, and the stream of secrets derived from its private key. `since_1970` is the present time.
    pub(crate) fn generate(since_1970: Duration) -> Result<(Self, Secrets), ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let certificate = certificate(&key, since_1970)?;
        let digest = certificate.digest(MessageDigest::sha256())?;
        let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let mut der = key.private_key_to_der()?;
        let secrets = Secrets::new(&der);
        der.fill(0);
        let identity = Self {
            context: context(&key, &certificate)?,
            fingerprint: format!("sha-256 {}", pairs.join(":")),
        };
        Ok((identity, secrets))
    }

    /// One end of a connection to a remote end whose certificate has one of these fingerprints.
    pub(super) fn session(&self, remote: Vec<Fingerprint>) -> Result<(Ssl, Verdict), ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        ssl.set_mtu(MTU)?;
        let verdict = Verdict::default();
        let told = verdict.clone();
        // WebRTC certificates are self-signed, so OpenSSL's verdict on chains and dates is ignored (RFC 8827 §6.5).
        let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        ssl.set_verify_callback(mode, move |_, store| {
            if store.error_depth() > 0 {
                return true;
            }
            let refusal = match store.current_cert() {
                Some(certificate) => examine(certificate, &remote),
                None => Some(Refusal::UnknownKey),
            };
            match refusal {
                Some(refusal) => {
                    told.refuse(refusal);
                    store.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
                    false
                }
                None => true,
            }
        });
        Ok((ssl, verdict))
    }
}

/// The fault of the remote end's certificate, if there is one.
fn examine(certificate: &X509Ref, fingerprints: &[Fingerprint]) -> Option<Refusal> {
    let Ok(key) = certificate.public_key() else {
        return Some(Refusal::UnknownKey);
    };
    let sizes = RSA_BITS_MIN..=RSA_BITS_MAX;
    if matches!(key.id(), Id::RSA | Id::RSA_PSS) && !sizes.contains(&key.bits()) {
        return Some(Refusal::RsaSize);
    }
    let is_it = |fingerprint: &Fingerprint| {
        certificate
            .digest(digest(fingerprint.hash))
            .is_ok_and(|digest| *digest == *fingerprint.bytes)
    };
    (!fingerprints.iter().any(is_it)).then_some(Refusal::OtherFingerprint)
}

fn digest(hash: Hash) -> MessageDigest {
    match hash {
        Hash::Sha1 => MessageDigest::sha1(),
        Hash::Sha224 => MessageDigest::sha224(),
        Hash::Sha256 => MessageDigest::sha256(),
        Hash::Sha384 => MessageDigest::sha384(),
        Hash::Sha512 => MessageDigest::sha512(),
    }
}

fn certificate(key: &PKey<Private>, since_1970: Duration) -> Result<X509, ErrorStack> {
    let seconds = |time: Duration| time.as_secs().try_into().unwrap_or(i64::MAX);
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "restage")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    let not_before = Asn1Time::from_unix(seconds(since_1970.saturating_sub(CERTIFICATE_AGE)))?;
    let not_after = Asn1Time::from_unix(seconds(since_1970 + CERTIFICATE_LIFE))?;
    builder.set_not_before(&not_before)?;
    builder.set_not_after(&not_after)?;
    builder.set_pubkey(key)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn context(key: &PKey<Private>, certificate: &X509) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::dtls())?;
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_cipher_list(CIPHERS)?;
    builder.set_groups_list(GROUPS)?;
    builder.set_sigalgs_list(SIGNATURES)?;
    builder.set_tlsext_use_srtp(SRTP_PROFILES)?;
    builder.set_private_key(key)?;
    builder.set_certificate(certificate)?;
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_mode(SslMode::RELEASE_BUFFERS);
    builder.set_options(
        SslOptions::NO_QUERY_MTU
            | SslOptions::NO_TICKET
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    Ok(builder.build())
}
