//! Times that run out, sizes that are crossed, and memory.

use std::time::Duration;

use restage_rtmp::limits::{
    CHUNK_BYTES_MAX, CONNECTION_BYTES_MAX, HANDSHAKE_MAX, NAME_BYTES_MAX, PUBLISH_MAX,
    RELEASE_BYTES_MAX, SILENCE_MAX, VIDEO_BYTES_MAX,
};
use restage_rtmp::{End, Event, Fault};

use crate::publisher::*;

const MS: Duration = Duration::from_millis(1);

fn ended(fault: Fault) -> Event {
    Event::End(End::Fault(fault))
}

#[test]
fn a_handshake_byte_by_byte_runs_out_of_time() {
    let mut rig = Rig::new();
    rig.send(&[3]);
    for _ in 0..HANDSHAKE_MAX.as_secs() - 1 {
        rig.wait(Duration::from_secs(1));
        rig.send(&[0; 10]);
    }
    rig.wait(Duration::from_secs(1) - MS);
    assert_eq!(rig.take_events(), []);
    rig.wait(MS);
    assert_eq!(rig.take_events(), [ended(Fault::HandshakeTimeout)]);
    assert!(rig.session.is_over());
}

#[test]
fn publish_comes_within_its_time() {
    let mut rig = Rig::shaken();
    rig.wait(PUBLISH_MAX - MS);
    rig.connect();
    assert_eq!(rig.take_events(), []);
    rig.wait(MS);
    assert_eq!(rig.take_events(), [ended(Fault::PublishTimeout)]);
    assert!(rig.has_said("there was no publish command after 5 s"));
}

#[test]
fn a_stream_that_falls_silent_ends() {
    let mut rig = Rig::publishing();
    rig.wait(SILENCE_MAX - MS);
    rig.audio(0, AUDIO_CONFIG);
    rig.take_events();
    let deadline = rig.now + SILENCE_MAX;
    assert_eq!(rig.session.next_deadline(), Some(deadline));
    rig.wait(SILENCE_MAX - MS);
    assert_eq!(rig.take_events(), []);
    rig.wait(MS);
    assert_eq!(rig.take_events(), [ended(Fault::Silence)]);
    assert!(rig.has_said("INVALID_INPUT: ") && rig.has_said("nothing came for 10 s"));
}

#[test]
fn names_are_bounded() {
    for (app, key, member_name) in [
        ("app", String::new(), "the stream key"),
        ("app", "k".repeat(NAME_BYTES_MAX + 1), "the stream key"),
        ("", "key".to_owned(), "app"),
    ] {
        let mut rig = Rig::shaken();
        let connect = [
            text("connect"),
            number(1.0),
            object(&[member("app", &text(app))]),
        ];
        rig.message(3, 0, COMMAND, &connect.concat());
        rig.publish(&key);
        let fault = Fault::Name {
            member: member_name,
        };
        assert_eq!(rig.take_events(), [ended(fault)]);
        assert!(rig.has_said("it must have 1 to 1024 bytes"));
    }
    let mut rig = Rig::shaken();
    rig.connect();
    rig.publish(&"k".repeat(NAME_BYTES_MAX));
    assert!(matches!(rig.take_events()[..], [Event::Publish(_)]));
}

#[test]
fn an_encoder_that_asks_and_does_not_read_is_ended() {
    let mut rig = Rig::shaken();
    rig.connect();
    let command = [
        text("releaseStream"),
        number(2.0),
        NULL.to_vec(),
        text("key"),
    ]
    .concat();
    let bytes = chunks(3, 0, COMMAND, &command, 128).repeat(5_000);
    let mut input = &bytes[..];
    let event = rig.session.receive(rig.now, &mut input);
    assert_eq!(event, Some(ended(Fault::Unread)));
    assert!(rig.session.take_output().len() < 100 << 10);
}

#[test]
fn every_fault_says_what_was_wrong() {
    let mut rig = Rig::publishing();
    rig.message(2, 0, 1, &(CHUNK_BYTES_MAX as u32 + 1).to_be_bytes());
    let bytes = CHUNK_BYTES_MAX as u32 + 1;
    assert_eq!(rig.take_events(), [ended(Fault::ChunkSize { bytes })]);
    assert!(rig.has_said("Set Chunk Size: 65537 bytes; it must be 1 to 65536"));

    let mut rig = Rig::publishing();
    rig.video(0, &[0x17, 0, 0, 0, 0, 1, 0x42]);
    let [Event::End(End::Fault(Fault::VideoConfig { track: 0, .. }))] = rig.take_events()[..]
    else {
        panic!("no fault");
    };
    let mut rig = Rig::publishing();
    rig.audio(0, &[0xaf, 0, 0x17]);
    let [Event::End(End::Fault(Fault::AudioConfig { .. }))] = rig.take_events()[..] else {
        panic!("no fault");
    };
}

/// A picture of the largest size, while others are under way on the other chunk streams: nothing holds more.
#[test]
fn memory_is_bounded_whatever_comes() {
    let mut rig = Rig::publishing();
    let chunk_bytes = 16 << 10;
    rig.set_chunk_bytes(chunk_bytes as u32);
    rig.video(0, &video_config(SPS));
    rig.take_events();
    let room = CONNECTION_BYTES_MAX - RELEASE_BYTES_MAX;
    // All other streams begin a message and have sent the first of its two chunks.
    for stream in 8..20 {
        let whole = chunks(stream, 0, AUDIO, &[0; 20 << 10], chunk_bytes);
        rig.send(&whole[..12 + chunk_bytes]);
    }
    let unit = [&[0x65, 0x88][..], &vec![7; VIDEO_BYTES_MAX - 11]].concat();
    let picture = picture(&unit, 0);
    assert_eq!(picture.len(), VIDEO_BYTES_MAX);
    let bytes = chunks(6, 0, VIDEO, &picture, chunk_bytes);
    let mut most = 0;
    for mut piece in bytes.chunks(10_000) {
        while let Some(event) = rig.session.receive(rig.now, &mut piece) {
            // The picture that is being handled counts as well.
            let Event::Video(frame) = event else {
                panic!("{event:?}");
            };
            most = most.max(rig.session.memory() + frame.units.bytes());
        }
        most = most.max(rig.session.memory());
    }
    assert!(
        (VIDEO_BYTES_MAX + 12 * chunk_bytes..room).contains(&most),
        "{most}"
    );
    // Another one of that size beside it is too much.
    rig.send(&bytes[..12 + chunk_bytes]);
    let other = chunks(7, 0, VIDEO, &vec![0; 1 << 20], chunk_bytes);
    rig.send(&other[..100]);
    assert_eq!(rig.take_events(), [ended(Fault::Assembly)]);
    assert!(rig.session.memory() < 64 << 10);
}

#[test]
fn an_aggregate_of_many_pictures_holds_no_more() {
    let mut rig = Rig::publishing();
    rig.set_chunk_bytes(CHUNK_BYTES_MAX as u32);
    rig.video(0, &video_config(SPS));
    rig.take_events();
    let unit = picture(IDR, 0);
    let length = unit.len() as u8;
    let part = [
        &[VIDEO, 0, 0, length, 0, 0, 0, 0, 0, 0, 0][..],
        &unit,
        &[0; 4],
    ]
    .concat();
    let body = part.repeat((1 << 20) / part.len());
    let bytes = chunks(5, 0, 22, &body, CHUNK_BYTES_MAX);
    let mut input = &bytes[..];
    let (mut pictures, mut most) = (0, 0);
    while let Some(event) = rig.session.receive(rig.now, &mut input) {
        assert!(matches!(event, Event::Video(_)), "{event:?}");
        pictures += 1;
        most = most.max(rig.session.memory());
    }
    assert_eq!(pictures, (1 << 20) / part.len());
    assert!(most < 2 << 20, "{most}");
}
