"""Client commands of restage that run meanwhile: publishers, viewers, listeners."""

import contextlib
import json
import subprocess
import threading
import time

from .server import binary, clean_environment

# How long a command tries to reconnect.
TRIES_S = "120"
COMMAND_S = 60
# More pictures a second than this are a picture that moves.
MOVES_FPS = 5


class Command:
    """A client command that runs meanwhile: its lines as they come, its end."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [str(binary()), *arguments],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines = []
        self.said = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.lines), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.said), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, into):
        for line in stream:
            into.append((time.monotonic(), line.rstrip("\n")))

    def pictures_since(self, moment):
        """Whether a second's figures that came after it show a picture that moves."""
        return self.moving_at(moment) is not None

    def moving_at(self, moment):
        """When the first figures of a moving picture came after that moment, or None."""
        for at, line in list(self.lines):
            if at > moment and any(
                track["kind"] == "video" and track.get("framesPerSecond", 0) > MOVES_FPS
                for track in json.loads(line).get("tracks", [])
            ):
                return at
        return None

    def end(self):
        """(exit code, standard error) of a process that ends by itself."""
        code = self.process.wait(COMMAND_S)
        for reader in self._readers:
            reader.join()
        return code, "\n".join(line for _, line in self.said)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(COMMAND_S)
        finally:
            self.process.kill()


@contextlib.contextmanager
def commands():
    """Starts client commands, and ends those that still run."""
    running = []

    def start(*arguments):
        running.append(Command(*arguments))
        return running[-1]

    yield start
    for command in running:
        command.close()


def publish(start, token, *more):
    return start("publish", "--token", token, "--reconnect", TRIES_S, "--fps", "15", *more)


def watch(start, token, participant):
    return start("watch", "--token", token, participant, "--reconnect", TRIES_S, "--output", "json")
