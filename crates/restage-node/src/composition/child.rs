//! The process that composes: started, given what there is, listened to, and ended.
//!
//! One socket is its standard input and output. What it is given waits in a queue that is bounded in bytes; what finds no room is left out, and
//! the participant's next key frame counts. So a child that hangs costs nobody anything but its composition.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use restage_compose::child::{CHECK, CHILD_ENVIRONMENT, COMMAND, WITHOUT_SANDBOX};
use restage_compose::protocol::{FRAME_BYTES_MAX, FromChild, LENGTH_BYTES, ToChild};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{self, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::budget::Budget;
use crate::thumbnails::Sandbox;

/// Messages that wait for the child.
const MESSAGES_MAX: usize = 4_096;
/// Their bytes: two seconds of 24 participants at a megabit each.
const MESSAGES_BYTES_MAX: usize = 8 << 20;
/// Messages of the child that wait for the composition, which always reads them.
const NEWS_MAX: usize = 64;
/// Time for a child that was told to stop.
const STOP_MAX: Duration = Duration::from_secs(3);
/// Time for a child that ends by itself to have ended.
const ENDED_MAX: Duration = Duration::from_millis(100);

/// Starts a child that tries out its sandbox, and composes one picture with sound.
///
/// # Errors
///
/// What is missing.
pub(super) async fn check(program: &Path) -> Result<(), String> {
    let mut command = Command::new(program);
    command
        .args([COMMAND, CHECK])
        .env_clear()
        .env(CHILD_ENVIRONMENT.0, CHILD_ENVIRONMENT.1)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    crate::thumbnails::check(command).await
}

/// A child. Dropped, it is killed.
pub(super) struct Child {
    process: process::Child,
    messages: mpsc::Sender<Vec<u8>>,
    waiting_bytes: Arc<Budget>,
    news: mpsc::Receiver<FromChild>,
}

impl Child {
    /// Starts the server's own program as a child without the server's environment, in which secrets may be.
    pub(super) fn start(program: &Path, sandbox: Sandbox) -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let input = OwnedFd::from(theirs.try_clone()?);
        let mut command = Command::new(program);
        command.arg(COMMAND);
        if sandbox == Sandbox::Optional {
            command.arg(WITHOUT_SANDBOX);
        }
        let process = command
            .env_clear()
            .env(CHILD_ENVIRONMENT.0, CHILD_ENVIRONMENT.1)
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null())
            .kill_on_drop(true)
            // A group of its own: if the server is killed while the child is stopped, the kernel ends such a group (SIGHUP).
            .process_group(0)
            .spawn()?;
        let (from, to) = UnixStream::from_std(ours)?.into_split();
        let (messages, queue) = mpsc::channel(MESSAGES_MAX);
        let (said, news) = mpsc::channel(NEWS_MAX);
        let waiting_bytes = Arc::<Budget>::default();
        tokio::spawn(write(to, queue, Arc::clone(&waiting_bytes)));
        tokio::spawn(read(from, said));
        Ok(Self {
            process,
            messages,
            waiting_bytes,
            news,
        })
    }

    /// Gives it a message. It never waits. `false`: there is no room.
    pub(super) fn tell(&self, message: &ToChild) -> bool {
        let Some(bytes) = message.encode() else {
            return false;
        };
        let length = bytes.len();
        if !self.waiting_bytes.take(length, MESSAGES_BYTES_MAX) {
            return false;
        }
        let is_taken = self.messages.try_send(bytes).is_ok();
        if !is_taken {
            self.waiting_bytes.give_back(length);
        }
        is_taken
    }

    /// What it says next; `None`: it has ended, or says something that nobody understands. Cancel-safe.
    pub(super) async fn said(&mut self) -> Option<FromChild> {
        self.news.recv().await
    }

    /// Tells it to stop, and gives `take` what it says until it has ended.
    pub(super) async fn stop(mut self, mut take: impl FnMut(FromChild)) {
        let _ = timeout(STOP_MAX, async {
            self.tell(&ToChild::Stop);
            while let Some(said) = self.news.recv().await {
                take(said);
            }
            self.process.wait().await.ok();
        })
        .await;
    }

    /// Kills it, and says how it has ended if it was gone before.
    pub(super) async fn kill(mut self) -> Option<String> {
        // Its socket closes a little before it can be waited for.
        let status = timeout(ENDED_MAX, self.process.wait()).await;
        let ended = status.ok().and_then(Result::ok);
        let ended = ended.map(crate::thumbnails::ended);
        self.process.kill().await.ok();
        ended
    }
}

async fn write(mut to: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>, waiting: Arc<Budget>) {
    while let Some(bytes) = queue.recv().await {
        if to.write_all(&bytes).await.is_err() {
            return;
        }
        waiting.give_back(bytes.len());
    }
}

async fn read(mut from: OwnedReadHalf, said: mpsc::Sender<FromChild>) {
    loop {
        let mut length = [0; LENGTH_BYTES];
        if from.read_exact(&mut length).await.is_err() {
            return;
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > FRAME_BYTES_MAX {
            return;
        }
        let mut frame = vec![0; length];
        if from.read_exact(&mut frame).await.is_err() {
            return;
        }
        let Some(message) = FromChild::parse(Bytes::from(frame)) else {
            return;
        };
        if said.send(message).await.is_err() {
            return;
        }
    }
}
