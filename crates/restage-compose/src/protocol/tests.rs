//! What is written is read again, and nothing else is.

use bytes::Bytes;
use proptest::prelude::*;
use restage_picture::sandbox::Part;

use super::*;
use crate::layout::{Grid, Layout, Person, Video};
use crate::limits::{FRAME_BYTES_MAX, INPUTS_MAX, NAME_BYTES_MAX};

fn setup() -> Setup {
    Setup {
        now_us: 5,
        layout: Layout::Grid(Grid::default()),
        renditions: vec![Rendition {
            width: 1_280,
            height: 720,
            framerate_milli: 29_970,
            bitrate: 2_500_000,
        }],
        sound: SoundFormats {
            opus: true,
            aac: false,
        },
    }
}

fn person(input: u32) -> Person {
    Person {
        input,
        name: "Ann".to_owned(),
        is_featured: true,
        is_pip: false,
        order: Some(-4),
        arrived: 7,
        has_video: Video::Stopped,
        why_no_picture: Some("AV1 cannot be shown".to_owned()),
        is_muted: true,
    }
}

fn of_server() -> Vec<ToChild> {
    let bytes = Bytes::from_static(b"media");
    vec![
        ToChild::Setup(setup()),
        ToChild::Scene {
            persons: vec![person(3), person(4)],
        },
        ToChild::Picture {
            input: 3,
            at_us: u64::MAX,
            codec: Codec::Vp8,
            is_key: true,
            quarter_turns: 3,
            bytes: bytes.clone(),
        },
        ToChild::Sound {
            input: 3,
            at_us: 1,
            timestamp: 2,
            bytes,
        },
        ToChild::KeyFrame { rendition: 1 },
        ToChild::Stop,
    ]
}

fn of_child() -> Vec<FromChild> {
    let bytes = Bytes::from_static(b"media");
    let tile = ShownTile {
        input: 3,
        x: 0,
        y: 2,
        width: 4,
        height: 6,
        z: 1,
        picture: Showing::Placeholder,
        source_width: 640,
        source_height: 360,
    };
    let mut messages = vec![
        FromChild::Ready,
        FromChild::Picture {
            rendition: 0,
            at_us: 9,
            is_key: false,
            bytes: bytes.clone(),
        },
        FromChild::Opus {
            at_us: 9,
            bytes: bytes.clone(),
        },
        FromChild::Aac { at_us: 9, bytes },
        FromChild::Shown {
            rendition: 0,
            tiles: vec![tile],
        },
        FromChild::NeedKeyFrame { input: 3 },
        FromChild::CannotShow {
            input: 3,
            reason: "too large".to_owned(),
        },
        FromChild::Health(Health {
            ticks: 30,
            ..Health::default()
        }),
    ];
    messages.extend(Part::ALL.map(|part| FromChild::NoSandbox { part }));
    messages
}

#[test]
fn messages_are_read_as_they_were_written_however_the_stream_is_cut() {
    let (mut to_child, mut from_child) = (Vec::new(), Vec::new());
    of_server()
        .iter()
        .for_each(|message| message.write(&mut to_child).unwrap());
    of_child()
        .iter()
        .for_each(|message| message.write(&mut from_child).unwrap());
    for step in [1, 3, 1_000] {
        let (mut messages, mut found) = (Messages::default(), Vec::new());
        for bytes in to_child.chunks(step) {
            messages.take(bytes);
            while let Some(message) = messages.next_message().unwrap() {
                found.push(ToChild::parse(&message).unwrap());
            }
        }
        assert_eq!(found, of_server());
        let (mut messages, mut found) = (Messages::default(), Vec::new());
        for bytes in from_child.chunks(step) {
            messages.take(bytes);
            while let Some(message) = messages.next_message().unwrap() {
                found.push(FromChild::parse(&message).unwrap());
            }
        }
        assert_eq!(found, of_child());
    }
}

#[test]
fn lengths_have_a_bound() {
    let mut messages = Messages::default();
    messages.take(&(FRAME_BYTES_MAX as u32 + 1).to_be_bytes());
    assert!(matches!(
        messages.next_message(),
        Err(ProtocolError::Length(_))
    ));
    let mut messages = Messages::default();
    messages.take(&[0; 4]);
    assert!(matches!(
        messages.next_message(),
        Err(ProtocolError::Length(0))
    ));
    let mut out = vec![1];
    let long = FromChild::Opus {
        at_us: 0,
        bytes: Bytes::from(vec![0; FRAME_BYTES_MAX]),
    };
    assert!(matches!(
        long.write(&mut out),
        Err(ProtocolError::Length(_))
    ));
    assert_eq!(out, [1]);
}

#[test]
fn what_is_out_of_bounds_is_refused_on_both_sides() {
    let changes: [fn(&mut Setup); 8] = [
        |setup| setup.renditions.clear(),
        |setup| setup.renditions = vec![setup.renditions[0]; 3],
        |setup| setup.renditions[0].width = 1_279,
        |setup| setup.renditions[0].height = 0,
        |setup| (setup.renditions[0].width, setup.renditions[0].height) = (1_920, 1_920),
        |setup| setup.renditions[0].framerate_milli = 60_001,
        |setup| setup.renditions[0].framerate_milli = 999,
        |setup| setup.renditions[0].bitrate = 8_500_001,
    ];
    for change in changes {
        let mut setup = setup();
        change(&mut setup);
        let mut message = vec![1];
        serde_json::to_writer(&mut message, &setup).unwrap();
        let parsed = ToChild::parse(&Bytes::from(message));
        assert!(matches!(parsed, Err(ProtocolError::Bound(_))), "{setup:?}");
        assert!(ToChild::Setup(setup).write(&mut Vec::new()).is_err());
    }
    let crowd = (0..=INPUTS_MAX as u32).map(person).collect();
    let twins = vec![person(1), person(1)];
    for persons in [crowd, twins] {
        assert!(ToChild::Scene { persons }.write(&mut Vec::new()).is_err());
    }
    let mut long = person(1);
    long.name = "é".repeat(NAME_BYTES_MAX);
    let mut out = Vec::new();
    ToChild::Scene {
        persons: vec![long],
    }
    .write(&mut out)
    .unwrap();
    let mut messages = Messages::default();
    messages.take(&out);
    let ToChild::Scene { persons } =
        ToChild::parse(&messages.next_message().unwrap().unwrap()).unwrap()
    else {
        panic!("not a scene");
    };
    assert_eq!(persons[0].name, "é".repeat(NAME_BYTES_MAX / 2));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(kind in prop_oneof![0..8u8, 64..75u8], mut bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        bytes.insert(0, kind);
        let bytes = Bytes::from(bytes);
        if let Ok(message) = ToChild::parse(&bytes) {
            message.write(&mut Vec::new()).unwrap();
        }
        if let Ok(message) = FromChild::parse(&bytes) {
            message.write(&mut Vec::new()).unwrap();
        }
    }

    #[test]
    fn damaged_messages_are_read_or_refused(place in 0..12usize, at in any::<prop::sample::Index>(), value: u8) {
        let mut out = Vec::new();
        let message = &of_server()[place % 6];
        message.write(&mut out).unwrap();
        let at = 4 + at.index(out.len() - 4);
        out[at] = value;
        let _ = ToChild::parse(&Bytes::from(out.split_off(4)));
        let mut out = Vec::new();
        of_child()[place].write(&mut out).unwrap();
        let at = at.min(out.len() - 1);
        out[at] = value;
        let _ = FromChild::parse(&Bytes::from(out.split_off(4)));
    }
}
