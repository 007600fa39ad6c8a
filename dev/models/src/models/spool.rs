//! Recordings that share the room of the spool.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use crate::check;
use crate::folder::Folder;
use crate::usage::{Level, Room, SpoolBounds};

const MAX: u64 = 10;

/// One recording finds no room, or finds it, while another one gives room back.
pub(super) fn full_is_not_for_ever() {
    check(|| {
        let bounds = SpoolBounds {
            recording_bytes_max: MAX,
            bytes_max: MAX,
            age_max: Duration::ZERO,
        };
        let room = Arc::new(Room::new(bounds, Folder));
        room.add(MAX);
        let other = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                if room.reserve(0, MAX).is_ok() {
                    room.release(MAX);
                }
            })
        };
        room.release(MAX);
        other.join().unwrap();
        assert_eq!(room.bytes(), 0);
        assert_eq!(room.usage(0, None).level, Level::Ok);
    });
}
