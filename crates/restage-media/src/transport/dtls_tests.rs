//! Handshakes with an OpenSSL client in all variants.

use std::io::{self, Read, Write};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslContext, SslMethod, SslOptions, SslVerifyMode};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};

use super::*;
use crate::sdp::fingerprint::Hash;
use crate::util::test::epoch;

type Key = PKey<Private>;

fn ec(curve: Nid) -> Key {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn rsa(bits: u32) -> Key {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

/// A self-signed certificate; every name makes it some twenty bytes longer.
fn certificate(key: &Key, names: usize) -> X509 {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "client").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder
        .set_not_before(&Asn1Time::from_unix(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::from_unix(4_000_000_000).unwrap())
        .unwrap();
    builder.set_pubkey(key).unwrap();
    if names > 0 {
        let mut extension = SubjectAlternativeName::new();
        for number in 0..names {
            extension.dns(&format!("host-{number}.example.org"));
        }
        let built = extension
            .build(&builder.x509v3_context(None, None))
            .unwrap();
        builder.append_extension(built).unwrap();
    }
    let digest = match key.id() {
        openssl::pkey::Id::ED25519 => MessageDigest::null(),
        _ => MessageDigest::sha256(),
    };
    builder.sign(key, digest).unwrap();
    builder.build()
}

/// The remote end.
struct Remote {
    state: Option<MidHandshakeSslStream<Link>>,
    stream: Option<SslStream<Link>>,
    error: Option<String>,
}

#[derive(Debug, Default)]
struct Link {
    incoming: std::collections::VecDeque<Vec<u8>>,
    outgoing: Vec<Vec<u8>>,
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front();
        let datagram = datagram.ok_or(io::ErrorKind::WouldBlock)?;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Link {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Options {
    signatures: Option<&'static str>,
    srtp: Option<&'static str>,
    is_server: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            signatures: None,
            srtp: Some("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM"),
            is_server: false,
        }
    }
}

impl Remote {
    fn new(key: &Key, certificate: &X509, options: &Options) -> Self {
        let mut builder = SslContext::builder(SslMethod::dtls()).unwrap();
        // This end must refuse what is weak, so the client accepts it.
        builder.set_security_level(0);
        builder.set_private_key(key).unwrap();
        builder.set_certificate(certificate).unwrap();
        builder
            .set_groups_list("P-256:P-384:P-521:P-224:secp256k1")
            .unwrap();
        if let Some(srtp) = options.srtp {
            builder.set_tlsext_use_srtp(srtp).unwrap();
        }
        if let Some(signatures) = options.signatures {
            builder.set_sigalgs_list(signatures).unwrap();
        }
        let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        builder.set_verify_callback(mode, |_, _| true);
        builder.set_options(SslOptions::NO_QUERY_MTU);
        let mut ssl = Ssl::new(&builder.build()).unwrap();
        ssl.set_mtu(1_200).unwrap();
        let result = if options.is_server {
            ssl.accept(Link::default())
        } else {
            ssl.connect(Link::default())
        };
        let Err(HandshakeError::WouldBlock(state)) = result else {
            panic!("nothing has arrived yet");
        };
        Self {
            state: Some(state),
            stream: None,
            error: None,
        }
    }

    fn link(&mut self) -> &mut Link {
        match (&mut self.state, &mut self.stream) {
            (Some(state), _) => state.get_mut(),
            (None, Some(stream)) => stream.get_mut(),
            (None, None) => panic!("the client has failed"),
        }
    }

    fn take(&mut self) -> Vec<Vec<u8>> {
        if self.error.is_some() {
            return Vec::new();
        }
        std::mem::take(&mut self.link().outgoing)
    }

    fn receive(&mut self, datagram: Vec<u8>) {
        if self.error.is_some() {
            return;
        }
        self.link().incoming.push_back(datagram);
        let Some(state) = self.state.take() else {
            return;
        };
        match state.handshake() {
            Ok(stream) => self.stream = Some(stream),
            Err(HandshakeError::WouldBlock(state)) => self.state = Some(state),
            Err(HandshakeError::Failure(state)) => {
                let error = state.error().ssl_error().map(reason_of);
                self.error = Some(error.unwrap_or_default());
            }
            Err(HandshakeError::SetupFailure(error)) => panic!("{error}"),
        }
    }
}

fn fingerprint(certificate: &X509, hash: Hash, digest: MessageDigest) -> Fingerprint {
    let bytes: &[u8] = &certificate.digest(digest).unwrap();
    Fingerprint {
        hash,
        bytes: bytes.into(),
    }
}

fn sha256(certificate: &X509) -> Vec<Fingerprint> {
    vec![fingerprint(
        certificate,
        Hash::Sha256,
        MessageDigest::sha256(),
    )]
}

struct Pair {
    dtls: Dtls,
    remote: Remote,
    now: Instant,
    /// Selects the datagrams of this end that are lost.
    loses: fn(usize) -> bool,
    sent: usize,
    largest: usize,
}

impl Pair {
    fn new(
        key: &Key,
        certificate: &X509,
        fingerprints: Vec<Fingerprint>,
        options: &Options,
    ) -> Self {
        let (identity, _) = Identity::generate(Duration::from_secs(1_800_000_000)).unwrap();
        let dtls = Dtls::new(&identity, fingerprints, options.is_server).unwrap();
        Self {
            dtls,
            remote: Remote::new(key, certificate, options),
            now: epoch(),
            loses: |_| false,
            sent: 0,
            largest: 0,
        }
    }

    fn deliver(&mut self) {
        for datagram in self.dtls.take_outgoing() {
            self.sent += 1;
            self.largest = self.largest.max(datagram.len());
            if !(self.loses)(self.sent) {
                self.remote.receive(datagram);
            }
        }
    }

    /// Runs until this end is connected; an error says why it is not.
    fn shake(&mut self) -> Result<(), ConnectFailure> {
        self.dtls.start(self.now)?;
        for _ in 0..200 {
            self.deliver();
            let datagrams = self.remote.take();
            let is_idle = datagrams.is_empty();
            for datagram in datagrams {
                if self.dtls.receive(self.now, &datagram)? == Progress::Connected {
                    self.deliver();
                    return Ok(());
                }
            }
            if is_idle {
                let Some(at) = self.dtls.deadline() else {
                    return Err(self.dtls.unfinished());
                };
                self.now = at;
                self.dtls.on_timeout(at)?;
            }
        }
        Err(self.dtls.unfinished())
    }
}

fn connects(name: &str, key: &Key, certificate: &X509, options: &Options) {
    let mut pair = Pair::new(key, certificate, sha256(certificate), options);
    if let Err(failure) = pair.shake() {
        panic!("{name}: {failure}; the client says {:?}", pair.remote.error);
    }
    let material = pair.dtls.keying_material().expect("keys");
    // The server chooses; this one has AES-CM first.
    let profile = if options.is_server {
        SrtpProfile::Aes128CmSha1
    } else {
        SrtpProfile::AeadAes128Gcm
    };
    assert_eq!(material.profile, profile, "{name}");
    assert_eq!(material.is_client, options.is_server, "{name}");
    let mut theirs = vec![0; material.bytes.len()];
    let stream = pair
        .remote
        .stream
        .as_ref()
        .expect("the client is connected");
    let ssl = stream.ssl();
    ssl.export_keying_material(&mut theirs, EXPORTER_LABEL, None)
        .unwrap();
    assert_eq!(
        theirs, material.bytes,
        "{name}: both ends have the same keys"
    );
    assert!(pair.largest <= 1_200, "{name}: {} bytes", pair.largest);
}

fn fails(
    key: &Key,
    certificate: &X509,
    fingerprints: Vec<Fingerprint>,
) -> (ConnectFailure, Option<String>) {
    let mut pair = Pair::new(key, certificate, fingerprints, &Options::default());
    let failure = pair.shake().expect_err("the certificate is refused");
    pair.deliver();
    (failure, pair.remote.error)
}

#[test]
fn certificates_of_every_usual_kind_are_taken_from_clients_and_from_servers() {
    let kinds = [
        ("RSA 2048", rsa(2_048)),
        ("RSA 3072", rsa(3_072)),
        ("RSA 4096", rsa(4_096)),
        ("P-256", ec(Nid::X9_62_PRIME256V1)),
        ("P-384", ec(Nid::SECP384R1)),
        ("P-521", ec(Nid::SECP521R1)),
        ("P-224", ec(Nid::SECP224R1)),
        ("Ed25519", PKey::generate_ed25519().unwrap()),
    ];
    for (name, key) in &kinds {
        let certificate = certificate(key, 0);
        connects(name, key, &certificate, &Options::default());
        // OpenSSL's own server does not offer Ed25519 under DTLS 1.2.
        if key.id() == openssl::pkey::Id::ED25519 {
            continue;
        }
        let as_server = Options {
            is_server: true,
            ..Options::default()
        };
        connects(&format!("{name}, as server"), key, &certificate, &as_server);
    }
}

#[test]
fn rsa_signs_by_pkcs_1_and_by_pss() {
    let key = rsa(2_048);
    let certificate = certificate(&key, 0);
    for signatures in [
        "RSA+SHA256:ECDSA+SHA256",
        "RSA+SHA512:ECDSA+SHA256",
        "rsa_pss_rsae_sha256:ECDSA+SHA256",
        "rsa_pss_rsae_sha384:ECDSA+SHA256",
    ] {
        let options = Options {
            signatures: Some(signatures),
            ..Options::default()
        };
        connects(signatures, &key, &certificate, &options);
    }
}

#[test]
fn large_certificates_are_put_together_from_fragments() {
    let key = rsa(4_096);
    for names in [100, 400, 2_000] {
        let certificate = certificate(&key, names);
        let bytes = certificate.to_der().unwrap().len();
        assert!(bytes > 20 * names);
        connects(
            &format!("{bytes} bytes"),
            &key,
            &certificate,
            &Options::default(),
        );
    }
}

#[test]
fn a_certificate_that_cannot_be_taken_is_refused_at_once_with_an_alert_and_a_reason() {
    for (name, key) in [("RSA 1024", rsa(1_024)), ("secp256k1", ec(Nid::SECP256K1))] {
        let certificate = certificate(&key, 0);
        let (failure, heard) = fails(&key, &certificate, sha256(&certificate));
        let ConnectFailure::AlertSent { code, detail } = failure else {
            panic!("{name}: {failure}")
        };
        assert!((40..=80).contains(&code), "{name}: {code}");
        assert!(!detail.is_empty(), "{name}");
        let heard = heard.unwrap_or_else(|| panic!("{name}: the client is told"));
        assert!(heard.contains("alert"), "{name}: {heard}");
    }
}

#[test]
fn another_certificate_than_the_offers_is_refused() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let (one, other) = (certificate(&key, 0), certificate(&key, 1));
    let (failure, heard) = fails(&key, &one, sha256(&other));
    assert_eq!(failure, ConnectFailure::CertificateMismatch);
    assert!(heard.is_some_and(|heard| heard.contains("alert")));
}

#[test]
fn any_of_several_fingerprints_will_do() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let (one, other) = (certificate(&key, 0), certificate(&key, 1));
    for (hash, digest) in [
        (Hash::Sha1, MessageDigest::sha1()),
        (Hash::Sha224, MessageDigest::sha224()),
        (Hash::Sha384, MessageDigest::sha384()),
        (Hash::Sha512, MessageDigest::sha512()),
    ] {
        let mut all = sha256(&other);
        all.push(fingerprint(&one, hash, digest));
        let mut pair = Pair::new(&key, &one, all, &Options::default());
        assert_eq!(pair.shake(), Ok(()), "{hash:?}");
    }
}

#[test]
fn a_client_without_srtp_has_no_keys() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let certificate = certificate(&key, 0);
    let options = Options {
        srtp: None,
        ..Options::default()
    };
    let mut pair = Pair::new(&key, &certificate, sha256(&certificate), &options);
    assert_eq!(pair.shake(), Ok(()));
    assert!(pair.dtls.keying_material().is_none());
}

#[test]
fn flights_that_are_lost_come_again() {
    let key = rsa(2_048);
    let certificate = certificate(&key, 0);
    let patterns: [fn(usize) -> bool; 3] = [|n| n == 1, |n| n <= 2, |n| n % 2 == 1 && n < 6];
    for loses in patterns {
        let mut pair = Pair::new(
            &key,
            &certificate,
            sha256(&certificate),
            &Options::default(),
        );
        pair.loses = loses;
        assert_eq!(pair.shake(), Ok(()));
    }
}

#[test]
fn an_alert_that_anybody_may_have_sent_ends_nothing_while_the_handshake_goes_on() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let certificate = certificate(&key, 0);
    let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 42];
    let mut pair = Pair::new(
        &key,
        &certificate,
        sha256(&certificate),
        &Options::default(),
    );
    for datagram in pair.remote.take() {
        pair.dtls.receive(pair.now, &datagram).unwrap();
        assert_eq!(pair.dtls.receive(pair.now, &alert), Ok(Progress::Rejected));
    }
    assert_eq!(pair.shake(), Ok(()));
}

#[test]
fn a_client_that_refuses_by_an_alert_is_given_up_soon() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let certificate = certificate(&key, 0);
    let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 42];
    let mut pair = Pair::new(
        &key,
        &certificate,
        sha256(&certificate),
        &Options::default(),
    );
    let start = pair.now;
    for datagram in pair.remote.take() {
        pair.dtls.receive(pair.now, &datagram).unwrap();
    }
    pair.dtls.receive(pair.now, &alert).unwrap();
    let failure = loop {
        pair.now = pair.dtls.deadline().unwrap();
        if let Err(failure) = pair.dtls.on_timeout(pair.now) {
            break failure;
        }
    };
    assert_eq!(failure, ConnectFailure::AlertReceived { code: 42 });
    assert!(pair.now - start <= Duration::from_secs(2));
}

#[test]
fn closing_is_said_and_heard() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let certificate = certificate(&key, 0);
    let mut pair = Pair::new(
        &key,
        &certificate,
        sha256(&certificate),
        &Options::default(),
    );
    pair.shake().unwrap();
    let stream = pair.remote.stream.as_mut().unwrap();
    stream.shutdown().unwrap();
    let datagrams = pair.remote.take();
    let results: Vec<_> = datagrams
        .iter()
        .map(|datagram| pair.dtls.receive(pair.now, datagram).unwrap())
        .collect();
    assert_eq!(results, [Progress::Closed]);
    pair.dtls.close();
    assert_eq!(pair.dtls.take_outgoing().len(), 1);
}

#[test]
fn garbage_at_any_time_panics_nothing() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let certificate = certificate(&key, 0);
    let mut pair = Pair::new(
        &key,
        &certificate,
        sha256(&certificate),
        &Options::default(),
    );
    let hello = pair.remote.take().remove(0);
    for end in 0..hello.len() {
        let mut bytes = hello[..end].to_vec();
        let _ = pair.dtls.receive(pair.now, &bytes);
        if let Some(last) = bytes.last_mut() {
            *last ^= 0x55;
        }
        let mut other = Pair::new(
            &key,
            &certificate,
            sha256(&certificate),
            &Options::default(),
        );
        let _ = other.dtls.receive(other.now, &bytes);
        let _ = other.dtls.receive(other.now, &hello);
    }
}
