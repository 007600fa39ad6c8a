//! `bench api`, very small: that it measures, not what.

use serde_json::Value;

use crate::support::{restage, text};

#[test]
fn the_api_is_measured() {
    let home = tempfile::tempdir().unwrap();
    let output = restage(home.path())
        .args(["bench", "api", "--output", "json", "--seconds", "1"])
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
