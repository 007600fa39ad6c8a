//! Commands about the data directory: keys and rows.

use serde_json::Value;

use crate::support::{Server, text};

#[test]
fn the_key_in_use_is_listed_with_those_that_were_made() {
    let server = Server::start();
    let env = server.json(&["env", "--output", "json"]);
    let rows = |server: &Server| {
        let listed = server.json(&["keys", "list"]);
        listed["accessKeys"].as_array().unwrap().clone()
    };
    let own = rows(&server);
    assert_eq!(own.len(), 1, "{own:?}");
    assert_eq!(own[0]["accessKeyId"], env["AWS_ACCESS_KEY_ID"]);
    assert_eq!(
        (&own[0]["inUse"], &own[0]["permission"]),
        (&true.into(), &"full".into())
    );
    assert_eq!(own[0]["accountId"], "000000000000");
    assert!(
        own[0]["createdAt"].as_str().unwrap().ends_with('Z'),
        "{own:?}"
    );
    server.ok(&["keys", "create", "--account-id", "111122223333"]);
    let both = rows(&server);
    let in_use: Vec<&Value> = both.iter().map(|row| &row["inUse"]).collect();
    assert_eq!(in_use, [&Value::Bool(true), &Value::Bool(false)]);
    assert_eq!(both[1]["accountId"], "111122223333");
    let table = server.ok(&["keys", "list", "--output", "table"]);
    assert!(table.contains("IN USE"), "{table}");
    assert!(!table.contains(env["AWS_SECRET_ACCESS_KEY"].as_str().unwrap()));
    // The key that is in use must not be revoked.
    let output = server.run(&["keys", "revoke", own[0]["accessKeyId"].as_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

/// The number before the word `rows`.
fn rows(said: &str) -> u64 {
    let mut words = said.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if words.peek() == Some(&"rows") {
            return word.parse().unwrap();
        }
    }
    panic!("no rows in {said:?}")
}

#[test]
fn backup_check_and_restore_count_alike() {
    let mut server = Server::start_with(&["--events-file", "events.jsonl"]);
    for name in ["a", "b", "c"] {
        let stage = server.stage(name);
        server.ok(&["token", "create", &stage]);
    }
    let (mut publisher, id) = server.publish(&["--stage", "a", "--mute"]);
    let stage = server.json(&["stages", "get", "a"]);
    server.sees(stage["stage"]["arn"].as_str().unwrap(), &id);
    publisher.signal("TERM");
    assert_eq!(publisher.code(), Some(0), "{:?}", publisher.seen());
    server.stop();
    let counted = |arguments: &[&str]| {
        let output = server.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        rows(&said)
    };
    let backup = counted(&["db", "backup", "all.jsonl"]);
    assert!(backup > 10, "{backup}");
    assert_eq!(counted(&["db", "check"]), backup);
    assert_eq!(
        counted(&["db", "restore", "all.jsonl", "--data-dir", "other"]),
        backup
    );
    assert_eq!(counted(&["db", "check", "--data-dir", "other"]), backup);
}
