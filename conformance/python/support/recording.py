"""Recordings as they lie in a bucket: what is there, whether players read it, and publishers that are recorded."""

import json
import pathlib
import re
import subprocess

import av
import imageio_ffmpeg

from support.wait import eventually

PREFIX = re.compile(r"[A-Za-z0-9]{12,}/st-[A-Za-z0-9]{13,}/[A-Za-z0-9]{12,}/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
# What may lie below a recording's prefix.
NAMES = re.compile(
    r"events/recording-(started|ended|failed)\.json"
    r"|media/hls/(multivariant\.m3u8|high/(playlist\.m3u8|init-\d+\.mp4|\d+\.mp4))"
    r"|media/thumbnails/high/[1-9]\d*\.jpg|media/latest_thumbnail/high/thumb\.jpg"
)
PLAYLIST = "media/hls/high/playlist.m3u8"
MULTIVARIANT = "media/hls/multivariant.m3u8"
FINISHED_S = 60


class Bucket:
    """A bucket of a folder root, or a copy of one."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def prefixes(self):
        """The prefixes of all recordings."""
        found = self.directory.glob("*/*/*/*/")
        return sorted(str(path.relative_to(self.directory)) for path in found)

    def names(self, prefix):
        """The keys below a prefix."""
        root = self.directory / prefix
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def path(self, prefix, name):
        return self.directory / prefix / name

    def document(self, prefix, what):
        """`started`, `ended` or `failed`."""
        return json.loads(self.path(prefix, f"events/recording-{what}.json").read_text(encoding="utf-8"))

    def has(self, prefix, name):
        return self.path(prefix, name).is_file()


class Playlist:
    """A media playlist, taken apart and checked by the rules of RFC 8216 and of the service."""

    def __init__(self, text):
        lines = text.splitlines()
        assert lines[:2] == ["#EXTM3U", "#EXT-X-VERSION:7"], lines[:2]
        self.is_over = lines[-1] == "#EXT-X-ENDLIST"
        assert f"#EXT-X-PLAYLIST-TYPE:{'VOD' if self.is_over else 'EVENT'}" in lines
        target = int(next(line for line in lines if line.startswith("#EXT-X-TARGETDURATION:")).split(":")[1])
        self.segments = []
        self.inits = []
        self.times = []
        duration, is_discontinuous, has_time, has_map = None, False, False, False
        for line in lines:
            if line == "#EXT-X-DISCONTINUITY":
                is_discontinuous = True
            elif line.startswith("#EXT-X-MAP:"):
                self.inits.append(re.fullmatch(r'#EXT-X-MAP:URI="(init-\d+\.mp4)"', line)[1])
                has_map = True
            elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
                self.times.append(line.split(":", 1)[1])
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", self.times[-1])
                has_time = True
            elif line.startswith("#EXTINF:"):
                duration = float(re.fullmatch(r"#EXTINF:(\d+\.\d{5}),", line)[1])
                assert duration <= target, f"{line} in a playlist with a target of {target}"
            elif line.endswith(".mp4"):
                is_first = not self.segments
                # The time stands at the first segment and after each discontinuity, and nowhere else.
                assert has_time == (is_first or is_discontinuous), text
                assert not is_first or has_map, text
                assert not has_map or is_first or is_discontinuous, text
                self.segments.append((line, duration))
                is_discontinuous = has_time = has_map = False
        assert [name for name, _ in self.segments] == [f"{number}.mp4" for number in range(len(self.segments))]
        assert self.inits == [f"init-{number}.mp4" for number in range(len(self.inits))]

    @property
    def duration(self):
        return sum(duration for _, duration in self.segments)


def ffmpeg_warnings(path, parts=1):
    """What FFmpeg says when it decodes all of a playlist: nothing, if it is well.

    FFmpeg reads all parts of a playlist as one file, so at each further init it remarks that it has one already.
    """
    # Pictures keep their times: FFmpeg would squeeze them into its guess of a frame rate, and warn of that.
    timing = ("-fps_mode", "passthrough", "-enc_time_base:v", "demux")
    program = (imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-v", "repeat+warning")
    command = [*program, "-i", str(path), *timing, "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.strip()]
    remarks = [line for line in warnings if "Found duplicated MOOV Atom" in line]
    assert len(remarks) <= parts - 1, done.stderr
    return [line for line in warnings if line not in remarks]


def decoded(path):
    """What PyAV decodes: seconds of sound and number of pictures."""
    pictures, samples = 0, 0
    with av.open(str(path)) as container:
        streams = [*container.streams.video, *container.streams.audio]
        for frame in container.decode(*streams):
            if isinstance(frame, av.VideoFrame):
                pictures += 1
            else:
                samples += frame.samples
    return samples / 48_000, pictures


def play(bucket, prefix, playlist):
    """Seconds of sound and number of pictures in all of a playlist, which FFmpeg reads without a warning."""
    for name in (MULTIVARIANT, PLAYLIST):
        warnings = ffmpeg_warnings(bucket.path(prefix, name), len(playlist.inits))
        assert warnings == [], "\n".join(warnings)
    return decoded(bucket.path(prefix, MULTIVARIANT))


def check(bucket, prefix, has_pictures=True):
    """A recording that has ended is complete, in the layout of the service, and can be played. Returns its playlist."""
    assert PREFIX.fullmatch(prefix), prefix
    names = bucket.names(prefix)
    assert all(NAMES.fullmatch(name) for name in names), names
    playlist = Playlist(bucket.path(prefix, PLAYLIST).read_text(encoding="utf-8"))
    assert playlist.is_over
    media = {f"media/hls/high/{name}" for name in [*playlist.inits, *(name for name, _ in playlist.segments)]}
    there = {name for name in names if name.endswith(".mp4")}
    assert media == there, f"{sorted(media ^ there)} is not in both"
    multivariant = bucket.path(prefix, MULTIVARIANT).read_text(encoding="utf-8")
    assert multivariant.splitlines()[-1] == "high/playlist.m3u8"
    codecs = re.search(r'CODECS="([^"]*)"', multivariant)[1].split(",")
    kinds = {codec.split(".")[0] for codec in codecs}
    assert codecs[-1] == "opus" and len(kinds) == (2 if has_pictures else 1), codecs
    sound, pictures = play(bucket, prefix, playlist)
    assert abs(sound - playlist.duration) < 0.5, f"{sound} s of sound in {playlist.duration} s"
    assert bool(pictures) == has_pictures
    return playlist


class FfmpegPublisher:
    """FFmpeg publishing H.264 and Opus by WHIP, in real time, with a key frame each second; or Opus alone."""

    PICTURES = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30")
    ENCODER = (
        *("-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-tune", "zerolatency"),
        *("-pix_fmt", "yuv420p", "-g", "30", "-b:v", "500k"),
    )

    def __init__(self, url, token, has_pictures=True):
        command = [
            *(imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-v", "error", "-re"),
            *(self.PICTURES if has_pictures else ()),
            *("-f", "lavfi", "-i", "sine=frequency=440"),
            *(self.ENCODER if has_pictures else ()),
            *("-c:a", "libopus", "-ac", "2", "-ar", "48000"),
            *("-f", "whip", "-authorization", token, f"{url}/whip"),
        ]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def leave(self):
        """Ends it as its `q` does: it deletes its WHIP session."""
        if self.process.poll() is None:
            self.process.communicate("q", timeout=30)

    def kill(self):
        self.process.kill()
        self.process.communicate()


def recorded(stages, arn, participant, session, *states, timeout_s=FINISHED_S):
    """Waits until the participant's recording is in one of these states; returns the participant."""

    def found():
        row = stages.participant(arn, participant, session)
        assert row.get("recordingState") in states, row
        return row

    return eventually(found, timeout_s, f"the recording is {' or '.join(states)}")


def events_of(path, arn, participant):
    """(name, detail) of what the sink was told of a participant's recordings."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    # An event is delivered at least once, and with the same id if it comes again.
    events = {event["id"]: event for event in map(json.loads, lines)}.values()
    mine = [
        event
        for event in events
        if event["detail-type"] == "IVS Participant Recording State Change"
        and event["resources"] == [arn]
        and event["detail"]["participant_id"] == participant
    ]
    return [(event["detail"]["event_name"], event["detail"]) for event in mine]
