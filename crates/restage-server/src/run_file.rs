//! `server.json` in the data directory, by which the other commands find the running server.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The contents of the file. The console URL contains the console's key, so only the owner may read the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunFile {
    /// The URL for clients.
    pub url: String,
    /// Where the server is reached on this machine itself, if that is another URL: the public one may lead to a proxy, or nowhere from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// The console's URL, including its key.
    pub console: String,
    /// The id of the server's process.
    pub pid: u32,
    /// The addresses that it offers for media.
    #[serde(default)]
    pub media: Vec<IpAddr>,
}

impl RunFile {
    /// Path of the file in a data directory.
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("server.json")
    }

    /// Reads the file of the server that uses this data directory; `None` when none runs.
    pub fn read(data_dir: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(Self::path(data_dir)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes the file. It exists as long as the guard.
    pub fn write(&self, data_dir: &Path) -> std::io::Result<RunFileGuard> {
        let path = Self::path(data_dir);
        let text = serde_json::to_string_pretty(self)?;
        crate::data_dir::write_secret(&path, text.as_bytes()).map_err(std::io::Error::other)?;
        Ok(RunFileGuard(path))
    }
}

/// Removes the file when the server stops.
pub struct RunFileGuard(PathBuf);

impl Drop for RunFileGuard {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lives_as_long_as_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let file = RunFile {
            url: "http://a".into(),
            local: Some("http://b".into()),
            console: "http://a/c".into(),
            pid: 1,
            media: vec![IpAddr::from([10, 0, 0, 2])],
        };
        assert_eq!(RunFile::read(dir.path()), None);
        let guard = file.write(dir.path()).unwrap();
        assert_eq!(RunFile::read(dir.path()), Some(file));
        drop(guard);
        assert_eq!(RunFile::read(dir.path()), None);
    }
}
