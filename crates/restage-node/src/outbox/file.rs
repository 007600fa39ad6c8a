//! Writes events to a file, one JSON object per line: for log shippers, and for `restage events tail --file`.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use restage_store::system::files;
use restage_store::{Outgoing, Settlement, Store};

use super::{FILE, LOOK_AGAIN, PAGE_EVENTS, backoff, carries_on, wait};

pub(super) struct Sender {
    path: PathBuf,
}

impl Sender {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// A line that cannot be written is tried again without end, because a full disk is not the event's fault.
    pub(super) async fn run(self: Arc<Self>, store: Store) {
        let mut failures = 0;
        // A wrong path or a missing permission is reported at the start, and not with the first event.
        let path = self.path.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || append(&path, &[])).await {
            tracing::error!(path = %self.path.display(), %error, "events cannot be written yet");
        }
        loop {
            let page = match store.outbox(FILE, 0, PAGE_EVENTS).await {
                Ok(page) => page,
                Err(error) if carries_on(&error, FILE) => {
                    failures += 1;
                    tokio::time::sleep(backoff(failures)).await;
                    continue;
                }
                Err(_) => return,
            };
            if page.is_empty() {
                wait(&store, LOOK_AGAIN).await;
                continue;
            }
            let delivered = page.iter().map(|event| event.seq).collect();
            let path = self.path.clone();
            let written = tokio::task::spawn_blocking(move || append(&path, &page)).await;
            let outcome = match written {
                Ok(Ok(())) => {
                    let settlement = Settlement {
                        delivered,
                        ..Settlement::default()
                    };
                    store.settle(FILE, settlement).await.err()
                }
                Ok(Err(error)) => {
                    tracing::error!(path = %self.path.display(), %error, "events cannot be written yet");
                    failures += 1;
                    tokio::time::sleep(backoff(failures)).await;
                    continue;
                }
                Err(_) => return,
            };
            match outcome {
                None => failures = 0,
                Some(error) if carries_on(&error, FILE) => {
                    failures += 1;
                    tokio::time::sleep(backoff(failures)).await;
                }
                Some(_) => return,
            }
        }
    }
}

/// Appends the events and waits for the disk. If an earlier crash left a line incomplete, it is ended first;
/// its event is written again as a whole line.
fn append(path: &Path, events: &[Outgoing]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let is_new = !path.exists();
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    if is_new {
        files::sync_folder_of(path)?;
    }
    let mut text = String::new();
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    for event in events {
        text.push_str(&event.body);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use restage_core::id::{StageId, Time};

    use super::*;

    fn event(body: &str) -> Outgoing {
        Outgoing {
            seq: 1,
            id: "id".to_owned(),
            stage: StageId::new("s"),
            at: Time(1),
            body: body.to_owned(),
            attempts: 0,
        }
    }

    #[test]
    fn an_unfinished_line_is_ended_before_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        append(&path, &[event("{\"a\":1}"), event("{\"a\":2}")]).unwrap();
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"a\":")
            .unwrap();
        append(&path, &[event("{\"a\":3}")]).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"a\":1}\n{\"a\":2}\n{\"a\":\n{\"a\":3}\n"
        );
    }
}
