//! The built program: its help texts, and very small measurements. That it measures is tested, not what.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The program with nothing of this machine's configuration around it.
fn bench(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restage-bench"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn every_help_text_is_as_it_was() {
    for command in ["", "media", "ramp", "floor", "api", "recording"] {
        let home = tempfile::tempdir().unwrap();
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = bench(home.path(), &words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}");
        let shown = text(&output.stdout);
        let name = if command.is_empty() { "bench" } else { command };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/help");
        restage_testkit::golden(&path.join(format!("{name}.txt")), &shown, &[]);
    }
}

#[test]
fn another_server_is_named_and_must_be_there() {
    let home = tempfile::tempdir().unwrap();
    let arguments = ["media", "1:1:1", "--server", "no-such-file"];
    let output = bench(home.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("cannot start no-such-file"), "{error}");
}

#[test]
fn the_api_is_measured() {
    let home = tempfile::tempdir().unwrap();
    let output = bench(home.path(), &["api", "--output", "json", "--seconds", "1"])
        .args(["--rounds", "1", "--connections", "1", "--replicas", "300"])
        .args(["--stages", "5", "--participants", "20"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let value = |what: &str| {
        let found = figures.as_array().unwrap().iter().find(|figure| {
            let name = figure["what"].as_str().unwrap();
            name.starts_with(what)
        });
        let figure = found.unwrap_or_else(|| panic!("no {what} in {figures}"));
        let value = figure["value"].as_f64().unwrap();
        assert!(value > 0.0, "{figure}");
        value
    };
    for what in [
        "ListParticipantReplicas, ",
        "GetStage, ",
        "CreateParticipantToken",
        "first page of 100 replicas",
        "deep page of 300 replicas",
        "deep page: ratio",
        "5 stages, 20 participants: ready after",
        "5 stages, 20 participants: memory after reading",
        "StartParticipantReplication, publishers 1: p99",
    ] {
        value(what);
    }
    let aims = figures.as_array().unwrap().iter();
    let aims = aims.filter(|figure| figure["isMet"].is_boolean() && figure["aim"].is_object());
    assert_eq!(
        value("StartParticipantReplication, publishers 1: calls"),
        200.0
    );
    assert_eq!(aims.count(), 8, "{figures}");
}

#[test]
fn recordings_are_measured() {
    let home = tempfile::tempdir().unwrap();
    // Longer than a segment, so that one is written meanwhile.
    let output = bench(home.path(), &["recording", "--output", "json"])
        .args(["--seconds", "8", "--warm-up", "0", "--runs", "1"])
        .args(["--publishers", "1", "--topology", "1:1:1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let value = |what: &str| {
        let found = figures.as_array().unwrap().iter().find(|figure| {
            let name = figure["what"].as_str().unwrap();
            name.ends_with(what)
        });
        let figure = found.unwrap_or_else(|| panic!("no {what} in {figures}"));
        figure["value"].as_f64().unwrap()
    };
    assert!(value("1 at a time: written") > 1.0, "{figures}");
    assert!(value("a forwarded packet, of without") > 0.0, "{figures}");
    assert!(value("with: media workers") > 0.0, "{figures}");
}
