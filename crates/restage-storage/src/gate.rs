//! What a test may break: every durable step of this crate passes the gate. In a program it does nothing and takes no room.

#[cfg(not(test))]
pub(crate) use self::open::Gate;
#[cfg(test)]
pub(crate) use crate::tests::crash::Gate;

#[cfg(not(test))]
mod open {
    use std::io;
    use std::path::Path;

    /// A gate that is always open.
    #[derive(Clone, Default, Debug)]
    pub(crate) struct Gate(());

    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    impl Gate {
        /// A step that changes a disk is about to be made.
        pub(crate) fn step(&self) -> io::Result<()> {
            Ok(())
        }

        /// Whether the process still runs.
        pub(crate) fn alive(&self) -> io::Result<()> {
            Ok(())
        }

        /// Whether the disk is asked to sync. A simulated power cut does not depend on it.
        pub(crate) fn syncs(&self) -> bool {
            true
        }

        /// A name was made in a directory that is not synced yet.
        pub(crate) fn named(&self, _path: &Path) {}

        /// A name is about to be given to another file or directory.
        pub(crate) fn renaming(&self, _from: &Path, _to: &Path) {}

        /// A name was removed.
        pub(crate) fn gone(&self, _path: &Path) {}

        /// What follows the first `_durable` bytes of a file is not synced.
        pub(crate) fn changed(&self, _path: &Path, _durable: u64) {}

        /// The content of a file is durable.
        pub(crate) fn synced(&self, _path: &Path) {}

        /// The names in a directory are durable.
        pub(crate) fn synced_folder(&self, _path: &Path) {}
    }
}
