"""An encoder that knows when each picture went into it: FFmpeg reads the card and its tone from pipes, in real time."""

import contextlib
import math
import os
import subprocess
import threading
import time

import imageio_ffmpeg
import numpy

from . import card

WIDTH, HEIGHT, RATE = 640, 360, 30
SAMPLES = card.SAMPLES_PER_FRAME
# What of the picture the card takes.
ROWS, COLUMNS = card.BLOCK * -(-card.BITS // card.BLOCKS_PER_ROW), card.BLOCK * card.BLOCKS_PER_ROW
GREY = bytes([128]) * (WIDTH * HEIGHT // 2)
STOP_S = 10

# What docs/ingest.md recommends for the least delay.
ENCODING = (
    *("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "baseline", "-g", str(RATE)),
    *("-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k"),
    *("-c:a", "aac", "-b:a", "128k", "-ac", "2", "-ar", str(card.SAMPLE_RATE)),
)


def picture(identity, count):
    """The card in the corner of a picture of noise that moves, so that it fills the bitrate, as yuv420p."""
    grain = numpy.random.default_rng(count).integers(64, 192, (HEIGHT // 8, WIDTH // 8), numpy.uint8)
    plane = grain.repeat(8, axis=0).repeat(8, axis=1)
    plane[:ROWS, :COLUMNS] = card.draw(identity, count)[:ROWS, :COLUMNS]
    return plane.tobytes() + GREY


class TimedEncoder:
    """FFmpeg, fed in real time. `fed_at` has when, on the monotonic clock, each picture was ready for it, by its count.

    Pictures are counted from `epoch`, and the first is a whole second after it: so two encoders with one epoch show the
    same pictures and make key frames at the same ones.
    """

    # Pictures that are made in advance and shown again and again, so that making them takes no time while it runs. The
    # count of the card goes on with each.
    SCENES = 60
    # FFmpeg has started after this time. What it is given before would be late for ever.
    START_S = 3

    def __init__(self, target, identity=1, epoch=None, options=ENCODING):
        self.identity = identity
        self.fed_at = {}
        self._is_over = threading.Event()
        now = time.monotonic()
        self._epoch = now if epoch is None else epoch
        self._first = math.ceil(now - self._epoch + self.START_S)
        sound, self._sound = os.pipe()
        raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", f"{WIDTH}x{HEIGHT}", "-framerate", str(RATE))
        # Nothing is guessed about the inputs, so nothing is read in advance for that.
        known = ("-probesize", "32", "-analyzeduration", "0", "-fflags", "nobuffer")
        samples = ("-f", "s16le", "-ar", str(card.SAMPLE_RATE), "-ch_layout", "mono")
        self.process = subprocess.Popen(
            [
                *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin"),
                *(*known, *raw, "-i", "pipe:0", *known, *samples, "-i", f"pipe:{sound}"),
                *("-map", "0:v", "-map", "1:a", *options, "-flush_packets", "1", *target),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[sound],
        )
        os.close(sound)
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._show, self._play)]
        for thread in self._threads:
            thread.start()

    def _is_over_before(self, after_s):
        """Waits for a moment after the epoch. Whether it was stopped before."""
        return self._is_over.wait(max(0.0, self._epoch + after_s - time.monotonic()))

    def _show(self):
        scenes = [numpy.frombuffer(picture(self.identity, count), numpy.uint8) for count in range(self.SCENES)]
        count = self._first * RATE
        with contextlib.suppress(BrokenPipeError):
            while not self._is_over_before(count / RATE):
                drawn = scenes[count % self.SCENES].copy()
                top = drawn[: ROWS * WIDTH].reshape(ROWS, WIDTH)
                top[:, :COLUMNS] = card.draw(self.identity, count)[:ROWS, :COLUMNS]
                self.fed_at[count & 0xFFFF] = time.monotonic()
                self.process.stdin.write(drawn.tobytes())
                self.process.stdin.flush()
                count += 1

    def _play(self):
        sample = 0
        with contextlib.suppress(BrokenPipeError):
            while not self._is_over_before(self._first + sample / card.SAMPLE_RATE):
                os.write(self._sound, card.tone(self.identity, sample).tobytes())
                sample += SAMPLES

    def failed(self):
        """What FFmpeg said, if it has ended."""
        if self.process.poll() is None:
            return None
        return self.process.stderr.read().decode(errors="replace") or f"FFmpeg ended with {self.process.returncode}"

    def stop(self):
        """Ends it; what it has not sent yet is lost."""
        self._is_over.set()
        self.process.kill()
        self.process.wait(STOP_S)
        for thread in self._threads:
            thread.join(STOP_S)
        os.close(self._sound)
