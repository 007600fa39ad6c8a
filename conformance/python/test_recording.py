"""Participants are recorded: what lies in the bucket, what the API and events say, and that nothing is lost."""

import re
import urllib.request

import pytest

from support import api, recording
from support.own import ask
from support.place import BUCKET, Place
from support.recording import FfmpegPublisher, Playlist, check, events_of, recorded
from support.wait import eventually


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
    assert detail["error_code"] == "ValidationException" and "VP8" in detail["reason"]
    prefix = row["recordingS3Prefix"]
    eventually(lambda: place.bucket.has(prefix, "events/recording-failed.json"))
    assert place.bucket.document(prefix, "failed")["recording_status"] == "RECORDING_START_FAILED"
    recording_id = ask(place.server, "ListRecordings", {"stageArn": arn})["recordings"][0]["recordingId"]
    link = ask(place.server, "GetRecordingUrl", {"recordingId": recording_id})["recordingUrl"]
    assert "url" in link and "playlistUrl" not in link, "there is nothing to play"
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
def test_who_comes_back_with_pictures_finds_a_track_for_them(place, storage):
    arn = place.stage(storage, recordingReconnectWindowSeconds=20)
    participant, token = place.stages.token(arn)
    first = FfmpegPublisher(place.server.url, token, has_pictures=False)
    session = eventually(lambda: place.stages.session(arn), 30)
    prefix = recorded(place.stages, arn, participant, session, "ACTIVE")["recordingS3Prefix"]
    place.has_segments(prefix, 3)
    first.leave()
    eventually(lambda: place.stages.participant(arn, participant, session)["state"] == "DISCONNECTED")
    second = FfmpegPublisher(place.server.url, token)
    playlist = place.bucket.path(prefix, recording.PLAYLIST)
    goes_on = lambda: playlist.read_text(encoding="utf-8").partition("#EXT-X-DISCONTINUITY")[2].count(".mp4") > 2  # noqa: E731
    eventually(goes_on, 60, "the recording goes on")
    second.leave()
    last = place.ivs.list_stage_sessions(stageArn=arn)["stageSessions"][0]["sessionId"]
    recorded(place.stages, arn, participant, last, "STOPPED")
    # All of it is played by the first init, without a warning: first black, then what was published.
    check(place.bucket, prefix)


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
    spool = place.server.data_dir / "spool"
    eventually(lambda: list(spool.glob("*/")) == [], 30, "everything is in the bucket")
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


@pytest.mark.timeout(240)
def test_nothing_is_lost_while_s3_is_away(tmp_path, s3):
    place = Place(tmp_path, s3=s3).start()
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
