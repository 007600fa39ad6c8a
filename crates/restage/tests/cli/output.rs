//! The output of commands, as golden files with ids and times replaced by names, in every layout.

use crate::support::{Server, golden, text, without_times};

/// A server with two stages, and names for what differs from run to run.
struct Scene {
    server: Server,
    lobby: String,
    studio: String,
}

impl Scene {
    fn new() -> Self {
        let server = Server::start();
        let lobby = server.stage("lobby");
        let made = server.json(&[
            "stages", "create", "--name", "studio", "--tag", "team=web", "--tag", "a=b",
        ]);
        let studio = made["stage"]["arn"].as_str().unwrap().to_owned();
        Self {
            server,
            lobby,
            studio,
        }
    }

    fn golden(&self, name: &str, shown: &str) {
        let id = |arn: &str| arn.rsplit('/').next().unwrap().to_owned();
        let websocket = self.server.url.replace("http", "ws");
        let names = [
            (self.lobby.as_str(), "<lobby>"),
            (self.studio.as_str(), "<studio>"),
            (&id(&self.lobby), "<lobby id>"),
            (&id(&self.studio), "<studio id>"),
            (self.server.url.as_str(), "<url>"),
            (&websocket, "<websocket url>"),
        ];
        golden(name, &without_times(shown), &names);
    }
}

#[test]
fn a_list_in_every_layout() {
    let scene = Scene::new();
    for layout in ["table", "json", "text"] {
        let shown = scene.server.ok(&["stages", "list", "--output", layout]);
        scene.golden(&format!("stages-list-{layout}"), &shown);
    }
    // Standard output is no terminal, so JSON is the default.
    assert_eq!(
        scene.server.ok(&["stages", "list"]),
        scene.server.ok(&["stages", "list", "--output", "json"])
    );
}

#[test]
fn a_record_in_every_layout() {
    let scene = Scene::new();
    for layout in ["table", "json", "text"] {
        let shown = scene
            .server
            .ok(&["stages", "get", "--arn", &scene.studio, "--output", layout]);
        scene.golden(&format!("stages-get-{layout}"), &shown);
    }
}

#[test]
fn queries_in_every_layout() {
    let scene = Scene::new();
    let queries = [
        ("names", "stages[].name"),
        ("pairs", "stages[].[name, tags]"),
        ("objects", "stages[].{name: name, tags: length(tags)}"),
        ("scalar", "length(stages)"),
        ("nothing", "stages[?name==`none`] | [0].arn"),
    ];
    let mut shown = String::new();
    for (name, query) in queries {
        for layout in ["table", "json", "text"] {
            let found = scene
                .server
                .ok(&["stages", "list", "--output", layout, "--query", query]);
            shown.push_str(&format!("# {name} {layout}: {query}\n{found}\n"));
        }
    }
    scene.golden("queries", &shown);
}

#[test]
fn an_empty_list_says_so_beside_the_output() {
    let server = Server::start();
    let output = server.run(&["stages", "list", "--output", "table"]);
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        (String::new(), "no stages\n".to_owned())
    );
    assert_eq!(
        server.json(&["stages", "list"]),
        serde_json::json!({"stages": []})
    );
}

#[test]
fn what_changes_something_says_so_beside_the_output() {
    let scene = Scene::new();
    let renamed =
        scene
            .server
            .json(&["stages", "update", "--arn", &scene.lobby, "--name", "foyer"]);
    assert_eq!(renamed["stage"]["name"], "foyer");
    let output = scene
        .server
        .run(&["stages", "delete", "--arn", &scene.lobby, &scene.studio]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    let said = text(&output.stderr);
    assert_eq!(
        said,
        format!("deleted {}\ndeleted {}\n", scene.lobby, scene.studio)
    );
    assert_eq!(
        scene.server.json(&["stages", "list"]),
        serde_json::json!({"stages": []})
    );
}

/// Colour is for terminals; `CLICOLOR_FORCE` stands in for one, and `NO_COLOR` wins.
#[test]
fn colour_can_be_had_and_be_turned_off() {
    let scene = Scene::new();
    let shown = |variables: &[(&str, &str)]| {
        let mut command = scene
            .server
            .command(&["stages", "list", "--output", "table"]);
        command.envs(variables.iter().copied());
        text(&command.output().unwrap().stdout)
    };
    assert!(!shown(&[]).contains('\u{1b}'));
    assert!(shown(&[("CLICOLOR_FORCE", "1")]).contains('\u{1b}'));
    assert!(!shown(&[("NO_COLOR", "1")]).contains('\u{1b}'));
}

/// On a real pseudo terminal: a table, in colour, unless a flag says otherwise.
#[test]
fn a_terminal_gets_a_table_in_colour() {
    let scene = Scene::new();
    let on_terminal = |variables: &[(&str, &str)]| {
        // script(1) of util-linux runs a command on a pseudo terminal.
        let mut command = std::process::Command::new("script");
        let line = format!("{} stages list", crate::support::RESTAGE);
        command
            .args(["-q", "-e", "-c", &line, "/dev/null"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", scene.server.home.path())
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .envs(variables.iter().copied())
            .current_dir(scene.server.home.path());
        let output = command.output().expect("script(1) is there");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        text(&output.stdout)
    };
    let shown = on_terminal(&[]);
    assert!(
        shown.contains("ACTIVE SESSION") && shown.contains("\u{1b}[1m"),
        "{shown:?}"
    );
    let plain = on_terminal(&[("NO_COLOR", "1")]);
    assert!(
        plain.contains("ACTIVE SESSION") && !plain.contains('\u{1b}'),
        "{plain:?}"
    );
}

#[test]
fn env_prints_what_points_a_client_at_the_server() {
    let server = Server::start();
    let shown = server.ok(&["env"]);
    let variables: Vec<(String, String)> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // In another directory, with nothing but these variables.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = crate::support::restage(elsewhere.path());
    command
        .args(["stages", "create", "--name", "by-env"])
        .envs(variables);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(server.ok(&["stages", "list"]).contains("by-env"));
}

/// `~/.aws` as `aws configure` writes it.
#[test]
fn a_profile_brings_keys_region_and_endpoint() {
    let server = Server::start();
    let keys = std::fs::read_to_string(server.path("data/credentials")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let aws = home.path().join(".aws");
    std::fs::create_dir(&aws).unwrap();
    std::fs::write(aws.join("credentials"), keys.replace("[default]", "[lab]")).unwrap();
    let config = format!(
        "[profile lab]\nregion = ap-south-1\nservices = lab\n[services lab]\nivs_realtime =\n  endpoint_url = {}\n",
        server.url
    );
    std::fs::write(aws.join("config"), config).unwrap();
    let made = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = crate::support::restage(home.path());
        command
            .args(["stages", "create", "--query", "stage.arn"])
            .args(arguments);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(made(&["--profile", "lab"], &[]).contains(":ap-south-1:"));
    assert!(made(&[], &[("AWS_PROFILE", "lab")]).contains(":ap-south-1:"));
    assert!(made(&["--profile", "lab"], &[("AWS_REGION", "sa-east-1")]).contains(":sa-east-1:"));
    assert!(made(&["--profile", "lab", "--region", "eu-north-1"], &[]).contains(":eu-north-1:"));
}
