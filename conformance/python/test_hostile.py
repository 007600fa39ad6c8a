"""Hostile input. The server may refuse or drop it; it must continue to serve everybody else."""

import json
import os
import random
import socket
import struct
import urllib.error
import urllib.request

import pytest
import yarl

from support.wait import eventually
from test_sigv4 import send, signed
from test_whip import bearer, make_offer

# One seed for the whole file: a failure can be repeated.
SEED = 20201214


@pytest.fixture(autouse=True)
def still_serving(server, ivs):
    """After every test: alive, ready, and answering a signed request."""
    yield
    assert server.is_alive()
    assert server.is_ready()
    ivs.list_stages(maxResults=1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"1e400",
        b"\xff\xfe",
        b'{"maxResults":"ten"}',
        b'{"maxResults":1.5}',
        b'{"maxResults":99999999999999999999}',
        b'{"maxResults":null,"maxResults":3}',
        b'{"nextToken":{"a":[]}}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * 60_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_bodies_that_are_not_the_request(server, body):
    status, code, parsed = send(server, signed(server, body=body), body=body)
    if status != 200:
        assert status == 400, parsed
        assert code in ("ValidationException", "SerializationException")
        assert parsed["message"]


def test_members_nobody_knows_are_left_alone(server):
    body = b'{"maxResults":1,"tomorrow":{"is":["another","day"]}}'
    assert send(server, signed(server, body=body), body=body)[0] == 200


def test_an_oversize_body(server):
    body = b'{"name":"' + b"x" * 4_000_000 + b'"}'
    try:
        status, _, _ = send(server, signed(server, body=body, operation="CreateStage"), body, "CreateStage")
    except (urllib.error.URLError, ConnectionError):
        return
    assert status in (400, 413)


@pytest.mark.parametrize("path", ["/", "/Nothing", "/whip/../x", "/%00", "/events/", "/tags/", "/" + "a" * 8000])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_paths_nobody_serves(server, method, path):
    request = urllib.request.Request(server.url + path, method=method, data=b"" if method != "GET" else None)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    assert status < 500


def exchange(server, data, timeout_s=3):
    """The answer to raw bytes on the HTTP port."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout_s) as connection:
        connection.sendall(data)
        try:
            return connection.recv(4096)
        except (TimeoutError, ConnectionError):
            return b""


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"POST /CreateStage HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /CreateStage HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /CreateStage HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET /events/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"\x00" * 10_000,
    ],
    ids=lambda data: repr(data[:24]),
)
def test_bytes_that_are_not_http(server, data):
    answer = exchange(server, data)
    assert not answer.startswith(b"HTTP/1.1 5")


def test_connections_that_say_nothing(server):
    idle = [socket.create_connection(("127.0.0.1", server.http_port), 5) for _ in range(200)]
    for connection in idle[::2]:
        connection.sendall(b"POST /ListStages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert server.is_alive()
    for connection in idle:
        connection.close()


def stun_binding_request(username=b"nobody:nobody", length=None, magic=0x2112A442):
    """A STUN binding request (RFC 8489 §5) with whatever is asked wrong about it."""
    padded = username + b"\x00" * (-len(username) % 4)
    attribute = struct.pack("!HH", 0x0006, len(username)) + padded
    size = len(attribute) if length is None else length
    return struct.pack("!HHI", 0x0001, size, magic) + os.urandom(12) + attribute


def datagrams():
    """Malformed STUN, DTLS, RTP and RTCP, and noise of every length."""
    chance = random.Random(SEED)
    yield b""
    yield from (bytes([first]) for first in range(256))
    yield stun_binding_request()
    yield stun_binding_request(username=b"")
    yield stun_binding_request(username=b"x" * 600)
    yield stun_binding_request(length=0xFFFF)
    yield stun_binding_request(length=3)
    yield stun_binding_request(magic=0)
    # DTLS: a client hello that ends too early, records with lengths that lie, epochs from the future.
    yield b"\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x01\x00\x00\x04"
    yield b"\x16\xfe\xfd" + b"\xff" * 10
    yield b"\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x01\xff\xff" + b"a" * 40
    # RTP and RTCP: extension bits without extensions, padding longer than the packet, counts that lie.
    yield b"\x90\x60" + b"\x00" * 10
    yield b"\xb0\x60" + b"\x00" * 10 + b"\xbe\xde\xff\xff"
    yield b"\xa0\x60" + b"\x00" * 10 + b"\xff"
    yield b"\x8f\x60" + b"\x00" * 4
    for kind in range(192, 224):
        yield bytes([0x9F, kind, 0xFF, 0xFF]) + b"\xff" * 20
    for _ in range(5000):
        first = chance.choice([0, 1, 20, 22, 23, 63, 64, 127, 128, 144, 191, 192, 255])
        yield bytes([first]) + chance.randbytes(chance.randrange(0, 1500))


def spray(server, sender, times=1):
    for _ in range(times):
        for data in datagrams():
            sender.sendto(data, ("127.0.0.1", server.media_port))


def test_datagrams_of_every_wrong_kind(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        spray(server, sender)


def test_media_goes_on_under_a_spray_of_datagrams(server, stages, media):
    arn = stages.create("sprayed")
    ann, token = stages.token(arn)
    media.publish(token, identity=30)
    eventually(lambda: stages.participants(arn)[ann]["published"], what="published")
    watcher = media.watch(stages.token(arn)[1], ann)
    watcher.wait_for(30)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        spray(server, sender, times=3)
    watcher.wait_for(30, frames=15)
    assert set(watcher.seen) == {30}


def test_datagrams_from_a_peer_s_own_address(server, stages, media):
    """The worst place for noise to come from: the address whose packets are believed."""
    arn = stages.create("possessed")
    ann, token = stages.token(arn)
    publisher = media.publish(token, identity=31)
    eventually(lambda: stages.participants(arn)[ann]["published"], what="published")
    watcher = media.watch(stages.token(arn)[1], ann)
    watcher.wait_for(31)

    async def spray_from_inside():
        transport = publisher.pc.getSenders()[0].transport.transport
        for data in datagrams():
            if data and not 20 <= data[0] <= 63:
                await transport._send(data)

    media.run(spray_from_inside())
    watcher.wait_for(31, frames=15)


def test_offers_cut_off_and_scrambled(server, stages, media):
    chance = random.Random(SEED)
    _, token = stages.token(stages.create("offers"))
    offer = make_offer(media)
    lines = offer.splitlines(keepends=True)
    attempts = [offer[: len(offer) * part // 40] for part in range(40)]
    for _ in range(60):
        changed = lines.copy()
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(changed))
            changed[at] = chance.choice(
                [
                    "",
                    changed[at] * 3,
                    changed[at].upper(),
                    changed[at].replace(":", ""),
                    changed[at].rstrip() + "9" * 300 + "\r\n",
                    chance.choice(lines),
                ]
            )
        attempts.append("".join(changed))
    attempts.append(offer + "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n" * 1500)
    attempts.append("v=0\r\n" + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 3000)
    attempts.append(offer + "x" * 1_000_000)
    for attempt in attempts:
        status, _, text = media.request(
            "POST", f"{server.url}/whip", data=attempt, headers=bearer(token, Content_Type="application/sdp")
        )
        assert status in (201, 400, 413, 422), f"{status} {text}"
        if status != 201 and text.startswith("{"):
            assert json.loads(text)["message"]


def test_many_half_open_joins_do_not_keep_others_out(server, stages, media):
    """Offers that never connect cost the server something only for a while, and do not affect others."""
    arn = stages.create("half-open")
    offer = make_offer(media)
    for _ in range(50):
        _, token = stages.token(arn)
        status, _, text = media.request(
            "POST", f"{server.url}/whip", data=offer, headers=bearer(token, Content_Type="application/sdp")
        )
        assert status in (201, 503), text
    other = stages.create("other")
    ann, token = stages.token(other)
    media.publish(token, identity=32)
    eventually(lambda: stages.participants(other)[ann]["published"], what="published")
    eventually(lambda: not stages.participants(arn, filterByState="CONNECTED"), 30, "half-open joins are cleared")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/whip/publish/%00"),
        ("POST", "/whip/publish/ann%00bob"),
        ("POST", "/whip/subscribe/%00"),
        ("POST", "/whep/a%00"),
        ("PATCH", "/whip/sessions/%00"),
        ("DELETE", "/whip/sessions/a%00b"),
    ],
)
def test_the_null_character_in_a_path(server, media, stages, method, path):
    """No database can be asked for it: it is the client's fault, whichever engine there is."""
    token = stages.token(stages.create())[1]
    offer = make_offer(media)
    headers = bearer(token, Content_Type="application/sdp")
    status, _, text = media.request(method, yarl.URL(server.url + path, encoded=True), data=offer, headers=headers)
    assert status == 400, text
    assert "U+0000" in json.loads(text)["message"]


def test_the_null_character_in_the_path_of_the_events_socket(server, media, stages):
    token = stages.token(stages.create())[1]
    url = yarl.URL(server.url + "/events/%00", encoded=True)
    more = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    more |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": token}
    assert media.request("GET", url, headers=more)[0] == 400


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("CreateStage", {"name": "a\0b"}),
        ("CreateStage", {"tags": {"k\0": "v\0"}}),
        ("CreateStage", {"participantTokenConfigurations": [{"userId": "\0"}]}),
        ("CreateStage", {"participantTokenConfigurations": [{"attributes": {"k": "\0"}}]}),
        ("GetStage", {"arn": "arn:aws:ivs:eu-west-1:000000000000:stage/\0"}),
        ("GetStageSession", {"stageArn": "STAGE", "sessionId": "st-\0"}),
        ("ListParticipants", {"stageArn": "STAGE", "sessionId": "st-1234567890abc", "filterByUserId": "\0"}),
        ("GetParticipant", {"stageArn": "STAGE", "sessionId": "st-1234567890abc", "participantId": "\0"}),
        ("DisconnectParticipant", {"stageArn": "STAGE", "participantId": "\0"}),
        ("DisconnectParticipant", {"stageArn": "STAGE", "participantId": "nobody", "reason": "\0"}),
        ("CreateParticipantToken", {"stageArn": "STAGE", "attributes": {"\0": "\0"}}),
        ("ImportPublicKey", {"publicKeyMaterial": "\0"}),
        ("ListStages", {"nextToken": "\0"}),
    ],
    ids=repr,
)
def test_the_null_character_in_a_body(server, stages, operation, members):
    if members.get("stageArn") == "STAGE":
        members = members | {"stageArn": stages.create()}
    body = json.dumps(members).encode()
    status, _, answer = send(server, signed(server, body=body, operation=operation), body, operation)
    assert status < 500, answer


def test_the_null_character_in_the_path_of_tags(server):
    for arn in ("%00", "arn%3Aaws%3Aivs%3Aeu-west-1%3A000000000000%3Astage%2F%00"):
        request = urllib.request.Request(f"{server.url}/tags/{arn}")
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=10)
        assert 400 <= refusal.value.code < 500
