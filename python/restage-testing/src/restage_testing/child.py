"""Programs that end when the process that started them ends, however that happens."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

# Reads from a pipe that only the test's process can write to. Its end is the end of that process, also after `kill -9`.
# Unlike PR_SET_PDEATHSIG this does not depend on which thread has started the program.
WATCH = """
read -r _
kill -KILL "$1" 2>/dev/null
tries=0
while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
[ -z "$2" ] || rm -rf "$2"
"""
READ_BYTES_MAX = 1_000_000


class Child:
    """A program whose output goes into files.

    `remove`: a directory that is removed too if this process is killed; otherwise the caller removes it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: pathlib.Path,
        log: pathlib.Path,
        remove: pathlib.Path | None = None,
    ) -> None:
        self.command = list(command)
        self.output = output
        self.log = log
        with output.open("ab") as out, log.open("ab") as err:
            # A process group of its own: Ctrl-C in a terminal reaches the test, and the test ends the program.
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(environment),
                start_new_session=True,
            )
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCH, "restage-testing", str(self.process.pid), str(remove or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.process.poll()

    def end(self, timeout_s: float) -> int:
        """SIGTERM, and SIGKILL if it takes longer than that. Returns the exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        ends_at = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < ends_at:
            time.sleep(0.01)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL, if it still runs. Returns the exit code."""
        self.process.kill()
        code = self.process.wait()
        self._watcher.kill()
        self._watcher.wait()
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
        return code


def tail(path: pathlib.Path, lines: int, since: int = 0) -> str:
    """The last lines of a file, none from before that byte."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since, size - READ_BYTES_MAX))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
