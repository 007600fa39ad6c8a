//! Streams that arrive.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use restage_rtmp::{End, Event};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::server::{Manner, Server};
use super::{KEY, PushState, QUICK, delta, format, gone, key_frame, push_to, state};
use crate::push::tls::Trust;
use crate::push::{Push, PushTarget, open_with};

/// Sends some of a stream, and checks that all of it arrives in order and in step.
async fn stream_arrives(mut push: Push, mut server: Server) {
    assert_eq!(state(&mut push).await, PushState::Publishing);
    assert!(push.needs_key_frame());
    for index in 0..30u64 {
        let at_us = 7_000_000 + index * 40_000;
        let is_key = index % 10 == 0;
        push.picture(at_us, is_key, if is_key { key_frame() } else { delta() });
        push.sound(at_us, vec![0x21, index as u8].into());
    }
    assert!(!push.needs_key_frame());
    let (mut pictures, mut sounds) = (Vec::new(), Vec::new());
    while pictures.len() < 30 || sounds.len() < 30 {
        match server.event().await.1 {
            Event::Publish(publish) => {
                assert_eq!((publish.app.as_str(), publish.key.expose()), ("app", KEY));
            }
            Event::Video(frame) => pictures.push((frame.timestamp_us, frame.is_key)),
            Event::Audio(frame) => sounds.push((frame.timestamp_us, frame.data[1])),
            Event::End(end) => panic!("{end:?}"),
            _ => {}
        }
    }
    for (index, (picture, sound)) in pictures.iter().zip(&sounds).enumerate() {
        let at_us = pictures[0].0 + index as i64 * 40_000;
        assert_eq!(*picture, (at_us, index % 10 == 0));
        assert_eq!(*sound, (at_us, index as u8));
    }
    let figures = push.figures();
    assert_eq!((figures.sent_pictures, figures.sent_sounds), (30, 30));
    assert_eq!((figures.dropped_pictures, figures.queued_bytes), (0, 0));
    assert!(figures.sent_bytes > 3_000, "{figures:?}");
    gone(push).await;
    let end = server.until(|_, event| match event {
        Event::End(end) => Some(end),
        _ => None,
    });
    assert_eq!(end.await, End::Finished);
}

#[tokio::test]
async fn a_stream_arrives_in_step_and_ends_when_it_is_dropped() {
    let server = Server::start(&[Manner::Takes]).await;
    let push = push_to(&server.url("127.0.0.1"), QUICK);
    stream_arrives(push, server).await;
}

/// A server's and a client's side of TLS with a certificate for this name.
fn tls_for(name: &str) -> (TlsAcceptor, Trust) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let chain: CertificateDer<'static> = certificate.der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let server = server.with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth();
    let server = server.with_single_cert(vec![chain.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(chain).unwrap();
    let client = ClientConfig::builder_with_provider(provider);
    let client = client.with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    (
        TlsAcceptor::from(Arc::new(server)),
        Trust::Only(Arc::new(client)),
    )
}

#[tokio::test]
async fn a_stream_arrives_by_rtmps() {
    let (acceptor, trust) = tls_for("localhost");
    let server = Server::start_with(&[Manner::Takes], Some(acceptor)).await;
    let target = PushTarget::parse(&server.url("localhost"), KEY).unwrap();
    let push = open_with(target, false, format(), QUICK, trust);
    stream_arrives(push, server).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_or_that_nobody_knows_is_not_taken() {
    let (acceptor, trust) = tls_for("elsewhere.example");
    for trust in [trust, Trust::System] {
        let server = Server::start_with(&[Manner::Takes], Some(acceptor.clone())).await;
        let target = PushTarget::parse(&server.url("localhost"), KEY).unwrap();
        let mut push = open_with(target, false, format(), QUICK, trust);
        let PushState::Reconnecting { reason } = state(&mut push).await else {
            panic!("it was taken");
        };
        assert!(reason.contains("certificate"), "{reason}");
        gone(push).await;
    }
}
