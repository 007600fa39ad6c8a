//! Files that settings name: read whole, without waiting for anybody.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc::O_NONBLOCK;

/// The first bytes of a file, as many as `bytes_max`.
///
/// # Errors
/// Those of the operating system; and what is no regular file is not read: a pipe would wait for a writer, and give its bytes once.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // Otherwise opening a pipe waits, too.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        let rule = "it is not a regular file, but a directory, a pipe or a device";
        return Err(io::Error::new(ErrorKind::InvalidInput, rule));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_pipe_and_a_directory_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        for path in [&*pipe, dir.path(), Path::new("/dev/zero")] {
            let error = read(path, 10).unwrap_err().to_string();
            assert!(error.contains("not a regular file"), "{error}");
        }
        let file = dir.path().join("file");
        std::fs::write(&file, "0123456789abc").unwrap();
        assert_eq!(read(&file, 10).unwrap(), b"0123456789");
        assert_eq!(
            read(&dir.path().join("none"), 10).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
}
