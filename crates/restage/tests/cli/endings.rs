//! When a command ends, it leaves nothing on a stage.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::media::vp8_file;
use crate::strangers::opus_file;
use crate::support::{Program, Server, eventually, restage, text};

/// The participants that publish right now, without waiting.
fn publishing(server: &Server, stage: &str) -> Vec<Value> {
    let listed = server.run(&[
        "participants",
        "list",
        stage,
        "--filter-by-state",
        "CONNECTED",
    ]);
    match listed.status.code() {
        Some(0) => {
            let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
            listed["participants"].as_array().unwrap().clone()
        }
        // The session has ended with its last participant.
        _ => Vec::new(),
    }
}

/// An H.264 byte stream of `pictures` pictures, of which `at` is a B-frame.
fn h264_with_b_frame(pictures: usize, at: usize) -> Vec<u8> {
    let mut encoder = openh264::encoder::Encoder::new().unwrap();
    let picture = openh264::formats::YUVBuffer::new(64, 64);
    let mut bytes = Vec::new();
    for count in 0..pictures {
        match count == at {
            // first_mb 0, slice_type 6: a slice that may refer to a later picture.
            true => bytes.extend([0, 0, 0, 1, 0x01, 0b1001_1100, 0x80]),
            false => bytes.extend(encoder.encode(&picture).unwrap().to_vec()),
        }
    }
    bytes
}

#[test]
fn b_frames_are_found_before_anybody_is_called() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("late.h264"), h264_with_b_frame(40, 39)).unwrap();
    // A token, and an address without a server: the file is refused before it is used.
    let output = restage(home.path())
        .args(["publish", "--stage", "lobby", "late.h264"])
        .args(["--endpoint-url", "http://127.0.0.1:9"])
        .envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("late.h264: picture 39 is a B-frame"),
        "{said}"
    );
    assert!(
        said.contains("B_FRAME_PRESENT") && said.contains("-bf 0"),
        "{said}"
    );
}

#[test]
fn an_error_after_joining_hangs_up() {
    let server = Server::start();
    let stage = server.stage("broken");
    let path = server.path("broken.ivf");
    vp8_file(&path, 20);
    let mut file = std::fs::read(&path).unwrap();
    // A frame whose length is longer than any frame.
    file.extend(u32::MAX.to_le_bytes());
    file.extend([0; 8]);
    std::fs::write(&path, file).unwrap();
    let (mut publisher, participant) = server.publish(&["--stage", "broken", "broken.ivf"]);
    assert_eq!(publisher.code(), Some(1), "{:?}", publisher.seen());
    assert!(
        publisher.seen().join("\n").contains("cannot read on"),
        "{:?}",
        publisher.seen()
    );
    // Immediately: a server that gets no message notices the end only by silence, seconds later.
    assert_eq!(
        publishing(&server, &stage),
        Vec::<Value>::new(),
        "{participant} left"
    );
}

#[test]
fn a_closed_standard_output_hangs_up() {
    let server = Server::start();
    let stage = server.stage("piped");
    let mut child = server
        .command(&["publish", "--stage", "piped", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The reader has exited before the line is written.
    drop(child.stdout.take());
    let code = eventually("its end", || child.try_wait().unwrap()).code();
    assert_eq!(code, Some(0));
    assert_eq!(publishing(&server, &stage), Vec::<Value>::new());
}

#[test]
fn the_demo_cleans_up_on_sigterm_and_ctrl_c() {
    let server = Server::start();
    for signal in ["TERM", "INT"] {
        let mut demo = Program::start(server.command(&["demo"])).unwrap();
        demo.line("ends the demo");
        demo.signal(signal);
        assert_eq!(demo.code(), Some(0), "{signal}: {:?}", demo.seen());
        assert_eq!(
            server.json(&["stages", "list"])["stages"],
            json!([]),
            "{signal}"
        );
    }
    // In the middle of its beginning.
    let mut demo = Program::start(server.command(&["demo"])).unwrap();
    demo.line("demo-source");
    demo.signal("TERM");
    assert_eq!(demo.code(), Some(0), "{:?}", demo.seen());
    assert_eq!(server.json(&["stages", "list"])["stages"], json!([]));
    // The stage is kept on request, and yet the participant has left.
    let mut demo = Program::start(server.command(&["demo", "--keep"])).unwrap();
    demo.line("ends the demo");
    demo.signal("TERM");
    assert_eq!(demo.code(), Some(0), "{:?}", demo.seen());
    let stages = server.json(&["stages", "list"]);
    assert_eq!(stages["stages"].as_array().unwrap().len(), 2, "{stages}");
    assert_eq!(publishing(&server, "demo-source"), Vec::<Value>::new());
}

#[test]
fn sound_alone_is_watched_as_sound_alone() {
    let server = Server::start();
    server.stage("talk");
    std::fs::write(server.path("talk.ogg"), opus_file(100)).unwrap();
    let mut command = server.command(&["publish", "--output", "json", "--stage", "talk"]);
    command.args(["--loop", "talk.ogg"]);
    let mut publisher = Program::start(command).unwrap();
    let line: Value = serde_json::from_str(&publisher.line("participantId")).unwrap();
    assert_eq!(line["codecs"], json!(["Opus"]));
    let output = server.ok(&["watch", "talk", "--stop-after", "4"]);
    let last: Value = serde_json::from_str(output.lines().last().unwrap()).unwrap();
    let kinds: Vec<&Value> = last["tracks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|track| &track["kind"])
        .collect();
    assert_eq!(kinds, ["audio"], "{last}");
}
