"""All of a stage by one connection, whose offers the server makes over the events socket."""

import pytest

from support import api
from support.media import Refused
from support.receiving import Receiving
from support.wait import eventually


@pytest.fixture
def stage(stages):
    """A stage, deleted after the test."""
    arn = stages.create("receive")
    yield arn
    stages.ivs.delete_stage(arn=arn)


@pytest.fixture
def opened(media):
    """Opens receiving clients by token; their connections are closed after the test."""
    clients = []

    def open_one(token):
        said = api.payload(token)
        client = media.open(Receiving(media, f"{said['events_url']}/{said['topic']}", token))
        clients.append(client)
        eventually(client.states, what="the first state")
        return client

    yield open_one
    for client in clients:
        client.hang_up()


def publish(stages, media, stage, identity):
    """Publishes a card. Returns the participant's id and its publisher."""
    participant, token = stages.token(stage)
    publisher = media.publish(token, identity=identity)
    eventually(lambda: stages.participants(stage).get(participant, {}).get("published"), what="it is published")
    return participant, publisher


def viewer(stages, stage):
    """The id and the token of a participant that only watches."""
    return stages.token(stage, capabilities=["SUBSCRIBE"])


def states(payload):
    """What became of each participant: the code of a refusal, or the state."""
    return {one["remoteParticipantId"]: one.get("code", one["state"]) for one in payload["receive"]}


def newest(client):
    """The newest states."""
    return states(client.of_type("RECEIVE_CONFIGURED", "RECEIVE_STATE")[-1])


def sections(offer):
    """The sections of each participant."""
    return {one["remoteParticipantId"]: (one["audioMid"], one["videoMid"]) for one in offer["streams"]}


def test_two_participants_come_by_one_connection(stages, media, stage, opened):
    ann, _ = publish(stages, media, stage, 3)
    bob, _ = publish(stages, media, stage, 5)
    me, token = viewer(stages, stage)
    client = opened(token)
    kind, payload = client.configure(ann, bob)
    assert (kind, states(payload)) == ("RECEIVE_CONFIGURED", {ann: "ATTACHED", bob: "ATTACHED"})
    offer = client.offer()
    assert offer["connectionId"] == payload["connectionId"]
    kind, answered = client.answer(offer)
    expected = {"connectionId": payload["connectionId"], "revision": offer["revision"]}
    assert (kind, answered) == ("RECEIVE_ANSWERED", expected)
    for participant, identity in [(ann, 3), (bob, 5)]:
        audio, video = sections(offer)[participant]
        sees, hears = client.sinks[video], client.sinks[audio]
        eventually(
            lambda sees=sees, identity=identity: sees.seen[identity] >= 5, 60, f"pictures of {identity}; {client.sinks}"
        )
        eventually(lambda hears=hears, identity=identity: hears.hears(identity), 60, f"the tone of {identity}")
    kind, told = client.ask(
        "SUBSCRIBE_CONFIGURE",
        "SUBSCRIBE_CONFIGURED",
        "SUBSCRIBE_CONFIGURE_ERROR",
        remoteParticipantId=ann,
        maxHeight=180,
    )
    assert (kind, told["maxHeight"]) == ("SUBSCRIBE_CONFIGURED", 180)
    layers = eventually(lambda: client.of_type("STAGE_STREAM_LAYERS_CHANGED"), what="layers are told")
    assert {one["remoteParticipantId"] for one in layers} <= {ann, bob}
    names = [event["name"] for event in stages.events(stage, me)]
    assert names.count("SUBSCRIBE_STARTED") == 2, names


def test_who_is_awaited_is_attached_and_awaited_again(stages, media, stage, opened):
    ann, ann_token = stages.token(stage)
    _, token = viewer(stages, stage)
    client = opened(token)
    assert states(client.configure(ann)[1]) == {ann: "WAITING"}
    publisher = media.publish(ann_token, identity=9)
    eventually(lambda: newest(client) == {ann: "ATTACHED"}, what="she is attached")
    offer = client.offer()
    assert client.answer(offer)[0] == "RECEIVE_ANSWERED"
    video = client.sinks[sections(offer)[ann][1]]
    eventually(lambda: video.seen[9] >= 5, what="pictures")
    publisher.leave()
    eventually(lambda: newest(client) == {ann: "WAITING"}, what="she is awaited again")
    gone = client.offer()
    assert gone["streams"] == []
    assert gone["sdp"].count("a=inactive") == 2


def test_a_session_by_whep_and_this_connection_replace_each_other(stages, media, stage, opened):
    ann, _ = publish(stages, media, stage, 4)
    _, token = viewer(stages, stage)
    by_whep = media.watch(token, ann)
    client = opened(token)
    assert states(client.configure(ann)[1]) == {ann: "ATTACHED"}
    assert client.answer(client.offer())[0] == "RECEIVE_ANSWERED"
    eventually(lambda: by_whep.state in ("closed", "failed"), what="the session by WHEP has ended")
    media.watch(token, ann)
    eventually(lambda: newest(client) == {ann: "REPLACED"}, what="it is replaced in turn")
    assert states(client.configure(ann)[1]) == {ann: "ATTACHED"}, "the next configuration tries again"


def test_another_socket_of_the_participant_adopts_the_connection_and_nobody_else(stages, media, stage, opened):
    ann, _ = publish(stages, media, stage, 6)
    _, token = viewer(stages, stage)
    first = opened(token)
    _, payload = first.configure(ann)
    connection = payload["connectionId"]
    open_offer = first.offer()
    first.close()
    _, stranger = viewer(stages, stage)
    other = opened(stranger)
    kind, told = other.configure(ann, connection=connection)
    assert kind == "RECEIVE_CONFIGURED"
    assert told["connectionId"] != connection, "a new one"
    second = opened(token)
    kind, told = second.configure(ann, connection=connection)
    assert (kind, told["connectionId"]) == ("RECEIVE_CONFIGURED", connection)
    again = second.offer()
    assert again == open_offer, "the open offer is told again"
    assert second.answer(again)[0] == "RECEIVE_ANSWERED"
    video = second.sinks[sections(again)[ann][1]]
    eventually(lambda: video.seen[6] >= 5, what="pictures")
    third = opened(token)
    kind, told = third.configure(ann)
    assert told["connectionId"] != connection, "without its id it is replaced"


def test_what_does_not_fit_is_refused_and_changes_nothing(stages, media, stage, opened):
    ann, _ = publish(stages, media, stage, 8)
    _, token = viewer(stages, stage)
    client = opened(token)
    answers = ("RECEIVE_CONFIGURED", "RECEIVE_CONFIGURE_ERROR")
    for receive, member in [
        (None, "receive"),
        ([{"remoteParticipantId": ann}], "receive[0].media"),
        ([{"remoteParticipantId": ann, "media": "AUDIO_VIDEO", "maxHeight": 0}], "receive[0].maxHeight"),
        ([{"remoteParticipantId": f"p{one}", "media": "AUDIO_ONLY"} for one in range(49)], "receive"),
    ]:
        kind, told = client.ask("RECEIVE_CONFIGURE", *answers, receive=receive)
        assert (kind, told["code"], told["member"]) == ("RECEIVE_CONFIGURE_ERROR", "INVALID", member)
    kind, told = client.ask("RECEIVE_RESTART", "RECEIVE_RESTART_ERROR", connectionId="none")
    assert told["code"] == "NO_CONNECTION"
    _, payload = client.configure(ann)
    offer = client.offer()
    other = {**offer, "revision": offer["revision"] + 1}
    assert client.answer(other)[1]["code"] == "WRONG_REVISION"
    for edit in [
        lambda sdp: "hello",
        lambda sdp: sdp.replace("m=video", "m=audio"),
        lambda sdp: sdp.replace("a=setup:active", "a=setup:actpass"),
        lambda sdp: sdp.split("m=video")[0],
    ]:
        about = {"connectionId": offer["connectionId"], "revision": offer["revision"]}
        sdp = edit(client.pc.localDescription.sdp)
        kind, told = client.ask("RECEIVE_ANSWER", "RECEIVE_ANSWERED", "RECEIVE_ANSWER_ERROR", sdp=sdp, **about)
        assert (kind, told["code"]) == ("RECEIVE_ANSWER_ERROR", "INVALID_SDP"), told
        assert told["revision"] == offer["revision"]
    assert states(payload) == newest(client) == {ann: "ATTACHED"}
    about["sdp"] = client.pc.localDescription.sdp
    assert client.ask("RECEIVE_ANSWER", "RECEIVE_ANSWERED", "RECEIVE_ANSWER_ERROR", **about)[0] == "RECEIVE_ANSWERED"
    video = client.sinks[sections(offer)[ann][1]]
    eventually(lambda: video.seen[8] >= 5, what="pictures")
    kind, closed = client.ask("RECEIVE_CLOSE", "RECEIVE_CLOSED", connectionId=offer["connectionId"])
    assert closed["code"] == "CLOSED"


def test_rules_hold_as_for_whep(stages, media, stage, opened):
    ann, _ = publish(stages, media, stage, 2)
    _, publisher_only = stages.token(stage, capabilities=["PUBLISH"])
    kind, told = opened(publisher_only).configure(ann)
    assert (kind, told["code"]) == ("RECEIVE_CONFIGURE_ERROR", "TOKEN_NOT_ALLOWED")
    me, token = viewer(stages, stage)
    client = opened(token)
    client.configure(ann)
    assert client.answer(client.offer())[0] == "RECEIVE_ANSWERED"
    eventually(lambda: client.pc.connectionState == "connected", what="it is connected")
    stages.ivs.disconnect_participant(stageArn=stage, participantId=me)
    eventually(lambda: client.is_closed, what="the socket is closed")
    assert client.close_code == 4410
    eventually(lambda: client.pc.connectionState in ("closed", "failed"), what="the server has hung up")
    with pytest.raises(Refused) as refused:
        media.watch(token, ann)
    assert refused.value.status == 403
