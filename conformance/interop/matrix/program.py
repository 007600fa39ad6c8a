"""One client in a process of its own.

A client's program prints lines of JSON about what it has seen so far, and goes on until its standard input is closed:
`{"changes": 12, "sounds": 40}`, or `{"failed": "why"}` before it ends. What is no JSON is kept as its last words.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

from support.server import OUTPUT, clean_environment

STOP_S = 10
POLL_S = 0.05
LAST_WORDS = 3


class ClientFailed(AssertionError):
    """The client ended, or did not reach a state in time."""


class Flow:
    """Distinguishes continuous media from a burst: the count must grow repeatedly."""

    STEPS = 8

    def __init__(self, least):
        self.least = least
        self.last = 0
        self.steps = 0

    def is_live(self, count):
        """Call this with each new count."""
        self.steps += count > self.last
        self.last = count
        return count >= self.least and self.steps >= self.STEPS


class Program:
    """A running client. As a context manager it ends the client at the end of the block in any case."""

    def __init__(self, command, name, **environment):
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.seen = {}
        self.words = []
        self._log = open(OUTPUT / f"interop_{name}.log", "w", encoding="utf-8", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            cwd=pathlib.Path(__file__).parents[1],
            env=clean_environment(PYTHONUNBUFFERED="1", **environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A process group of its own, so that all processes of a browser end together.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        before = None
        for line in self.process.stdout:
            if line != before:
                self._log.write(line)
                self._log.flush()
            before = line
            try:
                said = json.loads(line)
            except ValueError:
                said = None
            if isinstance(said, dict):
                self.seen = {**self.seen, **said}
            elif line.strip():
                self.words = [*self.words, line.strip()][-LAST_WORDS:]

    def wait(self, check, timeout_s, what):
        """Waits until `check()` is true. The client must stay alive and must not report a failure."""
        ends_at = time.monotonic() + timeout_s
        while not check():
            if "failed" in self.seen:
                raise ClientFailed(f"{self.seen['failed']}")
            if self.process.poll() is not None:
                self._reader.join(STOP_S)
                if "failed" in self.seen:
                    continue
                raise ClientFailed(f"the client ended with {self.process.returncode}: {' / '.join(self.words)}")
            if time.monotonic() >= ends_at:
                seen = json.dumps(self.seen) if self.seen else " / ".join(self.words) or "nothing"
                raise ClientFailed(f"{what}: not within {timeout_s:g} s; the client saw {seen}")
            time.sleep(POLL_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Lets the client leave by itself, and kills it if it does not."""
        with contextlib.suppress(BrokenPipeError):
            # FFmpeg ends after a q, all other clients at the end of the input.
            self.process.stdin.write("q\n")
            self.process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            print(f"{self.name} did not leave within {STOP_S} s of being asked to, and was killed")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(STOP_S)
        self._log.close()
