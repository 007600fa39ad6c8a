"""An expired token opens nothing. A participant that was admitted before reconnects with the secret from the server.

Tokens are signed here, as CreateParticipantToken makes none that lasts seconds.
"""

import json
import time

import aiohttp
import pytest

from support import api
from support.api import Stages
from support.server import Server
from support.tokens import KeyPair
from support.wait import eventually
from test_whip import ORIGIN, SDP, assert_error, bearer, make_offer

HEADER = "Restage-Resumption"
LIFE_S = 5


@pytest.fixture(scope="module")
def key(ivs):
    return KeyPair().import_into(ivs, name="backend")


@pytest.fixture
def stage(ivs):
    """A stage as CreateStage answers it, deleted after the test."""
    made = ivs.create_stage(name="resumption")["stage"]
    yield made
    ivs.delete_stage(arn=made["arn"])


def post(media, url, token, secret=None, direction="sendonly"):
    """(status, headers, text) of an offer with this token and secret."""
    more = {HEADER: secret} if secret else {}
    headers = {**bearer(token, Content_Type=SDP), **more, "Origin": ORIGIN}
    return media.request("POST", url, data=make_offer(media, direction=direction), headers=headers)


def brief(key, stage, participant):
    """A token that ends soon."""
    return key.token(stage, participant, exp=int(time.time()) + LIFE_S)


def let_in(media, server, token):
    """The secret of a first connection, which stays open."""
    status, headers, text = post(media, f"{server.url}/whip", token)
    assert status == 201, text
    return headers[HEADER]


def expires(token):
    eventually(lambda: time.time() > api.payload(token)["exp"] + 0.5, what="the token has expired")


def test_an_expired_token_opens_nothing_whoever_is_connected_by_it(server, media, key, stage):
    token = brief(key, stage, "ann")
    events = media.events(token)
    eventually(lambda: events.states(), what="joined")
    expires(token)
    assert_error(post(media, f"{server.url}/whip", token), 401, "TOKEN_EXPIRED")
    assert_error(post(media, f"{server.url}/whip", token, "st-1.nonsense"), 401, "TOKEN_EXPIRED")
    assert not events.is_closed, "who is in stays in"


def test_who_was_let_in_comes_back_and_watches_newcomers(server, stages, media, key, stage):
    token, other = brief(key, stage, "ann"), brief(key, stage, "bob")
    status, headers, text = post(media, f"{server.url}/whip", token)
    assert status == 201, text
    secret = headers[HEADER]
    exposed = {name.strip().lower() for name in headers["Access-Control-Expose-Headers"].split(",")}
    assert HEADER.lower() in exposed
    let_in(media, server, other)
    expires(token)
    expires(other)
    # A new participant, whom Ann watches.
    dan, dan_token = stages.token(stage["arn"])
    publisher = media.publish(dan_token, identity=3)
    status, headers, text = post(media, f"{server.url}/whep/{dan}", token, secret, "recvonly")
    assert status == 201, text
    # The answer has one again, and it is as good.
    assert post(media, f"{server.url}/whip", token, headers[HEADER])[0] == 201
    # It is ann's alone.
    assert_error(post(media, f"{server.url}/whip", other, secret), 401, "TOKEN_EXPIRED")
    publisher.leave()


def test_the_events_socket_gives_one_and_takes_one(server, media, key, stage):
    token = brief(key, stage, "ann")
    events = media.events(token)
    eventually(lambda: len(events.frames) >= 2, what="joined")
    # The state comes first, as it does with a server that has no such thing.
    assert [frame["type"] for frame in events.frames] == ["STAGE_STATE", "RESUMPTION"]
    given = events.frames[1]["payload"]["secret"]
    expires(token)
    said = api.payload(token)
    url = f"{said['events_url']}/{said['topic']}"

    async def first_type(**options):
        async with media.http.ws_connect(url, **options) as socket:
            message = await socket.receive(timeout=10)
            return json.loads(message.data)["type"] if message.type == aiohttp.WSMsgType.TEXT else socket.close_code

    assert media.run(first_type(protocols=[token])) == 4401
    assert media.run(first_type(protocols=[token, f"restage-resumption.{given}"])) == "STAGE_STATE"
    assert media.run(first_type(protocols=[token], headers={HEADER: given})) == "STAGE_STATE"


def test_it_ends_with_the_participant(server, stages, media, key, stage):
    token = brief(key, stage, "ann")
    secret = let_in(media, server, token)
    expires(token)
    stages.ivs.disconnect_participant(stageArn=stage["arn"], participantId="ann")
    assert_error(post(media, f"{server.url}/whip", token, secret), 403, "PARTICIPANT_DISCONNECTED")


def test_it_ends_with_the_key(server, ivs, media, stage):
    key = KeyPair().import_into(ivs)
    token = brief(key, stage, "ann")
    secret = let_in(media, server, token)
    expires(token)
    assert post(media, f"{server.url}/whip", token, secret)[0] == 201
    ivs.delete_public_key(arn=key.arn)
    assert_error(post(media, f"{server.url}/whip", token, secret), 401, "TOKEN_MALFORMED")


def test_a_token_exchange_brings_one_for_the_new_token(server, ivs, media, key, stage):
    another = KeyPair().import_into(ivs)
    events = media.events(key.token(stage, "bob"))
    eventually(lambda: events.states(), what="bob joined")
    exchanged = another.token(stage, "bob")
    events.send(json.dumps({"type": "TOKEN_EXCHANGE", "payload": {"token": exchanged}}))
    eventually(lambda: [frame["type"] for frame in events.frames].count("RESUMPTION") == 2, what="another secret")
    status, headers, _ = post(media, f"{server.url}/whip", key.token(stage, "ann"))
    old, session = headers[HEADER], server.url + headers["Location"]
    token = brief(another, stage, "ann")
    status, headers, text = media.request("PATCH", session, headers=bearer(token))
    assert status == 204, text
    expires(token)
    assert_error(post(media, f"{server.url}/whip", token, old), 401, "TOKEN_EXPIRED")
    assert post(media, f"{server.url}/whip", token, headers[HEADER])[0] == 201


def test_it_ends_with_the_session_and_an_encoder_has_its_window(tmp_path, media):
    server = Server(tmp_path / "data", "--session-idle-seconds", "1", name="test_resumption_idle").start()
    stages = Stages(api.client(server))
    key = KeyPair().import_into(stages.ivs)
    here = stages.ivs.create_stage()["stage"]
    there = stages.create("there")
    token = brief(key, here, "ann")
    publisher = media.publish(token, identity=1)
    eventually(lambda: stages.participants(here["arn"]).get("ann", {}).get("published"), what="ann publishes")
    stages.replicate(here["arn"], there, "ann", reconnectWindowSeconds=60)
    expires(token)
    publisher.leave()
    # Its window is open: the token alone will do, to publish.
    publisher = media.publish(token, identity=1)
    assert_error(post(media, f"{server.url}/whip", token), 401, "TOKEN_EXPIRED")
    stages.stop(here["arn"], there, "ann")
    publisher.leave()
    eventually(lambda: stages.session(here["arn"]) is None, 30, "the session ends")
    # Another session of the same stage, and a secret of the one before.
    fresh = key.token(here, "bob")
    secret = let_in(media, server, fresh)
    assert secret
    assert_error(post(media, f"{server.url}/whip", token, secret), 401, "TOKEN_EXPIRED")
    server.stop()
