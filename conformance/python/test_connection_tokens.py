"""Connection tokens: one revocation ends what was opened with a token, wherever it is, and nothing else.

Tokens are signed here with an ordinary crypto library, as a customer's backend would.
"""

import hashlib
import hmac
import json
import pathlib
import subprocess
import sys
import time

import aiohttp
import botocore
import pytest

from support import api
from support.api import ACCOUNT, REGION, Stages, refused
from support.media import Events, Refused
from support.server import Server
from support.tokens import HOUR_S, KeyPair, encode
from support.wait import eventually, stays
from test_whip import ORIGIN, SDP, assert_error, bearer, make_offer

WEEK_S = 7 * 24 * HOUR_S
HEADER = "Restage-Connection"
ENDED = {"code": "TOKEN_REVOKED", "reason": "connection-token-revoked"}


@pytest.fixture(scope="module")
def key(ivs):
    return KeyPair().import_into(ivs, name="backend")


@pytest.fixture
def stage(ivs):
    """A stage as CreateStage answers it, deleted after the test."""
    made = ivs.create_stage(name="connections")["stage"]
    yield made
    ivs.delete_stage(arn=made["arn"])


def revoke(ivs, token):
    """RevokeConnectionToken of this token."""
    answer = ivs.revoke_connection_token(tokenId=api.payload(token)["jti"])
    assert set(answer) == {"ResponseMetadata"}


def post(media, url, token, connection=None):
    """(status, headers, text) of an offer with these tokens."""
    more = {HEADER: connection} if connection else {}
    headers = {**bearer(token, Content_Type=SDP), **more, "Origin": ORIGIN}
    return media.request("POST", url, data=make_offer(media), headers=headers)


def ended(media, peer):
    """What the URL of an ended session says."""
    status, _, text = media.request("GET", peer.location, headers=peer.authorization)
    assert status == 404, text
    said = json.loads(text)["ended"]
    return {name: said[name] for name in ENDED}


def closes(socket, code, reason):
    eventually(lambda: socket.is_closed, what=f"the socket is closed; {socket.frames}")
    assert (socket.close_code, socket.close_reason) == (code, reason)


def names(stages, stage, participant):
    return [event["name"] for event in stages.events(stage["arn"], participant)]


def opened(media, token):
    """The open socket of a connection token."""
    socket = media.connection(token)
    said = {"type": "CONNECTION_STATE", "payload": {"connectionTokenId": api.payload(token)["jti"]}}
    eventually(lambda: said in socket.frames, what=f"accepted; {socket.frames} {socket.close_reason}")
    return socket


def at(server):
    """Flags that lead a command to this server."""
    return ("--data-dir", str(server.data_dir), "--endpoint-url", server.url, "--region", REGION)


# What a revocation ends.


def test_a_revocation_ends_all_of_this_token_and_nothing_of_anybody_else(ivs, stages, media, key, stage):
    other_stage = ivs.create_stage(name="elsewhere")["stage"]
    mine, other = key.connection_token(stage), key.connection_token(stage)
    ann, ann_token = stages.token(stage["arn"], userId="ann")
    _, bob_token = stages.token(stage["arn"])
    ann_elsewhere, ann_elsewhere_token = stages.token(other_stage["arn"])
    dan, dan_token = stages.token(other_stage["arn"])

    socket, others_socket = opened(media, mine), opened(media, other)
    publisher = media.publish(ann_token, identity=1, connection=mine)
    others_publisher = media.publish(dan_token, identity=2, connection=other)
    watcher = media.watch(ann_elsewhere_token, dan, connection=mine)
    others_watcher = media.watch(dan_token, dan, connection=other)
    # The same participant without a connection token.
    plain_events = media.events(ann_elsewhere_token)
    events = media.events(ann_token, connection=mine)
    others_events = media.events(bob_token, connection=other)
    watcher.wait_for(2)
    others_watcher.wait_for(2)
    for one in (events, others_events, plain_events):
        eventually(one.states, what="joined")

    revoke(ivs, mine)
    closes(socket, 4403, "TOKEN_REVOKED")
    closes(events, 4403, "TOKEN_REVOKED")
    assert ended(media, publisher) == ENDED
    assert ended(media, watcher) == ENDED
    eventually(
        lambda: stages.participants(stage["arn"])[ann]["state"] == "DISCONNECTED",
        what="ann is gone from the first stage",
    )
    assert names(stages, stage, ann) == ["JOINED", "PUBLISH_STARTED", "PUBLISH_STOPPED", "LEFT"]
    assert names(stages, other_stage, ann_elsewhere)[-1] == "SUBSCRIBE_STOPPED"
    assert stages.participants(other_stage["arn"])[ann_elsewhere]["state"] == "CONNECTED"
    others_watcher.wait_for(2)
    stays(lambda: not (others_socket.is_closed or others_events.is_closed or plain_events.is_closed), 1)
    assert media.request("GET", others_publisher.location, headers=others_publisher.authorization)[0] == 405
    others_publisher.leave()
    ivs.delete_stage(arn=other_stage["arn"])


def test_a_revoked_token_opens_nothing_more(ivs, stages, server, media, key, stage):
    mine = key.connection_token(stage)
    ann, token = stages.token(stage["arn"])
    # It may be revoked before its first use, and again.
    for _ in range(2):
        revoke(ivs, mine)
    closes(media.connection(mine), 4403, "TOKEN_REVOKED")
    closes(media.events(token, connection=mine), 4403, "TOKEN_REVOKED")
    told = post(media, f"{server.url}/whip", token, mine)
    assert_error(told, 403, "TOKEN_REVOKED")
    assert json.loads(told[2])["message"] == f"the connection token {api.payload(mine)['jti']} was revoked"
    with pytest.raises(Refused) as refusal:
        media.watch(token, ann, connection=mine)
    assert (refusal.value.status, json.loads(refusal.value.body)["code"]) == (403, "TOKEN_REVOKED")
    # The participant's own token is as good as before, without it and with another one.
    media.publish(token, connection=key.connection_token(stage)).leave()
    media.publish(token).leave()


def test_a_publisher_whose_connection_token_is_revoked_may_come_back_in_its_window(ivs, stages, media, key, stage):
    hall = stages.create()
    ann, token = stages.token(stage["arn"])
    mine = key.connection_token(stage)
    media.publish(token, identity=3, connection=mine)
    stages.replicate(stage["arn"], hall, ann, reconnectWindowSeconds=60)
    _, viewer_token = stages.token(hall)
    viewer = media.watch(viewer_token, ann)
    viewer.wait_for(3)
    revoke(ivs, mine)
    eventually(
        lambda: (
            not stages.participants(stage["arn"], filterByPublished=True)
            or stages.participant(stage["arn"], ann)["state"] == "DISCONNECTED"
        ),
        what="unpublished",
    )
    assert [row["replicationState"] for row in stages.replicas(stage["arn"], ann)] == ["ACTIVE"]
    media.publish(token, identity=4, connection=key.connection_token(stage))
    viewer.wait_for(4)
    ivs.delete_stage(arn=hall)


def test_a_newer_socket_takes_the_place_of_the_earlier_one(media, key, stage):
    mine = key.connection_token(stage)
    first, other = opened(media, mine), opened(media, key.connection_token(stage))
    second = opened(media, mine)
    closes(first, 4409, "REPLACED")
    assert first.protocol == mine
    second.send('{"type":"PING"}')
    eventually(lambda: {"type": "PONG"} in second.frames, what="PONG")
    second.send('{"type":"LATER"}')
    eventually(lambda: second.frames[-1]["type"] == "ERROR", what="an unknown type is told")
    assert second.frames[-1]["payload"]["code"] == "UNKNOWN_TYPE"
    second.send("nonsense")
    closes(second, 1007, "a message is JSON, and this is none")
    assert not other.is_closed


def test_it_does_not_end_when_the_token_expires_and_opens_nothing_then(server, stages, media, key, stage):
    mine = key.connection_token(stage, exp=int(time.time()) + 4)
    socket = opened(media, mine)
    _, token = stages.token(stage["arn"])
    events = media.events(token, connection=mine)
    eventually(events.states, what="joined")
    eventually(lambda: time.time() > api.payload(mine)["exp"] + 0.5, what="expired")
    assert_error(post(media, f"{server.url}/whip", token, mine), 401, "TOKEN_EXPIRED")
    closes(media.connection(mine), 4401, "TOKEN_EXPIRED")
    assert not events.is_closed and not socket.is_closed


# Restarts.


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_revocation_outlives_the_process(tmp_path, media, end):
    server = Server(tmp_path / "data", name=f"test_connection_tokens_{end}").start()
    try:
        ivs = api.client(server)
        key, stages = KeyPair().import_into(ivs), Stages(ivs)
        stage = ivs.create_stage()["stage"]
        mine, other = key.connection_token(stage), key.connection_token(stage)
        _, token = stages.token(stage["arn"])
        others_socket = opened(media, other)
        revoke(ivs, mine)
        getattr(server, end)()
        if end == "stop":
            closes(others_socket, 1012, "SERVER_RESTART")
        server.start()
        closes(media.connection(mine), 4403, "TOKEN_REVOKED")
        assert_error(post(media, f"{server.url}/whip", token, mine), 403, "TOKEN_REVOKED")
        closes(media.events(token, connection=mine), 4403, "TOKEN_REVOKED")
        opened(media, other)
        media.publish(token, connection=other).leave()
    finally:
        media.close_peers()
        server.stop()


# What the operation takes.


def test_ids_are_those_of_the_model(server, ivs, key, stage):
    for token_id in ("a", "x" * 64, "A-Z_09", "-", "_"):
        assert ivs.revoke_connection_token(tokenId=token_id)["ResponseMetadata"]["HTTPStatusCode"] == 200
    free = api.client(server, parameter_validation=False)
    for token_id in ("", "x" * 65, "a b", "a.b", "\u00e9", "a/b", 7):
        with refused("ValidationException", 400, "tokenId"):
            free.revoke_connection_token(tokenId=token_id)
    with refused("ValidationException", 400, "tokenId"):
        free.revoke_connection_token()


def test_an_id_is_one_of_its_account_and_region(server, ivs, stages, media, key, stage):
    mine = key.connection_token(stage)
    socket = opened(media, mine)
    _, token = stages.token(stage["arn"])
    events = media.events(token, connection=mine)
    eventually(events.states, what="joined")
    revoke(api.client(server, region="us-east-1"), mine)
    stays(lambda: not (socket.is_closed or events.is_closed), 1)
    revoke(ivs, mine)
    closes(socket, 4403, "TOKEN_REVOKED")
    closes(events, 4403, "TOKEN_REVOKED")


def test_the_command_lines_revoke(server, media, key, stage):
    first, second, third = (key.connection_token(stage) for _ in range(3))
    sockets = [opened(media, token) for token in (first, second, third)]
    aws = (pathlib.Path(sys.executable).parent / "aws", "ivs-realtime", "revoke-connection-token")
    command = [*map(str, aws), "--token-id", api.payload(first)["jti"], "--region", REGION]
    # The model within AWS CLI 1.46 is older than the operation, so it is given that of boto3.
    environment = server.environment() | {"AWS_DATA_PATH": str(pathlib.Path(botocore.__file__).parent / "data")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    closes(sockets[0], 4403, "TOKEN_REVOKED")
    done = server.command("token", "revoke", api.payload(second)["jti"], *at(server))
    assert done.stdout == api.payload(second)["jti"] + "\n"
    closes(sockets[1], 4403, "TOKEN_REVOKED")
    server.command("token", "revoke", third, *at(server))
    closes(sockets[2], 4403, "TOKEN_REVOKED")


def test_the_command_line_signs_and_explains(server, tmp_path, media, key, stage):
    file = tmp_path / "key.pem"
    file.write_text(key.private_pem)
    here = at(server)
    signed = server.command("token", "sign", "--connection", "--private-key", str(file), "--token-id", "mine-1", *here)
    token = signed.stdout.strip()
    assert api.payload(token) == {
        "iat": api.payload(token)["iat"],
        "exp": api.payload(token)["iat"] + 12 * HOUR_S,
        "jti": "mine-1",
        "account_id": ACCOUNT,
        "region": REGION,
        "events_url": stage["endpoints"]["events"],
        "version": "1.0",
    }
    opened(media, token)
    shown = json.loads(server.command("token", "inspect", token, "--output", "json", *here).stdout)
    assert shown["refusedBecause"] == []
    assert shown["claims"]["connectionTokenId"] == "mine-1"
    wrong = key.connection_token(stage, exp=int(time.time()) + 5 * WEEK_S, events_url="wss://example.org/events")
    told = server.command("token", "inspect", wrong, "--output", "json", *here, check=False)
    assert told.returncode == 1
    reasons = " ".join(json.loads(told.stdout)["refusedBecause"])
    assert "must be at most 4 weeks after iat" in reasons and "events_url" in reasons
    long = ("token", "sign", "--connection", "--private-key", str(file), "--duration", "40320", *here)
    assert api.payload(server.command(*long).stdout)["exp"]
    done = server.command(
        "token", "sign", stage["arn"], "--private-key", str(file), "--duration", "20161", *here, check=False
    )
    assert done.returncode == 2 and "at most 14 days" in done.stderr
    for kind in (("--connection",), (stage["arn"],)):
        for flags, why in [
            (("--issued-at", str(int(time.time()) + 10_000)), "iat must be at most 300 seconds from now"),
            (("--expires-at", "5"), "exp must be later than now"),
        ]:
            refused_ = server.command("token", "sign", *kind, "--private-key", str(file), *flags, *here, check=False)
            assert refused_.returncode == 2 and why in refused_.stderr, (kind, refused_.stderr)


def test_two_connection_tokens_that_differ_are_refused(server, stages, media, key, stage):
    one, other = key.connection_token(stage), key.connection_token(stage)
    _, token = stages.token(stage["arn"])
    url = stage["endpoints"]["whip"]
    headers = [("Authorization", f"Bearer {token}"), ("Content-Type", SDP), (HEADER, one), (HEADER, other)]
    told = media.request("POST", url, data=make_offer(media), headers=headers)
    assert_error(told, 400, "TOKEN_AMBIGUOUS")
    said = api.payload(token)
    protocols = f"{token}, restage-connection.{one}, restage-connection.{other}"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    keyed = upgrade | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": protocols}
    url = f"{said['events_url']}/{said['topic']}".replace("ws", "http", 1)
    assert_error(media.request("GET", url, headers=keyed), 400, "TOKEN_AMBIGUOUS")


# Tokens that are no good.


def own_claims(**claims):
    return lambda key, stage: key.connection_token(stage, **claims)


def own_header(**header):
    return lambda key, stage: key.connection_token(stage, header=header)


def by_another_key(key, stage):
    stranger = KeyPair()
    stranger.arn = key.arn
    return stranger.connection_token(stage)


def by_the_public_key(key, stage):
    """HS256 with the public key as secret, for a verifier that lets the token choose its algorithm."""
    signed = key.connection_token(stage, header={"alg": "HS256"}).rsplit(".", 1)[0]
    return f"{signed}.{encode(hmac.digest(key.public_pem.encode(), signed.encode(), hashlib.sha256))}"


def without_a_signature(key, stage):
    return key.connection_token(stage, header={"alg": "none"}).rsplit(".", 1)[0] + "."


MALFORMED = {
    "without signature": without_a_signature,
    "HS256 with the public key": by_the_public_key,
    "another key": by_another_key,
    "unknown key": own_header(kid=f"arn:aws:ivs:{REGION}:{ACCOUNT}:public-key/AAAAAAAAAAAA"),
    "the service's key": own_header(kid="restage-service", alg="HS256"),
    "no key": own_header(kid=None),
    "expires too late": lambda key, stage: key.connection_token(stage, exp=int(time.time()) + 4 * WEEK_S + 60),
    "issued in the future": lambda key, stage: key.connection_token(stage, iat=int(time.time()) + 3_000),
    "another account": own_claims(account_id="111122223333"),
    "another Region": own_claims(region="us-east-1"),
    "another server": own_claims(events_url="wss://global.events.live-video.net"),
    "another version": own_claims(version="2.0"),
    "no id": own_claims(jti=None),
    "a long id": own_claims(jti="x" * 65),
    "no expiry": own_claims(exp=None),
    "no version": own_claims(version=None),
    "no account": own_claims(account_id=None),
    "no Region": own_claims(region=None),
    "no URL": own_claims(events_url=None),
    "no time of issue": own_claims(iat=None),
    "a participant token": lambda key, stage: key.token(stage),
    "huge": own_claims(padding="x" * 9_000),
    "nonsense": lambda key, stage: "nonsense",
    "three parts of nothing": lambda key, stage: "..",
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_connection_token_is_refused_everywhere(server, stages, media, key, stage, what):
    token = MALFORMED[what](key, stage)
    _, own = stages.token(stage["arn"])
    told = post(media, f"{server.url}/whip", own, token)
    assert_error(told, 401, "TOKEN_MALFORMED")
    events = media.open(_events(media, own, token))
    closes(events, 4401, "TOKEN_MALFORMED")
    url = server.url.replace("http", "ws") + "/connection"
    # This client library takes no answer that repeats so long a sub-protocol.
    alone = Events(media, f"{url}?token={token}", None) if what == "huge" else Events(media, url, token)
    closes(media.open(alone), 4401, "TOKEN_MALFORMED")
    assert stages.participants(stage["arn"]) == {}, "a refused join leaves no trace"


def _events(media, token, connection):
    said = api.payload(token)
    return Events(media, f"{said['events_url']}/{said['topic']}", token, connection)


def test_a_token_of_another_region_is_good_there_only(server, stages, media, key, stage):
    elsewhere = api.client(server, region="us-east-1")
    foreign = KeyPair().import_into(elsewhere)
    token = foreign.connection_token(stage)
    opened(media, token)
    _, own = stages.token(stage["arn"])
    told = post(media, f"{server.url}/whip", own, token)
    assert_error(told, 403, "TOKEN_NOT_ALLOWED")
    assert "us-east-1" in json.loads(told[2])["message"]
    closes(media.events(own, connection=token), 4403, "TOKEN_NOT_ALLOWED")
    there = elsewhere.create_stage()["stage"]
    _, own = Stages(elsewhere).token(there["arn"])
    assert post(media, f"{server.url}/whip", own, token)[0] == 201
    elsewhere.delete_public_key(arn=foreign.arn)
    assert_error(post(media, f"{server.url}/whip", own, token), 401, "TOKEN_MALFORMED")
    elsewhere.delete_stage(arn=there["arn"])


def test_the_socket_needs_a_token_and_an_upgrade(server, media):
    assert_error(media.request("GET", f"{server.url}/connection"), 426, "UPGRADE_REQUIRED")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        media.run(media.http.ws_connect(server.url.replace("http", "ws") + "/connection"))
    assert refusal.value.status == 401


def test_pages_of_any_origin_may_send_the_header(server, media):
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": HEADER.lower(),
    }
    status, told, _ = media.request("OPTIONS", f"{server.url}/whip", headers=headers)
    assert status == 200
    assert HEADER.lower() in {name.strip().lower() for name in told["Access-Control-Allow-Headers"].split(",")}
