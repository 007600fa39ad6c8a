"""Control groups of Linux, which limit the processor time or the memory of a server."""

import os
import pathlib

import pytest

PERIOD_US = 100_000
MOUNT = pathlib.Path("/sys/fs/cgroup")


class Cgroup:
    """Named after the test's process; remove it after the server has ended."""

    CONTROLLER = "cpu"

    def __init__(self):
        self.is_second = (MOUNT / "cgroup.controllers").exists()
        parent = MOUNT if self.is_second else MOUNT / self.CONTROLLER
        self.path = parent / f"restage-test-{os.getpid()}"
        try:
            self.path.mkdir()
            self.limit(None)
        except OSError as error:
            message = f"control groups cannot be written: {error}"
            # In CI nothing is skipped.
            if os.environ.get("CI"):
                pytest.fail(message)
            print(f"skipped: {message}")
            pytest.skip(message)

    def limit(self, processors):
        """The limit for all its processes; None means no limit."""
        if self.is_second:
            quota = "max" if processors is None else str(int(processors * PERIOD_US))
            (self.path / "cpu.max").write_text(f"{quota} {PERIOD_US}")
            return
        quota = -1 if processors is None else int(processors * PERIOD_US)
        (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (self.path / "cpu.cfs_quota_us").write_text(str(quota))

    def add(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def remove(self):
        self.path.rmdir()


class MemoryGroup(Cgroup):
    """Its limit is of memory, in bytes. A process that was in another group keeps what it has used there."""

    CONTROLLER = "memory"

    def limit(self, size):
        """The kernel gives back what it can, and ends a process of the group that needs more than that."""
        name = "memory.max" if self.is_second else "memory.limit_in_bytes"
        (self.path / name).write_text(("max" if self.is_second else "-1") if size is None else str(size))

    def used(self):
        """In bytes."""
        return int((self.path / ("memory.current" if self.is_second else "memory.usage_in_bytes")).read_text())
