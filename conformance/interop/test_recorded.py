"""Each client publishes and is recorded; FFmpeg, PyAV and GStreamer play the recording without a warning.

VP8 is left out, because recordings have none. GStreamer plays H.264.
"""

import os
import signal

import pytest

from matrix import entrance
from matrix.clients import H264, VP8, rows
from matrix.program import Program
from support import gstreamer
from support.place import BUCKET
from support.recording import MULTIVARIANT, Bucket, check, recorded
from support.server import binary

# A browser starts slowly on a busy machine.
START_S = 60
SEGMENTS = 3
SEGMENTS_S = 60
CLIENTS = [client for client in rows() if client.codec != VP8]


class Interrupted(Program):
    """A program that leaves after an interrupt, as from a terminal."""

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        super().stop()


@pytest.fixture(scope="session")
def storage(stages):
    made = stages.ivs.create_storage_configuration(s3={"bucketName": BUCKET})
    return made["storageConfiguration"]["arn"]


@pytest.fixture
def stage(stages, storage):
    """A stage whose participants are recorded."""
    settings = {"storageConfigurationArn": storage, "hlsConfiguration": {"targetSegmentDurationSeconds": 2}}
    arn = stages.ivs.create_stage(autoParticipantRecordingConfiguration=settings)["stage"]["arn"]
    yield arn
    stages.ivs.delete_stage(arn=arn)


def record(server, stages, stage, participant, program):
    """Waits until the publisher has some segments, lets it leave, and returns the bucket and the recording's prefix."""
    bucket = Bucket(server.data_dir / "recordings" / BUCKET)
    with program:
        program.wait(lambda: stages.participants(stage).get(participant, {}).get("published"), START_S, "it publishes")
        session = stages.session(stage)
        prefix = recorded(stages, stage, participant, session, "ACTIVE")["recordingS3Prefix"]
        last = f"media/hls/high/{SEGMENTS - 1}.mp4"
        program.wait(lambda: bucket.has(prefix, last), SEGMENTS_S, f"{SEGMENTS} segments")
    recorded(stages, stage, participant, session, "STOPPED")
    return bucket, prefix


def plays_in_gstreamer(bucket, prefix, playlist):
    missing = gstreamer.missing()
    if missing and not os.environ.get("CI"):
        pytest.skip(f"GStreamer has no {missing}")
    sound, pictures, warnings = gstreamer.played(bucket.path(prefix, MULTIVARIANT))
    assert warnings == []
    assert pictures > 0 and abs(sound - playlist.duration) < 0.5, f"{sound} s of sound in {playlist.duration} s"


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)
def test_what_a_client_publishes_is_recorded_and_played(client, server, stages, stage):
    missing = client.missing()
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing}, and in CI nothing is skipped", pytrace=False)
    if missing:
        pytest.skip(missing)
    participant, url, token = entrance.of(client, server, stages, stage)
    argv = client.argv("publish", url, token)
    program = Program(argv, f"{client.key}-recorded", **client.environment)
    bucket, prefix = record(server, stages, stage, participant, program)
    playlist = check(bucket, prefix)
    assert len(playlist.segments) >= SEGMENTS
    if client.codec == H264:
        plays_in_gstreamer(bucket, prefix, playlist)


def test_what_restage_publishes_is_recorded_and_played(server, stages, stage):
    participant, token = stages.token(stage)
    program = Interrupted([str(binary()), "publish", "--token", token], "restage-recorded")
    bucket, prefix = record(server, stages, stage, participant, program)
    plays_in_gstreamer(bucket, prefix, check(bucket, prefix))
