"""Participants are recorded: what lies in the bucket, what the API and events say, and that nothing is lost."""

import contextlib
import re
import urllib.request

import boto3
import pytest
from moto.server import ThreadedMotoServer

from support import api, recording
from support.api import Stages
from support.recording import Bucket, FfmpegPublisher, Playlist, check, events_of, recorded
from support.server import Server
from support.wait import eventually

BUCKET = "my-vods"


class Place:
    """A server that records, with its bucket and its events."""

    def __init__(self, directory, *arguments, root=None, **more):
        self.events = directory / "events.jsonl"
        self.server = Server(
            directory / "data", "--events-file", str(self.events), *arguments, name="test_recording", **more
        )
        self.bucket = Bucket((root or directory / "data" / "recordings") / BUCKET)

    def start(self):
        self.server.start()
        self.ivs = api.client(self.server)
        self.stages = Stages(self.ivs)
        return self

    def storage(self):
        """A storage configuration for the bucket."""
        made = self.ivs.create_storage_configuration(s3={"bucketName": BUCKET})
        return made["storageConfiguration"]["arn"]

    def stage(self, storage, **settings):
        """A stage whose participants are recorded."""
        block = {"storageConfigurationArn": storage, "hlsConfiguration": {"targetSegmentDurationSeconds": 2}} | settings
        return self.ivs.create_stage(autoParticipantRecordingConfiguration=block)["stage"]["arn"]

    def publish(self, arn, **wishes):
        """FFmpeg publishes; returns it with its participant and session when the recording has started."""
        participant, token = self.stages.token(arn, **wishes)
        publisher = FfmpegPublisher(self.server.url, token)
        session = eventually(lambda: self.stages.session(arn), 30, "a session")
        recorded(self.stages, arn, participant, session, "ACTIVE")
        return publisher, participant, session

    def names(self, arn, participant):
        return [name for name, _ in events_of(self.events, arn, participant)]

    def has_segments(self, prefix, count):
        """Waits until so many segments are in the bucket."""
        has_all = lambda: self.bucket.has(prefix, f"media/hls/high/{count - 1}.mp4")  # noqa: E731
        eventually(has_all, 60, f"{count} segments")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("recording")).start()
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def storage(place):
    return place.storage()


@pytest.mark.timeout(180)
def test_a_participant_is_recorded_in_the_layout_of_the_service(place, storage):
    arn = place.stage(storage)
    publisher, participant, session = place.publish(arn, userId="ann")
    row = place.stages.participant(arn, participant, session)
    prefix = row["recordingS3Prefix"]
    assert row["recordingS3BucketName"] == BUCKET
    assert prefix.startswith(f"{api.stage_id(arn)}/{session}/{participant}/")
    place.has_segments(prefix, 2)
    started = place.bucket.document(prefix, "started")
    assert started["recording_status"] == "RECORDING_STARTED" and started["stage_arn"] == arn
    # While it runs, the playlist grows.
    text = eventually(lambda: place.bucket.path(prefix, recording.PLAYLIST).read_text(encoding="utf-8"))
    assert not Playlist(text).is_over
    place.has_segments(prefix, 4)
    publisher.leave()
    row = recorded(place.stages, arn, participant, session, "STOPPED")
    assert row["recordingS3Prefix"] == prefix
    playlist = check(place.bucket, prefix)
    assert 8 <= playlist.duration <= 40
    assert all(duration < 3.5 for _, duration in playlist.segments), playlist.segments
    ended = place.bucket.document(prefix, "ended")
    assert ended["recording_status"] == "RECORDING_ENDED"
    assert ended["session_id"] == session and ended["participant_id"] == participant
    assert abs(ended["media"]["hls"]["duration_ms"] - playlist.duration * 1000) < 100
    assert not place.bucket.has(prefix, "events/recording-failed.json")
    told = eventually(lambda: events_of(place.events, arn, participant)[1:])
    assert place.names(arn, participant) == ["Recording Start", "Recording End"]
    detail = told[0][1]
    assert detail["recording_s3_bucket_name"] == BUCKET and detail["recording_s3_key_prefix"] == prefix
    assert detail["session_id"] == session
    assert detail["recording_duration_ms"] == ended["media"]["hls"]["duration_ms"]
    found = place.stages.participants(arn, session, filterByRecordingState="STOPPED")
    assert list(found) == [participant]
    with urllib.request.urlopen(f"{place.server.url}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    assert re.search(r'^restage_recordings_ended_total\{outcome="complete"\} [1-9]', metrics, re.MULTILINE)
    assert re.search(r"^restage_recording_written_bytes_total [1-9]", metrics, re.MULTILINE)
    assert re.search(r"^restage_spool_limit_bytes [1-9]", metrics, re.MULTILINE)


@pytest.mark.timeout(120)
def test_pictures_that_cannot_be_recorded_are_a_start_failure(place, storage, media):
    arn = place.stage(storage)
    participant, token = place.stages.token(arn)
    media.publish(token, codec="VP8")
    session = eventually(lambda: place.stages.session(arn))
    row = recorded(place.stages, arn, participant, session, "FAILED")
    # It is recorded by nobody, and published as before.
    assert row["published"]
    eventually(lambda: place.names(arn, participant) == ["Recording Start Failure"])
    _, detail = events_of(place.events, arn, participant)[0]
    assert detail["error_code"] == "ValidationException" and "Vp8" in detail["reason"]
    prefix = row["recordingS3Prefix"]
    eventually(lambda: place.bucket.has(prefix, "events/recording-failed.json"))
    assert place.bucket.document(prefix, "failed")["recording_status"] == "RECORDING_START_FAILED"
    assert place.bucket.names(prefix) == ["events/recording-failed.json"]


@pytest.mark.timeout(180)
def test_who_comes_back_within_the_window_goes_on_in_one_recording(place, storage):
    arn = place.stage(storage, recordingReconnectWindowSeconds=20)
    participant, token = place.stages.token(arn)
    first = FfmpegPublisher(place.server.url, token)
    session = eventually(lambda: place.stages.session(arn), 30)
    prefix = recorded(place.stages, arn, participant, session, "ACTIVE")["recordingS3Prefix"]
    place.has_segments(prefix, 2)
    first.leave()
    eventually(lambda: place.stages.participant(arn, participant, session)["state"] == "DISCONNECTED")
    second = FfmpegPublisher(place.server.url, token)
    eventually(lambda: place.stages.session(arn), 30)
    has_gone_on = lambda: (  # noqa: E731
        "#EXT-X-DISCONTINUITY" in place.bucket.path(prefix, recording.PLAYLIST).read_text(encoding="utf-8")
    )
    eventually(has_gone_on, 60, "the recording goes on")
    second.leave()
    last = place.ivs.list_stage_sessions(stageArn=arn)["stageSessions"][0]["sessionId"]
    assert place.stages.participant(arn, participant, last)["recordingState"] == "ACTIVE", "it waits"
    row = recorded(place.stages, arn, participant, last, "STOPPED")
    assert row["recordingS3Prefix"] == prefix
    playlist = check(place.bucket, prefix)
    assert len(playlist.times) >= 2, "the second part says when it is"
    assert place.names(arn, participant) == ["Recording Start", "Recording End"]


@pytest.mark.timeout(180)
def test_a_replica_is_recorded_as_the_destination_says(place, storage):
    source = place.ivs.create_stage()["stage"]["arn"]
    hall = place.stage(storage)
    silent = place.stage(storage, recordParticipantReplicas=False)
    participant, token = place.stages.token(source)
    publisher = FfmpegPublisher(place.server.url, token)
    eventually(lambda: place.stages.participants(source).get(participant, {}).get("published"), 30)
    for destination in (hall, silent):
        place.stages.replicate(source, destination, participant)
    session = eventually(lambda: place.stages.session(hall))
    row = recorded(place.stages, hall, participant, session, "ACTIVE")
    prefix = row["recordingS3Prefix"]
    assert prefix.startswith(f"{api.stage_id(hall)}/{session}/{participant}/")
    place.has_segments(prefix, 2)
    place.stages.stop(source, hall, participant)
    recorded(place.stages, hall, participant, session, "STOPPED")
    check(place.bucket, prefix)
    assert place.bucket.document(prefix, "ended")["stage_arn"] == hall
    other = place.stages.participant(silent, participant)
    assert other.get("recordingState", "DISABLED") == "DISABLED"
    assert place.stages.participant(source, participant).get("recordingState", "DISABLED") == "DISABLED"
    publisher.leave()


@pytest.mark.timeout(120)
def test_sound_alone(place, storage):
    arn = place.stage(storage, mediaTypes=["AUDIO_ONLY"])
    publisher, participant, session = place.publish(arn)
    prefix = place.stages.participant(arn, participant, session)["recordingS3Prefix"]
    place.has_segments(prefix, 3)
    publisher.leave()
    recorded(place.stages, arn, participant, session, "STOPPED")
    check(place.bucket, prefix, has_pictures=False)


@pytest.mark.timeout(240)
def test_a_server_that_is_killed_loses_no_finished_segment(tmp_path):
    place = Place(tmp_path).start()
    arn = place.stage(place.storage())
    publisher, participant, session = place.publish(arn)
    prefix = place.stages.participant(arn, participant, session)["recordingS3Prefix"]
    place.has_segments(prefix, 3)
    place.server.kill()
    publisher.kill()
    before = {name for name in place.bucket.names(prefix) if name.endswith(".mp4")}
    spooled = {path.name for path in (place.server.data_dir / "spool").glob("*/*.mp4")}
    place.start()
    recorded(place.stages, arn, participant, session, "STOPPED")
    check(place.bucket, prefix)
    after = {name for name in place.bucket.names(prefix) if name.endswith(".mp4")}
    assert before <= after and spooled <= {name.rsplit("/", 1)[1] for name in after}
    assert place.bucket.document(prefix, "ended")["recording_status"] == "RECORDING_ENDED"
    eventually(lambda: place.names(arn, participant) == ["Recording Start", "Recording End"])
    assert place.stages.participants(arn, session, filterByRecordingState="ACTIVE") == {}
    assert list((place.server.data_dir / "spool").iterdir()) == [], "everything is in the bucket"
    place.server.stop()


@pytest.mark.timeout(240)
def test_a_restart_within_the_window_is_one_recording(tmp_path):
    place = Place(tmp_path).start()
    arn = place.stage(place.storage(), recordingReconnectWindowSeconds=60)
    participant, token = place.stages.token(arn)
    first = FfmpegPublisher(place.server.url, token)
    session = eventually(lambda: place.stages.session(arn), 30)
    prefix = recorded(place.stages, arn, participant, session, "ACTIVE")["recordingS3Prefix"]
    place.has_segments(prefix, 2)
    place.server.stop()
    first.kill()
    place.start()
    second = FfmpegPublisher(place.server.url, token)
    has_gone_on = lambda: (  # noqa: E731
        "#EXT-X-DISCONTINUITY" in place.bucket.path(prefix, recording.PLAYLIST).read_text(encoding="utf-8")
    )
    eventually(has_gone_on, 90, "the recording goes on")
    place.ivs.delete_stage(arn=arn)
    second.kill()
    # The stage is gone; the upload goes on.
    eventually(lambda: place.bucket.has(prefix, "events/recording-ended.json"), 60)
    check(place.bucket, prefix)
    eventually(lambda: place.names(arn, participant) == ["Recording Start", "Recording End"])
    place.server.stop()


class S3:
    """An S3 by moto, which can go away and come back with what it has."""

    def __init__(self):
        self.port = 0
        self.start()
        self.client = self._client()
        self.client.create_bucket(Bucket=BUCKET)

    def start(self):
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port)
        self.server.start()
        _, self.port = self.server.get_host_and_port()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _client(self):
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        return boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", **keys)

    def stop(self):
        self.server.stop()

    def names(self, prefix):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        return [item["Key"].removeprefix(f"{prefix}/") for page in pages for item in page.get("Contents", [])]

    def copy(self, prefix, directory):
        """What is below a prefix, as a folder."""
        for name in self.names(prefix):
            path = directory / prefix / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.client.get_object(Bucket=BUCKET, Key=f"{prefix}/{name}")["Body"].read())
        return Bucket(directory)


@pytest.fixture
def s3():
    made = S3()
    yield made
    with contextlib.suppress(Exception):
        made.stop()


@pytest.mark.timeout(240)
def test_nothing_is_lost_while_s3_is_away(tmp_path, s3):
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    config = tmp_path / "restage.toml"
    config.write_text(f's3 = [{{ endpoint = "{s3.url}" }}]\n', encoding="utf-8")
    place = Place(tmp_path, "--config", str(config), environment=keys).start()
    with api.refused("ResourceNotFoundException", 404, "no-such-bucket"):
        place.ivs.create_storage_configuration(s3={"bucketName": "no-such-bucket"})
    arn = place.stage(place.storage())
    publisher, participant, session = place.publish(arn)
    prefix = place.stages.participant(arn, participant, session)["recordingS3Prefix"]
    eventually(lambda: "media/hls/high/1.mp4" in s3.names(prefix), 60)
    s3.stop()
    spool = place.server.data_dir / "spool"
    eventually(lambda: len(list(spool.glob("*/[0-9]*.mp4"))) >= 3, 60, "the spool keeps what S3 does not take")
    publisher.leave()
    recorded(place.stages, arn, participant, session, "STOPPING")
    s3.start()
    recorded(place.stages, arn, participant, session, "STOPPED", timeout_s=150)
    playlist = check(s3.copy(prefix, tmp_path / "copy"), prefix)
    assert len(playlist.segments) >= 5
    eventually(lambda: place.names(arn, participant) == ["Recording Start", "Recording End"])
    place.server.stop()
