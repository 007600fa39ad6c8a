"""A control group of Linux that limits the processor time of a server."""

import os
import pathlib

import pytest

PERIOD_US = 100_000
MOUNT = pathlib.Path("/sys/fs/cgroup")


class Cgroup:
    """Named after the test's process; remove it after the server has ended."""

    def __init__(self):
        self.is_second = (MOUNT / "cgroup.controllers").exists()
        parent = MOUNT if self.is_second else MOUNT / "cpu"
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
