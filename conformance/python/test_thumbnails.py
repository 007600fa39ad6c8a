"""Thumbnails of recordings: which there are, what they show, and that a decoder which is lost costs nothing else."""

import av
import pytest

from support.recording import FfmpegPublisher, check, recorded
from support.wait import eventually
from test_observability import value
from test_recording import Place

LATEST = "media/latest_thumbnail/high/thumb.jpg"


def numbered(number):
    return f"media/thumbnails/high/{number}.jpg"


def thumbnails(storage=("SEQUENTIAL", "LATEST"), interval_s=2):
    return {
        "thumbnailConfiguration": {
            "recordingMode": "INTERVAL",
            "storage": list(storage),
            "targetIntervalSeconds": interval_s,
        }
    }


def picture(path):
    """The one picture of a JPEG."""
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"
        (frame,) = container.decode(video=0)
        return frame


def colours(frame):
    """Number of different colours: a grey or empty picture has few."""
    pixels = frame.to_ndarray(format="rgb24").reshape(-1, 3)
    return len({tuple(pixel) for pixel in (pixels[::7] // 32).tolist()})


def jpegs(bucket, prefix):
    return [name for name in bucket.names(prefix) if name.endswith(".jpg")]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("thumbnails")).start()
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def storage(place):
    return place.storage()


@pytest.mark.timeout(180)
def test_a_recording_has_numbered_thumbnails_and_the_newest(place, storage):
    arn = place.stage(storage, **thumbnails())
    made_before = value(place.server, "restage_thumbnails_total", outcome="made")
    publisher, participant, session = place.publish(arn)
    prefix = place.stages.participant(arn, participant, session)["recordingS3Prefix"]
    eventually(lambda: place.bucket.has(prefix, numbered(1)) and place.bucket.has(prefix, LATEST), 60)
    first = place.bucket.path(prefix, LATEST).read_bytes()
    eventually(lambda: place.bucket.has(prefix, numbered(3)), 60, "three thumbnails")
    publisher.leave()
    recorded(place.stages, arn, participant, session, "STOPPED")
    check(place.bucket, prefix)
    names = jpegs(place.bucket, prefix)
    count = len(names) - 1
    assert sorted(names) == sorted([LATEST, *(numbered(number) for number in range(1, count + 1))])
    for name in names:
        frame = picture(place.bucket.path(prefix, name))
        assert (frame.width, frame.height) == (320, 180)
        assert colours(frame) > 8, name
    newest = place.bucket.path(prefix, LATEST).read_bytes()
    assert newest == place.bucket.path(prefix, numbered(count)).read_bytes() != first
    media = place.bucket.document(prefix, "ended")["media"]
    assert media["thumbnails"] == {"path": "media/thumbnails", "renditions": [{"path": "high"}]}
    assert media["latest_thumbnail"] == {"path": "media/latest_thumbnail", "renditions": [{"path": "high"}]}
    assert "recording_status_message" not in place.bucket.document(prefix, "ended")
    assert value(place.server, "restage_thumbnails_total", outcome="made") == made_before + count
    assert value(place.server, "restage_thumbnails_total", outcome="lost") == 0


@pytest.mark.timeout(180)
def test_thumbnails_alone(place, storage):
    arn = place.stage(storage, mediaTypes=["NONE"], **thumbnails(["LATEST"], 1))
    publisher, participant, session = place.publish(arn)
    prefix = place.stages.participant(arn, participant, session)["recordingS3Prefix"]
    eventually(lambda: place.bucket.has(prefix, LATEST), 60)
    first = place.bucket.path(prefix, LATEST).read_bytes()
    eventually(lambda: place.bucket.path(prefix, LATEST).read_bytes() != first, 60, "the next one")
    publisher.leave()
    recorded(place.stages, arn, participant, session, "STOPPED")
    assert jpegs(place.bucket, prefix) == [LATEST]
    assert not [name for name in place.bucket.names(prefix) if name.startswith("media/hls")]
    assert "hls" not in place.bucket.document(prefix, "ended")["media"]


@pytest.mark.timeout(240)
def test_numbers_go_on_when_the_publisher_and_the_server_come_back(tmp_path):
    place = Place(tmp_path).start()
    arn = place.stage(place.storage(), recordingReconnectWindowSeconds=120, **thumbnails(["SEQUENTIAL"], 1))
    participant, token = place.stages.token(arn)
    first = FfmpegPublisher(place.server.url, token)
    session = eventually(lambda: place.stages.session(arn), 30)
    prefix = recorded(place.stages, arn, participant, session, "ACTIVE")["recordingS3Prefix"]
    eventually(lambda: place.bucket.has(prefix, numbered(2)), 60)
    place.server.kill()
    first.kill()
    before = {name: place.bucket.path(prefix, name).read_bytes() for name in jpegs(place.bucket, prefix)}
    place.start()
    second = FfmpegPublisher(place.server.url, token)
    eventually(lambda: place.bucket.has(prefix, numbered(len(before) + 3)), 90, "thumbnails go on")
    place.ivs.delete_stage(arn=arn)
    second.kill()
    eventually(lambda: place.bucket.has(prefix, "events/recording-ended.json"), 60)
    names = jpegs(place.bucket, prefix)
    assert set(names) == {numbered(number) for number in range(1, len(names) + 1)}
    # None was overwritten by one of the second start.
    assert all(place.bucket.path(prefix, name).read_bytes() == jpeg for name, jpeg in before.items())
    place.server.stop()
