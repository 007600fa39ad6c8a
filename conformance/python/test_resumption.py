"""A token that has expired opens nothing; who was in comes back with the resumption secret of its stage session."""

import time

import pytest

from support import api
from support.tokens import KeyPair
from support.wait import eventually
from test_whip import SDP, assert_error, bearer, make_offer

HEADER = "Restage-Resumption"
LIFE_S = 4


@pytest.fixture
def key(ivs):
    return KeyPair().import_into(ivs)


@pytest.fixture
def stage(ivs):
    made = ivs.create_stage(name="resumption")["stage"]
    yield made
    ivs.delete_stage(arn=made["arn"])


def post(media, stage, token, secret=None, watching=None):
    """What POST of an offer answers, for WHIP or, with a publisher's id, WHEP."""
    url = stage["endpoints"]["whip"]
    headers = bearer(token, Content_Type=SDP) | ({HEADER: secret} if secret else {})
    if watching is None:
        return media.request("POST", url, data=make_offer(media), headers=headers)
    url = url.removesuffix("/whip") + f"/whep/{watching}"
    return media.request("POST", url, data=make_offer(media, direction="recvonly"), headers=headers)


def given(answer):
    """The secret of a 201."""
    status, headers, text = answer
    assert status == 201, text
    return headers[HEADER]


def brief(key, stage, name):
    """A token for the next few seconds."""
    return key.token(stage, name, exp=int(time.time()) + LIFE_S)


def expire(*tokens):
    last = max(api.payload(token)["exp"] for token in tokens)
    eventually(lambda: time.time() > last + 1, what="the tokens have expired")


def told(events):
    """The secret the events socket was given."""
    return next((frame["payload"]["secret"] for frame in events.frames if frame["type"] == "RESUMPTION"), None)


def test_who_was_in_opens_more_after_the_token_has_expired(media, key, stage):
    tokens = {name: brief(key, stage, name) for name in ("ann", "bob")}
    secret = given(post(media, stage, tokens["ann"]))
    events = media.events(tokens["ann"])
    assert eventually(lambda: told(events), what="the secret") == secret, "one per participant and session"
    expire(*tokens.values())
    assert not events.is_closed
    # It is in, and that is not enough.
    assert_error(post(media, stage, tokens["ann"]), 401, "TOKEN_EXPIRED")
    assert given(post(media, stage, tokens["ann"], secret)) == secret
    publisher = media.publish(key.token(stage, "carol"), identity=6)
    assert given(post(media, stage, tokens["ann"], secret, watching="carol")) == secret
    # Somebody else's, and one that is none.
    for wrong in (secret, "x", secret[:-1], "st-1." + secret.split(".")[1]):
        assert_error(post(media, stage, tokens["bob"], wrong), 401, "TOKEN_EXPIRED")
    # A token that is good needs none, and a wrong one does no harm.
    given(post(media, stage, key.token(stage, "dan"), "nonsense"))
    publisher.leave()


def test_the_events_socket_is_opened_again_as_a_page_does_it(media, key, stage):
    token = brief(key, stage, "ann")
    events = media.events(token)
    secret = eventually(lambda: told(events), what="the secret")
    assert events.frames[0]["type"] == "STAGE_STATE"
    expire(token)
    late = media.events(token)
    eventually(lambda: late.is_closed, what="closed")
    assert late.close_code == 4401
    again = media.events(token, protocols=(f"restage-resumption.{secret}",))
    assert eventually(lambda: told(again), what="the secret again") == secret
    assert again.protocol == token


def test_it_ends_when_the_participant_is_disconnected(media, ivs, key, stage):
    token = brief(key, stage, "ann")
    events = media.events(token)
    secret = eventually(lambda: told(events), what="the secret")
    ivs.disconnect_participant(stageArn=stage["arn"], participantId="ann")
    eventually(lambda: events.is_closed, what="disconnected")
    assert_error(post(media, stage, token, secret), 403, "PARTICIPANT_DISCONNECTED")


def test_it_ends_with_the_key(media, ivs, key, stage):
    token = key.token(stage, "ann")
    secret = given(post(media, stage, token))
    ivs.delete_public_key(arn=key.arn)
    assert_error(post(media, stage, token, secret), 401, "TOKEN_MALFORMED")


def test_pages_may_read_and_send_it(media, stage):
    headers = {"Origin": "https://studio.example", "Access-Control-Request-Method": "POST"}
    asked = headers | {"Access-Control-Request-Headers": HEADER.lower()}
    _, answered, _ = media.request("OPTIONS", stage["endpoints"]["whip"], headers=asked)
    assert HEADER.lower() in answered["Access-Control-Allow-Headers"]
    _, answered, _ = media.request("POST", stage["endpoints"]["whip"], headers=headers)
    assert HEADER.lower() in answered["Access-Control-Expose-Headers"]


def test_an_encoder_that_knows_only_its_token_comes_back_inside_its_window(media, stages, key, stage):
    destination = stages.create("destination")
    token = brief(key, stage, "ann")
    publisher = media.publish(token, identity=7)
    eventually(lambda: stages.participants(stage["arn"]).get("ann", {}).get("published"), what="published")
    stages.replicate(stage["arn"], destination, "ann", reconnectWindowSeconds=300)
    expire(token)
    assert_error(post(media, stage, token), 401, "TOKEN_EXPIRED")

    def state():
        return stages.participants(stage["arn"])["ann"]["state"]

    publisher.leave()
    eventually(lambda: state() == "DISCONNECTED", what="the window is open")
    media.publish(token, identity=7)
    eventually(lambda: state() == "CONNECTED", what="it is back")
    assert [row["replicationState"] for row in stages.replicas(stage["arn"], "ann")] == ["ACTIVE"]
