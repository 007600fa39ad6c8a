//! Lists over several pages, cut and continued; replicas started and stopped; participants and
//! events.

use serde_json::{Value, json};

use crate::support::{Program, Server, eventually, golden, text, without_times};

fn arns(listed: &Value) -> Vec<String> {
    let rows = listed["replicas"].as_array().expect("a list");
    rows.iter()
        .map(|row| row["destinationStageArn"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn replicas_are_started_listed_continued_and_stopped() {
    let server = Server::start();
    let source = server.stage("source");
    let (_publisher, participant) = server.publish(&[
        "--stage-arn",
        &source,
        "--user-id",
        "ann",
        "--attribute",
        "order=1",
    ]);
    server.sees(&source, &participant);
    let destinations: Vec<String> = (0..11)
        .map(|count| server.stage(&format!("view-{count}")))
        .collect();
    let whose = [
        "--source-stage-arn",
        &source,
        "--participant-id",
        &participant,
    ];
    let mut start = vec!["replicas", "start"];
    start.extend(whose);
    start.extend([
        "--attribute",
        "order=2",
        "--reconnect-window-seconds",
        "30",
        "--destination-stage-arn",
    ]);
    start.extend(destinations.iter().map(String::as_str));
    let output = server.run(&start);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr).lines().count(), destinations.len());
    let list = |more: &[&str]| -> Value {
        let arguments: Vec<&str> = ["replicas", "list"]
            .into_iter()
            .chain(whose)
            .chain(more.iter().copied())
            .collect();
        server.json(&arguments)
    };
    let whole = list(&[]);
    assert_eq!(arns(&whole), destinations);
    assert_eq!(
        whole.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["replicas"]
    );
    assert_eq!(whole["replicas"][0]["replicationState"], "ACTIVE");

    // Cut within pages and at their borders, and continued with the token that the AWS CLI would make.
    for page_size in ["2", "3", "50"] {
        let mut seen = Vec::new();
        let mut page = list(&["--max-items", "4", "--page-size", page_size]);
        seen.extend(arns(&page));
        while let Some(token) = page["NextToken"].as_str().map(str::to_owned) {
            page = list(&[
                "--max-items",
                "4",
                "--page-size",
                page_size,
                "--starting-token",
                &token,
            ]);
            seen.extend(arns(&page));
        }
        assert_eq!(seen, destinations, "page size {page_size}");
    }
    let none = list(&["--max-items", "0"]);
    assert_eq!(none["replicas"], json!([]));
    assert!(none["NextToken"].is_string());

    // For people, the token stands beside the table.
    let arguments: Vec<&str> = ["replicas", "list"]
        .into_iter()
        .chain(whose)
        .chain(["--max-items", "2", "--output", "table"])
        .collect();
    let output = server.run(&arguments);
    assert!(
        text(&output.stderr).starts_with("there is more: --starting-token "),
        "{output:?}"
    );
    let table = text(&output.stdout);
    assert_eq!(table.lines().count(), 3, "{table}");
    let sessions: Vec<String> = (0..2)
        .map(|row| {
            whole["replicas"][row]["destinationSessionId"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    golden(
        "replicas-list-table",
        &table,
        &[
            (
                destinations[0].as_str(),
                "<arn:aws:ivs:us-east-1:000000000000:stage/one>",
            ),
            (
                destinations[1].as_str(),
                "<arn:aws:ivs:us-east-1:000000000000:stage/two>",
            ),
            (sessions[0].as_str(), "<session one>"),
            (sessions[1].as_str(), "<session two>"),
        ],
    );

    // An invalid token.
    let mut bad = vec!["replicas", "list"];
    bad.extend(whose);
    bad.extend(["--starting-token", "a___b___c"]);
    let output = server.run(&bad);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        text(&output.stderr).contains("starting token"),
        "{output:?}"
    );

    // A replica is a participant of the destination, with its own attributes.
    let shown = server.json(&[
        "participants",
        "get",
        "--stage-arn",
        &destinations[0],
        "--participant-id",
        &participant,
    ]);
    assert_eq!(shown["participant"]["replicationType"], "REPLICA");
    assert_eq!(shown["participant"]["attributes"], json!({"order": "2"}));

    let mut stop = vec!["replicas", "stop"];
    stop.extend(whose);
    stop.push("--destination-stage-arn");
    stop.extend(destinations[1..].iter().map(String::as_str));
    server.ok(&stop);
    let active: Vec<String> = eventually("one replica is left", || {
        let found = list(&[
            "--query",
            "replicas[?replicationState==`ACTIVE`].destinationStageArn",
        ]);
        let found: Vec<String> = serde_json::from_value(found).unwrap();
        (found.len() == 1).then_some(found)
    });
    assert_eq!(active, destinations[..1]);

    // Stopping a stopped replica is refused, and the message says how far the command came.
    let output = server.run(&stop);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.contains(&format!(
            "stopped at {}, after 0 of 10 stages",
            destinations[1]
        )),
        "{said}"
    );
}

#[test]
fn participants_sessions_and_events() {
    let server = Server::start();
    let stage = server.stage("followed");
    let tail = server.command(&["events", "tail", "--stage-arn", &stage, "--output", "text"]);
    let mut tail = Program::start(tail).unwrap();
    tail.line("nobody publishes");
    let json_lines = server.command(&["events", "tail", "--stage-arn", &stage]);
    let mut json_lines = Program::start(json_lines).unwrap();
    json_lines.line("STAGE_STATE");

    let (mut publisher, participant) = server.publish(&["--stage-arn", &stage, "--user-id", "ann"]);
    let line = tail.line("publishing");
    assert!(line.ends_with(&format!("{participant}  ann")), "{line}");
    let state: Value = serde_json::from_str(&json_lines.line(&participant)).unwrap();
    assert_eq!(state["payload"]["participants"][0]["isPublishing"], true);

    server.sees(&stage, &participant);
    let listed = server.json(&[
        "participants",
        "list",
        "--stage-arn",
        &stage,
        "--filter-by-user-id",
        "ann",
    ]);
    let row = &listed["participants"][0];
    assert_eq!(
        (&row["participantId"], &row["userId"]),
        (&json!(participant), &json!("ann"))
    );
    assert_eq!(
        server.json(&[
            "participants",
            "list",
            "--stage-arn",
            &stage,
            "--filter-by-user-id",
            "ben"
        ])["participants"],
        json!([])
    );
    let sessions = server.json(&["sessions", "list", "--stage-arn", &stage]);
    let session = sessions["stageSessions"][0]["sessionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let table = server.ok(&[
        "participants",
        "list",
        "--stage-arn",
        &stage,
        "--filter-by-user-id",
        "ann",
        "--output",
        "table",
    ]);
    golden(
        "participants-list-table",
        &without_times(&table),
        &[(participant.as_str(), "<participant>")],
    );

    // The participant's own events: those that exist, and those that follow.
    let history = [
        "events",
        "tail",
        "--stage-arn",
        &stage,
        "--participant-id",
        &participant,
        "--session-id",
        &session,
    ];
    let mut follow = Program::start(server.command(&history)).unwrap();
    follow.line("PUBLISH_STARTED");
    let once: Vec<&str> = history
        .into_iter()
        .chain(["--no-follow", "--output", "text"])
        .collect();
    let shown = without_times(&server.ok(&once));
    let names: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert!(
        names.contains(&"JOINED") && names.contains(&"PUBLISH_STARTED"),
        "{shown}"
    );

    server.ok(&[
        "participants",
        "disconnect",
        "--stage-arn",
        &stage,
        "--participant-id",
        &participant,
        "--reason",
        "enough",
    ]);
    assert_eq!(publisher.code(), Some(3), "{:?}", publisher.seen());
    publisher
        .seen()
        .iter()
        .find(|line| line.contains("the server ended the connection"))
        .expect("it says why");
    tail.line("gone");
    follow.line("LEFT");
    eventually("it is seen to be disconnected", || {
        let shown = server.json(&[
            "participants",
            "get",
            "--stage-arn",
            &stage,
            "--session-id",
            &session,
            "--participant-id",
            &participant,
        ]);
        (shown["participant"]["state"] == "DISCONNECTED").then_some(())
    });
}
