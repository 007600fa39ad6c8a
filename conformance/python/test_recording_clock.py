"""The wall clock is set by hours while a participant is recorded: what the recording says of its time stays right."""

import datetime
import os

import pytest

from support.own import ask
from support.place import Place
from support.recording import PLAYLIST, FfmpegPublisher, check, recorded
from support.wait import eventually
from test_clock import LIBRARY, Clock

if not LIBRARY and not os.environ.get("CI"):
    pytest.skip("skipped: libfaketime is not installed (Debian package faketime)", allow_module_level=True)

HOURS = [3, -3]
# Each part takes its clock from the arrival of its first half second, and a busy machine delays what FFmpeg sends.
TOLERANCE_S = 5


def parts(playlist):
    """(date, length in seconds) of each part of a playlist that begins with a date."""
    found, date, length = [], None, 0.0
    for line in playlist.splitlines():
        if line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            if date:
                found.append((date, length))
            date, length = datetime.datetime.fromisoformat(line.split(":", 1)[1]), 0.0
        elif line.startswith("#EXTINF:"):
            length += float(line.split(":")[1].rstrip(","))
    return [*found, (date, length)]


def pause_and_resume(place, arn, participant, prefix):
    """Makes another part, with a date of its own."""
    recordings = ask(place.server, "ListRecordings", {"stageArn": arn})["recordings"]
    recording = {"recordingId": next(it["recordingId"] for it in recordings if it["participantId"] == participant)}
    playlist = place.bucket.path(prefix, PLAYLIST)
    before = playlist.read_text(encoding="utf-8").count("#EXT-X-DISCONTINUITY")
    ask(place.server, "PauseRecording", recording)
    ask(place.server, "ResumeRecording", recording)
    goes_on = lambda: playlist.read_text(encoding="utf-8").count("#EXT-X-DISCONTINUITY") > before  # noqa: E731
    eventually(goes_on, 60, "the recording goes on")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("hours", HOURS)
def test_dates_and_order_stay_right(tmp_path, monkeypatch, hours):
    assert LIBRARY, "libfaketime is not installed: scripts/setup.sh test"
    clock = Clock(tmp_path / "clock", monkeypatch)
    clock.set(0)
    began = datetime.datetime.now(datetime.UTC)
    place = Place(tmp_path, name="recording_clock", environment=clock.environment()).start()
    try:
        arn = place.stage(place.storage())
        publisher, participant, session = place.publish(arn)
        prefix = place.stages.participant(arn, participant, session)["recordingS3Prefix"]
        place.has_segments(prefix, 2)
        clock.set(hours)
        pause_and_resume(place, arn, participant, prefix)
        # Who is recorded from now on has the same clock, as the session goes on.
        other, token = place.stages.token(arn)
        second = FfmpegPublisher(place.server.url, token)
        eventually(lambda: other in place.stages.participants(arn), 30, "another publishes")
        recorded(place.stages, arn, other, session, "ACTIVE")
        other_prefix = place.stages.participant(arn, other, session)["recordingS3Prefix"]
        place.has_segments(other_prefix, 2)
        clock.set(0)
        pause_and_resume(place, arn, participant, prefix)
        for leaving in (publisher, second):
            leaving.leave()
        ended = datetime.datetime.now(datetime.UTC)
        for who in (participant, other):
            recorded(place.stages, arn, who, session, "STOPPED")
        for found in (prefix, other_prefix):
            check(place.bucket, found)
            dated = parts(place.bucket.path(found, PLAYLIST).read_text(encoding="utf-8"))
            # A machine so busy that nothing comes for two seconds makes further parts.
            assert len(dated) >= (3 if found == prefix else 1)
            end = began
            for date, length in dated:
                assert (date - end).total_seconds() > -TOLERANCE_S, f"{dated}: {date} is before {end}"
                end = date + datetime.timedelta(seconds=length)
            assert (end - ended).total_seconds() < TOLERANCE_S, f"{dated}: the end is after {ended}"
            document = place.bucket.document(found, "ended")
            length_ms = sum(length for _, length in dated) * 1000
            assert abs(document["media"]["hls"]["duration_ms"] - length_ms) < 100
    finally:
        place.server.stop()
