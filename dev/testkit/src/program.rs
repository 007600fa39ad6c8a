//! A program that runs beside the test.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::{DEADLINE, eventually};

/// How long the last lines of a program that has ended may take to arrive.
const LAST_LINES: Duration = Duration::from_secs(5);

/// A running program whose lines can be waited for. It is killed when this is dropped.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    /// Starts it. Standard output and standard error are read as one.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(mut command: Command) -> std::io::Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (line_tx, lines) = channel();
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        // Both are read to their ends, so that the program never waits because a pipe is full.
        for stream in streams.into_iter().flatten() {
            let line_tx = line_tx.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    line_tx.send(line).ok();
                }
            });
        }
        Ok(Self {
            child,
            lines,
            seen: Vec::new(),
        })
    }

    /// Waits for a line that contains these words.
    ///
    /// # Panics
    /// If [`Self::find_line`] fails.
    pub fn line(&mut self, words: &str) -> String {
        self.find_line(words, DEADLINE)
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Waits for a line that contains these words.
    ///
    /// # Errors
    /// The program ended, or the time was over: a sentence with what the program printed.
    #[allow(clippy::disallowed_methods)]
    pub fn find_line(&mut self, words: &str, time: Duration) -> Result<String, String> {
        let ends_at = Instant::now() + time;
        loop {
            let left = ends_at.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).map_err(|error| {
                let why = match error {
                    RecvTimeoutError::Timeout => format!("within {time:?}"),
                    RecvTimeoutError::Disconnected => "before its end".to_owned(),
                };
                let printed = self.seen.join("\n");
                format!("the program printed no line with {words:?} {why}, but:\n{printed}")
            })?;
            self.seen.push(line.clone());
            if line.contains(words) {
                return Ok(line);
            }
        }
    }

    /// The lines up to the last one that was waited for; after [`Self::end`] all lines.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `INT`, `TERM`, `KILL`.
    ///
    /// # Panics
    /// If there is no such signal, or the process has ended and was waited for.
    pub fn signal(&self, name: &str) {
        let signal: Signal = format!("SIG{name}").parse().expect("the name of a signal");
        let pid = i32::try_from(self.child.id()).expect("Linux numbers processes so");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    /// Waits for its end and its last lines.
    ///
    /// # Panics
    /// If it does not end.
    pub fn end(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let status = eventually("the end of the program", || {
            child.try_wait().expect("it is a child of this process")
        });
        while let Ok(line) = self.lines.recv_timeout(LAST_LINES) {
            self.seen.push(line);
        }
        status
    }

    /// Waits for its end, and returns the exit code; `None` if a signal ended it.
    ///
    /// # Panics
    /// If it does not end.
    pub fn code(&mut self) -> Option<i32> {
        self.end().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
