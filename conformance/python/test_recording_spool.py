"""What becomes of recordings when their spool is missing, lost, or damaged."""

import re
import shutil
import urllib.request

import pytest

from support.place import Place
from support.recording import FfmpegPublisher, check, recorded
from support.s3 import S3, Fault, FaultyProxy
from support.wait import eventually


def get(place, path):
    with urllib.request.urlopen(f"{place.server.url}{path}", timeout=10) as answer:
        return answer.read().decode()


def interrupted(place, s3):
    """A recording of which some segments wait in the spool, because its S3 and then its server have gone."""
    arn = place.stage(place.storage())
    publisher, participant, session = place.publish(arn)
    prefix = place.stages.participant(arn, participant, session)["recordingS3Prefix"]
    eventually(lambda: "media/hls/high/1.mp4" in s3.names(prefix), 60)
    s3.stop()
    spool = place.server.data_dir / "spool"
    eventually(lambda: len(list(spool.glob("*/[0-9]*.mp4"))) >= 2, 60, "the spool keeps what S3 does not take")
    place.server.kill()
    publisher.kill()
    s3.start()
    return arn, participant, session, prefix


@pytest.mark.timeout(300)
def test_a_spool_that_is_missing_is_waited_for(tmp_path, s3):
    place = Place(tmp_path, s3=s3, name="test_recording_spool").start()
    arn, participant, session, prefix = interrupted(place, s3)
    spool, away = place.server.data_dir / "spool", tmp_path / "away"
    spool.rename(away)
    # The place where a disk was mounted is empty.
    spool.mkdir(mode=0o700)
    place.start()
    assert place.stages.participant(arn, participant, session)["recordingState"] == "STOPPING"
    assert "--accept-spool-loss" in get(place, "/readyz")
    assert re.search(r"^restage_spool_missing 1$", get(place, "/metrics"), re.MULTILINE)
    # Nothing can be recorded meanwhile, which is said.
    other = place.stage(place.storage())
    newcomer, token = place.stages.token(other)
    publisher = FfmpegPublisher(place.server.url, token)
    live = eventually(lambda: place.stages.session(other), 30)
    recorded(place.stages, other, newcomer, live, "FAILED")
    publisher.kill()
    assert place.stages.participant(arn, participant, session)["recordingState"] == "STOPPING"
    assert place.names(arn, participant) == ["Recording Start"]
    # The disk is mounted again.
    shutil.rmtree(spool)
    away.rename(spool)
    recorded(place.stages, arn, participant, session, "STOPPED", timeout_s=90)
    playlist = check(s3.copy(prefix, tmp_path / "copy"), prefix)
    assert len(playlist.segments) >= 4
    eventually(lambda: place.names(arn, participant) == ["Recording Start", "Recording End"])
    assert get(place, "/readyz") == "ready\n"
    place.server.stop()


@pytest.mark.timeout(300)
def test_a_spool_that_is_lost_is_given_up_when_the_operator_says_so(tmp_path, s3):
    place = Place(tmp_path, s3=s3, name="test_recording_spool_lost").start()
    arn, participant, session, prefix = interrupted(place, s3)
    spool = place.server.data_dir / "spool"
    shutil.rmtree(spool)
    place.start()
    assert place.stages.participant(arn, participant, session)["recordingState"] == "STOPPING"
    place.server.stop()
    lost = Place(tmp_path, "--accept-spool-loss", s3=s3, name="test_recording_spool_lost").start()
    recorded(lost.stages, arn, participant, session, "FAILED", timeout_s=60)
    # What is in the bucket is closed, and says that it is not all.
    bucket = s3.copy(prefix, tmp_path / "copy")
    text = bucket.path(prefix, "media/hls/high/playlist.m3u8").read_text(encoding="utf-8")
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in text and text.endswith("#EXT-X-ENDLIST\n")
    document = bucket.document(prefix, "failed")
    assert document["recording_status"] == "RECORDING_ENDED_WITH_FAILURE"
    assert document["media"]["hls"]["duration_ms"] > 0
    eventually(lambda: lost.names(arn, participant) == ["Recording Start", "Recording End Failure"])
    lost.server.stop()


@pytest.mark.timeout(300)
def test_a_folder_without_its_job_or_journal_ends_truthfully(tmp_path, s3):
    place = Place(tmp_path, s3=s3, name="test_recording_spool_job").start()
    arn, participant, session, prefix = interrupted(place, s3)
    (folder,) = (place.server.data_dir / "spool").glob("*/")
    (folder / "job.json").unlink()
    place.start()
    # The row knows where it goes, so nothing is missing.
    recorded(place.stages, arn, participant, session, "STOPPED", timeout_s=90)
    check(s3.copy(prefix, tmp_path / "copy"), prefix)
    arn, participant, session, prefix = interrupted(place, s3)
    (folder,) = (place.server.data_dir / "spool").glob("*/")
    (folder / "journal").unlink()
    place.start()
    recorded(place.stages, arn, participant, session, "FAILED", timeout_s=90)
    bucket = s3.copy(prefix, tmp_path / "second")
    assert "journal" in bucket.document(prefix, "failed")["recording_status_message"]
    # Each segment says how long it is, so all of them are listed and can be played.
    assert len(check(bucket, prefix).segments) >= 4
    eventually(lambda: not folder.exists(), 30, "nothing of it is in the spool any more")
    place.server.stop()


def failing(place):
    """How many buckets do not accept what is recorded."""
    found = re.search(r"^restage_buckets_failing (\d+)$", get(place, "/metrics"), re.MULTILINE)
    return int(found[1])


@pytest.mark.timeout(300)
def test_a_recording_waits_while_its_bucket_is_in_another_place(tmp_path, s3):
    place = Place(tmp_path, s3=s3, name="test_recording_spool_place").start()
    arn, participant, session, prefix = interrupted(place, s3)
    there = s3.names(prefix)
    other = S3()
    elsewhere = Place(tmp_path, s3=other, name="test_recording_spool_place").start()
    eventually(lambda: failing(elsewhere) == 1, 30, "the alarm")
    assert elsewhere.stages.participant(arn, participant, session)["recordingState"] == "STOPPING"
    elsewhere.server.logged("uploads wait", "--accept-moved-buckets", s3.url, other.url)
    elsewhere.server.stop()
    # Both services show the same objects, so that this says it of both.
    assert s3.names(prefix) == there, "nothing is uploaded meanwhile"
    other.stop()
    back = Place(tmp_path, s3=s3, name="test_recording_spool_place").start()
    recorded(back.stages, arn, participant, session, "STOPPED", timeout_s=90)
    assert len(check(s3.copy(prefix, tmp_path / "copy"), prefix).segments) >= 4
    back.server.stop()


@pytest.mark.timeout(300)
def test_a_recording_that_begins_while_credentials_have_expired_is_kept(tmp_path):
    s3 = S3(FaultyProxy)
    place = Place(tmp_path, s3=s3, name="test_recording_spool_expired").start()
    arn = place.stage(place.storage())
    s3.proxy.fail(lambda: Fault.EXPIRED)
    publisher, participant, session = place.publish(arn)
    eventually(lambda: failing(place) == 1, 30, "the alarm")
    publisher.leave()
    assert place.stages.participant(arn, participant, session)["recordingState"] == "STOPPING"
    s3.proxy.calm()
    recorded(place.stages, arn, participant, session, "STOPPED", timeout_s=90)
    assert place.names(arn, participant) == ["Recording Start", "Recording End"]
    place.server.stop()
    s3.proxy.close()
    s3.stop()
