//! botocore in a process of its own.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Outcome;
use crate::cases::{Case, Mode};
use crate::service::Service;

pub(crate) struct Botocore {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    pub(crate) version: String,
    _process: Child,
}

impl Botocore {
    pub(crate) async fn start(endpoint: &str) -> Self {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let script = here.join("tests/differential/botocore_side.py");
        let python = std::env::var_os("RESTAGE_PYTHON")
            .map_or_else(|| here.join("../../.venv/bin/python"), PathBuf::from);
        let mut process = Command::new(&python)
            .arg(script)
            .arg(endpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{} does not start ({error}); set RESTAGE_PYTHON to a Python with boto3",
                    python.display()
                )
            });
        let input = process.stdin.take().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let version = next_line(&mut output).await;
        Self {
            input,
            output,
            version,
            _process: process,
        }
    }

    pub(crate) async fn run(&mut self, label: &str, case: &Case, service: &Service) -> Outcome {
        let mode = match case.mode {
            Mode::Full | Mode::Json => "full",
            Mode::Pages => "pages",
            Mode::Search(_) => "search",
        };
        let expression = match case.mode {
            Mode::Search(expression) => Some(expression),
            _ => None,
        };
        let order = json!({
            "label": label,
            "operation": case.service.operation,
            "parameters": case.parameters(),
            "config": case.config,
            "mode": mode,
            "expression": expression,
        });
        self.input
            .write_all(format!("{order}\n").as_bytes())
            .await
            .unwrap();
        self.input.flush().await.unwrap();
        let line = next_line(&mut self.output).await;
        let mut result: Value = serde_json::from_str(&line).unwrap();
        Outcome {
            items: result["items"].take(),
            pages: result["pages"].as_u64().unwrap(),
            next_token: result["next_token"].as_str().map(str::to_owned),
            error: result["error"].as_str().map(str::to_owned),
            requests: service.take_requests(label),
        }
    }
}

async fn next_line(output: &mut Lines<BufReader<ChildStdout>>) -> String {
    output
        .next_line()
        .await
        .unwrap()
        .expect("botocore's process has ended")
}
