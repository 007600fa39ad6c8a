"""A viewer that cannot decode what is published is notified: by the answer, on its socket, in history and metrics."""

import json
import re
import urllib.request

import pytest

from support import api, encoded
from support.encoded import EncodedPublisher
from support.media import Refused
from support.server import Server
from support.wait import eventually


@pytest.fixture
def stage(stages):
    """A stage, deleted after the test."""
    arn = stages.create("codecs")
    yield arn
    stages.ivs.delete_stage(arn=arn)


def publish(stages, media, stage, **arguments):
    ann, token = stages.token(stage)
    media.publish(token, identity=3, **arguments)
    eventually(lambda: stages.participants(stage).get(ann, {}).get("published"), what=f"{ann} is published")
    return ann


def errors(stages, stage, participant):
    """(name, errorCode, remoteParticipantId) of the errors in a history."""
    session = stages.session(stage)
    history = stages.ivs.list_participant_events(stageArn=stage, sessionId=session, participantId=participant)["events"]
    found = [event for event in history if event["name"].endswith("_ERROR")]
    return [(event["name"], event["errorCode"], event.get("remoteParticipantId")) for event in found]


def told(events):
    """The payloads of SUBSCRIBE_ERROR so far."""
    return [frame["payload"] for frame in events.frames if frame["type"] == "SUBSCRIBE_ERROR"]


def failures(server, reason):
    """What the counter of connections says."""
    with urllib.request.urlopen(server.url + "/metrics", timeout=10) as answer:
        text = answer.read().decode()
    pattern = rf'restage_connection_failures_total{{kind="subscribe",reason="{reason}"}} (\d+)'
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def test_a_viewer_without_any_codec_of_the_publisher_is_refused_at_once(server, stages, media, stage):
    ann = publish(stages, media, stage, codec="VP8", with_audio=False)
    bob, token = stages.token(stage)
    events = media.events(token)
    before = failures(server, "video-undecodable")
    with pytest.raises(Refused) as refused:
        media.watch(token, ann, codecs=["H264"], with_audio=False)
    assert refused.value.status == 422
    body = json.loads(refused.value.body)
    assert body["code"] == "CODEC_MISMATCH" and "VP8" in body["message"]
    eventually(lambda: told(events), what="the events socket tells")
    (payload,) = told(events)
    assert (payload["code"], payload["isOver"], payload["remoteParticipantId"]) == ("CODEC_MISMATCH", True, ann)
    assert errors(stages, stage, bob) == [("SUBSCRIBE_ERROR", "INVALID_VIDEO_CODEC", ann)]
    assert failures(server, "video-undecodable") == before + 1


def test_a_stranger_to_the_publisher_is_not_told_its_codecs(stages, media, stage):
    ann = publish(stages, media, stage, codec="VP8", with_audio=False)
    elsewhere = stages.create("elsewhere")
    with pytest.raises(Refused) as refused:
        media.watch(stages.token(elsewhere)[1], ann, codecs=["H264"], with_audio=False)
    assert refused.value.status == 404
    stages.ivs.delete_stage(arn=elsewhere)


def test_a_viewer_that_hears_and_does_not_see_is_told(stages, media, stage):
    ann = publish(stages, media, stage, codec="VP8")
    bob, token = stages.token(stage)
    events = media.events(token)
    viewer = media.watch(token, ann, codecs=["H264"])
    eventually(lambda: told(events), what="the events socket tells")
    (payload,) = told(events)
    assert (payload["code"], payload["reason"], payload["isOver"]) == ("CODEC_MISMATCH", "video-undecodable", False)
    assert "VP8" in payload["message"]
    eventually(lambda: errors(stages, stage, bob) == [("SUBSCRIBE_ERROR", "INVALID_VIDEO_CODEC", ann)])
    eventually(lambda: viewer.hears(3), what=f"the tone: {viewer}")
    assert viewer.frames == 0


def publish_high(stages, media, stage):
    """Pictures of High profile."""
    ann, token = stages.token(stage)
    groups = list(enumerate(encoded.encode(identity=1, pictures=60, profile="high")))
    peer = EncodedPublisher(media, api.payload(token)["whip_url"], token, groups)
    assert peer.profile.startswith("64")
    media.open(peer)
    eventually(lambda: stages.participants(stage).get(ann, {}).get("published"), what=f"{ann} is published")
    return ann, peer.profile


def test_high_profile_is_tried_with_viewers_of_baseline(stages, media, stage):
    ann, _ = publish_high(stages, media, stage)
    viewer = media.watch(stages.token(stage)[1], ann, with_audio=False, codecs=["H264"])
    eventually(lambda: viewer.seen[1] > 10, what=f"pictures: {viewer}")


def test_high_profile_is_not_tried_where_profiles_must_match(media, tmp_path):
    server = Server(tmp_path / "data", "--h264-profile-match", "strict", name="test_codecs_strict").start()
    try:
        stages = api.Stages(api.client(server))
        stage = stages.create("strict")
        ann, profile = publish_high(stages, media, stage)
        with pytest.raises(Refused) as refused:
            media.watch(stages.token(stage)[1], ann, with_audio=False, codecs=["H264"])
        assert refused.value.status == 422
        assert f"H264 profile-level-id {profile}" in refused.value.body
        media.close_peers()
    finally:
        server.stop()
