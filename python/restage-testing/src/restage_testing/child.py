"""Programs that end when the process that started them ends, however that happens."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import time
import weakref
from collections.abc import Mapping, Sequence

from restage_testing.error import ServerError

# Reads from a pipe that only the test's process can write to. Its end is the end of that process, also after `kill -9`.
# Unlike PR_SET_PDEATHSIG this does not depend on which thread has started the program. A process with the id is the
# program only if it was started when the program was ($2): the system gives ids of ended programs to others.
WATCH = """
lives() {
    stat="$(cat "/proc/$1/stat" 2>/dev/null)" || return 1
    set -- "$2" ${stat##*) }
    [ "$2" != Z ] && [ "${21}" = "$1" ]
}
read -r _
lives "$1" "$2" && kill -KILL "$1" 2>/dev/null
tries=0
while lives "$1" "$2" && [ "$tries" -lt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
[ -z "$3" ] || rm -rf "$3"
"""
# What a process that did not start the program takes as its exit code. Only its parent learns the real one.
UNKNOWN_CODE = 255
READ_BYTES_MAX = 1_000_000


def watch_command(pid: int, started: str, remove: pathlib.Path | None) -> list[str]:
    """What kills that process when its standard input ends, and then removes the directory."""
    return ["/bin/sh", "-c", WATCH, "restage-testing", str(pid), started, str(remove or "")]


def started_at(pid: int) -> str:
    """When the process was started, in ticks since the boot; empty if there is none that runs."""
    try:
        state, *fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if state == "Z" else fields[18]


class Child:
    """A program whose output goes into files.

    `remove`: a directory that is removed too if this process is killed; otherwise the caller removes it. A process that
    was forked from this one sees whether the program runs, and does not end it.
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
            try:
                self.process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env=dict(environment),
                    start_new_session=True,
                )
            except OSError as error:
                raise cannot_run(self.command[0], error) from error
        self._owner = os.getpid()
        self._started = started_at(self.process.pid)
        self._watcher = subprocess.Popen(
            watch_command(self.process.pid, self._started, remove),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _WATCHED.add(self)

    @property
    def is_ours(self) -> bool:
        """Whether this process started it, and not one that this one was forked from."""
        return self._owner == os.getpid()

    @property
    def pid(self) -> int:
        return self.process.pid

    def code(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.is_ours:
            return self.process.poll()
        return None if self._started and started_at(self.pid) == self._started else UNKNOWN_CODE

    def end(self, timeout_s: float) -> None:
        """SIGTERM, and SIGKILL if it takes longer than that. Does nothing in a process that did not start it."""
        if not self.is_ours:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        ends_at = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < ends_at:
            time.sleep(0.01)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, if it still runs. Does nothing in a process that did not start it."""
        if not self.is_ours:
            return
        self.process.kill()
        self.process.wait()
        self._watcher.kill()
        self._watcher.wait()
        self.close()

    def close(self) -> None:
        """Closes this process's end of the watcher's pipe."""
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()


_WATCHED: weakref.WeakSet[Child] = weakref.WeakSet()


def _after_fork() -> None:
    """A forked process that lives on must not hide from the watchers that this one has ended."""
    for child in list(_WATCHED):
        child.close()


os.register_at_fork(after_in_child=_after_fork)


def cannot_run(program: str, error: OSError) -> ServerError:
    """The error for a program that the system refuses to run."""
    what = f"cannot run {program}: {error.strerror or error}"
    if isinstance(error, FileNotFoundError) and os.path.exists(program):
        what += " (it exists, but the interpreter that it names does not)"
    return ServerError(what)


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
