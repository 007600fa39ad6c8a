"""Redundant ingest: two encoders publish, subscribers see one participant, and go on when one of the two fails."""

import json
import subprocess
import urllib.request

import pytest

from support import api
from support.encoder import Encoder, ffmpeg
from support.ingest import Ingests, listening
from support.place import Place
from support.recording import check, recorded
from support.server import binary, clean_environment
from support.wait import eventually

# The time without a picture is measured.
pytestmark = pytest.mark.alone

# A key frame every two seconds, which is the longest interval that the service advises.
LONG = (
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "60"),
    *("-profile:v", "baseline", "-b:v", "500k"),
)
GAP_MS_MAX = 300


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("redundant"), *listening(), name="test_rtmp_redundant").start()
    yield made
    made.server.stop()
    # Encoders that come and go are no fault of the server.
    assert not [line for line in made.server.log if " ERROR " in line]


class Viewer:
    """`restage watch`, which reports how long no picture came."""

    def __init__(self, token, publisher):
        self.process = subprocess.Popen(
            [binary(), "watch", "--token", token, publisher, "--output", "json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=clean_environment(),
        )

    def next(self):
        """The next figures, of a second, by kind."""
        return {track["kind"]: track for track in json.loads(self.process.stdout.readline())["tracks"]}

    def skip_until_steady(self):
        for _ in range(60):
            if self.next().get("video", {}).get("framesPerSecond", 0) > 25:
                return
        raise AssertionError("no steady pictures")

    def stop(self):
        self.process.kill()
        self.process.wait(timeout=30)


def switches(server):
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("restage_ingest_switches_total"))


def console_parts(server, stage):
    """What the console knows the participants of a stage to be of their ingest."""
    key = (server.data_dir / "console.key").read_text(encoding="ascii").strip()
    request = urllib.request.Request(f"{server.url}/console/api/state", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        stages = {one["arn"]: one["participants"] for one in json.loads(answer.read())["stages"]}
    return {one["participantId"]: one["ingest"] for one in stages[stage] if one["publishing"]}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["killed", "stalled"])
def test_subscribers_and_replicas_go_on_with_the_other_encoder(place, media, how):
    ingests = Ingests(place.stages)
    source, hall = place.stage(place.storage()), place.ivs.create_stage()["stage"]["arn"]
    made = ingests.create(source, redundantIngest=True)
    virtual = made["participantId"]
    credentials = made["redundantIngestCredentials"]
    streams = [item["participantId"] for item in credentials]
    url = ingests.endpoint(source)
    encoders, viewers = [], []
    before = switches(place.server)
    try:
        for item in credentials:
            encoders.append(Encoder(ffmpeg(url + item["streamKey"], video=LONG)))
            ingests.published(source, item["participantId"], encoders[-1])
        assert ingests.is_published(source, virtual)
        parts = {virtual: "COMMON", streams[0]: "FIRST", streams[1]: "SECOND"}
        assert console_parts(place.server, source) == parts
        session = place.stages.session(source)
        place.stages.replicate(source, hall, virtual)
        with api.refused("ConflictException", 409, "redundant"):
            place.ivs.start_participant_replication(
                sourceStageArn=source, destinationStageArn=hall, participantId=streams[0]
            )
        rows = [recorded(place.stages, source, stream, session, "ACTIVE") for stream in streams]
        for row in rows:
            place.has_segments(row["recordingS3Prefix"], 1)
        assert place.stages.participant(source, virtual).get("recordingState", "DISABLED") == "DISABLED"
        viewers = [Viewer(place.stages.token(stage)[1], virtual) for stage in (source, hall)]
        for viewer in viewers:
            viewer.skip_until_steady()
        # One that decodes, and one that is told who publishes.
        token = place.stages.token(source)[1]
        watcher, events = media.watch(token, virtual), media.events(token)
        eventually(lambda: watcher.frames > 10, 30, what=f"pictures: {watcher}")
        eventually(lambda: events.publishing() == {virtual}, what="only the virtual participant is told")
        # The first one is shown, because its key frame came first.
        if how == "killed":
            encoders[0].kill()
        else:
            encoders[0].process.send_signal(19)
        eventually(lambda: switches(place.server) == before + 1, what="the other one is shown")
        for viewer in viewers:
            told = [viewer.next() for _ in range(4)][-1]
            assert told["video"]["framesPerSecond"] > 25, told
            assert told["video"]["longestGapMs"] <= GAP_MS_MAX, told
            assert told["video"]["damaged"] == 0 and told["audio"]["damaged"] == 0, told
        frames = watcher.frames
        eventually(lambda: watcher.frames > frames + 60 and watcher.level > 500, 30, what=f"it goes on: {watcher}")
        assert events.publishing() == {virtual}
        row = place.stages.participants(source)[virtual]
        assert row["state"] == "CONNECTED" and not encoders[1].is_over()
        if how == "killed":
            eventually(lambda: place.stages.participants(source)[streams[0]]["state"] == "DISCONNECTED")
            # It comes back and is one of the two again.
            encoders[0] = Encoder(ffmpeg(url + credentials[0]["streamKey"], video=LONG))
            is_back = lambda: place.stages.participants(source)[streams[0]]["state"] == "CONNECTED"  # noqa: E731
            eventually(is_back, 60, what="it is back")
            for viewer in viewers:
                assert viewer.next()["video"]["longestGapMs"] <= GAP_MS_MAX
    finally:
        for encoder in encoders:
            encoder.kill()
        for viewer in viewers:
            viewer.stop()
    eventually(lambda: ingests.state(made) == "INACTIVE", 30)
    names = [event["name"] for event in place.stages.events(source, virtual, session)]
    assert names.count("PUBLISH_STARTED") == 1 and names.count("PUBLISH_STOPPED") == 1, names
    for stream, row in zip(streams, rows, strict=True):
        recorded(place.stages, source, stream, session, "STOPPED")
        check(place.bucket, row["recordingS3Prefix"])
    ingests.delete(made)


@pytest.mark.timeout(120)
def test_the_key_of_the_virtual_participant_is_unusable(place):
    ingests = Ingests(place.stages)
    stage = place.ivs.create_stage()["stage"]["arn"]
    made = ingests.create(stage, redundantIngest=True)
    encoder = Encoder(ffmpeg(ingests.endpoint(stage) + made["streamKey"]))
    try:
        eventually(encoder.is_over, 30, what="it is refused")
        assert "INVALID_STREAM_KEY" in encoder.told()
    finally:
        encoder.kill()
        ingests.delete(made)
