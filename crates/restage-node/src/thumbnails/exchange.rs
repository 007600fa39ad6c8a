//! What goes through the pipes of one child.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use restage_picture::protocol::{ANSWER_BYTES_MAX, Answer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Time for a child that checks its sandbox.
const CHECK_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of what such a child prints.
const CHECK_BYTES_MAX: usize = 16 << 10;

/// Gives the child its request and reads its answer; waits until it has ended. The error says in a few words what it did instead.
pub(super) async fn exchange(
    child: &mut Child,
    head: &[u8],
    key_frame: &[u8],
) -> Result<Answer, String> {
    let mut stdin = child.stdin.take();
    let request = async move {
        // A child that does not read has said why, or has crashed: both are seen below.
        if let Some(stdin) = &mut stdin {
            let _ = stdin.write_all(head).await;
            let _ = stdin.write_all(key_frame).await;
        }
    };
    let (output, ()) = tokio::join!(output(child, ANSWER_BYTES_MAX), request);
    let (status, bytes) = output.map_err(|error| error.to_string())?;
    match (status.success(), Answer::parse(&bytes)) {
        (true, Some(answer)) => Ok(answer),
        (true, None) => Err("it wrote something else than an answer".to_owned()),
        (false, _) => Err(ended(status)),
    }
}

/// Everything that the child writes, and how it ended.
///
/// # Errors
///
/// It writes more than `most` bytes; or the pipe, or waiting, fails.
pub(super) async fn output(child: &mut Child, most: usize) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let more = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        stdout.take(more).read_to_end(&mut bytes).await?;
    }
    if bytes.len() > most {
        return Err(io::Error::other("it wrote more than an answer"));
    }
    Ok((child.wait().await?, bytes))
}

/// Starts a child that tries out what it needs and prints a line for each trial.
///
/// # Errors
///
/// What does not hold, or why it cannot be tried.
pub(crate) async fn check(mut command: Command) -> Result<(), String> {
    let mut child = command
        .spawn()
        .map_err(|error| format!("the process that checks it could not be started: {error}"))?;
    let (status, lines) = timeout(CHECK_TIME_MAX, output(&mut child, CHECK_BYTES_MAX))
        .await
        .map_err(|_| "the process that checks it does not end".to_owned())?
        .map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    let lines = String::from_utf8_lossy(&lines);
    let failed = lines.lines().find_map(|line| line.strip_prefix("FAIL "));
    Err(failed.map_or_else(|| ended(status), str::to_owned))
}

/// How a process ended.
pub(crate) fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("signal {signal} ended it"),
        (None, None) => "it ended".to_owned(),
    }
}
