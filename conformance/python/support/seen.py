"""A viewer in a process of its own, which says when it saw each picture: what the rigs of encoders measure with.

    python -m support.seen URL TOKEN

aiortc decodes. One line of JSON for each picture: `at`, the monotonic clock in seconds; `rtp`, its RTP timestamp;
`card`, the identity and the count of its card, or null. Every second a line with `late_s`: by how much the process was
late in that second at most, because others had the processor; `sounds`, the blocks of sound so far; `skipped`, what the
decoder could not decode. It goes on until its standard input is closed.
"""

import asyncio
import json
import logging
import pathlib
import subprocess
import sys
import threading
import time

if __package__ in (None, ""):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import card
from support.media import Media, Watcher

STEP_S = 0.02
STOP_S = 10


class Seeing(Watcher):
    """Prints what it sees."""

    async def _look(self, track):
        while True:
            try:
                frame = await track.recv()
            except Exception as error:
                print(json.dumps({"ended": str(error)}), flush=True)
                return
            at = time.monotonic()
            read = card.read(frame.reformat(format="gray").to_ndarray())
            print(json.dumps({"at": at, "rtp": frame.pts, "card": read}), flush=True)


class Skipped(logging.Handler):
    """Counts what aiortc's decoder complains about."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, _):
        self.count += 1


async def report(watcher, skipped):
    """Says how late this process is."""
    late, since = 0.0, time.monotonic()
    while True:
        before = time.monotonic()
        await asyncio.sleep(STEP_S)
        now = time.monotonic()
        late = max(late, now - before - STEP_S)
        if now - since > 1:
            said = {"late_s": round(late, 4), "sounds": watcher.sounds, "skipped": skipped.count}
            print(json.dumps(said), flush=True)
            late, since = 0.0, now


class Seen:
    """That process. `pictures` has what it saw, oldest first, as dictionaries."""

    def __init__(self, url, token):
        self.pictures, self.late_s, self.sounds, self.skipped, self.failed = [], 0.0, 0, 0, None
        self.process = subprocess.Popen(
            [sys.executable, __file__, url, token],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "at" in said:
                self.pictures.append(said)
            elif "late_s" in said:
                self.late_s = max(self.late_s, said["late_s"])
                self.sounds, self.skipped = said["sounds"], said["skipped"]
            else:
                self.failed = said["ended"]

    def why_not(self):
        """Why it does not see anything any more, or None."""
        if self.failed is None and self.process.poll() is not None:
            self.failed = self.process.stderr.read().strip().splitlines()[-1:] or "it ended"
        return self.failed

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main():
    _, url, token = sys.argv
    media = Media()
    watcher = media.open(Seeing(media, url, token))
    skipped = Skipped()
    logging.getLogger("aiortc.codecs").addHandler(skipped)
    media.loop.call_soon_threadsafe(media.spawn, report(watcher, skipped))
    sys.stdin.read()
    watcher.drop()
    media.close()


if __name__ == "__main__":
    main()
