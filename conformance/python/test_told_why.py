"""A connection fails: both ends get the reason, wherever they look."""

import json

import pytest

from support import stun
from support.wait import eventually, stays
from test_observability import value
from test_whip import bearer, make_offer, post

FAILURES = "restage_connection_failures_total"
# The server waits 15 seconds for media; a busy machine may take longer to say so.
GIVES_UP_S = 40


@pytest.fixture
def arn(stages):
    return stages.create("why")


def errors(events):
    return [frame for frame in events.frames if frame["type"].endswith("_ERROR")]


def history(stages, arn, participant):
    """(name, error code) of each line of a participant's history."""
    return [(event["name"], event.get("errorCode")) for event in stages.events(arn, participant)]


def ended(media, url, token):
    """The end of a session as its URL reports it; None while it is open."""
    status, _, text = media.request("GET", url, headers=bearer(token))
    assert status in (404, 405), text
    return json.loads(text).get("ended")


def test_a_publisher_that_is_never_heard(server, media, stages, arn):
    participant, token = stages.token(arn)
    socket = media.events(token)
    others = media.events(stages.token(arn)[1])
    offer = make_offer(media)
    before = value(server, FAILURES, kind="publish", reason="no-stun")
    status, headers, _ = post(media, f"{server.url}/whip", token, offer)
    assert status == 201
    url = server.url + headers["Location"]
    status, allowed, _ = media.request("GET", url, headers=bearer(token))
    assert (status, "DELETE" in allowed["Allow"]) == (405, True)

    told = eventually(lambda: errors(socket), GIVES_UP_S, "the socket is told")
    assert [frame["type"] for frame in told] == ["PUBLISH_ERROR"]
    payload = told[0]["payload"]
    message = payload.pop("message")
    assert f"UDP port {server.media_port} of" in message and "127.0.0.1" in message and "--media-ip" in message
    assert payload == {
        "code": "NO_MEDIA_PATH",
        "reason": "no-stun",
        "stageId": arn.rsplit("/", 1)[1],
        "participantId": participant,
        "session": url.rsplit("/", 1)[1],
        "isOver": True,
    }
    eventually(
        lambda: ("PUBLISH_ERROR", "INVALID_INPUT") in history(stages, arn, participant), what="it is in the history"
    )
    assert value(server, FAILURES, kind="publish", reason="no-stun") == before + 1
    assert server.logged("publishing did not come about", participant)
    lines = [line for line in server.log if "publishing did not come about" in line and participant in line]
    assert len(lines) == 1 and message in lines[0]
    reason = ended(media, url, token)
    assert reason == {"code": "NO_MEDIA_PATH", "reason": "no-stun", "message": message}
    for method, more in (("DELETE", {}), ("PATCH", {"Content_Type": "application/json"})):
        status, _, text = media.request(method, url, headers=bearer(token, **more))
        body = json.loads(text)
        assert (status, body["code"], body["ended"]) == (404, "NO_SESSION", reason)
        assert message in body["message"]
    # Another participant learns nothing, on its socket or by asking.
    assert ended(media, url, stages.token(arn)[1]) is None
    assert errors(others) == []


def test_a_viewer_that_is_never_heard(server, media, stages, arn):
    ann, token = stages.token(arn)
    media.publish(token)
    bob, watching = stages.token(arn)
    socket = media.events(watching)
    offer = make_offer(media, direction="recvonly")
    status, _, _ = post(media, f"{server.url}/whep/{ann}", watching, offer)
    assert status == 201
    told = eventually(lambda: errors(socket), GIVES_UP_S, "the socket is told")[0]
    assert told["type"] == "SUBSCRIBE_ERROR"
    assert told["payload"]["remoteParticipantId"] == ann
    assert told["payload"]["code"] == "NO_MEDIA_PATH"
    eventually(lambda: ("SUBSCRIBE_ERROR", "INVALID_INPUT") in history(stages, arn, bob), what="it is in the history")


def test_who_gives_up_reads_how_far_it_came_in_the_answer(server, media, stages, arn):
    participant, token = stages.token(arn)
    watcher = media.events(token)
    status, headers, _ = post(media, f"{server.url}/whip", token, make_offer(media))
    assert status == 201
    before = value(server, FAILURES, kind="publish", reason="no-stun")
    status, headers, text = media.request("DELETE", server.url + headers["Location"], headers=bearer(token))
    assert status == 200 and headers["Content-Type"].startswith("application/json")
    body = json.loads(text)
    assert (body["code"], body["reason"]) == ("NO_MEDIA_PATH", "no-stun")
    assert f"UDP port {server.media_port}" in body["message"]
    # Within two seconds it changed its mind: that is no failure.
    assert value(server, FAILURES, kind="publish", reason="no-stun") == before
    assert history(stages, arn, participant) == [("JOINED", None)]

    _, headers, _ = post(media, f"{server.url}/whip", token, make_offer(media))
    stays(lambda: errors(watcher) == [], 2.2, "nothing is wrong yet")
    media.request("DELETE", server.url + headers["Location"], headers=bearer(token))
    eventually(lambda: errors(watcher), what="the socket is told")
    assert value(server, FAILURES, kind="publish", reason="no-stun") == before + 1
    assert history(stages, arn, participant) == [("JOINED", None), ("PUBLISH_ERROR", "INVALID_INPUT")]


def test_who_leaves_a_connection_that_was_up_reads_nothing(media, stages, arn):
    token = stages.token(arn)[1]
    publisher = media.publish(token)
    status, _, text = media.request("DELETE", publisher.location, headers=publisher.authorization)
    assert (status, text) == (200, "")


def test_an_offer_without_a_codec(server, media, stages, arn):
    ann, token = stages.token(arn)
    # The history begins with the first join.
    socket = media.events(token)
    offer = make_offer(media, kinds=("video",)).replace("VP8/90000", "VP7/90000").replace("H264/90000", "H261/90000")
    before = value(server, FAILURES, kind="publish", reason="no-video-codec")
    status, _, text = post(media, f"{server.url}/whip", token, offer)
    body = json.loads(text)
    assert (status, body["code"]) == (422, "CODEC_MISMATCH")
    told = eventually(lambda: errors(socket), what="the socket is told")[0]
    assert told["payload"]["code"] == "CODEC_MISMATCH" and "session" not in told["payload"]
    assert told["payload"]["message"] == body["message"]
    assert ("PUBLISH_ERROR", "INVALID_VIDEO_CODEC") in history(stages, arn, ann)
    assert value(server, FAILURES, kind="publish", reason="no-video-codec") == before + 1
    assert server.logged("publishing did not come about", body["message"])


def test_a_join_that_the_rules_refuse(server, media, stages, arn):
    token = stages.token(arn)[1]
    socket = media.events(token)
    status, _, text = post(media, f"{server.url}/whep/nobody", token, make_offer(media, direction="recvonly"))
    body = json.loads(text)
    assert status == 404
    told = eventually(lambda: errors(socket), what="the socket is told")[0]
    assert told["type"] == "SUBSCRIBE_ERROR"
    assert (told["payload"]["code"], told["payload"]["message"]) == (body["code"], body["message"])
    assert value(server, FAILURES, kind="subscribe", reason="not-found") >= 1


def test_a_wrong_password(server, media, stages, arn):
    """Checks arrive, but made with another password than the answer's."""
    token = stages.token(arn)[1]
    offer = make_offer(media)
    _, headers, answer = post(media, f"{server.url}/whip", token, offer)
    username = f"{stun.credentials(answer)[0]}:{stun.credentials(offer)[0]}"
    assert stun.ask("127.0.0.1", server.media_port, username, "x" * 24, wait_s=stun.SILENCE_S) is None
    _, _, text = media.request("DELETE", server.url + headers["Location"], headers=bearer(token))
    assert json.loads(text)["code"] == "ICE_FAILED"


def test_sessions_that_the_rules_end_say_so(media, stages, ivs, arn):
    ann, token = stages.token(arn)
    publisher = media.publish(token)
    watching = stages.token(arn)[1]
    watcher = media.watch(watching, ann)
    ivs.disconnect_participant(stageArn=arn, participantId=ann)
    said = eventually(lambda: ended(media, publisher.location, token), what="the publisher's session has ended")
    assert said["code"] == "PARTICIPANT_DISCONNECTED"
    said = eventually(lambda: ended(media, watcher.location, watching), what="the viewer's session has ended")
    assert said["code"] == "PUBLISHER_LEFT"
