//! `restage events tail --file`: the events a server appends to a file.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::join::Stop;
use crate::output::{self, Lines};
use crate::table::printable;

/// Interval at which the end of the file is checked.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Prints the events in a file, and those that are appended later.
pub(crate) async fn tail(
    path: &Path,
    no_follow: bool,
    lines: &Lines,
    stop: &mut Stop,
) -> anyhow::Result<ExitCode> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mut file = BufReader::new(File::open(path).with_context(cannot_read)?);
    let mut line = String::new();
    loop {
        while file.read_line(&mut line).with_context(cannot_read)? > 0 && line.ends_with('\n') {
            print(&line, lines)?;
            line.clear();
        }
        if no_follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = stop.wait() => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        // Log rotation has replaced or emptied the file.
        if is_another(path, &mut file) {
            file = BufReader::new(File::open(path).with_context(cannot_read)?);
            line.clear();
        }
    }
}

fn is_another(path: &Path, open: &mut BufReader<File>) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(there), Ok(here)) = (std::fs::metadata(path), open.get_ref().metadata()) else {
        return false;
    };
    let read = open.stream_position().unwrap_or_default();
    there.ino() != here.ino() || there.dev() != here.dev() || there.len() < read
}

/// Prints an event. A line that is not an event, such as one that a crash left incomplete, is skipped: the event
/// follows again.
fn print(line: &str, lines: &Lines) -> anyhow::Result<()> {
    let Ok(event) = serde_json::from_str::<Value>(line) else {
        return Ok(());
    };
    if lines.is_json() {
        return lines.json(event);
    }
    output::line(&shown(&event))
}

/// One line with time, event name, participant and stage.
fn shown(event: &Value) -> String {
    let text = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let line = format!(
        "{}  {:<29}  {:<12}  {}",
        printable(text("/time")),
        printable(text("/detail/event_name")),
        printable(text("/detail/participant_id")),
        printable(text("/resources/0"))
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_has_time_name_who_and_where() {
        let event = json!({"time": "2026-10-02T09:15:05Z", "resources": ["arn:s"],
                           "detail": {"event_name": "Participant Published", "participant_id": "ann"}});
        assert_eq!(
            shown(&event),
            "2026-10-02T09:15:05Z  Participant Published          ann           arn:s"
        );
        assert_eq!(shown(&json!({})), "");
    }
}
