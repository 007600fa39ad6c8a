//! Exit codes and error messages.

use std::io::Read as _;
use std::process::Stdio;

use crate::support::{Program, Server, restage, text};

/// Runs a command against a server: (exit code, standard error). Standard output must be empty.
fn refused(server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let output = server.run(arguments);
    assert!(
        output.stdout.is_empty(),
        "{arguments:?} printed {}",
        text(&output.stdout)
    );
    (output.status.code(), text(&output.stderr))
}

const STAGE: &str = "arn:aws:ivs:us-east-1:000000000000:stage/AAAAbbbb1234";

#[test]
fn usage_is_two() {
    let home = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 14] = [
        (&["bogus"], "unrecognized subcommand"),
        (&["replicas", "list"], "--source-stage"),
        (
            &["stages", "list", "--output", "yaml"],
            "possible values: table, json, text",
        ),
        (&["stages", "list", "--query", "stages["], "--query"),
        (&["stages", "create", "--tag", "x"], "KEY=VALUE"),
        (&["publish"], "--token"),
        (&["publish", "--token", "a.b.c", "."], "it is a directory"),
        (&["publish", "--token", "a.b.c", "none.ivf"], "No such file"),
        (
            &["publish", "--token", "x", "--stage-arn", STAGE],
            "cannot be used with",
        ),
        (
            &["publish", "--token", "no-token"],
            "this is not a participant token",
        ),
        (&["watch", "--token", "a.b.c", "--overwrite"], "--save"),
        (
            &["stages", "list", "--profile", "none"],
            "there is no AWS profile",
        ),
        (&["stages", "list"], "there are no credentials"),
        (
            &["stages", "list", "--endpoint-url", "localhost:4080"],
            "there are no credentials",
        ),
    ];
    for (arguments, words) in cases {
        let output = restage(home.path()).args(arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let output = restage(home.path())
        .args(["stages", "list", "--endpoint-url", "localhost:4080"])
        .envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("write it as http://HOST:PORT"),
        "{output:?}"
    );
}

/// What the SDK cannot put into a host name is one clear line.
#[test]
fn a_region_is_checked_before_anything_is_asked() {
    let server = Server::start();
    for region in ["EU WEST", "", "-", "a_b", &"x".repeat(64)] {
        let (exit, said) = refused(&server, &["stages", "list", "--region", region]);
        assert_eq!(exit, Some(2), "{region:?}: {said}");
        assert!(
            said.contains("is not a region") && said.contains("try: --region"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 2, "{said}");
    }
}

/// A token in the environment does not forbid naming a stage.
#[test]
fn a_flag_goes_before_the_token_of_the_environment() {
    let server = Server::start();
    let stage = server.stage("named");
    let token = server.ok(&["token", "create", "--stage-arn", &stage]);
    let tail = ["events", "tail", "--no-follow", "--output", "json"];
    let cases: [(&[&str], &str); 2] = [(&["--stage-arn", &stage], "no-token"), (&[], token.trim())];
    for (more, of_the_environment) in cases {
        let output = server
            .command(&tail)
            .args(more)
            .env("RESTAGE_TOKEN", of_the_environment)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).contains("STAGE_STATE"), "{output:?}");
    }
}

#[test]
fn a_refusal_is_three_and_says_what_to_do() {
    let server = Server::start();
    let far = STAGE.replace("us-east-1", "eu-west-1");
    let cases: [(&[&str], &str, &str); 9] = [
        (
            &["stages", "get", "--arn", "x"],
            "there is no stage \"x\"",
            "try: restage stages list",
        ),
        (
            &["stages", "get", "--arn", STAGE],
            "ResourceNotFoundException",
            "try: restage stages list",
        ),
        (
            &["stages", "get", "--arn", &far],
            "eu-west-1",
            "try: --region eu-west-1",
        ),
        (
            &["stages", "get", "--arn", "arn:x"],
            "ValidationException",
            "try: restage stages list",
        ),
        (
            &["stages", "list", "--starting-token", "x"],
            "nextToken",
            "try: the NextToken of an earlier list",
        ),
        (
            &["stages", "list", "--page-size", "1000"],
            "ValidationException",
            "maxResults",
        ),
        (
            &["stages", "delete", "--arn", STAGE],
            "was not deleted",
            "try: ",
        ),
        (
            &["publish", "--stage-arn", STAGE],
            "ResourceNotFoundException",
            "try: ",
        ),
        (
            &[
                "replicas",
                "list",
                "--source-stage-arn",
                STAGE,
                "--participant-id",
                "AAAAbbbb1234",
            ],
            "ValidationException",
            "try: restage stages list",
        ),
    ];
    for (arguments, code, advice) in cases {
        let (exit, said) = refused(&server, arguments);
        assert_eq!(exit, Some(3), "{arguments:?}: {said}");
        assert!(said.starts_with("restage: "), "{said}");
        assert!(
            said.contains(code) && said.contains(advice),
            "{arguments:?}: {said}"
        );
    }
    // Keys of another server: the message says where they came from.
    let output = server
        .command(&[
            "stages",
            "list",
            "--endpoint-url",
            &server.url.replace("127.0.0.1", "localhost"),
        ])
        .envs([
            ("AWS_ACCESS_KEY_ID", "AKIAWRONG"),
            ("AWS_SECRET_ACCESS_KEY", "wrong"),
        ])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("UnrecognizedClientException") && said.contains("the environment"),
        "{said}"
    );
    // A stage without participants has no session to list.
    let stage = server.stage("empty");
    let (exit, said) = refused(&server, &["participants", "list", "--stage-arn", &stage]);
    assert_eq!(exit, Some(3), "{said}");
    assert!(
        said.contains("nobody is on the stage") && said.contains("restage sessions list"),
        "{said}"
    );
}

#[test]
fn no_answer_is_four() {
    let mut server = Server::start();
    let stage = server.stage("soon-gone");
    let token = server.ok(&["token", "create", "--stage-arn", &stage]);
    server.stop();
    // A port without a server, and a server that is stopped.
    let cases: [&[&str]; 5] = [
        &["stages", "list", "--endpoint-url", &server.url],
        &[
            "stages",
            "get",
            "--arn",
            &stage,
            "--endpoint-url",
            &server.url,
        ],
        &["publish", "--token", token.trim()],
        &["watch", "--token", token.trim(), "Xy7zAb3dEf6h"],
        &["events", "tail", "--token", token.trim()],
    ];
    for arguments in cases {
        let (exit, said) = refused(&server, arguments);
        assert_eq!(exit, Some(4), "{arguments:?}: {said}");
    }
    let (_, said) = refused(&server, cases[0]);
    assert!(
        said.contains(&server.url) && said.contains("restage serve"),
        "{said}"
    );
}

#[test]
fn what_fails_here_is_one() {
    let server = Server::start();
    std::fs::write(server.path("file"), "x").unwrap();
    let output = server.run(&["man", "file/dir"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // The inspection of a token that cannot be valid fails.
    let output = server.run(&["token", "inspect", "a.b.c"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // A full disk is reported, unlike a reader that has exited.
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let output = server
            .command(&["stages", "list"])
            .stdout(full)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot write to standard output"), "{said}");
    }
}

/// The output of every command may be piped into `head`.
#[test]
fn a_closed_pipe_is_silent_success() {
    let server = Server::start();
    let stage = server.stage("piped");
    let commands: [&[&str]; 5] = [
        &["stages", "list"],
        &["stages", "list", "--output", "text"],
        &["env"],
        &["completions", "bash"],
        &["token", "create", "--stage-arn", &stage],
    ];
    for arguments in commands {
        let mut child = server
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The reader has exited before anything is written.
        drop(child.stdout.take());
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(
            child.wait().unwrap().code(),
            Some(0),
            "{arguments:?}: {said}"
        );
        assert!(said.is_empty(), "{arguments:?}: {said}");
    }
}

#[test]
fn ctrl_c_is_the_end_of_what_runs_until_then() {
    let server = Server::start();
    let stage = server.stage("followed");
    let tail = server.command(&["events", "tail", "--stage-arn", &stage, "--output", "json"]);
    let mut tail = Program::start(tail).unwrap();
    tail.line("STAGE_STATE");
    tail.signal("INT");
    assert_eq!(tail.code(), Some(0), "{:?}", tail.seen());
}
