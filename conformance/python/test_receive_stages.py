"""What the participants of a connection token receive in several stages: one connection, by the token's own socket."""

import re

import pytest

from support import api
from support.receiving import ReceivingStages, viewer
from support.tokens import KeyPair
from support.wait import eventually, stays


@pytest.fixture(scope="module")
def key(ivs):
    return KeyPair().import_into(ivs, name="receive")


@pytest.fixture
def two(ivs):
    """Two stages as CreateStage answers them, deleted after the test."""
    made = [ivs.create_stage(name=name)["stage"] for name in ("one", "two")]
    yield made
    for stage in made:
        ivs.delete_stage(arn=stage["arn"])


@pytest.fixture
def opened(media):
    """Opens the socket of a connection token; its connection is closed after the test."""
    clients = []

    def open_one(token):
        client = media.open(ReceivingStages(media, token))
        clients.append(client)
        eventually(lambda: client.of_type("CONNECTION_STATE"), what="it is accepted")
        return client

    yield open_one
    for client in clients:
        client.hang_up()


def publish(stages, media, stage, identity):
    """Publishes a card. Returns the participant's id."""
    participant, token = stages.token(stage["arn"])
    media.publish(token, identity=identity)
    eventually(lambda: stages.participants(stage["arn"]).get(participant, {}).get("published"), what="it is published")
    return participant


def watching(stages, media, stage, connection):
    """The token of a participant that watches with a connection token, and its events socket."""
    _, token = stages.token(stage["arn"], capabilities=["SUBSCRIBE"])
    events = media.events(token, connection=connection)
    eventually(events.states, what="the first state")
    return token, events


def states(payload):
    """By stage what became of each participant, or the code of the stage."""
    return {
        one["stageId"]: one.get(
            "code", {of["remoteParticipantId"]: of.get("code", of["state"]) for of in one["receive"]}
        )
        for one in payload["stages"]
    }


def newest(client):
    return states(client.of_type("RECEIVE_CONFIGURED", "RECEIVE_STATE")[-1])


def topic(stage):
    return stage["arn"].rsplit("/", 1)[1]


def offered(client, count):
    """The first offer with so many participants. Those before it and itself are answered."""
    while True:
        offer = client.offer()
        assert client.answer(offer)[0] == "RECEIVE_ANSWERED"
        if len(offer["streams"]) == count:
            return offer


def transport(offer):
    """What another handshake would change."""
    return re.findall(r"a=(?:ice-ufrag|ice-pwd|fingerprint):.*", offer["sdp"])


def test_one_connection_goes_from_stage_to_stage_without_a_new_handshake(stages, media, key, two, opened):
    mine = key.connection_token(two[0])
    ann, bob = publish(stages, media, two[0], 3), publish(stages, media, two[1], 5)
    first, _ = watching(stages, media, two[0], mine)
    second, _ = watching(stages, media, two[1], mine)
    client = opened(mine)
    _, payload = client.configure((first, [ann]))
    connection = payload["connectionId"]
    eventually(lambda: newest(client) == {topic(two[0]): {ann: "ATTACHED"}}, what="ann is attached")
    offer = client.offer()
    [stream] = offer["streams"]
    assert stream.items() >= {**viewer(first), "remoteParticipantId": ann}.items()
    assert client.answer(offer)[0] == "RECEIVE_ANSWERED"
    video = client.sinks[stream["videoMid"]]
    eventually(lambda: video.seen[3] >= 5, what="pictures")
    # The second stage besides, and then alone.
    client.configure((first, [ann]), (second, [bob]), connection=connection)
    both = offered(client, 2)
    assert {one["remoteParticipantId"]: one["stageId"] for one in both["streams"]} == {
        ann: topic(two[0]),
        bob: topic(two[1]),
    }
    client.configure((second, [bob]), connection=connection)
    last = offered(client, 1)
    assert [one["remoteParticipantId"] for one in last["streams"]] == [bob]
    assert transport(last)[:3] == transport(both)[:3] == transport(offer)[:3]
    assert {one["connectionId"] for one in (offer, both, last)} == {connection}
    # The participants are subscribers like any other.
    names = [event["name"] for event in stages.events(two[1]["arn"], viewer(second)["participantId"])]
    assert "SUBSCRIBE_STARTED" in names


def test_a_publisher_and_its_replica_come_by_one_connection(stages, ivs, media, key, two, opened):
    mine = key.connection_token(two[0])
    ann = publish(stages, media, two[0], 3)
    ivs.start_participant_replication(
        sourceStageArn=two[0]["arn"], destinationStageArn=two[1]["arn"], participantId=ann
    )
    first, _ = watching(stages, media, two[0], mine)
    second, _ = watching(stages, media, two[1], mine)
    client = opened(mine)
    client.configure((first, [ann]), (second, [ann]))
    attached = {topic(stage): {ann: "ATTACHED"} for stage in two}
    eventually(lambda: newest(client) == attached, what="both are attached")
    streams = offered(client, 2)["streams"]
    assert {one["stageId"] for one in streams} == {topic(stage) for stage in two}
    assert len({one["videoMid"] for one in streams}) == 2


def test_only_participants_of_the_token_are_received_for(stages, media, key, two, opened):
    mine, others = key.connection_token(two[0]), key.connection_token(two[0])
    ann = publish(stages, media, two[0], 3)
    own, _ = watching(stages, media, two[0], mine)
    strange, _ = watching(stages, media, two[0], others)
    without, _ = watching(stages, media, two[0], None)
    publisher_only = stages.token(two[0]["arn"], capabilities=["PUBLISH"])[1]
    media.events(publisher_only, connection=mine)
    client = opened(mine)
    for token, code in [(strange, "NO_SOCKET"), (without, "NO_SOCKET"), (publisher_only, "TOKEN_NOT_ALLOWED")]:
        kind, payload = client.configure((token, [ann]))
        assert (kind, states(payload)) == ("RECEIVE_CONFIGURED", {topic(two[0]): code})
    assert client.of_type("RECEIVE_OFFER") == []
    client.configure((own, [ann]))
    eventually(lambda: newest(client) == {topic(two[0]): {ann: "ATTACHED"}}, what="ann is attached")


def test_a_viewer_that_is_disconnected_leaves_the_others(stages, ivs, media, key, two, opened):
    mine = key.connection_token(two[0])
    ann, bob = publish(stages, media, two[0], 3), publish(stages, media, two[1], 5)
    first, _ = watching(stages, media, two[0], mine)
    second, _ = watching(stages, media, two[1], mine)
    client = opened(mine)
    client.configure((first, [ann]), (second, [bob]))
    both = {topic(two[0]): {ann: "ATTACHED"}, topic(two[1]): {bob: "ATTACHED"}}
    eventually(lambda: newest(client) == both, what="both are attached")
    offered(client, 2)
    ivs.disconnect_participant(stageArn=two[0]["arn"], participantId=viewer(first)["participantId"])
    eventually(lambda: newest(client) == {topic(two[1]): {bob: "ATTACHED"}}, what="one is left")
    assert [one["remoteParticipantId"] for one in offered(client, 1)["streams"]] == [bob]
    assert client.of_type("RECEIVE_CLOSED") == []


def test_a_viewer_comes_back_to_what_it_had(stages, media, key, two, opened):
    mine = key.connection_token(two[0])
    ann = publish(stages, media, two[0], 3)
    token, events = watching(stages, media, two[0], mine)
    client = opened(mine)
    _, payload = client.configure((token, [ann]))
    eventually(lambda: newest(client) == {topic(two[0]): {ann: "ATTACHED"}}, what="ann is attached")
    client.answer(client.offer())
    events.close()
    refused = {topic(two[0]): "NO_SOCKET"}
    eventually(
        lambda: states(client.configure((token, [ann]), connection=payload["connectionId"])[1]) == refused,
        what="it is away",
    )
    again = media.events(token, connection=mine)
    eventually(again.states, what="the first state")
    _, told = client.configure((token, [ann]), connection=payload["connectionId"])
    assert states(told) == {topic(two[0]): {ann: "ATTACHED"}}
    stays(lambda: len(client.of_type("RECEIVE_OFFER")) == 1, 1, "nothing is interrupted")


def test_another_socket_of_the_token_adopts_the_connection(stages, media, key, two, opened):
    mine = key.connection_token(two[0])
    ann = publish(stages, media, two[0], 3)
    token, _ = watching(stages, media, two[0], mine)
    first = opened(mine)
    connection = first.configure((token, [ann]))[1]["connectionId"]
    offer = first.offer()
    first.close()
    second = opened(mine)
    kind, told = second.configure((token, [ann]), connection=connection)
    assert (kind, told["connectionId"]) == ("RECEIVE_CONFIGURED", connection)
    assert second.offer() == offer, "the open offer is told again"
    assert second.answer(offer)[0] == "RECEIVE_ANSWERED"


def test_a_revoked_token_ends_its_connection_at_once(stages, ivs, media, key, two, opened):
    mine = key.connection_token(two[0])
    ann = publish(stages, media, two[0], 3)
    token, _ = watching(stages, media, two[0], mine)
    client = opened(mine)
    client.configure((token, [ann]))
    assert client.answer(client.offer())[0] == "RECEIVE_ANSWERED"
    eventually(lambda: client.pc.connectionState == "connected", what="it is connected")
    ivs.revoke_connection_token(tokenId=api.payload(mine)["jti"])
    eventually(lambda: client.is_closed and client.close_reason == "TOKEN_REVOKED", what="its socket is closed")
    eventually(lambda: client.pc.connectionState in ("closed", "failed"), timeout_s=5, what="its media has ended")


@pytest.mark.parametrize(
    ("stages_wanted", "member"),
    [
        (None, "stages"),
        ([{}] * 17, "stages"),
        ([{"stageId": "", "participantId": "p", "receive": []}], "stages[0].stageId"),
        ([{"stageId": "s", "participantId": 7, "receive": []}], "stages[0].participantId"),
        ([{"stageId": "s", "participantId": "p"}], "stages[0].receive"),
        ([{"stageId": "s", "participantId": "p", "receive": []}] * 2, "stages[1].participantId"),
    ],
)
def test_what_does_not_fit_is_refused(key, two, opened, stages_wanted, member):
    client = opened(key.connection_token(two[0]))
    kind, told = client.ask("RECEIVE_CONFIGURE", "RECEIVE_CONFIGURED", "RECEIVE_CONFIGURE_ERROR", stages=stages_wanted)
    assert (kind, told["code"], told["member"]) == ("RECEIVE_CONFIGURE_ERROR", "INVALID", member)
