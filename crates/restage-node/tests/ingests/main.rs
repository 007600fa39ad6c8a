//! Encoders that publish in a running node, with its database and its media workers: what subscribers, replicas and recordings get of
//! one, and of two that are one participant. The taps of the tests stand for whoever watches.

#[path = "../../../restage-store/tests/store/support/database.rs"]
mod database;
mod encoder;
mod node;

use std::time::Duration;

use restage_core::Command;
use restage_core::row::{IngestProtocol, RecordingState, StageEventError};
use restage_media::{MediaKind, MediaPacket};
use restage_node::control::IngestClose;

use database::Database;
use encoder::{Encoder, PICTURE};
use node::{Node, arn, configuration, key};

/// Longest time without a picture when one of two encoders ends.
const GAP_MAX: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_is_watched_replicated_and_recorded() {
    let database = Database::fresh().await;
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(database.address(), folder.path()).await;
    node.create_stages(&["A", "B"]).await;
    node.create(configuration("I", "A", false)).await;
    let ingest = node.start_ingest("I", "p").await.unwrap();
    let encoder = Encoder::start(ingest, 1);
    let publication = node.publication("A", "p").await;
    let mut tap = node.tap(&publication).await;
    let packets = node::take(&mut tap, 200).await;
    check(&packets);
    assert!(packets.iter().any(|packet| packet.kind == MediaKind::Audio));
    assert!(packets.iter().any(|packet| packet.starts_key_frame));

    node.replicate("A", "p", "B").await;
    let replica = node.participant("B", "p").await;
    assert!(replica.is_replica() && replica.publishing);

    for stage in ["A", "B"] {
        node.until_recorded(stage, "p", RecordingState::Active)
            .await;
    }
    node.until_segments(folder.path(), 4).await;
    encoder.stop().await;
    for stage in ["A", "B"] {
        node.until_recorded(stage, "p", RecordingState::Stopped)
            .await;
    }
    // Its publication has ended, once everything is read.
    node::read_out(&mut tap).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_encoders_send_is_one_stream_for_those_who_watch() {
    let database = Database::fresh().await;
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(database.address(), folder.path()).await;
    node.create_stages(&["A", "B"]).await;
    node.create(configuration("I", "A", true)).await;
    let refused = node.start_ingest("I", "p").await.err().unwrap();
    assert_eq!(refused.code, Some(StageEventError::InvalidStreamKey));
    let first = Encoder::start(node.start_ingest("I", "p1").await.unwrap(), 1);
    let publication = node.publication("A", "p").await;
    let mut tap = node.tap(&publication).await;
    let mut packets = node::take(&mut tap, 50).await;
    let second = Encoder::start(node.start_ingest("I", "p2").await.unwrap(), 2);
    node.publication("A", "p2").await;
    node.replicate("A", "p", "B").await;
    for stream in ["p1", "p2"] {
        node.until_recorded("A", stream, RecordingState::Active)
            .await;
    }
    node.until_recorded("B", "p", RecordingState::Active).await;
    // Past its second key frame, so that it has pictures to go on with.
    packets.extend(node::take(&mut tap, 300).await);
    assert_eq!(sender(&packets), 1);
    first.vanish();
    packets.extend(node::take(&mut tap, 300).await);
    assert_eq!(sender(&packets), 2);
    check(&packets);
    let gap = longest_gap(&packets);
    assert!(gap <= GAP_MAX, "{gap:?} without a picture");
    assert!(node.participant("A", "p").await.publishing);
    assert_eq!(node.control.ingest_switches().get(), 1);

    // The first one comes back, and is there when the second one ends.
    let first = Encoder::start(node.start_ingest("I", "p1").await.unwrap(), 1);
    node.publication("A", "p1").await;
    packets.extend(node::take(&mut tap, 200).await);
    assert_eq!(sender(&packets), 2, "subscribers stay where they are");
    second.vanish();
    packets.extend(node::take(&mut tap, 200).await);
    assert_eq!(sender(&packets), 1);
    check(&packets);

    // One operation ends the whole ingest.
    node.execute(Command::DisconnectParticipant {
        stage: arn("A"),
        participant: node::id("p"),
    })
    .await;
    let reason = first.ended().await;
    assert!(matches!(reason, IngestClose::Rules(_)), "{reason:?}");
    node::read_out(&mut tap).await;
    for stream in ["p1", "p2"] {
        node.until_recorded("A", stream, RecordingState::Stopped)
            .await;
    }
    let refused = node.start_ingest("I", "p1").await.err().unwrap();
    assert_eq!(refused.code, Some(StageEventError::InvalidStreamKey));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_is_let_go_leaves_nothing_open() {
    let database = Database::fresh().await;
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(database.address(), folder.path()).await;
    node.create_stages(&["A"]).await;
    node.create(configuration("I", "A", true)).await;
    for _ in 0..20 {
        // Some are let go before their media comes, some while the rules are asked.
        let waiting = node
            .control
            .start_ingest(key("I", "p1"), IngestProtocol::Rtmps);
        tokio::time::timeout(Duration::from_millis(1), waiting)
            .await
            .ok();
        let other = node.start_ingest("I", "p2").await;
        drop(other);
    }
    node.until("no inlet is left", || {
        node.control.media().stats().inlets == 0
    })
    .await;
    node.until_disconnected("A", &["p", "p1", "p2"]).await;
    node.stop().await;
}

/// Who has sent the newest packet.
fn sender(packets: &[MediaPacket]) -> u8 {
    *packets.last().unwrap().payload.last().unwrap()
}

/// The numbers and times of each kind go on without a break, as those of one encoder.
fn check(packets: &[MediaPacket]) {
    for kind in MediaKind::BOTH {
        let of_kind: Vec<_> = packets
            .iter()
            .filter(|packet| packet.kind == kind)
            .collect();
        for pair in of_kind.windows(2) {
            let [before, after] = pair else { continue };
            assert_eq!(after.sequence, before.sequence + 1, "of {kind}");
            assert!(after.timestamp >= before.timestamp, "of {kind}");
            assert_eq!(after.encoding, before.encoding, "no decoder starts anew");
        }
    }
}

/// The longest time between two pictures, by the server's clock.
fn longest_gap(packets: &[MediaPacket]) -> Duration {
    let pictures = packets
        .iter()
        .filter(|packet| packet.kind == MediaKind::Video);
    let came: Vec<u64> = pictures.map(|packet| packet.arrived_us).collect();
    let gaps = came.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    let gap = Duration::from_micros(gaps.max().unwrap_or(0));
    assert!(gap > PICTURE / 2, "there are pictures");
    gap
}
