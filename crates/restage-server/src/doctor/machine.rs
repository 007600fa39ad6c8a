//! Checks of the data directory, of the permissions of secrets, and of the clock.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Finding, Verdict, finding};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::secret_permissions::exposed;

/// A file that is further in the future than this means that the clock was set back.
const CLOCK_SLACK: Duration = Duration::from_secs(60);
/// SigV4 requests with more clock skew than this are refused; used only in the sentence.
const SIGNATURE_SKEW_MINUTES: u32 = 5;

pub(super) fn data_dir(path: &Path) -> Finding {
    let shown = path.display();
    let writable = || -> Result<(), String> {
        DataDir::open(path).map_err(|error| error.to_string())?;
        let probe = path.join(".doctor");
        std::fs::write(&probe, b"restage").map_err(|error| error.to_string())?;
        std::fs::remove_file(&probe).map_err(|error| error.to_string())
    };
    match writable() {
        Ok(()) => finding(
            "data-dir",
            Verdict::Ok,
            format!("The data directory {shown} is writable."),
        ),
        Err(error) => finding(
            "data-dir",
            Verdict::Fail,
            format!(
                "The data directory {shown} is not writable ({error}); change its owner or give another --data-dir."
            ),
        ),
    }
}

pub(super) fn secrets(config: &Config) -> Vec<Finding> {
    let open = exposed(config);
    if open.is_empty() {
        let sentence = "Files with secrets are closed to other users of this machine.";
        return vec![finding("secrets", Verdict::Ok, sentence)];
    }
    open.iter()
        .map(|open| finding("secrets", Verdict::Warn, format!("{open}.")))
        .collect()
}

/// Checks the clock without a time server, by what can be seen here: files with times in the future, and whether the
/// system reports that its clock is synchronised.
#[allow(clippy::disallowed_methods)]
pub(super) fn clock(data: &Path) -> Finding {
    let now = SystemTime::now();
    let newest = std::fs::read_dir(data)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok())
        .max();
    if let Some(newest) = newest
        && let Ok(ahead) = newest.duration_since(now)
        && ahead > CLOCK_SLACK
    {
        return finding(
            "clock",
            Verdict::Fail,
            format!(
                "The clock is {} s behind the newest file of the data directory; set it, or API \
                 requests will be refused as expired.",
                ahead.as_secs()
            ),
        );
    }
    let kept = [
        "/run/systemd/timesync/synchronized",
        "/run/chrony/chronyd.pid",
        "/run/ntpd.pid",
    ];
    if kept.iter().any(|path| Path::new(path).exists()) {
        return finding("clock", Verdict::Ok, "The clock is kept by a time service.");
    }
    finding(
        "clock",
        Verdict::Warn,
        format!(
            "No time service was found on this machine; API requests from clients whose clock differs \
             by more than {SIGNATURE_SKEW_MINUTES} minutes are refused. Install chrony or \
             systemd-timesyncd unless the host keeps the time."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_that_is_a_file_fails() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let found = data_dir(file.path());
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.sentence.contains("--data-dir"));
    }
}
