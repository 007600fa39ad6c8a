//! How it begins and ends, and what the other side of its socket can do to it.

use std::io::Write as _;
use std::net::Shutdown;

use bytes::Bytes;
use restage_compose::child::CHECK;
use restage_compose::protocol::{
    FRAME_BYTES_MAX, FromChild, INPUTS_MAX, Setup, Showing, ToChild, VideoCodec,
};

use crate::peer::{BEGIN_US, PATIENCE, Peer, SIZE, program};
use crate::support::*;

/// Kilobytes that a child of this size never reaches: a decoder and an encoder of small pictures take a tenth.
pub(crate) const MEMORY_MAX: u64 = 200 << 10;

pub(crate) fn the_sandbox_holds() {
    let output = program().arg(CHECK).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("held "), count("made ")), (13, 1), "{text}");
    let output = program().arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

pub(crate) fn it_composes_and_ends() {
    let mut peer = Peer::composing(&[5]);
    let first = peer.until(|said, _| matches!(said, FromChild::Picture { .. }));
    let FromChild::Picture { at_us, is_key, .. } = first else {
        unreachable!("it is what was waited for");
    };
    // Its clock has gone on since the setup, and pictures are behind it by the delay.
    assert!(is_key && at_us + 1_000_000 > BEGIN_US);
    // The first picture may have been made before anybody was there.
    peer.until(|_, peer| !peer.shown.is_empty());
    assert_eq!(peer.shown[0].showing, Showing::Placeholder);
    peer.is_shown(5, 180);
    assert_eq!((peer.shown[0].width, peer.shown[0].height), SIZE);
    peer.send(&ToChild::KeyFrame { rendition: 0 });
    peer.until(|said, _| matches!(said, FromChild::Picture { is_key: true, .. }));
    peer.until(|said, _| matches!(said, FromChild::Opus { .. }));
    peer.until(|said, _| matches!(said, FromChild::Health(health) if health.inputs == 1));
    peer.stop();
}

pub(crate) fn it_ends_with_its_server() {
    let mut peer = Peer::composing(&[]);
    peer.until(|said, _| matches!(said, FromChild::Picture { .. }));
    peer.socket.shutdown(Shutdown::Both).unwrap();
    assert_eq!(peer.ends().code(), Some(1));
    // One that has been told nothing yet, too.
    let mut peer = Peer::bare();
    peer.socket.shutdown(Shutdown::Both).unwrap();
    assert_eq!(peer.ends().code(), Some(1));
}

pub(crate) fn one_that_is_killed_costs_no_other() {
    let (mut first, mut second) = (Peer::composing(&[1]), Peer::composing(&[1]));
    first.is_shown(1, 90);
    second.is_shown(1, 90);
    first.child.kill().unwrap();
    while first.next().is_some() {}
    assert_eq!(first.ends().code(), None, "a signal");
    assert!(
        (0..1_000).any(|_| first.try_send(&ToChild::KeyFrame { rendition: 0 }).is_err()),
        "nobody reads"
    );
    second.is_shown(1, 150);
    second.stop();
}

pub(crate) fn nonsense_ends_it() {
    let too_long = (FRAME_BYTES_MAX as u32 + 1).to_be_bytes();
    for bytes in [
        &[0, 0, 0, 0][..],
        &[0xff; 8],
        &too_long,
        &[0, 0, 0, 2, 1, b'{'],
        &[0, 0, 0, 1, 99],
    ] {
        let mut peer = Peer::bare();
        peer.socket.write_all(bytes).unwrap();
        assert_eq!(peer.ends().code(), Some(1), "{bytes:?}");
        let mut peer = Peer::composing(&[1]);
        // It may have ended before all is written.
        let _ = peer.socket.write_all(bytes);
        while peer.next().is_some() {}
        assert_eq!(peer.ends().code(), Some(1), "{bytes:?}");
    }
    // Anything before the setup.
    let mut peer = Peer::bare();
    peer.scene(&[1]);
    assert_eq!(peer.ends().code(), Some(1));
    // More participants than there may be.
    let mut peer = Peer::composing(&[]);
    let inputs: Vec<u32> = (0..=INPUTS_MAX as u32).collect();
    peer.scene(&inputs);
    while peer.next().is_some() {}
    assert_eq!(peer.ends().code(), Some(1));
}

/// A picture that comes in parts, and one of which the rest never comes.
pub(crate) fn frames_that_are_cut_off() {
    let mut peer = Peer::composing(&[1, 2]);
    let picture = Picture::plain(160, 90, [170, 128, 128]);
    let message = Camera::new(1).take(peer.now_us(), &picture);
    for part in message.encode().unwrap().chunks(7) {
        peer.socket.write_all(part).unwrap();
    }
    peer.until(|_, peer| {
        peer.shown
            .iter()
            .any(|tile| tile.showing == Showing::Picture)
    });
    let longest = (FRAME_BYTES_MAX as u32).to_be_bytes();
    peer.socket.write_all(&longest).unwrap();
    peer.socket.write_all(&[3; 1_000]).unwrap();
    // It composes while it waits.
    let count = peer.pictures;
    peer.until(|_, peer| peer.pictures > count + 5);
    peer.socket.shutdown(Shutdown::Write).unwrap();
    while peer.next().is_some() {}
    assert_eq!(peer.ends().code(), Some(1));
}

pub(crate) fn a_flood_costs_no_picture_and_little_memory() {
    let mut peer = Peer::composing(&[1, 2]);
    peer.is_shown(2, 150);
    let persons: Vec<u32> = (0..INPUTS_MAX as u32).collect();
    let scenes = [persons, vec![1, 2]];
    let large = Bytes::from(vec![0x41; FRAME_BYTES_MAX - 100]);
    let mut socket = peer.socket.try_clone().unwrap();
    let now_us = peer.now_us();
    let flood = std::thread::spawn(move || {
        let mut send = |message: &ToChild| socket.write_all(&message.encode().unwrap()).unwrap();
        for number in 0..30_000_u64 {
            // Packets of times long past and far ahead; scenes; pictures that are none.
            send(&ToChild::Sound {
                input: 1,
                at_us: now_us + number * 1_000_003,
                timestamp: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (number % 60),
                bytes: Bytes::from_static(&[0xfc, 0xff, 0xfe]),
            });
            if number % 10 == 0 {
                let inputs = scenes[number as usize / 10 % 2].iter();
                let persons = inputs.map(|input| person(*input)).collect();
                send(&ToChild::Scene { persons });
            }
            if number % 1_000 == 0 {
                send(&ToChild::Picture {
                    input: 1,
                    at_us: number,
                    codec: VideoCodec::H264,
                    is_key: true,
                    quarter_turns: 3,
                    bytes: large.clone(),
                });
            }
        }
    });
    while !flood.is_finished() {
        let count = peer.pictures;
        peer.until(|_, peer| peer.pictures > count);
    }
    flood.join().unwrap();
    peer.is_shown(2, 110);
    assert!(peer.memory() < MEMORY_MAX, "{} kB", peer.memory());
    peer.stop();
}

pub(crate) fn it_does_not_wait_for_a_server_that_does_not_read() {
    // Noise at the highest rate there is, several times, so that what it makes fills any buffer soon.
    let mut peer = Peer::bare();
    peer.send(&ToChild::Setup(Setup {
        renditions: vec![rendition(640, 360, 8_500_000); 4],
        ..setup(BEGIN_US, plain_grid(), rendition(640, 360, 8_500_000))
    }));
    peer.scene(&[1]);
    let mut camera = Camera::with(1, openh264::encoder::Profile::Baseline, 20_000_000);
    let noise = |seed: usize| {
        Picture::drawn(640, 360, move |plane, x, y| {
            let at =
                (x * 7_919 + y * 104_729 + seed * 15_485_863 + plane).wrapping_mul(2_654_435_761);
            64 + (at >> 13) as u8 / 2
        })
    };
    let pictures: Vec<Picture> = (0..4).map(noise).collect();
    let began = std::time::Instant::now();
    for number in 0_usize.. {
        if peer.child.try_wait().unwrap().is_some() {
            break;
        }
        assert!(began.elapsed() < 4 * PATIENCE, "it holds more and more");
        let message = camera.take(peer.now_us(), &pictures[number % 4]);
        if peer.try_send(&message).is_err() {
            break;
        }
    }
    assert_eq!(peer.ends().code(), Some(1));
}
