//! `--help` of every command, as golden files, and manual pages.

use std::process::Command;

use crate::support::{golden, restage, text};

/// Every command, as typed. A command without a golden file fails `every_command_has_its_help`.
const COMMANDS: &[&str] = &[
    "",
    "serve",
    "env",
    "demo",
    "replicas",
    "replicas list",
    "replicas start",
    "replicas stop",
    "stages",
    "stages list",
    "stages create",
    "stages get",
    "stages update",
    "stages delete",
    "participants",
    "participants list",
    "participants get",
    "participants disconnect",
    "sessions",
    "sessions list",
    "recordings",
    "recordings list",
    "recordings show",
    "recordings download",
    "recordings pause",
    "recordings resume",
    "compositions",
    "compositions start",
    "compositions get",
    "compositions list",
    "compositions stop",
    "events",
    "events tail",
    "events dead-letters",
    "events replay",
    "token",
    "token create",
    "token sign",
    "token inspect",
    "token revoke",
    "keys",
    "keys create",
    "keys list",
    "keys revoke",
    "keys rotate",
    "publish",
    "watch",
    "db",
    "db backup",
    "db restore",
    "db migrate",
    "db check",
    "doctor",
    "completions",
    "man",
    "bench",
];

fn help(command: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let words = command.split_whitespace().chain(["--help"]);
    let output = restage(home.path()).args(words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{command}");
    text(&output.stdout)
}

/// Their flags are the server's settings, which `restage.toml` and the server's own tests check.
const OF_THE_SERVER: [&str; 2] = ["serve", "doctor"];

#[test]
fn every_help_text_is_as_it_was() {
    for &command in COMMANDS {
        if OF_THE_SERVER.contains(&command) {
            continue;
        }
        let name = format!(
            "help/{}",
            if command.is_empty() {
                "restage".to_owned()
            } else {
                command.replace(' ', "-")
            }
        );
        golden(&name, &help(command), &[]);
    }
}

/// The list above is complete: each command's help names only commands that are in it.
#[test]
fn every_command_has_its_help() {
    for &command in COMMANDS {
        let help = help(command);
        let Some((_, rest)) = help.split_once("\nCommands:\n") else {
            continue;
        };
        let names = rest.lines().take_while(|line| line.starts_with("  "));
        for name in names
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
        {
            let full = format!("{command} {name}");
            let is_wrapped_text = !help.contains(&format!("\n  {name} "));
            assert!(
                is_wrapped_text || COMMANDS.contains(&full.trim()),
                "{full} is missing in COMMANDS"
            );
        }
    }
}

/// A client command shows an example of what its one line does not explain.
#[test]
fn commands_with_flags_of_their_own_show_examples() {
    for command in [
        "replicas list",
        "replicas start",
        "replicas stop",
        "stages create",
        "stages list",
        "stages delete",
        "participants list",
        "participants get",
        "participants disconnect",
        "sessions list",
        "recordings list",
        "recordings download",
        "events tail",
        "keys create",
        "keys list",
        "keys revoke",
        "keys rotate",
        "publish",
        "watch",
        "completions",
        "man",
    ] {
        let help = help(command);
        assert!(help.contains("Examples:\n"), "{command}");
        assert!(help.contains(&format!("restage {command}")), "{command}");
    }
    for code in ["0", "1", "2", "3", "4"] {
        assert!(
            help("").contains(&format!("\n  {code}  ")),
            "exit code {code}"
        );
    }
}

/// A line that was wrapped by the width of the page cannot be copied into a shell.
#[test]
fn examples_are_whole_commands() {
    for &command in COMMANDS {
        let help = help(command);
        let Some((_, examples)) = help.split_once("Examples:\n") else {
            continue;
        };
        let mut goes_on = false;
        for line in examples.lines().take_while(|line| !line.is_empty()) {
            let is_begin = ["restage ", "ffmpeg ", "ffplay ", "man ", "source "]
                .iter()
                .any(|word| line.trim_start().starts_with(word));
            assert!(goes_on || is_begin, "{command}: {line}");
            goes_on = line.ends_with(['\\', '|']);
        }
        assert!(!goes_on, "{command}");
    }
}

#[test]
fn manual_pages_are_written_and_render() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("deep/man1");
    let output = restage(home.path()).arg("man").arg(&dir).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
    for &command in COMMANDS {
        let name = format!("restage {command}").trim().replace(' ', "-");
        let page = dir.join(format!("{name}.1"));
        let source =
            std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            source.contains(".SH NAME") && source.contains(".SH SYNOPSIS"),
            "{name}"
        );
        let rendered = Command::new("man")
            .args(["--warnings", "-P", "cat", "-l"])
            .arg(&page)
            .env("MANWIDTH", "100")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap_or_else(|error| panic!("man: {error}; make setup installs it"));
        let (shown, said) = (text(&rendered.stdout), text(&rendered.stderr));
        assert!(
            rendered.status.success() && said.is_empty(),
            "{name}: {said}"
        );
        assert!(
            shown.contains("SYNOPSIS") && shown.contains(&name),
            "{name}: {shown}"
        );
    }
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), COMMANDS.len());
}
