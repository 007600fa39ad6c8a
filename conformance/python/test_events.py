"""The events WebSocket: who publishes in a stage, sent as it changes."""

import json
import socket

import aiohttp
import pytest

from support import api
from support.wait import eventually, stays


@pytest.fixture
def pair(stages):
    """(source stage, destination stage), deleted after the test."""
    arns = stages.create("events-source"), stages.create("events-destination")
    yield arns
    for arn in arns:
        stages.ivs.delete_stage(arn=arn)


def test_the_token_is_the_sub_protocol(stages, media, pair):
    _, token = stages.token(pair[0])
    events = media.events(token)
    assert events.protocol == token


def test_stage_state_at_once_and_on_every_change(stages, media, pair):
    source, destination = pair
    ann, ann_token = stages.token(source, userId="ann", attributes={"role": "host"})
    here = media.events(stages.token(source, userId="ear")[1])
    there = media.events(stages.token(destination, userId="ear")[1])
    for events, arn in ((here, source), (there, destination)):
        eventually(lambda events=events: events.states(), what="the first STAGE_STATE")
        assert events.states()[0]["stageId"] == api.stage_id(arn)
        assert events.publishing() == set()

    publisher = media.publish(ann_token)
    eventually(lambda: here.publishing() == {ann}, what="ann publishes")
    (entry,) = [item for item in here.states()[-1]["participants"] if item["id"] == ann]
    said = {"id": ann, "userId": "ann", "attributes": {"role": "host"}, "isPublishing": True}
    said |= {"audioMuted": False, "videoStopped": False}
    assert entry == {**said, "isReplica": False}
    assert there.publishing() == set()

    stages.replicate(source, destination, ann, attributes={"role": "guest"})
    eventually(lambda: there.publishing() == {ann}, what="the replica publishes in the destination")
    (entry,) = [item for item in there.states()[-1]["participants"] if item["id"] == ann]
    replica = {"isReplica": True, "sourceStageId": api.stage_id(source)}
    assert entry == {**said, **replica, "attributes": {"role": "guest"}}

    stages.stop(source, destination, ann)
    eventually(lambda: there.publishing() == set(), what="the replica is gone")
    assert here.publishing() == {ann}
    publisher.leave()
    eventually(lambda: here.publishing() == set(), what="ann is gone")


def test_subscribers_are_not_announced(stages, media, pair):
    source, _ = pair
    ann, ann_token = stages.token(source)
    media.publish(ann_token)
    events = media.events(stages.token(source)[1])
    eventually(lambda: events.publishing() == {ann}, what="ann publishes")
    bob, bob_token = stages.token(source)
    media.watch(bob_token, ann).wait_for(1)
    assert bob in stages.participants(source)
    for state in events.states():
        assert bob not in {item["id"] for item in state["participants"]}


def test_ping_pong(stages, media, pair):
    events = media.events(stages.token(pair[0])[1])
    events.send('{"type":"PING"}')
    eventually(lambda: {"type": "PONG"} in events.frames, what="PONG")


def test_an_unknown_type_is_answered_with_an_error_and_the_socket_stays_open(stages, media, pair):
    events = media.events(stages.token(pair[0])[1])
    errors = lambda: [frame["payload"] for frame in events.frames if frame["type"] == "ERROR"]  # noqa: E731
    events.send('{"type":"SOMETHING_OF_TOMORROW","payload":{}}')
    (told,) = eventually(errors, what="an answer")
    assert (told["code"], told["member"]) == ("UNKNOWN_TYPE", "type")
    assert "SOMETHING_OF_TOMORROW" in told["message"]
    # A type as long as a message may be is not repeated whole.
    events.send(json.dumps({"type": "x" * 16_000}))
    eventually(lambda: len(errors()) == 2, what="the second answer")
    assert len(errors()[1]["message"]) < 300
    events.send('{"type":"PING"}')
    eventually(lambda: {"type": "PONG"} in events.frames, what="PONG")


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "null", '{"type":1}', "{" * 500, '{"type":"PING"'])
def test_malformed_frames_end_the_socket_and_nothing_else(server, stages, media, pair, text):
    events = media.events(stages.token(pair[0])[1])
    events.send(text)
    eventually(lambda: events.is_closed, what="the socket is closed")
    assert events.close_code == 1007
    assert server.is_alive()


def test_binary_and_oversize_frames_end_the_socket(server, stages, media, pair):
    events = media.events(stages.token(pair[0])[1])
    events.send_bytes(b"\x00" * 10)
    eventually(lambda: events.is_closed, what="closed after a binary frame")
    assert events.close_code == 1007
    for size in (600_000, 2_000_000):
        events = media.events(stages.token(pair[0])[1])
        events.send('{"type":"PING","pad":"' + "x" * size + '"}')
        eventually(lambda events=events: events.is_closed, what=f"closed after a frame of {size} bytes")
        assert events.close_code == 1009
    assert server.is_alive()


@pytest.mark.parametrize("protocol", ["abc", "a.b.c"])
def test_a_bad_token_gets_no_socket(server, stages, media, pair, protocol):
    async def attempt():
        await media.http.ws_connect(f"{server.url}/events/{api.stage_id(pair[0])}", protocols=[protocol])

    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        media.run(attempt())
    assert refused.value.status == 401


def test_a_token_for_another_stage_gets_no_events(stages, media, pair):
    source, destination = pair
    _, token = stages.token(source)

    async def attempt():
        url = f"{api.payload(token)['events_url']}/{api.stage_id(destination)}"
        async with media.http.ws_connect(url, protocols=[token]) as socket:
            return await socket.receive()

    message = media.run(attempt())
    assert message.type == aiohttp.WSMsgType.CLOSE
    assert message.data in (4401, 4403, 4404)


def test_a_second_socket_replaces_the_first(stages, media, pair):
    source, _ = pair
    ann, token = stages.token(source)
    first = media.events(token)
    second = media.events(token)
    eventually(lambda: first.is_closed, what="the first is closed")
    assert first.close_code == 4409
    eventually(lambda: second.states(), what="the second hears")
    assert stages.participants(source)[ann]["state"] == "CONNECTED"
    names = [event["name"] for event in stages.events(source, ann)]
    assert names == ["JOINED"]


def test_joined_with_the_socket_and_left_with_it(stages, media, pair):
    source, _ = pair
    ann, token = stages.token(source)
    events = media.events(token)
    eventually(lambda: stages.participants(source).get(ann, {}).get("state") == "CONNECTED", what="CONNECTED")
    session = stages.session(source)
    events.close()
    eventually(lambda: stages.participants(source, session)[ann]["state"] == "DISCONNECTED", what="DISCONNECTED")
    assert [event["name"] for event in stages.events(source, ann, session)] == ["JOINED", "LEFT"]


def test_disconnect_participant_closes_the_socket(stages, media, pair):
    ann, token = stages.token(pair[0])
    events = media.events(token)
    stages.ivs.disconnect_participant(stageArn=pair[0], participantId=ann)
    eventually(lambda: events.is_closed, what="closed")
    assert events.close_code == 4410
    again = media.events(token)
    eventually(lambda: again.is_closed, what="a dead token stays out")
    assert again.close_code == 4410


def test_a_closed_socket_is_read_until_the_client_closes_it_too(server, stages, pair):
    """Closing it with something unread would reset the connection and take the reason back."""
    ann, token = stages.token(pair[0])
    connection, stream = open_raw(server, token, pair[0])
    with connection:
        eventually(lambda: stages.participants(pair[0]).get(ann, {}).get("state") == "CONNECTED", what="CONNECTED")
        stages.ivs.disconnect_participant(stageArn=pair[0], participantId=ann)
        while (frame := read_frame(stream))[0] != CLOSE:
            pass
        assert int.from_bytes(frame[1][:2], "big") == 4410
        ping = masked(TEXT, b'{"type":"PING"}')
        for _ in range(200):
            connection.sendall(ping)
        connection.sendall(masked(CLOSE, frame[1][:2]))
        assert stream.read() == b""


def open_raw(server, token, stage):
    """(connection, stream) of an events socket that is not read and not answered automatically."""
    connection = socket.create_connection(("127.0.0.1", server.http_port), 10)
    head = [
        f"GET /events/{api.stage_id(stage)} HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        f"Sec-WebSocket-Protocol: {token}",
    ]
    connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
    stream = connection.makefile("rb")
    assert b" 101 " in stream.readline()
    while stream.readline() != b"\r\n":
        pass
    return connection, stream


def close_code(stream):
    """The code of the server's close frame."""
    while (frame := read_frame(stream))[0] != CLOSE:
        pass
    return int.from_bytes(frame[1][:2], "big")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        # The length alone is sufficient: the server does not wait for a message of 2^62 bytes.
        (b"\x81\xff" + (1 << 62).to_bytes(8, "big") + bytes(4), 1009),
        # Fragments that are too much together.
        (b"".join(bytes([first, 0xFE, 0xFF, 0xFF]) + bytes(4) + b"x" * 0xFFFF for first in [1] + 8 * [0]), 1009),
        # No UTF-8, in a text frame.
        (b"\x81\x82" + bytes(4) + b"\xff\xfe", 1007),
        # Not masked; an opcode and bits that mean nothing; a control frame in fragments.
        (b"\x81\x02{}", 1002),
        (b"\x83\x80" + bytes(4), 1002),
        (b"\xf1\x80" + bytes(4), 1002),
        (b"\x09\x80" + bytes(4), 1002),
    ],
    ids=["a length", "fragments", "no UTF-8", "unmasked", "an opcode", "reserved bits", "a broken ping"],
)
def test_what_is_no_message_is_told_why(server, stages, pair, data, code):
    connection, stream = open_raw(server, stages.token(pair[0])[1], pair[0])
    with connection:
        connection.sendall(data)
        assert close_code(stream) == code
        # Whatever the client goes on sending, the server has read it when it closes.
        connection.sendall(b"x" * 100_000)
        assert stream.read() == b""


def resident_kib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def send_until_closed(connection):
    """Number of bytes that the server accepted before it closed the connection."""
    sent = 0
    try:
        while True:
            sent += connection.send(b"x" * 65_536)
    except (BrokenPipeError, ConnectionError):
        return sent


def test_a_frame_that_never_ends_costs_no_memory(server, stages, pair):
    connection, _ = open_raw(server, stages.token(pair[0])[1], pair[0])
    with connection:
        before = resident_kib(server)
        connection.sendall(b"\x81\xff" + (1 << 40).to_bytes(8, "big") + bytes(4))
        sent = send_until_closed(connection)
        assert sent > 1 << 20, "it was read"
        assert resident_kib(server) < before + 16 * 1024, f"after {sent} bytes"


TEXT, CLOSE, PING = 1, 8, 9


def test_answers_that_nobody_reads_cost_no_memory(server, stages, pair):
    connection, _ = open_raw(server, stages.token(pair[0])[1], pair[0])
    with connection:
        before = resident_kib(server)
        pings = masked(PING, b"x" * 125) * 4096
        connection.settimeout(30)
        sent = 0
        # Nothing is read, so the server must close the connection at some time.
        try:
            while sent < 1 << 28:
                sent += connection.send(pings)
        except (BrokenPipeError, ConnectionError, TimeoutError):
            pass
        assert resident_kib(server) < before + 32 * 1024, f"after {sent} bytes"


def masked(opcode, payload):
    """A short frame of a client's (RFC 6455 §5.2), masked with zeros."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


def read_frame(stream):
    """(opcode, payload) of a server's."""
    first, length = stream.read(2)
    if length == 126:
        length = int.from_bytes(stream.read(2), "big")
    return first & 0x0F, stream.read(length)


def test_delete_stage_closes_the_socket(stages, media):
    arn = stages.create()
    events = media.events(stages.token(arn)[1])
    stages.ivs.delete_stage(arn=arn)
    eventually(lambda: events.is_closed, what="closed")
    assert events.close_code == 4404


def test_nothing_is_sent_while_nothing_changes(stages, media, pair):
    events = media.events(stages.token(pair[0])[1])
    eventually(lambda: events.states(), what="the first STAGE_STATE")
    count = len(events.frames)
    stays(lambda: len(events.frames) == count, 1, "no frame without a change")
