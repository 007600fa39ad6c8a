//! Stages and participants by their names, and words without flags.

use serde_json::{Value, json};

use crate::support::{Server, text};

fn refused(server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let output = server.run(arguments);
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    (output.status.code(), text(&output.stderr))
}

#[test]
fn a_stage_is_named_by_arn_name_or_id_as_a_word_or_with_a_flag() {
    let server = Server::start();
    server.stage("hall");
    let made = server.json(&["stages", "create", "lobby"]);
    let arn = made["stage"]["arn"].as_str().unwrap();
    assert_eq!(made["stage"]["name"], "lobby");
    let id = arn.rsplit('/').next().unwrap();
    for named in [arn, "lobby", id] {
        let cases: [&[&str]; 4] = [
            &["stages", "get", named],
            &["stages", "get", "--arn", named],
            &["stages", "get", "--stage", named],
            &["stages", "get", "--stage-arn", named],
        ];
        for arguments in cases {
            assert_eq!(server.json(arguments)["stage"]["arn"], arn, "{arguments:?}");
        }
        for flag in ["--stage", "--stage-arn"] {
            assert!(!server.ok(&["token", "create", flag, named]).is_empty());
            let none = json!({ "stageSessions": [] });
            assert_eq!(server.json(&["sessions", "list", flag, named]), none);
        }
        assert!(!server.ok(&["token", "create", named]).is_empty());
    }
    server.ok(&["stages", "update", "lobby", "--name", "foyer"]);
    assert_eq!(
        server.json(&["stages", "get", "foyer"])["stage"]["arn"],
        arn
    );
    // One name is wrong, so nothing is deleted.
    let (exit, said) = refused(&server, &["stages", "delete", "foyer", "lobby"]);
    assert_eq!(exit, Some(3), "{said}");
    assert!(said.contains("there is no stage \"lobby\""), "{said}");
    server.ok(&["stages", "delete", "foyer", "hall"]);
    assert_eq!(server.json(&["stages", "list"])["stages"], json!([]));
}

#[test]
fn a_name_that_several_stages_have_is_refused_with_all_of_them() {
    let server = Server::start();
    let arns = [server.stage("twin"), server.stage("twin")];
    let cases: [&[&str]; 6] = [
        &["stages", "get", "twin"],
        &["stages", "delete", "twin"],
        &["token", "create", "--stage", "twin"],
        &["publish", "--stage", "twin"],
        &["participants", "list", "twin"],
        &["replicas", "list", "twin", "AAAAbbbb1234"],
    ];
    for arguments in cases {
        let (exit, said) = refused(&server, arguments);
        assert_eq!(exit, Some(2), "{arguments:?}: {said}");
        assert!(said.contains("2 stages are called \"twin\""), "{said}");
        for arn in &arns {
            assert!(said.contains(arn.as_str()), "{said}");
        }
    }
    // They can be distinguished by the participant that only one of them has.
    server.ok(&["stages", "delete", &arns[0]]);
    assert_eq!(
        server.json(&["stages", "get", "twin"])["stage"]["arn"],
        *arns[1]
    );
}

#[test]
fn words_that_are_missing_or_too_many_are_said() {
    let server = Server::start();
    let stage = server.stage("lobby");
    let cases: [(&[&str], &str); 9] = [
        (&["stages", "get"], "<STAGE|--arn"),
        (&["participants", "list"], "the stage is missing"),
        (
            &["participants", "get", "lobby"],
            "the participant is missing",
        ),
        (&["participants", "disconnect"], "the stage is missing"),
        (&["sessions", "list"], "the stage is missing"),
        (
            &["replicas", "start", "lobby", "ann"],
            "the destination stage is missing",
        ),
        (
            &["replicas", "list", "--source-stage", "lobby"],
            "the participant is missing",
        ),
        (
            &["participants", "get", "--stage", "lobby", "ann", "ben"],
            "one word too many",
        ),
        (&["watch", "--stage", "lobby", &stage], "is there already"),
    ];
    for (arguments, words) in cases {
        let (exit, said) = refused(&server, arguments);
        assert_eq!(exit, Some(2), "{arguments:?}: {said}");
        let is_told = said.contains(words) || (words.starts_with('<') && said.contains("Usage:"));
        assert!(is_told, "{arguments:?}: {said}");
    }
}

/// Everything that the README shows, with names only.
#[test]
fn people_are_named_by_user_id() {
    let server = Server::start();
    let lobby = server.stage("lobby");
    let hall = server.stage("hall");
    let (mut ann, id) = server.publish(&["--stage", "lobby", "--user-id", "ann", "--fps", "10"]);
    server.sees(&lobby, &id);
    for who in ["ann", id.as_str()] {
        let got = server.json(&["participants", "get", "lobby", who]);
        assert_eq!(got["participant"]["participantId"], *id, "{who}");
    }
    server.ok(&["replicas", "start", "lobby", "ann", "hall"]);
    let listed = server.json(&["replicas", "list", "lobby", "ann"]);
    let replica: &Value = &listed["replicas"][0];
    assert_eq!(replica["destinationStageArn"], *hall);
    let flags = [
        "replicas",
        "list",
        "--source-stage-arn",
        &lobby,
        "--participant-id",
        &id,
    ];
    assert_eq!(server.json(&flags), listed);
    for words in [
        &["watch", "hall", "ann"][..],
        &["watch", "hall", &id],
        &["watch", &hall],
        &["watch", "--stage", "hall", "ann"],
    ] {
        let output = server
            .command(words)
            .args(["--stop-after", "3", "--output", "json"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        assert!(text(&output.stdout).contains(&id), "{words:?}: {output:?}");
    }
    let tail = [
        "events",
        "tail",
        "lobby",
        "--participant",
        "ann",
        "--no-follow",
        "--output",
        "json",
    ];
    assert!(server.ok(&tail).contains("PUBLISH_STARTED"));
    server.ok(&["replicas", "stop", "lobby", "ann", "hall"]);

    let (_other, _) = server.publish(&["--stage", "lobby", "--user-id", "ann", "--mute"]);
    let ambiguous = |server: &Server| {
        let output = server.run(&["participants", "get", "lobby", "ann"]);
        let said = text(&output.stderr);
        (output.status.code() == Some(2)).then(|| assert!(said.contains(&id), "{said}"))
    };
    crate::support::eventually("two have the user id", || ambiguous(&server));
    // An unknown participant is refused by the service.
    let (exit, said) = refused(&server, &["participants", "get", "lobby", "nobody"]);
    assert_eq!(exit, Some(3), "{said}");
    server.ok(&["participants", "disconnect", "lobby", &id]);
    assert_eq!(ann.code(), Some(3), "{:?}", ann.seen());
}
