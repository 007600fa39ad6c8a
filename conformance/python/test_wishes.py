"""A viewer says what it wishes to be shown, in the WHEP URL and on its events socket, and is told what it is shown."""

import json

import pytest

from support.media import Refused
from support.wait import eventually, stays


@pytest.fixture
def pair(stages):
    """(source stage, destination stage), deleted after the test."""
    arns = stages.create("wishes-source"), stages.create("wishes-destination")
    yield arns
    for arn in arns:
        stages.ivs.delete_stage(arn=arn)


@pytest.fixture
def ann(stages, media, pair):
    """A participant who publishes in the source stage."""
    ann, token = stages.token(pair[0])
    media.publish(token, identity=7)
    eventually(lambda: stages.participants(pair[0]).get(ann, {}).get("published"), what="ann is published")
    return ann


def of_type(events, kind):
    """The payloads of this type so far."""
    return [frame["payload"] for frame in events.frames if frame["type"] == kind]


def configure(events, **payload):
    """Sends SUBSCRIBE_CONFIGURE and returns the answer's type and payload."""
    before = len(events.frames)
    events.send(json.dumps({"type": "SUBSCRIBE_CONFIGURE", "payload": payload}))

    def answer():
        new = [frame for frame in events.frames[before:] if frame["type"].startswith("SUBSCRIBE_CONFIGURE")]
        return new and (new[0]["type"], new[0]["payload"])

    return eventually(answer, what="an answer")


def stands(watcher):
    """Whether no picture comes for a while, although sound does."""
    frames, sounds = watcher.frames, watcher.sounds
    stays(lambda: watcher.frames <= frames + 2, 1.5, "no further picture")
    return watcher.sounds > sounds


def test_pictures_stop_and_come_back_as_the_viewer_wishes(stages, media, pair, ann):
    _, token = stages.token(pair[0])
    events = media.events(token)
    bob = media.watch(token, ann)
    bob.wait_for(7)
    eventually(lambda: of_type(events, "STAGE_STREAM_LAYER_SELECTED"), what="the layer is told")
    told = of_type(events, "STAGE_STREAM_LAYER_SELECTED")[0]
    assert (told["remoteParticipantId"], told["reason"], told["layer"]["label"]) == (ann, "SELECTED", "hi")
    assert told["session"] == bob.location.rsplit("/", 1)[1]
    assert (told["layer"]["width"], told["layer"]["height"]) == bob.size
    (layers,) = of_type(events, "STAGE_STREAM_LAYERS_CHANGED")
    assert [layer["label"] for layer in layers["layers"]] == ["hi"]
    assert of_type(events, "STAGE_STREAM_ADAPTION_CHANGED")[-1]["isAdapting"] is True

    kind, payload = configure(events, remoteParticipantId=ann, paused=True)
    assert kind == "SUBSCRIBE_CONFIGURED", payload
    assert (payload["paused"], payload["audioOnly"], payload["priority"]) == (True, False, 5)
    eventually(lambda: of_type(events, "STAGE_STREAM_PAUSE_CHANGED"), what="the pause is told")
    paused = of_type(events, "STAGE_STREAM_PAUSE_CHANGED")[-1]
    assert (paused["isPaused"], paused["reason"]) == (True, "WISH")
    assert stands(bob)
    configure(events, remoteParticipantId=ann, paused=False)
    bob.wait_for(7)
    pauses = lambda: of_type(events, "STAGE_STREAM_PAUSE_CHANGED")  # noqa: E731
    eventually(lambda: not pauses()[-1]["isPaused"], what="the end is told")


def test_a_wish_in_the_url_holds_from_the_beginning(stages, media, pair, ann):
    _, token = stages.token(pair[0])
    events = media.events(token)
    bob = media.watch(token, f"{ann}?audioOnly=true&priority=9&preferredLayer=low")
    eventually(lambda: bob.sounds >= 3 and bob.hears(7), what="the sound")
    assert bob.frames == 0
    _, payload = configure(events, remoteParticipantId=ann, audioOnly=False, maxHeight=720)
    assert (payload["priority"], payload["preferredLayer"], payload["maxHeight"]) == (9, "low", 720)
    bob.wait_for(7)
    told = eventually(lambda: of_type(events, "STAGE_STREAM_LAYER_SELECTED"), what="the layer is told")
    assert told[-1]["reason"] == "UNAVAILABLE", "there is no smaller layer, so the only one is shown instead"
    assert of_type(events, "STAGE_STREAM_ADAPTION_CHANGED")[-1]["isAdapting"] is False


def test_a_wrong_wish_is_refused_by_name_and_nothing_else_happens(stages, media, pair, ann):
    _, token = stages.token(pair[0])
    with pytest.raises(Refused) as refused:
        media.watch(token, f"{ann}?maxHeight=tall")
    assert refused.value.status == 400
    body = json.loads(refused.value.body)
    assert body["code"] == "INVALID" and body["message"].startswith("maxHeight in the URL must be an integer")

    events = media.events(token)
    bob = media.watch(token, ann)
    bob.wait_for(7)
    for payload, member in (
        ({}, "remoteParticipantId"),
        ({"remoteParticipantId": ann, "priority": 11}, "priority"),
        ({"remoteParticipantId": ann, "preferredLayer": ""}, "preferredLayer"),
        ({"remoteParticipantId": ann, "paused": "true"}, "paused"),
        ({"remoteParticipantId": ann, "paused": True, "maxHeight": 0}, "maxHeight"),
    ):
        kind, told = configure(events, **payload)
        assert (kind, told["code"], told["member"]) == ("SUBSCRIBE_CONFIGURE_ERROR", "INVALID", member)
        assert told["message"].startswith(f"payload.{member} must be")
    bob.wait_for(7)
    assert not events.is_closed


def test_a_stranger_cannot_wish_for_somebody_else(stages, media, pair, ann):
    _, token = stages.token(pair[0])
    bob = media.watch(token, ann)
    bob.wait_for(7)
    stranger = media.events(stages.token(pair[0])[1])
    kind, told = configure(stranger, remoteParticipantId=ann, paused=True)
    assert (kind, told["code"]) == ("SUBSCRIBE_CONFIGURE_ERROR", "NO_SUBSCRIPTION")
    bob.wait_for(7)
    assert not [frame for frame in stranger.frames if frame["type"].startswith("STAGE_STREAM")]


def test_wishes_are_bounded_in_rate_and_the_socket_stays(stages, media, pair, ann):
    _, token = stages.token(pair[0])
    events = media.events(token)
    bob = media.watch(token, ann)
    bob.wait_for(7)
    wish = json.dumps({"type": "SUBSCRIBE_CONFIGURE", "payload": {"remoteParticipantId": ann, "priority": 1}})
    for _ in range(400):
        events.send(wish)
    errors = lambda: of_type(events, "SUBSCRIBE_CONFIGURE_ERROR")  # noqa: E731
    eventually(lambda: len(errors()) + len(of_type(events, "SUBSCRIBE_CONFIGURED")) == 400, what="all answers")
    assert len(errors()) > 50 and {error["code"] for error in errors()} == {"TOO_OFTEN"}
    bob.wait_for(7)


def test_a_replicas_viewer_wishes_and_others_are_shown_what_they_were(stages, media, pair, ann):
    source, destination = pair
    stages.replicate(source, destination, ann)
    here = media.watch(stages.token(source)[1], ann)
    _, token = stages.token(destination)
    events = media.events(token)
    eventually(lambda: events.publishing() == {ann}, what="the replica")
    there = media.watch(token, ann)
    beside = media.watch(stages.token(destination)[1], ann)
    for watcher in (here, there, beside):
        watcher.wait_for(7)
    eventually(lambda: of_type(events, "STAGE_STREAM_LAYER_SELECTED"), what="the layer is told in the destination")
    kind, _ = configure(events, remoteParticipantId=ann, paused=True)
    assert kind == "SUBSCRIBE_CONFIGURED"
    eventually(lambda: of_type(events, "STAGE_STREAM_PAUSE_CHANGED"), what="the pause is told")
    assert stands(there)
    here.wait_for(7)
    beside.wait_for(7)
    configure(events, remoteParticipantId=ann, paused=None)
    there.wait_for(7)


def test_a_new_socket_is_told_what_is_shown_already(stages, media, pair, ann):
    _, token = stages.token(pair[0])
    bob = media.watch(token, ann)
    bob.wait_for(7)
    first = media.events(token)
    eventually(lambda: of_type(first, "STAGE_STREAM_LAYER_SELECTED"), what="the layer is told")
    second = media.events(token)
    eventually(lambda: of_type(second, "STAGE_STREAM_LAYER_SELECTED"), what="the layer is told again")
    eventually(lambda: first.is_closed, what="the first socket is replaced")
    assert [frame["type"] for frame in second.frames[:2]] == ["STAGE_STATE", "RESUMPTION"]
