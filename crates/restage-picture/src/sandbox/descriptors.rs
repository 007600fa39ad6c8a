//! Descriptors that the parent left open.

use std::fs;
use std::io;

/// The highest that stays: standard error.
const LAST_KEPT: i32 = 2;

/// Closes every descriptor but standard input, output and error.
pub(super) fn close() -> io::Result<()> {
    for descriptor in open()? {
        // The one that read the directory is closed already.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

/// Those above standard error.
pub(super) fn open() -> io::Result<Vec<i32>> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let number: Option<i32> = name.to_str().and_then(|name| name.parse().ok());
        open.extend(number.filter(|number| *number > LAST_KEPT));
    }
    Ok(open)
}
