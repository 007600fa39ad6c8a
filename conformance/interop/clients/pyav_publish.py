"""The WHIP muxer of the FFmpeg in PyAV: python pyav_publish.py publish URL TOKEN H264"""

import fractions
import json
import sys
import threading
import time

import av
import numpy

WIDTH, HEIGHT, RATE = 320, 240, 15
SAMPLE_RATE = 48_000
SAMPLES = 960
KEY_FRAME_EVERY = 30


def picture(count):
    """A ramp that moves, as yuv420p."""
    planes = numpy.full((HEIGHT * 3 // 2, WIDTH), 128, numpy.uint8)
    planes[:HEIGHT] = (numpy.arange(WIDTH)[None, :] + numpy.arange(HEIGHT)[:, None] + 4 * count) % 256
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts, frame.time_base = count, fractions.Fraction(1, RATE)
    return frame


def tone(count):
    """Twenty milliseconds of a tone, in stereo."""
    at = (count * SAMPLES + numpy.arange(SAMPLES)) / SAMPLE_RATE
    wave = (8000 * numpy.sin(2 * numpy.pi * 440 * at)).astype(numpy.int16)
    frame = av.AudioFrame.from_ndarray(numpy.repeat(wave, 2)[None, :], format="s16", layout="stereo")
    frame.sample_rate = SAMPLE_RATE
    frame.pts, frame.time_base = count * SAMPLES, fractions.Fraction(1, SAMPLE_RATE)
    return frame


def publish(url, token, has_to_leave):
    with av.open(url, "w", format="whip", options={"authorization": token}) as output:
        video = output.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "tune": "zerolatency"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.profile = "Baseline"
        video.codec_context.gop_size = KEY_FRAME_EVERY
        audio = output.add_stream("libopus", rate=SAMPLE_RATE, layout="stereo")
        begin, pictures, tones = time.monotonic(), 0, 0
        while not has_to_leave.is_set():
            elapsed = time.monotonic() - begin
            while tones * SAMPLES / SAMPLE_RATE <= elapsed:
                output.mux(audio.encode(tone(tones)))
                tones += 1
            while pictures / RATE <= elapsed:
                output.mux(video.encode(picture(pictures)))
                pictures += 1
            has_to_leave.wait(SAMPLES / SAMPLE_RATE / 2)


def main():
    _, url, token, _ = sys.argv[1:]
    has_to_leave = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), has_to_leave.set()), daemon=True).start()
    av.logging.restore_default_callback()
    av.logging.set_level(av.logging.VERBOSE)
    try:
        publish(url, token, has_to_leave)
    except (av.FFmpegError, ValueError) as error:
        print(json.dumps({"failed": str(error)}))
        sys.exit(1)


if __name__ == "__main__":
    main()
