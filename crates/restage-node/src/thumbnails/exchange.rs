//! What goes through the pipes of one child.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use restage_picture::protocol::{ANSWER_BYTES_MAX, Answer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;

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

/// How a process ended.
pub(crate) fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("signal {signal} ended it"),
        (None, None) => "it ended".to_owned(),
    }
}
