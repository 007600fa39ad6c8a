//! Completions, loaded by real shells and requested as with the Tab key.

use std::process::Command;

use crate::support::{DEADLINE, restage, text};

fn script(shell: &str, dir: &std::path::Path) -> std::path::PathBuf {
    let output = restage(dir).args(["completions", shell]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let path = dir.join(if shell == "zsh" {
        "_restage"
    } else {
        "completion"
    });
    std::fs::write(&path, output.stdout).unwrap();
    path
}

/// Runs a shell script that must print nothing on standard error. Returns the words that it prints.
fn ask(shell: &str, arguments: &[&str], home: &std::path::Path) -> Vec<String> {
    // A prompt would wait forever for an answer.
    let output = Command::new("timeout")
        .args([&DEADLINE.as_secs().to_string(), shell])
        .args(arguments)
        .env("HOME", home)
        .current_dir(home)
        .output()
        .unwrap_or_else(|error| panic!("timeout(1): {error}"));
    assert_ne!(
        output.status.code(),
        Some(127),
        "{shell} is not there; make setup installs it"
    );
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && error.is_empty(),
        "{shell}: {error}\n{out}"
    );
    out.split_whitespace().map(str::to_owned).collect()
}

fn assert_has(shell: &str, found: &[String], wanted: &[&str]) {
    for word in wanted {
        assert!(
            found.iter().any(|found| found == word),
            "{shell} does not offer {word}: {found:?}"
        );
    }
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let home = tempfile::tempdir().unwrap();
    let path = script("bash", home.path());
    let complete = |line: &str| {
        // What bash does when Tab is pressed at the end of a line.
        let program = format!(
            r#"set -u; source "{}"; words=({line}); COMP_WORDS=("${{words[@]}}"); COMP_CWORD=$((${{#words[@]}} - 1))
               COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; COMPREPLY=()
               handler=$(complete -p restage | sed 's/.*-F \([^ ]*\).*/\1/')
               "$handler" restage "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
               printf '%s\n' "${{COMPREPLY[@]}}""#,
            path.display()
        );
        ask(
            "bash",
            &["--norc", "--noprofile", "-c", &program],
            home.path(),
        )
    };
    assert_eq!(complete("restage rep"), ["replicas"]);
    assert_has("bash", &complete("restage replicas s"), &["start", "stop"]);
    assert_eq!(
        complete("restage replicas list --starting"),
        ["--starting-token"]
    );
    assert_eq!(
        complete("restage stages list --output t"),
        ["table", "text"]
    );
    assert_eq!(complete("restage completions f"), ["fish"]);
}

#[test]
fn zsh_loads_the_completions() {
    let home = tempfile::tempdir().unwrap();
    let path = script("zsh", home.path());
    // Zsh completes only at a prompt, so it gets one, on a pseudo terminal of its own.
    let program = format!(
        r#"
        zmodload zsh/zpty
        zpty prompt zsh -f -i
        send() {{ zpty -w prompt "$1" }}
        send 'PROMPT= ; unsetopt zle_bracketed_paste; stty cols 200 -echo'
        send 'fpath=({dir} $fpath); autoload -U compinit; compinit -u -D; LISTMAX=1000; zstyle ":completion:*" list-prompt ""; print READY=$_comps[restage]'
        out=
        while zpty -r prompt line; do out+="$line"; [[ "$line" == *READY=_restage* ]] && break; done
        zpty -w -n prompt $'restage replicas st\t\t'
        while zpty -r -m prompt line '*start*stop*'; do out+="$line"; break; done
        print -r -- "$out"
        zpty -d prompt
        "#,
        dir = path.parent().unwrap().display()
    );
    let found = ask("zsh", &["-f", "-c", &program], home.path()).join(" ");
    assert!(found.contains("READY=_restage"), "{found}");
    for word in ["start", "stop"] {
        assert!(found.contains(word), "zsh does not offer {word}: {found}");
    }
}

#[test]
fn fish_completes_commands_flags_and_values() {
    let home = tempfile::tempdir().unwrap();
    let path = script("fish", home.path());
    let complete = |line: &str| {
        let program = format!("source {}; complete -C '{line}'", path.display());
        ask("fish", &["--no-config", "-c", &program], home.path())
    };
    assert_has("fish", &complete("restage rep"), &["replicas"]);
    assert_has("fish", &complete("restage replicas s"), &["start", "stop"]);
    assert_has(
        "fish",
        &complete("restage replicas list --starting"),
        &["--starting-token"],
    );
    assert_has(
        "fish",
        &complete("restage stages list --output t"),
        &["table", "text"],
    );
}
